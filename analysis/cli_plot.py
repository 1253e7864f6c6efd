"""The command ``reengage plot``: its arguments, and what it does."""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.console import Console

from analysis.exit_codes import EXIT_DONE, EXIT_FAILED, EXIT_USAGE, complain
from analysis.figures import FORMATS, VENUES, WIDTHS, paper_style, save_figure
from analysis.results_figure import caption, marks_csv, provenance, results_figure
from analysis.run_directory import write_atomically
from analysis.saved_run import load_results
from analysis.setting import ConfigError, expected_one_of
from analysis.store import StoreError

__all__ = ["DESCRIPTION", "EXAMPLES", "add_arguments", "run"]

DESCRIPTION = """\
Draw the figure of a finished run for a venue: at the width of its column or text and in its font sizes, so that
\\includegraphics needs no scaling. Nothing is measured, and the run is only read.

Beside the figure stand the numbers behind every mark and line (.csv) and a caption (.txt).
"""

EXAMPLES = """\
examples:
  reengage plot runs/main                                    one column of AAAI, in runs/main/figures
  reengage plot runs/main --venue neurips --width text       as wide as the text
  reengage plot runs/main --venue icml --format pdf --out .  just the PDF, here
"""


def _formats(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(","))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("run_directory", type=Path, metavar="RUN", help="directory of a finished run")
    parser.add_argument("--venue", default="aaai", help=f"one of: {', '.join(VENUES)} (default: %(default)s)")
    parser.add_argument("--width", default="column", help=f"one of: {', '.join(WIDTHS)} (default: %(default)s)")
    parser.add_argument(
        "--format", type=_formats, default=FORMATS, help=f"of {', '.join(FORMATS)} (default: all)", metavar="LIST"
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="where to put the files (default: RUN/figures)")


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Draw; returns the exit code."""
    for name, allowed in (("venue", tuple(VENUES)), ("width", WIDTHS)):
        value = getattr(arguments, name)
        if value not in allowed:
            raise ConfigError(name, value, expected_one_of(value, allowed))
    for kind in arguments.format:
        if kind not in FORMATS:
            raise ConfigError("format", kind, expected_one_of(kind, FORMATS))
    source: Path = arguments.run_directory
    try:
        results = load_results(source)
    except StoreError as error:
        complain("plot", f"argument RUN: {error}")
        return EXIT_USAGE
    directory = source / "figures" if arguments.out is None else arguments.out
    name = f"{results.experiment.name}-{arguments.venue}-{arguments.width}"
    try:
        with paper_style(arguments.venue, arguments.width):
            figure = results_figure(results)
            written = save_figure(figure, directory, name, provenance(results.experiment), arguments.format)
        for ending, text in ((".csv", marks_csv(results)), (".txt", caption(results))):
            written.append(directory / (name + ending))
            write_atomically(written[-1], text)
    except OSError as error:
        complain("plot", f"argument --out: {directory} cannot be written to ({error.strerror})")
        return EXIT_FAILED
    for path in written:
        console.print(f"  {path}", highlight=False, soft_wrap=True)
    return EXIT_DONE
