"""The command ``reengage merge``: its arguments, and what it does."""

from __future__ import annotations

import argparse
import sqlite3
from pathlib import Path

from rich.console import Console

from analysis.cli.exit_codes import EXIT_DONE, EXIT_FAILED, EXIT_USAGE, complain
from analysis.errors import ConfigError
from analysis.storage.merge import merge_runs
from analysis.storage.store import StoreError

__all__ = ["DESCRIPTION", "EXAMPLES", "add_arguments", "run"]

DESCRIPTION = """\
Join run directories of the same settings into one, which `reengage scale` with these settings completes and reports:
the result is the same, byte for byte, as that of one run that did everything.

The runs are only read. A trial may be in several of them if they agree about it to the last digit. Runs of other
settings, and runs that disagree, are refused, and nothing is written.
"""

EXAMPLES = """\
examples:
  reengage scale --dims 16,32,64 --shard 1/2 --out a    on one machine, half of the searches
  reengage scale --dims 16,32,64 --shard 2/2 --out b    on another, the other half
  reengage merge a b --out both                         every trial of a and b
  reengage scale --dims 16,32,64 --out both             what is missing, if anything; then tables, figure, verdict
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("runs", nargs="+", type=Path, metavar="DIR", help="run directories, two or more")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="the run directory to put them in")


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Merge; returns the exit code."""
    sources: list[Path] = arguments.runs
    if len(sources) < 2:
        raise ConfigError("DIR", str(sources[0]), "expected two run directories or more")
    try:
        merged = merge_runs(sources, arguments.out)
    except StoreError as error:
        complain("merge", str(error))
        return EXIT_USAGE
    except (OSError, sqlite3.Error) as error:
        complain("merge", f"argument --out: {arguments.out} cannot be written ({error})")
        return EXIT_FAILED
    console.print(
        f"{merged.trials} trials are in {arguments.out}"
        + (f", {merged.repeated} of them from more than one run" if merged.repeated else "")
        + f"; reengage scale with the same settings and --out {arguments.out} completes and reports them",
        highlight=False,
    )
    return EXIT_DONE
