"""Figures: the marks where the numbers are, and names that can be read. Bytes and fonts: test_plot.py."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import matplotlib as mpl
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from analysis.figures import Mark, Series, TheoryLine, alone, draw_thresholds, paper_style, save_figure
from analysis.figures.style import COOL, WARM
from analysis.figures.thresholds import series_styles
from toyenvs.learners import LEARNERS

DDPG = Series(
    "DDPG",
    "ddpg",
    (
        Mark(2, 1.0, None, 2.0, "left"),
        Mark(4, 8.2, 7.8, 8.6),
        Mark(8, 38.0, 36.0, 40.0),
        Mark(16, 4000.0, 3800.0, None, "right"),
    ),
    style=LEARNERS["ddpg"].style,
)
REENGAGE = Series(
    "ReenGAGE",
    "reengage",
    (
        Mark(2, 1.0, None, 1.0, "left", 1),
        Mark(4, 2.4, 2.2, 2.7, "", 3),
        Mark(8, 6.4, 6.2, None, "", 7),
        Mark(16, 14.4, 14.2, 14.6, "", 15),
    ),
    style=LEARNERS["reengage"].style,
    cool=True,
)
SERIES = [DDPG, REENGAGE]
LINES = [
    TheoryLine("$D+1$", (2, 4, 8, 16), (2, 7, 29, 121), "DDPG"),
    TheoryLine("$d-1$", (2, 4, 8, 16), (1, 3, 7, 15), "ReenGAGE"),
    TheoryLine("$d^2$", (2, 4, 8, 16), (4, 16, 64, 256)),
]
MANY = [
    Series(f"curve {number}", "ddpg", (Mark(1, 2.0 + number, None, None), Mark(2, 3.0 + number, None, None)))
    for number in range(4)
]


def test_the_svg_parses_and_says_where_it_comes_from(tmp_path: Path) -> None:
    with paper_style():
        save_figure(alone(draw_thresholds, SERIES, LINES), tmp_path, "complexity", {"seed": "0"})
    text = (tmp_path / "complexity.svg").read_bytes()
    assert ET.fromstring(text).tag.endswith("svg")
    assert b"seed: 0" in text
    assert b"<dc:date>" not in text


def test_marks_stand_at_their_numbers() -> None:
    ax = draw_thresholds(Figure().add_subplot(), SERIES, LINES)
    drawn = {(float(x), float(y)) for line in ax.get_lines() for x, y in zip(*line.get_data(), strict=True)}
    for mark in (*DDPG.marks, *REENGAGE.marks):
        if not mark.censored:
            assert (mark.x, mark.value) in drawn
        if mark.n_min is not None:
            assert (mark.x, mark.n_min) in drawn
    heads = [(line.get_marker(), line.get_ydata()[0]) for line in ax.get_lines() if line.get_marker() in ("v", "^")]
    assert sorted(heads) == [("^", 4000.0), ("v", 1.0), ("v", 1.0)]
    for line in LINES:
        assert set(zip(line.x, line.counts, strict=True)) <= drawn
    labels = {text.get_text() for text in ax.texts}
    assert {"DDPG", "ReenGAGE", "$D+1$", "$d-1$", "$d^2$"} <= labels
    assert ax.get_xscale() == ax.get_yscale() == "log"


def test_a_threshold_that_trials_leave_open_is_shown_as_open() -> None:
    series = Series("DDPG", "ddpg", (Mark(2, 1.0, None, None, "undetermined"), *DDPG.marks[1:]))
    crosses = [
        line for line in draw_thresholds(Figure().add_subplot(), [series], []).get_lines() if line.get_marker() == "x"
    ]
    assert [tuple(line.get_xydata()[0]) for line in crosses] == [(2.0, 1.0)]


def test_one_formula_with_several_values_keeps_the_colours_of_its_curves() -> None:
    """Curves with different d may share a formula in K and d; every line is its own curve's, the name nobody's."""
    lines = [
        TheoryLine("$max$", (1, 2), (4.0, 3.0), "curve 0"),
        TheoryLine("$max$", (1, 2), (9.0, 5.0), "curve 1"),
        TheoryLine("$same$", (1, 2), (7.0, 6.0), "curve 2"),
        TheoryLine("$same$", (1, 2), (7.0, 6.0), "curve 3"),
    ]
    ax = draw_thresholds(Figure().add_subplot(), MANY, lines)
    colours = {tuple(line.get_ydata()): line.get_color() for line in ax.get_lines() if line.is_dashed()}
    assert len(colours) == 3
    assert len(set(colours.values())) == 3
    names = {text.get_text(): text.get_color() for text in ax.texts}
    assert names["$max$"] == names["$same$"] == colours[7.0, 6.0] == "0.35"


def test_equal_counts_at_other_places_are_another_line() -> None:
    lines = [
        TheoryLine("$d$", (3, 4, 5), (3.0, 4.0, 5.0), "curve 0"),
        TheoryLine("$d-1$", (4, 5, 6), (3.0, 4.0, 5.0), "curve 1"),
    ]
    ax = draw_thresholds(Figure().add_subplot(), MANY, lines)
    drawn = [tuple(map(tuple, line.get_xydata())) for line in ax.get_lines() if line.is_dashed()]
    assert len(drawn) == 2


def test_a_name_stands_at_the_end_of_the_longest_line() -> None:
    lines = [
        TheoryLine("$d-1$", (3, 6), (2.0, 5.0), "curve 0"),
        TheoryLine("$d-1$", (3, 6, 8), (2.0, 5.0, 7.0), "curve 1"),
        TheoryLine("$d-1$", (3, 4), (2.0, 3.0), "curve 2"),
    ]
    many = [Series(one.label, "ddpg", (Mark(3, 2.0, None, None), Mark(8, 7.0, None, None))) for one in MANY]
    ax = draw_thresholds(Figure().add_subplot(), many, lines)
    assert [text.get_position()[1] for text in ax.texts if text.get_text() == "$d-1$"] == [7.0]


def test_names_at_different_ends_do_not_push_each_other_away() -> None:
    lines = [
        TheoryLine("$D+1$", (2, 6), (2.0, 16.0), "curve 0"),
        TheoryLine("$d-1$", (2, 16), (1.0, 15.0), "curve 1"),
        TheoryLine("$d^2$", (2, 16), (4.0, 256.0), "curve 2"),
    ]
    many = [Series(one.label, "ddpg", (Mark(2, 2.0, None, None), Mark(16, 7.0, None, None))) for one in MANY]
    places = {
        text.get_text(): text.get_position()[1] for text in draw_thresholds(Figure().add_subplot(), many, lines).texts
    }
    assert places == {"$D+1$": 16.0, "$d-1$": 15.0, "$d^2$": 256.0}


def test_a_line_of_one_point_is_seen() -> None:
    one = [Series("DDPG", "ddpg", (Mark(8, 38.0, 36.0, 40.0),))]
    ax = draw_thresholds(Figure().add_subplot(), one, [TheoryLine("$D+1$", (8,), (29,), "DDPG")])
    assert [line.get_marker() for line in ax.get_lines() if tuple(line.get_ydata()) == (29,)] == ["_"]


def test_what_holds_for_all_curves_stands_above_them() -> None:
    assert draw_thresholds(Figure().add_subplot(), SERIES, [], heading="descent").get_title(loc="left") == "descent"
    legend = draw_thresholds(Figure().add_subplot(), MANY, [], heading="global solver").get_legend()
    assert legend is not None
    assert legend.get_title().get_text() == "global solver"


def test_learners_differ_without_colour() -> None:
    ax = draw_thresholds(Figure().add_subplot(), SERIES, [])
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
        figure = alone(draw_thresholds, SERIES, [*LINES, TheoryLine("$c$", (2, 16), (4, 230))])
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


def test_intervals_end_at_their_numbers() -> None:
    ax = draw_thresholds(Figure().add_subplot(), [DDPG], [])
    segments = [segment for bars in ax.collections for segment in bars.get_segments()]
    ends = {(float(x), float(low), float(high)) for (x, low), (_, high) in segments}
    assert ends == {(4.0, 7.8, 8.6), (8.0, 36.0, 40.0)}


def test_an_axis_of_categories_has_their_names_and_no_curves() -> None:
    with paper_style():
        figure = alone(
            draw_thresholds,
            [MANY[0], MANY[1]],
            [TheoryLine("$c$", (1, 2), (2, 30), "curve 0")],
            x_label="class",
            categories=("rotations", "all matrices"),
        )
        figure.draw_without_rendering()
    ax = figure.axes[0]
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["rotations", "all matrices"]
    assert list(ax.get_xticks()) == [1, 2]
    assert ax.get_xscale() == "linear"
    assert ax.get_xlabel() == "class"
    marks = [line for line in ax.get_lines() if line.get_marker() in ("o", "s")]
    # Nothing lies between two classes: neither measured values nor predictions are joined.
    assert all(line.get_linestyle() == "None" for line in ax.get_lines())
    assert sorted((round(float(x), 6), float(y)) for line in marks for x, y in zip(*line.get_data(), strict=True)) == [
        (0.92, 2.0),  # side by side, so that equal values do not hide each other
        (1.08, 3.0),
        (1.92, 3.0),
        (2.08, 4.0),
    ]
    dashes = [line for line in ax.get_lines() if line.get_marker() == "_" and len(line.get_xdata())]
    assert [tuple(dashes[0].get_ydata())] == [(2, 30)]
    legend = ax.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["curve 0", "curve 1"]


def test_more_than_two_curves_are_named_in_a_legend_once() -> None:
    with paper_style():
        figure = alone(draw_thresholds, MANY, [TheoryLine("$d$", (1, 2), (2, 3), one.label) for one in MANY])
        figure.draw_without_rendering()
    ax = figure.axes[0]
    legend = ax.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == [one.label for one in MANY]
    # One line for the four equal predictions, named once and in nobody's colour.
    assert [text.get_text() for text in ax.texts] == ["$d$"]
    # The first curve's values are the predicted ones, and have a marker (and caps at the ends of the intervals).
    there = [line for line in ax.get_lines() if tuple(map(float, line.get_ydata())) == (2.0, 3.0)]
    dashed = [line for line in there if line.get_marker() == "None"]
    assert len(dashed) == 1
    assert dashed[0].get_color() not in {line.get_color() for line in ax.get_lines() if line.get_marker() in "os^D"}


def test_two_curves_are_named_beside_their_lines_if_those_are_long_enough() -> None:
    long = draw_thresholds(Figure().add_subplot(), SERIES, [])
    assert long.get_legend() is None
    assert {text.get_text() for text in long.texts} == {"DDPG", "ReenGAGE"}
    short = draw_thresholds(Figure().add_subplot(), MANY[:2], [])
    assert short.get_legend() is not None
    assert not short.texts


def test_many_curves_differ_without_colour() -> None:
    ax = draw_thresholds(Figure().add_subplot(), MANY, [])
    curves = [line for line in ax.get_lines() if len(line.get_xdata()) == 2 and line.get_marker() != "_"]
    assert len({line.get_marker() for line in curves}) == len(MANY)
    assert len({line.get_color() for line in curves}) == len(MANY)


def test_curves_that_match_gradients_are_cool_and_others_warm() -> None:
    curves = [Series(label, label[0], (), cool=label[0] == "r") for label in ("d1", "d2", "r1", "r2")]
    colours = [style["color"] for style in series_styles(curves).values()]
    assert (tuple(colours[:2]), tuple(colours[2:])) == (WARM[:2], COOL[:2])
    # One curve a learner, of which one brings no style: a palette's colours as well.
    mixed = [style["color"] for style in series_styles([DDPG, curves[2]]).values()]
    assert mixed == [WARM[0], COOL[0]]
    styles = series_styles(SERIES)
    assert [styles[one.label] for one in SERIES] == [dict(one.style) for one in SERIES]
