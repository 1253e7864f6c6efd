"""The command ``reengage scale``: its arguments, and what it does."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

from rich.console import Console

from analysis.config import SweepConfig
from analysis.executors import process_pool, worker_count
from analysis.exit_codes import EXIT_DONE, EXIT_INTERRUPTED, EXIT_NOT_AS_ASKED
from analysis.progress import ProgressDisplay
from analysis.report import print_report, write_results
from analysis.results import SweepResults
from analysis.run_directory import RunDirectory
from analysis.sweep import run_sweep
from toyenvs.constructions import CONSTRUCTIONS
from toyenvs.hypothesis_classes import HYPOTHESIS_CLASSES
from toyenvs.learners import LEARNERS
from toyenvs.learners.optimizers import OPTIMIZERS

__all__ = ["DESCRIPTION", "EXAMPLES", "SUMMARY", "add_arguments", "run"]

SUMMARY = "measure thresholds over d and compare them with theory"


def _integers(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not allowed; expected integers >= 2 with commas between them, such as 2,4,8"
        ) from None


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.split(","))


DESCRIPTION = """\
Measure how many replay transitions a learner needs, as a function of the dimension d.

For every learner and dimension the command searches the number of transitions N at which half of the trials
succeed (N50). A trial draws an unknown rotation U, a buffer of N transitions and a starting point; it succeeds
when the learned policy is epsilon-optimal for every goal. The thresholds are then compared with theory
(D+1 for DDPG, D = d(d-1)/2, and d-1 for ReenGAGE on SO(d)) and with the laws d-1, d, D+1 and d^2.
"""

EXAMPLES = """\
examples:
  reengage scale                                        the paper's comparison, Proposition 1
  reengage scale --construction no-reward-gradient      Proposition 2: every threshold about doubles
  reengage scale --group o --dims 2,4,8                 reflections allowed: ReenGAGE needs d
  reengage scale --dims 4,8,16 --optimizer gradient     another optimiser, another threshold

columns of the report:
  N50, N90      transitions at which the fitted success probability is 1/2 and 9/10
  min N         smallest whole N with success probability at least 1/2; with a ~ it is N50 rounded up
  theory        smallest N that determines the rotation; ratio is min N over theory
  ended by      settled: exact tests put N-1 below 1/2 and N above; precision: N50 is known well enough;
                budget: trials spent (--trials at any one N, 12 times as many in all); censored: never reached 1/2

Interrupt it at any time: finished trials are kept, and the same command goes on where it stopped.

files in the run directory:
  thresholds.csv scaling.csv summary.json table.tex     results
  figures/complexity.pdf .svg .png                      the figure
  sweep.sqlite config.json provenance.json              every trial, the configuration, versions and machine
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    default = {f.name: f.default for f in fields(SweepConfig)}

    def add(group: argparse._ArgumentGroup, name: str, kind: Callable[[str], Any], metavar: str, text: str) -> None:
        value = default[name]
        shown = ",".join(map(str, value)) if isinstance(value, tuple) else value
        note = "" if value is None else f" (default: {shown})"
        group.add_argument(
            "--" + name.replace("_", "-"), type=kind, default=argparse.SUPPRESS, metavar=metavar, help=text + note
        )

    what = parser.add_argument_group("what is measured")
    add(what, "construction", str, "NAME", f"environment family: {', '.join(CONSTRUCTIONS)}")
    add(what, "group", str, "NAME", f"hypothesis class: {', '.join(HYPOTHESIS_CLASSES)}")
    add(what, "dims", _integers, "D,D,...", "dimensions, each at least 2")
    add(what, "learners", _names, "NAME,...", f"learners: {', '.join(LEARNERS)}")
    add(what, "epsilon", float, "EPS", "largest regret, at any unit goal, of a policy that succeeds; 0 < EPS < 2")
    add(what, "discount", float, "GAMMA", "discount factor, 0 <= GAMMA < 1")
    add(what, "steps_per_goal", int, "T", "transitions between two fresh goals")
    how = parser.add_argument_group("how it is learned")
    add(
        how,
        "alpha",
        float,
        "A",
        "weight of ReenGAGE's goal-gradient loss (the paper's is A/d)",
    )
    add(how, "optimizer", str, "NAME", f"Riemannian optimiser, part of what is measured: {', '.join(OPTIMIZERS)}")
    add(how, "minibatch", int, "M", "transitions a step (default: the whole buffer)")
    add(how, "max_steps", int, "S", "budget of optimiser steps of one descent run")
    much = parser.add_argument_group("how precisely")
    add(much, "trials", int, "K", "most trials at any one N; a search spends up to 12 times as many in all")
    add(much, "precision", float, "P", "stop a search when log N50 is known to within P, at 95 %% confidence")
    add(much, "batch_size", int, "B", "trials that run together; changes results in the last digits only")
    add(much, "seed", int, "SEED", "of all randomness")
    where = parser.add_argument_group("where it runs")
    where.add_argument(
        "--out", type=Path, metavar="DIR", help="run directory (default: a name for the settings, in runs/)"
    )
    where.add_argument("--workers", type=int, metavar="W", help="processes (default: the cores of this machine)")
    add(where, "device", str, "DEV", "torch device of the learners")
    where.add_argument("--quiet", action="store_true", help="no progress, only the report")
    where.add_argument(
        "--strict",
        action="store_true",
        help="exit with 1 if a threshold is censored, a trial diverged or ran out of steps, or theory is not confirmed",
    )


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Measure; returns the exit code."""
    given = vars(arguments)
    config = SweepConfig(**{f.name: given[f.name] for f in fields(SweepConfig) if f.name in given})
    workers = worker_count(arguments.workers)
    directory = RunDirectory(arguments.out or Path("runs") / config.default_name(), config)
    with directory.open(workers) as store:
        if len(store):
            console.print(f"{len(store)} trials are there already in {directory.path}", highlight=False)
        try:
            with process_pool(workers) as executor, ProgressDisplay(config, console, arguments.quiet) as display:
                searches = run_sweep(config, store, executor, workers, display)
        except KeyboardInterrupt:
            console.print(
                f"interrupted: {len(store)} trials are kept in {directory.path}; the same command goes on from there",
                highlight=False,
            )
            return EXIT_INTERRUPTED
        results = SweepResults.from_sweep(config, searches, store.outcomes())
    written = write_results(results, directory)
    directory.finish_session()
    print_report(results, written, console)
    return EXIT_NOT_AS_ASKED if arguments.strict and results.complaints() else EXIT_DONE
