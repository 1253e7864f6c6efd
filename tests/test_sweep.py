"""The sweep as a whole: one result whatever the executor, the order, the interruptions."""

from __future__ import annotations

import csv
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Executor, Future, ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from typing_extensions import override

from analysis.experiments.experiment import Experiment
from analysis.experiments.plan import Search
from analysis.measures import ThresholdMeasure
from analysis.presets.comparison import compare_learners
from analysis.presets.loading import make_experiment
from analysis.reports.tables import csv_files
from analysis.results.experiment_results import ExperimentResults
from analysis.running.sweep import SweepEvent, TrialError, Unfinished, finish_questions, replay
from analysis.storage.store import PAGE_SIZE, Store, identities
from analysis.tasks import Batch

LEARNERS = ("ddpg", "reengage")
EXPERIMENT = compare_learners((2, 3), LEARNERS, trials=25)
NOISY = make_experiment(
    "noisy",
    {
        "measure": "error",
        "sizes": ["4*D", "16*D"],
        "common": {"method": "global-solver", "noise": 0.05, "actions": "sphere", "dim": [2, 3], "trials": 20},
        "curves": [
            {"label": "gradients", "learner": "gradient-only", "predicted": "D*d*sigma**2", "expect": "within"},
            {"label": "both", "learner": "reengage"},
        ],
    },
    overrides={"batch_size": 8},
)

pytestmark = pytest.mark.usefixtures("unchecked_module")


class InlineExecutor(Executor):
    """Runs every call at once, in this process."""

    @override
    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_result(fn(*args, **kwargs))
        return future


class NoExecutor(Executor):
    """Has nothing to do."""

    @override
    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        raise AssertionError(f"asked to run {args}")


class FailingExecutor(InlineExecutor):
    """Runs so many calls; the next one raises, as a learner might."""

    def __init__(self, calls: int, error: Exception) -> None:
        self.calls, self.error = calls, error

    @override
    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        if self.calls > 0:
            self.calls -= 1
            return super().submit(fn, *args, **kwargs)
        future: Future[Any] = Future()
        future.set_exception(self.error)
        return future


class JitteringExecutor(ThreadPoolExecutor):
    """Starts every call after a random delay: completion out of order."""

    def __init__(self, workers: int, seed: int) -> None:
        super().__init__(workers)
        self._delays = random.Random(seed)

    @override
    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        delay = self._delays.uniform(0, 0.05)

        def late() -> Any:
            time.sleep(delay)
            return fn(*args, **kwargs)

        return super().submit(late)


