"""Thresholds over what theory says: a constant if theory has the order, 1 if it has the number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from analysis.figures.style import SHARED
from analysis.figures.thresholds import Series, series_styles

__all__ = ["Trend", "draw_ratios"]


@dataclass(frozen=True)
class Trend:
    """A fitted course of the ratios of one series.

    Attributes:
        series: label of it.
        x: where it is drawn.
        ratios: its values.
    """

    series: str
    x: Sequence[float]
    ratios: Sequence[float]


def draw_ratios(
    ax: Axes, series: Sequence[Series], trends: Sequence[Trend] = (), *, x_label: str, y_label: str
) -> Axes:
    """Draw ratios with their intervals, and a line at 1.

    Args:
        ax: where to draw.
        series: marks whose values are ratios; bounds are drawn as arrow heads.
        trends: fitted courses, dashed.
        x_label: name of the axis.
        y_label: which ratio.

    Returns:
        ``ax``.
    """
    styles = series_styles(series)
    ax.axhline(1.0, color=SHARED, linewidth=0.7, linestyle=(0, (1, 1.5)), zorder=1)
    for one in series:
        exact = [mark for mark in one.marks if not mark.censored]
        drawn = ax.errorbar(
            [mark.x for mark in exact],
            [mark.value for mark in exact],
            yerr=[
                [max(0.0, mark.value - (mark.value if mark.low is None else mark.low)) for mark in exact],
                [max(0.0, (mark.value if mark.high is None else mark.high) - mark.value) for mark in exact],
            ],
            linestyle="-",
            linewidth=0.8,
            elinewidth=0.8,
            capsize=1.8,
            label=one.label,
            zorder=3,
            **styles[one.label],
        )
        if one.gid and drawn[0] is not None:
            drawn[0].set_gid(one.gid)
        for mark in one.marks:
            if mark.censored in ("left", "right"):
                head = "v" if mark.censored == "left" else "^"
                colour = styles[one.label]["color"]
                ax.plot([mark.x], [mark.value], color=colour, marker=head, markerfacecolor="white", zorder=3)
    for trend in trends:
        ax.plot(
            trend.x, trend.ratios, color=styles[trend.series]["color"], linewidth=0.9, linestyle=(0, (4, 2)), zorder=2
        )
    places = sorted({mark.x for one in series for mark in one.marks})
    if places and places[0] > 0:
        ax.set_xscale("log")
    ax.xaxis.set_major_locator(FixedLocator(places))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.set_ylim(bottom=min(0.0, ax.get_ylim()[0]))
    ax.set_xlabel(x_label)
    ax.set_ylabel(y_label)
    ax.legend(frameon=False, fontsize=6.5, handlelength=1.6)
    return ax
