"""`closte-bridge setup`: set up closte-bridge interactively."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import click

from closte_bridge.cli.command import BridgeCommand
from closte_bridge.cli.commands.adopt import list_warnings, run_adoption
from closte_bridge.cli.commands.integration import connection_error
from closte_bridge.cli.commands.plan import plan_one
from closte_bridge.cli.commands.setup_place import Stacks, find_place
from closte_bridge.cli.commands.setup_schedule import WAYS, offer_schedule
from closte_bridge.cli.commands.shim import installed_sentence, is_installed, run_install, trigger_sentence
from closte_bridge.cli.context import App, pass_app
from closte_bridge.cli.formats import Format
from closte_bridge.cli.messages import approval_problems, side_problems
from closte_bridge.cli.networks import NetworkResult, engine_of, total_cost
from closte_bridge.cli.options import Choice, format_options, global_options
from closte_bridge.cli.render import plan_rows, plan_text
from closte_bridge.cli.result import Message, Problem, Result
from closte_bridge.cli.syncing import sync_one
from closte_bridge.config.key_file import source_in_text
from closte_bridge.counts import counted
from closte_bridge.domains import shown
from closte_bridge.engine.keys import find_key
from closte_bridge.engine.run import RunRequest
from closte_bridge.errors import BridgeError
from closte_bridge.ledger.meta import LAST_SUCCESS
from closte_bridge.planning.model import Mode
from closte_bridge.wordpress.writer import set_toggle

if TYPE_CHECKING:
    from closte_bridge.engine.adopt import AdoptionOffer
    from closte_bridge.engine.engine import Engine
    from closte_bridge.engine.run import RunReport
    from closte_bridge.wordpress.snapshot import Snapshot

_EXAMPLES = """
$ closte-bridge setup
Ultimate Multisite 2.14.2 on "network.example.com", WordPress in /var/www/html/.
Connected to Closte (API key from the constant CLOSTE_CLIENT_API_KEY).
…
Adopt this network? [y/n] y
The Closte integration is disabled. Enable it? [y/n] y
Network "network.example.com": 1 to add, 0 to remove, 2 in sync, 1 on hold.
  +  shop.customer.com      mapped to site 4
  ~+ www.shop.customer.com  on hold: waiting for DNS to point to the same address as "shop.customer.com"
Install the shim (a must-use plugin that triggers a sync when domains change)? [y/n] y
Installed the shim … in /var/www/html/wp-content/mu-plugins. It starts a sync whenever a domain changes.
Apply this plan now? [y/n] y
Added 1 of 1 domain.
…
Schedule closte-bridge with a line in the crontab of "www-data", which runs a sync every 5 minutes? [y/n] y
Scheduled with a line in the crontab of "www-data", which runs a sync every 5 minutes.
Success: Set up "network.example.com" (2 domains adopted).

