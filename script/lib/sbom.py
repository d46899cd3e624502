"""The list of the parts of a release (SBOM) in CycloneDX's JSON format, from the metadata of wheel and dependencies."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from script.lib.audit import installed

if TYPE_CHECKING:
    from collections.abc import Iterable

    from script.lib.audit import Package


def parts(root: Package) -> dict[str, Package]:
    """Return the direct and indirect requirements of `root` by name. Raises LookupError if one is not installed."""
    found: dict[str, Package] = {}
    todo = list(needs(root.requires))
    while todo:
        name = todo.pop()
        if name in found:
            continue
        package = installed(name)
        if package is None:
            raise LookupError(f'"{name}" is not installed.')
        found[name] = package
        todo += needs(package.requires)
    return dict(sorted(found.items()))


def needs(requirements: Iterable[str]) -> list[str]:
    """Return the names of the requirements that apply to this Python, without extras."""
    wanted = (Requirement(text) for text in requirements)
    return sorted({str(canonicalize_name(r.name)) for r in wanted if not r.marker or r.marker.evaluate({"extra": ""})})


def sbom(name: str, root: Package, epoch: int) -> dict[str, Any]:
    """Return the document; `epoch` is the time of the release in seconds. Raises LookupError as `parts` does."""
    found = parts(root)
    everything = {name: root} | found
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "timestamp": datetime.fromtimestamp(epoch, UTC).isoformat().replace("+00:00", "Z"),
            "component": _component(name, root, "application"),
        },
        "components": [_component(part, package, "library") for part, package in found.items()],
        "dependencies": [
            {"ref": _purl(part, package), "dependsOn": [_purl(n, found[n]) for n in needs(package.requires)]}
            for part, package in everything.items()
        ],
    }


def _purl(name: str, package: Package) -> str:
    return f"pkg:pypi/{name}@{package.version}"


def _component(name: str, package: Package, kind: str) -> dict[str, Any]:
    compound = " " in package.licence
    licence = {"expression": package.licence} if compound else {"license": {"id": package.licence}}
    purl = _purl(name, package)
    shown = {"type": kind, "bom-ref": purl, "name": name, "version": package.version, "purl": purl}
    return shown | {"licenses": [licence]}
