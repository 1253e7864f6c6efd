"""``reengage plot``: a finished run is drawn again, at any venue's size, and nothing is measured or changed."""

from __future__ import annotations

import csv
import json
import re
import shutil
from pathlib import Path

import pytest

from analysis.cli import main
from analysis.figures import FORMATS, VENUES, WIDTHS
from analysis.preset import load_preset
from analysis.results import ExperimentResults
from analysis.results_figure import caption
from analysis.saved_run import load_results
from analysis.setting import ConfigError
from analysis.store import StoreError

pytestmark = pytest.mark.usefixtures("unchecked_types")


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
    for kind in FORMATS:
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
        assert ("settled smallest N" in kinds) == (row["settled"] == "True")
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


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--venue", "aai"], "argument --venue: 'aai' is not allowed; did you mean aaai?"),
        (["--width", "page"], "argument --width: 'page' is not allowed"),
        (["--format", "pdf,eps"], "argument --format: 'eps' is not allowed"),
    ],
)
def test_bad_options_cost_one_line(
    arguments: list[str], said: str, finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
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

    def with_all(**values: int) -> str:
        return json.dumps({**config, "settings": [{**one, **values} for one in config["settings"]]})

    for changed, error, said in (
        ("{", ConfigError, "config.json is damaged"),
        ("{}", ConfigError, "describes no experiment"),
        (
            json.dumps({**config, "settings": [{**one, "engine": 1} for one in config["settings"]]}),
            ConfigError,
            "engine",
        ),
        (with_all(seed=7), StoreError, "seed"),
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
