"""Thresholds by exact ranks against theory's counts and against ranks in float64."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from typing_extensions import override

from proofs_check.exact.rank_prediction import count_by_rank, polynomial_in_d
from proofs_check.theory import predicted_threshold
from toyenvs import algebra
from toyenvs.constructions import Construction, GradientFeedback, NoRewardGradient, ProjectedGoal
from toyenvs.constructions.user_defined import load_construction
from toyenvs.hypothesis_classes import HYPOTHESIS_CLASSES, SpecialOrthogonal
from toyenvs.learners.losses import temporal_difference_error

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"


@pytest.mark.parametrize("construction", [GradientFeedback, NoRewardGradient])
@pytest.mark.parametrize("dim", [2, 3, 4, 5, 6])
def test_the_papers_propositions(construction: type[Construction], dim: int) -> None:
    found = count_by_rank(construction, HYPOTHESIS_CLASSES["so"], dim, 0.9)
    assert found.dimension == dim * (dim - 1) // 2
    assert found.ddpg == predicted_threshold(construction.name, "so", "ddpg", dim)
    assert found.reengage == predicted_threshold(construction.name, "so", "reengage", dim)


@pytest.mark.parametrize("name", [name for name in HYPOTHESIS_CLASSES if name != "permutation"])
@pytest.mark.parametrize("dim", [3, 4, 6])
def test_every_class_that_theory_has_counted(name: str, dim: int) -> None:
    members = HYPOTHESIS_CLASSES[name]
    if not members.allows(dim):
        return
    found = count_by_rank(GradientFeedback, members, dim, 0.0)
    assert found.dimension == members.dimension(dim)
    assert found.ddpg == members.scalar_count(dim)
    # A reflection on O(d) is far from U: one transition more than what ranks can see.
    assert found.reengage == (members.gradient_count(dim) or 0) - (name == "o")


class Bootstrapped(GradientFeedback):
    """Without its reduction, and with a value in which ‖Uᵀg‖ stays."""

    def q_value(self, param: Any, observation: Any, action: Any, goal: Any) -> Any:
        """With ‖Uᵀg‖."""
        gain = algebra.norm(algebra.apply_transpose(param, goal))
        value = algebra.inner(goal, self.dynamics(param, observation, action)) / (1 - self.discount)
        return value + self.discount * gain / (1 - self.discount) ** 2

    def policy(self, param: Any, observation: Any, goal: Any) -> Any:
        """Uᵀg/‖Uᵀg‖."""
        direction = algebra.apply_transpose(param, goal)
        return algebra.scale(direction, 1 / algebra.norm(direction))


def float_ranks(construction: Construction, group: str, num: int) -> tuple[list[int], list[int]]:
    """Ranks of the first N errors' and gradients' derivatives by automatic differentiation, Ũ and Ū together."""
    members, rng = HYPOTHESIS_CLASSES[group], np.random.default_rng(1)
    dim = construction.dim
    U = torch.from_numpy(members.sample(dim, rng))[None]
    basis = members.tangent_basis(U)[0]
    state = construction.initial_observation(torch.tensor(rng.standard_normal(dim)))
    jacobian, zero = torch.autograd.functional.jacobian, torch.zeros(len(basis), dtype=torch.float64)
    scalars, vectors = [], []

    def derivatives(s: torch.Tensor, a: torch.Tensor, g: torch.Tensor) -> torch.Tensor:
        following = construction.dynamics(U[0], s, a)

        def error(c: torch.Tensor, goal: torch.Tensor) -> torch.Tensor:
            moved = U[0] + torch.einsum("mij,m->ij", basis, c)
            return temporal_difference_error(construction, moved, moved, s, a, following, goal)

        scalars.append(jacobian(lambda c: error(c, g), zero)[None])
        vectors.append(jacobian(lambda c: jacobian(lambda x: error(c, x), g, create_graph=True), zero))
        return following

    for _ in range(num):
        action, goal = torch.tensor(rng.standard_normal((2, dim)))
        state = derivatives(state, action, goal)
    return tuple(  # type: ignore[return-value]
        [int(torch.linalg.matrix_rank(torch.cat(rows[: k + 1]), rtol=1e-8)) for k in range(num)]
        for rows in (scalars, vectors)
    )


@pytest.mark.parametrize("group", ["all", "symmetric", "unitary"])
@pytest.mark.parametrize("dim", [2, 4])
def test_a_value_that_bootstraps(group: str, dim: int) -> None:
    found = count_by_rank(Bootstrapped, HYPOTHESIS_CLASSES[group], dim, 0.6)
    assert found.ddpg is not None
    assert found.reengage is not None
    scalars, vectors = float_ranks(Bootstrapped(dim, 0.6), group, found.ddpg)
    extra = 0 if HYPOTHESIS_CLASSES[group].affine else 1
    assert scalars.index(found.dimension) + 1 + extra == found.ddpg
    assert vectors.index(found.dimension) + 1 == found.reengage


class OneGoal(ProjectedGoal):
    """Goals of one coordinate: the goal gradient says what the error says."""

    def __init__(self, dim: int, discount: Any) -> None:
        super().__init__(dim, discount, 1)


def test_one_equation_is_not_counted_twice() -> None:
    found = count_by_rank(OneGoal, HYPOTHESIS_CLASSES["so"], 2, 0.9)
    assert found.ddpg == found.reengage == 2


class GoalScaled(Construction):
    """Reward ‖g‖²‖s'‖², at γ = 0: every coordinate of the goal gradient is a constant times the error."""

    def dynamics(self, param: Any, observation: Any, action: Any) -> Any:
        """The state plus Ua."""
        return observation + algebra.apply(param, action)

    def goal_reward(self, achieved_goal: Any, goal: Any) -> Any:
        """‖g‖²‖s'‖²."""
        return algebra.inner(goal, goal) * algebra.inner(achieved_goal, achieved_goal)

    def q_value(self, param: Any, observation: Any, action: Any, goal: Any) -> Any:
        """The reward."""
        return self.goal_reward(self.dynamics(param, observation, action), goal)

    def policy(self, param: Any, observation: Any, goal: Any) -> Any:
        """Uᵀs/‖s‖."""
        return algebra.scale(algebra.apply_transpose(param, observation), 1 / algebra.norm(observation))


