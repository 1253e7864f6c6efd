"""What a construction is: four formulas over a hypothesis class of parameters.

The paper's argument needs an environment in which everything is known in closed form except one parameter U.
A construction gives

* ``dynamics``  s' = f(s, a; U)
* ``reward``    R(s', g)
* ``q_value``   the optimal value Q*(s, a, g) *if U were the truth*
* ``policy``    the optimal policy π*(s, g) *if U were the truth*

written with the vector operations of :mod:`toyenvs.algebra`, so that one text serves the environment (numpy),
the learners (torch) and the proofs (symbols). A learner never receives U: critic and actor are ``q_value`` and
``policy`` at a parameter of its own. Everything else has a default: states are points of R^d that start on the unit
sphere, and a goal speaks about the whole state.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, SupportsIndex, TypeVar

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from toyenvs import algebra, regret
from toyenvs.hypothesis_classes import HypothesisClass

__all__ = ["Construction", "Count", "ReducedResiduals", "discounted"]

Count = TypeVar("Count", int, float, NDArray[np.float64])
"""Of transitions: one number, or many for as many dimensions."""


@dataclass(frozen=True)
class ReducedResiduals:
    """A residual that is affine in the parameter: e(Ũ) = w·(PŨx − y), one vector a transition.

    P is the identity, or takes the first k coordinates where goals have only those (``goal_dim``).

    The goal gradient of the Bellman residual is e(Ũ) and the Bellman residual itself is gᵀe(Ũ). This is the
    paper's reduction in both propositions; it holds for *every* target parameter in the class, which is why it
    does not appear.

    Attributes:
        weight: w, scalar (...) or a plain number, the same for all; 0 where a transition says nothing about the
            parameter.
        inputs: x, vector (..., d).
        outputs: y, vector (..., k).
        goal_dim: k where it is not d; None means that P is the identity.
    """

    weight: Any
    inputs: Any
    outputs: Any
    goal_dim: int | None = None

    def goal_gradient_residual(self, param: Any) -> Any:
        """e(Ũ) = w·(PŨx − y): vector (..., k)."""
        image = algebra.apply(param, self.inputs)
        if self.goal_dim is not None:
            image = algebra.project(image, self.goal_dim)
        return algebra.scale(image - self.outputs, self.weight)

    def bellman_residual(self, param: Any, goal: Any) -> Any:
        """gᵀe(Ũ): scalar (...)."""
        return algebra.inner(goal, self.goal_gradient_residual(param))


class Construction(ABC):
    """A d-dimensional environment family whose optimal value and policy are known up to one parameter.

    Args:
        dim: d ≥ 2, the dimension of actions, and of goals and achieved goals unless ``goal_dim`` says otherwise.
        discount: γ in [0, 1).
    """

    name: str
    """The name on the command line and in result files; by default that of the class."""

    group: ClassVar[str | HypothesisClass] = "so"
    """Where the unknown parameter lives unless something else is asked for: a registered class by name, or another."""

    needs_orthogonal: ClassVar[bool] = False
    """Whether ``q_value`` holds for orthogonal parameters only, except at discount 0."""

    counted_by_class: ClassVar[bool] = False
    """Whether every informative transition says gᵀUa of U, or Ua to who matches gradients, and nothing more: then the
    counts of the hypothesis class are those of informative transitions."""

    predicted: ClassVar[Mapping[str, str]] = {}
    """Predicted thresholds by learner, as formulas of d and D = d(d−1)/2 such as "D + 1"; those that are not stated are
    counted by exact ranks, see :mod:`proofs_check.exact.rank_prediction`."""

    _named_by_class: ClassVar[bool] = True

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if cls._named_by_class and "name" not in vars(cls):
            cls.name = cls.__name__
        else:
            cls._named_by_class = False

    def __init__(self, dim: SupportsIndex, discount: Any = 0.9) -> None:
        if not isinstance(dim, int | np.integer) or dim < 2:
            raise ValueError(f"dim: {dim!r} is not an integer >= 2")
        self.dim = int(dim)
        self.discount = discounted(discount)

    @classmethod
    def transitions_for_informative(cls, count: Count) -> Count:
        """Length of the shortest buffer that holds so many informative transitions: as many, if all of them are."""
        return count

    @classmethod
    def length_label(cls, label: str) -> str:
        """:meth:`transitions_for_informative` of a count that is written ``label``, in mathtext: "D+1"."""
        return label

    @property
    def goal_dim(self) -> int:
        """Length of goals and achieved goals, k ≤ d; k = d unless a construction says otherwise."""
        return self.dim

    @property
    def observation_dim(self) -> int:
        """Length of the state vector; d unless a construction says otherwise."""
        return self.dim

    @abstractmethod
    def dynamics(self, param: Any, observation: Any, action: Any) -> Any:
        """Next state s' = f(s, a; U); every construction so far is deterministic."""

    def achieved_goal(self, observation: Any) -> Any:
        """The part of the state that a goal speaks about: vector (..., goal_dim); by default the state itself."""
        return observation

    def reward(self, next_observation: Any, goal: Any) -> Any:
        """R(s', g), through the achieved goal of s'."""
        return self.goal_reward(self.achieved_goal(next_observation), goal)

    @abstractmethod
    def goal_reward(self, achieved_goal: Any, goal: Any) -> Any:
        """The reward as a function of the achieved goal (what hindsight relabelling recomputes)."""

    @abstractmethod
    def q_value(self, param: Any, observation: Any, action: Any, goal: Any) -> Any:
        """Q*(s, a, g) of the environment whose parameter is ``param``: scalar (...)."""

    @abstractmethod
    def policy(self, param: Any, observation: Any, goal: Any) -> Any:
        """π*(s, g) of the environment whose parameter is ``param``: vector (..., d). Undefined at g = 0."""

    def initial_observation(self, direction: Any) -> Any:
        """A starting state from a unit vector (..., d) drawn uniformly on the sphere; by default that vector."""
        return direction

    def uniform_regret(
        self, true_param: Float[Tensor, "*b d d"], param: Float[Tensor, "*b d d"]
    ) -> Float[Tensor, " *b"]:
        """How far a learned parameter is from the truth; a trial succeeds where it is at most ε.

        By default :func:`toyenvs.regret.uniform_regret` of the rows that goals can see: the regret, at the worst unit
        goal, of the policy Ũᵀg/‖Ũᵀg‖ if the parameters are orthogonal. A construction whose goals see less of its
        parameter compares what they see.
        """
        return regret.uniform_regret(true_param[..., : self.goal_dim, :], param[..., : self.goal_dim, :])

    def reduced_residuals(self, observation: Any, action: Any, next_observation: Any) -> ReducedResiduals | None:
        """The paper's reduction of the Bellman error, if there is one; None makes learners differentiate.

        It says that the goal gradient of the Bellman residual, as a function of the online parameter Ũ, is

            e(Ũ) = w(Ũx − y)

        and the Bellman residual itself gᵀe(Ũ), for every goal g and every target parameter. Return w, x and y as
        ``ReducedResiduals(weight=w, inputs=x, outputs=y)``. If s' = s + Ua and the value is gᵀ(s + Ua)/(1−γ) and a
        function of g, for example, then w = 1/(1−γ), x = a and y = s' − s. Where goals have k < d coordinates, e is
        w(PŨx − y) with P the first k coordinates, and ``goal_dim=k`` says so.

        A claim as well as a shortcut: ``proofs_check.testing.assert_reduced_residuals`` compares it, value and
        parameter gradient, with automatic differentiation of the temporal-difference error.
        """
        return None

    @property
    def informative(self) -> bool:
        """Whether any loss depends on the parameter at all (at some discounts none does)."""
        return True


def discounted(discount: Any) -> Any:
    """Check a discount factor; symbols pass.

    Raises:
        ValueError: if it is neither a real number in [0, 1) nor a symbolic expression.
    """
    if hasattr(discount, "free_symbols"):  # sympy's; it is not imported here
        return discount
    if not isinstance(discount, int | float | np.number) or not 0 <= discount < 1:
        raise ValueError(f"discount: {discount!r} is not in [0, 1)")
    return discount


def unit_vectors(rng: np.random.Generator, count: int, dim: int) -> NDArray[np.float64]:
    """Independent uniform points on the unit sphere, one a row: (count, d).

    Row i depends on the generator's state and on i only, so a longer draw begins with the shorter one.
    """
    rows = rng.standard_normal((count, dim))
    return np.asarray(rows / np.linalg.norm(rows, axis=-1, keepdims=True))


def points_in_ball(rng: np.random.Generator, count: int, dim: int) -> NDArray[np.float64]:
    """Independent uniform points in the unit ball, one a row: (count, d); nested like :func:`unit_vectors`.

    The first d coordinates of a uniform point on the sphere in d + 2 dimensions are uniform in the d-ball.
    """
    return unit_vectors(rng, count, dim + 2)[:, :dim]
