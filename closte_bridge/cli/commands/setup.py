"""`closte-bridge setup`: the first minute, asking before each change."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from closte_bridge.cli.command import BridgeCommand
from closte_bridge.cli.commands.adopt import list_warnings, run_adoption
from closte_bridge.cli.commands.integration import connection_error
from closte_bridge.cli.context import App, pass_app
from closte_bridge.cli.formats import Format
from closte_bridge.cli.networks import NetworkResult, engine_of, total_cost
from closte_bridge.cli.options import format_options, global_options
from closte_bridge.cli.plans import approval_problems, plan_rows, plan_text, side_problems
from closte_bridge.cli.result import Message, Problem, Result
from closte_bridge.counts import counted
from closte_bridge.domains import shown
from closte_bridge.errors import BridgeError
from closte_bridge.ledger.folder import foresee
from closte_bridge.planning.model import Mode

if TYPE_CHECKING:
    from closte_bridge.engine.adopt import AdoptionOffer
    from closte_bridge.engine.engine import Engine
    from closte_bridge.engine.run import RunReport

_EXAMPLES = """
$ closte-bridge setup
Ultimate Multisite 2.14.2 on "network.example.com", WordPress in /var/www/html/.
Closte answered and took the key (from the constant CLOSTE_CLIENT_API_KEY).
…
Put this engine in charge? [y/n] y
The Closte integration is off. Switch it on? [y/n] y
Network "network.example.com": 1 to add, 0 to remove, 2 in step, 1 held.
  +  shop.customer.com      mapped to site 4
  ~+ www.shop.customer.com  held: waits until it leads where "shop.customer.com" leads
Install the shim, a must-use plugin through which WordPress wakes this engine? [y/n] y
The shim … is installed in /var/www/html/wp-content/mu-plugins. It starts this engine whenever something changes.
Success: "network.example.com" is set up; 2 names adopted.
`closte-bridge sync` makes the changes of this plan.

$ closte-bridge setup --take-over --yes --quiet
Network "network.example.com": 1 to add, 0 to remove, 2 in step, 1 held.
  +  shop.customer.com      mapped to site 4
  ~+ www.shop.customer.com  held: waits until it leads where "shop.customer.com" leads
"""


@click.command(cls=BridgeCommand, short_help="Set everything up, asking at each step.", epilog=_EXAMPLES)
@click.option("--take-over", is_flag=True, help="Also when another engine is in charge, or this may be a copy.")
@format_options(formats=(Format.TABLE, Format.JSON))
@global_options
@pass_app
def setup(app: App, take_over: bool) -> Result:
    """Check WordPress, the key and the connection, adopt, switch the integration on, show a plan, install the shim.

    Asks before each change. It can be run again: what is done already is neither asked nor done twice. At Closte
    nothing is changed; with the shim, the next change of a mapping in WordPress starts a sync.
    """
    from closte_bridge.cli.commands.plan import plan_one  # noqa: PLC0415 - loaded when it is needed
    from closte_bridge.engine.keys import find_key  # noqa: PLC0415 - likewise
    from closte_bridge.engine.snapshots import start_snapshot  # noqa: PLC0415 - likewise

    say = app.console.log
    engine = engine_of(app, app.network())
    foresee(engine.settings.state_dir)
    with engine.waiting("WordPress"):
        snapshot = start_snapshot(engine, ask_key=False, acknowledge=False).snapshot()
    network = snapshot.network
    version, root = snapshot.settings.plugin_version, shown(network.root)
    say(f'Ultimate Multisite {version} on "{network.domain}", WordPress in {root}.')
    key, source = find_key(engine)
    with engine.client(key) as client, engine.waiting("Closte"):
        tested = client.test_connection()
        engine.count_api(client)
    if not tested.ok:
        raise connection_error(tested, engine.settings)
    say(f"Closte answered and took the key (from {source}).")
    adopting, offer = run_adoption(app, take_over=take_over, anew=False)
    adopted = f"; {counted(len(offer.adoptable), 'name')} adopted" if not offer.settled else ""
    if not snapshot.settings.integration:
        _offer_integration(app, engine)
    planning = engine_of(app, app.network())
    report = plan_one(planning)
    if app.output.format is Format.TABLE:
        # Before the shim is offered: with it, the next change of a mapping makes the changes of this plan.
        app.console.line(plan_text(report))
    installing = engine_of(app, app.network())
    warnings = (*_seen(offer, report), *_offer_shim(app, installing))
    return Result(
        data=plan_rows(report),
        rendered={Format.TABLE: ""},
        messages=(
            Message("success", f'"{network.domain}" is set up{adopted}.'),
            Message("log", _what_next(report)),
        ),
        warnings=warnings,
        cost=total_cost([NetworkResult(one) for one in (engine, adopting, planning, installing)]),
    )


def _seen(offer: AdoptionOffer, report: RunReport) -> list[Problem]:
    """Return what `adopt` and `plan` warn of, once. None of it undoes what was set up; a sync ends as it is worth."""
    of_list = list_warnings(offer)
    errors, warnings, _ = side_problems(report)
    told = {problem.code for problem in of_list}
    found = [*errors, *warnings, *approval_problems(report.plan)]
    return [*of_list, *(problem for problem in found if problem.code not in told)]


def _offer_integration(app: App, engine: Engine) -> None:
    """Ask whether to switch it on; all the rest can be set up without."""
    from closte_bridge.wordpress.writer import set_toggle  # noqa: PLC0415 - loaded when it is needed

    try:
        app.console.confirm("The Closte integration is off. Switch it on?")
    except BridgeError as error:
        if error.code != "aborted":
            raise
        app.console.log("It stays off.")
        return
    set_toggle(engine.settings.wp, engine.cost.wp, enabled=True)


def _what_next(report: RunReport) -> str:
    authority = report.plan.authority
    if authority.mode is Mode.INACTIVE:
        return f"Nothing is changed at Closte: {authority.reason}. {authority.hint}"
    if report.plan.changes or (report.records and report.records.due):
        return "`closte-bridge sync` makes the changes of this plan."
    return "There is nothing to change now. Let something run it: see `closte-bridge watch --help`."


def _offer_shim(app: App, engine: Engine) -> tuple[Problem, ...]:
    """Ask whether to install the shim, unless it is there; what keeps it out is a warning: all works without it."""
    from closte_bridge.cli.commands.shim import (  # noqa: PLC0415 - as above
        installed_words,
        is_installed,
        run_install,
        trigger_words,
    )

    try:
        if is_installed(engine):
            return ()
        app.console.confirm("Install the shim, a must-use plugin through which WordPress wakes this engine?")
        found = run_install(app, engine)
        app.console.log(f"{installed_words(found)} {trigger_words(found)}")
    except BridgeError as error:
        if error.code == "aborted":
            app.console.log("Not installed: changes are found by looking. `closte-bridge shim install` does it later.")
            return ()
        return Problem.of(error)
    return ()
