"""The Python interface: run an experiment, or analyse counts of your own; typed results that become tables.

    from analysis import fit_scaling, fit_thresholds, run_sweep

    results = run_sweep(dims=(2, 4, 8), learners=("ddpg", "reengage"), trials=50)
    results.to_pandas()                      # a row a threshold
    results.scaling["DDPG"].best             # the law that fits best
    results.figure("phase-diagram").savefig("phase.pdf")

    thresholds = fit_thresholds({8: {30: (2, 50), 40: (31, 50), 60: (50, 50)}})
    thresholds[8].n50

In a notebook results show themselves as a table and a figure. pandas is needed by ``to_pandas`` alone.
"""

from __future__ import annotations

import html
import multiprocessing
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from typing_extensions import override

from analysis.errors import ConfigError, expected_one_of
from analysis.experiments.estimate import Verdict
from analysis.experiments.experiment import Experiment
from analysis.experiments.formula import FUNCTIONS, Formula, order_of_growth
from analysis.figures import VENUES, WIDTHS, Figure, paper_style, svg_element
from analysis.measures.threshold import smallest_text, threshold_text
from analysis.pipeline import run_experiment
from analysis.presets.comparison import ALL_FIELDS, compare_learners
from analysis.presets.loading import load_preset
from analysis.reports.figure_kinds import FIGURES
from analysis.reports.tables import table_cells
from analysis.results.experiment_results import ExperimentResults
from analysis.results.saved_run import load_results
from analysis.running.executors import open_executor, worker_count
from analysis.running.progress import ProgressDisplay
from analysis.running.sweep import TrialError
from analysis.statistics.counts import Counts
from analysis.statistics.scaling_law import CANDIDATE_LAWS, Law, Scaling
from analysis.statistics.scaling_law import fit_scaling as fit_laws
from analysis.statistics.threshold import Threshold, fit_threshold
from analysis.storage.run_directory import RunDirectory

_T = TypeVar("_T")

__all__ = ["SweepResults", "Thresholds", "fit_scaling", "fit_thresholds", "load_run", "run_sweep"]

_FIELDS = ALL_FIELDS.keys() - {"dim", "learner", "construction_source"}

_OWN_ARGUMENTS = ("dims", "learners", "out", "executor", "workers", "progress")

_LETTERS = {"d", "D", *FUNCTIONS}
"""What a law may be made of."""

_COLUMNS = ("dim", "n50", "n50_low", "n50_high", "n_min", "resolved", "censored", "trials")


def _frame(records: Sequence[Mapping[str, Any]], columns: Sequence[str] | None = None) -> Any:
    """A pandas DataFrame.

    Raises:
        ImportError: if pandas is not installed.
    """
    try:
        import pandas
    except ImportError:
        raise ImportError("to_pandas needs pandas: pip install pandas") from None
    return pandas.DataFrame(list(records), columns=None if columns is None else list(columns))


def _html_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    def line(tag: str, cells: Sequence[str]) -> str:
        return "<tr>" + "".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in cells) + "</tr>"

    return "<table>" + line("th", columns) + "".join(line("td", row) for row in rows) + "</table>"


class _ByCurve(dict[str, _T]):
    """What was found by curve; a key that is none says which there are."""

    def __missing__(self, key: object) -> _T:
        raise KeyError(f"{key!r} is no curve; there are: {', '.join(self)}")


@dataclass(frozen=True, repr=False)
class Thresholds(Mapping[int, Threshold]):
    """Thresholds by dimension: a mapping d -> :class:`analysis.statistics.threshold.Threshold`, increasing in d.

    Attributes:
        counts: what they were estimated from.
        by_dim: the estimates.
    """

    counts: Mapping[int, Counts]
    by_dim: Mapping[int, Threshold]

    @override
    def __getitem__(self, dim: int) -> Threshold:
        if dim not in self.by_dim:
            raise KeyError(f"{dim!r} was not measured; there are d = {', '.join(map(str, self.by_dim))}")
        return self.by_dim[dim]

    @override
    def __repr__(self) -> str:
        return "\n".join(f"d = {dim}: N50 {threshold_text(t)}, N_min {smallest_text(t)}" for dim, t in self.items())

    @override
    def __iter__(self) -> Iterator[int]:
        return iter(self.by_dim)

    @override
    def __len__(self) -> int:
        return len(self.by_dim)

    def to_pandas(self) -> Any:
        """A DataFrame with a row a dimension: d, N₅₀ and the ends of its 95 % interval, the smallest N, trials.

        Raises:
            ImportError: if pandas is not installed.
        """
        records = [{"dim": d, **{name: getattr(t, name) for name in _COLUMNS[1:]}} for d, t in self.items()]
        return _frame(records, _COLUMNS)

    def _repr_html_(self) -> str:
        rows = [
            [
                str(dim),
                threshold_text(t),
                smallest_text(t),
                str(t.trials),
            ]
            for dim, t in self.items()
        ]
        return _html_table(("d", "N50  [95 %]", "N_min", "trials"), rows)