$ closte-bridge setup --schedule=none --yes
…
This network is already adopted.
…
The shim is installed.
In sync: nothing to change.
…
Success: Set up "network.example.com".
"""


@click.command(cls=BridgeCommand, short_help="Set up closte-bridge interactively.", epilog=_EXAMPLES)
@click.option(
    "--take-over",
    is_flag=True,
    help="Take over even if another installation owns the network or this may be a staging copy.",
)
@click.option(
    "--schedule",
    type=Choice(WAYS),
    metavar=f"<{'|'.join(WAYS)}>",
    help="Way to keep closte-bridge running. Default: the first one that this machine offers.",
)
@format_options(formats=(Format.TABLE, Format.JSON))
@global_options
@pass_app
def setup(app: App, take_over: bool, schedule: str | None) -> Result:
    """Reach WordPress, adopt the network, enable the integration, install the shim, sync, and schedule regular runs.

    Asks before each change. Safe to run again: it skips completed steps. With --ssh, asks for the password and whether
    to trust the host key, and adds the network to the config. If it stops before the network is adopted, it takes its
    changes on this machine back. --yes picks the first schedule that this machine offers.
    """
    with ExitStack() as always, ExitStack() as undo:
        place = find_place(app, Stacks(always, undo))
        engine = engine_of(app, app.network())
        _connect(app, engine, place.snapshot)
        adopting, offer = run_adoption(app, take_over=take_over, repeat=False)
        undo.pop_all()
        if not place.snapshot.settings.integration:
            _offer_integration(app, engine)
        planning = engine_of(app, app.network())
        report = plan_one(planning)
        if app.output.format is Format.TABLE:
            # Shown before the shim is offered: once it is installed, the next mapping change applies this plan.
            app.console.line(plan_text(report))
        working = engine_of(app, app.network())
        warnings = [*_warnings(offer, report), *_offer_shim(app, working)]
        synced, found = _offer_sync(app, working, report)
        warnings += [*found, *offer_schedule(app, working, schedule, lasting=place.lasting)]
    adopted = f" ({counted(len(offer.adoptable), 'domain')} adopted)" if not offer.settled else ""
    return Result(
        data=plan_rows(report),
        rendered={Format.TABLE: ""},
        messages=(
            Message("success", f'Set up "{place.snapshot.network.domain}"{adopted}.'),
            *([] if synced else [_what_next(report)]),
        ),
        warnings=tuple(dict.fromkeys(warnings)),
        cost=total_cost([NetworkResult(one) for one in (engine, adopting, planning, working)]),
    )


def _connect(app: App, engine: Engine, snapshot: Snapshot) -> None:
    """Say what was found in WordPress, and test the API key. Raises BridgeError if Closte refuses it."""
    version, root = snapshot.settings.plugin_version, shown(snapshot.network.root)
    app.console.log(f'Ultimate Multisite {version} on "{snapshot.network.domain}", WordPress in {root}.')
    key, source = find_key(engine)
    with engine.client(key) as client, engine.waiting("Closte"):
        tested = client.test_connection()
        engine.count_api(client)
    place = source_in_text(engine.settings, app.environ, source)
    if not tested.ok:
        raise connection_error(tested, engine.settings, place)
    app.console.log(f"Connected to Closte (API key from {place}).")


def _warnings(offer: AdoptionOffer, report: RunReport) -> list[Problem]:
    """Return the warnings of `adopt` and the problems of `plan`, each once. They do not fail the setup."""
    of_list = list_warnings(offer)
    errors, warnings, _ = side_problems(report)
    reported = {problem.code for problem in of_list}
    found = [*errors, *warnings, *approval_problems(report.plan)]
    return [*of_list, *(problem for problem in found if problem.code not in reported)]


def _offer_integration(app: App, engine: Engine) -> None:
    """Ask whether to enable the integration. Setup continues without it."""
    if app.console.agrees("The Closte integration is disabled. Enable it?"):
        set_toggle(engine.settings.wp, engine.cost.wp, enabled=True)
    else:
        app.console.log("The integration stays disabled.")


def _what_next(report: RunReport) -> Message:
    authority = report.plan.authority
    if authority.mode is Mode.INACTIVE:
        text = f"closte-bridge changes nothing on Closte: {authority.reason}."
        return Message("warning", text, Problem(code=authority.code, message=text, hint=authority.hint))
    return Message("log", "Run `closte-bridge sync` to apply this plan.")


def _offer_shim(app: App, engine: Engine) -> tuple[Problem, ...]:
    """Ask whether to install the shim, unless it is installed. A failure is a warning: the shim is optional."""
    try:
        if is_installed(engine):
            app.console.log("The shim is installed.")
            return ()
        if app.console.agrees("Install the shim (a must-use plugin that triggers a sync when domains change)?"):
            found = run_install(app, engine)
            app.console.log(f"{installed_sentence(found)} {trigger_sentence(found)}")
            return ()
    except BridgeError as error:
        if error.code == "no-terminal":
            raise
        return Problem.of(error)
    app.console.log(
        "Shim not installed; scheduled syncs pick up changes. To install it later, run `closte-bridge shim install`."
    )
    return ()


def _offer_sync(app: App, engine: Engine, report: RunReport) -> tuple[bool, tuple[Problem, ...]]:
    """Ask whether to sync, if there is something to do or no run has finished. Returns whether nothing is left to say.

    What a sync reports is a warning here: the next run tries again.
    """
    with engine.opened():
        done = engine.ledger is not None and LAST_SUCCESS.of(engine.ledger.meta()) is not None
    due = bool(report.plan.changes) or bool(report.records and report.records.due)
    if report.plan.authority.mode is Mode.INACTIVE:
        return False, ()
    if done and not due:
        app.console.log("In sync: nothing to change.")
        return True, ()
    if not app.console.agrees("Apply this plan now?" if due else "Make the first sync now?"):
        return not due, ()
    try:
        _, messages = sync_one(engine, RunRequest(), app.command)
    except BridgeError as error:
        return True, Problem.of(error)
    for remark in messages.remarks:
        app.console.log(remark.text)
    return True, (*messages.errors, *messages.warnings)
