"""Faults around a run: in Closte, `wp`, DNS and the process. `upheavals` has the faults that change the environment.

Each function prepares its fault, runs closte-bridge, checks the invariants, and cleans up.
"""

from __future__ import annotations

import signal
import socket
from dataclasses import replace
from typing import TYPE_CHECKING

from tests.proof.invariants import HOUR
from tests.support.disks import fill
from tests.support.life import HERE, STRANGER
from tests.support.sandbox.faults import FaultKind

if TYPE_CHECKING:
    from tests.proof.campaign import Campaign
    from tests.proof.world import Ran

SYNC = ("sync", "--format=json")
# HUGE and SLOW take seconds per answer, MIXED picks one of the others, LIST_STRINGS is the normal list.
_OTHER = {FaultKind.HUGE, FaultKind.MIXED, FaultKind.LIST_STRINGS, FaultKind.SLOW}
KINDS_OF_CLOSTE = sorted((kind.value for kind in FaultKind if kind not in _OTHER), key=str)
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
MODES_OF_WP = ("noisy", "slow", "cut", "torn", "mute", "dead", "fatal", "killed")


def closte_fails(campaign: Campaign) -> None:
    """Make Closte answer incorrectly, late, twice, partially or not at all."""
    chance, sandbox = campaign.chance, campaign.world.sandbox
    kinds = chance.sample(KINDS_OF_CLOSTE, 3)
    lists = [kind for kind in kinds if kind.startswith("list-")]
    faults = [f"{kind}:{chance.choice((0.3, 0.6)) if kind not in lists else 0.7}" for kind in kinds]
    sandbox.set_faults(*faults, "huge:0.02", seed=chance.randrange(10**6))
    for kind in kinds:
        campaign.count(f"Closte: {kind}")
    campaign.run(SYNC)
    campaign.pass_time(20 * 60)
    campaign.run((*SYNC, "--retry"))
    sandbox.set_faults()


def closte_lies(campaign: Campaign) -> None:
    """Make Closte's list lack many aliases for a day without saying so."""
    for kind in campaign.chance.sample(("list-shrunk", "list-no-own", "list-empty"), 3):
        campaign.world.sandbox.set_faults(f"{kind}:1")
        campaign.count(f"Closte: {kind}")
        campaign.run(SYNC)
        campaign.pass_time(9 * HOUR)
    campaign.world.sandbox.set_faults()


def closte_refuses_the_key(campaign: Campaign) -> None:
    """Make Closte reject the API key for a while."""
    api = campaign.world.sandbox.api
    takes = api.accepts
    setattr(api, "accepts", lambda _: False)  # noqa: B010 - a type checker need not follow this
    campaign.count("Closte: key refused")
    campaign.run(SYNC)
    setattr(api, "accepts", takes)  # noqa: B010 - same reason


def closte_drips(campaign: Campaign) -> None:
    """Make Closte send its answers byte by byte, slower than the client's patience: the run has to end in time."""
    sandbox, patience = campaign.world.sandbox, 4.0
    usual = sandbox.behaviour
    campaign.world.stream.mapped(12)
    campaign.watcher.look()
    sandbox.behaviour = replace(usual, drip=0.5)
    sandbox.set_faults("drip:1")
    campaign.count("Closte: drips through a whole run")
    (ran,) = campaign.run((*SYNC, "--retry"), patience=patience)
    _in_time(campaign, ran, patience)
    sandbox.set_faults()
    sandbox.behaviour = usual
    campaign.pass_time(HOUR)
    campaign.run(SYNC)


def resolvers_keep_silent(campaign: Campaign) -> None:
    """Make every resolver silent: checks end and save nothing, and mapped domains are still added."""
    world, timeout = campaign.world, 0.5
    (name,) = world.stream.mapped(1)
    campaign.watcher.look()
    known = world.ledger("SELECT * FROM check_state ORDER BY name")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        resolver = f"127.0.0.1:{silent.getsockname()[1]}"
        world.write_config(checks=True, dns={"resolvers": [resolver], "timeout": timeout, "targets": [HERE]})
        campaign.count("DNS: resolvers keep silent")
        (ran,) = campaign.run((*SYNC, "--retry"))
    world.with_checks(on=False)
    _in_time(campaign, ran, 4 * timeout)
    now = world.ledger("SELECT * FROM check_state ORDER BY name")
    # The state of domains that are no longer mapped may be deleted.
    campaign.require(set(now) <= set(known), "A silence changed what is known of domains.")
    campaign.require("dns-silent" in ran.stdout or ran.status not in {0, 3, 4}, f"Nobody was told: {ran.stdout[-800:]}")
    campaign.require(name in world.sandbox.aliases or ran.status not in {0, 3}, f'"{name}" waited for checks.')


def _in_time(campaign: Campaign, ran: Ran, seconds: float) -> None:
    """Require that a command took at most its usual time plus `seconds`, with a margin for a busy machine."""
    most = seconds + 3 * campaign.usual_seconds + 3.0
    campaign.require(ran.seconds <= most, f"It took {ran.seconds:.0f} s where {most:.0f} s are enough.")


def signals_come_in_pairs(campaign: Campaign) -> None:
    """Send two signals within milliseconds at random moments of a run or of `watch`."""
    chance = campaign.chance
    for _ in range(4):
        argv = chance.choice((SYNC, ("watch", "--interval=1"), (*SYNC, "--wait=5s")))
        first = chance.uniform(0.05, 1.5) * campaign.usual_seconds
        last = chance.choice((signal.SIGTERM, signal.SIGINT)) if argv[0] == "watch" else chance.choice(_SIGNALS)
        pair = [(first, int(chance.choice(_SIGNALS))), (first + chance.uniform(0, 0.003), int(last))]
        campaign.count("engine: a pair of signals")
        (ran,) = campaign.run(argv, signals=pair)
        campaign.require(ran.seconds <= first + 10.0, f"{argv} went on for {ran.seconds:.0f} s after {pair}.")
    campaign.run(SYNC)