@dataclass(frozen=True, repr=False)
class SweepResults:
    """What a finished experiment found.

    Attributes:
        results: everything, as the command line's reports use it.
    """

    results: ExperimentResults

    @property
    def experiment(self) -> Experiment:
        """What was measured."""
        return self.results.experiment

    @property
    def verdict(self) -> Verdict:
        """Whether it agrees with theory: ``status`` and a ``sentence``."""
        return self.results.verdict

    @property
    def thresholds(self) -> dict[str, Thresholds]:
        """Thresholds by curve (such as "DDPG") and d, for experiments along d.

        Raises:
            ValueError: if the experiment is along another axis, or measured errors.
        """
        points = [row for curve in self.results.curves for row in curve.points]
        if self.experiment.x != "dim" or any(row.estimate.fit is None for row in points):
            raise ValueError(f"{self.experiment.name} has no thresholds over d; use to_pandas()")
        found = _ByCurve[Thresholds]()
        for curve in self.results.curves:
            rows = {row.point.task.dim: row.estimate for row in curve.points}
            found[curve.curve.label] = Thresholds(
                {dim: one.counts for dim, one in rows.items() if one.counts is not None},
                {dim: one.fit for dim, one in rows.items() if one.fit is not None},
            )
        return found

    @property
    def scaling(self) -> dict[str, Scaling]:
        """The fitted laws by curve; those off the axis of dimensions are left out."""
        return _ByCurve(
            {curve.curve.label: curve.growth.scaling for curve in self.results.curves if curve.growth is not None}
        )

    def to_pandas(self) -> Any:
        """A DataFrame with the lines and columns of the run's CSV file (``thresholds.csv``, ``errors.csv``).

        Raises:
            ImportError: if pandas is not installed.
        """
        return _frame(
            [
                record
                for curve in self.results.curves
                for row in curve.points
                for record in row.point.measure.records(curve.curve, row)
            ]
        )

    def figure(self, kind: str = "complexity", *, venue: str = "aaai", width: str = "column") -> Figure:
        """One of the figures of ``reengage plot``, as matplotlib's object.

        Args:
            kind: key of :data:`analysis.reports.figure_kinds.FIGURES`.
            venue: key of :data:`analysis.figures.VENUES`.
            width: "column" or "text".

        Raises:
            ConfigError: if there is no such figure, venue or width, or this experiment has no such figure.
        """
        for name, value, allowed in (("figure", kind, FIGURES), ("venue", venue, VENUES), ("width", width, WIDTHS)):
            if value not in allowed:
                raise ConfigError(name, value, expected_one_of(value, allowed))
        FIGURES[kind].check(self.results, kind)
        with paper_style(venue, width):
            return FIGURES[kind].draw(self.results)

    @override
    def __repr__(self) -> str:
        lines = [self.experiment.title]
        for curve in self.results.curves:
            columns, rows = table_cells(curve, self.experiment.x)
            lines += ["", curve.curve.heading, *("  ".join(cell or "–" for cell in row) for row in (columns, *rows))]
        return "\n".join([*lines, "", self.verdict.sentence])

    def _repr_html_(self) -> str:
        parts = [
            f"<p>{html.escape(curve.curve.heading)}</p>{_html_table(*table_cells(curve, self.experiment.x))}"
            for curve in self.results.curves
        ]
        with paper_style():
            parts.append(svg_element(FIGURES["complexity"].draw(self.results)))
        return "".join([*parts, f"<p>{html.escape(self.verdict.sentence)}</p>"])


