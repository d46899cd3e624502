"""The state of an installed shim, as WordPress reports it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from closte_bridge.engine.web import shim_secret
from closte_bridge.shim.files import Entry, moved, starts_us

if TYPE_CHECKING:
    from collections.abc import Mapping

    from closte_bridge.config.model import Settings


class Trigger(NamedTuple):
    """How the shim triggers a sync: `file`, `url`, `process` or `poll`; and the reason as a sentence."""

    method: str
    why: str


@dataclass(frozen=True, slots=True)
class ShimStatus:
    """The state of the shim.

    `folder` has the must-use plugins, `root` WordPress. `version` is the loader's. `files` maps names to `missing`,
    `foreign-file`, `unreadable`, `changed`, `other-version` or `intact`. `entry` is the
    network's part of the shim's configuration.
    `writable` is whether events can be stored; `events` wait, the oldest for `oldest` seconds. `owner` is the id of the
    installation that owns the network, `active` whether the shim replaces the built-in provider, and `silence` the age
    of the last heartbeat in seconds. `answer` is what the loaded shim says about its trigger. `moved` names everything
    that moved since the installation, unless another installation is the owner. `starts_us` is whether the shim starts
    exactly this program, `shares_secret` whether it has the same secret. `wake` is why a test of the wake-up failed, as
    a clause; "" if it arrived, None without a test.
    """

    folder: str
    version: str | None
    files: dict[str, str]
    loaded: bool
    disabled: bool
    entry: Entry | None
    table: bool
    writable: bool
    events: int
    oldest: int | None
    owner: str | None
    active: bool
    silence: float | None
    answer: Trigger | None
    moved: tuple[str, ...]
    starts_us: bool
    shares_secret: bool
    wake: str | None = None

    @classmethod
    def decode(cls, answer: Mapping[str, object], settings: Settings, engine: str | None) -> ShimStatus:
        """Read the answer of `wp`. Raises KeyError, TypeError or ValueError if it has another form.

        `engine` is the id of this installation, None before adoption.
        """
        files, config, trigger = answer["files"], answer["config"], answer["trigger"]
        if not isinstance(files, dict):
            raise TypeError
        owner = _text(answer["owner"])
        entry = Entry.decode(config) if isinstance(config, dict) and config else None
        managed = entry if owner in {None, engine} else None
        root = str(answer["root"])
        secret, own = answer.get("secret"), shim_secret(settings.state_dir)
        wake = answer.get("wake")
        return cls(
            folder=str(answer["folder"]),
            version=_text(answer["version"]),
            files={str(name): str(state) for name, state in files.items()},
            loaded=bool(answer["loaded"]),
            disabled=bool(answer["disabled"]),
            entry=entry,
            table=bool(answer["table"]),
            writable=bool(answer["writable"]),
            events=int(str(answer["events"])),
            oldest=None if answer["oldest"] is None else int(str(answer["oldest"])),
            owner=owner,
            active=bool(answer["active"]),
            silence=None if answer["silence"] is None else float(str(answer["silence"])),
            answer=Trigger(*map(str, trigger)) if isinstance(trigger, list) else None,
            moved=tuple(moved(managed, settings, root)) if managed else (),
            starts_us=managed is not None and starts_us(managed, settings, root),
            # An older shim has no secret.
            shares_secret=managed is None or secret is None or bool(own and own.fingerprint() == secret),
            wake=wake if isinstance(wake, str) else None,
        )

    @property
    def installed(self) -> str:
        """Return `yes`, `no`, `disabled` or `damaged`."""
        states = set(self.files.values())
        if states == {"missing"}:
            return "no"
        if states == {"intact"} and self.table and self.entry:
            return "disabled" if self.disabled else "yes"
        return "damaged"

    @property
    def outdated(self) -> bool:
        """Return whether another version of closte-bridge installed the shim."""
        return "other-version" in self.files.values()

    @property
    def trigger(self) -> Trigger:
        """Return how the shim triggers a sync."""
        # An older shim does not have this method, or names it differently.
        older = self.loaded and self.entry
        return self.answer or Trigger("poll", "The shim is outdated." if older else "The shim is not loaded.")


def _text(value: object) -> str | None:
    return None if value is None else str(value)
