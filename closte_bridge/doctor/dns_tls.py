"""Diagnostics of DNS and TLS: resolvers, main domain, customers' domains, certificates."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from closte_bridge.checks.dns import DnsCheck, NetworkBoundary
from closte_bridge.checks.model import DnsCode, HttpCode, LookupOutcome
from closte_bridge.checks.schedule import CERTIFICATE_LATE
from closte_bridge.doctor.model import NO_LEDGER, Finding, error, ok, skip, some, warning
from closte_bridge.engine.expiry import HINT, expiry_words
from closte_bridge.ledger import check_state as check_states

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from closte_bridge.checks.model import DnsVerdict
    from closte_bridge.engine.engine import Engine
    from closte_bridge.ledger.store import Ledger
    from closte_bridge.wordpress.snapshot import Network

_CHECKS_OFF = "Skipped: `checks` is disabled in the config."
_FAILED = frozenset({LookupOutcome.TIMEOUT, LookupOutcome.UNREACHABLE, LookupOutcome.REFUSED})


def of_resolvers(engine: Engine, network: Network) -> Iterator[Finding]:
    """Check whether each resolver responds, and whether the network's main domain resolves."""
    if not engine.settings.checks:
        yield skip("resolvers", _CHECKS_OFF)
        yield skip("main-domain", _CHECKS_OFF)
        return
    verdict = asyncio.run(_verdict(engine, network))
    answers = [a for a in verdict.answers if not a.authoritative]
    silent = [a.server for a in answers if a.outcome in _FAILED]
    hint = "Set `dns.resolvers` to DNS servers that this machine can reach over UDP and TCP."
    if len(silent) == len(answers):
        yield error("resolvers", f"No resolver responds: {', '.join(silent)}.", hint)
        yield skip("main-domain", "Skipped: no resolver responds.")
        return
    if silent:
        yield warning("resolvers", f"These resolvers do not respond: {', '.join(silent)}.", hint)
    else:
        yield ok("resolvers", f"All resolvers respond: {', '.join(a.server for a in answers)}.")
    yield _main_domain(engine, network, verdict)


async def _verdict(engine: Engine, network: Network) -> DnsVerdict:
    check = DnsCheck(engine.settings.dns, edges=engine.edges or NetworkBoundary())
    return await check.check(network.domain, await check.expected(network.domain, network.public_ip))


def _main_domain(engine: Engine, network: Network, verdict: DnsVerdict) -> Finding:
    main_domain, targets = network.domain, engine.settings.dns.targets
    if not verdict.addresses:
        hint = "Point it to the IP address in Closte's dashboard. Until then, customers' domains cannot be checked."
        return error("main-domain", f'The network\'s main domain "{main_domain}" does not resolve.', hint)
    if verdict.proxy and not targets and not network.public_ip:
        hint = "Set `dns.targets` to the address to which customers must point their domains."
        text = (
            f'The network\'s main domain "{main_domain}" is behind {verdict.proxy}, '
            "so closte-bridge compares customers' domains with the CDN's addresses."
        )
        return warning("main-domain", text, hint)
    source = "`dns.targets`" if targets else f"CLOSTE_PUBLIC_IP_ADDRESS ({network.public_ip})"
    compared = f" closte-bridge compares customers' domains with {source}." if targets or network.public_ip else ""
    return ok("main-domain", f'"{main_domain}" points to {", ".join(verdict.addresses)}.{compared}')


def of_domains(engine: Engine, wanted: Collection[str]) -> Iterator[Finding]:
    """Check the last results of the `wanted` domains: do they point here, with valid HTTPS and the right site?"""
    ledger = _checked(engine)
    if isinstance(ledger, str):
        yield from (skip(check, ledger) for check in ("domains-dns", "domains-tls", "domains-live"))
        return
    hint = "See what the domain's owner must do with `closte-bridge domain explain <domain>`."
    if elsewhere := [name for name in check_states.pointing_elsewhere(ledger) if name in wanted]:
        yield warning("domains-dns", f"DNS does not point to this network: {some(elsewhere)}.", hint)
    else:
        yield ok("domains-dns", "All checked domains point to this network.")
    before = engine.clock.now() - CERTIFICATE_LATE
    if insecure := [name for name in check_states.without_https(ledger, before) if name in wanted]:
        yield warning("domains-tls", f"DNS is correct, but HTTPS has no valid certificate: {some(insecure)}.", hint)
    else:
        yield ok("domains-tls", "All domains with correct DNS have a valid certificate, or still have time to get one.")
    if not engine.settings.http.enabled:
        yield skip("domains-live", "Skipped: `http.enabled` is false in the config.")
        return
    wrong = [code.value for code in HttpCode if code.wrong]
    if astray := [name for name in check_states.not_live(ledger, wrong) if name in wanted]:
        yield warning("domains-live", f"Visitors do not get the right site: {some(astray)}.", hint)
    else:
        yield ok("domains-live", "Visitors of all visited domains get the right site.")


def _checked(engine: Engine) -> Ledger | str:
    """Return the ledger with results of checks, or why there are none: "no problems" would be misleading."""
    if engine.ledger is None:
        return NO_LEDGER
    if not engine.settings.checks:
        return _CHECKS_OFF
    seen = check_states.tally(engine.ledger).dns
    return engine.ledger if seen.keys() - {DnsCode.UNKNOWN.value} else "Skipped: no domain has been checked yet."


def of_certificates(engine: Engine) -> Iterator[Finding]:
    """Check the last results for certificates that expire soon."""
    ledger = _checked(engine)
    if isinstance(ledger, str):
        yield skip("certificates", ledger)
        return
    now = engine.clock.now()
    found = expiry_words(check_states.expiring(ledger, now), now)
    for words in found:
        yield warning("certificates", words.message, HINT)
    if not found:
        yield ok("certificates", "No known certificate expires soon.")
