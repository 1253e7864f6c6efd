"""The section of the ledger on counting, and what all its modules share."""

from __future__ import annotations

import numpy as np

from proofs_check.claim import CheckSettings, EvidenceKind
from proofs_check.section import Section

__all__ = ["CERTIFICATE", "DIMS", "GENERIC", "LOWER_BOUND", "SECTION", "SHARPER", "assert_same", "generator"]

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