def run_sweep(
    experiment: Experiment | str | Path | None = None,
    *,
    dims: Sequence[int] | None = None,
    learners: Sequence[str] | None = None,
    out: str | Path | None = None,
    executor: Executor | str = "processes",
    workers: int | None = None,
    progress: bool = False,
    **fields: Any,
) -> SweepResults:
    """Measure thresholds and compare them with theory: ``reengage scale`` from Python.

    Args:
        experiment: what to measure, or the name of a preset, or an experiment's TOML file (a ``Path``, or a text that
            ends in ".toml"); None compares the learners over the dimensions.
        dims: d, each at least 2, for ``experiment`` None; None: 2 to 32.
        learners: keys of :data:`toyenvs.learners.LEARNERS`, likewise; None: DDPG and ReenGAGE.
        out: run directory, in which finished trials are kept and from which an interrupted run goes on; None keeps
            nothing.
        executor: where trials run: "processes", "threads", "serial", "dask://HOST:PORT", or any
            ``concurrent.futures.Executor`` whose workers compute with one thread each (results do not depend on it).
        workers: batches of trials under way at a time; None: the cores of this machine.
        progress: say on standard error how far it is, and about how long it will take.
        fields: other fields of a task, its measure or the search, such as ``trials`` or ``discount``; the
            construction may be a user-defined class. With a preset or a file, those that do not change what it predicts
            (:data:`analysis.presets.loading.OVERRIDES`).

    Returns:
        Thresholds, laws, verdict and figures.

    Raises:
        ConfigError: if a value cannot be used; nothing was run or written.
        StoreError: if ``out`` holds another run.
        TrialError: if trials failed; what was finished is kept in ``out``.

    Source: the searches are those of :mod:`analysis.measures.threshold_search`, the estimates of
    :mod:`analysis.statistics.threshold`.
    """
    for name in fields:
        if name not in _FIELDS:
            raise ConfigError(name, fields[name], expected_one_of(name, [*_OWN_ARGUMENTS, *sorted(_FIELDS)]))
    fields = {name: _plain(value) for name, value in fields.items()}
    if experiment is None:
        if dims is not None:
            fields["dims"] = _sequence("dims", dims, int, "(2, 3, 4)")
        if learners is not None:
            fields["learners"] = _sequence("learners", learners, str, "('ddpg', 'reengage')")
        experiment = compare_learners(**fields)
    elif dims is not None or learners is not None:
        name, value = ("learners", learners) if dims is None else ("dims", dims)
        raise ConfigError(name, value, "the experiment says that already")
    elif isinstance(experiment, str | Path):
        named = isinstance(experiment, str) and not experiment.endswith(".toml")
        experiment = load_preset(experiment if named else Path(experiment), overrides=fields)
    elif not isinstance(experiment, Experiment):
        raise ConfigError(
            "experiment", experiment, "expected an Experiment, a preset's name or the path of a TOML file"
        )
    elif fields:
        raise ConfigError(next(iter(fields)), fields[next(iter(fields))], "the experiment says that already")
    if executor == "processes":
        _require_importable_script()
    if not isinstance(executor, str | Executor):
        raise ConfigError("executor", executor, "expected a name such as 'processes', or a concurrent.futures.Executor")
    with ExitStack() as stack:
        if isinstance(executor, str):
            pool, count = stack.enter_context(open_executor(executor, workers))
        else:
            pool, count = executor, 2 if workers is None else worker_count(workers)
        display = stack.enter_context(ProgressDisplay(experiment, Console(stderr=True), quiet=not progress))
        try:
            finding = run_experiment(
                experiment,
                pool,
                count,
                directory=None if out is None else RunDirectory(Path(out), experiment),
                executor_name=executor if isinstance(executor, str) else "own",
                report=display,
            )
        except TrialError as error:
            if executor == "processes":
                error.add_note('in a script, run_sweep belongs under if __name__ == "__main__":')
            raise
    assert finding.results is not None, "all questions were asked"
    return SweepResults(finding.results)


def _require_importable_script() -> None:
    """Refuse worker processes where they cannot be started: each imports the script that starts it.

    Raises:
        ConfigError: if the script is no file.
        SystemExit: in a worker that is just importing the script, and would start workers of its own.
    """
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        raise SystemExit(
            'run_sweep: worker processes import this script; put what it does under if __name__ == "__main__":,'
            ' or use executor="threads"'
        )
    file = getattr(sys.modules["__main__"], "__file__", None)
    if file is not None and not Path(file).exists():
        raise ConfigError("executor", "processes", f"worker processes cannot import {file}; use 'threads'")


def _plain(value: Any) -> Any:
    """A number of numpy's as one of Python's."""
    return value.item() if isinstance(value, np.generic) else value


def _sequence(name: str, given: Any, kind: type, example: str) -> tuple[Any, ...]:
    """The values of a sequence.

    Raises:
        ConfigError: if it is none, or of something else.
    """
    values = None if isinstance(given, str) or not isinstance(given, Iterable) else tuple(map(_plain, given))
    if values is None or not all(type(value) is kind for value in values):
        raise ConfigError(name, given, f"expected a sequence such as {example}")
    return values


def load_run(run: str | Path) -> SweepResults:
    """The results of a finished run directory; nothing is measured, and nothing written.

    Args:
        run: the directory, as ``reengage scale`` or :func:`run_sweep` left it.

    Raises:
        ConfigError: if there is no run, it has not ended, or another version's engine made it.
        StoreError: if its store is damaged.
    """
    if not isinstance(run, str | Path):
        raise ConfigError("run", run, "expected the path of a run directory")
    return SweepResults(load_results(Path(run)))


