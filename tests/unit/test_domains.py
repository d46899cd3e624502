from __future__ import annotations

from pathlib import Path

import pytest
from publicsuffixlist import PSLFILE, PublicSuffixList

from closte_bridge.domains import (
    is_clostes_own,
    is_main_domain,
    is_normal,
    is_public_suffix,
    is_top_level_domain,
    is_wildcard,
    lies_in,
    normalise,
    not_public,
    only_public,
    pasted_domain,
    registered_domain,
    shown,
    similar,
    wildcard_over,
    www_of,
)


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        ("example.com", "example.com"),
        ("EXAMPLE.Com", "example.com"),
        ("example.com.", "example.com"),
        (" example.com\n", "example.com"),
        ("*.Example.com", "*.example.com"),
        ("bücher.de", "xn--bcher-kva.de"),
        ("*.BÜCHER.de.", "*.xn--bcher-kva.de"),
        ("bücher。de。", "xn--bcher-kva.de"),
        ("straße.de", "xn--strae-oqa.de"),
        ("xn--bcher-kva.de", "xn--bcher-kva.de"),
        ("1.com", "1.com"),
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8::1", "2001:db8::1"),
        ("[2001:db8::1]:443", "[2001:db8::1]:443"),
        ("[::1]", "[::1]"),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.1"),
        ("192.0.2.1:80", "192.0.2.1:80"),
        ("localhost", "localhost"),
        ("a" * 63 + ".com", "a" * 63 + ".com"),
    ],
)
def test_every_domain_has_one_normal_form(raw: str, name: str) -> None:
    assert normalise(raw) == name
    assert normalise(name) == name


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        ("", "empty"),
        (".", "empty"),
        ("  ", "empty"),
        ("*.", "not a host name"),
        ("a" * 1025, "too long"),
        (".".join(["a" * 60] * 5), "too long"),
        ("*." + ".".join(["a" * 62] * 4) + "a", "too long"),
        ("foo_bar.com", "has an underscore"),
        ("_dmarc.example.com", "has an underscore"),
        ("a..b", "not a host name"),
        (".example.com", "not a host name"),
        ("example.com..", "not a host name"),
        ("-a.com", "not a host name"),
        ("a-.com", "not a host name"),
        ("a" * 64 + ".com", "not a host name"),
        ("example.com:8080", "not a host name"),
        # Labels of hexadecimal digits, as in an IPv6 address.
        ("cafe.de:8080", "not a host name"),
        ("add.de:80", "not a host name"),
        ("[cafe.de]:80", "not a host name"),
        ("cafe:80:cafe.de", "not a host name"),
        ("[::1", "not a host name"),
        ("https://example.com", "not a host name"),
        ("user:x\x1b[31m", "not a host name"),
        ("*.*.example.com", "not a host name"),
        ("a.*.example.com", "not a host name"),
        ("exa mple.com", "not a host name"),
        ("example.com\x00", "not a host name"),
        ("💩.com", "not a valid internationalised name"),
        ("\udcff.com", "not a valid internationalised name"),
        ("ü" * 70 + ".com", "not a valid internationalised name"),
    ],
)
def test_invalid_domain_has_a_reason_and_is_not_quoted(raw: str, why: str) -> None:
    with pytest.raises(ValueError, match=f"^{why}$"):
        normalise(raw)


@pytest.mark.parametrize("name", ["example.com", "*.example.com", "a.b.c.d.example.com", "1.com", "a-b.c--d.io"])
def test_normal_form_is_recognised_quickly(name: str) -> None:
    assert is_normal(name)


@pytest.mark.parametrize("name", ["Example.com", "example.com.", "example.com\n", "localhost", "1.2.3.4", "*", "a_b.c"])
def test_other_spellings_are_not_normal(name: str) -> None:
    assert not is_normal(name)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("example.com", None),
        ("*.example.com", None),
        ("localhost", "single label"),
        ("shop.local", "under .local"),
        ("a.test", "under .test"),
        ("db.internal", "under .internal"),
        ("x.localhost", "under .localhost"),
        ("1.0.0.10.in-addr.arpa", "under .arpa"),
        ("192.0.2.1", "address"),
        ("10", "single label"),
        ("2001:db8::1", "address"),
        ("2001:db8::192.0.2.1", "address"),
        ("192.0.2.1:80", "address"),
        ("shop.customer.con", "there is no top-level domain .con"),
        ("foo.example.c0m", "there is no top-level domain .c0m"),
        ("*.customer.con", "there is no top-level domain .con"),
        ("a.xn--zzzzzz", "there is no top-level domain .xn--zzzzzz"),
        # The list has only rules of several labels for .ck, and it spells the next two in their own script.
        ("shop.com.ck", None),
        ("xn--e1afmkfd.xn--p1ai", None),
        ("xn--fiqs8s.xn--fiqs8s", None),
        ("example.shop", None),
    ],
)
def test_non_public_domain_has_a_reason(name: str, why: str | None) -> None:
    assert not_public(name) == why


def test_many_domains_are_classified_like_one() -> None:
    names = ["a.com", "b.com", "shop.customer.con", "a.xn--p1ai", "b.local", "a.c0m", "a.com.ck"]
    assert only_public(names) == [name for name in names if not_public(name) is None]
    assert only_public([]) == []


