"""The mutants themselves: what is made, that it is caught, and that the list of equivalent ones is in step.

All of them: `make mutants`. Here a few of each kind, in processes of their own.
"""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import pytest

from mutants.equivalent import EQUIVALENT
from mutants.examining import failing_test
from mutants.making import TARGETS, TESTS, Mutant, all_mutants

ROOT = Path(__file__).parent.parent


@cache
def mutants() -> tuple[Mutant, ...]:
    """All of them; making them takes seconds, so not on import."""
    return tuple(all_mutants())


def test_there_are_mutants_of_every_kind_and_module() -> None:
    kinds: dict[str, set[str]] = defaultdict(set)
    for mutant in mutants():
        kinds[mutant.kind].add(mutant.module)
    assert {mutant.module for mutant in mutants()} == set(TARGETS)
    assert len(mutants()) >= 60
    for kind in (
        "sign",
        "dropped term",
        "dropped factor",
        "dropped power",
        "constant",
        "transpose",
        "swapped arguments",
        "stopped gradient",
        "target_param for param",
        "min for max",
        "wrong group",
    ):
        assert kind in kinds, kind


def test_every_mutant_is_another_program() -> None:
    sources = {mutant.source for mutant in mutants()}
    assert len(sources) == len(mutants())
    assert len({mutant.key for mutant in mutants()}) == len(mutants())
    for module in TARGETS:
        statements = ast.parse((ROOT / (module.replace(".", "/") + ".py")).read_text(encoding="utf-8")).body
        real = "\n".join(ast.unparse(statement) for statement in statements)
        assert all(real not in mutant.source for mutant in mutants() if mutant.module == module)


def test_every_equivalent_mutant_exists_and_has_a_reason() -> None:
    keys = {mutant.key for mutant in mutants()}
    for key, reason in EQUIVALENT.items():
        assert key in keys, f"{key} is no mutant any more"
        assert len(reason) > 20


def sample() -> list[Mutant]:
    """One mutant of each kind and module's formulas, quick ones."""
    found: dict[str, Mutant] = {}
    for mutant in mutants():
        if (
            mutant.module.endswith(("gradient_feedback", "no_reward_gradient", "losses"))
            and mutant.key not in EQUIVALENT
        ):
            found.setdefault(mutant.kind, mutant)
    return list(found.values())


def run_in_a_fresh_process(chosen: Sequence[Mutant]) -> dict[str, str]:
    """Key of each mutant -> the claim that caught it, or None."""
    program = (
        "import sys\n"
        "from mutants.examining import outcomes_of\n"
        "from mutants.making import all_mutants\n"
        "wanted = set(sys.stdin.read().split(chr(0)))\n"
        "modules = sys.argv[1:]\n"
        "chosen = [m for m in all_mutants(modules) if m.key in wanted]\n"
        "for m, o in zip(chosen, outcomes_of(chosen, 2)):\n"
        "    print(m.key, o.caught_by, o.how, sep=chr(0))\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "tests"), str(ROOT)])}
    done = subprocess.run(
        [sys.executable, "-c", program, *sorted({mutant.module for mutant in chosen}, key=list(TARGETS).index)],
        input="\0".join(mutant.key for mutant in chosen),
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    assert done.returncode == 0, done.stderr
    return {line.split("\0")[0]: line.split("\0")[1] for line in done.stdout.splitlines()}


def test_a_mutant_of_each_kind_is_caught() -> None:
    chosen = sample()
    assert len(chosen) >= 8
    caught = run_in_a_fresh_process(chosen)
    assert set(caught) == {mutant.key for mutant in chosen}
    for key, claim in caught.items():
        assert re.fullmatch(r"[A-Z]+\d*\.\d+[a-z]?|import", claim), f"{key} survived, or only a test caught it"


def test_what_the_ledger_lets_pass_meets_the_tests_of_its_module() -> None:
    assert set(TESTS) <= set(TARGETS)
    assert all((ROOT / f"tests/{name}.py").exists() for names in TESTS.values() for name in names)
    module = "toyenvs.constructions.base"
    (mutant,) = (m for m in mutants() if m.module == module and "regret.uniform_regret(param" in m.after)
    test = "test_regret.py::test_a_construction_judges_by_the_size_of_the_truth_and_by_what_goals_see"
    assert failing_test(module, mutant.source) == test
    assert failing_test(module, "from nowhere import nothing") == "import"


@pytest.mark.slow
def test_every_mutant_is_caught_or_computes_the_same_thing() -> None:
    caught = run_in_a_fresh_process(mutants())
    survivors = {key for key, claim in caught.items() if claim == "None"}
    assert survivors <= set(EQUIVALENT), survivors - set(EQUIVALENT)