def sweep(path: Path, executor: Executor, workers: int = 2, experiment: Experiment = EXPERIMENT) -> str:
    """The measure's CSV file."""
    with Store(path, identities(experiment.tasks)) as store:
        answers = finish_questions(experiment, store, executor, workers)
        return csv_files(ExperimentResults.from_answers(experiment, answers))[experiment.measure.file]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The thresholds of a sweep in this process that nothing interrupted."""
    return sweep(tmp_path_factory.mktemp("undisturbed") / "s.sqlite", InlineExecutor())


def test_the_thresholds_are_those_of_theory(undisturbed: str) -> None:
    rows = list(csv.DictReader(undisturbed.splitlines()))
    reengage = {int(row["dim"]): int(row["n_min"]) for row in rows if row["learner"] == "reengage"}
    assert reengage == {2: 1, 3: 2}
    ddpg = {int(row["dim"]): float(row["n50"]) for row in rows if row["learner"] == "ddpg"}
    # D + 1 = 4; descent gets stuck in local minima, so it needs more, but no more than d² equations.
    assert 3 <= ddpg[3] <= 9


def test_the_order_of_completion_does_not_matter(undisturbed: str, tmp_path: Path) -> None:
    with JitteringExecutor(3, seed=1) as pool:
        assert sweep(tmp_path / "s.sqlite", pool, workers=3) == undisturbed


def test_an_interrupted_sweep_goes_on(undisturbed: str, tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    saved = []
    for stop_after in (3, 10, 21):
        events = 0

        def interrupt(event: SweepEvent, stop_after: int = stop_after) -> None:
            nonlocal events
            events += event.batch is not None
            if events >= stop_after:
                raise KeyboardInterrupt

        with Store(path, identities(EXPERIMENT.tasks)) as store:
            with pytest.raises(KeyboardInterrupt):
                finish_questions(EXPERIMENT, store, InlineExecutor(), 2, interrupt)
            saved.append(len(store))
    assert 0 < saved[0] < saved[1] <= saved[2]
    assert sweep(path, InlineExecutor()) == undisturbed


def test_nothing_is_run_again(undisturbed: str, tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    assert sweep(path, InlineExecutor()) == undisturbed
    replayed = {}
    with Store(path, identities(EXPERIMENT.tasks)) as store:
        for question in EXPERIMENT.questions:
            replayed[question] = replay(question.measure.plan(question.task), store.load)
        assert replayed == finish_questions(EXPERIMENT, store, NoExecutor(), 2)
    with pytest.raises(Unfinished):
        replay(question.measure.plan(question.task), lambda batch: None)


def test_a_store_in_memory_gives_the_same_as_a_file(undisturbed: str) -> None:
    store = Store(Path(":memory:"), identities(EXPERIMENT.tasks))
    for executor in (InlineExecutor(), NoExecutor()):
        answers = finish_questions(EXPERIMENT, store, executor, 2)
        files = csv_files(ExperimentResults.from_answers(EXPERIMENT, answers))
        assert files["thresholds.csv"] == undisturbed
    assert len(store) == sum(len(answer.rows) for answer in answers.values())


class CountingExecutor(InlineExecutor):
    """Remembers the batches that it ran."""

    def __init__(self) -> None:
        self.batches: list[Batch] = []

    @override
    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        self.batches += args
        return super().submit(fn, *args, **kwargs)


def test_more_trials_and_another_precision_run_what_is_missing_and_nothing_else(tmp_path: Path) -> None:
    """`--trials 200` after 100, in small: the results are those of a fresh run."""
    less, more = (
        compare_learners((3,), ("ddpg",), trials=trials, precision=precision)
        for trials, precision in ((25, 0.3), (50, 0.2))
    )
    assert less.tasks == more.tasks
    first, second, fresh = CountingExecutor(), CountingExecutor(), CountingExecutor()
    before = sweep(tmp_path / "s.sqlite", first, experiment=less)
    found = sweep(tmp_path / "s.sqlite", second, experiment=more)
    assert found == sweep(tmp_path / "fresh.sqlite", fresh, experiment=more)
    assert len(set(fresh.batches)) == len(fresh.batches)
    assert {*second.batches} == {*fresh.batches} - {*first.batches}
    assert 0 < len(second.batches) < len(fresh.batches)
    # And back: what the shorter run asks for is all there.
    assert sweep(tmp_path / "s.sqlite", NoExecutor(), experiment=less) == before


def test_another_epsilon_is_another_reading_of_the_same_trials(tmp_path: Path) -> None:
    """Where a rotation is found it is found to many digits, so searches for both ε ask for the same batches."""
    strict, loose = (compare_learners((3, 4), ("reengage",), trials=25, epsilon=epsilon) for epsilon in (1e-6, 1e-5))
    found = sweep(tmp_path / "s.sqlite", InlineExecutor(), experiment=loose)
    assert sweep(tmp_path / "s.sqlite", NoExecutor(), experiment=strict) == found
    # Far apart they differ, and are those of fresh runs all the same.
    far = compare_learners((3, 4), ("reengage",), trials=25, epsilon=1.5)
    again = sweep(tmp_path / "s.sqlite", InlineExecutor(), experiment=far)
    assert again == sweep(tmp_path / "fresh.sqlite", InlineExecutor(), experiment=far)
    assert again != found


def test_questions_about_one_task_share_every_trial(tmp_path: Path) -> None:
    """Two ε in one experiment: each batch runs once, also where both wait for it at the same time."""
    curve = compare_learners((2, 3), ("reengage",), trials=25).curves[0]
    measures = [ThresholdMeasure(epsilon=epsilon, search=Search(trials=25)) for epsilon in (1e-6, 0.01, 1.5)]
    curves = [
        replace(curve, label=f"{m.epsilon:g}", points=tuple(replace(point, measure=m) for point in curve.points))
        for m in measures
    ]
    together = Experiment("t", "t", "dim", tuple(curves))
    assert (len(together.questions), len(together.tasks)) == (6, 2)
    executor = CountingExecutor()
    rows = list(csv.DictReader(sweep(tmp_path / "s.sqlite", executor, experiment=together).splitlines()))
    assert len(set(executor.batches)) == len(executor.batches)
    with JitteringExecutor(3, seed=3) as pool:
        jittered = sweep(tmp_path / "jitter.sqlite", pool, workers=3, experiment=together)
    assert list(csv.DictReader(jittered.splitlines())) == rows
    for number, one in enumerate(curves):
        alone = replace(together, curves=(one,))
        assert len(alone.questions) == 2
        expected = sweep(tmp_path / f"{number}.sqlite", InlineExecutor(), experiment=alone)
        assert list(csv.DictReader(expected.splitlines())) == rows[2 * number : 2 * number + 2]


@pytest.mark.slow
def test_another_batch_size_agrees_within_the_intervals(undisturbed: str, tmp_path: Path) -> None:
    other = compare_learners((2, 3), LEARNERS, trials=40, batch_size=20)
    rows = list(csv.DictReader(undisturbed.splitlines()))
    others = list(csv.DictReader(sweep(tmp_path / "s.sqlite", InlineExecutor(), experiment=other).splitlines()))
    compared = 0
    for row, twin in zip(rows, others, strict=True):
        assert (row["learner"], row["dim"]) == (twin["learner"], twin["dim"])
        if row["learner"] == "reengage":
            assert row["n_min"] == twin["n_min"]
        elif not row["censored"] and not twin["censored"]:
            assert float(row["n50_low"]) <= float(twin["n50_high"])
            assert float(twin["n50_low"]) <= float(row["n50_high"])
            compared += 1
    assert compared >= 1


@pytest.fixture(scope="module")
def undisturbed_errors(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The errors of an experiment at fixed N, in this process, that nothing interrupted."""
    return sweep(tmp_path_factory.mktemp("errors") / "s.sqlite", InlineExecutor(), experiment=NOISY)


