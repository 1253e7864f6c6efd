"""The command ``reengage``.

Exit codes: 0 done; 1 a claim is not as expected, or the run ended not as ``--strict`` demands; 2 bad usage or input,
one line that names the argument, the value and what is allowed; 3 a run could not go on: a trial raised an error, a
worker kept being killed, the disk was full; 130 interrupted. After 3 and 130 everything finished is kept.

argparse rather than a generator of command lines from dataclasses: bad input has to be answered in one line.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.metadata
import sqlite3
import sys
from collections.abc import Collection, Sequence
from difflib import get_close_matches
from typing import NoReturn

from rich.console import Console
from typing_extensions import override

from analysis.cli.exit_codes import EXIT_INTERRUPTED, EXIT_USAGE, complain, one_line
from analysis.errors import ConfigError
from analysis.storage.store import StoreError

__all__ = ["COMMANDS", "complete_parser", "main", "make_parser"]


COMMANDS = {
    "scale": ("analysis.cli.scale", "measure thresholds over d and compare them with theory"),
    "merge": ("analysis.cli.merge", "join runs of the same settings, such as the jobs of an array, into one"),
    "plot": ("analysis.cli.plot", "draw a finished run's figure at a venue's size"),
    "report": ("analysis.cli.report", "write a finished run as one HTML file, and as a LaTeX bundle"),
    "new-construction": ("analysis.cli.new_construction", "write a user-defined construction to start from"),
    "completion": ("analysis.cli.completion", "print a shell's completion script"),
    "check": ("analysis.cli.check", "prove, certify or refute every step of the argument"),
}
"""Name -> (module, summary). Only the module of the command that is called is imported: each takes its time."""

_WIDTH = 110
"""Columns of a report that goes to a file or a pipe, which have no width of their own."""


class _Console(Console):
    @override
    def on_broken_pipe(self) -> None:
        # rich would exit with 1, which here means that a claim is not as expected.
        raise BrokenPipeError


class _Parser(argparse.ArgumentParser):
    """argparse with errors of one line."""

    @override
    def error(self, message: str) -> NoReturn:
        self.exit(EXIT_USAGE, one_line(f"{self.prog}: error: {message} (see {self.prog} --help)") + "\n")

    def refuse(self, word: str) -> NoReturn:
        """End with an error about a word that is no argument, and the option that it may be a typo of."""
        close = get_close_matches(word.split("=")[0], list(self._option_string_actions), n=1)
        hint = f"; did you mean {close[0]}?" if close else ""
        if not word.startswith("-"):
            hint = "; lists are written with commas and without blanks, such as 2,3,4"
        self.error(f"unrecognized argument: {word}{hint}")


def complete_parser() -> argparse.ArgumentParser:
    """The parser with the options of every command."""
    return _parser(COMMANDS)


def make_parser(called: str | None) -> _Parser:
    """The parser, complete for the command that is called."""
    return _parser({called} if called is not None else ())


def _parser(called: Collection[str]) -> _Parser:
    parser = _Parser(
        prog="reengage",
        description="How many transitions does a goal-conditioned learner need, and why?",
        allow_abbrev=False,
    )
    version = importlib.metadata.version("reengage-lab")
    parser.add_argument("--version", action="version", version=f"reengage-lab {version}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (path, summary) in COMMANDS.items():
        if name not in called:
            commands.add_parser(name, help=summary)
            continue
        module = importlib.import_module(path)
        command = commands.add_parser(
            name,
            help=summary,
            description=module.DESCRIPTION,
            epilog=module.EXAMPLES,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        module.add_arguments(command)
        command.set_defaults(run=module.run, parser=command)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code (argparse exits by itself for --help and usage errors)."""
    words = sys.argv[1:] if argv is None else argv
    whole = make_parser(words[0] if words else None)
    arguments, unknown = whole.parse_known_args(words)
    if unknown:
        # Without a command in the first place no command's own parser is complete.
        getattr(arguments, "parser", whole).refuse(unknown[0])
    console = _Console(soft_wrap=True, markup=False, emoji=False)  # what users name is printed as it is
    if not console.is_terminal:
        console.width = _WIDTH
    try:
        return int(arguments.run(arguments, console))
    except ConfigError as error:
        option = error.argument.replace("_", "-")
        reason = str(error).split(": ", 1)[1]
        where = (
            f"{error.source}: {error.argument}"
            if error.source
            else f"argument {option if option.endswith('.toml') or option.isupper() else '--' + option}"
        )
        complain(arguments.command, f"{where}: {reason}")
        return EXIT_USAGE
    except (StoreError, sqlite3.Error) as error:
        complain(arguments.command, f"argument --out: {error}")
        return EXIT_USAGE
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