def wp_fails(campaign: Campaign) -> None:
    """Make calls of `wp` noisy, slow, cut off or dead."""
    chance = campaign.chance
    modes = [chance.choice(MODES_OF_WP) if chance.random() < 0.7 else "well" for _ in range(4)]
    if modes[0] not in {"noisy", "slow", "well"} and chance.random() < 0.5:
        modes[0] = "noisy"  # otherwise the later calls are rarely reached
    for mode in modes[:2]:
        if mode != "well":
            campaign.count(f"wp: {mode}")
    campaign.world.misbehave(*modes)
    campaign.run(SYNC)
    campaign.run(SYNC)
    campaign.world.misbehave()


def wp_hangs(campaign: Campaign) -> None:
    """Make `wp` hang."""
    settings = campaign.world.settings["wp"]
    campaign.world.write_config(wp={**settings, "timeout": 1})
    campaign.world.misbehave(*campaign.chance.choice((("hang",), ("well", "hang"))))
    campaign.count("wp: hangs")
    campaign.run(SYNC)
    campaign.world.misbehave()
    campaign.world.write_config(wp=settings)


def the_database_is_away(campaign: Campaign) -> None:
    """Replace the database of WordPress with an empty one."""
    database = campaign.world.database
    kept = database.with_name("kept")
    campaign.world.back_up(kept)
    database.write_bytes(b"")
    campaign.count("database: empty")
    campaign.run(SYNC, look=False)
    campaign.world.put_back(kept)
    kept.unlink()
    campaign.watcher.check([])


def names_and_certificates_flap(campaign: Campaign) -> None:
    """Point DNS here, elsewhere or nowhere, and issue and withdraw certificates."""
    world, chance = campaign.world, campaign.chance
    if world.names is None or world.certificates is None:
        return
    served = sorted(name for name in world.rows() if name.endswith((".example.org", ".example.com")))
    world.with_checks(on=True)
    for _ in range(2):
        world.names.point(**{name: chance.choice((HERE, HERE, STRANGER, None)) for name in served})
        for name in chance.sample(served, min(6, len(served))):
            if name in campaign.certified and chance.random() < 0.5:
                world.certificates.withdraw(name)
                campaign.certified.discard(name)
                campaign.count("TLS: certificate withdrawn")
            elif name not in campaign.certified:
                world.certificates.issue(name)
                campaign.certified.add(name)
                campaign.count("TLS: certificate issued late")
        campaign.count("DNS: records flap")
        campaign.run(SYNC)
        campaign.pass_time(HOUR)
    world.with_checks(on=False)


def killed(campaign: Campaign) -> None:
    """Kill closte-bridge with SIGKILL at random moments and right after changes, in random order."""
    sandbox, chance = campaign.world.sandbox, campaign.chance
    usual = sandbox.behaviour
    # Closte answers slowly, so that a kill often falls between a request and its answer.
    sandbox.behaviour = replace(usual, latency=0.15)
    for at_a_change in chance.sample((True, True, False, False), 3):
        if at_a_change:
            campaign.world.stream.mapped(chance.choice((1, 3)))
            _kill_at_a_change(campaign)
        else:
            moment = chance.uniform(0.1, 1.0) * campaign.usual_seconds
            (ran,) = campaign.run((*SYNC, "--retry"), kill_after=moment)
            campaign.count("engine: killed (-9)" if ran.status == -9 else "engine: kill came too late")
        if chance.random() < 0.4:
            campaign.story(sites=False)
    sandbox.behaviour = usual


def _kill_at_a_change(campaign: Campaign) -> None:
    """Kill closte-bridge after Closte made the first or second change of the run but before it answers."""
    world = campaign.world
    world.strike.unlink(missing_ok=True)
    world.strike_in = campaign.chance.choice((1, 1, 2))
    (ran,) = campaign.run((*SYNC, "--retry"), kill_when=str(world.strike))
    world.strike_in = 0
    campaign.count("engine: killed (-9) before an answer" if ran.status == -9 else "engine: kill came too late")


def killed_blind(campaign: Campaign) -> None:
    """Kill closte-bridge at a change while Closte's list cannot be read; then the added domains may be unmapped."""
    world = campaign.world
    names = world.stream.mapped(2)
    campaign.watcher.look()
    world.sandbox.set_faults("list-hidden:1")
    _kill_at_a_change(campaign)
    world.sandbox.set_faults()
    if campaign.chance.random() < 0.5:
        world.stream.tell([{"do": "remove", "domain": name} for name in names])
        campaign.watcher.look()
    campaign.run(SYNC)


def two_at_once(campaign: Campaign) -> None:
    """Start two runs with the same ledger at the same moment."""
    orders = [campaign.world.order(*SYNC) for _ in range(2)]
    campaign.count("engine: two at once")
    rans = campaign.run_orders(orders)
    campaign.require(sorted(ran.status for ran in rans)[1] == 75, f"Two ran at once: {[r.status for r in rans]}.")


def the_disk_is_full(campaign: Campaign) -> None:
    """Leave little or no space in the state folder, or limit the size of each file."""
    world, chance = campaign.world, campaign.chance
    room = chance.choice((0, 8, 48, 160))
    if world.on_small_disk and chance.random() < 0.7:
        ballast = fill(world.folder / "disk", room)
        campaign.count("disk: full")
        campaign.run((*SYNC, "--retry"))
        ballast.unlink()
    else:
        campaign.count("disk: quota")
        campaign.run((*SYNC, "--retry"), fsize=room * 1024)
    campaign.run(SYNC)
