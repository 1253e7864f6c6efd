"""The Python interface: the same results as the command's, as typed objects, tables and figures."""

from __future__ import annotations

import inspect
import json
import pickle
import re
import subprocess
import sys
import typing
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
import torch
from matplotlib.figure import Figure

import analysis
from analysis import SweepResults, Thresholds, api, fit_scaling, fit_thresholds, load_run, run_sweep
from analysis.cli.main import main
from analysis.errors import ConfigError
from analysis.experiments.experiment import Curve
from analysis.statistics.counts import Counts
from analysis.statistics.threshold import fit_threshold
from toyenvs.constructions import GradientFeedback

pytestmark = pytest.mark.usefixtures("unchecked_module")

CELLS = {
    4: {2: (0, 40), 4: (9, 40), 8: (37, 40)},
    8: {10: (1, 40), 20: (14, 40), 40: (39, 40)},
    16: {50: (2, 40), 90: (19, 40), 160: (38, 40)},
}


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> tuple[SweepResults, Path]:
    """A small run in a directory."""
    out = tmp_path_factory.mktemp("api") / "run"
    return run_sweep(dims=(2, 3, 4), trials=10, learners=("reengage",), executor="serial", out=out), out


def test_the_command_finds_the_same(found: tuple[SweepResults, Path], tmp_path: Path) -> None:
    words = ["--dims", "2,3,4", "--learners", "reengage", "--trials", "10", "--executor", "serial", "--quiet"]
    assert main(["scale", *words, "--out", str(tmp_path / "run")]) == 0
    for name in ("thresholds.csv", "scaling.csv", "summary.json"):
        assert (tmp_path / "run" / name).read_bytes() == (found[1] / name).read_bytes()


def test_results_are_tables(found: tuple[SweepResults, Path]) -> None:
    results, out = found
    frame = results.to_pandas()
    written = pandas.read_csv(out / "thresholds.csv", keep_default_na=False, na_values=[""])
    assert list(frame.columns) == list(written.columns)
    assert frame["n_min"].tolist() == written["n_min"].tolist() == [1, 2, 3]
    assert frame["predicted"].tolist() == [1, 2, 3]
    thresholds = results.thresholds["ReenGAGE"]
    assert list(thresholds) == [2, 3, 4]
    assert thresholds.to_pandas()["n50"].tolist() == [thresholds[dim].n50 for dim in (2, 3, 4)]
    assert results.scaling["ReenGAGE"].reason == fit_scaling(thresholds).reason
    assert results.verdict.status in ("agrees", "undecided")


def test_a_run_is_read_again(found: tuple[SweepResults, Path]) -> None:
    results, out = found
    assert load_run(str(out)).thresholds == results.thresholds
    (session,) = json.loads((out / "provenance.json").read_text(encoding="utf-8"))["sessions"]
    assert session["command"] == []  # whatever the words of the program that called


def test_notebooks_show_tables_and_the_figure(found: tuple[SweepResults, Path]) -> None:
    results, _ = found
    shown = results._repr_html_()
    assert shown.count("<table>") == shown.count("<svg") == 1  # one curve
    assert "ReenGAGE" in shown
    assert "<script" not in shown
    assert results.thresholds["ReenGAGE"]._repr_html_().count("<tr>") == 4


def _along_names(curve: Curve) -> Curve:
    return replace(curve, points=tuple(replace(point, x=f"SO({point.x})") for point in curve.points))


def test_figures_are_matplotlibs(found: tuple[SweepResults, Path]) -> None:
    results, _ = found
    assert isinstance(results.figure("success-curves", venue="neurips", width="text"), Figure)
    for words, argument in (({"kind": "pie"}, "figure"), ({"venue": "x"}, "venue"), ({"width": "x"}, "width")):
        with pytest.raises(ConfigError) as caught:
            results.figure(**words)
        assert caught.value.argument == argument
    along_names = replace(results.experiment, curves=tuple(_along_names(c) for c in results.experiment.curves))
    with pytest.raises(ConfigError, match="it needs a numeric axis above 0, and this run's is group"):
        SweepResults(replace(results.results, experiment=replace(along_names, x="group"))).figure("phase-diagram")


def one_thread() -> None:
    torch.set_num_threads(1)


def test_any_executor_and_no_directory(found: tuple[SweepResults, Path]) -> None:
    with ThreadPoolExecutor(2, initializer=one_thread) as pool:
        results = run_sweep(dims=(2, 3, 4), trials=10, learners=("reengage",), executor=pool)
    assert results.thresholds == found[0].thresholds


