"""Hypothesis classes: the sets of parameters among which a learner looks for the unknown U.

Prop. 1 and 2 speak of "orthogonal (rotation)" matrices, which mixes two classes with different thresholds:
the rotations SO(d) and the orthogonal matrices O(d) (two components: rotations and reflections). Both are
here.

Tangent vectors are *left-trivialised*: at a parameter V the tangent vector VΩ is represented by the
skew-symmetric Ω, whatever V is. Momentum and averages of tangent vectors at different points are then sums
of matrices, with no transport to compute. Lengths are Frobenius norms of Ω: a rotation by θ radians in one
plane has length √2·θ.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from scipy.stats import ortho_group, special_ortho_group
from torch import Tensor
from typing_extensions import override

__all__ = ["HYPOTHESIS_CLASSES", "HypothesisClass", "Orthogonal", "SpecialOrthogonal", "hypothesis_class"]


class HypothesisClass(ABC):
    """A set of d×d parameters that a learner can sample from, move on and project to."""

    name: str
    """The name on the command line and in result files."""

    max_tangent_norm: float = 1.0
    """Frobenius norm of the longest tangent vector that :meth:`retract` accepts."""

    @abstractmethod
    def dimension(self, dim: int) -> int:
        """Number of degrees of freedom of the class in d = ``dim`` dimensions."""

    @abstractmethod
    def sample(self, dim: int, rng: np.random.Generator) -> NDArray[np.float64]:
        """Draw one parameter (d, d) from the class's uniform (Haar) distribution."""

    @abstractmethod
    def tangent(self, param: Float[Tensor, "*b d d"], ambient: Float[Tensor, "*b d d"]) -> Float[Tensor, "*b d d"]:
        """Left-trivialised orthogonal projection of an ambient matrix on the tangent space at ``param``.

        Applied to the Euclidean gradient of a loss it is the Riemannian gradient.
        """

    @abstractmethod
    def retract(self, param: Float[Tensor, "*b d d"], tangent: Float[Tensor, "*b d d"]) -> Float[Tensor, "*b d d"]:
        """Move from ``param`` along a left-trivialised tangent vector, staying in the class.

        Agrees with the geodesic to second order. ``tangent`` must not be longer than ``max_tangent_norm``
        (not checked: this is the innermost loop; the optimisers clip).
        """

    @abstractmethod
    def project(self, ambient: Float[Tensor, "*b d d"]) -> Float[Tensor, "*b d d"]:
        """Nearest parameter of the class in Frobenius norm (unique for almost every matrix)."""

    @abstractmethod
    def starts(self, param: Float[Tensor, "b d d"]) -> tuple[Float[Tensor, "b d d"], ...]:
        """One starting point per connected component, the given one first.

        Descent never leaves the component that it starts in, so a learner of a class with several components
        runs from each and keeps the lowest loss.
        """


class _OrthogonalGroup(HypothesisClass):
    """What SO(d) and O(d) share: dimension D = d(d-1)/2, skew tangent vectors, retraction."""

    def dimension(self, dim: int) -> int:
        return dim * (dim - 1) // 2

    def tangent(self, param: Float[Tensor, "*b d d"], ambient: Float[Tensor, "*b d d"]) -> Float[Tensor, "*b d d"]:
        product = param.mT @ ambient
        return (product - product.mT) / 2

    def retract(self, param: Float[Tensor, "*b d d"], tangent: Float[Tensor, "*b d d"]) -> Float[Tensor, "*b d d"]:
        # I + Ω + Ω²/2 is exp(Ω) to second order and misses orthogonality by Ω⁴/4 only; one Newton-Schulz step
        # squares what is missing, including the rounding that `param` brought along. Matrix products only: no
        # factorisation, which batches badly.
        step = tangent + 0.5 * (tangent @ tangent)
        moved = param + param @ step
        gram = moved.mT @ moved
        return torch.add(1.5 * moved, moved @ gram, alpha=-0.5)


class SpecialOrthogonal(_OrthogonalGroup):
    """Rotations SO(d): orthogonal with determinant +1; connected; dimension d(d-1)/2."""

    name = "so"

    @override
    def sample(self, dim: int, rng: np.random.Generator) -> NDArray[np.float64]:
        return np.asarray(special_ortho_group.rvs(dim, random_state=rng), dtype=np.float64)

    @override
    def project(self, ambient: Float[Tensor, "*b d d"]) -> Float[Tensor, "*b d d"]:
        # Kabsch: the polar factor, with the direction of the smallest singular value turned round where the
        # determinant would be -1.
        left, _, right = torch.linalg.svd(ambient)
        left = left.clone()
        left[..., :, -1] *= torch.linalg.det(left @ right).sign()[..., None]
        return left @ right

    @override
    def starts(self, param: Float[Tensor, "b d d"]) -> tuple[Float[Tensor, "b d d"], ...]:
        return (param,)


class Orthogonal(_OrthogonalGroup):
    """Orthogonal matrices O(d): rotations and reflections, two components of dimension d(d-1)/2."""

    name = "o"

    @override
    def sample(self, dim: int, rng: np.random.Generator) -> NDArray[np.float64]:
        return np.asarray(ortho_group.rvs(dim, random_state=rng), dtype=np.float64)

    @override
    def project(self, ambient: Float[Tensor, "*b d d"]) -> Float[Tensor, "*b d d"]:
        left, _, right = torch.linalg.svd(ambient)
        return left @ right

    @override
    def starts(self, param: Float[Tensor, "b d d"]) -> tuple[Float[Tensor, "b d d"], ...]:
        reflected = param.clone()
        reflected[..., :, 0] *= -1
        return (param, reflected)


HYPOTHESIS_CLASSES: dict[str, HypothesisClass] = {c.name: c for c in (SpecialOrthogonal(), Orthogonal())}
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