@pytest.mark.parametrize("group", ["so", "householder"])
@pytest.mark.parametrize("dim", [2, 3, 4])
def test_a_gradient_that_says_nothing_new_saves_nothing(group: str, dim: int) -> None:
    found = count_by_rank(GoalScaled, HYPOTHESIS_CLASSES[group], dim, 0.0)
    assert found.ddpg == found.reengage
    if group == "so":
        assert found.ddpg == dim * (dim - 1) // 2 + 1


class Blind(GradientFeedback):
    """A value that does not depend on U."""

    def dynamics(self, param: Any, observation: Any, action: Any) -> Any:
        """Not by U."""
        return observation + action

    def policy(self, param: Any, observation: Any, goal: Any) -> Any:
        """g/‖g‖."""
        return algebra.scale(goal, 1 / algebra.norm(goal))


def test_nothing_identifies_what_nothing_depends_on() -> None:
    found = count_by_rank(Blind, HYPOTHESIS_CLASSES["so"], 3, 0.9)
    assert (found.dimension, found.ddpg, found.reengage) == (3, None, None)


def test_hidden_rows_are_never_identified() -> None:
    found = count_by_rank(lambda dim, discount: ProjectedGoal(dim, discount, dim - 2), HYPOTHESIS_CLASSES["so"], 4, 0.9)
    assert (found.ddpg, found.reengage) == (None, None)


class TooTall(SpecialOrthogonal):
    """States one dimension more than it has."""

    name = "too-tall"

    @override
    def dimension(self, dim: int) -> int:
        return super().dimension(dim) + 1


def test_classes_without_tangents_are_refused() -> None:
    with pytest.raises(ValueError, match=r"exact_point of 'too-tall' spans 3 dimensions, not the 4 of the class"):
        count_by_rank(GradientFeedback, TooTall(), 3, 0.0)
    with pytest.raises(ValueError, match="'permutation' has no exact tangent space"):
        count_by_rank(GradientFeedback, HYPOTHESIS_CLASSES["permutation"], 3, 0.0)
    with pytest.raises(ValueError, match="dim: 3 is not"):
        count_by_rank(GradientFeedback, HYPOTHESIS_CLASSES["unitary"], 3, 0.9)


def test_the_polynomial_goes_through_every_count() -> None:
    assert polynomial_in_d([(d, d * (d - 1) // 2 + 1) for d in (2, 3, 4, 6)]) == (
        "d**2/2 - d/2 + 1",
        r"\frac{d^{2}}{2} - \frac{d}{2} + 1",
    )
    assert polynomial_in_d([(2, 1), (4, 2), (6, 3), (8, 4)]) == ("d/2", r"\frac{d}{2}")
    assert polynomial_in_d([(2, 1), (3, 2), (4, 3)]) is None
    assert polynomial_in_d([(2, 2), (3, 4), (4, 8), (5, 16)]) is None
    assert polynomial_in_d([(2, 9), (3, 2), (4, 3), (5, 4), (6, 5)]) is None


@pytest.mark.parametrize(
    ("example", "expected"),
    [
        ("linear_drift.py:LinearDrift", {dim: (dim**2, dim) for dim in (2, 3, 5)}),
        ("unitary_rotation.py:UnitaryRotation", {dim: (dim**2 // 4 + 1, dim // 2) for dim in (2, 4, 6, 8)}),
    ],
)
def test_the_examples_say_what_is_counted(example: str, expected: dict[int, tuple[int, int]]) -> None:
    own = load_construction(f"{EXAMPLES}/{example}")
    group = HYPOTHESIS_CLASSES[str(own.construction.group)]
    found = {dim: count_by_rank(own.construction, group, dim, 0.9) for dim in expected}
    assert {dim: (counts.ddpg, counts.reengage) for dim, counts in found.items()} == expected
    assert sys.modules[own.construction.__module__]
