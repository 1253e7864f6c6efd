"""Measured thresholds (or errors) along an axis, beside what theory says of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.container import ErrorbarContainer
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullFormatter, NullLocator

from analysis.figures.style import COLOURS, COOL, MARKERS, SHARED, WARM

__all__ = ["Mark", "Series", "TheoryLine", "draw_thresholds", "series_styles"]

_DODGE = 1.07
"""Factor in x between the censored marks of two curves, which may lie on the same point."""

_ASIDE = 0.16
"""The same on an axis of names, as a difference."""

_NUDGE = 1.02
"""The same between all marks of neighbouring curves, where there are several of them."""

_EARLY = 1.5
"""A line ends early if the axis goes on by more than this factor."""

_WIDE = 1e3
"""Span of the vertical axis from which powers of ten alone are labelled."""

_LONG_LABEL = 16
"""Characters from which a line's name stands in the legend: at the line's end it would take half of the axes."""

_FEW, _LONG = 2, 4
"""At most so many curves, of at least so many points, are named beside their line; others in a legend."""


@dataclass(frozen=True)
class Mark:
    """One measured value with its interval; an open end is None.

    Attributes:
        x: where on the axis.
        value: the estimate (N₅₀, or N × error), or the bound where it is censored.
        low: lower end of the interval.
        high: upper end of the interval.
        censored: "" or the side on which the true value lies beyond ``value``: "left" (below) or "right"; or
            "undetermined": the trials do not say, and a cross shows where they were.
        n_min: the smallest N with success ≥ 1/2 where that integer is resolved, drawn as a dash; else None.
    """

    x: float
    value: float
    low: float | None
    high: float | None
    censored: str = ""
    n_min: int | None = None


@dataclass(frozen=True)
class Series:
    """A curve: a learner with its optimiser.

    Attributes:
        label: its name.
        learner: name of the learner.
        marks: the measured values.
        joined: whether a line joins them; marks that are expected on a line of theory leave that line to be seen.
        gid: the id of its marks in an SVG.
        style: ``color``, ``marker`` and ``markerfacecolor``, used where every learner has one curve; {}: a palette's.
        cool: whether it takes a cool colour of the palette where there are several learners, not a warm one.
    """

    label: str
    learner: str
    marks: tuple[Mark, ...]
    joined: bool = True
    gid: str = ""
    style: Mapping[str, str] = field(default_factory=dict)
    cool: bool = False


@dataclass(frozen=True)
class TheoryLine:
    """A theoretical count along the axis.

    Attributes:
        label: mathtext, written beside the line; "" for none.
        x: where it is drawn.
        counts: N at each of them.
        series: label of the curve whose prediction it is, or None for a line of comparison, drawn lightly.
    """

    label: str
    x: Sequence[float]
    counts: Sequence[float]
    series: str | None = None


def series_styles(series: Sequence[Series]) -> dict[str, dict[str, Any]]:
    """Colour and marker of each curve, by its label."""
    learners = [one.learner for one in series]
    if len(set(learners)) == len(learners) and all(one.style for one in series):
        return {one.label: dict(one.style) for one in series}
    used = {WARM: 0, COOL: 0, COLOURS: 0}
    styles: dict[str, dict[str, Any]] = {}
    for number, one in enumerate(series):
        family = COLOURS if len(set(learners)) == 1 else COOL if one.cool else WARM
        colour = family[used[family] % len(family)]
        used[family] += 1
        styles[one.label] = {
            "color": colour,
            "marker": MARKERS[number % len(MARKERS)],
            "markerfacecolor": "white" if number % 2 else colour,
        }
    return styles


def draw_thresholds(
    ax: Axes,
    series: Sequence[Series],
    theory: Sequence[TheoryLine],
    *,
    x_label: str = "dimension $d$",
    y_label: str = "transitions for success probability ½",
    categories: Sequence[str] = (),
    heading: str = "",
) -> Axes:
    """Draw measured values with their intervals, log-log, and what theory says.

    Args:
        ax: where to draw.
        series: the curves.
        theory: the lines.
        x_label: name of the axis.
        y_label: what is measured.
        categories: names of the places 1, 2, … of an axis without numbers; empty for numbers.
        heading: what holds for all of it, such as the optimiser: a line above the axes, or above the legend there.

    Returns:
        ``ax``.
    """
    styles = series_styles(series)
    places = sorted({mark.x for one in series for mark in one.marks})
    few = len(series) <= _FEW and len(places) >= _LONG and not categories
    ends: dict[str, tuple[float, float, str]] = {}
    drawn: set[tuple[tuple[float, float], ...]] = set()
    long_lines: list[Artist] = []
    for line in theory:
        if line.series is None:
            style: dict[str, Any] = {"color": "0.6", "linewidth": 0.7, "linestyle": (0, (1, 1.5)), "zorder": 1}
        else:
            # Curves that share a prediction share a grey line.
            shared = any(other is not line and _same_line(line, other) for other in theory)
            colour = SHARED if shared else styles[line.series]["color"]
            style = {"color": colour, "linewidth": 0.9, "linestyle": (0, (4, 2)), "zorder": 2}
        key = tuple((float(x), float(count)) for x, count in zip(line.x, line.counts, strict=True))
        if key in drawn:
            continue
        drawn.add(key)
        # One formula may stand for several lines, of several colours.
        others = [other for other in theory if other is not line and other.label == line.label]
        label_colour = SHARED if others and line.series is not None else style["color"]
        if categories or len(line.x) == 1:
            style |= {"linestyle": "none", "marker": "_", "markersize": 11, "markeredgewidth": 1.0}
        ax.plot(line.x, line.counts, **style)
        if not few and not categories and len(line.label) > _LONG_LABEL:
            if line.label not in {handle.get_label() for handle in long_lines}:
                long_lines.append(Line2D([], [], **{**style, "color": label_colour}, label=line.label))
        elif line.label and not categories:
            # A name that several lines have stands at the end of the longest.
            end_colour = "0.45" if line.series is None else label_colour
            end = (float(line.x[-1]), float(line.counts[-1]), end_colour)
            ends[line.label] = max(end, ends.get(line.label, end))
    for number, one in enumerate(series):
        middle = number - (len(series) - 1) / 2
        _draw_series(
            ax,
            one,
            styles[one.label],
            shift=1.0 if categories else _DODGE**middle,
            nudge=1.0 if len(series) <= _FEW or categories else _NUDGE**middle,
            offset=_ASIDE * middle if categories and len(series) > 1 else 0.0,
            named=few,
            joined=one.joined and not categories,
            gid=one.gid,
        )
    set_scales(ax, places, categories)
    ax.set_xlabel(x_label)
    ax.set_ylabel(y_label)
    if not few:
        # Above the axes: inside there is no corner that every data set leaves free.
        # The bare line and marker of each curve, without its error bars.
        handles = [handle for handle in ax.get_legend_handles_labels()[0] if handle not in long_lines]
        curves = [handle[0] if isinstance(handle, ErrorbarContainer) else handle for handle in handles]
        ax.legend(
            [*curves, *long_lines],
            [str(handle.get_label()) for handle in (*handles, *long_lines)],
            loc="lower left",
            bbox_to_anchor=(-0.02, 1.0),
            ncols=2,
            frameon=False,
            handlelength=1.6,
            fontsize=6.5,
            columnspacing=1.0,
            title=heading or None,
            title_fontsize=6.5,
            alignment="left",
        )
    elif heading:
        ax.set_title(heading, loc="left", fontsize=6.5, color=SHARED)
    _label_ends(ax, [(x, y, label, colour) for label, (x, y, colour) in ends.items()])
    return ax


def _same_line(first: TheoryLine, second: TheoryLine) -> bool:
    """Whether two lines are one prediction: they have a place in common, and agree wherever they have."""
    one, other = (dict(zip(line.x, line.counts, strict=True)) for line in (first, second))
    common = one.keys() & other.keys()
    same_formula = first.label == second.label or one.keys() == other.keys()
    return same_formula and bool(common) and all(float(one[x]) == float(other[x]) for x in common)


def set_scales(ax: Axes, places: Sequence[float], categories: Sequence[str]) -> None:
    ax.set_yscale("log")
    bottom, top = ax.get_ylim()
    if top / bottom > _WIDE:
        ax.yaxis.set_major_locator(LogLocator(base=10))
    else:
        ax.yaxis.set_major_locator(LogLocator(base=10, subs=(1, 2, 5)))
        ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.yaxis.set_minor_formatter(NullFormatter())
    if categories:
        ax.set_xticks(range(1, len(categories) + 1), categories, rotation=60, ha="right", rotation_mode="anchor")
        ax.set_xlim(0.4, len(categories) + 0.6)
        return
    if places[0] > 0:
        ax.set_xscale("log")
        ax.set_xlim(places[0] / 1.12, places[-1] * 1.12)
    ax.xaxis.set_major_locator(FixedLocator(list(places)))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def _draw_series(
    ax: Axes,
    series: Series,
    style: dict[str, Any],
    *,
    shift: float,
    nudge: float,
    offset: float,
    named: bool,
    joined: bool,
    gid: str = "",
) -> None:
    """Marks, intervals, resolved integers and perhaps the name.

    ``shift`` moves censored marks apart in x, ``nudge`` the others, both as factors; ``offset`` moves all;
    ``gid`` names the estimates in an SVG.
    """
    exact = [mark for mark in series.marks if not mark.censored]
    below = [mark.value - (mark.low if mark.low is not None else mark.value) for mark in exact]
    above = [(mark.high if mark.high is not None else mark.value) - mark.value for mark in exact]
    # Where the resolved integer is known, an estimate inside the gap below it may lie outside a one-sided interval.
    drawn = ax.errorbar(
        [mark.x * nudge + offset for mark in exact],
        [mark.value for mark in exact],
        yerr=[[max(0.0, part) for part in below], [max(0.0, part) for part in above]],
        linestyle="-" if joined else "none",
        elinewidth=0.8,
        capsize=1.8,
        capthick=0.8,
        markeredgewidth=0.9,
        zorder=3,
        label=series.label,
        **style,
    )
    if gid and drawn[0] is not None:
        drawn[0].set_gid(gid)
    resolved = [(mark.x, mark.n_min) for mark in series.marks if mark.n_min is not None]
    ax.plot(
        [x * nudge + offset for x, _ in resolved],
        [n_min for _, n_min in resolved],
        color=style["color"],
        marker="_",
        markersize=9,
        markeredgewidth=1.2,
        linestyle="none",
        zorder=4,
    )
    for mark in series.marks:
        head = {"left": "v", "right": "^", "undetermined": "x"}.get(mark.censored)
        if head is not None:
            # An arrow head: the threshold lies beyond the mark, on the side that it points to. A cross: anywhere.
            ax.plot(
                [mark.x * shift + offset],
                [mark.value],
                color=style["color"],
                marker=head,
                markerfacecolor="white",
                zorder=3,
            )
    if exact and named:
        # Names stand to the lower right of the middle of their curve, where no line runs.
        place = exact[len(exact) // 2]
        ax.annotate(
            series.label,
            (place.x, place.value),
            xytext=(8, -8),
            textcoords="offset points",
            ha="left",
            va="top",
            color=style["color"],
            fontsize="medium",
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.5},
            zorder=2.5,
        )


def _label_ends(ax: Axes, ends: Sequence[tuple[float, float, str, str]]) -> None:
    """Write each line's label at its right end, pushed apart where two would touch (log scale)."""
    bottom, top = ax.get_ylim()
    gap = (top / bottom) ** 0.062
    right = ax.get_xlim()[1]
    previous: dict[float, float] = {}
    for x, y, label, colour in sorted(ends, key=lambda end: end[1]):
        # A line that ends early has its label there, where it cannot be taken for another one's.
        beside = right * 1.03 if x > right / _EARLY else x * 1.06
        place = max(y, previous.get(beside, 0.0) * gap)
        ax.text(beside, place, label, color=colour, fontsize=7, va="center", ha="left", clip_on=False)
        previous[beside] = place
