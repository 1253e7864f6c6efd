"""``reengage plot``: a finished run is drawn again, at any venue's size, and nothing is measured or changed."""

from __future__ import annotations

import csv
import json
import re
import shutil
import tempfile
import zlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from analysis.cli.main import main
from analysis.errors import ConfigError
from analysis.figures import VENUES, WIDTHS
from analysis.presets.comparison import compare_learners
from analysis.presets.loading import load_preset
from analysis.reports.figure_kinds import FIGURES
from analysis.reports.landscape import landscape
from analysis.reports.results_figure import caption
from analysis.results.experiment_results import ExperimentResults
from analysis.results.saved_run import load_results
from analysis.storage.store import StoreError, read_store
from analysis.tasks import make_task

pytestmark = pytest.mark.usefixtures("unchecked_module")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small run."""
    out = tmp_path_factory.mktemp("plot") / "run"
    assert main(["scale", "--dims", "2,3", "--trials", "12", "--executor", "serial", "--quiet", "--out", str(out)]) == 0
    return out


def caption_of(preset: str) -> str:
    return caption(ExperimentResults(load_preset(preset), ()))


def contents(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def test_a_loaded_run_is_drawn_as_it_was(finished: Path, tmp_path: Path) -> None:
    before = contents(finished)
    assert main(["plot", str(finished), "--out", str(tmp_path)]) == 0
    assert contents(finished) == before
    for kind in ("pdf", "svg", "png"):
        assert (tmp_path / f"complexity-aaai-column.{kind}").read_bytes() == before[f"complexity.{kind}"]


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("venue", VENUES)
def test_the_page_is_as_wide_as_the_venue_says(venue: str, width: str, finished: Path, tmp_path: Path) -> None:
    place = ["--venue", venue, "--width", width]
    assert main(["plot", str(finished), *place, "--format", "pdf", "--out", str(tmp_path)]) == 0
    (box,) = re.findall(rb"/MediaBox \[([^]]*)\]", (tmp_path / f"complexity-{venue}-{width}.pdf").read_bytes())
    wanted = VENUES[venue].column if width == "column" else VENUES[venue].text
    assert float(box.split()[2]) == pytest.approx(72 * wanted, abs=0.5)


def test_the_widths_are_those_of_the_venues_classes() -> None:
    # In points of 1/72.27 inch: \columnwidth and \textwidth of aaai24.sty 239 and 505, icml2024.sty 234.9 and 487.8;
    # \textwidth of neurips_2024.sty and iclr2024 397.5, of jmlr2e.sty 433.6.
    points = {name: (72.27 * venue.column, 72.27 * venue.text) for name, venue in VENUES.items()}
    assert points["aaai"] == pytest.approx((239, 505), abs=1)
    assert points["icml"] == pytest.approx((235, 488), abs=1)
    assert points["neurips"] == points["iclr"] == pytest.approx((397.5 / 2, 397.5), abs=1)
    assert points["jmlr"] == pytest.approx((433.6 / 2, 433.6), abs=1)


def test_the_numbers_behind_the_marks_are_those_of_the_run(finished: Path, tmp_path: Path) -> None:
    assert main(["plot", str(finished), "--out", str(tmp_path)]) == 0
    with (tmp_path / "complexity-aaai-column.csv").open(encoding="utf-8") as file:
        marks = list(csv.DictReader(file))
    with (finished / "thresholds.csv").open(encoding="utf-8") as file:
        thresholds = list(csv.DictReader(file))
    for row in thresholds:
        mine = [mark for mark in marks if mark["curve"] == row["curve"] and float(mark["x"]) == float(row["dim"])]
        kinds = {mark["kind"]: mark for mark in mine}
        shown = {"": "estimate", "left": "upper bound", "right": "lower bound"}.get(row["censored"], row["censored"])
        assert float(kinds[shown]["value"]) == pytest.approx(float(row["n50"]), rel=1e-5)
        assert ("resolved smallest N" in kinds) == (row["resolved"] == "True")
        assert float(kinds["theory"]["value"]) == float(row["predicted"])
    text = (tmp_path / "complexity-aaai-column.txt").read_text(encoding="utf-8")
    assert "N50" in text
    assert "descent (nesterov)" in text
    assert "Seed 0" in text


def test_the_caption_says_what_the_marks_are() -> None:
    of_n50, of_integers = (caption_of(name) for name in ("propositions", "classes"))
    assert "Marks: N50" in of_n50
    assert "Dashed lines: theory" in of_n50
    assert "Marks: the smallest number N of transitions" in of_integers
    assert "Dashes: theory" in of_integers
    assert "short bars" not in of_integers
    assert "N times the mean squared error" in caption_of("noise")
    assert "episodes" in caption_of("episodes")


def test_captions_name_the_lines_that_are_there() -> None:
    for words, theory, baselines in (
        ({}, True, True),
        ({"group": "unitary"}, True, False),
        ({"goals": "hindsight"}, False, False),
    ):
        results = ExperimentResults(compare_learners((4, 6), ("ddpg",), **words), ())
        told = caption(results)
        assert ("Dashed lines: theory." in told) == theory
        assert ("Dotted: baselines." in told) == baselines
        assert ("Dashed: theory." in FIGURES["phase-diagram"].caption(results)) == theory


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--venue", "aai"], "argument --venue: 'aai' is not allowed; did you mean aaai?"),
        (["--width", "page"], "argument --width: 'page' is not allowed"),
        (["--format", "pdf,eps"], "argument --format: 'eps' is not allowed"),
        (["--figure", "complexty"], "complexity"),
        (["--format", "pgf"], "needs a TeX installation"),
        (["--usetex"], "needs a TeX installation"),
    ],
)
def test_bad_options_cost_one_line(
    arguments: list[str],
    said: str,
    finished: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))  # where no TeX is
    assert main(["plot", str(finished), "--out", str(tmp_path / "new"), *arguments]) == 2
    captured = capsys.readouterr()
    assert said in captured.err
    assert captured.err.count("\n") == 1
    assert not (tmp_path / "new").exists()


def test_what_is_no_finished_run_is_refused_by_its_reason(finished: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"RUN: .*it holds no run"):
        load_results(tmp_path)
    run = tmp_path / "run"
    shutil.copytree(finished, run)
    config = json.loads((run / "config.json").read_text(encoding="utf-8"))

    def with_all(part: str, **values: object) -> str:
        questions = [{**one, part: {**one[part], **values}} for one in config["questions"]]
        return json.dumps({**config, "questions": questions})

    def with_curves(**values: object) -> str:
        return json.dumps({**config, "curves": [{**one, **values} for one in config["curves"]]})

    for changed, error, said in (
        ("{", ConfigError, "config.json is damaged"),
        ("{}", ConfigError, "describes no experiment"),
        (with_all("task", engine=1), ConfigError, "engine"),
        (with_all("task", task="chess"), ConfigError, "task: 'chess'"),
        (with_all("task", seed=7), StoreError, "seed"),
        (with_all("measure", measure="mass"), ConfigError, "mass"),
        (with_all("measure", epsilon=3), ConfigError, "epsilon: 3 is not allowed"),
        (json.dumps({**config, "title": None}), ConfigError, "None is no str"),
        (json.dumps({**config, "baselines": 1}), ConfigError, "1 is no bool"),
        (with_curves(predicted="import os"), ConfigError, "predicted: 'import os' is not allowed"),
        (with_curves(predicted=True), ConfigError, "True is no str or NoneType"),
        (with_curves(expect={**config["curves"][0]["expect"], "kind": "hope"}), ConfigError, "kind = 'hope'"),
    ):
        (run / "config.json").write_text(changed, encoding="utf-8")
        with pytest.raises(error, match=said):
            load_results(run)


def test_a_run_that_has_not_ended_is_refused(finished: Path, tmp_path: Path) -> None:
    out = tmp_path / "shard"
    arguments = ["scale", "--dims", "2,3", "--trials", "12", "--executor", "serial", "--quiet", "--shard", "1/2"]
    assert main([*arguments, "--out", str(out)]) == 0
    with pytest.raises(ConfigError, match=r"it has not ended: .* finish it with reengage scale"):
        load_results(out)


def test_a_directory_that_cannot_be_made_is_said(
    finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    assert main(["plot", str(finished), "--out", str(tmp_path / "file" / "sub")]) == 3
    assert "argument --out" in capsys.readouterr().err


KINDS = ("complexity", "success-curves", "phase-diagram", "collapse", "ratio-to-theory", "landscape")


@pytest.mark.parametrize("kind", KINDS)
def test_every_figure_is_the_same_bytes_again_and_has_no_type_3_fonts(
    kind: str, finished: Path, tmp_path: Path
) -> None:
    before = contents(finished)
    drawn = []
    for name in ("a", "b"):
        assert main(["plot", str(finished), "--figure", kind, "--out", str(tmp_path / name)]) == 0
        drawn.append(contents(tmp_path / name))
        landscape.cache_clear()
    assert drawn[0] == drawn[1]
    assert contents(finished) == before
    assert sorted(Path(name).suffix for name in drawn[0]) == [".csv", ".pdf", ".png", ".svg", ".tex", ".txt"]
    (pdf,) = (data for name, data in drawn[0].items() if name.endswith(".pdf"))
    text = pdf + b"".join(inflated(pdf))
    assert b"/Type3" not in text
    assert b"/Subtype /Type0" in text  # Type 42, as matplotlib embeds it
    assert load_results(finished).experiment.hash().encode() in text  # provenance


def inflated(pdf: bytes) -> list[bytes]:
    """The compressed streams of a PDF file."""
    found = []
    for match in re.finditer(rb"stream\r?\n(.*?)endstream", pdf, re.DOTALL):
        try:
            found.append(zlib.decompress(match[1].rstrip(b"\r\n")))
        except zlib.error:
            continue
    return found


def table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


@pytest.mark.parametrize("kind", ["success-curves", "collapse", "phase-diagram"])
def test_the_cells_are_those_of_the_store(kind: str, finished: Path, tmp_path: Path) -> None:
    assert main(["plot", str(finished), "--figure", kind, "--format", "svg", "--out", str(tmp_path)]) == 0
    rows = table(tmp_path / f"{kind}-aaai-column.csv")
    found = {
        (row["curve"], int(row["x"]), int(row["num_transitions"])): (int(row["successes"]), int(row["trials"]))
        for row in rows
    }
    outcomes = [json.loads(row[6]) for row in read_store(finished / "sweep.sqlite")[1]]
    successes = sum(one["accepted"] and one["uniform_regret"] <= 0.01 for one in outcomes)
    assert tuple(map(sum, zip(*found.values(), strict=True))) == (successes, len(outcomes))
    for row in rows:
        # Clopper and Pearson's interval: at its ends each tail has 2.5 %.
        successes, trials = int(row["successes"]), int(row["trials"])
        assert float(row["low"]) <= successes / trials <= float(row["high"])
        if successes:
            assert binom.sf(successes - 1, trials, float(row["low"])) == pytest.approx(0.025, rel=1e-6)


def test_ratios_are_thresholds_over_predictions(finished: Path, tmp_path: Path) -> None:
    assert main(["plot", str(finished), "--figure", "ratio-to-theory", "--format", "svg", "--out", str(tmp_path)]) == 0
    ratios = {(row["curve"], float(row["x"])): float(row["value"]) for row in table(next(tmp_path.glob("*.csv")))}
    expected = {
        ({"ddpg": "DDPG", "reengage": "ReenGAGE"}[row["learner"]], float(row["dim"])): float(row["n50"])
        / float(row["predicted"])
        for row in table(finished / "thresholds.csv")
        if row["n50"] and row["censored"] != "undetermined"
    }
    assert ratios == pytest.approx(expected, rel=1e-5)  # the table has six digits


def test_the_landscape_is_zero_at_the_truth_and_typical_far_away() -> None:
    found = landscape(make_task({"dim": 4, "learner": "reengage"}), 6, 0.01)
    assert found.along[:, 0] == pytest.approx(0.0, abs=1e-20)
    assert (found.along[0] <= found.along[1]).all()
    assert (found.along[1] <= found.along[2]).all()
    assert 0.2 < found.along[1, -1] < 5.0  # of the order of the loss at random parameters
    assert (found.minima[1:] >= found.minima[:-1]).all()
    assert found.successes.all()  # six transitions are twice as many as it needs
    few = landscape(make_task({"dim": 4}), 3, 0.01)
    assert not few.successes.any()  # three of seven equations: the loss is 0 at other parameters
    assert few.minima[-1] < 1e-9


def test_several_runs_are_told_apart(finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = tmp_path / "other"
    shutil.copytree(finished, other)
    out = tmp_path / "out"
    assert main(["plot", str(finished), str(other), "--format", "svg", "--out", str(out)]) == 0
    assert sorted(path.name for path in out.glob("*.svg")) == [
        "other-complexity-aaai-column.svg",
        "run-complexity-aaai-column.svg",
    ]
    told = (out / "run-complexity-aaai-column.txt").read_text(encoding="utf-8")
    assert "95 % " in told
    in_latex = (out / "run-complexity-aaai-column-caption.tex").read_text(encoding="ascii")
    assert in_latex.startswith("\\caption{Marks: $N_{50}$, the number of transitions")
    assert "95 \\% " in in_latex
    assert "probability is $1/2$" in in_latex
    # One bad run among several: nothing is written.
    assert main(["plot", str(finished), str(tmp_path / "nowhere"), "--out", str(tmp_path / "none")]) == 2
    assert not (tmp_path / "none").exists()


values = (
    st.none() | st.booleans() | st.integers(-3, 10**20) | st.floats() | st.text(max_size=5) | st.just([]) | st.just({})
)


def places(config: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a JSON document."""
    found = [path] if path else []
    items = config.items() if isinstance(config, dict) else enumerate(config) if isinstance(config, list) else ()
    for key, value in items:
        found += places(value, (*path, key))
    return found


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_configuration_costs_a_traceback(data: st.DataObject, finished: Path) -> None:
    config = json.loads((finished / "config.json").read_text(encoding="utf-8"))
    for _ in range(data.draw(st.integers(1, 3))):
        path = data.draw(st.sampled_from(places(config)))
        inner = config
        for key in path[:-1]:
            inner = inner[key]
        if data.draw(st.booleans()):
            inner[path[-1]] = data.draw(values)
        else:
            del inner[path[-1]]
        if not config:
            break
    with tempfile.TemporaryDirectory() as scratch:
        run = Path(scratch) / "run"
        run.mkdir()
        (run / "sweep.sqlite").symlink_to(finished / "sweep.sqlite")
        (run / "config.json").write_text(json.dumps(config), encoding="utf-8")
        code = main(["plot", str(run), "--format", "svg", "--out", scratch])
    assert code in (0, 2)


@pytest.mark.skipif(not any(map(shutil.which, ("xelatex", "lualatex", "pdflatex"))), reason="no TeX is installed")
def test_a_pgf_file_is_written_where_there_is_tex(finished: Path, tmp_path: Path) -> None:
    assert main(["plot", str(finished), "--format", "pgf", "--out", str(tmp_path)]) == 0
    assert "pgfpicture" in (tmp_path / "complexity-aaai-column.pgf").read_text(encoding="utf-8")
