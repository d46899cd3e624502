"""Tests of every certificate verdict against real TLS servers."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
import trustme

from closte_bridge.checks import tls
from closte_bridge.checks.advice import for_tls
from closte_bridge.checks.model import AddressVerdict, Certificate, TlsCode
from closte_bridge.checks.tls import TlsCheck, diagnose, summarise
from closte_bridge.config.model import TlsSettings
from closte_bridge.errors import ConfigError
from tests.support.tls_world import DAY, NOW, closed, context_of, cut, garbage, self_signed, silent

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable
    from pathlib import Path

    from closte_bridge.checks.model import TlsVerdict
    from tests.support.tls_world import TlsWorld

HERE = "127.0.10.1"
OTHER = "127.0.10.2"


def look(
    servers: TlsWorld,
    name: str,
    *addresses: str,
    managed: bool = False,
    timeout: float = 10.0,
    probe: str | None = None,
) -> TlsVerdict:
    wanted = addresses or (HERE,)

    async def run() -> TlsVerdict:
        settings = TlsSettings(port=servers.port, ca_file=servers.ca_file, timeout=timeout)
        return await TlsCheck(settings).check(name, wanted, managed=wanted if managed else (), probe=probe)

    return asyncio.run(run())


def test_valid_certificate_is_ok(servers: TlsWorld) -> None:
    servers.serve(HERE, servers.issue("shop.test", "www.shop.test", not_after=NOW + 20 * DAY + timedelta(hours=1)))
    verdict = look(servers, "shop.test")
    assert verdict.code is TlsCode.OK
    assert (verdict.advice, verdict.serves, verdict.days_left) == ("", True, 20)
    assert verdict.certificate is not None
    assert verdict.certificate.names == ("shop.test", "www.shop.test")
    assert verdict.certificate.issuer.startswith("Test Authority")
    assert verdict.certificate.not_after == (NOW + 20 * DAY + timedelta(hours=1)).timestamp()
    assert servers.recorder.asked_for == ["shop.test"]


def test_intermediate_and_internationalised_domain_are_ok(servers: TlsWorld) -> None:
    servers.serve(HERE, servers.issue("xn--bcher-kva.test", ca=servers.ca.create_child_ca()))
    assert look(servers, "xn--bcher-kva.test").code is TlsCode.OK


def test_wildcard_covers_one_label(servers: TlsWorld) -> None:
    servers.serve(HERE, servers.issue("*.shop.test"))
    assert look(servers, "a.shop.test").code is TlsCode.OK
    for name in ("a.b.shop.test", "shop.test"):
        verdict = look(servers, name)
        assert verdict.code is TlsCode.WRONG_NAME
        assert "*.shop.test" in verdict.advice


def test_wildcard_is_requested_by_its_probe(servers: TlsWorld) -> None:
    servers.serve(HERE, servers.issue("*.shop.test"), b__shop__test=servers.issue("b.shop.test"))
    assert look(servers, "*.shop.test", probe="cb-1.shop.test").code is TlsCode.OK
    assert look(servers, "*.shop.test", probe="b.shop.test").code is TlsCode.OK
    assert servers.recorder.asked_for == ["cb-1.shop.test", "b.shop.test"]


def test_common_name_is_ignored(servers: TlsWorld) -> None:
    servers.serve(HERE, context_of(*self_signed("shop.test"), servers.folder))
    verdict = look(servers, "shop.test")
    assert verdict.code is TlsCode.WRONG_NAME
    assert verdict.advice.endswith("was issued for no domain, so shop.test needs its own.")


def test_wrong_name(servers: TlsWorld) -> None:
    servers.serve(HERE, None, shop__test=servers.issue("www.shop.test", "other.test"))
    verdict = look(servers, "shop.test", managed=True)
    assert verdict.code is TlsCode.WRONG_NAME
    assert verdict.advice == (
        "Check that shop.test points to the right server. "
        "The certificate at 127.0.10.1 was issued for www.shop.test, other.test, so shop.test needs its own."
    )


def test_default_certificate_is_recognised_on_managed_addresses_only(servers: TlsWorld) -> None:
    right = servers.issue("done.test")
    servers.serve(HERE, servers.issue("*.host.test"), done__test=right)
    verdict = look(servers, "shop.test", managed=True)
    assert verdict.code is TlsCode.DEFAULT_CERTIFICATE
    assert verdict.advice == (
        "Please wait. The certificate for shop.test has not been issued yet. "
        "127.0.10.1 still serves the host's default certificate (*.host.test)."
    )
    assert look(servers, "done.test", managed=True).code is TlsCode.OK
    # An unmanaged server will not get a certificate for this domain, so waiting does not help.
    assert look(servers, "shop.test").code is TlsCode.WRONG_NAME


def test_default_certificate_may_be_self_signed(servers: TlsWorld) -> None:
    servers.serve(HERE, context_of(*self_signed("localhost", names=("localhost",)), servers.folder))
    assert look(servers, "shop.test", managed=True).code is TlsCode.DEFAULT_CERTIFICATE


def test_self_signed(servers: TlsWorld) -> None:
    servers.serve(HERE, context_of(*self_signed("shop.test", names=("shop.test",)), servers.folder))
    verdict = look(servers, "shop.test")
    assert verdict.code is TlsCode.SELF_SIGNED
    assert verdict.certificate is not None
    assert verdict.certificate.issuer == "Acme, Ünlimited, shop.test"
    assert verdict.days_left == 29


def test_expired(servers: TlsWorld) -> None:
    servers.serve(HERE, servers.issue("shop.test", not_before=NOW - 90 * DAY, not_after=NOW - 2 * DAY))
    verdict = look(servers, "shop.test")
    assert verdict.code is TlsCode.EXPIRED
    assert verdict.days_left == -3
    assert not verdict.serves


def test_not_yet_valid(servers: TlsWorld) -> None:
    servers.serve(HERE, servers.issue("shop.test", not_before=NOW + 2 * DAY, not_after=NOW + 90 * DAY))
    assert look(servers, "shop.test").code is TlsCode.NOT_YET_VALID


def test_unknown_issuer(servers: TlsWorld) -> None:
    servers.serve(HERE, servers.issue("shop.test", ca=trustme.CA(organization_name="Nobody's Authority")))
    verdict = look(servers, "shop.test")
    assert verdict.code is TlsCode.UNKNOWN_ISSUER
    assert "was issued by Nobody's Authority" in verdict.advice


def test_missing_intermediate_is_an_unknown_issuer(servers: TlsWorld) -> None:
    leaf = servers.ca.create_child_ca().issue_cert("shop.test")
    servers.serve(HERE, context_of(leaf.cert_chain_pems[0].bytes(), leaf.private_key_pem.bytes(), servers.folder))
    assert look(servers, "shop.test").code is TlsCode.UNKNOWN_ISSUER


def test_no_listener(servers: TlsWorld) -> None:
    verdict = look(servers, "shop.test")
    assert verdict.code is TlsCode.NO_LISTENER
    assert verdict.certificate is None


def test_timeout_follows_a_second_try(servers: TlsWorld) -> None:
    servers.listen(HERE, silent)
    verdict = look(servers, "shop.test", timeout=0.3)
    assert verdict.code is TlsCode.TIMEOUT
    # One failed try is not enough for a verdict.
    assert servers.recorder.connections == 2


@pytest.mark.parametrize("talk", [garbage, cut, closed])
def test_failed_handshake_is_retried_and_reported(servers: TlsWorld, talk: object) -> None:
    servers.listen(HERE, talk)  # type: ignore[arg-type] # both have the right type; parametrize knows only object
    verdict = look(servers, "shop.test")
    assert verdict.code is TlsCode.HANDSHAKE_FAILED
    assert servers.recorder.connections == 2


def test_server_may_refuse_the_domain(servers: TlsWorld) -> None:
    servers.serve(HERE, None)
    verdict = look(servers, "shop.test")
    assert verdict.code is TlsCode.HANDSHAKE_FAILED
    assert "UNRECOGNIZED_NAME" in verdict.addresses[0].detail


def test_every_address_must_be_valid(servers: TlsWorld) -> None:
    servers.serve(HERE, servers.issue("shop.test"))
    servers.serve(OTHER, servers.issue("other.test"))
    verdict = look(servers, "shop.test", HERE, OTHER, HERE)
    assert verdict.code is TlsCode.WRONG_NAME
    assert verdict.serves
    assert [(a.address, a.code) for a in verdict.addresses] == [
        (HERE, TlsCode.OK),
        (OTHER, TlsCode.WRONG_NAME),
    ]
    assert OTHER in verdict.advice


def test_earliest_expiry_is_reported(servers: TlsWorld) -> None:
    servers.serve(HERE, servers.issue("shop.test", not_after=NOW + 50 * DAY))
    servers.serve(OTHER, servers.issue("shop.test", not_after=NOW + 9 * DAY))
    verdict = look(servers, "shop.test", HERE, OTHER)
    assert verdict.code is TlsCode.OK
    assert verdict.days_left == 8


def test_nothing_is_sent_after_the_handshake(servers: TlsWorld) -> None:
    servers.serve(HERE, servers.issue("shop.test"))
    servers.serve(OTHER, context_of(*self_signed("shop.test", names=("shop.test",)), servers.folder))
    look(servers, "shop.test", HERE, OTHER, managed=True)
    look(servers, "other.test", HERE, OTHER, managed=True)
    servers.stack.close()
    assert servers.recorder.connections > 4
    assert servers.recorder.said == []


def test_private_addresses_are_not_contacted(servers: TlsWorld) -> None:
    servers.serve(HERE, servers.issue("shop.test"))

    async def run(*managed: str) -> TlsVerdict:
        settings = TlsSettings(port=servers.port, ca_file=servers.ca_file)
        return await TlsCheck(settings, public=lambda _: False).check("shop.test", [HERE], managed=managed)

    verdict = asyncio.run(run())
    assert verdict.code is TlsCode.UNKNOWN
    assert servers.recorder.connections == 0
    # The network's own addresses are exempt: a customer cannot choose them.
    assert asyncio.run(run(HERE)).code is TlsCode.OK


def test_system_roots_distrust_the_test_authority(servers: TlsWorld) -> None:
    servers.serve(HERE, servers.issue("shop.test"))
    settings = TlsSettings(port=servers.port)

    async def run() -> TlsVerdict:
        return await TlsCheck(settings).check("shop.test", [HERE])

    assert asyncio.run(run()).code is TlsCode.UNKNOWN_ISSUER


def test_system_roots_decide_about_trust(servers: TlsWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """`SSL_CERT_FILE` is the only reason why OpenSSL trusts this certificate."""
    monkeypatch.setenv("SSL_CERT_FILE", str(servers.ca_file))
    servers.serve(HERE, servers.issue("shop.test"))

    async def run() -> TlsVerdict:
        return await TlsCheck(TlsSettings(port=servers.port)).check("shop.test", [HERE])

    assert asyncio.run(run()).code is TlsCode.OK


def _foreign(servers: TlsWorld) -> None:
    servers.serve(HERE, servers.issue("shop.test", ca=trustme.CA(organization_name="Nobody's Authority")))


def _self_signed(servers: TlsWorld) -> None:
    servers.serve(HERE, context_of(*self_signed("shop.test", names=("shop.test",)), servers.folder))


# How each verdict is produced, and the customer's advice as `domain explain` prints it.
STEPS: dict[TlsCode, tuple[Callable[[TlsWorld], object], str]] = {
    TlsCode.OK: (lambda s: s.serve(HERE, s.issue("shop.test")), ""),
    TlsCode.NO_LISTENER: (
        lambda _: None,
        "Check that shop.test points to the right server. The server at 127.0.10.1 does not accept HTTPS connections.",
    ),
    TlsCode.TIMEOUT: (
        lambda s: s.listen(HERE, silent),
        "Check that shop.test points to the right server. The HTTPS connection to 127.0.10.1 timed out.",
    ),
    TlsCode.WRONG_NAME: (
        lambda s: s.serve(HERE, None, shop__test=s.issue("other.test")),
        "Check that shop.test points to the right server. "
        "The certificate at 127.0.10.1 was issued for other.test, so shop.test needs its own.",
    ),
    TlsCode.SELF_SIGNED: (
        _self_signed,
        "Install a certificate from a trusted authority for shop.test. The current one at 127.0.10.1 is self-signed.",
    ),
    TlsCode.EXPIRED: (
        lambda s: s.serve(HERE, s.issue("shop.test", not_before=NOW - 90 * DAY, not_after=NOW - 2 * DAY)),
        "Renew the certificate of shop.test. The one at 127.0.10.1 has expired.",
    ),
    TlsCode.NOT_YET_VALID: (
        lambda s: s.serve(HERE, s.issue("shop.test", not_before=NOW + 2 * DAY, not_after=NOW + 90 * DAY)),
        "Check the server's clock, or wait. The certificate at 127.0.10.1 is not valid yet.",
    ),
    TlsCode.UNKNOWN_ISSUER: (
        _foreign,
        "Install a certificate from a trusted authority for shop.test, with its full chain. "
        "The current one at 127.0.10.1 was issued by Nobody's Authority.",
    ),
    TlsCode.DEFAULT_CERTIFICATE: (
        lambda s: s.serve(HERE, s.issue("*.host.test")),
        "Please wait. The certificate for shop.test has not been issued yet. "
        "127.0.10.1 still serves the host's default certificate (*.host.test).",
    ),
    TlsCode.HANDSHAKE_FAILED: (
        lambda s: s.listen(HERE, garbage),
        "Check the server at 127.0.10.1. The TLS handshake for shop.test fails.",
    ),
}


@pytest.mark.parametrize("code", [code for code in TlsCode if code is not TlsCode.UNKNOWN])
def test_each_verdict_has_its_advice(servers: TlsWorld, code: TlsCode) -> None:
    make, step = STEPS[code]
    make(servers)
    verdict = look(servers, "shop.test", managed=True, timeout=0.5 if code is TlsCode.TIMEOUT else 10.0)
    assert (verdict.code, verdict.advice) == (code, step)


def test_unreachable_address_is_unknown(servers: TlsWorld) -> None:
    """Connecting to a broadcast address fails locally: this says nothing about the server and needs no advice."""
    verdict = look(servers, "shop.test", "255.255.255.255")
    assert (verdict.code, verdict.advice) == (TlsCode.UNKNOWN, "")


def test_ipv6_address_is_written_in_brackets() -> None:
    """URLs write IPv6 addresses in brackets too."""
    advice = for_tls("shop.test", AddressVerdict("::1", TlsCode.NO_LISTENER)).text
    assert (
        advice
        == "Check that shop.test points to the right server. The server at [::1] does not accept HTTPS connections."
    )


@pytest.mark.parametrize("content", [None, b"", b"not a certificate"])
def test_invalid_ca_file_is_an_error_with_a_hint(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ConfigError, match="as PEM certificates") as raised:
        TlsCheck(TlsSettings(ca_file=file))
    assert raised.value.hint


def test_unreachable_address_counts_only_if_every_address_is() -> None:
    soon = Certificate("", "", ("shop.test",), 0.0, 100.0, "")
    right = AddressVerdict(HERE, TlsCode.OK, soon)
    far = AddressVerdict("2001:db8::1", TlsCode.UNKNOWN)
    assert summarise("shop.test", [far, right], 0.0).code is TlsCode.OK
    assert summarise("shop.test", [far], 0.0).code is TlsCode.UNKNOWN
    assert summarise("shop.test", [], 0.0).code is TlsCode.UNKNOWN


def test_expired_certificate_above_the_leaf_is_an_unknown_issuer() -> None:
    leaf = Certificate("", "", ("shop.test",), 0.0, time.time() + 1e6, "")
    assert diagnose(leaf, "shop.test", 10, time.time()) is TlsCode.UNKNOWN_ISSUER
    assert diagnose(leaf, "shop.test", 9, time.time()) is TlsCode.UNKNOWN_ISSUER
    expired = leaf._replace(not_after=1.0)
    assert diagnose(expired, "shop.test", 10, time.time()) is TlsCode.EXPIRED
    assert diagnose(None, "shop.test", 66, time.time()) is TlsCode.HANDSHAKE_FAILED


def test_unreadable_certificate_is_a_failed_handshake(servers: TlsWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """OpenSSL accepts the certificate but the reader does not: its domains are unknown, so it covers none."""

    def unreadable(_: ssl.SSLObject) -> Certificate:
        raise ValueError("not a certificate")

    monkeypatch.setattr(tls, "of_peer", unreadable)
    servers.serve(HERE, servers.issue("shop.test"))
    verdict = look(servers, "shop.test")
    assert (verdict.code, verdict.addresses[0].detail) == (TlsCode.HANDSHAKE_FAILED, "unreadable certificate")