def fit_thresholds(counts: Mapping[int, Counts | Mapping[int, tuple[int, int]]], *, level: float = 0.95) -> Thresholds:
    """Estimate N₅₀ at every dimension from counts of any experiment of yours.

    Args:
        counts: d -> counts, or d -> {N: (successes, trials)}.
        level: confidence level of the intervals, in (0, 1).

    Returns:
        Thresholds by d. Counts that never cross 1/2 give bounds (``censored``), not errors.

    Raises:
        ValueError: if counts are impossible or empty, or the level is not in (0, 1).

    Source: profile likelihood and Firth's estimate, :mod:`analysis.statistics.threshold`.
    """
    if not counts:
        raise ValueError("counts are empty; at least one dimension is needed")
    _require_level(level)
    made = {dim: _as_counts(dim, counts[dim]) for dim in _dims(counts)}
    return Thresholds(made, {dim: fit_threshold(one, level) for dim, one in made.items()})


def _require_level(level: Any) -> None:
    if isinstance(level, bool) or not isinstance(level, int | float):
        raise ValueError(f"level is {level!r}; must be a number strictly between 0 and 1")


def _dims(counts: Mapping[int, Any]) -> list[int]:
    """The dimensions, increasing.

    Raises:
        ValueError: if one is no whole number: JSON makes texts of them.
    """
    for dim in counts:
        if isinstance(dim, bool) or not isinstance(dim, int | np.integer):
            raise ValueError(f"counts hold dimension {dim!r}; expected a whole number")
    return sorted(counts)


def _as_counts(dim: int, given: Counts | Mapping[int, tuple[int, int]]) -> Counts:
    if isinstance(given, Counts):
        return given
    try:
        return Counts.from_cells(given)
    except (TypeError, IndexError):
        raise ValueError(f"counts at d = {dim}: expected {{N: (successes, trials)}}, not {given!r:.60}") from None
    except ValueError as error:
        raise ValueError(f"counts at d = {dim}: {error}") from None


def fit_scaling(
    counts: Thresholds | Mapping[int, Counts | Mapping[int, tuple[int, int]]],
    *,
    laws: Sequence[Law | str] = CANDIDATE_LAWS,
    level: float = 0.95,
) -> Scaling:
    """Fit laws of growth to the counts of one learner, and a power law beside them.

    Args:
        counts: of :func:`fit_thresholds`, or what that takes. The laws are fitted to the counts, not to the estimates.
        laws: candidates, with distinct names: formulas in d and D = d(d − 1)/2, such as "D + 1" or "d**2", or
            :class:`analysis.statistics.scaling_law.Law`; d − 1, d, D + 1 and d² if none are given. A constant in front
            makes no difference, it is fitted.
        level: confidence level of the intervals, in (0, 1).

    Returns:
        The fits with their weights; with a ``reason`` and no fit if fewer than three dimensions have a threshold.

    Raises:
        ValueError: if counts are impossible, a dimension is below 2, the level is not in (0, 1), or laws share a name.

    Source: :mod:`analysis.statistics.scaling_law`.
    """
    given = counts.counts if isinstance(counts, Thresholds) else counts
    if isinstance(laws, str):
        raise ConfigError("laws", laws, "expected a sequence such as ('d - 1', 'D + 1')")
    _require_level(level)
    made = [law if isinstance(law, Law) else _law(law) for law in laws]
    return fit_laws({dim: _as_counts(dim, given[dim]) for dim in _dims(given)}, made, level)


def _law(text: Any) -> Law:
    """A law by a formula; blanks do not make another one of it.

    Raises:
        ConfigError: if it is no formula of d and D.
    """
    if not isinstance(text, str):
        raise ConfigError("laws", text, "expected formulas in d and D, or analysis.statistics.scaling_law.Law")
    name = "".join(text.split())
    formula = Formula(name, "laws")
    foreign = sorted(set(re.findall(r"[A-Za-z_]\w*", name)) - _LETTERS)
    if foreign:
        raise ConfigError("laws", text, f"expected a formula in d and D, without {', '.join(foreign)}")
    values = _Values(formula)

    def known(dim: int) -> float | None:
        try:
            return values.at(dim)
        except ConfigError:  # too large a number there
            return None

    values.at(2)
    order = order_of_growth(known)
    assert order is not None, "a formula has a value somewhere"
    return Law(name, order, values)


@dataclass(frozen=True)
class _Values:
    """The values of a law that is a formula in d and D; a class, so that results of fits can be pickled."""

    formula: Formula

    def at(self, dim: int) -> float:
        return self.formula.value({"d": dim, "D": dim * (dim - 1) // 2})

    def __call__(self, dims: Iterable[float]) -> NDArray[np.float64]:
        return np.array([self.at(int(d)) for d in dims], dtype=np.float64)
