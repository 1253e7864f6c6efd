"""Success against the number of transitions: one curve a dimension, as measured or on the scale of its threshold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from analysis.figures.style import MARKERS, SHARED

__all__ = ["SuccessCurve", "draw_success", "success_figure"]


@dataclass(frozen=True)
class SuccessCurve:
    """Success at one point of the axis.

    Attributes:
        label: such as "d = 8".
        x: N, or N/N₅₀, of each cell.
        fractions: of successful trials there.
        low: lower ends of their intervals.
        high: upper ends.
        fit_x: where the fitted curve is drawn; empty for none.
        fit: its probabilities.
        gid: the id of its marks in an SVG.
    """

    label: str
    x: Sequence[float]
    fractions: Sequence[float]
    low: Sequence[float]
    high: Sequence[float]
    fit_x: Sequence[float] = ()
    fit: Sequence[float] = ()
    gid: str = ""


def draw_success(
    ax: Axes, curves: Sequence[SuccessCurve], *, x_label: str, title: str = "", legend: bool = True
) -> Axes:
    """Draw fractions with their intervals and fitted curves; N on a logarithmic axis.

    Args:
        ax: where to draw.
        curves: from light to dark.
        x_label: what x is.
        title: above the axes.
        legend: whether the curves are named.

    Returns:
        ``ax``.
    """
    shades = mpl.colormaps["viridis"].reversed()
    for number, curve in enumerate(curves):
        # From 0.25 on: the lightest shades are not seen on white.
        colour = shades(0.25 + 0.75 * number / max(1, len(curves) - 1))
        ax.plot(curve.fit_x, curve.fit, color=colour, linewidth=0.9, zorder=2)
        drawn = ax.errorbar(
            curve.x,
            curve.fractions,
            yerr=[
                [max(0.0, value - end) for value, end in zip(curve.fractions, curve.low, strict=True)],
                [max(0.0, end - value) for value, end in zip(curve.fractions, curve.high, strict=True)],
            ],
            color=colour,
            marker=MARKERS[number % len(MARKERS)],
            markersize=2.6,
            markerfacecolor=colour if number % 2 else "white",
            markeredgewidth=0.6,
            elinewidth=0.4,
            linestyle="none",
            label=curve.label,
            zorder=3,
        )
        if curve.gid and drawn[0] is not None:
            drawn[0].set_gid(curve.gid)
    ax.axhline(0.5, color=SHARED, linewidth=0.5, linestyle=(0, (1, 1.5)), zorder=1)
    ax.set_xscale("log")
    low, high = ax.get_xlim()
    if high / low < 300:
        ax.xaxis.set_major_locator(LogLocator(base=10, subs=(1, 2, 5)))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.set_ylim(-0.04, 1.04)
    ax.set_xlabel(x_label)
    ax.set_ylabel("success probability")
    if title:
        ax.set_title(title, loc="left", fontsize=6.5, color=SHARED)
    if legend and curves:
        ax.legend(frameon=False, fontsize=5.5, handlelength=1.0, labelspacing=0.25, borderaxespad=0.1, loc="best")
    return ax


def success_figure(panels: Sequence[tuple[str, Sequence[SuccessCurve]]], *, x_label: str) -> Figure:
    """One panel a learner, above each other; call within :func:`analysis.figures.paper_style`.

    Args:
        panels: title and curves of each.
        x_label: what x is.
    """
    figure = Figure(layout="constrained")
    width, height = figure.get_size_inches()
    figure.set_size_inches(width, height * (0.45 + 0.55 * len(panels)))
    for place, (title, curves) in enumerate(panels, start=1):
        ax = figure.add_subplot(len(panels), 1, place)
        draw_success(ax, curves, x_label=x_label, title=title)
    return figure
