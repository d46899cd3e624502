"""Plots of the figures, as small SVG files that only change if the figures change."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from benchmarks.figure import Figure

_SIZE = (7.0, 3.4)


def _growth(axes: Any, figures: Sequence[Figure]) -> None:  # noqa: ANN401 - matplotlib's own
    at = [one.at for one in figures]
    for name, words in (
        ("seconds", "the whole run"), ("bare_seconds", "wp alone"), ("cpu_seconds", "the engine's CPU time"),
        ("planning_seconds", "planning"),
    ):  # fmt: skip
        axes.plot(at, [one.details[name] for one in figures], marker="o", label=words)
    axes.set(xscale="log", yscale="log", xlabel="mappings", ylabel="seconds", title="A run without changes")
    axes.legend()


def _networks(axes: Any, figures: Sequence[Figure]) -> None:  # noqa: ANN401 - matplotlib's own
    at = [one.at for one in figures]
    axes.plot(at, [one.details["seconds"] for one in figures], marker="o", label="plan --all")
    axes.plot(at, [one.details["bare_seconds"] for one in figures], marker="o", label="wp alone, as many at a time")
    axes.set(xscale="log", yscale="log", xlabel="networks with 1,000 mappings", ylabel="seconds", title="Many networks")
    axes.legend()


def _profile(axes: Any, figures: Sequence[Figure]) -> None:  # noqa: ANN401 - matplotlib's own
    labels = [f"{one.at:,.0f} mappings" for one in figures]
    left = [0.0] * len(figures)
    for part in figures[0].details:
        widths = [100 * one.details[part] / one.value for one in figures]
        axes.barh(labels, widths, left=left, label=part, height=0.6)
        left = [before + width for before, width in zip(left, widths, strict=True)]
    axes.set(xlabel="% of the run", title="Where the time goes", xlim=(0, 100))
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.22), ncols=3, fontsize="small")


def _rival(axes: Any, figures: Sequence[Figure]) -> None:  # noqa: ANN401 - matplotlib's own
    labels = [one.what.removeprefix("Planning alone, ").replace(", ", "\n", 1) for one in figures]
    places = range(len(figures))
    axes.barh([p + 0.2 for p in places], [one.details["other_seconds"] * 1000 for one in figures], 0.4, label="octoDNS")
    axes.barh([p - 0.2 for p in places], [one.details["seconds"] * 1000 for one in figures], 0.4, label="closte-bridge")
    axes.set(yticks=list(places), yticklabels=labels, xlabel="milliseconds", xscale="log", title="Planning alone")
    axes.legend()


def _fleet(axes: Any, figures: Sequence[Figure]) -> None:  # noqa: ANN401 - matplotlib's own
    at = [one.at for one in figures]
    axes.plot(at, [one.details["memory_mb"] for one in figures], marker="o", label="memory, MB")
    axes.set(xlabel="networks", ylabel="MB", title="One watch --all while nothing happens", ylim=(0, None))
    other = axes.twinx()
    other.plot(at, [one.details["cpu_percent"] for one in figures], marker="s", color="C1", label="CPU, % of a core")
    other.set(ylabel="% of a core", ylim=(0, None))
    axes.legend(loc="upper left")
    other.legend(loc="lower right")


# File name, prefix of the series, function.
PLOTS: tuple[tuple[str, str, str, Callable[[Any, Sequence[Figure]], None]], ...] = (
    ("performance-mappings.svg", "mappings", "How a run without changes grows with the mappings", _growth),
    ("performance-networks.svg", "networks", "How a plan of all networks grows with their number", _networks),
    ("performance-profile.svg", "profile", "Where the time of a run without changes goes", _profile),
    ("performance-planning.svg", "rival", "Planning alone, compared with octoDNS", _rival),
    ("performance-watch.svg", "fleet", "How one process for several networks grows with their number", _fleet),
)


def drawn(figures: Sequence[Figure]) -> list[tuple[str, str]]:
    """Return the plots that these figures allow: file names and titles."""
    return [(name, words) for name, series, words, _ in PLOTS if _of(figures, series)]


def _of(figures: Sequence[Figure], series: str) -> list[Figure]:
    return sorted((one for one in figures if one.series.startswith(series)), key=lambda one: (one.at, one.series))


def draw(figures: Sequence[Figure], folder: Path) -> None:
    """Write the plots into `folder`."""
    import matplotlib as mpl  # noqa: PLC0415 - only needed for plots

    mpl.use("svg")
    # Text instead of paths, and reproducible IDs: small files, identical for the same figures.
    mpl.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "closte-bridge", "font.size": 9})
    from matplotlib.figure import Figure as Canvas  # noqa: PLC0415 - the same

    for name, series, _, paint in PLOTS:
        if found := _of(figures, series):
            canvas = Canvas(figsize=_SIZE, layout="constrained")
            paint(canvas.subplots(), found)
            canvas.savefig(folder / name, metadata={"Date": None, "Creator": None})
