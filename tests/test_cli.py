"""The command line: bad input costs one line and nothing else."""

from __future__ import annotations

import errno
import json
import re
import subprocess
from pathlib import Path
from typing import NoReturn

import pytest

from analysis.cli import command
from analysis.cli.main import COMMANDS, main, make_parser
from analysis.cli.scale import make_experiment
from analysis.presets.comparison import compare_learners
from analysis.presets.loading import load_preset
from analysis.running.sweep import TrialError
from analysis.storage.store import StoredRow, read_store
from analysis.tasks import Batch, make_task

BAD = [
    (["--dims", "0"], "--dims", "0"),
    (["--dims", "4,x"], "--dims", "'4,x'"),
    (["--tau", "0.1"], "--tau", "unrecognized"),
    (["--dims", ""], "--dims", "''"),
    (["--dims", "4,4"], "--dims", "[4, 4]"),
    (["--learners", "foo"], "--learners", "'foo'"),
    (["--learners", "ddpg,ddpg"], "--learners", "['ddpg', 'ddpg']"),
    (["--trials", "-1"], "--trials", "-1"),
    (["--trials", "many"], "--trials", "'many'"),
    (["--seed", "-5"], "--seed", "-5"),
    (["--construction", "maze"], "--construction", "'maze'"),
    (["--workers", "0"], "--workers", "0"),
    (["--executor", "serial", "--workers", "2"], "--workers", "2"),
    (["--executor", "cloud"], "--executor", "'cloud'"),
    (["--executor", "dask://somewhere"], "--executor", "HOST:PORT"),
    (["--executor", "dask://localhost:99999"], "--executor", "HOST:PORT"),
    (["--minibatch", "8"], "--optimizer", "'nesterov'"),
    (["--dims", "2", "3"], "FILE.toml", "lists are written without blanks: 2,3,4"),
    (["--dims", "2", "3", "4"], "4", "lists are written with commas and without blanks, such as 2,3,4"),
    (["--dim", "4"], "--dim", "unrecognized argument: --dim; did you mean --dims?"),
    (["--show-preset", "relabeling"], "--show-preset", "did you mean relabelling?"),
    (["--group", "unitary", "--dims", "2,3"], "--dims", "3"),
    (["--goal-dim", "2"], "--goal-dim", "2"),
    (["--preset", "nothing"], "--preset", "'nothing'"),
    (["--preset", "groups", "--dims", "2,3"], "--dims", "(2, 3)"),
    (["--preset", "groups", "--learners", "ddpg"], "--learners", "('ddpg',)"),
    (["--preset", "groups", "--method", "descent"], "--method", "'descent'"),
    (["--preset", "groups", "my.toml"], "--preset", "'groups'"),
    (["--full"], "--full", "True"),
    (["--show-preset", "nothing"], "--show-preset", "'nothing'"),
    (["nowhere.toml"], "FILE.toml", "'nowhere.toml'"),
    (["a.toml", "b.toml"], "b.toml", "b.toml"),
]


@pytest.mark.parametrize("words", [["--foo", "scale"], ["--foo", "scale", "--dims", "2"], ["-x", "check"]])
def test_a_word_before_the_command_is_refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code(words) == 2
    assert f"unrecognized argument: {words[0]}" in one_line(capsys)


def one_line(capsys: pytest.CaptureFixture[str]) -> str:
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert captured.err.startswith("reengage")
    assert ": error: " in captured.err
    return captured.err


def exit_code(arguments: list[str]) -> int:
    try:
        return main(arguments)
    except SystemExit as end:  # argparse leaves by itself
        return int(end.code or 0)


