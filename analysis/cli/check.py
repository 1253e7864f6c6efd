"""The command ``reengage check``: its arguments, and what it does."""

from __future__ import annotations

import argparse
import io
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console

from analysis.cli.exit_codes import EXIT_DONE, EXIT_NOT_AS_ASKED
from analysis.errors import ConfigError
from analysis.files import write_atomically
from analysis.reports.ledger_tables import (
    NOTES_BEGIN,
    claim_in_full,
    ledger_json,
    ledger_latex,
    ledger_table,
    summary_line,
    with_claim_table,
)
from analysis.running.check_ledger import check_claims
from analysis.running.executors import worker_count
from proofs_check.claim import CheckSettings, Claim, ClaimResult
from proofs_check.ledger import all_claims, find_claims

__all__ = ["DESCRIPTION", "EXAMPLES", "add_arguments", "run"]

DESCRIPTION = """\
Go through the ledger of claims: every step of the paper's theory and every sharper statement, with its evidence.

A verdict is TRUE, FALSE or UNKNOWN, with the range that it holds for:
  proved      derived in an algebra of abstract vectors, for every d (and again in coordinates of small d);
              in full, its steps are marked: ✓ is checked by machine, the lines between join them by hand
  proved, partly by hand   an inequality, limit or induction between the checked steps is argued in words
  certified   exact arithmetic on given cases: ranks, counts of solutions
  refuted     FALSE, by a counterexample in exact numbers; expected of errata in the paper as printed
  sampled     random examples in floating point; never a proof
UNKNOWN is never a pass. The exit code is 1 if any verdict is not the one that the project stands by.
"""

EXAMPLES = """\
examples:
  reengage check                        the whole ledger
  reengage check P1.7 S.7a              claims in full: the derivation, or the counterexample
  reengage check P1                     a section
  reengage check --list                 the statements, without running anything
  reengage check --max-dim 32           smaller exact certificates, quicker
  reengage check --json ledger.json     for programs
  reengage check --latex claims.tex     a table for an appendix (amsmath, array, booktabs, longtable)
"""

_DEFAULTS = CheckSettings()

_PLAIN_WIDTH = 130
"""Columns of the table where the output is not a terminal, whose width rich would take for 80."""


def _ids(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(","))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "claims", type=_ids, nargs="*", metavar="CLAIM", help="only these claims, in full, or these sections, as tables"
    )
    parser.add_argument(
        "--claim",
        type=_ids,
        action="append",
        default=[],
        metavar="CLAIM,...",
        help="the same, with commas between them",
    )
    parser.add_argument("--list", action="store_true", help="print the statements, run nothing")
    parser.add_argument(
        "--max-dim",
        type=int,
        default=_DEFAULTS.max_dim,
        metavar="D",
        help="largest dimension of the exact certificates (default: %(default)s)",
    )
    parser.add_argument(
        "--seed", type=int, default=_DEFAULTS.seed, metavar="SEED", help="of every random choice (default: %(default)s)"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the ledger with all evidence as JSON")
    parser.add_argument("--latex", type=Path, metavar="FILE", help="write the ledger as a LaTeX table")
    parser.add_argument(
        "--notes",
        type=Path,
        nargs="?",
        const=Path("paper_notes.md"),
        metavar="FILE",
        help="bring the claim table of the reading notes up to date (default FILE: %(const)s)",
    )
    parser.add_argument("--workers", type=int, metavar="W", help="processes (default: the cores of this machine)")
    parser.add_argument("--quiet", action="store_true", help="no progress, only the ledger")


def _check_writable(option: str, path: Path) -> None:
    """Refuse a file that could not be written, before time is spent on what should go there."""
    if str(path) == "-":
        raise ConfigError(option, "-", "expected a file")
    if path.exists() and not path.is_file():
        raise ConfigError(option, str(path), "it is there and not a file; expected a file or a new name")
    if not path.parent.is_dir():
        raise ConfigError(option, str(path), f"the directory {path.parent} does not exist")
    try:
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise ConfigError(option, str(path), f"nothing can be written there ({error.strerror})") from None


def _settings(arguments: argparse.Namespace) -> CheckSettings:
    try:
        return CheckSettings(max_dim=arguments.max_dim, seed=arguments.seed)
    except ValueError as error:
        argument = str(error).split(":")[0]
        raise ConfigError(
            argument, getattr(arguments, argument), "expected an integer " + str(error).rsplit("integer ", 1)[1]
        ) from None


def _claims(ids: tuple[str, ...] | None, positional: frozenset[str]) -> list[Claim]:
    if ids is None:
        return all_claims()
    try:
        return find_claims(ids)
    except LookupError as error:
        name = "CLAIM" if error.args[0] in positional else "claim"
        raise ConfigError(name, error.args[0], error.args[1]) from None


def _notes_text(path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError("notes", str(path), f"it cannot be read ({error.strerror})") from None
    if NOTES_BEGIN not in text:
        raise ConfigError("notes", str(path), f"it has no line {NOTES_BEGIN}, where the table would go")
    return text


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Check; returns the exit code."""
    settings = _settings(arguments)
    ids = [id for part in [*arguments.claims, *arguments.claim] for id in part]
    claims = _claims(tuple(ids) or None, frozenset(id for part in arguments.claims for id in part))
    workers = worker_count(arguments.workers)
    if arguments.notes and (ids or settings != _DEFAULTS):
        raise ConfigError(
            "notes",
            str(arguments.notes),
            "the table is of the whole ledger: it cannot be combined with claims, --max-dim or --seed",
        )
    paths: dict[Path, str] = {}
    for option in ("json", "latex", "notes"):
        if path := getattr(arguments, option):
            _check_writable(option, path)
            if path.resolve() in paths:
                raise ConfigError(option, str(path), f"it is also the file of --{paths[path.resolve()]}")
            paths[path.resolve()] = option
    if arguments.notes:
        _notes_text(arguments.notes)
    if arguments.list:
        for claim in claims:
            console.print(f"{claim.id:6} {claim.statement}", highlight=False, markup=False)
        return EXIT_DONE

    results = check_claims(claims, settings, workers, console, quiet=arguments.quiet)
    in_full = bool(ids) and all(any(id.lower() == claim.id.lower() for claim in claims) for id in ids)
    if not in_full:
        _print_table(results, console)
    for result in results:
        if in_full or not result.as_expected:
            console.print(claim_in_full(result), highlight=False, markup=False)
    console.print(summary_line(results), highlight=False)

    texts: dict[str, Callable[[], str]] = {
        "json": lambda: ledger_json(results, settings),
        "latex": lambda: ledger_latex(results),
        "notes": lambda: with_claim_table(_notes_text(arguments.notes), results),
    }
    for option, text in texts.items():
        if path := getattr(arguments, option):
            try:
                write_atomically(path, text())
            except OSError as error:
                raise ConfigError(option, str(path), f"it could not be written ({error.strerror})") from None
            console.print(f"wrote {path}", highlight=False, markup=False)
    return EXIT_DONE if all(result.as_expected for result in results) else EXIT_NOT_AS_ASKED


def _print_table(results: Sequence[ClaimResult], console: Console) -> None:
    if console.is_terminal:
        console.print(ledger_table(results, console.width), soft_wrap=False)
        return
    text = io.StringIO()
    Console(file=text, width=_PLAIN_WIDTH).print(ledger_table(results, _PLAIN_WIDTH))
    for line in text.getvalue().splitlines():
        console.print(line.rstrip(), highlight=False, markup=False)
