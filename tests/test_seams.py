"""A task and a measure of a contributor's own go through run, kill, resume, table, figure and report."""

from __future__ import annotations

import csv
import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from analysis.cli.main import main
from analysis.experiments.experiment import Curve, Expectation, Experiment, Point
from analysis.experiments.formula import Formula
from analysis.experiments.plan import Search
from analysis.measures import MEASURES
from analysis.pipeline import run_experiment
from analysis.reports.report import print_report
from analysis.results.saved_run import load_results
from analysis.running.executors import SerialExecutor
from analysis.storage.run_directory import RunDirectory
from analysis.storage.store import read_store
from analysis.tasks import TASKS
from toy import Coin, HeadsShare

pytestmark = pytest.mark.usefixtures("unchecked_module")

DIMS = (2, 4, 8, 16, 32)
TRIALS, BATCH = 400, 50


def coins() -> Experiment:
    measure = HeadsShare(search=Search(trials=TRIALS, batch_size=BATCH))
    half = Formula("d/(2*d)")
    points = tuple(Point(dim, Coin(dim), measure, half(Coin(dim))) for dim in DIMS)
    # A 95 % interval of 400 tosses is 0.098 wide over 0.5, ± 0.1: the tolerance allows it to be off by twice that.
    curve = Curve("a coin", points, half, expectation=Expectation("within", tolerance=0.3))
    return Experiment(name="coins", title="How often does it show heads?", x="dim", curves=(curve,))


def killed_after(batches: int, out: Path) -> subprocess.CompletedProcess[str]:
    """Run in a process of its own that is killed while a batch is under way."""
    program = f"""
import os, signal, sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from pathlib import Path
from test_seams import RunDirectory, SerialExecutor, coins, run_experiment

class Fatal(SerialExecutor):
    left = {batches}
    def submit(self, fn, /, *args):
        if not self.left:
            os.kill(os.getpid(), signal.SIGKILL)
        Fatal.left -= 1
        return super().submit(fn, *args)

experiment = coins()
run_experiment(experiment, Fatal(), 1, directory=RunDirectory(Path({str(out)!r}), experiment))
"""
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)


def finish(out: Path) -> list[int]:
    """Finish a run; returns how many trials were there before, and how many there are now."""
    experiment, counts = coins(), []
    finding = run_experiment(
        experiment,
        SerialExecutor(),
        1,
        directory=RunDirectory(out, experiment),
        opened=lambda store: counts.append(len(store)),
    )
    assert finding.results is not None
    return [*counts, len(read_store(out / "sweep.sqlite")[1])]


@pytest.fixture(autouse=True)
def _registered(monkeypatch: pytest.MonkeyPatch) -> None:
    # In the package these are one line each.
    monkeypatch.setitem(TASKS, Coin.kind, Coin)
    monkeypatch.setitem(MEASURES, HeadsShare.name, HeadsShare)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("coins") / "run"
    assert finish(out) == [0, len(DIMS) * TRIALS]
    return out


def shares(out: Path) -> list[dict[str, str]]:
    with (out / "shares.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_a_killed_run_goes_on_and_ends_with_the_same_bytes(tmp_path: Path, finished: Path) -> None:
    done = killed_after(13, tmp_path / "killed")
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert not (tmp_path / "killed" / "shares.csv").exists()
    there, in_all = finish(tmp_path / "killed")
    assert 0 < there < in_all == len(DIMS) * TRIALS
    assert there % BATCH == 0
    for name in ("shares.csv", "table.tex", "table.md", "summary.json", "figures/coins.svg"):
        assert (tmp_path / "killed" / name).read_bytes() == (finished / name).read_bytes(), name


def test_what_is_found_is_shown_by_defaults_that_know_no_measure(
    finished: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = finished
    rows = shares(out)
    assert [int(row["x"]) for row in rows] == list(DIMS)
    for row in rows:
        # The standard error is 0.025: five of them are off once in two million tables.
        assert abs(float(row["value"]) - 0.5) < 0.125
        assert float(row["low"]) < float(row["value"]) < float(row["high"])
        assert (float(row["predicted"]), int(row["trials"])) == (0.5, TRIALS)
    results = load_results(out)
    assert results.verdict.status == "agrees"
    assert json.loads((out / "summary.json").read_text(encoding="utf-8"))["verdict_status"] == "agrees"
    console = Console(width=110, force_terminal=False)
    print_report(results, [], console)
    shown = capsys.readouterr().out
    assert "heads-share" in shown
    assert "within 30% of 1" in shown
    assert main(["plot", str(out)]) == 0
    assert (out / "figures" / "coins-aaai-column.pdf").exists()
    assert main(["report", str(out), "--no-claims"]) == 0
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "How often does it show heads?" in page
    assert "heads-share" in page


def test_a_table_of_another_measure_goes_and_what_is_not_ours_stays(tmp_path: Path) -> None:
    finish(tmp_path)
    for name in ("thresholds.csv", "scaling.csv", "mine.csv"):
        (tmp_path / name).write_text("x\n", encoding="utf-8")
    finish(tmp_path)
    assert sorted(path.name for path in tmp_path.glob("*.csv")) == ["mine.csv", "shares.csv"]


def test_a_figure_of_successes_is_refused_where_nothing_succeeds(finished: Path) -> None:
    assert main(["plot", str(finished), "--figure", "phase-diagram"]) == 2


def test_the_example_is_as_short_as_the_documentation_says() -> None:
    lines = Path(__file__).with_name("toy.py").read_text(encoding="utf-8").splitlines()
    assert len([line for line in lines if line.strip()]) < 60
