"""The customer's next step as data, and the sentences rendered from it. Pure.

Each code stands for one text. Arguments are plain JSON values, so that another program can render them in another
language. They come from DNS and servers, so `advice` bounds and escapes them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any, NamedTuple, TypeAlias

from closte_bridge.checks.records import RecordToSet, a_record, instruction, listed
from closte_bridge.counts import counted

Args: TypeAlias = Mapping[str, Any]


class AdviceCode(StrEnum):
    """What the next step is. `NONE`: there is nothing to do."""

    NONE = ""
    TEXT = "text"  # saved as text by a version without codes
    RECORDS = "change-records"
    CNAME = "change-cname"
    CNAME_WITHOUT_ADDRESS = "cname-without-address"
    A_ELSEWHERE = "a-elsewhere"
    A_MISSING = "a-missing"
    A_UNWANTED = "a-unwanted"  # the network has no IPv4 address
    AAAA_ELSEWHERE = "aaaa-elsewhere"
    AAAA_UNWANTED = "aaaa-unwanted"  # the network has no IPv6 address
    NXDOMAIN = "nxdomain"
    NO_ADDRESS = "no-address"
    CNAME_AT_APEX = "cname-at-apex"
    CAA = "caa-forbids"
    DNSSEC = "dnssec-broken"
    OUTDATED_NAMESERVERS = "nameservers-outdated"
    PROPAGATING = "dns-propagating"
    INCORRECT_NAMESERVERS = "nameservers-incorrect"
    NOT_REGISTERED = "not-registered"
    SILENT_NAMESERVERS = "nameservers-silent"
    NO_DNS_ANSWER = "no-dns-answer"
    NO_TARGET = "no-target"  # it is unknown where the domain should point
    NO_TARGET_NO_ADDRESS = "no-target-no-address"
    NO_LISTENER = "no-listener"
    TLS_TIMEOUT = "tls-time-out"
    WRONG_NAME = "wrong-name"
    SELF_SIGNED = "self-signed"
    EXPIRED = "expired"
    NOT_YET_VALID = "not-yet-valid"
    UNKNOWN_ISSUER = "unknown-issuer"
    DEFAULT_CERTIFICATE = "default-certificate"
    HANDSHAKE_FAILED = "handshake-failed"
    SIGN_UP = "sign-up-page"
    OTHER_SITE = "other-site"
    REDIRECT = "redirect-elsewhere"
    LOOP = "redirect-loop"
    BLOCKED = "blocked"
    VISITS_EXCEEDED = "visits-exceeded"
    MEMBERSHIP_INACTIVE = "membership-inactive"
    BLOCKED_BY_PLUGIN = "blocked-by-plugin"
    SERVER_ERROR = "server-error"
    OTHER_SERVER = "other-server"
    HTTP_TIMEOUT = "http-time-out"
    SERVER_UNKNOWN = "server-unknown"


class Advice(NamedTuple):
    """The next step: its code, the arguments of its sentences, and the records that it asks for."""

    code: str = AdviceCode.NONE
    args: Mapping[str, Any] = {}
    records: tuple[RecordToSet, ...] = ()

    @property
    def text(self) -> str:
        """Return the next step as sentences; empty without one."""
        return render(self.code, self.args, self.records)

    def as_data(self) -> dict[str, Any]:
        """Return plain values for JSON: `code`, `args` and `records`."""
        return {"code": str(self.code), "args": {**self.args}, "records": [r.as_data() for r in self.records]}

    @classmethod
    def of_data(cls, data: Any) -> Advice:  # noqa: ANN401 - parsed JSON
        """Return the advice of `as_data`. Raises ValueError for other values."""
        try:
            advice = cls(data["code"], {**data["args"]}, tuple(map(RecordToSet.of_data, data["records"])))
            advice.text  # noqa: B018 - every argument has to be there
        except (KeyError, TypeError, AttributeError, IndexError) as error:
            raise ValueError("no advice") from error
        return advice


NO_ADVICE = Advice()

_TEXTS: dict[str, str] = {
    AdviceCode.NONE: "",
    AdviceCode.TEXT: "{text}",
    AdviceCode.RECORDS: "{change}",
    AdviceCode.CNAME: "{change}",
    AdviceCode.CNAME_WITHOUT_ADDRESS: "{change}",
    AdviceCode.A_ELSEWHERE: "{change}",
    AdviceCode.A_MISSING: "{change} Without it, visitors without IPv6 cannot reach the site.",
    AdviceCode.A_UNWANTED: "{change} The server has no IPv4 address.",
    AdviceCode.AAAA_ELSEWHERE: "{change}",
    AdviceCode.AAAA_UNWANTED: "{change} The server has no IPv6 address.",
    AdviceCode.NXDOMAIN: "{change} The domain does not exist in DNS.",
    AdviceCode.NO_ADDRESS: "{change} The domain has no A or AAAA record.",
    AdviceCode.CNAME_AT_APEX: "{change} A CNAME record is not allowed at the root of a domain.",
    AdviceCode.CAA: "{change} The existing CAA records ({caa}) prevent the certificate from being issued.",
    AdviceCode.DNSSEC: (
        "Ask your registrar to fix or remove the DS record of {zone}. "
        "DNSSEC validation fails, so many visitors cannot reach the site and no certificate can be issued."
    ),
    AdviceCode.OUTDATED_NAMESERVERS: (
        "Ask the DNS provider of {zone} to update all of its nameservers. {servers} still {returns} an outdated answer."
    ),
    AdviceCode.PROPAGATING: (
        "Please wait{wait}. Your DNS change is still propagating. {servers} still {returns} the old answer."
    ),
    AdviceCode.INCORRECT_NAMESERVERS: (
        "Correct the nameservers of {zone} at your domain registrar. "
        "The current ones ({servers}) do not host this domain."
    ),
    AdviceCode.NOT_REGISTERED: (
        "Check that {zone} is registered and that nameservers are set at its registrar. It does not exist in DNS."
    ),
    AdviceCode.SILENT_NAMESERVERS: (
        "Contact the DNS provider of {zone}. Its nameservers{in_brackets} are not responding."
    ),
    AdviceCode.NO_DNS_ANSWER: (
        "Check this machine's internet connection, then the domain's nameservers. No DNS server gave a usable answer."
    ),
    AdviceCode.NO_TARGET: (
        "Set `dns.targets` in the config to see where {domain} must point: "
        "the network's main domain could not be resolved."
    ),
    AdviceCode.NO_TARGET_NO_ADDRESS: (
        "Add an A record for {domain} with the address of this network: the domain does not resolve. "
        "To see the address here, set `dns.targets` in the config: the network's main domain could not be resolved."
    ),
    AdviceCode.NO_LISTENER: (
        "Check that {domain} points to the right server. The server at {address} does not accept HTTPS connections."
    ),
    AdviceCode.TLS_TIMEOUT: (
        "Check that {domain} points to the right server. The HTTPS connection to {address} timed out."
    ),
    AdviceCode.WRONG_NAME: (
        "Check that {domain} points to the right server. "
        "The certificate at {address} was issued for {names}, so {domain} needs its own."
    ),
    AdviceCode.SELF_SIGNED: (
        "Install a certificate from a trusted authority for {domain}. The current one at {address} is self-signed."
    ),
    AdviceCode.EXPIRED: "Renew the certificate of {domain}. The one at {address} has expired.",
    AdviceCode.NOT_YET_VALID: "Check the server's clock, or wait. The certificate at {address} is not valid yet.",
    AdviceCode.UNKNOWN_ISSUER: (
        "Install a certificate from a trusted authority for {domain}, with its full chain. "
        "The current one at {address} was issued by {by}."
    ),
    AdviceCode.DEFAULT_CERTIFICATE: (
        "Please wait. The certificate for {domain} has not been issued yet. "
        "{address} still serves the host's default certificate ({names})."
    ),
    AdviceCode.HANDSHAKE_FAILED: "Check the server at {address}. The TLS handshake for {domain} fails.",
    AdviceCode.SIGN_UP: (
        "Clear the web server's object cache. It still sends visitors of {domain} to the network's sign-up page."
    ),
    AdviceCode.OTHER_SITE: (
        "Clear the web server's object cache. It still serves another site to visitors of {domain}."
    ),
    AdviceCode.REDIRECT: "Check the site of {domain}. It redirects visitors to {location}.",
    AdviceCode.LOOP: "Check the redirects of {domain} in its plugins, the web server and the CDN. They never end.",
    AdviceCode.BLOCKED: "Check the limits and the membership of the site of {domain} in Ultimate Multisite. {answer}",
    AdviceCode.VISITS_EXCEEDED: (
        "Raise the visit limit of the site of {domain}. Ultimate Multisite blocks visitors above it."
    ),
    AdviceCode.MEMBERSHIP_INACTIVE: (
        "Renew the membership of the site of {domain}. Ultimate Multisite blocks its visitors."
    ),
    AdviceCode.BLOCKED_BY_PLUGIN: (
        "Check the site of {domain} in Ultimate Multisite, which blocks its visitors ({reason})."
    ),
    AdviceCode.SERVER_ERROR: "Check the web server's error log for {domain}. {answer}",
    AdviceCode.OTHER_SERVER: "Check that {domain} points to the right server. Another server answers its visitors.",
    AdviceCode.HTTP_TIMEOUT: "Check the load of the web server. {domain} does not answer in time.",
    AdviceCode.SERVER_UNKNOWN: (
        "Install the shim with `closte-bridge shim install`. "
        "Without it, nothing shows which server answers visitors of {domain}."
    ),
}


def render(code: str, args: Args, records: Sequence[RecordToSet]) -> str:
    """Return the sentences of a code. Raises KeyError for an unknown code or a missing argument.

    An argument with a list has at most four items: `more_` with its name counts the others.
    """
    text = _TEXTS[code]
    values: dict[str, str] = {key: _shown(args, key) for key in args}
    values |= _phrases(args)
    if records:
        values["change"] = instruction(records, zone=args.get("in_zone"), currently=_currently(code, values, records))
    return text.format(**values) + _alternative(args)


def _shown(args: Args, key: str) -> str:
    value = args[key]
    return listed(value, args.get(f"more_{key}", 0)) if isinstance(value, list) else str(value)


def _phrases(args: Args) -> dict[str, str]:
    """Return the parts of sentences that depend on the value or the number of an argument."""
    phrases = {}
    if "servers" in args:
        servers = args["servers"]
        phrases["returns"] = "returns" if len(servers) == 1 else "return"
        phrases["in_brackets"] = f" ({_shown(args, 'servers')})" if servers else ""
    if "seconds" in args:
        phrases["wait"] = f" for up to {_span(args['seconds'])}" if args["seconds"] else ""
    if "names" in args:
        phrases["names"] = _shown(args, "names") or "no domain"
    if "issuer" in args:
        phrases["by"] = args["issuer"] or "an unknown issuer"
    if "status" in args:
        status = args["status"]
        phrases["answer"] = f"It answers with HTTP {status}." if status else "It closes connections without an answer."
    return phrases


def _currently(code: str, values: Mapping[str, str], records: Sequence[RecordToSet]) -> str:
    """Return where a CNAME record points to; empty if the records show it themselves."""
    if code == AdviceCode.CNAME:
        return f"{records[0].current[0]} ({values['addresses']})"
    return f"{records[0].current[0]}, which has no address" if code == AdviceCode.CNAME_WITHOUT_ADDRESS else ""


def _alternative(args: Args) -> str:
    """Return the way of the zone's DNS provider to point the root of a domain to a name."""
    if "alternative" not in args:
        return ""
    other = args["alternative"]
    record = a_record(other["type"])
    return (
        f" Or use {record} with the value {other['value']}, which {other['provider']} supports at the root of a domain."
    )


def _span(seconds: int) -> str:
    for length, unit in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= length:
            return counted(-(-seconds // length), unit)
    return counted(seconds, "second")
