"""The command ``reengage completion``: a script that makes a shell complete commands and options."""

from __future__ import annotations

import argparse

import shtab
from rich.console import Console

from analysis.cli.exit_codes import EXIT_DONE
from analysis.errors import ConfigError, expected_one_of

__all__ = ["DESCRIPTION", "EXAMPLES", "add_arguments", "run"]

_SHELLS = ("bash", "zsh", "tcsh")

DESCRIPTION = """\
Print a script that completes the names of commands and options in your shell.
"""

EXAMPLES = """\
examples:
  reengage completion bash > ~/.local/share/bash-completion/completions/reengage
  reengage completion zsh > ~/.zfunc/_reengage          with fpath+=~/.zfunc and compinit in .zshrc
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("shell", metavar="SHELL", help=f"one of: {', '.join(_SHELLS)}")


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Print; returns the exit code."""
    from analysis.cli.main import complete_parser  # it imports this module in its turn

    if arguments.shell not in _SHELLS:
        raise ConfigError("SHELL", arguments.shell, expected_one_of(arguments.shell, _SHELLS))
    script = shtab.complete(complete_parser(), shell=arguments.shell)
    console.print(script, highlight=False, markup=False, soft_wrap=True)
    return EXIT_DONE
