"""Figures: ready for print, equal bytes for equal data, and the marks where the numbers are."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
import zlib
from pathlib import Path

import matplotlib as mpl
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from analysis.figures import (
    MeasuredThreshold,
    TheoryLine,
    complexity_figure,
    draw_complexity,
    paper_style,
    save_figure,
)

MARKS = [
    MeasuredThreshold("ddpg", 2, 1.0, None, 2.0, "left"),
    MeasuredThreshold("ddpg", 4, 8.2, 7.8, 8.6, ""),
    MeasuredThreshold("ddpg", 8, 38.0, 36.0, 40.0, ""),
    MeasuredThreshold("ddpg", 16, 4000.0, 3800.0, None, "right"),
    MeasuredThreshold("reengage", 2, 1.0, None, 1.0, "left", 1),
    MeasuredThreshold("reengage", 4, 2.4, 2.2, 2.7, "", 3),
    MeasuredThreshold("reengage", 8, 6.4, 6.2, None, "", 7),
    MeasuredThreshold("reengage", 16, 14.4, 14.2, 14.6, "", 15),
]
LINES = [
    TheoryLine("$D+1$", (2, 4, 8, 16), (2, 7, 29, 121), "ddpg"),
    TheoryLine("$d-1$", (2, 4, 8, 16), (1, 3, 7, 15), "reengage"),
    TheoryLine("$d^2$", (2, 4, 8, 16), (4, 16, 64, 256)),
]


def draw(directory: Path) -> dict[str, bytes]:
    with paper_style():
        paths = save_figure(complexity_figure(MARKS, LINES), directory, "complexity", {"seed": "0"})
    return {path.suffix: path.read_bytes() for path in paths}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The three files of one figure."""
    return draw(tmp_path_factory.mktemp("figure") / "figures")


def test_equal_data_give_equal_bytes(files: dict[str, bytes], tmp_path: Path) -> None:
    assert draw(tmp_path) == files


def test_fonts_in_the_pdf_are_embedded_type_42(files: dict[str, bytes]) -> None:
    streams = re.findall(rb"stream\r?\n(.*?)\r?\nendstream", files[".pdf"], re.DOTALL)
    unpacked = b"".join(zlib.decompress(stream) for stream in streams if stream[:1] == b"\x78")
    text = files[".pdf"] + unpacked
    assert b"/Type3" not in text
    assert b"/CIDFontType2" in text or b"/TrueType" in text
    assert b"/FontFile2" in text


def test_the_page_is_one_column_wide(files: dict[str, bytes]) -> None:
    box = re.search(rb"/MediaBox \[\s*0 0 ([\d.]+) ([\d.]+)\s*\]", files[".pdf"])
    assert box is not None
    assert float(box[1]) == pytest.approx(3.3 * 72, abs=1)  # AAAI's column, in points


def test_the_svg_parses_and_says_where_it_comes_from(files: dict[str, bytes]) -> None:
    assert ET.fromstring(files[".svg"]).tag.endswith("svg")
    assert b"seed: 0" in files[".svg"]
    assert b"<dc:date>" not in files[".svg"]


def test_marks_stand_at_their_numbers() -> None:
    ax = draw_complexity(Figure().add_subplot(), MARKS, LINES)
    drawn = {(float(x), float(y)) for line in ax.get_lines() for x, y in zip(*line.get_data(), strict=True)}
    for mark in MARKS:
        if not mark.censored:
            assert (mark.dim, mark.n50) in drawn
        if mark.smallest_n is not None:
            assert (mark.dim, mark.smallest_n) in drawn
    heads = [(line.get_marker(), line.get_ydata()[0]) for line in ax.get_lines() if line.get_marker() in ("v", "^")]
    assert sorted(heads) == [("^", 4000.0), ("v", 1.0), ("v", 1.0)]
    for line in LINES:
        assert set(zip(line.dims, line.counts, strict=True)) <= drawn
    labels = {text.get_text() for text in ax.texts}
    assert {"DDPG", "ReenGAGE", "$D+1$", "$d-1$", "$d^2$"} <= labels
    assert ax.get_xscale() == ax.get_yscale() == "log"


def test_learners_differ_without_colour() -> None:
    ax = draw_complexity(Figure().add_subplot(), MARKS, [])
    curves = [line for line in ax.get_lines() if len(line.get_xdata()) > 1 and line.get_marker() in ("o", "s")]
    assert {curve.get_marker() for curve in curves} == {"o", "s"}
    # ITU-R BT.601 luma: how the colours look on a grey printer.
    grey = [
        sum(w * c for w, c in zip((0.299, 0.587, 0.114), to_rgb(curve.get_color()), strict=True)) for curve in curves
    ]
    fills = {to_rgb(curve.get_markerfacecolor()) for curve in curves}
    assert len(fills) == 2
    assert abs(grey[0] - grey[1]) > 0.1
    assert max(grey) < 0.7  # dark enough on white


def test_labels_do_not_touch() -> None:
    with paper_style():
        figure = complexity_figure(MARKS, [*LINES, TheoryLine("$c$", (2, 16), (4, 230))])
        figure.draw_without_rendering()
        ax = figure.axes[0]
        boxes = [text.get_window_extent() for text in ax.texts]
    for i, box in enumerate(boxes):
        for other in boxes[i + 1 :]:
            assert not box.overlaps(other)


def test_the_style_leaves_no_trace() -> None:
    before = dict(mpl.rcParams)
    with paper_style():
        assert mpl.rcParams["pdf.fonttype"] == 42
    assert dict(mpl.rcParams) == before
