"""The command ``reengage scale``: its arguments, and what it does."""

from __future__ import annotations

import argparse
import re
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console

from analysis.cli.exit_codes import EXIT_DONE, EXIT_FAILED, EXIT_INTERRUPTED, EXIT_NOT_AS_ASKED, complain
from analysis.errors import ConfigError
from analysis.experiments.experiment import Experiment, Question
from analysis.pipeline import run_experiment
from analysis.presets.comparison import ALL_FIELDS, DIMS, compare_learners
from analysis.presets.loading import PRESETS, load_preset, preset_text, preset_title, require_overrides
from analysis.reports.report import print_report
from analysis.running.executors import EXECUTORS, open_executor
from analysis.running.progress import ProgressDisplay
from analysis.running.sweep import TrialError
from analysis.storage.run_directory import RunDirectory
from analysis.storage.store import Store
from analysis.tasks.solvers import SOLVERS
from toyenvs.constructions import CONSTRUCTIONS, EXTENSIONS
from toyenvs.hypothesis_classes import HYPOTHESIS_CLASSES
from toyenvs.learners import LEARNERS
from toyenvs.learners.optimizers import OPTIMIZERS
from toyenvs.replay.protocol import ACTIONS, GOALS

__all__ = ["DESCRIPTION", "EXAMPLES", "add_arguments", "make_experiment", "run", "shard_of"]

DEFAULT_LEARNERS = ("ddpg", "reengage")


def _integers(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not allowed; expected integers >= 2 with commas between them, such as 2,4,8"
        ) from None


def _shard(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"([0-9]{1,6})/([0-9]{1,6})", text)
    if not match or not 1 <= int(match[1]) <= int(match[2]):
        raise argparse.ArgumentTypeError(f"{text!r} is not allowed; expected I/N with 1 <= I <= N, such as 3/8")
    return int(match[1]), int(match[2])


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.split(","))


DESCRIPTION = """\
Measure how many replay transitions a learner needs, as a function of the dimension d.

For every learner and dimension the command searches the number of transitions N at which half of the trials
succeed (N50). A trial draws an unknown rotation U, a buffer of N transitions and a starting point; it succeeds
when the learned policy is epsilon-optimal for every goal. The thresholds are then compared with theory
(D+1 for DDPG, D = d(d-1)/2, and d-1 for ReenGAGE on SO(d)) and with the laws d-1, d, D+1 and d^2.

How a loss is minimised is part of what is measured (--method): one descent run; the global solver, which is the best
that any optimiser of that loss could do, so that it shows what the data determine; and weaker convex methods.
"""

_PRESET_LIST = "\n".join(f"  {name:<15} {preset_title(name)}" for name in PRESETS)

