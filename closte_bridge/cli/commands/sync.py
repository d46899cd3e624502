"""`closte-bridge sync`: bring the domains at Closte into step."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import click

from closte_bridge.cli.command import BridgeCommand
from closte_bridge.cli.context import App, pass_app
from closte_bridge.cli.options import domain_names, duration, format_options, global_options
from closte_bridge.cli.plans import FIELDS
from closte_bridge.cli.syncing import run_sync, run_triggered
from closte_bridge.errors import ConfigError

if TYPE_CHECKING:
    from closte_bridge.cli.result import Result

_EXAMPLES = """
$ closte-bridge sync
Network "network.example.com": 1 to add, 0 to remove, 2 in step, 1 held.
  +  shop.customer.com      mapped to site 4
  ~+ www.shop.customer.com  held: waits until it leads where "shop.customer.com" leads
Checked 4 domains: 0 with their padlock.
Success: Added 1 of 1 domain.
Cost: 2 wp calls (0.82 s), 2 API calls (0.25 s), planning 0.001 s.

$ closte-bridge sync --quiet --format=count && echo "in step"
0
in step
"""

DEFAULT_WAIT = "30m"


def _digests(raw: tuple[str, ...]) -> frozenset[str]:
    for digest in raw:
        if not re.fullmatch(r"[0-9a-f]{12}", digest):
            raise ConfigError(
                f'"{digest[:40]}" is not a digest.',
                code="usage",
                hint="Take the 12 characters that the message of the gate printed.",
            )
    return frozenset(raw)


@click.command(cls=BridgeCommand, short_help="Bring the domains at Closte into step.", epilog=_EXAMPLES)
@click.argument("domains", nargs=-1, metavar="[<domain>...]")
@click.option("--dry-run", is_flag=True, help="Show what would be done; change nothing.")
@click.option(
    "--allow-removals",
    multiple=True,
    metavar="<digest>",
    help="Let the removals go that the gate withheld; the digest stands for exactly those names.",
)
@click.option("--retry", is_flag=True, help="Try changes now that wait for their next try.")
@click.option(
    "--wait",
    metavar="[=<timeout>]",
    help="Follow the domains until they have their padlock. Default: 30m.",
)
@click.option(
    "--triggered", is_flag=True, hidden=True, help="Started by the shim: leave at once if another one is at it."
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
    """Read WordPress and Closte, and bring the domains at Closte into step: plan, gate, apply.

    With domains, only those (and their www. forms) are changed, and they are tried now. Then DNS and certificates are
    looked at where that is due, and stages in Ultimate Multisite move when something is proven.
    """
    from closte_bridge.engine.run import RunRequest  # noqa: PLC0415 - loaded when a sync is made
    from closte_bridge.planning.model import Approval  # noqa: PLC0415 - likewise

    names = domain_names(app, domains) if domains else []
    if triggered:
        if domains or dry_run or allow_removals or retry or wait:
            raise ConfigError(
                '"--triggered" goes with no other option and no domain.', code="usage", hint="Leave the others out."
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
    from closte_bridge.cli.commands.sync_wait import run_waiting  # noqa: PLC0415 - for this option alone

    if dry_run:
        raise ConfigError('"--wait" and "--dry-run" exclude each other.', code="usage", hint="Leave one of them out.")
    return run_waiting(app, request, duration(wait or DEFAULT_WAIT))