def test_a_construction_of_ones_own() -> None:
    class Mine(GradientFeedback):
        name = "mine"

    results = run_sweep(dims=(2, 3), learners=("reengage",), trials=5, construction=Mine, executor="serial")
    assert [row.point.predicted for row in results.results.curves[0].points] == [1, 2]
    assert results.thresholds["ReenGAGE"][3].n_min == 2


def test_counts_of_any_origin() -> None:
    thresholds = fit_thresholds(CELLS)
    for dim, cells in CELLS.items():
        assert thresholds[dim] == fit_threshold(Counts.from_cells(cells))
    scaling = fit_scaling(thresholds)
    assert scaling == fit_scaling(CELLS)
    assert scaling.best in ("D+1", "d^2")
    assert len(thresholds) == 3
    with pytest.raises(KeyError, match="5 was not measured; there are d = 4, 8, 16"):
        thresholds[5]
    assert repr(thresholds).splitlines()[0].startswith("d = 4: N50 ")
    with pytest.raises(ValueError, match=r"counts at d = 4: 9 successes of 3 trials at N = 2"):
        fit_thresholds({4: {2: (9, 3)}})
    with pytest.raises(ValueError, match="counts at d = 4: counts are empty"):
        fit_thresholds({4: {}})
    with pytest.raises(ValueError, match="counts are empty"):
        fit_thresholds({})
    fraction: Any = {2: {1: 0.5}}
    with pytest.raises(ValueError, match=r"counts at d = 2: expected \{N: \(successes, trials\)\}, not \{1: 0.5\}"):
        fit_thresholds(fraction)
    assert fit_scaling({4: CELLS[4]}).reason.endswith(
        "three dimensions with success on both sides of 1/2, found at d = 4"
    )


def test_laws_are_formulas() -> None:
    scaling = fit_scaling(CELLS, laws=("D + 1", "d**2", "log(d)"))
    listed = {fit.law.name: fit for fit in fit_scaling(CELLS).laws}
    for mine, name in (("D+1", "D+1"), ("d**2", "d^2")):
        (fit,) = (fit for fit in scaling.laws if fit.law.name == mine)
        assert fit.law.order == 2
        assert (fit.constant, fit.aic) == (listed[name].constant, listed[name].aic)
    # Far beyond what is measured d⁶ is larger than a formula may be.
    assert fit_scaling(CELLS, laws=["d ** 6"]).laws[0].law.order == 6
    constant = pickle.loads(pickle.dumps(fit_scaling(CELLS, laws=["min(d, 100)"]))).laws[0].law
    assert constant.order == 0  # and not "no order"
    assert constant.log([50, 200]) == pytest.approx(np.log([50, 100]))
    with pytest.raises(ConfigError, match="expected a formula in d and D, without K"):
        fit_scaling(CELLS, laws=["K*d"])
    with pytest.raises(ValueError, match="distinct names"):
        fit_scaling(CELLS, laws=["d-1", "d - 1"])
    for wrong in ("d - 1", [3]):
        laws: Any = wrong
        with pytest.raises(ConfigError, match="laws"):
            fit_scaling(CELLS, laws=laws)
    with pytest.raises(ConfigError, match="laws: 'd \\+ x' is not allowed"):
        fit_scaling(CELLS, laws=("d + x",))
    assert len(repr(scaling)) < 3000


@pytest.mark.parametrize("dim", ["8", 2.5, True])
def test_dimensions_are_whole_numbers(dim: Any) -> None:
    for fit in (fit_thresholds, fit_scaling):
        with pytest.raises(ValueError, match=re.escape(f"dimension {dim!r}; expected a whole number")):
            fit({dim: CELLS[4]})
    level: Any = "a"
    with pytest.raises(ValueError, match="level is 'a'"):
        fit_thresholds(CELLS, level=level)


def test_results_show_themselves_in_a_few_lines(found: tuple[SweepResults, Path]) -> None:
    results, _ = found
    lines = repr(results).splitlines()
    assert lines[0] == "gradient-feedback, SO(d), descent (nesterov)"
    assert lines[-1] == results.verdict.sentence
    assert len(lines) == 9
    with pytest.raises(KeyError, match="'reengage' is no curve; there are: ReenGAGE"):
        results.thresholds["reengage"]


def test_a_script_that_workers_cannot_import_hears_so(tmp_path: Path) -> None:
    text = 'from analysis import run_sweep\nrun_sweep(dims=(2, 3), learners=("reengage",), trials=5, workers=1)\n'
    script = tmp_path / "script.py"
    script.write_text(text, encoding="utf-8")
    options: dict[str, Any] = {"capture_output": True, "text": True, "check": False, "timeout": 300}
    done = subprocess.run([sys.executable, str(script)], **options)
    assert done.returncode == 1
    assert "run_sweep: worker processes import this script; put what it does under if __name__" in done.stderr
    assert done.stderr.splitlines()[-1] == 'in a script, run_sweep belongs under if __name__ == "__main__":'
    piped = subprocess.run([sys.executable, "-"], input=text, **options)
    assert "worker processes cannot import <stdin>; use 'threads'" in piped.stderr


