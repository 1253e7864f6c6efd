"""Any command line, any preset file: it is taken, or it costs exit code 2, one line, and nothing else. No traceback.

Nothing is run: what would run the trials, or the claims, ends the command instead.
"""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NoReturn

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.cli import check as cli_check
from analysis.cli import scale as cli_scale
from analysis.cli.main import main
from analysis.presets.comparison import ALL_FIELDS
from analysis.presets.loading import PRESETS, preset_text
from analysis.running import executors
from analysis.tasks.solvers import SOLVERS
from toyenvs.constructions import CONSTRUCTIONS, EXTENSIONS
from toyenvs.hypothesis_classes import HYPOTHESIS_CLASSES
from toyenvs.learners import LEARNERS
from toyenvs.learners.optimizers import OPTIMIZERS
from toyenvs.replay.protocol import ACTIONS, GOALS

pytestmark = pytest.mark.usefixtures("unchecked_types", "_nothing_runs")


class ReachedError(Exception):
    """The input was taken: what comes next would run it."""


@pytest.fixture
def _nothing_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    def reached(*arguments: object, **named: object) -> NoReturn:
        raise ReachedError

    monkeypatch.setattr("analysis.pipeline.finish_questions", reached)
    monkeypatch.setattr(cli_check, "check_claims", reached)
    monkeypatch.setattr(executors, "_DASK_TIMEOUT", 0.05)


@contextmanager
def playground() -> Iterator[Path]:
    """A directory to stand in, with a file, a directory with something in it, and an experiment."""
    before = Path.cwd()
    with TemporaryDirectory() as directory:
        os.chdir(directory)
        try:
            Path("notes.txt").write_text("mine")
            Path("full").mkdir()
            Path("full/thesis.tex").write_text("mine")
            Path("my.toml").write_text('[[curves]]\nlabel = "A"\nlearner = "reengage"\ndim = [2, 3]\n')
            yield Path(directory)
        finally:
            os.chdir(before)


def contents(directory: Path) -> dict[str, bytes | None]:
    return {str(p.relative_to(directory)): p.read_bytes() if p.is_file() else None for p in directory.rglob("*")}


OUTCOMES = ("taken", "shown", "refused")


def outcome(arguments: list[str], directory: Path) -> str:
    """Whether it was "taken", "shown" or "refused"; anything else is a failure."""
    before = contents(directory)
    out, err = io.StringIO(), io.StringIO()
    code: object
    with redirect_stdout(out), redirect_stderr(err):
        try:
            code = main(arguments)
        except ReachedError:
            return "taken"
        except SystemExit as end:  # argparse leaves by itself
            code = end.code or 0
    if code == 0:  # --help, --version, --show-preset
        assert err.getvalue() == ""
        assert contents(directory) == before
        return "shown"
    assert code == 2, (code, err.getvalue())
    assert out.getvalue() == ""
    line = err.getvalue()
    assert re.fullmatch(r"reengage( scale| check| merge)?: error: [^\n]{8,}\n", line), line
    assert len(line.splitlines()) == 1, line
    assert contents(directory) == before
    return "refused"


JUNK = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="/\0"), max_size=12),
    st.sampled_from(
        [
            *["", "0", "-1", "1.5", "nan", "inf", "-inf", "1e400", "1e-400", "9" * 30, "9" * 5000, "--", "-", "[/b]"],
            *["٣", "1_0", " 2 ", "0x10", "true", "None", "x\ny", "x\u2028y", "{dim}", "$\\frac$", "%s", "%(prog)s"],
            *["a" * 300, "\udcff"],
        ]
    ),
)
INTEGERS = st.one_of(st.integers(-2, 70).map(str), JUNK)
REALS = st.one_of(st.floats(allow_nan=True).map(str), st.floats(0, 2).map(str), JUNK)


def names(known: Any, junk: st.SearchStrategy[str] = JUNK) -> st.SearchStrategy[str]:
    return st.one_of(st.sampled_from(sorted(known)), st.sampled_from(sorted(known)), junk)


