"""`closte-bridge adopt`: make this installation the owner of a network."""

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
from closte_bridge.engine.adopt import adopt as adopt_network
from closte_bridge.engine.adopt import prepare_offer
from closte_bridge.errors import BridgeError, ExitCode

if TYPE_CHECKING:
    from closte_bridge.engine.adopt import AdoptionOffer
    from closte_bridge.engine.engine import Engine

_EXAMPLES = """
$ closte-bridge adopt
Network "network.example.com": 3 mapped domains, WordPress in /var/www/html/.
Closte application: 3 domains, API key from the constant CLOSTE_CLIENT_API_KEY.
State folder: /var/lib/closte-bridge.
2 existing domains on Closte will become managed: one.network.example.com, two.network.example.com.
Adopt this network? [y/n] y
Success: closte-bridge now manages "network.example.com" (2 domains adopted).
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
    """Return what adoption would change, as sentences to confirm."""
    view = offer.view
    network = view.snapshot.network
    app_id = f' "{network.app_id}"' if network.app_id else ""
    mapped, listed = counted(offer.wanted, "mapped domain"), counted(len(view.observed.names), "domain")
    lines = [
        f'Network "{network.domain}": {mapped}, WordPress in {shown(network.root)}.',
        f"Closte application{app_id}: {listed}, API key from {offer.access.source}.",
        f"State folder: {engine.settings.state_dir}.",
    ]
    if offer.owner:
        host, since = offer.owner.host, offer.owner.since
        lines.append(f'Current owner: the installation on "{host}", since {since}. It will be replaced.')
    if offer.changed:
        lines.append(f"This may be a staging copy: {'; '.join(offer.changed)}.")
    if offer.former:
        lines.append(
            f'The main domain changed from "{offer.former}". '
            "The old domain, its www. variant and its wildcard stay on Closte."
        )
    if offer.adoptable:
        count = counted(len(offer.adoptable), "existing domain")
        lines.append(f"{count} on Closte will become managed: {_listed(offer.adoptable)}.")
    if offer.unmanaged:
        count = counted(len(offer.unmanaged), "domain stays", "domains stay")
        lines.append(f"{count} unmanaged: {_listed(offer.unmanaged)}.")
    return lines


def run_adoption(app: App, *, take_over: bool, repeat: bool = True) -> tuple[Engine, AdoptionOffer]:
    """Ask and adopt. Without `repeat`, skip a network that is adopted already. Raises BridgeError if it is refused."""
    engine = engine_of(app, app.network())

    def agree(offer: AdoptionOffer) -> bool:
        if offer.settled and not repeat:
            app.console.log("This network is already adopted.")
            return False
        for line in describe(offer, engine):
            app.console.log(line)
        app.console.confirm("Adopt this network?")
        return True

    if app.console.assume_yes:
        return engine, adopt_network(engine, take_over=take_over, agree=agree, command=app.command)
    asked = prepare_offer(engine, take_over=take_over)
    if not agree(asked):
        return engine, asked

    def as_agreed(offer: AdoptionOffer) -> bool:
        if offer.terms != asked.terms:
            raise BridgeError(
                f'Could not adopt "{offer.view.snapshot.network.domain}": the offer changed while you were reading it.',
                code="offer-changed",
                hint="Run the command again and review the new offer.",
                exit_code=ExitCode.NEEDS_APPROVAL,
            )
        return True

    return engine, adopt_network(engine, take_over=take_over, agree=as_agreed, command=app.command)


def list_warnings(offer: AdoptionOffer) -> tuple[Problem, ...]:
    """Return a warning if Closte's list is incomplete, so that some domains were not adopted."""
    if offer.view.observed.complete:
        return ()
    return (
        Problem(
            code="list-partial",
            message=f"Closte's list is incomplete: {offer.view.observed.reason}. "
            "Domains missing from it were not adopted.",
            hint="Run `closte-bridge adopt` again once the list is complete.",
        ),
    )


@click.command(cls=BridgeCommand, short_help="Take ownership of a network.", epilog=_EXAMPLES)
@click.option(
    "--take-over",
    is_flag=True,
    help="Take over even if another installation owns the network or this may be a staging copy.",
)
@format_options(formats=(Format.TABLE, Format.JSON, Format.YAML))
@global_options
@pass_app
def adopt(app: App, take_over: bool) -> Result:
    """Make this installation the owner of a network.

    Shows the network, the Closte application and the existing domains that will become managed, then asks.
    closte-bridge changes nothing on Closte until you adopt. Run it again after you change the network's main domain,
    database or host. Exits with code 7 if another installation owns the network or this may be a staging copy.
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
    text = f'closte-bridge now manages "{network}" ({counted(len(offer.adoptable), "domain")} adopted).'
    return Result(
        data=data,
        rendered={Format.TABLE: ""},
        messages=(Message("success", text), Message("log", engine.cost.sentence())),
        warnings=list_warnings(offer),
        cost=engine.cost.as_data(),
    )
