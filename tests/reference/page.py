"""Generator of the reference page from the program, a template, and notes that supplement the command help."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from closte_bridge.checks.advice_text import AdviceCode
from closte_bridge.checks.model import DnsCode, HttpCode, TlsCode
from closte_bridge.cli import manual
from closte_bridge.cli.commands.domain_list import STATES
from closte_bridge.cli.options import OutputOption
from closte_bridge.cli.result import STATUS
from closte_bridge.config.model import KEYS, Key
from closte_bridge.errors import PRECEDENCE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

HERE = Path(__file__).parent
DNS = {
    DnsCode.OK: "DNS is correct.",
    DnsCode.PROXIED: "The domain points to a CDN that serves it with a valid certificate; the network itself may be "
    "behind the same CDN. Only Ultimate Multisite's own test request (2.4.4 and later) shows whether the CDN fetches "
    "from this network. It must succeed before the mapping becomes `done`.",
    DnsCode.ELSEWHERE: "The domain points to another server.",
    DnsCode.PARTLY: "Some nameservers still have old records.",
    DnsCode.ONE_FAMILY: "Only one of A and AAAA is correct.",
    DnsCode.NXDOMAIN: "The domain does not exist in DNS.",
    DnsCode.NO_ADDRESS: "The domain has no addresses.",
    DnsCode.NOT_DELEGATED: "The zone of the domain does not exist.",
    DnsCode.CNAME_AT_APEX: "A CNAME record at the zone apex, which is not allowed.",
    DnsCode.CAA: "A CAA record stops the certificate authority.",
    DnsCode.DNSSEC: "DNSSEC validation fails.",
    DnsCode.TIMEOUT: "No response. The result is ignored.",
    DnsCode.UNKNOWN: "Unknown. The result is ignored.",
}
TLS = {
    TlsCode.OK: "The certificate is valid for the domain.",
    TlsCode.WRONG_NAME: "The certificate is for other domains.",
    TlsCode.SELF_SIGNED: "The certificate is self-signed.",
    TlsCode.UNKNOWN_ISSUER: "Browsers do not trust the issuer.",
    TlsCode.DEFAULT_CERTIFICATE: "The server's default certificate, which is not for the domain.",
    TlsCode.EXPIRED: "The certificate has expired.",
    TlsCode.NOT_YET_VALID: "The certificate is not valid yet.",
    TlsCode.NO_LISTENER: "No server accepts the connection.",
    TlsCode.HANDSHAKE_FAILED: "The TLS handshake fails.",
    TlsCode.TIMEOUT: "No response.",
    TlsCode.UNKNOWN: "The address is unreachable from here.",
}
HTTP = {
    HttpCode.OK: "Visitors get the right site.",
    HttpCode.PRIMARY: "Visitors are redirected to another domain of the right site.",
    HttpCode.SIGN_UP: "Visitors get the network's sign-up page: WordPress does not know the domain.",
    HttpCode.OTHER_SITE: "Visitors get another site, or are redirected to one.",
    HttpCode.LOOP: "The redirects never end.",
    HttpCode.BLOCKED: "Ultimate Multisite (visit limit, membership) or the server refuses visitors.",
    HttpCode.SERVER_ERROR: "The server answers with an error (5xx), or closes the connection.",
    HttpCode.OTHER_SERVER: "Another server answers, with a valid certificate.",
    HttpCode.TIMEOUT: "No answer in time.",
    HttpCode.UNKNOWN: "Behind a CDN, the answer does not show which server sent it.",
}


def reference() -> str:
    """Return the page. Raise ValueError for a note on an unknown command, and KeyError for an unknown placeholder."""
    notes = _notes()
    parts = {
        "global_options": _table(("option", "description"), manual.global_options()),
        "commands": "\n\n".join(_command(name, command, notes) for name, command in manual.commands()),
        "config": _config(),
        "exit_codes": _exit_codes(),
        "environment": _environment(),
        "dns": _rows((f"`{code}`", text) for code, text in DNS.items()),
        "tls": _rows((f"`{code}`", text) for code, text in TLS.items()),
        "http": _rows((f"`{code}`", text) for code, text in HTTP.items()),
    }
    if notes:
        raise ValueError(f"There are notes on unknown commands: {', '.join(notes)}.")
    return _filled((HERE / "template.md").read_text(encoding="utf-8"), parts)


def _filled(text: str, parts: Mapping[str, str]) -> str:
    return re.sub(r"\{\{(\w+)\}\}", lambda found: parts[found[1]], text)


def _notes() -> dict[str, str]:
    states = ", ".join(f"`{word}`" for word in STATES)
    codes = ", ".join(f"`{code}`" for code in AdviceCode if code)
    text = _filled((HERE / "notes.md").read_text(encoding="utf-8"), {"states": states, "advice_codes": codes})
    sections = re.split(r"^## (.+)\n", text, flags=re.MULTILINE)[1:]
    return {name: note.strip() for name, note in zip(sections[::2], sections[1::2], strict=True)}


def _command(name: str, command: click.Command, notes: dict[str, str]) -> str:
    parts = [f"### `closte-bridge {name}`", *manual.paragraphs(command), f"Usage: `{manual.usage(name, command)}`"]
    options = manual.own_options(command)
    shared = [one for one in options if one.opts[0] in {"--format", "--fields", "--field"}]
    if own := [one for one in options if one not in shared]:
        parts.append(_table(("option", "description"), manual.described(own)))
    parts += [_output(one) for one in shared if one.opts[0] != "--field"]
    if note := notes.pop(name, ""):
        parts.append(note)
    parts.append(f"```console\n{(command.epilog or '').strip()}\n```")
    return "\n\n".join(parts)


def _output(option: click.Option) -> str:
    if isinstance(option, OutputOption):
        more = f"; with `--fields` also {_words(option.on_demand)}" if option.on_demand else ""
        return f"Fields: {_words(option.shown)}{more}."
    assert isinstance(option.type, click.Choice)
    return f"Formats: {_words(option.type.choices)}. Default: `{option.default}`."


def _words(words: Iterable[str]) -> str:
    return ", ".join(f"`{word}`" for word in words)


def _config() -> str:
    defaults = {name: f"`{manual.default_of(key)}`" for name, key in KEYS.items()} | {"state_dir": "see below"}
    rows = [(f"`{name}`", _type(key), defaults[name], key.help) for name, key in KEYS.items()]
    return _table(("key", "type", "default", "description"), rows, code=False)


def _type(key: Key) -> str:
    if isinstance(key.default, tuple):
        return f"list ({key.kind})"
    bounds = f" from {key.bounds[0]:g} to {key.bounds[1]:.10g}" if any(key.bounds) else ""
    return key.kind + bounds + (f", {key.unit}" if key.unit else "")


def _exit_codes() -> str:
    rows = [(str(int(code)), f"`{STATUS[code]}`", manual.EXIT_CODES[code]) for code in PRECEDENCE]
    return _table(("code", "status", "meaning"), rows, code=False)


def _environment() -> str:
    rows = [(_words(names.split(", ")), text) for names, text in manual.ENVIRONMENT.items()]
    return _table(("variable", "meaning"), rows, code=False)


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]], *, code: bool = True) -> str:
    """Return a table. With `code`, the first column is in backticks."""
    body = ((f"`{first}`" if code else first, *rest) for first, *rest in rows)
    return f"{_rows([head])}\n|{'---|' * len(head)}\n{_rows(body)}"


def _rows(rows: Iterable[tuple[str, ...]]) -> str:
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in rows)
