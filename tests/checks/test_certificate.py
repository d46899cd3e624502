"""Tests of the contents of certificates: valid, damaged and random ones."""

from __future__ import annotations

import datetime
import ssl
from contextlib import suppress

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from closte_bridge.checks.certificate import of_peer, read
from tests.support.tls_world import self_signed

CA = trustme.CA(organization_name="Test Authority")
LEAF = CA.issue_cert("shop.test", "*.shop.test")
DER = ssl.PEM_cert_to_DER_cert(LEAF.cert_chain_pems[0].bytes().decode())


def connection(*, verified: bool) -> ssl.SSLObject:
    """Return the client's side of a connection to a server with the leaf."""
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    LEAF.configure_cert(server)
    CA.configure_trust(client)
    client.check_hostname = False
    client.verify_mode = ssl.CERT_REQUIRED if verified else ssl.CERT_NONE
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    sides = client.wrap_bio(back, there, server_hostname="shop.test"), server.wrap_bio(there, back, server_side=True)
    for side in sides * 3:
        with suppress(ssl.SSLWantReadError):
            side.do_handshake()
    return sides[0]


def test_contents_are_read() -> None:
    whole, own = x509.load_der_x509_certificate(DER), read(DER)
    assert own.names == ("shop.test", "*.shop.test")
    assert own.not_before == whole.not_valid_before_utc.timestamp()
    assert own.not_after == whole.not_valid_after_utc.timestamp()
    assert own.fingerprint == whole.fingerprint(hashes.SHA256()).hex()
    assert own.issuer == "Test Authority"


@pytest.mark.parametrize("verified", [True, False])
def test_certificate_of_a_connection_is_the_same_with_and_without_verification(verified: bool) -> None:
    assert of_peer(connection(verified=verified)) == read(DER)


@pytest.mark.parametrize("year", [1951, 1999, 2049, 2050, 2150, 9999])
def test_both_time_encodings_are_read(year: int) -> None:
    until = datetime.datetime(year, 12, 31, 23, 59, 59, tzinfo=datetime.UTC)
    key = ec.generate_private_key(ec.SECP256R1())
    nobody = x509.Name([])
    start = datetime.datetime(1950, 1, 1, tzinfo=datetime.UTC)
    builder = x509.CertificateBuilder(nobody, nobody, key.public_key(), 1, start, until)
    own = read(builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER))
    assert (own.not_before, own.not_after) == (start.timestamp(), until.timestamp())
    assert (own.subject, own.issuer, own.names) == ("", "", ())


def test_critical_extension_and_non_ascii_names_are_read() -> None:
    pem, _ = self_signed("shop.test", names=("shop.test",))
    own = read(ssl.PEM_cert_to_DER_cert(pem.decode()))
    assert own.names == ("shop.test",)
    assert own.subject == own.issuer == "Acme, Ünlimited, shop.test"


def test_control_characters_in_names_are_replaced() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    evil = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a\x1b[2Jb")])
    day = datetime.datetime(2025, 1, 1, tzinfo=datetime.UTC)
    builder = x509.CertificateBuilder(evil, evil, key.public_key(), 1, day, day)
    own = read(builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER))
    assert own.issuer == "a?[2Jb"


@given(st.binary(max_size=200))
def test_garbage_raises_value_error(data: bytes) -> None:
    with pytest.raises(ValueError, match=r".*"):
        read(data)


@given(st.integers(0, len(DER) - 1), st.integers(0, 255), st.booleans())
def test_damaged_certificate_is_read_or_refused(at: int, byte: int, cut: bool) -> None:
    damaged = DER[:at] if cut else DER[:at] + bytes([byte]) + DER[at + 1 :]
    try:
        read(damaged)
    except ValueError:
        return
    assert not cut


@pytest.mark.parametrize(
    ("part", "instead"),
    [(b"\x17\x0d", b"\x02\x0d"), (b"\x55\x1d\x11\x01\x01\xff\x04", b"\x55\x1d\x11\x01\x01\xff\x05")],
    ids=["a date that is a number", "names that are no octets"],
)
def test_unexpected_asn1_type_raises_value_error(part: bytes, instead: bytes) -> None:
    assert part in DER
    with pytest.raises(ValueError, match=r".*"):
        read(DER.replace(part, instead))