def lists(items: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.lists(items, max_size=4).map(",".join)


PATHS = st.one_of(
    st.sampled_from(
        ["run", "new/run", "full", "notes.txt", "notes.txt/run", "my.toml", "nowhere", ".", "run[/b]", "ü"]
    ),
    JUNK,
)
EXECUTORS = names(["processes", "threads", "serial", "dask://127.0.0.1:1", "dask://[::1]:1", "dask://", "dask://x:0"])
OPTIONS: dict[str, st.SearchStrategy[str] | None] = {
    "--preset": names(PRESETS),
    "--show-preset": names(PRESETS),
    "--full": None,
    "--construction": names([*CONSTRUCTIONS, *EXTENSIONS]),
    "--group": names(HYPOTHESIS_CLASSES),
    "--dims": lists(INTEGERS),
    "--learners": lists(names(LEARNERS)),
    "--goals": names(GOALS),
    "--actions": names(ACTIONS),
    "--count": names(["transitions", "episodes"]),
    "--method": names(SOLVERS),
    "--optimizer": names(OPTIMIZERS),
    "--arithmetic": names(["auto", "double", "mixed"]),
    "--device": names(["cpu", "cuda", "cuda:99", "meta", "mps", "cpu:0", "xla", "cuda:-1"]),
    "--out": PATHS,
    "--executor": EXECUTORS,
    "--shard": st.one_of(st.tuples(INTEGERS, INTEGERS).map("/".join), JUNK),
    "--repair": None,
    "--quiet": None,
    "--strict": None,
    "--help": None,
    "--tau": JUNK,
    **{
        f"--{name}": INTEGERS
        for name in ("goal-dim", "steps-per-goal", "relabels", "minibatch", "max-steps", "restarts")
    },
    **{f"--{name}": INTEGERS for name in ("updates", "trials", "batch-size", "seed", "workers")},
    **{f"--{name}": REALS for name in ("epsilon", "discount", "noise", "alpha", "exploration", "precision")},
}


def options(known: dict[str, st.SearchStrategy[str] | None]) -> st.SearchStrategy[list[str]]:
    """One option with its value, as one argument or two, or without where it has none."""

    def one(name: str) -> st.SearchStrategy[list[str]]:
        values = known[name]
        if values is None:
            return st.just([name])
        return st.one_of(values.map(lambda value: [name, value]), values.map(lambda value: [f"{name}={value}"]))

    return st.sampled_from(sorted(known)).flatmap(one)


def command_lines(known: dict[str, st.SearchStrategy[str] | None]) -> st.SearchStrategy[list[str]]:
    parts = st.one_of(*[options(known)] * 5, PATHS.map(lambda path: [path]))
    return st.lists(parts, max_size=5).map(lambda found: [word for part in found for word in part])


def test_every_field_is_fuzzed() -> None:
    ours = {name.removeprefix("--").replace("-", "_") for name in OPTIONS}
    assert ALL_FIELDS.keys() - {"dim", "learner", "construction_source"} <= ours


@settings(max_examples=400)
@given(command_lines(OPTIONS))
def test_any_command_line_of_scale_is_taken_or_costs_one_line(arguments: list[str]) -> None:
    with playground() as directory:
        assert outcome(["scale", *arguments], directory) in OUTCOMES


VALID = {
    "--dims": st.lists(st.integers(2, 40), min_size=1, max_size=4, unique=True).map(lambda ds: ",".join(map(str, ds))),
    "--learners": st.lists(st.sampled_from(sorted(LEARNERS)), min_size=1, max_size=3, unique=True).map(",".join),
    "--trials": st.integers(1, 10**6).map(str),
    "--seed": st.integers(0, 2**63 - 1).map(str),
    "--epsilon": st.floats(1e-9, 1.99).map(str),
    "--discount": st.floats(0, 0.999).map(str),
    "--precision": st.floats(1e-6, 10).map(str),
    "--batch-size": st.integers(1, 10**4).map(str),
    "--max-steps": st.integers(1, 10**9).map(str),
    "--relabels": st.integers(1, 4096).map(str),
    "--noise": st.floats(0, 10).map(str),
    "--executor": st.sampled_from(["processes", "threads"]),
    "--workers": st.integers(1, 64).map(str),
    "--shard": st.integers(1, 9).flatmap(lambda n: st.integers(1, n).map(lambda i: f"{i}/{n}")),
    "--out": st.sampled_from(["run", "new/run", "ü", "run[/b]", "with blank", "\udcff", "a\nb"]),
    "--group": st.sampled_from(["so", "o"]),
}


@settings(max_examples=100)
@given(st.lists(options(VALID), max_size=6, unique_by=lambda part: re.split("=", part[0])[0]))
def test_what_is_allowed_is_taken(parts: list[list[str]]) -> None:
    with playground() as directory:
        assert outcome(["scale", "--quiet", *(word for part in parts for word in part)], directory) == "taken"
        assert len(list(directory.rglob("config.json"))) == 1


CHECK: dict[str, st.SearchStrategy[str] | None] = {
    "--claim": st.one_of(st.sampled_from(["P1.1", "P1.7,C.24", "S", "p2"]), JUNK),
    "--list": None,
    "--max-dim": INTEGERS,
    "--seed": INTEGERS,
    "--json": PATHS,
    "--latex": PATHS,
    "--notes": PATHS,
    "--workers": INTEGERS,
    "--quiet": None,
}


@settings(max_examples=100)
@given(command_lines(CHECK))
def test_any_command_line_of_check_is_taken_or_costs_one_line(arguments: list[str]) -> None:
    with playground() as directory:
        assert outcome(["check", *arguments], directory) in OUTCOMES


@settings(max_examples=100)
@given(st.lists(st.one_of(PATHS.map(lambda path: [path]), PATHS.map(lambda path: ["--out", path])), max_size=5))
def test_any_command_line_of_merge_costs_one_line(parts: list[list[str]]) -> None:
    with playground() as directory:
        arguments = ["merge", *(word for part in parts for word in part)]
        assert outcome(arguments, directory) == "refused"  # there is no run to merge


@settings(max_examples=50)
@given(st.lists(JUNK, max_size=4))
def test_any_words_cost_one_line(words: list[str]) -> None:
    with playground() as directory:
        assert outcome(words, directory) in ("shown", "refused")  # nothing runs without a command


# --- files -----------------------------------------------------------------------------------------------------

LINES = sorted({line for name in PRESETS for line in preset_text(name).splitlines() if line.strip()})
TOKENS = [*'[]{}"=,.#\\', "[[", "]]", "'''", "\\u", "1e999", "inf", "nan", "-0", "0x1"]
VALUES = [
    *("[]", "{}", '""', "true", "1979-05-27", "[[2]]", "[2, 2]"),
    *("9" * 40, '"d"', '"10**9**9"', '"so"', "1.5", '"[/b]"', "nan", "-1", '"d - 1"', '"error"', '"equal"', "[[]]"),
    *("{x = 1}", '[{x = 3, predicted = "d"}]', '["D"]', '["ddpg", 3]', '"{dim}"', '"global-solver"'),
]


@st.composite
def mutated_presets(draw: st.DrawFn) -> str:
    """One of our presets after a few changes of the kind that hands, editors and disks make."""
    lines = preset_text(draw(st.sampled_from(PRESETS))).splitlines()
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, max(0, len(lines) - 1)))
        change = draw(st.sampled_from(["drop", "double", "insert", "value", "token", "cut", "rename"]))
        line = lines[place] if lines else ""
        if change == "drop":
            del lines[place : place + 1]
        elif change == "double":
            lines.insert(place, line)
        elif change == "insert":
            lines.insert(place, draw(st.sampled_from(LINES)))
        elif change == "value":
            lines[place : place + 1] = [f"{line.partition('=')[0]}= {draw(st.sampled_from(VALUES))}"]
        elif change == "token":
            at = draw(st.integers(0, len(line)))
            lines[place : place + 1] = [line[:at] + draw(st.sampled_from(TOKENS)) + line[at:]]
        elif change == "cut":
            lines[place : place + 1] = [line[: draw(st.integers(0, len(line)))]]
        else:
            lines[place : place + 1] = [draw(st.sampled_from(list(ALL_FIELDS))) + " =" + line.partition("=")[2]]
    return "\n".join(lines) + "\n"