def test_numbers_of_numpy_are_numbers(found: tuple[SweepResults, Path]) -> None:
    results = run_sweep(dims=np.arange(2, 5), trials=np.int64(10), learners=("reengage",), executor="serial")
    assert results.thresholds == found[0].thresholds


def test_progress_is_told_if_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    for progress in (False, True):
        run_sweep(dims=(2, 3), trials=5, learners=("reengage",), executor="serial", progress=progress)
        told = capsys.readouterr()
        assert told.out == ""
        assert ("ReenGAGE d=3: " in told.err) == progress


def test_a_label_that_cannot_be_drawn_costs_no_trials(tmp_path: Path) -> None:
    text = '[common]\ndim = [2, 3]\n[[curves]]\nlabel = "DDPG"\nlearner = "ddpg"\npredicted = "d"\n'
    path = tmp_path / "own.toml"
    path.write_text(text + 'prediction_label = "\\\\nosuch{d}"\n', encoding="utf-8")
    with pytest.raises(ConfigError, match=r"prediction_label: .* it cannot be drawn"):
        run_sweep(path, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_what_cannot_be_run_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    out = tmp_path / "run"
    for words, argument in (
        ({"dims": (1,)}, "dims"),
        ({"dims": 2}, "dims"),
        ({"dims": (2, "3")}, "dims"),
        ({"dims": [[2]]}, "dims"),
        ({"learners": "ddpg"}, "learners"),
        ({"learners": [["ddpg"]]}, "learners"),
        ({"experiment": (2, 3, 4)}, "experiment"),
        ({"experiment": "relabelling", "discount": 0.5}, "discount"),
        ({"experiment": Path("nowhere.toml")}, "FILE.toml"),
        ({"executor": None}, "executor"),
        ({"workers": "4"}, "workers"),
        ({"workers": 0}, "workers"),
        ({"learners": ("sarsa",)}, "learners"),
        ({"experiment": "relabeling"}, "preset"),
        ({"executor": "cluster"}, "executor"),
        ({"construction": "nowhere.py:X"}, "construction"),
        ({"trials": 0}, "trials"),
        ({"trails": 3}, "trails"),
        ({"learner": ("ddpg",)}, "learner"),
        ({"experiment": "relabelling", "dims": (3,)}, "dims"),
        ({"experiment": "relabelling", "learners": ("ddpg",)}, "learners"),
    ):
        with pytest.raises(ConfigError) as caught:
            run_sweep(out=out, **words)
        assert caught.value.argument == argument
        assert not out.exists()


def test_pandas_is_asked_for_only_where_it_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match="pip install pandas"):
        fit_thresholds(CELLS).to_pandas()


# --- what the interface says of itself ---------------------------------------------------------------------

PUBLIC: list[tuple[str, Callable[..., Any]]] = [
    *((name, getattr(analysis, name)) for name in analysis.__all__ if inspect.isfunction(getattr(analysis, name))),
    *(
        (f"{owner.__name__}.{name}", member)
        for owner in (SweepResults, Thresholds)
        for name, member in vars(owner).items()
        if inspect.isfunction(member) and not name.startswith("_")
    ),
]


def test_the_interface_is_what_it_says() -> None:
    assert set(analysis.__all__) == set(api.__all__)
    assert set(analysis.__all__) <= set(dir(analysis))
    with pytest.raises(AttributeError, match="no attribute 'run_sweeps'"):
        getattr(analysis, "run_" + "sweeps")


@pytest.mark.parametrize(("name", "function"), PUBLIC, ids=lambda value: value if isinstance(value, str) else "")
def test_every_public_function_is_typed_and_documented(name: str, function: Callable[..., Any]) -> None:
    hints = typing.get_type_hints(function)
    signature = inspect.signature(function)
    text = inspect.getdoc(function) or ""
    assert "return" in hints
    arguments = [parameter for parameter in signature.parameters if parameter != "self"]
    assert set(arguments) <= set(hints)
    for argument in arguments:
        assert re.search(rf"^\s+{argument}: \S", text, re.MULTILINE), f"{name} does not say what {argument} is"
    assert "Raises:" in text
    if name in ("run_sweep", "fit_thresholds", "fit_scaling"):
        assert "Source: " in text
        assert re.search(r"at least|in \(0, 1\)", text)  # a range
