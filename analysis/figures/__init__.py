"""Figures for papers: each function draws plain data on given axes. The only modules that import matplotlib.

None of them touches global state; styles are applied in a context, :func:`paper_style`.
"""

from analysis.figures.landscape import Landscape, draw_geodesics, draw_minima, landscape_figure
from analysis.figures.phase_diagram import PhaseColumn, draw_phase_diagram, phase_figure
from analysis.figures.ratio import Trend, draw_ratios
from analysis.figures.style import (
    FORMATS,
    TEX_PROGRAMS,
    VENUES,
    WIDTHS,
    Figure,
    Venue,
    alone,
    check_text,
    paper_style,
    save_figure,
    svg_element,
)
from analysis.figures.success import SuccessCurve, draw_success, success_figure
from analysis.figures.thresholds import Mark, Series, TheoryLine, draw_thresholds

__all__ = [
    "FORMATS",
    "TEX_PROGRAMS",
    "VENUES",
    "WIDTHS",
    "Figure",
    "Landscape",
    "Mark",
    "PhaseColumn",
    "Series",
    "SuccessCurve",
    "TheoryLine",
    "Trend",
    "Venue",
    "alone",
    "check_text",
    "draw_geodesics",
    "draw_minima",
    "draw_phase_diagram",
    "draw_ratios",
    "draw_success",
    "draw_thresholds",
    "landscape_figure",
    "paper_style",
    "phase_figure",
    "save_figure",
    "success_figure",
    "svg_element",
]
