"""A random member of a class and its tangent space, in integers: the points at which exact ranks are counted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["ExactPoint", "Integers", "integer_multiples", "random_integers"]

Integers = NDArray[np.int64]

_BOUND = 9999
"""Of the integers behind a random member: few enough of them would often make a special one."""


@dataclass(frozen=True)
class ExactPoint:
    """A member U and matrices that span the tangent space there.

    Attributes:
        tangents: (b, d, d), b at least the dimension of the class.
        member: (d, d).
        denominator: U = member / denominator, where ``group`` is false.
        group: whether U is the Cayley transform (I − S)(I + S)⁻¹ of a skew S = member, and the tangent vectors UΩ for
            Ω in ``tangents``.
    """

    tangents: Integers
    member: Integers
    denominator: int = 1
    group: bool = False


def random_integers(rng: np.random.Generator, *shape: int) -> Integers:
    """Integers from −9999 to 9999."""
    return rng.integers(-_BOUND, _BOUND + 1, size=shape)


def integer_multiples(basis: NDArray[np.float64]) -> Integers | None:
    """Each matrix of a basis (M, d, d), divided by its largest entry; None if that does not make it integer."""
    scaled: NDArray[Any] = basis / np.abs(basis).max(axis=(1, 2), keepdims=True)
    integers = np.rint(scaled).astype(np.int64)
    return integers if np.allclose(scaled, integers, rtol=0, atol=1e-9) else None