def check_file(content: bytes, *more: str) -> str:
    with playground() as directory:
        Path("fuzz.toml").write_bytes(content)
        return outcome(["scale", "fuzz.toml", "--out", "run", *more], directory)


@settings(max_examples=300)
@given(mutated_presets(), st.booleans())
def test_a_mutated_preset_is_taken_or_costs_one_line(text: str, full: bool) -> None:
    assert check_file(text.encode(), *(["--full"] if full else [])) in ("taken", "refused")


@settings(max_examples=50)
@given(st.one_of(st.binary(max_size=200), st.text(max_size=100).map(lambda text: text.encode(errors="replace"))))
def test_a_file_of_anything_is_taken_or_costs_one_line(content: bytes) -> None:
    assert check_file(content) == "refused"


# --- as a process ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [
        ["--out", "run[/b]\udcff"],
        pytest.param(["nowhere\n.toml"], marks=pytest.mark.slow),
        pytest.param(["--dims", "x\ny"], marks=pytest.mark.slow),
        pytest.param(["--out", "notes.txt\udcff/x", "--executor", "\x1b"], marks=pytest.mark.slow),
    ],
    ids=repr,
)
def test_names_that_no_terminal_can_show_cost_no_traceback(arguments: list[str], tmp_path: Path) -> None:
    root = Path(cli_scale.__file__).parents[2]
    words = ["scale", "--dims", "2", "--learners", "reengage", "--trials", "1", *arguments]
    done = subprocess.run(
        [sys.executable, "-m", "analysis", *words, *([] if "--executor" in words else ["--executor", "serial"])],
        capture_output=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(root), "PYTHONIOENCODING": "ascii"},
        check=False,
    )
    assert b"Traceback" not in done.stderr, done.stderr
    assert done.returncode in (0, 2)
    if done.returncode == 2:
        assert len(done.stderr.splitlines()) == 1
