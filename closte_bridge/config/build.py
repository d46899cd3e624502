"""Make the settings of one network from its checked values: defaults, paths, and the origin of each value."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from closte_bridge.config.model import DnsSettings, Settings, TlsSettings, WpSettings
from closte_bridge.config.places import default_state, expand, expand_wp

if TYPE_CHECKING:
    from collections.abc import Mapping

Origin: TypeAlias = dict[str, str]

_PATHS = ("api_key_file", "state_dir", "metrics_file", "tls.ca_file")
_SECTIONS = {"wp": WpSettings, "dns": DnsSettings, "tls": TlsSettings}


def build(
    name: str,
    source: Path | None,
    values: Mapping[str, object],
    origins: Mapping[str, str],
    environ: Mapping[str, str],
    *,
    shared: bool = False,
) -> tuple[Settings, Origin]:
    """Return the settings and the origins of the network `name`.

    `values` and `origins` have dotted keys; relative paths start at the folder of `source`. A network that
    is one of several (`shared`) gets a folder of its own inside the usual state folder. Raises ConfigError
    when a path cannot be made out.
    """
    base = source.parent if source is not None else Path()
    flat, where = dict(values), dict(origins)
    for key in _PATHS:
        if (written := flat.get(key)) is not None:
            flat[key] = expand(str(written), environ, base)
    expand_wp(flat, environ, base)
    if flat.get("state_dir") is None:
        folder, where["state_dir"] = default_state(environ, user=os.geteuid())
        flat["state_dir"] = folder / name if shared else folder
    top: dict[str, Any] = {}
    inner: dict[str, dict[str, Any]] = {section: {} for section in _SECTIONS}
    for dotted, value in flat.items():
        section, _, key = dotted.rpartition(".")
        (inner[section] if section else top)[key] = value
    for section, make in _SECTIONS.items():
        top[section] = make(**inner[section])
    return Settings(name=name, source=source.absolute() if source else None, **top), where
