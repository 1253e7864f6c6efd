"""The look of figures for papers: sizes and fonts of venues, colours, and files with equal bytes for equal figures.

Text is set with matplotlib's own STIX fonts (no TeX installation), embedded as Type 42 in PDF; colours are Okabe &
Ito's, and line styles and markers carry the meaning as well, for readers who print in grey.
"""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Concatenate, ParamSpec

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.mathtext import MathTextParser
from tueplots import figsizes, fontsizes

from analysis.files import write_atomically

__all__ = [
    "COLOURS",
    "COOL",
    "FORMATS",
    "MARKERS",
    "SHARED",
    "TEX_PROGRAMS",
    "VENUES",
    "WARM",
    "WIDTHS",
    "Figure",
    "Venue",
    "alone",
    "check_text",
    "paper_style",
    "save_figure",
    "svg_element",
]

FORMATS = ("pdf", "svg", "png", "pgf")
"""``pgf`` needs a TeX installation: it measures the text."""

WARM = ("#D55E00", "#E69F00", "#CC79A7", "#000000")
COOL = ("#0072B2", "#56B4E9", "#009E73", "#000000")
COLOURS = ("#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
"""Okabe & Ito's colours: all of them where there is one learner, else the warm ones for learners that match values
only and the cool ones for those that match gradients; and markers for readers who print in grey."""

_RESOLUTION = 300

SHARED = "0.35"
"""Colour of what belongs to several curves."""


@dataclass(frozen=True)
class Venue:
    """Where a figure is to stand without being scaled.

    Attributes:
        column: width of a column, in inches; where there is one column only, half of it, for figures side by side.
        text: width of the text, in inches.
        fonts: matplotlib's settings of font sizes.
    """

    column: float
    text: float
    fonts: Any


def _width(sizes: dict[str, Any]) -> float:
    return float(sizes["figure.figsize"][0])


def _one_column(width: float, fonts: Any) -> Venue:
    return Venue(width / 2, width, fonts)


VENUES: dict[str, Venue] = {
    "aaai": Venue(_width(figsizes.aaai2024_half()), _width(figsizes.aaai2024_full()), fontsizes.aaai2024()),
    "icml": Venue(_width(figsizes.icml2024_half()), _width(figsizes.icml2024_full()), fontsizes.icml2024()),
    "neurips": _one_column(_width(figsizes.neurips2024()), fontsizes.neurips2024()),
    "iclr": _one_column(_width(figsizes.iclr2024()), fontsizes.iclr2024()),
    "jmlr": _one_column(_width(figsizes.jmlr2001()), fontsizes.jmlr2001()),
    "beamer": _one_column(_width(figsizes.beamer_169(rel_width=1.0)), fontsizes.beamer()),
}
"""By the name on the command line; sizes of the classes that tueplots knows."""

TEX_PROGRAMS = ("xelatex", "lualatex", "pdflatex")
"""What measures the text of a PGF file: the first of them that is installed."""

_RATIOS = {"column": 0.92, "text": 0.55}
"""Height over width."""

WIDTHS = tuple(_RATIOS)
"""How wide a figure may be."""


@contextmanager
def paper_style(venue: str = "aaai", width: str = "column", *, usetex: bool = False) -> Iterator[None]:
    """Matplotlib settings of a figure in a paper.

    Args:
        venue: key of ``VENUES``.
        width: "column" or "text".
        usetex: whether LaTeX sets the text, which has to be installed.
    """
    place = VENUES[venue]
    inches = place.column if width == "column" else place.text
    settings = {
        **mpl.rcParamsDefault,
        **place.fonts,
        "figure.figsize": (inches, _RATIOS[width] * inches),
        "font.family": "serif",
        "font.serif": ["STIXGeneral"],
        "mathtext.fontset": "stix",
        "text.usetex": usetex,
        "pgf.rcfonts": False,  # the fonts are those of the document
        "pgf.texsystem": next((name for name in TEX_PROGRAMS if shutil.which(name)), TEX_PROGRAMS[0]),
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


_P = ParamSpec("_P")


def alone(draw: Callable[Concatenate[Axes, _P], Axes], *args: _P.args, **kwargs: _P.kwargs) -> Figure:
    """A figure of one pair of axes, drawn by a function of this package; call within :func:`paper_style`."""
    figure = Figure(layout="constrained")
    draw(figure.add_subplot(), *args, **kwargs)
    return figure


def svg_element(figure: Figure) -> str:
    """A figure as an SVG element, for a page of HTML; call within :func:`paper_style`."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None})
    text = buffer.getvalue().decode()
    return text[text.index("<svg") :]


def check_text(text: str) -> None:
    """Whether a text can be drawn.

    Raises:
        ValueError: one line, if the mathematics in it has a mistake.
    """
    try:
        MathTextParser("agg").parse(text)
    except ValueError as error:
        reason = str(error).strip().splitlines()[-1]
        raise ValueError(f"it cannot be drawn ({reason.strip()})") from None


def save_figure(
    figure: Figure, directory: Path, name: str, about: dict[str, str], formats: Sequence[str] = ("pdf", "svg", "png")
) -> list[Path]:
    """Write a figure; equal figures give equal bytes.

    Args:
        figure: the figure; call within :func:`paper_style`.
        directory: made if absent.
        name: file name without ending.
        about: provenance, one line each, for the files' metadata.
        formats: of ``FORMATS``.

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
    for kind in formats:
        buffer = io.BytesIO()
        about_file: dict[str, Any] = (
            {"metadata": metadata[kind]} if kind in metadata else {}
        )  # PGF has no place for any
        figure.savefig(buffer, format=kind, **about_file)
        path = directory / f"{name}.{kind}"
        write_atomically(path, buffer.getvalue())
        paths.append(path)
    return paths
