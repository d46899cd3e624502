"""`closte-bridge adopt`: put this engine in charge of a network."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from closte_bridge.cli.command import BridgeCommand
from closte_bridge.cli.context import App, pass_app
from closte_bridge.cli.formats import Format
from closte_bridge.cli.networks import engine_of
from closte_bridge.cli.options import format_options, global_options
from closte_bridge.cli.result import Message, Problem, Result
from closte_bridge.counts import counted
from closte_bridge.domains import shown
from closte_bridge.errors import BridgeError, ExitCode

if TYPE_CHECKING:
    from closte_bridge.engine.adopt import AdoptionOffer
    from closte_bridge.engine.engine import Engine

_EXAMPLES = """
$ closte-bridge adopt
Network "network.example.com": 3 mapped names, WordPress in /var/www/html/.
Closte application: 3 names at Closte, key from the constant CLOSTE_CLIENT_API_KEY.
State folder of this engine: /var/lib/closte-bridge.
Adopted would be 2 names at Closte already: one.network.example.com, two.network.example.com.
Put this engine in charge? [y/n] y
Success: This engine is in charge of "network.example.com"; 2 names adopted.
Cost: 3 wp calls (1.24 s), 2 API calls (0.24 s), planning 0.001 s.

$ closte-bridge adopt --take-over --yes --quiet --format=json
{"version": 1, "command": "adopt", "status": "ok", "exit_code": 0, "data": {"network": "network.example.com", \
"adopted": [], "unmanaged": [], "taken_over_from": null, "renewed": true}, "errors": [], "warnings": [], "notes": [], \
"cost": {…}}
"""
_SHOWN = 10


def _listed(names: tuple[str, ...]) -> str:
    rest = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {rest} more" if rest > 0 else "")


def describe(offer: AdoptionOffer, engine: Engine) -> list[str]:
    """Return what adoption would bind, for a person to agree to."""
    view = offer.view
    network = view.snapshot.network
    app_id = f' "{network.app_id}"' if network.app_id else ""
    mapped, listed = counted(offer.wanted, "mapped name"), counted(len(view.observed.names), "name")
    lines = [
        f'Network "{network.domain}": {mapped}, WordPress in {shown(network.root)}.',
        f"Closte application{app_id}: {listed} at Closte, key from {view.key_source}.",
        f"State folder of this engine: {engine.settings.state_dir}.",
    ]
    if offer.owner:
        lines.append(f'Taken over from the engine on "{offer.owner.host}", in charge since {offer.owner.since}.')
    if offer.changed:
        lines.append(f"This may be a copy: {'; '.join(offer.changed)}.")
    if offer.former:
        lines.append(f'The main domain was "{offer.former}": it, its www. and its wildcard are kept at Closte.')
    if offer.adoptable:
        names = _listed(offer.adoptable)
        lines.append(f"Adopted would be {counted(len(offer.adoptable), 'name')} at Closte already: {names}.")
    if offer.unmanaged:
        lines.append(f"Left alone as foreign: {counted(len(offer.unmanaged), 'name')}: {_listed(offer.unmanaged)}.")
    return lines


def run_adoption(app: App, *, take_over: bool, anew: bool = True) -> tuple[Engine, AdoptionOffer]:
    """Ask and adopt; unless `anew`, not where all of it is so already. Raises BridgeError when it is refused."""
    from closte_bridge.engine.adopt import adopt, prepare_offer  # noqa: PLC0415 - loaded when it is needed

    engine = engine_of(app, app.network())

    def agree(offer: AdoptionOffer) -> bool:
        if offer.settled and not anew:
            app.console.log("This engine is in charge already.")
            return False
        for line in describe(offer, engine):
            app.console.log(line)
        app.console.confirm("Put this engine in charge?")
        return True

    if app.console.assume_yes:
        return engine, adopt(engine, take_over=take_over, agree=agree, command=app.command)
    asked = prepare_offer(engine, take_over=take_over)
    if not agree(asked):
        return engine, asked

    def as_agreed(offer: AdoptionOffer) -> bool:
        if offer.terms != asked.terms:
            raise BridgeError(
                "What would be adopted is not what was shown any more.",
                code="offer-changed",
                hint="Run the same command again, and read it again.",
                exit_code=ExitCode.NEEDS_APPROVAL,
            )
        return True

    return engine, adopt(engine, take_over=take_over, agree=as_agreed, command=app.command)


def list_warnings(offer: AdoptionOffer) -> tuple[Problem, ...]:
    """Return a warning when not all of what is at Closte could be seen, and adopted."""
    if offer.view.observed.complete:
        return ()
    return (
        Problem(
            code="list-partial",
            message=f"Closte's list is not complete: {offer.view.observed.reason}.",
            hint="Names that it does not show are not adopted. Run `closte-bridge adopt` again when it is whole.",
        ),
    )


@click.command(cls=BridgeCommand, short_help="Put this engine in charge of a network.", epilog=_EXAMPLES)
@click.option("--take-over", is_flag=True, help="Also when another engine is in charge, or this may be a copy.")
@format_options(formats=(Format.TABLE, Format.JSON, Format.YAML))
@global_options
@pass_app
def adopt(app: App, take_over: bool) -> Result:
    """Bind this engine to a network, so that it may change Closte for it.

    Shows the network, the key's application and which names at Closte would be ours from then on, and asks. Without
    adoption nothing is ever changed. Run it again after the network's main domain, its database or its host changed.
    """
    engine, offer = run_adoption(app, take_over=take_over)
    network = offer.view.snapshot.network.domain
    data = {
        "network": network,
        "adopted": list(offer.adoptable),
        "unmanaged": list(offer.unmanaged),
        "taken_over_from": offer.owner.host if offer.owner else None,
        "renewed": offer.renewed,
    }
    adopted = counted(len(offer.adoptable), "name")
    text = f'This engine is in charge of "{network}"; {adopted} adopted.'
    return Result(
        data=data,
        rendered={Format.TABLE: ""},
        messages=(Message("success", text), Message("log", engine.cost.sentence())),
        warnings=list_warnings(offer),
        cost=engine.cost.as_data(),
    )
