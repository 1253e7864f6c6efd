"""The command ``reengage``.

Exit codes: 0 done; 1 the run ended, but not as ``--strict`` demands; 2 bad usage or input, one line that names the
argument, the value and what is allowed; 130 interrupted, with everything finished kept.

argparse rather than a generator of command lines from dataclasses: bad input has to be answered in one line.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import signal
import sqlite3
import sys
from collections.abc import Callable, Sequence
from dataclasses import fields
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from rich.console import Console
from typing_extensions import override

from analysis.config import ConfigError, SweepConfig
from analysis.executors import available_cores, process_pool
from analysis.progress import ProgressDisplay
from analysis.report import print_report, write_results
from analysis.results import SweepResults
from analysis.run_directory import RunDirectory
from analysis.store import StoreError
from analysis.sweep import run_sweep
from toyenvs.constructions import CONSTRUCTIONS
from toyenvs.hypothesis_classes import HYPOTHESIS_CLASSES
from toyenvs.learners import LEARNERS
from toyenvs.learners.optimizers import OPTIMIZERS

__all__ = ["main"]

EXIT_DONE, EXIT_NOT_STRICT, EXIT_USAGE, EXIT_INTERRUPTED = 0, 1, 2, 130


class _Parser(argparse.ArgumentParser):
    """argparse with errors of one line."""

    @override
    def error(self, message: str) -> NoReturn:
        self.exit(EXIT_USAGE, f"{self.prog}: error: {message} (see {self.prog} --help)\n")


def _integers(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not allowed; expected integers >= 2 with commas between them, such as 2,4,8"
        ) from None


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.split(","))


_SCALE_DESCRIPTION = """\
Measure how many replay transitions a learner needs, as a function of the dimension d.

For every learner and dimension the command searches the number of transitions N at which half of the trials
succeed (N50). A trial draws an unknown rotation U, a buffer of N transitions and a starting point; it succeeds
when the learned policy is epsilon-optimal for every goal. The thresholds are then compared with theory
(D+1 for DDPG, D = d(d-1)/2, and d-1 for ReenGAGE on SO(d)) and with the laws d-1, d, D+1 and d^2.
"""

_SCALE_EXAMPLES = """\
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


def _parser() -> _Parser:
    parser = _Parser(
        prog="reengage",
        description="How many transitions does a goal-conditioned learner need, and why?",
        allow_abbrev=False,
    )
    version = importlib.metadata.version("reengage-lab")
    parser.add_argument("--version", action="version", version=f"reengage-lab {version}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    scale = commands.add_parser(
        "scale",
        help="measure thresholds over d and compare them with theory",
        description=_SCALE_DESCRIPTION,
        epilog=_SCALE_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    _add_scale_arguments(scale)
    scale.set_defaults(run=_scale)
    return parser


def _add_scale_arguments(parser: argparse.ArgumentParser) -> None:
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
    run = parser.add_argument_group("where it runs")
    run.add_argument(
        "--out", type=Path, metavar="DIR", help="run directory (default: a name for the settings, in runs/)"
    )
    run.add_argument("--workers", type=int, metavar="W", help="processes (default: the cores of this machine)")
    add(run, "device", str, "DEV", "torch device of the learners")
    run.add_argument("--quiet", action="store_true", help="no progress, only the report")
    run.add_argument(
        "--strict",
        action="store_true",
        help="exit with 1 if a threshold is censored, a trial diverged or ran out of steps, or theory is not confirmed",
    )


def _scale(arguments: argparse.Namespace, console: Console) -> int:
    given = vars(arguments)
    config = SweepConfig(**{f.name: given[f.name] for f in fields(SweepConfig) if f.name in given})
    workers = available_cores() if arguments.workers is None else arguments.workers
    if workers < 1:
        raise ConfigError("workers", workers, "expected an integer >= 1")
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
    return EXIT_NOT_STRICT if arguments.strict and results.complaints() else EXIT_DONE


def _interrupt(signal_number: int, frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code (argparse exits by itself for --help and usage errors)."""
    parser = _parser()
    arguments = parser.parse_args(argv)
    signal.signal(signal.SIGTERM, _interrupt)
    console = Console(soft_wrap=True)
    prog = f"{parser.prog} {arguments.command}"
    try:
        return int(arguments.run(arguments, console))
    except ConfigError as error:
        option = error.argument.replace("_", "-")
        print(f"{prog}: error: argument --{option}: {str(error).split(': ', 1)[1]}", file=sys.stderr)
        return EXIT_USAGE
    except (StoreError, sqlite3.Error) as error:
        # Also a disk that is full, in the middle of a run: what was committed is kept.
        print(f"{prog}: error: argument --out: {error}", file=sys.stderr)
        return EXIT_USAGE
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
