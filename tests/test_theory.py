"""Predicted thresholds against an oracle that counts the solutions of the equations themselves."""

from __future__ import annotations

import numpy as np
import pytest

from proofs_check.theory import (
    convex_relaxation,
    informative_transitions_needed,
    predicted_threshold,
    prediction_label,
)
from toyenvs.constructions import NoRewardGradient
from toyenvs.hypothesis_classes import SpecialOrthogonal


def local_rank(dim: int, num_transitions: int, vector: bool) -> int:
    """Rank at a random rotation of Ω -> gᵀΩa (scalar) or Ω -> Ωa (vector) over skew Ω, by explicit matrices."""
    rng = np.random.default_rng((dim, num_transitions))
    basis = []
    for i in range(dim):
        for j in range(i):
            omega = np.zeros((dim, dim))
            omega[i, j], omega[j, i] = 1.0, -1.0
            basis.append(omega)
    actions, goals = rng.standard_normal((2, num_transitions, dim))
    columns = [(actions @ omega.T).ravel() if vector else ((actions @ omega.T) * goals).sum(1) for omega in basis]
    return int(np.linalg.matrix_rank(np.array(columns)))


@pytest.mark.parametrize("dim", [2, 3, 4, 5, 6])
def test_no_prediction_is_below_local_identifiability(dim: int) -> None:
    """The threshold is never below the N at which the equations reach full rank D, and ReenGAGE's on SO(d) is it."""
    degrees_of_freedom = dim * (dim - 1) // 2
    scalar = informative_transitions_needed("ddpg", "so", dim)
    assert scalar is not None
    assert local_rank(dim, scalar - 2, vector=False) < degrees_of_freedom
    assert local_rank(dim, scalar - 1, vector=False) == degrees_of_freedom  # N = D: rank, but a second solution
    gradient = informative_transitions_needed("reengage", "so", dim)
    assert gradient is not None
    assert local_rank(dim, gradient, vector=True) == degrees_of_freedom
    assert local_rank(dim, gradient - 1, vector=True) < degrees_of_freedom


def test_in_two_dimensions_one_scalar_leaves_two_rotations() -> None:
    """At d = 2, N = D = 1: gᵀU(θ)a = |g||a|cos(θ − θ₀) takes every value twice; a second equation decides."""
    rng = np.random.default_rng(0)
    angles = np.linspace(0, 2 * np.pi, 200_001)[:-1]
    for _ in range(20):
        true_angle = rng.uniform(0, 2 * np.pi)
        goals, actions = rng.standard_normal((2, 2, 2))

        def values(theta: np.ndarray, g: np.ndarray, a: np.ndarray) -> np.ndarray:
            return np.cos(theta) * (g @ a) + np.sin(theta) * (g[1] * a[0] - g[0] * a[1])

        misses = [
            values(angles, g, a) - values(np.array(true_angle), g, a) for g, a in zip(goals, actions, strict=True)
        ]
        crossings = np.flatnonzero(np.sign(misses[0]) != np.sign(np.roll(misses[0], -1)))
        assert len(crossings) == 2
        other = max(crossings, key=lambda k: abs(np.angle(np.exp(1j * (angles[k] - true_angle)))))
        assert abs(misses[1][other]) > 1e-4  # the second equation rules it out
    assert informative_transitions_needed("ddpg", "so", 2) == 2


@pytest.mark.parametrize("dim", [3, 5])
def test_a_reflection_explains_d_minus_1_transitions_too(dim: int) -> None:
    """On O(d), d − 1 images leave U and its reflection in the orthogonal complement; on SO(d) the latter is out."""
    rng = np.random.default_rng(dim)
    U = SpecialOrthogonal().sample(dim, rng)
    actions = rng.standard_normal((dim - 1, dim))
    normal = np.linalg.svd(actions)[2][-1]  # orthogonal to every action
    reflected = U @ (np.eye(dim) - 2 * np.outer(normal, normal))
    np.testing.assert_allclose(actions @ reflected.T, actions @ U.T, atol=1e-12)
    assert np.linalg.det(reflected) == pytest.approx(-1)
    assert informative_transitions_needed("reengage", "o", dim) == dim
    assert informative_transitions_needed("reengage", "so", dim) == dim - 1


@pytest.mark.parametrize("informative", [1, 2, 7])
def test_buffers_of_proposition_2_alternate(informative: int) -> None:
    """Counted on the environment: the shortest buffer that holds so many transitions with s¹ ≠ 0."""
    construction = NoRewardGradient(3, 0.9)
    rng = np.random.default_rng(1)
    U = SpecialOrthogonal().sample(3, rng)
    state = construction.initial_observation(np.array([1.0, 0.0, 0.0]))
    seen = steps = 0
    while seen < informative:
        seen += bool((state[:3] != 0).any())
        state = construction.dynamics(U, state, rng.standard_normal(3))
        steps += 1
    assert construction.transitions_for_informative(informative) == steps


def test_the_predictions_of_the_theory_page() -> None:
    """Numbers of the sharp theorem, worked out by hand."""
    assert predicted_threshold("gradient-feedback", "so", "ddpg", 8) == 29
    assert predicted_threshold("gradient-feedback", "so", "reengage", 8) == 7
    assert predicted_threshold("gradient-feedback", "o", "reengage", 8) == 8
    assert predicted_threshold("no-reward-gradient", "so", "ddpg", 8) == 57
    assert predicted_threshold("no-reward-gradient", "so", "reengage", 8) == 13
    assert predicted_threshold("gradient-feedback", "so", "ddpg", 8, steps_per_goal=2) == 29
    assert predicted_threshold("gradient-feedback", "so", "reengage", 8, steps_per_goal=2) == 7
    assert predicted_threshold("my-own", "so", "ddpg", 8) is None
    assert predicted_threshold("gradient-feedback", "so", "sac", 8) is None
    assert convex_relaxation(8) == 46.0


@pytest.mark.parametrize("construction", ["gradient-feedback", "no-reward-gradient"])
@pytest.mark.parametrize("group", ["so", "o"])
@pytest.mark.parametrize("learner", ["ddpg", "reengage"])
def test_labels_are_the_predictions_written_out(construction: str, group: str, learner: str) -> None:
    label = prediction_label(construction, group, learner)
    assert label is not None
    for dim in (2, 3, 8):
        python = label.replace("2d", "2*d").replace("2D", "2*D")
        value = eval(python, {"d": dim, "D": dim * (dim - 1) // 2})
        assert value == predicted_threshold(construction, group, learner, dim)
