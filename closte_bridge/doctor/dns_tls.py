"""What can be wrong with what visitors meet: resolvers, where the network leads, certificates."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from closte_bridge.checks.model import DnsCode, LookupOutcome
from closte_bridge.doctor.model import Finding, error, ok, skip, some, warning
from closte_bridge.engine.expiry import HINT, expiry_words

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from closte_bridge.checks.model import DnsVerdict
    from closte_bridge.engine.engine import Engine

_MUTE = frozenset({LookupOutcome.TIMEOUT, LookupOutcome.UNREACHABLE, LookupOutcome.REFUSED})


def of_names(engine: Engine, main_domain: str) -> Iterator[Finding]:
    """Ask each resolver for the network's own domain; return whether they answer and where it leads."""
    if not engine.settings.checks:
        yield skip("resolvers", "DNS is not looked at: `checks` is off in the config.")
        yield skip("main-domain", "DNS is not looked at: `checks` is off in the config.")
        return
    verdict = asyncio.run(_verdict(engine, main_domain))
    answers = [a for a in verdict.answers if not a.authoritative]
    mute = [a.server for a in answers if a.outcome in _MUTE]
    hint = "Set `dns.resolvers` in the config to servers that this machine may ask (UDP and TCP)."
    if len(mute) == len(answers):
        yield error("resolvers", f"No resolver answers: {', '.join(mute)}.", hint)
        yield skip("main-domain", "No resolver answers.")
        return
    if mute:
        yield warning("resolvers", f"Resolvers that do not answer: {', '.join(mute)}.", hint)
    else:
        yield ok("resolvers", f"Every resolver answers: {', '.join(a.server for a in answers)}.")
    yield _main_domain(engine, main_domain, verdict)


async def _verdict(engine: Engine, main_domain: str) -> DnsVerdict:
    from closte_bridge.checks.dns import DnsCheck, NetworkBoundary  # noqa: PLC0415 - brings the library

    check = DnsCheck(engine.settings.dns, edges=engine.edges or NetworkBoundary())
    return await check.check(main_domain, await check.expected(main_domain))


def _main_domain(engine: Engine, main_domain: str, verdict: DnsVerdict) -> Finding:
    if not verdict.addresses:
        hint = "Point it at the address that Closte's dashboard shows. Until then no customer's name can be judged."
        return error("main-domain", f'The network\'s own domain "{main_domain}" leads nowhere.', hint)
    if verdict.proxy and not engine.settings.dns.targets:
        hint = "Set `dns.targets` in the config to the address that customers shall point their names at."
        text = (
            f'The network\'s own domain "{main_domain}" is behind {verdict.proxy}: names are compared with its proxy.'
        )
        return warning("main-domain", text, hint)
    targets = " Customers' names are held against `dns.targets`." if engine.settings.dns.targets else ""
    return ok("main-domain", f'"{main_domain}" leads to {", ".join(verdict.addresses)}.{targets}')


def of_domains(engine: Engine, wanted: Collection[str]) -> Iterator[Finding]:
    """Return what is remembered of `wanted` names that visitors do not reach here, or not with a padlock."""
    from closte_bridge.checks.schedule import CERTIFICATE_LATE  # noqa: PLC0415 - brings the library
    from closte_bridge.ledger import check_state as check_states  # noqa: PLC0415 - likewise

    if why := _why_unseen(engine):
        yield from (skip(check, why) for check in ("domains-dns", "domains-tls"))
        return
    assert engine.ledger is not None  # noqa: S101 - one without has been told of
    hint = "`closte-bridge domain explain <domain>` says what its owner has to do."
    if astray := [name for name in check_states.pointing_elsewhere(engine.ledger) if name in wanted]:
        yield warning("domains-dns", f"DNS does not lead here: {some(astray)}.", hint)
    else:
        yield ok("domains-dns", "DNS of every domain that was looked at leads here.")
    before = engine.clock.now() - CERTIFICATE_LATE
    if bare := [name for name in check_states.without_https(engine.ledger, before) if name in wanted]:
        yield warning("domains-tls", f"No right certificate although DNS leads here: {some(bare)}.", hint)
    else:
        yield ok("domains-tls", "Every domain that leads here has its certificate, or still has time to get it.")


def _why_unseen(engine: Engine) -> str:
    """Return why nothing is known of any domain, or nothing: then to find none that is wrong would be no good news."""
    from closte_bridge.ledger import check_state as check_states  # noqa: PLC0415 - brings the library

    if engine.ledger is None:
        return "There is no ledger yet."
    if not engine.settings.checks:
        return "`checks` is off in the config."
    seen, _ = check_states.tally(engine.ledger)
    return "" if seen.keys() - {DnsCode.UNKNOWN.value} else "No domain was looked at yet, or none could be judged."


def of_certificates(engine: Engine) -> Iterator[Finding]:
    """Return what is remembered of certificates that end."""
    from closte_bridge.checks.domain_state import EXPIRY_WARNING  # noqa: PLC0415 - brings the library
    from closte_bridge.ledger import check_state as check_states  # noqa: PLC0415 - likewise

    if why := _why_unseen(engine):
        yield skip("certificates", why)
        return
    assert engine.ledger is not None  # noqa: S101 - one without has been told of
    now = engine.clock.now()
    found = expiry_words(check_states.expiring(engine.ledger, now + EXPIRY_WARNING), now)
    for words in found:
        yield warning("certificates", words.message, HINT)
    if not found:
        yield ok("certificates", "No certificate that was seen ends within 14 days.")
