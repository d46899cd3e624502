"""`closte-bridge sync`: apply pending changes to Closte."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import click

from closte_bridge.cli.command import BridgeCommand
from closte_bridge.cli.commands.sync_wait import run_waiting
from closte_bridge.cli.context import App, pass_app
from closte_bridge.cli.options import domain_names, duration, format_options, global_options
from closte_bridge.cli.render import FIELDS
from closte_bridge.cli.syncing import run_sync, run_triggered
from closte_bridge.engine.run import RunRequest
from closte_bridge.errors import ConfigError
from closte_bridge.planning.model import Approval

if TYPE_CHECKING:
    from closte_bridge.cli.result import Result

_EXAMPLES = """
$ closte-bridge sync
Network "network.example.com": 1 to add, 0 to remove, 2 in sync, 1 on hold.
  +  shop.customer.com      mapped to site 4
  ~+ www.shop.customer.com  on hold: waiting for DNS to point to the same address as "shop.customer.com"
Checked 4 domains: 0 with valid HTTPS.
Success: Added 1 of 1 domain.
Cost: 2 wp calls (0.82 s), 2 API calls (0.25 s), planning 0.001 s.

$ closte-bridge sync --quiet --format=count && echo "in sync"
0
in sync
"""

DEFAULT_WAIT = "30m"


def _digests(raw: tuple[str, ...]) -> frozenset[str]:
    for digest in raw:
        if not re.fullmatch(r"[0-9a-f]{12}", digest):
            raise ConfigError(
                f'Invalid value for "--allow-removals": "{digest[:40]}" is not a digest.',
                code="usage",
                hint="Use the 12-character digest from the message about removals that need approval.",
            )
    return frozenset(raw)


@click.command(cls=BridgeCommand, short_help="Apply pending changes to Closte.", epilog=_EXAMPLES)
@click.argument("domains", nargs=-1, metavar="[<domain>...]")
@click.option("--dry-run", is_flag=True, help="Preview the changes without making them.")
@click.option(
    "--allow-removals",
    multiple=True,
    metavar="<digest>",
    help="Digest of the removals to approve. It identifies the exact set of domains.",
)
@click.option("--retry", is_flag=True, help="Retry failed changes now.")
@click.option(
    "--wait",
    metavar="[=<timeout>]",
    help="Wait until the domains are live. Default: 30m.",
)
@click.option(
    "--triggered",
    is_flag=True,
    hidden=True,
    help="Internal: started by the shim. Exit immediately if another one is running.",
)
@format_options(fields=FIELDS)
@global_options
@pass_app
def sync(
    app: App,
    domains: tuple[str, ...],
    dry_run: bool,
    allow_removals: tuple[str, ...],
    retry: bool,
    wait: str | None,
    triggered: bool,
) -> Result | int:
    """Apply pending changes: add missing domains to Closte and remove stale ones.

    Given domains, changes only those and their www. variants, and retries failed ones now. Then makes the DNS and
    certificate checks that are due, and updates stages in Ultimate Multisite. Exits with code 3 if removals need your
    approval, and with 4 if some domains failed.
    """
    names = domain_names(app, domains) if domains else []
    if triggered:
        if domains or dry_run or allow_removals or retry or wait:
            raise ConfigError(
                '"--triggered" cannot be combined with other options or domains.',
                code="usage",
                hint="Remove the other options and domains.",
            )
        return run_triggered(app)
    request = RunRequest(
        approval=Approval(digests=_digests(allow_removals)),
        only=frozenset(names),
        retry=retry,
        dry_run=dry_run,
    )
    if wait is None:
        return run_sync(app, request)
    if dry_run:
        text = '"--wait" cannot be combined with "--dry-run".'
        raise ConfigError(text, code="usage", hint="Remove one of them.")
    return run_waiting(app, request, duration(wait or DEFAULT_WAIT))
