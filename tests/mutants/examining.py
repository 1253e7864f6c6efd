"""Examining mutants: the ledger is run on each until a claim is not as expected.

What the ledger lets pass meets the tests of its module: the claims speak of formulas, tests also of their use.
"""

from __future__ import annotations

import multiprocessing
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mutants.importing import MutatedModule
from mutants.making import ROOT, TARGETS, TESTS, Mutant

MAX_DIM = 8
"""Of the exact certificates: large dimensions would take time and notice nothing more."""

TIMEOUT = 900.0
"""Seconds after which a mutant counts as one that does not end."""


@dataclass(frozen=True)
class Outcome:
    """What became of a mutant.

    Attributes:
        caught_by: id of the first claim that was not as expected, the test that failed, or "import"; None for a
            survivor.
        how: "refuted", "undecided", "crashed", "believed" (a printed erratum came out true), "test" or "does not end".
        seconds: until then.
    """

    caught_by: str | None
    how: str
    seconds: float


def examine(mutant: Mutant) -> Outcome:
    """Run the ledger on a mutant. To be called in a process that has not imported the packages yet.

    The quick pieces of evidence go first: derivations and property tests of the sections that should notice.
    """
    started = time.perf_counter()
    sys.meta_path.insert(0, MutatedModule(mutant.module, mutant.source))

    def outcome(caught_by: str | None, how: str) -> Outcome:
        return Outcome(caught_by, how, time.perf_counter() - started)

    try:
        from proofs_check.claim import CheckSettings, EvidenceKind
        from proofs_check.ledger import SECTIONS
    except Exception:
        return outcome("import", "crashed")
    first = TARGETS[mutant.module]
    sections = sorted(SECTIONS, key=lambda s: first.index(s.id) if s.id in first else len(first))
    settings = CheckSettings(max_dim=MAX_DIM)
    for kind in (EvidenceKind.SYMBOLIC, EvidenceKind.PROPERTY):
        for section in sections[: len(first)]:
            for claim in section.claims:
                pieces = tuple(piece for piece in claim.evidence if piece.kind is kind)
                if not pieces:
                    continue
                result = replace(claim, evidence=pieces).check(settings)
                if not result.as_expected:
                    return outcome(claim.id, _how(result))
    for section in sections:
        for claim in section.claims:
            result = claim.check(settings)
            if not result.as_expected:
                return outcome(claim.id, _how(result))
    test = failing_test(mutant.module, mutant.source)
    return outcome(test, "test" if test else "survived")


def failing_test(module: str, source: str) -> str | None:
    """The first test of a module's files that fails when the module has another source; None if all pass.

    Raises:
        RuntimeError: if the tests cannot be run.
    """
    if not TESTS.get(module):
        return None
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "source.py"
        path.write_text(source, encoding="utf-8")
        done = subprocess.run(
            [
                *(sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "-p", "mutants.planting"),
                *("-m", "not slow", *(f"tests/{name}.py" for name in TESTS[module])),
            ],
            cwd=ROOT,
            env={
                **os.environ,
                "PYTHONPATH": os.pathsep.join([str(ROOT / "tests"), str(ROOT)]),
                "MUTANT_MODULE": module,
                "MUTANT_SOURCE": str(path),
            },
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode == 0:
        return None
    failed = re.search(r"^(?:FAILED|ERROR) tests/(\S+)", done.stdout, re.MULTILINE)
    if failed is not None:
        return failed[1]
    if "mutants.planting" in done.stderr:  # the module cannot even be imported
        return "import"
    raise RuntimeError(done.stdout + done.stderr)


def _how(result: Any) -> str:
    """Why a claim was not as expected, in a word."""
    verdicts = {piece.finding.verdict.value: piece.finding for piece in result.evidence}
    if result.claim.expected.value == "FALSE" and "TRUE" in verdicts:
        return "believed"
    if "FALSE" in verdicts:
        return "refuted"
    return "undecided" if "UndecidedError" in verdicts["UNKNOWN"].steps[0] else "crashed"


def _preload() -> None:
    """Import what takes long, once, before processes fork; none of the project's own packages."""
    import flint
    import gymnasium
    import hypothesis
    import scipy.stats
    import sympy
    import torch

    torch.set_num_threads(1)
    assert all((flint, gymnasium, hypothesis, scipy.stats, sympy))
    assert not any(name.split(".")[0] in ("toyenvs", "proofs_check") for name in sys.modules)


def outcomes_of(mutants: Sequence[Mutant], jobs: int) -> Iterator[Outcome]:
    """The outcome of every mutant, in their order, each from a process of its own."""
    _preload()
    with multiprocessing.get_context("fork").Pool(jobs, maxtasksperchild=1) as pool:
        for result in [pool.apply_async(examine, (mutant,)) for mutant in mutants]:
            try:
                yield result.get(TIMEOUT)
            except multiprocessing.TimeoutError:
                yield Outcome("time", "does not end", TIMEOUT)
