"""The command ``reengage plot``: its arguments, and what it does."""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

from rich.console import Console

from analysis.cli.exit_codes import EXIT_DONE, EXIT_FAILED, EXIT_USAGE, complain
from analysis.errors import ConfigError, expected_one_of
from analysis.figures import FORMATS, TEX_PROGRAMS, VENUES, WIDTHS, paper_style, save_figure
from analysis.files import write_atomically
from analysis.reports.figure_kinds import FIGURES
from analysis.reports.latex import caption_in_latex
from analysis.reports.results_figure import provenance
from analysis.results.experiment_results import ExperimentResults
from analysis.results.saved_run import load_results
from analysis.storage.store import StoreError

__all__ = ["DESCRIPTION", "EXAMPLES", "add_arguments", "run"]

DESCRIPTION = """\
Draw a figure of finished runs for a venue: at the width of its column or text and in its font sizes, so that
\\includegraphics needs no scaling. Nothing of a run is measured again, and runs are only read.

Beside the figure stand the numbers behind every mark and line (.csv) and a caption, plain (.txt) and for LaTeX
(-caption.tex, to \\input after the figure).
"""

_KINDS = "\n".join(f"  {name:<16} {kind.about}" for name, kind in FIGURES.items())

EXAMPLES = f"""\
figures:
{_KINDS}

examples:
  reengage plot runs/main                                    one column of AAAI, in runs/main/figures
  reengage plot runs/main --figure phase-diagram             success over (d, N), with theory on it
  reengage plot runs/main --venue neurips --width text       as wide as the text
  reengage plot runs/a runs/b --figure collapse --out .      one of each run, here, named after the runs
  reengage plot runs/main --format pgf                       for \\input in LaTeX; needs a TeX installation
"""

_DEFAULT_FORMATS = ("pdf", "svg", "png")


def _formats(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(","))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN", help="directories of finished runs")
    parser.add_argument("--figure", default="complexity", metavar="KIND", help="see below (default: %(default)s)")
    parser.add_argument("--venue", default="aaai", help=f"one of: {', '.join(VENUES)} (default: %(default)s)")
    parser.add_argument("--width", default="column", help=f"one of: {', '.join(WIDTHS)} (default: %(default)s)")
    parser.add_argument(
        "--format",
        type=_formats,
        default=_DEFAULT_FORMATS,
        help=f"of {', '.join(FORMATS)} (default: {','.join(_DEFAULT_FORMATS)})",
        metavar="LIST",
    )
    parser.add_argument("--usetex", action="store_true", help="set the text with your LaTeX, in your document's fonts")
    parser.add_argument("--out", type=Path, metavar="DIR", help="where to put the files (default: RUN/figures)")


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Draw; returns the exit code."""
    for name, allowed in (("figure", tuple(FIGURES)), ("venue", tuple(VENUES)), ("width", WIDTHS)):
        value = getattr(arguments, name)
        if value not in allowed:
            raise ConfigError(name, value, expected_one_of(value, allowed))
    for kind in arguments.format:
        if kind not in FORMATS:
            raise ConfigError("format", kind, expected_one_of(kind, FORMATS))
    if "pgf" in arguments.format and not any(shutil.which(program) for program in TEX_PROGRAMS):
        raise ConfigError("format", "pgf", f"it needs a TeX installation: {', '.join(TEX_PROGRAMS)} are not found")
    if arguments.usetex and not (shutil.which("latex") and shutil.which("dvipng")):
        raise ConfigError("usetex", True, "it needs a TeX installation: latex and dvipng are not found")
    # All runs are read before anything is written.
    loaded = []
    for source in arguments.runs:
        try:
            results = load_results(source)
        except StoreError as error:
            complain("plot", f"argument RUN: {error}")
            return EXIT_USAGE
        FIGURES[arguments.figure].check(results, arguments.figure)
        loaded.append((source, results))
    prefixes = _prefixes(arguments.runs) if arguments.out is not None else [""] * len(loaded)
    for (source, results), prefix in zip(loaded, prefixes, strict=True):
        directory: Path = source / "figures" if arguments.out is None else arguments.out
        try:
            written = _draw(results, directory, prefix, arguments)
        except OSError as error:
            complain("plot", f"argument --out: {directory} cannot be written to ({error.strerror})")
            return EXIT_FAILED
        except Exception as error:  # what matplotlib raises of a LaTeX that lacks a package is of several kinds
            if not arguments.usetex and "pgf" not in arguments.format:
                raise
            complain("plot", f"LaTeX could not set the text: {' '.join(str(error).split())[-300:]}")
            return EXIT_FAILED
        for path in written:
            console.print(f"  {path}", highlight=False, soft_wrap=True)
    return EXIT_DONE


def _prefixes(runs: list[Path]) -> list[str]:
    """Beginnings of file names that tell several runs apart in one directory; none for one run."""
    if len(runs) == 1:
        return [""]
    names = [run.resolve().name for run in runs]
    if len(set(names)) < len(names):
        names = [f"{number}-{name}" for number, name in enumerate(names, start=1)]
    return [f"{name}-" for name in names]


def _draw(results: ExperimentResults, directory: Path, prefix: str, arguments: argparse.Namespace) -> list[Path]:
    kind = FIGURES[arguments.figure]
    shown = results.experiment.name if arguments.figure == "complexity" else arguments.figure
    name = f"{prefix}{shown}-{arguments.venue}-{arguments.width}"
    with paper_style(arguments.venue, arguments.width, usetex=arguments.usetex):
        figure = kind.draw(results)
        written = save_figure(figure, directory, name, provenance(results.experiment), arguments.format)
    told = kind.caption(results)
    for ending, text in (
        (".csv", kind.csv(results)),
        (".txt", told),
        ("-caption.tex", f"\\caption{{{caption_in_latex(told)}}}\n"),
    ):
        written.append(directory / (name + ending))
        write_atomically(written[-1], text)
    return written
