"""The command ``reengage report``: its arguments, and what it does."""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.console import Console

from analysis.cli.exit_codes import EXIT_DONE, EXIT_FAILED, EXIT_USAGE, complain
from analysis.errors import ConfigError
from analysis.files import write_atomically
from analysis.reports.html_report import html_report
from analysis.reports.latex_bundle import compile_bundle, write_bundle
from analysis.results.saved_run import load_results
from analysis.running.check_ledger import check_claims
from analysis.running.executors import worker_count
from analysis.storage.run_directory import read_sessions
from analysis.storage.store import StoreError
from proofs_check.claim import CheckSettings
from proofs_check.ledger import all_claims

__all__ = ["DESCRIPTION", "EXAMPLES", "add_arguments", "run"]

DESCRIPTION = """\
Write a finished run as one HTML file that needs no network: the verdict first, figures whose marks say their values,
tables, the ledger of claims with its evidence (which is run for it, half a minute), and the commands that make the run
again. With --latex, also a directory with an article's worth of LaTeX: figure, table, caption, and a document around
them, compiled where tectonic or pdflatex is installed.
"""

EXAMPLES = """\
examples:
  reengage report runs/main                     runs/main/report.html
  reengage report runs/main --no-claims         at once, without the ledger
  reengage report runs/main --latex bundle      and bundle/report.tex with all that it needs
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("run_directory", type=Path, metavar="RUN", help="directory of a finished run")
    parser.add_argument("--out", type=Path, metavar="FILE", help="the page (default: RUN/report.html)")
    parser.add_argument("--no-claims", action="store_true", help="leave the ledger of claims out")
    parser.add_argument("--latex", type=Path, metavar="DIR", help="also write a LaTeX bundle there")
    parser.add_argument("--workers", type=int, metavar="W", help="processes for the claims (default: the cores)")
    parser.add_argument("--quiet", action="store_true", help="no progress")


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Write; returns the exit code."""
    workers = worker_count(arguments.workers)
    source: Path = arguments.run_directory
    try:
        results = load_results(source)
    except StoreError as error:
        complain("report", f"argument RUN: {error}")
        return EXIT_USAGE
    target = source / "report.html" if arguments.out is None else arguments.out
    if target.is_dir():
        raise ConfigError("out", str(target), "it is a directory; expected a file")
    if not target.parent.is_dir():
        raise ConfigError("out", str(target), f"the directory {target.parent} does not exist")
    bundle: Path | None = arguments.latex
    if bundle is not None and bundle.exists() and not bundle.is_dir():
        raise ConfigError("latex", str(bundle), "it is a file; expected a directory")
    claims = []
    if not arguments.no_claims:
        claims = check_claims(all_claims(), CheckSettings(), workers, console, quiet=arguments.quiet)
    written = [target]
    try:
        write_atomically(target, html_report(results, read_sessions(source), claims))
        if bundle is not None:
            written += write_bundle(results, bundle)
            compiled = compile_bundle(bundle)
            if isinstance(compiled, Path):
                written.append(compiled)
            else:
                console.print(f"{bundle / 'report.tex'} was not compiled: {compiled}", highlight=False)
    except OSError as error:
        complain("report", f"{error.filename or target} cannot be written ({error.strerror})")
        return EXIT_FAILED
    for path in written:
        console.print(f"  {path}", highlight=False, soft_wrap=True)
    return EXIT_DONE
