"""Figures for papers. The only module that imports matplotlib; it never touches global state.

A figure's functions draw on given axes; styles are applied in a context. Text is set with matplotlib's own STIX
fonts (no TeX installation), embedded as Type 42 in PDF; colours are Okabe & Ito's, and line styles and markers
carry the meaning as well, for readers who print in grey.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullFormatter, NullLocator
from tueplots import figsizes, fontsizes

from analysis.results import LABELS
from analysis.run_directory import write_atomically

__all__ = ["MeasuredThreshold", "TheoryLine", "complexity_figure", "draw_complexity", "paper_style", "save_figure"]

FORMATS = ("pdf", "svg", "png")

_LEARNER_STYLES: dict[str, dict[str, Any]] = {
    "ddpg": {"color": "#D55E00", "marker": "o", "markerfacecolor": "#D55E00"},
    "reengage": {"color": "#0072B2", "marker": "s", "markerfacecolor": "white"},
}
_OTHER_LEARNER: dict[str, Any] = {"color": "#009E73", "marker": "^", "markerfacecolor": "white"}

_RESOLUTION = 300

_DODGE = 1.07
"""Factor in d between the censored marks of two learners, which may lie on the same point."""


@dataclass(frozen=True)
class MeasuredThreshold:
    """One mark: N₅₀ of a learner at d = ``dim`` with its interval; an open end is None.

    Attributes:
        learner: key of ``LEARNERS``.
        dim: d.
        n50: the estimate, or the bound where it is censored.
        low: lower end of the interval.
        high: upper end of the interval.
        censored: "" or the side on which the true value lies beyond ``n50``: "left" (below) or "right"; anything
            else is not drawn.
        smallest_n: the smallest N with success ≥ 1/2 where that integer is settled, drawn as a dash; else None.
    """

    learner: str
    dim: int
    n50: float
    low: float | None
    high: float | None
    censored: str
    smallest_n: int | None = None


@dataclass(frozen=True)
class TheoryLine:
    """A theoretical count as a function of d.

    Attributes:
        label: mathtext, written beside the line.
        dims: where it is drawn.
        counts: N at each of them.
        learner: whose prediction it is, or None for a line of comparison, drawn lightly.
    """

    label: str
    dims: Sequence[int]
    counts: Sequence[float]
    learner: str | None = None


@contextmanager
def paper_style() -> Iterator[None]:
    """Matplotlib settings of a one-column figure in a paper."""
    settings = {
        **mpl.rcParamsDefault,
        **figsizes.aaai2024_half(height_to_width_ratio=0.92),
        **fontsizes.aaai2024(),
        "font.family": "serif",
        "font.serif": ["STIXGeneral"],
        "mathtext.fontset": "stix",
        "pdf.fonttype": 42,
        "ps.fonttype": 42,
        "svg.fonttype": "path",
        "svg.hashsalt": "reengage",
        "axes.linewidth": 0.6,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "lines.linewidth": 1.1,
        "lines.markersize": 4,
        "xtick.major.width": 0.6,
        "ytick.major.width": 0.6,
        "savefig.dpi": _RESOLUTION,
    }
    settings.pop("backend", None)
    with mpl.rc_context(settings):
        yield


def draw_complexity(ax: Axes, thresholds: Sequence[MeasuredThreshold], theory: Sequence[TheoryLine]) -> Axes:
    """Draw N₅₀ against d, log-log, with the theory lines, labelled directly.

    Args:
        ax: where to draw.
        thresholds: the marks.
        theory: the lines.

    Returns:
        ``ax``.
    """
    dims = sorted({t.dim for t in thresholds})
    ends: list[tuple[float, str, str, float]] = []
    for line in theory:
        if line.learner is None:
            style: dict[str, Any] = {"color": "0.6", "linewidth": 0.7, "linestyle": (0, (1, 1.5)), "zorder": 1}
        else:
            colour = _LEARNER_STYLES.get(line.learner, _OTHER_LEARNER)["color"]
            style = {"color": colour, "linewidth": 0.9, "linestyle": (0, (4, 2)), "zorder": 2}
        ax.plot(line.dims, line.counts, **style)
        ends.append((float(line.counts[-1]), line.label, "0.45" if line.learner is None else style["color"], 7))
    learners = list(dict.fromkeys(t.learner for t in thresholds))
    for number, learner in enumerate(learners):
        shift = _DODGE ** (number - (len(learners) - 1) / 2)
        _draw_learner(ax, [t for t in thresholds if t.learner == learner], learner, shift)
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.xaxis.set_major_locator(FixedLocator([float(d) for d in dims]))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.yaxis.set_major_locator(LogLocator(base=10))
    ax.yaxis.set_minor_formatter(NullFormatter())
    ax.set_xlabel("dimension $d$")
    ax.set_ylabel("transitions for success probability ½")
    ax.set_xlim(dims[0] / 1.12, dims[-1] * 1.12)
    _label_ends(ax, dims[-1] * 1.16, ends)
    return ax


def _draw_learner(ax: Axes, marks: Sequence[MeasuredThreshold], learner: str, shift: float) -> None:
    """Marks, intervals, settled integers and the learner's name; ``shift`` moves censored marks apart in d."""
    style = _LEARNER_STYLES.get(learner, _OTHER_LEARNER)
    exact = [t for t in marks if not t.censored]
    below = [t.n50 - (t.low if t.low is not None else t.n50) for t in exact]
    above = [(t.high if t.high is not None else t.n50) - t.n50 for t in exact]
    ax.errorbar(
        [t.dim for t in exact],
        [t.n50 for t in exact],
        yerr=[below, above],
        linestyle="-",
        elinewidth=0.8,
        capsize=1.8,
        capthick=0.8,
        markeredgewidth=0.9,
        zorder=3,
        **style,
    )
    settled = [(t.dim, t.smallest_n) for t in marks if t.smallest_n is not None]
    ax.plot(
        [dim for dim, _ in settled],
        [smallest_n for _, smallest_n in settled],
        color=style["color"],
        marker="_",
        markersize=9,
        markeredgewidth=1.2,
        linestyle="none",
        zorder=4,
    )
    for t in marks:
        head = {"left": "v", "right": "^"}.get(t.censored)
        if head is not None:
            # An arrow head: the threshold lies beyond the mark, on the side that it points to.
            ax.plot([t.dim * shift], [t.n50], color=style["color"], marker=head, markerfacecolor="white", zorder=3)
    if exact:
        # Names stand to the lower right of the middle of their curve, where no line runs.
        place = exact[len(exact) // 2]
        ax.annotate(
            LABELS.get(learner, learner),
            (place.dim, place.n50),
            xytext=(8, -8),
            textcoords="offset points",
            ha="left",
            va="top",
            color=style["color"],
            fontsize="medium",
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.5},
            zorder=2.5,
        )