@pytest.mark.parametrize(("arguments", "option", "shown"), BAD, ids=lambda v: str(v)[:30])
def test_bad_input_costs_one_line_and_nothing_else(
    arguments: list[str], option: str, shown: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code(["scale", *arguments, "--out", str(tmp_path / "run")]) == 2
    line = one_line(capsys)
    assert option in line
    assert shown in line
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_command_is_bad_input(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code(["solve"]) == 2
    assert "'solve'" in one_line(capsys)
    assert exit_code([]) == 2
    assert "COMMAND" in one_line(capsys)


def test_out_that_is_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "notes.txt"
    target.write_text("mine")
    assert main(["scale", "--dims", "2", "--out", str(target)]) == 2
    assert f"argument --out: '{target}' is not allowed; it is a file" in one_line(capsys)
    assert target.read_text() == "mine"


@pytest.mark.parametrize("below", ["", "run"])
def test_out_that_is_not_writable(below: str, capsys: pytest.CaptureFixture[str]) -> None:
    # Permission bits do not stop a superuser; the kernel's process table stops everybody.
    assert main(["scale", "--dims", "2", "--out", str(Path("/proc") / below)]) == 2
    assert "argument --out: " in one_line(capsys)


def test_out_that_holds_something_else(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "thesis.tex").write_text("mine")
    assert main(["scale", "--dims", "2", "--out", str(tmp_path)]) == 2
    assert "is not empty and holds no run" in one_line(capsys)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_file_in_the_place_of_the_figures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "figures").write_text("mine")
    (tmp_path / "sweep.sqlite").write_text("")
    assert main(["scale", "--dims", "2", "--out", str(tmp_path)]) == 2
    assert "is in the way" in one_line(capsys)


def snapshot(directory: Path) -> dict[str, bytes]:
    return {str(p.relative_to(directory)): p.read_bytes() for p in sorted(directory.rglob("*")) if p.is_file()}


@pytest.mark.usefixtures("unchecked_types")
def test_a_run_and_what_it_leaves(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "run"
    arguments = ["scale", "--dims", "2,3,4", "--trials", "25", "--executor", "serial", "--out", str(out)]
    assert main(arguments) == 0
    printed = capsys.readouterr().out
    assert "Verdict: " in printed
    for name in (
        *("sweep.sqlite", "config.json", "provenance.json", "thresholds.csv", "scaling.csv", "summary.json"),
        *("table.tex", "table.md", "figures/complexity.pdf", "figures/complexity.svg", "figures/complexity.png"),
    ):
        assert (out / name).stat().st_size > 0, name
    header = (out / "thresholds.csv").read_text().splitlines()[0]
    assert header == (
        "curve,x,construction,group,learner,solver,dim,goal_dim,relabels,steps_per_goal,goals,actions,noise,count,"
        "n50,n50_low,n50_high,n90,n_min,resolved,predicted,ratio,censored,lack_of_fit,stopped,trials,mean_starts"
    )
    summary = json.loads((out / "summary.json").read_text())
    row = summary["curves"]["ReenGAGE"]["thresholds"][1]
    assert (row["dim"], row["n_min"], row["predicted"]) == (3, 2, 2)
    assert summary["verdict"] in printed
    config = json.loads((out / "config.json").read_text())
    asked = [(question["task"], question["measure"]) for question in config["questions"]]
    assert [(task["learner"], task["problem"]["dim"]) for task, _ in asked] == [
        (learner, dim) for learner in ("ddpg", "reengage") for dim in (2, 3, 4)
    ]
    assert {(task["seed"], measure["trials"]) for task, measure in asked} == {(0, 25)}
    session = json.loads((out / "provenance.json").read_text())["sessions"][0]
    assert session["seed"] == 0
    assert session["packages"]["torch"]
    assert session["finished"] >= session["started"]

    # A command that shares no task with the run belongs elsewhere.
    before = snapshot(out)
    for other, told in ((["--seed", "1"], "seed = 0, not 1"), (["--dims", "5,6"], "dim = 2, 3, 4, not 5, 6")):
        assert main([*arguments, *other]) == 2
        assert told in one_line(capsys)
        assert snapshot(out) == before

    # Two or three dimensions decide nothing about orders of growth, and --strict says so.
    assert main([*arguments, "--strict", "--quiet"]) == 1


SMALL = ["scale", "--dims", "2,3", "--learners", "reengage", "--batch-size", "4", "--executor", "serial", "--quiet"]


def batches(run: Path) -> dict[object, list[StoredRow]]:
    found: dict[object, list[StoredRow]] = {}
    for row in read_store(run / "sweep.sqlite")[1]:
        found.setdefault(row[:4], []).append(row)
    return found


@pytest.mark.parametrize("changed", [["--trials", "16"], ["--trials", "8", "--epsilon", "0.3"]], ids=" ".join)
def test_another_precision_goes_on_from_what_is_there(
    changed: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, fresh = tmp_path / "run", tmp_path / "fresh"
    assert main([*SMALL, "--trials", "8", "--out", str(run)]) == 0
    first = batches(run)
    capsys.readouterr()
    assert main([*SMALL, *changed, "--out", str(run)]) == 0
    kept = sum(map(len, first.values()))
    assert capsys.readouterr().out.startswith(f"{kept} trials are there already in {run}\n")
    assert main([*SMALL, *changed, "--out", str(fresh)]) == 0
    assert (run / "thresholds.csv").read_bytes() == (fresh / "thresholds.csv").read_bytes()
    # What both ask for was run once.
    assert batches(run) == {**batches(fresh), **first}
    assert batches(fresh).keys() & first.keys()


def test_help_teaches(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    assert exit_code(["scale", "--help"]) == 0
    shown = capsys.readouterr().out
    for piece in (
        "N50",
        "examples:",
        "--dims D,D,...",
        "default: 2,3,4,6,8,12,16,24,32",
        "thresholds.csv",
        "D+1",
        "--preset NAME",
    ):
        assert piece in shown
    assert max(map(len, shown.splitlines())) <= 120


def test_version_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code(["--version"]) == 0
    assert capsys.readouterr().out.startswith("reengage-lab 0.")


def test_ctrl_c_before_anything_runs_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted() -> int:
        raise KeyboardInterrupt

    for library in ("OMP", "OPENBLAS", "MKL"):
        monkeypatch.setenv(f"{library}_NUM_THREADS", "1")  # restored afterwards; the command sets them for its process
    monkeypatch.setattr("analysis.cli.main.main", interrupted)
    assert command._run() == 130  # main() would leave this process
    assert capsys.readouterr().err == "interrupted before anything was run\n"


def test_a_failing_trial_is_no_bad_input_and_costs_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    batch = Batch(make_task({"learner": "ddpg", "dim": 2}), size=5, first_trial=12, count=4)

    def fail(*arguments: object) -> NoReturn:
        raise TrialError(batch, ArithmeticError("0/0"))

    monkeypatch.setattr("analysis.pipeline.finish_questions", fail)
    assert main(["scale", "--dims", "2", "--out", str(tmp_path), "--workers", "1", "--quiet"]) == 3
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("reengage scale: error: trials 12 to 15 of ddpg, descent, d = 2, N = 5 failed: Arith")
    assert line.endswith(f"0 finished trials are kept in {tmp_path}")


def test_a_full_disk_is_no_bad_input_and_costs_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*arguments: object) -> NoReturn:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("analysis.pipeline.write_results", fail)
    arguments = ["scale", "--dims", "2", "--learners", "reengage", "--out", str(tmp_path), "--executor", "serial"]
    assert main([*arguments, "--quiet"]) == 3
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("reengage scale: error: [Errno 28] No space left on device; ")
    assert re.search(r"; [1-9]\d* finished trials are kept in ", line)


def test_a_preset_keeps_what_it_says_and_takes_what_is_about_precision() -> None:
    parsed = make_parser("scale").parse_args(["scale", "--preset", "groups", "--full", "--seed", "7", "--trials", "9"])
    experiment = make_experiment(parsed)
    assert experiment.name == "groups"
    assert {
        (question.task.described["seed"], question.measure.search.trials, question.task.described["method"])
        for question in experiment.questions
    } == {(7, 9, "global-solver")}
    assert experiment == load_preset("groups", full=True, overrides={"seed": 7, "trials": 9})
    plain = make_experiment(make_parser("scale").parse_args(["scale"]))
    assert plain.dims == [2, 3, 4, 6, 8, 12, 16, 24, 32]
    assert [curve.learner for curve in plain.curves] == ["ddpg", "reengage"]
    assert plain.tasks[0] == make_task({"dim": 2})
    assert plain == compare_learners()  # as from Python
    # More trials and another epsilon go on in the default directory; another seed does not.
    names = [
        make_experiment(make_parser("scale").parse_args(["scale", *more])).default_name()
        for more in ([], ["--trials", "9"], ["--epsilon", "0.1"], ["--precision", "0.1"], ["--seed", "1"])
    ]
    assert [name == names[0] for name in names] == [True] * 4 + [False]


@pytest.mark.usefixtures("unchecked_types")
def test_errors_in_place_of_thresholds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "noisy.toml").write_text(
        'measure = "error"\nsizes = ["8*D"]\n[common]\nmethod = "global-solver"\nnoise = 0.05\nactions = "sphere"\n'
        'dim = [2, 3]\ntrials = 12\n[[curves]]\nlabel = "images"\nlearner = "gradient-only"\n'
        'predicted = "D*d*sigma**2"\nexpect = "within"\n'
        '[[curves]]\nlabel = "one trial"\nlearner = "gradient-only"\ntrials = 1\n'
    )
    out = tmp_path / "run"
    assert main(["scale", str(tmp_path / "noisy.toml"), "--executor", "serial", "--out", str(out), "--strict"]) == 1
    assert "The data do not decide" in capsys.readouterr().out  # twelve trials know no error to 5 %
    names = "sweep.sqlite config.json provenance.json errors.csv summary.json table.tex table.md figures"
    assert {path.name for path in out.iterdir()} == set(names.split())
    assert {path.name for path in (out / "figures").iterdir()} == {"noisy.pdf", "noisy.svg", "noisy.png"}
    curves = json.loads((out / "summary.json").read_text())["curves"]
    data = curves["images"]
    assert "thresholds" not in data
    assert [(row["x"], list(row["by_num_transitions"])) for row in data["errors"]] == [(2, ["8"]), (3, ["24"])]
    (error,) = curves["one trial"]["errors"][0]["by_num_transitions"].values()
    assert error["mean"] > 0
    assert (error["low"], error["high"]) == (None, None)  # a single trial has no interval


CURVE = '[[curves]]\nlabel = "one"\nlearner = "reengage"\ndim = [2]\ntrials = 12\n'

UNSOUND = [
    (CURVE + 'predicted = "10**1000"\n', "predicted", "1e+15"),
    (CURVE + 'predicted = "d - 1"\nprediction_label = "\\\\foo{"\n', "prediction_label", "cannot be drawn"),
    (CURVE.replace('"one"', '"$\\\\frac$"'), "label", "cannot be drawn"),
    (CURVE + 'predicted = "d/3 + 0.5"\nexpect = "equal"\n', "expect", "integers"),
    ('measure = "error"\nsizes = ["4*D"]\n' + CURVE + 'predicted = "d"\nexpect = "equal"\n', "expect", "within"),
    (CURVE + "noise = 1e308\n", "noise", "1e+308"),
    (CURVE + "steps_per_goal = 100000000\n", "steps_per_goal", "4096"),
]


@pytest.mark.parametrize(("text", "option", "shown"), UNSOUND, ids=range(len(UNSOUND)))
def test_an_unsound_file_is_refused_before_anything_runs(
    text: str, option: str, shown: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "my.toml").write_text(text)
    assert exit_code(["scale", str(tmp_path / "my.toml"), "--out", str(tmp_path / "run")]) == 2
    line = one_line(capsys)
    assert option in line
    assert shown in line
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_every_command_has_examples(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main([name, "--help"])
    assert stop.value.code == 0
    shown = capsys.readouterr().out
    assert "examples:" in shown
    assert f"  reengage {name}" in shown


@pytest.mark.parametrize("shell", ["bash", "zsh", "tcsh"])
def test_completion_knows_every_command_and_its_options(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    for word in (*COMMANDS, "construction", "venue", "no-claims"):
        assert word in script
    if shell == "bash":
        done = subprocess.run(["bash", "-n"], input=script, text=True, capture_output=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")


def test_completion_of_another_shell(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", "fish"]) == 2
    assert "argument SHELL" in capsys.readouterr().err
