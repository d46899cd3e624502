"""Hostile DNS answers and certificates: they prove no other domain and cause no request to a private address."""

from __future__ import annotations

import datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtensionOID

from closte_bridge.checks.certificate import read
from closte_bridge.checks.dns import NetworkBoundary
from closte_bridge.checks.names import any_covers

_HOST = "a" * 61 + "." + "b" * 60 + "." + "c" * 60 + ".customer.example"  # 200 characters
_DNS_NAME, _SEQUENCE = 0x82, 0x30


def element(tag: int, body: bytes) -> bytes:
    size = len(body).to_bytes((len(body).bit_length() + 7) // 8 or 1, "big")
    return bytes([tag]) + (size if len(body) < 128 else bytes([0x80 | len(size)]) + size) + body


def certificate(names: list[bytes]) -> bytes:
    """Return a certificate for these names, built byte by byte because libraries refuse them."""
    raw = element(_SEQUENCE, b"".join(element(_DNS_NAME, name) for name in names))
    key, nobody = ec.generate_private_key(ec.SECP256R1()), x509.Name([])
    day = datetime.datetime(2025, 1, 1, tzinfo=datetime.UTC)
    builder = x509.CertificateBuilder(nobody, nobody, key.public_key(), 1, day, day)
    builder = builder.add_extension(x509.UnrecognizedExtension(ExtensionOID.SUBJECT_ALTERNATIVE_NAME, raw), False)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


@pytest.mark.parametrize(
    ("presented", "host"),
    [
        # A reader that cuts the name off would see another domain.
        (f"{_HOST}.attacker.example".encode(), _HOST),
        (b"shop.example\0.attacker.example", "shop.example"),
        # Unicode lower case turns some letters into ASCII: the Kelvin sign becomes "k".
        ("ban\u212a.example".encode(), "bank.example"),
        (b"*\0.example", "a.example"),
        (b"shop.example\n", "shop.example"),
        (b" shop.example", "shop.example"),
        (b"shop.example.", "shop.example"),
    ],
)
def test_certificate_name_is_not_reinterpreted(presented: bytes, host: str) -> None:
    assert not any_covers(read(certificate([presented])).names, host)


def test_long_certificate_name_still_matches() -> None:
    assert any_covers(read(certificate([_HOST.upper().encode()])).names, _HOST)


def test_number_of_certificate_names_is_limited() -> None:
    found = read(certificate([b"n%d.example" % number for number in range(20_000)]))
    assert len(found.names) == 1000


@pytest.mark.parametrize("body", [b"", b"\x82\x85\xff\xff\xff\xff\xff", b"\x82\x7fx", b"\x30\x80\x00\x00"])
def test_false_lengths_raise_value_error(body: bytes) -> None:
    whole = certificate([b"shop.example"])
    at = whole.index(b"shop.example") - 2
    with pytest.raises(ValueError, match=r".*"):
        read(whole[:at] + body + whole[at + len(body) : at + 3])


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.0.0.1", "169.254.169.254", "192.168.1.1", "100.64.0.1", "0.1.2.3", "255.255.255.255",
        "224.0.0.251", "239.1.1.1", "::1", "::", "fe80::1", "fec0::1", "fd00:ec2::254", "ff02::fb", "ff0e::1",
        "::ffff:127.0.0.1", "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::a00:1", "2002:7f00:1::",
        "2002:a00:1::1", "192.0.2.1",
    ],
)  # fmt: skip
def test_non_public_addresses_are_refused(address: str) -> None:
    assert not NetworkBoundary().public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "1.1.1.1", "2606:4700::1", "64:ff9b::808:808", "2002:808:808::1"])
def test_public_addresses_are_allowed(address: str) -> None:
    assert NetworkBoundary().public(address)
