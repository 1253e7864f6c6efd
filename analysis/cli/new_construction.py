"""The command ``reengage new-construction``: a commented construction to start from, with its test."""

from __future__ import annotations

import argparse
import keyword
import re
from importlib.resources import files
from pathlib import Path
from string import Template

from rich.console import Console

from analysis.cli.exit_codes import EXIT_DONE, EXIT_FAILED, complain
from analysis.errors import ConfigError

__all__ = ["DESCRIPTION", "EXAMPLES", "add_arguments", "run"]

DESCRIPTION = """\
Write a construction to start from, and its test: a class with four formulas (dynamics, reward, optimal value, optimal
policy) of an unknown matrix. It works as it is; replace the formulas with yours.

Everything else comes unasked: the environment, both learners by automatic differentiation, thresholds, predictions by
exact ranks, the figure, and property tests that say which formula is wrong.
"""

EXAMPLES = """\
examples:
  reengage new-construction WindyPlane            writes windy_plane.py and test_windy_plane.py
  pytest test_windy_plane.py                      is the value the return? is no action better?
  reengage scale --construction windy_plane.py:WindyPlane --dims 2,3,4,6
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("name", metavar="NAME", help="name of the class, such as WindyPlane")
    parser.add_argument("--out", type=Path, default=Path(), metavar="DIR", help="where to put the two files")


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Write the files; returns the exit code."""
    name: str = arguments.name
    if not re.fullmatch(r"[A-Z][A-Za-z0-9]*", name) or keyword.iskeyword(name):
        raise ConfigError("NAME", name, "expected a class name such as WindyPlane: letters and digits, a capital first")
    module = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
    if keyword.iskeyword(module):
        raise ConfigError("NAME", name, f"{module}.py could not be imported; choose another name")
    directory: Path = arguments.out
    targets = {"construction": directory / f"{module}.py", "test": directory / f"test_{module}.py"}
    for path in targets.values():
        if path.exists():
            raise ConfigError("NAME", name, f"{path} is there already; choose another name or --out")
    templates = files("analysis") / "templates"
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for kind, path in targets.items():
            text = Template((templates / f"{kind}.txt").read_text(encoding="utf-8"))
            path.write_text(text.substitute(name=name, module=module), encoding="utf-8")
            console.print(f"  {path}", highlight=False, soft_wrap=True)
    except OSError as error:
        complain("new-construction", f"argument --out: {directory} cannot be written to ({error.strerror})")
        return EXIT_FAILED
    console.print("now (the second takes seconds; --dims 2,3,4,6 and no --trials is the real thing):", highlight=False)
    measure = f"reengage scale --construction {targets['construction']}:{name} --dims 2,3 --trials 10 --out {module}"
    for command in (f"pytest {targets['test']}", measure):
        console.print(f"  {command}", highlight=False, soft_wrap=True)
    return EXIT_DONE
