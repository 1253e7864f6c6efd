"""The loss along geodesics from the truth, and the losses at which descents end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedFormatter, FixedLocator
from numpy.typing import NDArray

from analysis.figures.style import MARKERS, SHARED

__all__ = ["Landscape", "draw_geodesics", "draw_minima", "landscape_figure"]

_FLOOR = 1e-17
"""Losses below are drawn here: they are 0 up to rounding."""

_LINES = ("-", (0, (4, 1.5)), (0, (1, 1)))


@dataclass(frozen=True)
class Landscape:
    """One buffer's loss, over its mean at random parameters.

    Attributes:
        num_transitions: N.
        angles: t, (P,).
        along: the 10 %, 50 % and 90 % quantiles over geodesics at each t, (3, P).
        minima: the final losses of descents, increasing, (S,).
        successes: which of them ended at a good policy, (S,).
    """

    num_transitions: int
    angles: NDArray[np.float64]
    along: NDArray[np.float64]
    minima: NDArray[np.float64]
    successes: NDArray[np.bool_]


def _colour(number: int, count: int) -> tuple[float, float, float, float]:
    return mpl.colormaps["viridis"].reversed()(0.3 + 0.6 * number / max(1, count - 1))


def draw_geodesics(ax: Axes, found: Sequence[Landscape]) -> Axes:
    """Draw medians as lines and the range from 10 % to 90 % as bands; returns ``ax``."""
    for number, one in enumerate(found):
        colour = _colour(number, len(found))
        ax.fill_between(one.angles, one.along[0], one.along[2], color=colour, alpha=0.25, linewidth=0)
        ax.plot(
            one.angles,
            one.along[1],
            color=colour,
            linestyle=_LINES[number % len(_LINES)],
            label=f"$N = {one.num_transitions}$",
        )
    ax.xaxis.set_major_locator(FixedLocator([0.0, np.pi / 2, np.pi]))
    ax.xaxis.set_major_formatter(FixedFormatter(["0", "$\\pi/2$", "$\\pi$"]))
    ax.set_xlim(0.0, np.pi)
    ax.set_ylim(bottom=0.0)
    ax.set_xlabel("angle $t$ from the truth")
    ax.legend(frameon=False, fontsize=5.5, handlelength=2.2)
    return ax


def draw_minima(ax: Axes, found: Sequence[Landscape]) -> Axes:
    """Draw sorted final losses over the share of starts, filled where the policy is good; returns ``ax``."""
    for number, one in enumerate(found):
        share = (np.arange(len(one.minima)) + 0.5) / len(one.minima)
        values = np.maximum(one.minima, _FLOOR)
        colour, marker = _colour(number, len(found)), MARKERS[number % len(MARKERS)]
        for good in (True, False):
            chosen = one.successes == good
            ax.plot(
                share[chosen],
                values[chosen],
                linestyle="none",
                marker=marker,
                markersize=2.6,
                markeredgewidth=0.5,
                color=colour,
                markerfacecolor=colour if good else "white",
            )
    ax.set_yscale("log")
    ax.set_xlim(0.0, 1.0)
    ax.set_xlabel("share of starts")
    return ax


def landscape_figure(panels: Sequence[tuple[str, Sequence[Landscape]]]) -> Figure:
    """Geodesics above and final losses below, a column a learner; call within :func:`analysis.figures.paper_style`."""
    figure = Figure(layout="constrained")
    width, height = figure.get_size_inches()
    figure.set_size_inches(width, 1.25 * height)
    lowers = []
    for place, (title, found) in enumerate(panels, start=1):
        upper = draw_geodesics(figure.add_subplot(2, len(panels), place), found)
        lower = draw_minima(figure.add_subplot(2, len(panels), len(panels) + place), found)
        lowers.append(lower)
        upper.set_title(title, loc="left", fontsize=6.5, color=SHARED)
        if place == 1:
            upper.set_ylabel("loss over typical loss")
            lower.set_ylabel("final loss over typical loss")
    # One scale: whether a descent ended in a minimum of its own is a matter of orders of magnitude.
    ends = [end for lower in lowers for end in lower.get_ylim()]
    for lower in lowers:
        lower.set_ylim(min(ends), max(ends))
    return figure
