"""Success probability over (d, N): where a learner has enough transitions, and where theory says that it has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullFormatter, NullLocator

from analysis.figures.style import SHARED
from analysis.figures.thresholds import TheoryLine

__all__ = ["PhaseColumn", "draw_phase_diagram", "phase_figure"]

_COLOURS = "cividis"
"""Its lightness rises evenly, for readers who print in grey and for those who do not tell red from green."""


@dataclass(frozen=True)
class PhaseColumn:
    """What is known of one dimension.

    Attributes:
        x: d.
        tested: N of each cell.
        fractions: of successful trials there.
        edges: N between which the fitted probabilities hold, one more than there are of those; empty for no fit.
        fit: the fitted probabilities.
    """

    x: float
    tested: Sequence[float]
    fractions: Sequence[float]
    edges: Sequence[float] = ()
    fit: Sequence[float] = ()


def draw_phase_diagram(
    ax: Axes,
    columns: Sequence[PhaseColumn],
    theory: Sequence[TheoryLine],
    *,
    x_label: str,
    y_label: str,
    title: str = "",
) -> Axes:
    """Draw fitted probabilities as shades, tested cells as dots of their own fraction, and theory as dashed lines.

    Args:
        ax: where to draw.
        columns: by increasing x > 0.
        theory: lines over the same x.
        x_label: what x is.
        y_label: what N counts.
        title: above the axes.

    Returns:
        ``ax``.
    """
    places = np.array([column.x for column in columns])
    middles = np.sqrt(places[1:] * places[:-1]) if len(places) > 1 else np.empty(0)
    first = places[0] ** 2 / middles[0] if len(middles) else places[0] / 1.2
    last = places[-1] ** 2 / middles[-1] if len(middles) else places[-1] * 1.2
    sides = np.concatenate([[first], middles, [last]])
    norm = Normalize(0.0, 1.0)
    for number, column in enumerate(columns):
        if len(column.fit):
            ax.pcolormesh(
                sides[number : number + 2],
                np.asarray(column.edges),
                np.asarray(column.fit)[:, None],
                cmap=_COLOURS,
                norm=norm,
                rasterized=False,
                edgecolor="face",
                linewidth=0.2,  # no hairlines between neighbours where they are drawn one by one
                zorder=1,
            )
        ax.scatter(
            [column.x] * len(column.tested),
            column.tested,
            c=column.fractions,
            cmap=_COLOURS,
            norm=norm,
            s=7,
            edgecolors="0.6",  # seen on the darkest shade, the lightest, and on paper
            linewidths=0.4,
            zorder=6,  # on theory's line, which often passes through them
        )
    for line in theory:
        ax.plot(line.x, line.counts, color="white", linewidth=1.8, zorder=4)
        ax.plot(line.x, line.counts, color="black", linewidth=0.9, linestyle=(0, (4, 2)), zorder=5)
        if line.label:
            ax.annotate(
                line.label,
                (float(sides[-1]), line.counts[-1]),
                xytext=(2, 0),
                textcoords="offset points",
                fontsize=7,
                va="center",
                annotation_clip=False,
            )
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.set_xlim(sides[0], sides[-1])
    ax.xaxis.set_major_locator(FixedLocator([float(place) for place in places]))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.yaxis.set_major_locator(LogLocator(base=10))
    ax.yaxis.set_minor_formatter(NullFormatter())
    ax.set_xlabel(x_label)
    ax.set_ylabel(y_label)
    if title:
        ax.set_title(title, loc="left", fontsize=6.5, color=SHARED)
    return ax


def phase_figure(
    panels: Sequence[tuple[str, Sequence[PhaseColumn], Sequence[TheoryLine]]], *, x_label: str, y_label: str
) -> Figure:
    """One panel a learner, with one scale of shades; call within :func:`analysis.figures.paper_style`.

    Args:
        panels: title, columns and lines of theory of each.
        x_label: what x is.
        y_label: what N counts.
    """
    figure = Figure(layout="constrained")
    width, height = figure.get_size_inches()
    figure.set_size_inches(width, height * (0.45 + 0.55 * len(panels)))
    axes = [
        draw_phase_diagram(
            figure.add_subplot(len(panels), 1, place), columns, theory, x_label=x_label, y_label=y_label, title=title
        )
        for place, (title, columns, theory) in enumerate(panels, start=1)
    ]
    scale = ScalarMappable(Normalize(0.0, 1.0), mpl.colormaps[_COLOURS])
    figure.colorbar(
        scale, ax=axes, label="success probability", fraction=0.06, pad=0.09 if any(t for _, _, t in panels) else 0.02
    )
    return figure