def test_every_top_level_domain_of_the_library_is_known() -> None:
    """closte-bridge parses the list file of the library itself, which is much faster."""
    known = PublicSuffixList(only_icann=True, accept_unknown=False)
    rules = [line for line in Path(PSLFILE).read_text(encoding="utf-8").splitlines() if line and line[:2] != "//"]
    tlds = {normalise(f"a.{rule.rpartition('.')[2]}")[2:] for rule in rules}
    assert len(tlds) > 1000
    assert [tld for tld in tlds if known.publicsuffix(f"a.b.{tld}") and not is_top_level_domain(tld)] == []
    # The library treats `za` like an unknown domain: its list has only rules for domains below `za`.
    assert is_top_level_domain("za")
    assert [tld for tld in ("con", "c0m", "", "//", "xn--", "xn--a-") if is_top_level_domain(tld)] == []


@pytest.mark.parametrize(
    ("pasted", "name"),
    [
        ("https://shop.example.com", "shop.example.com"),
        ("https://shop.example.com/", "shop.example.com"),
        ("http://Shop.Example.com:8080/a/b?c=d#e", "shop.example.com"),
        ("//shop.example.com/a", "shop.example.com"),
        ("shop.example.com/", "shop.example.com"),
        ("shop.example.com:443", "shop.example.com"),
        ("shop.example.com?a=https://b.com", "shop.example.com"),
        ("https://bücher.example.com/ä", "xn--bcher-kva.example.com"),
        ("*.example.com/", "*.example.com"),
        ("HTTPS://EXAMPLE.COM.", "example.com"),
    ],
)
def test_domain_of_a_pasted_url_is_found(pasted: str, name: str) -> None:
    assert pasted_domain(pasted) == name


@pytest.mark.parametrize(
    "pasted",
    [
        "https://user:secret@shop.example.com/",
        "https://shop.example.com@evil.org",
        "https://evil.org\\@shop.example.com",
        "ftp://shop.example.com",
        "mailto:a@shop.example.com",
        "https://192.0.2.1/",
        "https://[2001:db8::1]/",
        "https://[::1",
        "https://shop.example.com:port/",
        "https://localhost/",
        "https://a_b.example.com",
        "https:///path",
        "https://shop.exa mple.com/",
        "shop.example.com, other.example.com",
        "a b",
        "",
    ],
)
def test_ambiguous_pasted_url_is_refused(pasted: str) -> None:
    assert pasted_domain(pasted) is None


def test_a_wildcard_covers_exactly_one_label() -> None:
    assert wildcard_over("a.example.com") == "*.example.com"
    assert wildcard_over("b.a.example.com") == "*.a.example.com"
    assert is_wildcard("*.example.com")
    assert not is_wildcard("example.com")


@pytest.mark.parametrize(
    ("name", "www"),
    [("example.com", "www.example.com"), ("www.example.com", None), ("*.example.com", None)],
)
def test_www_form_is_added_once(name: str, www: str | None) -> None:
    assert www_of(name) == www


@pytest.mark.parametrize(
    ("name", "main"),
    [
        ("example.com", True),
        ("shop.example.com", False),
        ("example.co.uk", True),
        ("shop.example.co.uk", False),
        ("example.org.uk", False),
    ],
)
def test_main_domains_match_ultimate_multisite(name: str, main: bool) -> None:
    assert is_main_domain(name) is main


@pytest.mark.parametrize(
    ("name", "registered"),
    [
        ("a.b.example.com", "example.com"),
        ("*.example.co.uk", "example.co.uk"),
        ("example.github.io", "example.github.io"),
        ("com", "com"),
    ],
)
def test_registered_domain_follows_certificate_authorities(name: str, registered: str) -> None:
    assert registered_domain(name) == registered


@pytest.mark.parametrize(
    ("name", "zone", "expected"),
    [
        ("shop.test", "shop.test", True),
        ("a.b.shop.test", "shop.test", True),
        ("shop.test", "", True),
        ("ashop.test", "shop.test", False),
        ("test", "shop.test", False),
    ],
)
def test_zone_contains_its_subdomains(name: str, zone: str, expected: bool) -> None:
    assert lies_in(name, zone) is expected


@pytest.mark.parametrize(
    ("text", "harmless"),
    [
        ("exämple.org", "exämple.org"),
        ("a\r\n<3>b", "a\\r\\n<3>b"),
        ("\x1b[2J\x9b", "\\x1b[2J\\x9b"),
        ("\u202ea\u2028\ud800", "\\u202ea\\u2028\\ud800"),
    ],
)
def test_foreign_text_is_shown_on_one_line(text: str, harmless: str) -> None:
    assert shown(text) == harmless
    assert shown(text).isprintable()


@pytest.mark.parametrize(
    ("name", "everybody"),
    [
        ("co.uk", True),
        ("com", True),
        ("example.co.uk", False),
        # One owner has this domain, although others have domains under it.
        ("github.io", False),
        ("example.com", False),
        ("example.no-such-tld", False),
    ],
)
def test_public_suffix_is_recognised(name: str, everybody: bool) -> None:
    assert is_public_suffix(name) is everybody


def test_domains_of_closte_are_recognised() -> None:
    names = ["closte.com", "x.closte.com", "*.closte.com", "notcloste.com", "closte.com.example.org"]
    assert [is_clostes_own(name) for name in names] == [True, True, True, False, False]


@pytest.mark.parametrize(("name", "meant"), [("shop.exmaple.com", "shop.example.com"), ("other.org", ""), ("", "")])
def test_misspelled_domain_is_compared_with_those_known(name: str, meant: str) -> None:
    assert similar(name, ["shop.example.com", "blog.example.com"]) == meant
