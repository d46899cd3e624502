"""Immutable snapshot of a network read through `wp`.

The facts about tables, options and their defaults come from Ultimate Multisite 2.14.2. Comments at the code mention
differences in older releases.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from enum import Enum
from functools import partial
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, NamedTuple, NewType, TypeVar

from closte_bridge.counts import counted
from closte_bridge.domains import shown
from closte_bridge.wordpress.failures import failure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Odd = TypeVar("Odd", str, None)

_LARGEST = 2**63 - 1
_DNS_INTERVAL = (10, 300)  # seconds; Ultimate Multisite clamps the setting to this range


class WwwPolicy(Enum):
    """The network's setting `auto_create_www_subdomain`."""

    ALWAYS = "always"
    MAIN_ONLY = "main_only"
    NEVER = "never"


class Site(NamedTuple):
    """A row of wp_blogs."""

    id: int
    network_id: int
    domain: str
    archived: bool
    spam: bool
    deleted: bool

    @property
    def public(self) -> bool:
        """Return whether the site is open to visitors."""
        return not (self.archived or self.spam or self.deleted)


class Mapping(NamedTuple):
    """A row of the mappings table. Dates are as stored: `YYYY-MM-DD HH:MM:SS` in UTC, or None.

    `created` is None if the mapping is done and has `modified`: no code needs it then, and there can be 100,000 rows.
    """

    id: int
    blog_id: int
    domain: str
    active: bool
    primary: bool
    secure: bool
    stage: str
    created: str | None
    modified: str | None


class Event(NamedTuple):
    """A change that the shim recorded. `created` is in seconds since the epoch by WordPress' clock."""

    uid: str
    created: int
    kind: str
    blog_id: int
    domain: str
    detail: str


class StatesTable(NamedTuple):
    """The table with the domain states: whether it exists, its rows of this network, and its generation.

    They are from before this read wrote anything. `written` is the result of that, as in `states.php`; "" if it wrote
    nothing.
    """

    present: bool = False
    rows: int = 0
    generation: int = 0
    written: str = ""


NO_STATES = StatesTable()


@dataclass(frozen=True, slots=True)
class Network:
    """The network itself, and the location of its database and files.

    `public_ip` is the address to which Closte asks customers to point their domains (CLOSTE_PUBLIC_IP_ADDRESS).
    """

    id: int
    domain: str
    main_site: int
    environment: str
    database: str
    app_id: str | None
    root: str
    wordpress: str
    php: str
    public_ip: str | None = None
    path: str = "/"


@dataclass(frozen=True, slots=True)
class Owner:
    """The owner of a network, from its network option: an installation of closte-bridge. `since` is ISO 8601, UTC."""

    engine: str
    host: str
    since: str


