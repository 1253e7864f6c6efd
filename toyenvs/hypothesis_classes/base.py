"""What a hypothesis class is: a set of d×d parameters that a learner can draw from, move on and project to.

Tangent vectors have the shape of a parameter. What they mean is the class's affair:

* for the matrix groups they are *left-trivialised*: at V the tangent vector VΩ is represented by the element Ω of
  the Lie algebra, whatever V is. Momentum and averages of tangent vectors at different points are then sums of
  matrices, with no transport to compute;
* for the other classes they are ambient matrices, tangent at one point. ``retract`` projects what it is given on the
  tangent space at the point it starts from, so a velocity that was built up elsewhere (momentum) is transported by
  orthogonal projection, and any ambient matrix is accepted.

``tangent_basis`` and ``move`` speak of ambient matrices for every class.

Source: Absil, Mahony & Sepulchre, Optimization Algorithms on Matrix Manifolds, 2008 (retraction: def. 4.1.1, of
second order: (5.30), transport by projection: §8.1.3).
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from toyenvs.hypothesis_classes.exact import ExactPoint

__all__ = ["HypothesisClass"]


class HypothesisClass(ABC):
    """A set of d×d parameters that a learner can sample from, move on and project to."""

    name: str
    """The name on the command line and in result files."""

    label: str
    """The class in mathtext, without dollar signs."""

    orthogonal: bool = False
    """Whether every member satisfies UᵀU = I. The constructions' Q* needs it at every discount but 0."""

    affine: bool = False
    """Whether the class is an affine space: then dimension-many generic scalars determine a member."""

    finite: bool = False
    """Whether the class has finitely many members; then :meth:`members` lists them and nothing descends."""

    scalar_label: str | None = None
    """:meth:`scalar_count` as a formula of d and D = d(d−1)/2 in mathtext, where it has a short one."""

    gradient_label: str | None = None
    """:meth:`gradient_count` likewise."""

    requirement: str = "at least 2"
    """What :meth:`allows` asks of ``dim``, to be read after "dim is not"."""

    max_tangent_norm: float = 1.0
    """Frobenius norm of the longest tangent vector that :meth:`retract` accepts."""

    def allows(self, dim: int) -> bool:
        """Whether the class exists in d = ``dim`` dimensions."""
        return dim >= 2

    def require(self, dim: int) -> None:
        """Check a dimension.

        Raises:
            ValueError: if the class does not exist in d = ``dim`` dimensions.
        """
        if not self.allows(dim):
            raise ValueError(f"dim: {dim} is not {self.requirement}, as group {self.name!r} needs")

    @abstractmethod
    def dimension(self, dim: int) -> int:
        """Number of degrees of freedom M of the class in d = ``dim`` dimensions.

        This and the two counts below are formulas of d, also where the class does not exist.
        """

    def scalar_count(self, dim: int) -> int:
        """Smallest N at which N generic scalars gᵀUa determine every U: M, or M + 1 if the class is not affine.

        Source: claims C.17, C.20, C.21, C.25.
        """
        return self.dimension(dim) + (0 if self.affine else 1)

    def gradient_count(self, dim: int) -> int | None:
        """Smallest N at which N images Ua, generic a, determine U; None where nobody has counted.

        Source: claims C.8, C.18.
        """
        return None

    def exact_point(self, dim: int, rng: np.random.Generator) -> ExactPoint | None:
        """A random member and its tangent space in integers, for counts by exact ranks; None where there is none."""
        return None

    @abstractmethod
    def sample(self, dim: int, rng: np.random.Generator) -> NDArray[np.float64]:
        """Draw one parameter (d, d) from the class's own distribution, which each class states.

        Raises:
            ValueError: if the class does not exist in d = ``dim`` dimensions.
        """

    @abstractmethod
    def tangent(self, param: Float[Tensor, "*b d d"], ambient: Float[Tensor, "*b d d"]) -> Float[Tensor, "*b d d"]:
        """Orthogonal projection of an ambient matrix on the tangent space at ``param``, as a tangent vector.

        Applied to the Euclidean gradient of a loss it is the Riemannian gradient.
        """

    @abstractmethod
    def retract(self, param: Float[Tensor, "*b d d"], tangent: Float[Tensor, "*b d d"]) -> Float[Tensor, "*b d d"]:
        """Move from ``param`` along a tangent vector, staying in the class.

        Agrees with the geodesic to second order. ``tangent`` must not be longer than ``max_tangent_norm``
        (not checked: this is the innermost loop; the optimisers clip).
        """

    @abstractmethod
    def project(self, ambient: Float[Tensor, "*b d d"]) -> Float[Tensor, "*b d d"]:
        """Nearest parameter of the class in Frobenius norm (unique for almost every matrix)."""

    def starts(self, param: Float[Tensor, "b d d"]) -> tuple[Float[Tensor, "b d d"], ...]:
        """One starting point per connected component, the given one first; most classes are connected.

        Descent never leaves the component that it starts in, so a learner of a class with several components
        runs from each and keeps the lowest loss.
        """
        return (param,)

    @abstractmethod
    def tangent_basis(self, param: Float[Tensor, "b d d"]) -> Float[Tensor, "b M d d"]:
        """Ambient matrices that are an orthonormal basis (Frobenius) of the tangent space at each ``param``."""

    def move(
        self,
        param: Float[Tensor, "b d d"],
        basis: Float[Tensor, "b M d d"],
        coordinates: Float[Tensor, "b M"],
    ) -> Float[Tensor, "b d d"]:
        """Retract along Σ c_m basis_m, a step of any length, and stay in the class to machine precision.

        Agrees with the geodesic to second order. A second-order method (Levenberg–Marquardt) proposes steps that
        may be long.

        Args:
            param: where to start.
            basis: of the tangent space at ``param``, ambient matrices, from :meth:`tangent_basis`.
            coordinates: c.
        """
        return self.retract(param, linear_combination(basis, coordinates))

    def members(self, dim: int) -> Float[Tensor, "K d d"]:
        """All members of a finite class.

        Raises:
            ValueError: if the class is infinite, or has too many members to list.
        """
        raise ValueError(f"group: {self.name!r} has infinitely many members")


def linear_combination(basis: Float[Tensor, "b M d d"], coordinates: Float[Tensor, "b M"]) -> Float[Tensor, "b d d"]:
    """Σ c_m basis_m."""
    return torch.einsum("bmij,bm->bij", basis, coordinates)