def _label_ends(ax: Axes, x: float, ends: Sequence[tuple[float, str, str, float]]) -> None:
    """Write each line's label at its right end, pushed apart where two would touch (log scale)."""
    bottom, top = ax.get_ylim()
    gap = (top / bottom) ** 0.062
    previous = 0.0
    for y, label, colour, size in sorted(ends):
        place = max(y, previous * gap)
        ax.text(x, place, label, color=colour, fontsize=size, va="center", ha="left", clip_on=False)
        previous = place


def complexity_figure(thresholds: Sequence[MeasuredThreshold], theory: Sequence[TheoryLine]) -> Figure:
    """Make the complexity figure at one-column width; call within :func:`paper_style`."""
    figure = Figure(layout="constrained")
    draw_complexity(figure.add_subplot(), thresholds, theory)
    return figure


def save_figure(figure: Figure, directory: Path, name: str, about: dict[str, str]) -> list[Path]:
    """Write a figure as PDF, SVG and PNG; equal figures give equal bytes.

    Args:
        figure: the figure; call within :func:`paper_style`.
        directory: made if absent.
        name: file name without ending.
        about: provenance, one line each, for the files' metadata.

    Returns:
        The paths written.
    """
    directory.mkdir(parents=True, exist_ok=True)
    text = "; ".join(f"{key}: {value}" for key, value in about.items())
    metadata: dict[str, dict[str, Any]] = {
        "pdf": {"Subject": text, "CreationDate": None},
        "svg": {"Description": text, "Date": None},
        "png": {"Description": text},
    }
    paths = []
    for kind in FORMATS:
        buffer = io.BytesIO()
        figure.savefig(buffer, format=kind, metadata=metadata[kind])
        path = directory / f"{name}.{kind}"
        write_atomically(path, buffer.getvalue())
        paths.append(path)
    return paths