def test_errors_are_measured_at_the_given_sizes(undisturbed_errors: str) -> None:
    rows = list(csv.DictReader(undisturbed_errors.splitlines()))
    # D = 1 and 3: N = 4D and 16D for each of two learners.
    assert [(row["curve"], row["dim"], row["num_transitions"]) for row in rows] == [
        (label, str(dim), str(n)) for label in ("gradients", "both") for dim, n in ((2, 4), (2, 16), (3, 12), (3, 48))
    ]
    assert all((row["trials"], row["failed"]) == ("20", "0") for row in rows)
    for row in rows:
        assert float(row["low"]) < float(row["mean_squared_error"]) < float(row["high"])
        if row["curve"] == "gradients":
            # D·d·σ² exactly, to first order in σ; a mean of 20 χ² of D degrees: 5 standard errors.
            dim = int(row["dim"])
            degrees = dim * (dim - 1) / 2
            assert float(row["predicted"]) == pytest.approx(degrees * dim * 0.05**2)
            assert float(row["ratio"]) == pytest.approx(1, abs=5 * (2 / degrees / 20) ** 0.5)


def test_neither_executor_nor_interruption_matters_to_errors(undisturbed_errors: str, tmp_path: Path) -> None:
    with JitteringExecutor(3, seed=2) as pool:
        assert sweep(tmp_path / "jitter.sqlite", pool, workers=3, experiment=NOISY) == undisturbed_errors
    path = tmp_path / "s.sqlite"
    events = 0

    def interrupt(event: SweepEvent) -> None:
        nonlocal events
        events += event.batch is not None
        if events == 7:
            raise KeyboardInterrupt

    with Store(path, identities(NOISY.tasks)) as store:
        with pytest.raises(KeyboardInterrupt):
            finish_questions(NOISY, store, InlineExecutor(), 2, interrupt)
        assert 0 < len(store) < 2 * 4 * 20
    assert sweep(path, InlineExecutor(), experiment=NOISY) == undisturbed_errors
    assert sweep(path, NoExecutor(), experiment=NOISY) == undisturbed_errors


