"""Tests of hostname matching (RFC 9525, section 6.3) and of the permissions in CAA records."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from closte_bridge.checks.caa import CaaRecord, permits
from closte_bridge.checks.names import any_covers, covers
from closte_bridge.checks.proxies import hint

LABEL = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?", fullmatch=True)


@pytest.mark.parametrize(
    ("presented", "host", "expected"),
    [
        ("shop.test", "shop.test", True),
        ("Shop.TEST", "shop.test", True),
        ("shop.test", "www.shop.test", False),
        ("*.shop.test", "www.shop.test", True),
        ("*.shop.test", "shop.test", False),
        ("*.shop.test", "a.b.shop.test", False),
        ("*.shop.test", ".shop.test", False),
        ("w*.shop.test", "www.shop.test", False),
        ("*w.shop.test", "www.shop.test", False),
        ("www.*.test", "www.shop.test", False),
        ("*.*.test", "www.shop.test", False),
        ("*", "test", False),
        ("*.test", "shop.test", False),
        ("xn--bcher-kva.test", "xn--bcher-kva.test", True),
        ("bücher.test", "xn--bcher-kva.test", False),
        ("*.xn--bcher-kva.test", "www.xn--bcher-kva.test", True),
        ("", "shop.test", False),
    ],
)
def test_certificate_name_covers_matching_hosts(presented: str, host: str, expected: bool) -> None:
    assert covers(presented, host) is expected
    assert any_covers(["nobody.test", presented], host) is expected


@given(st.lists(LABEL, min_size=2, max_size=5), st.lists(LABEL, min_size=1, max_size=5))
def test_wildcard_covers_exactly_one_label(base: list[str], front: list[str]) -> None:
    name = ".".join(front + base)
    assert covers("*." + ".".join(base), name) is (len(front) == 1)
    assert covers(name, name)


ISSUER = "letsencrypt.org"


@pytest.mark.parametrize(
    ("records", "plain", "wildcard"),
    [
        ([], True, True),
        ([(0, "iodef", "mailto:a@shop.test")], True, True),
        ([(0, "issue", "letsencrypt.org")], True, True),
        ([(0, "issue", " LetsEncrypt.org ; validationmethods=dns-01")], True, True),
        ([(0, "issue", ";")], False, False),
        ([(0, "issue", "")], False, False),
        ([(0, "issue", "pki.test"), (0, "issue", "letsencrypt.org")], True, True),
        ([(0, "issue", "pki.test")], False, False),
        ([(0, "issuewild", "pki.test")], True, False),
        ([(0, "issue", "pki.test"), (0, "issuewild", "letsencrypt.org")], False, True),
        ([(0, "issuewild", ";"), (0, "issue", "letsencrypt.org")], True, False),
        ([(128, "future", "x"), (0, "issue", "letsencrypt.org")], False, False),
        ([(0, "future", "x"), (128, "issue", "letsencrypt.org")], True, True),
    ],
)
def test_caa_records_permit_the_issuer(records: list[tuple[int, str, str]], plain: bool, wildcard: bool) -> None:
    found = [CaaRecord(*record) for record in records]
    assert permits(found, ISSUER, wildcard=False) is plain
    assert permits(found, ISSUER, wildcard=True) is wildcard


def test_cdn_is_recognised_from_dns_names() -> None:
    assert hint(["shop.test.cdn.cloudflare.net"], []) == "Cloudflare"
    assert hint([], ["ada.ns.cloudflare.com", "bob.ns.cloudflare.com"]) == "Cloudflare"
    assert hint(["d111.cloudfront.net"], []) == "Amazon CloudFront"
    assert hint(["notcloudfront.net", "cloudfront.net"], ["cloudflare.com"]) is None


def test_caa_record_with_control_characters_is_shown_escaped() -> None:
    assert str(CaaRecord(0, "issue", "\x1b[31m")) == '0 issue "\\x1b[31m"'