EXAMPLES = f"""\
examples:
  reengage scale                                        the paper's comparison, Proposition 1
  reengage scale --construction no-reward-gradient      Proposition 2: every threshold about doubles
  reengage scale --group o --dims 2,4,8                 reflections allowed: ReenGAGE needs d
  reengage scale --dims 4,8,16 --optimizer gradient     another optimiser, another threshold
  reengage scale --dims 2,3,4,5 --method global-solver  what the data determine: the integers D+1 and d-1
  reengage scale --preset relabelling                   a whole experiment: figure, table, verdict; --full for papers
  reengage scale --executor dask://localhost:8786       on a Dask cluster
  reengage scale --dims 64,128 --shard 3/8              the third of eight jobs; join them with reengage merge
  reengage scale --construction mine.py:Drift           four formulas of yours: thresholds, predictions by exact ranks
  reengage scale my.toml                                an experiment of your own; --show-preset NAME prints one to copy

presets (each under ten minutes on two cores):
{_PRESET_LIST}

columns of the report:
  N50, N90      transitions at which the fitted success probability is 1/2 and 9/10
  N_min         smallest whole N with success probability at least 1/2; with a ~ it is N50 rounded up
  theory        smallest N that determines the rotation; ratio is N_min over theory
  starts        starting points that the global solver used in a trial, on average
  ended by      resolved: exact tests put N-1 below 1/2 and N above; precision: N50 is known well enough;
                budget: trials spent (--trials at any one N, 12 times as many in all);
                censored: 1/2 is crossed outside of the N that were tried, and N50 is a bound

verdicts: agrees and disagrees are about every curve of which something is expected; undecided means that the data
leave it open (points not resolved, or dimensions too few to tell laws apart), and more trials or dimensions may help

Interrupt it at any time: finished trials are kept; run the same command again to continue, with more --trials,
another --precision or another --epsilon if you like: only what is missing is run. That holds for a killed worker,
a full disk and a power cut, too; a store that something else has damaged is refused, and --repair saves what is whole.
The results are the same bytes on any executor with any number of workers.

files in the run directory:
  thresholds.csv scaling.csv summary.json               results (errors.csv where errors are measured)
  table.tex table.md                                    the same as tables, for LaTeX and Markdown
  figures/*.pdf *.svg *.png                             the figure
  sweep.sqlite config.json provenance.json              every trial, the settings, versions and machine
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""

    def add(group: argparse._ArgumentGroup, name: str, kind: Callable[[str], Any], metavar: str, text: str) -> None:
        value = ALL_FIELDS[name]
        note = "" if value is None else f" (default: {value})"
        group.add_argument(
            "--" + name.replace("_", "-"), type=kind, default=argparse.SUPPRESS, metavar=metavar, help=text + note
        )

    whole = parser.add_argument_group("a whole experiment")
    whole.add_argument("file", nargs="?", type=Path, metavar="FILE.toml", help="an experiment of your own")
    whole.add_argument("--preset", metavar="NAME", help=f"one of ours: {', '.join(PRESETS)}")
    whole.add_argument("--full", action="store_true", help="the paper's size of a preset, not the quick one")
    whole.add_argument("--show-preset", metavar="NAME", help="print a preset's file, to start your own from, and end")
    what = parser.add_argument_group("what is measured")
    add(
        what,
        "construction",
        str,
        "NAME",
        f"environment family: {', '.join(CONSTRUCTIONS | EXTENSIONS)}; or a user-defined one, path/to/file.py:Class"
        " (reengage new-construction writes one to start from)",
    )
    add(what, "group", str, "NAME", f"hypothesis class: {', '.join(HYPOTHESIS_CLASSES)}")
    what.add_argument(
        "--dims",
        type=_integers,
        default=argparse.SUPPRESS,
        metavar="D,D,...",
        help=f"dimensions, each at least 2 (default: {','.join(map(str, DIMS))})",
    )
    what.add_argument(
        "--learners",
        type=_names,
        default=argparse.SUPPRESS,
        metavar="NAME,...",
        help=f"learners: {', '.join(LEARNERS)} (default: {','.join(DEFAULT_LEARNERS)})",
    )
    add(what, "epsilon", float, "EPS", "largest regret, at any unit goal, of a policy that succeeds; 0 < EPS < 2")
    add(what, "discount", float, "GAMMA", "discount factor, 0 <= GAMMA < 1")
    data = parser.add_argument_group("what the buffer holds")
    add(data, "steps_per_goal", int, "T", "transitions between two fresh goals")
    add(data, "relabels", int, "K", "goals that each transition is stored with")
    add(data, "goals", str, "KIND", f"how goals are drawn: {', '.join(GOALS)}")
    add(data, "actions", str, "KIND", f"how actions are drawn: {', '.join(ACTIONS)}")
    add(data, "noise", float, "SIGMA", "standard deviation of the noise in each coordinate of s'")
    add(data, "goal_dim", int, "K", "dimension of goals, for the construction projected-goal")
    add(data, "count", str, "UNIT", "what N counts: transitions, or episodes of T of them")
    how = parser.add_argument_group("how it is learned")
    add(how, "method", str, "NAME", f"how the loss is minimised: {', '.join(SOLVERS)}")
    add(how, "alpha", float, "A", "weight of ReenGAGE's goal-gradient loss (the paper's is A/d)")
    add(how, "optimizer", str, "NAME", f"Riemannian optimiser of a descent: {', '.join(OPTIMIZERS)}")
    add(how, "minibatch", int, "M", "transitions a step (default: the whole buffer)")
    add(how, "max_steps", int, "S", "budget of optimiser steps of one descent run")
    add(how, "arithmetic", str, "A", "of descent: auto (mixed from d = 32 on), double, mixed: single precision first")
    add(how, "restarts", int, "R", "most starting points of a global solver")
    add(how, "exploration", float, "X", "size of an online agent's exploration noise, relative to a unit action")
    add(how, "updates", int, "U", "descent steps of an online agent after each transition")
    much = parser.add_argument_group("how precisely")
    add(much, "trials", int, "K", "most trials at any one N; a search spends up to 12 times as many in all")
    add(much, "precision", float, "P", "stop a search when log N50 is known to within P, at 95 %% confidence")
    add(much, "batch_size", int, "B", "trials that run together; changes results in the last digits only")
    add(much, "seed", int, "SEED", "of all randomness")
    where = parser.add_argument_group("where it runs")
    where.add_argument(
        "--out", type=Path, metavar="DIR", help="run directory (default: a name for the settings, in runs/)"
    )
    where.add_argument(
        "--executor",
        default="processes",
        metavar="NAME",
        help="; ".join(f"{name}: {text}" for name, text in EXECUTORS.items()) + " (default: processes)",
    )
    where.add_argument(
        "--workers",
        type=int,
        metavar="W",
        help="processes or threads (default: the cores of this machine), or batches that a Dask cluster has at a time"
        " (default: its threads); the results do not depend on it",
    )
    add(where, "device", str, "DEV", "torch device of the learners")
    where.add_argument(
        "--shard",
        type=_shard,
        metavar="I/N",
        help="only every N-th search, beginning with the I-th, and no report: for array jobs, see reengage merge",
    )
    where.add_argument(
        "--repair",
        action="store_true",
        help="if the store is damaged: keep it aside, save the trials in it that are whole, and run the rest again",
    )
    where.add_argument("--quiet", action="store_true", help="no progress, only the report")
    where.add_argument(
        "--strict",
        action="store_true",
        help="exit with 1 if a threshold is censored, a trial diverged or ran out of steps, or theory is not confirmed",
    )


def make_experiment(arguments: argparse.Namespace) -> Experiment:
    """The experiment that a command line asks for.

    Raises:
        ConfigError: if it asks for something impossible.
    """
    given = vars(arguments)
    chosen = {name: given[name] for name in ALL_FIELDS if name in given and name != "construction_source"}
    preset, file = given.get("preset"), given.get("file")
    source = preset if file is None else file
    if source is None:
        if given.get("full"):
            raise ConfigError("full", True, "it belongs to a preset; give one with --preset")
        dims, learners = given.get("dims", DIMS), given.get("learners", DEFAULT_LEARNERS)
        return compare_learners(dims, learners, **chosen)
    if preset is not None and file is not None:
        raise ConfigError("preset", preset, f"{file} is an experiment already; give one of the two")
    lists: dict[str, Any] = {name: given[name] for name in ("dims", "learners") if name in given}
    if file is not None and lists and file.suffix != ".toml":
        raise ConfigError("FILE.toml", str(file), "expected a .toml file; lists are written without blanks: 2,3,4")
    require_overrides(lists)
    return load_preset(source, full=given.get("full", False), overrides=chosen)


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Measure; returns the exit code."""
    if arguments.show_preset is not None:
        try:
            text = preset_text(arguments.show_preset)
        except ConfigError as error:
            raise error.renamed({"preset": "show_preset"}) from None
        console.print(text, highlight=False, markup=False, end="")
        return EXIT_DONE
    experiment = make_experiment(arguments)
    shard = arguments.shard
    only = experiment.questions if shard is None else shard_of(experiment, shard)
    name = experiment.default_name() + ("" if shard is None else f"-shard-{shard[0]}-of-{shard[1]}")
    directory = RunDirectory(arguments.out or Path("runs") / name, experiment)
    stores: list[Store] = []

    def opened(store: Store) -> None:
        stores.append(store)
        if len(store):
            console.print(f"{len(store)} trials are there already in {directory.path}", highlight=False)

    try:
        with open_executor(arguments.executor, arguments.workers) as (executor, workers):
            if arguments.repair:
                _repair(directory, console)
            with ProgressDisplay(experiment, console, arguments.quiet, only) as display:
                finding = run_experiment(
                    experiment,
                    executor,
                    workers,
                    directory=directory,
                    executor_name=arguments.executor,
                    report=display,
                    only=only,
                    opened=opened,
                )
    except KeyboardInterrupt:
        if not stores:
            raise
        console.print(
            f"interrupted: {len(stores[0])} trials are kept in {directory.path}; run the same command again to"
            " continue",
            highlight=False,
        )
        return EXIT_INTERRUPTED
    except (TrialError, sqlite3.Error, OSError) as error:
        if isinstance(error, BrokenPipeError):
            raise  # nobody reads what is printed
        kept = len(stores[0]) if stores else 0
        complain("scale", f"{error}; {kept} finished trials are kept in {directory.path}")
        return EXIT_FAILED
    if finding.results is None:
        console.print(
            f"{finding.answered} of {len(experiment.questions)} searches are done: {len(stores[0])} trials in"
            f" {directory.path}; join the shards with reengage merge, then run the same command without --shard on"
            " what comes of it",
            highlight=False,
        )
        return EXIT_DONE
    print_report(finding.results, finding.written, console)
    return EXIT_NOT_AS_ASKED if arguments.strict and finding.results.complaints() else EXIT_DONE


def shard_of(experiment: Experiment, shard: tuple[int, int]) -> list[Question]:
    """The questions about every N-th task, dealt from the costliest down, so that shards take about the same time.

    One shard has all trials of a task: those of two machines may differ in their last digits, and could not be merged.
    """
    number, shards = shard
    tasks = sorted(experiment.tasks, key=lambda task: -task.cost(1))[number - 1 :: shards]
    return [question for task in tasks for question in experiment.questions if question.task == task]


def _repair(directory: RunDirectory, console: Console) -> None:
    repair = directory.repair()
    if repair is None:
        console.print("nothing to repair", highlight=False)
    else:
        console.print(
            f"repaired: {repair.trials} trials were saved; the damaged store is kept as {repair.damaged}",
            highlight=False,
        )