def test_a_question_on_two_curves_is_answered_once(tmp_path: Path) -> None:
    table: dict[str, Any] = {
        "common": {"dim": [2, 3], "learner": "reengage", "trials": 12},
        "curves": [{"label": "one", "predicted": "d - 1"}, {"label": "other", "predicted": "d"}],
    }
    twice, once = (make_experiment("t", {**table, "curves": table["curves"][:n]}) for n in (2, 1))
    assert len(twice.points) == 4
    assert len(twice.questions) == 2
    rows = list(csv.DictReader(sweep(tmp_path / "a.sqlite", InlineExecutor(), experiment=twice).splitlines()))
    alone = list(csv.DictReader(sweep(tmp_path / "b.sqlite", InlineExecutor(), experiment=once).splitlines()))
    assert rows[:2] == alone
    for row, other in zip(rows[:2], rows[2:], strict=True):
        assert {name for name in row if row[name] != other[name]} == {"curve", "predicted", "ratio"}
    with Store(tmp_path / "a.sqlite", identities(twice.tasks)) as store:
        assert len(store) == sum(int(row["trials"]) for row in alone)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ValueError("a matrix\nis singular"), "ValueError: a matrix is singular"),
        (BrokenExecutor(), "BrokenExecutor: a worker process was ended, perhaps for lack of memory"),
    ],
)
def test_a_failing_batch_is_named_and_what_came_before_it_is_kept(
    error: Exception, reason: str, tmp_path: Path
) -> None:
    with Store(tmp_path / "sweep.sqlite", identities(EXPERIMENT.tasks)) as store:
        with pytest.raises(
            TrialError, match=r"^trials \d+ to \d+ of (ddpg|reengage), descent, d = \d, N = \d+ failed"
        ) as raised:
            finish_questions(EXPERIMENT, store, FailingExecutor(3, error), workers=2)
        assert reason in str(raised.value)
        assert raised.value.__cause__ is error
        assert "\n" not in str(raised.value)
        assert len(store) == 3 * 8


class AtOnceExecutor(Executor):
    """Runs nothing until so many calls wait, then all of them, and fails in the first."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.waiting: list[tuple[Future[Any], Callable[..., Any], tuple[Any, ...]]] = []

    @override
    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        self.waiting.append((Future(), fn, args))
        future = self.waiting[-1][0]
        if len(self.waiting) == self.number:
            (failing, _, _), *others = self.waiting
            for other, call, given in others:
                other.set_result(call(*given))
            failing.set_exception(ValueError("too bad"))
        return future


def test_what_ends_together_with_a_failure_is_kept(tmp_path: Path) -> None:
    with Store(tmp_path / "sweep.sqlite", identities(EXPERIMENT.tasks)) as store:
        with pytest.raises(TrialError, match="too bad"):
            finish_questions(EXPERIMENT, store, AtOnceExecutor(3), workers=2)
        assert len(store) == 2 * 8


def command(out: Path) -> list[str]:
    return [
        *(sys.executable, "-m", "analysis", "scale", "--dims", "2,3,4", "--learners", "ddpg", "--trials", "16"),
        *("--out", str(out), "--workers", "2"),
    ]


def wait_for_growth(store: Path, size: int) -> None:
    """Until batches were added to the store: it is larger by a page or more."""
    for _ in range(6000):
        if store.exists() and store.stat().st_size > size + PAGE_SIZE:
            return
        time.sleep(0.01)
    raise AssertionError("no trial was stored within a minute")


# `make test-faults` sends each of them dozens of times.
def test_a_command_goes_on_where_it_was_killed_and_interrupted(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    out, store = tmp_path / "run", tmp_path / "run/sweep.sqlite"
    Store(tmp_path / "empty.sqlite", identities(compare_learners((2, 3, 4), ("ddpg",)).tasks)).close()
    size = (tmp_path / "empty.sqlite").stat().st_size
    for signal_number in (signal.SIGKILL, signal.SIGTERM, signal.SIGINT):
        with subprocess.Popen(
            command(out),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
            # A shell makes its background jobs ignore SIGINT, and the tests may run in one.
            preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
        ) as driver:
            assert driver.stdout is not None
            assert driver.stderr is not None
            wait_for_growth(store, size)
            driver.send_signal(signal_number)
            told, complaints = driver.stdout.read(), driver.stderr.read()
            code = driver.wait(timeout=60)
        assert not (out / "thresholds.csv").exists()
        size = store.stat().st_size
        if signal_number == signal.SIGKILL:
            assert code == -signal.SIGKILL
        else:
            assert "trials are there already" in told
            assert code == 130
            assert complaints == ""
            assert "run the same command again to" in told
    again = subprocess.run(command(out), check=True, capture_output=True, text=True, env=environment)
    assert "trials are there already" in again.stdout
    undisturbed = tmp_path / "undisturbed"
    subprocess.run(command(undisturbed), check=True, capture_output=True)
    for name in ("thresholds.csv", "scaling.csv", "summary.json", "table.tex", "figures/complexity.pdf"):
        assert (out / name).read_bytes() == (undisturbed / name).read_bytes(), name
