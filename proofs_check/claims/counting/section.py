"""The section of the ledger on counting, and what all its modules share."""

from __future__ import annotations

from collections.abc import Hashable, Iterable

import numpy as np

from proofs_check.claim import CheckSettings, EvidenceKind
from proofs_check.proving.section import Section

__all__ = [
    "CERTIFICATE",
    "DIMS",
    "GENERIC",
    "LOWER_BOUND",
    "SECTION",
    "SHARPER",
    "assert_same",
    "covered",
    "generator",
    "require",
]

SECTION = Section("C", "Counting: how many transitions determine U")

DIMS = range(2, 9)
"""Where every case is certified."""

GENERIC = ("U a rotation", "goals and actions generic and independent of U")
SHARPER = "sharp form of Propositions 1 and 2, which state orders only"
CERTIFICATE = EvidenceKind.CERTIFICATE
LOWER_BOUND = "ranks modulo 2^61 − 1 at a rational point (lower bound)"


def generator(settings: CheckSettings, *key: int) -> np.random.Generator:
    """Randomness of its own for every key: claims do not depend on which others are checked."""
    return np.random.default_rng((settings.seed, *key))


def assert_same(found: object, predicted: object, where: str) -> None:
    """What was computed is what the formula says.

    Raises:
        AssertionError: otherwise, with the message of a counterexample.
    """
    assert found == predicted, f"{where}: computed {found}, formula {predicted}"


def require(condition: object, problem: str) -> None:
    """What a check takes for granted, which is not its claim.

    Raises:
        RuntimeError: where it does not hold; then the check has shown nothing.
    """
    if not condition:
        raise RuntimeError(problem)


def covered(visited: Iterable[Hashable], intended: Iterable[Hashable]) -> str:
    """The dimensions of the cases that a check went through, in words, for its scope.

    Args:
        visited: one a case, d itself or a tuple that starts with it.
        intended: the same, as they should be.

    Raises:
        RuntimeError: if nothing was intended, or the cases are others than the intended ones.
    """
    seen, wanted = set(visited), set(intended)
    require(wanted, "no cases to go through")
    require(
        seen == wanted, f"{len(seen & wanted)} of {len(wanted)} cases were gone through, {len(seen - wanted)} others"
    )
    dims = sorted({int(case[0] if isinstance(case, tuple) else str(case)) for case in seen})
    runs: list[list[int]] = []
    for dim in dims:
        if runs and runs[-1][-1] == dim - 1:
            runs[-1].append(dim)
        else:
            runs.append([dim])
    return "d = " + ", ".join(f"{run[0]} … {run[-1]}" if len(run) > 3 else ", ".join(map(str, run)) for run in runs)
