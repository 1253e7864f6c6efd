"""Hypothesis classes: the sets of parameters among which a learner looks for the unknown U, by name."""

from __future__ import annotations

from toyenvs.hypothesis_classes.base import HypothesisClass
from toyenvs.hypothesis_classes.blocks import BlockRotations
from toyenvs.hypothesis_classes.exact import ExactPoint
from toyenvs.hypothesis_classes.householder import Householder
from toyenvs.hypothesis_classes.linear import AllMatrices, Circulant, Diagonal, Symmetric
from toyenvs.hypothesis_classes.low_rank import LowRank
from toyenvs.hypothesis_classes.orthogonal import Orthogonal, SpecialOrthogonal
from toyenvs.hypothesis_classes.permutation import Permutation
from toyenvs.hypothesis_classes.unitary import Unitary

__all__ = [
    "HYPOTHESIS_CLASSES",
    "AllMatrices",
    "BlockRotations",
    "Circulant",
    "Diagonal",
    "ExactPoint",
    "Householder",
    "HypothesisClass",
    "LowRank",
    "Orthogonal",
    "Permutation",
    "SpecialOrthogonal",
    "Symmetric",
    "Unitary",
    "hypothesis_class",
]


HYPOTHESIS_CLASSES: dict[str, HypothesisClass] = {
    c.name: c
    for c in (
        SpecialOrthogonal(),
        Orthogonal(),
        AllMatrices(),
        Symmetric(),
        BlockRotations(2),
        BlockRotations(3),
        Unitary(),
        Householder(),
        Diagonal(),
        Circulant(),
        LowRank(1),
        LowRank(2),
        Permutation(),
    )
}
"""The registered classes by name; a new class is one entry here."""


def hypothesis_class(name: str) -> HypothesisClass:
    """Look a class up by name.

    Raises:
        ValueError: if no class has that name.
    """
    try:
        return HYPOTHESIS_CLASSES[name]
    except KeyError:
        raise ValueError(f"group: {name!r} is not one of {', '.join(HYPOTHESIS_CLASSES)}") from None