@dataclass(frozen=True, slots=True)
class PluginSettings:
    """The relevant settings of Ultimate Multisite, with defaults."""

    plugin_version: str
    domain_mapping: bool
    dns_check_interval: int
    www: WwwPolicy
    integration: bool


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One consistent read. It is complete if `faults` is empty and the database did not go back in time.

    `went_back` is the reason why the ledger suggests that it did; `problems` holds both. `silence` is the number of
    seconds since the owner's last report, by WordPress' clock, and huge without a report. `reports` is the id of the
    series of reports, and their number.
    """

    network: Network
    settings: PluginSettings
    owner: Owner | None
    sites: dict[int, Site]
    mappings: list[Mapping]
    highest_site: int
    highest_mapping: int
    events: list[Event] = field(default_factory=list)
    events_waiting: int = 0
    shim_table: bool = False
    silence: int = 0
    reports: tuple[str, int] | None = None
    states: StatesTable = NO_STATES
    faults: tuple[str, ...] = ()
    went_back: str = ""

    @property
    def problems(self) -> tuple[str, ...]:
        """Return the reasons why the snapshot is not complete."""
        return (*self.faults, self.went_back) if self.went_back else self.faults

    @property
    def complete(self) -> CompleteSnapshot | None:
        """This snapshot if a domain that is missing here is missing in WordPress, else None."""
        return None if self.problems else CompleteSnapshot(self)


CompleteSnapshot = NewType("CompleteSnapshot", Snapshot)
"""A snapshot that proves what WordPress lacks (rule 1). Only `Snapshot.complete` makes it."""


# Equal to the classes' constructors, but without a Python call for each row.
_MAKE_SITE: Callable[[tuple[Any, ...]], Site] = partial(tuple.__new__, Site)
_MAKE_MAPPING: Callable[[tuple[Any, ...]], Mapping] = partial(tuple.__new__, Mapping)
_ON = frozenset({"1", 1})
_OFF = frozenset({"", "0", "None", "False", 0, None})


def _flag(value: object) -> bool:
    return str(value) not in _OFF


def _table(document: dict[str, Any], name: str) -> dict[str, Any]:
    table = document[name]
    if not isinstance(table, dict):
        raise TypeError(name)
    return table


def _columns(table: dict[str, Any]) -> Iterator[list[list[Any]]]:
    """Yield the columns of one block of rows after the other. Drop each block, because two copies take much memory.

    A column is a text with one value per line, or a list if a value does not fit on a line.
    """
    parts = table["columns"]
    parts.reverse()
    while parts:
        yield [column.split("\n") if isinstance(column, str) else column for column in parts.pop()]


def _texts(column: list[Any], odd: Odd) -> list[str | Odd]:
    """Return a column of texts. Any other value, possible only in a damaged table, becomes `odd`."""
    if {*map(type, column)} <= {str}:
        return column
    return [value if isinstance(value, str) else odd for value in column]


def _sites(table: dict[str, Any]) -> dict[int, Site]:
    # By column and without a Python loop, like the mappings: there can be 100,000 rows.
    sites: dict[int, Site] = {}
    for numbers, networks, domains, archived, spam, deleted in _columns(table):
        ids = [*map(int, numbers)]
        flags = ([value not in _OFF for value in column] for column in (archived, spam, deleted))
        sites.update(
            zip(
                ids,
                map(_MAKE_SITE, zip(ids, map(int, networks), _texts(domains, ""), *flags, strict=True)),
                strict=True,
            )
        )
    return sites


def _mappings(table: dict[str, Any]) -> tuple[list[Mapping], bool]:
    """Return the mappings, and whether one has no domain."""
    mappings: list[Mapping] = []
    nameless = False
    shared: dict[str, str] = {}
    for ids, blogs, domains, active, primary, secure, stages, created, modified in _columns(table):
        flags = ([value in _ON for value in column] for column in (active, primary, secure))
        words, later = _texts(stages, ""), _texts(modified, None)
        known = map(shared.setdefault, words, words)
        dates = [
            None if last and word == "done" else first
            for first, last, word in zip(_texts(created, None), later, words, strict=True)
        ]
        names = _texts(domains, "")
        nameless |= names is not domains or "" in names
        mappings += map(
            _MAKE_MAPPING, zip(map(int, ids), map(int, blogs), names, *flags, known, dates, later, strict=True)
        )
    return mappings, nameless


def _settings(document: dict[str, Any]) -> PluginSettings:
    plugin = document["plugin"]
    if plugin is None:
        raise failure("plugin-inactive")
    if not plugin["set_up"]:
        raise failure("plugin-not-set-up")
    raw = document["settings"] or {}
    return PluginSettings(
        plugin_version=shown(str(plugin["version"])),
        domain_mapping=_flag(raw.get("enable_domain_mapping", 1)),
        dns_check_interval=_interval(raw.get("dns_check_interval")),
        www=_www(raw.get("auto_create_www_subdomain")),
        integration=bool(document["toggle"]),
    )


def _interval(value: object) -> int:
    low, high = _DNS_INTERVAL
    if value is None or value == "false":  # earlier releases could store "false" for "not set"
        return high
    # Like a cast in PHP: the leading digits, else 0.
    digits = re.match(r"\s*[+-]?\d{1,18}", str(int(value) if isinstance(value, bool) else value))
    return max(low, min(high, int(digits[0]) if digits else 0))


def _www(value: object) -> WwwPolicy:
    try:
        return WwwPolicy(value)
    except ValueError:
        return WwwPolicy.ALWAYS  # as Ultimate Multisite does for an unknown value


def _owner(value: object) -> Owner | None:
    if not isinstance(value, dict) or not isinstance(value.get("engine"), str):
        return None
    host, since = str(value.get("host", "")), str(value.get("since", ""))
    return Owner(value["engine"][:64], shown(host[:255]), shown(since[:40]))


def _network(raw: dict[str, Any]) -> Network:
    # `shown` removes line breaks: a text with one could imitate a message of closte-bridge.
    app_id, root = raw["app_id"], str(raw["root"])
    if "\0" in root:
        raise ValueError("no path")
    return Network(
        id=int(raw["id"]),
        domain=shown(str(raw["domain"]).lower().partition(":")[0]),
        main_site=int(raw["main_site"]),
        environment=shown(str(raw["environment"])),
        # A digest: it identifies the database, and keeps its name out of ledgers and plans.
        database=hashlib.sha256(str(raw["database"]).encode()).hexdigest()[:16],
        app_id=None if app_id is None else shown(str(app_id)),
        root=root,
        wordpress=shown(str(raw["wordpress"])),
        php=shown(str(raw["php"])),
        public_ip=_address(raw.get("public_ip")),
        path=shown(str(raw.get("path") or "/")),
    )


def _address(value: object) -> str | None:
    try:
        return str(ip_address(str(value)))
    except ValueError:
        return None


def _events(raw: dict[str, Any]) -> list[Event]:
    return [
        Event(str(u), _number(c), str(k), _number(b), str(d or ""), str(t or ""))
        for u, c, k, b, d, t in raw.get("rows", [])
    ]


def _reports(value: object) -> tuple[str, int] | None:
    if not isinstance(value, list):
        return None
    series, count = value
    return str(series)[:64], _number(count)


def _states(value: object) -> StatesTable:
    if not isinstance(value, dict):
        return StatesTable()
    count, generation = _number(value.get("count")), _number(value.get("generation"))
    return StatesTable(value.get("present") is True, count, generation, str(value.get("written") or "")[:20])


def _number(value: object) -> int:
    """Return a column as a number that the ledger can hold, or 0: an invalid event must not stop the others."""
    try:
        return max(-_LARGEST, min(_LARGEST, int(str(value))))
    except ValueError:
        return 0


def decode(document: dict[str, Any]) -> Snapshot:
    """Decode the document of `snapshot.php`.

    Raises UnreadableError if the plugin is not active or the document has an unexpected format.
    """
    try:
        return _decode(document)
    except (LookupError, TypeError, ValueError, AttributeError, OverflowError):
        raise failure("wp-unexpected") from None


def _decode(document: dict[str, Any]) -> Snapshot:
    settings = _settings(document)
    sites, mappings = _table(document, "sites"), _table(document, "mappings")
    if sites.get("missing") or mappings.get("missing"):
        raise failure("table-missing")
    events = _table(document, "events")
    site_rows, (mapping_rows, nameless) = _sites(sites), _mappings(mappings)
    faults = []
    if len(site_rows) != sites["count"]:
        faults.append(f"only {len(site_rows)} of {counted(sites['count'], 'site')} could be read")
    if len(mapping_rows) != mappings["count"]:
        faults.append(f"only {len(mapping_rows)} of {counted(mappings['count'], 'mapping')} could be read")
    network = _network(document["network"])
    if not any(site.network_id == network.id for site in site_rows.values()):
        faults.append("the network has no site")
    if nameless:
        # The lost domain may be a managed alias.
        faults.append("a mapping has no domain")
    return Snapshot(
        network=network,
        settings=settings,
        owner=_owner(document["owner"]),
        sites=site_rows,
        mappings=mapping_rows,
        highest_site=int(sites["highest"]),
        highest_mapping=int(mappings["highest"]),
        events=_events(events),
        events_waiting=int(events.get("count", 0)),
        shim_table=not events.get("missing", False),
        silence=_number(document.get("silence", 0)),
        reports=_reports(document.get("reports")),
        states=_states(document.get("states")),
        faults=tuple(faults),
    )
