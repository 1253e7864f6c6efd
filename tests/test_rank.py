"""Exact ranks against floating-point ranks, sympy's over Q, and tangent spaces by automatic differentiation."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations

import numpy as np
import pytest
import sympy
import torch

from proofs_check.exact import rank as er
from toyenvs.constructions import Construction, GradientFeedback, NoRewardGradient


def skew_basis(dim: int) -> list[np.ndarray]:
    """E_ij − E_ji, i < j, one entry at a time."""
    found = []
    for i, j in combinations(range(dim), 2):
        omega = np.zeros((dim, dim), dtype=np.int64)
        omega[i, j], omega[j, i] = 1, -1
        found.append(omega)
    return found


@pytest.mark.parametrize("dim", [2, 3, 4])
def test_rank_of_the_wedge_rows_is_that_of_explicit_matrices_over_q(dim: int) -> None:
    rng = np.random.default_rng(dim)
    skew, size = er.random_skew(rng, dim), dim * (dim - 1) // 2
    U = sympy.Matrix(er.rational_rotation(skew).tolist())
    goals, actions = er.draw_vectors(rng, size + 1, dim), er.draw_vectors(rng, size + 1, dim)
    pulled = er.product(goals, er.rotation(skew))
    for num in range(1, size + 2):
        rows = [
            [(sympy.Matrix([g]) * U * sympy.Matrix(omega) * sympy.Matrix(a))[0] for omega in skew_basis(dim)]
            for g, a in zip(goals[:num].tolist(), actions[:num].tolist(), strict=True)
        ]
        assert er.rank(er.wedge_rows(pulled[:num], actions[:num])) == sympy.Matrix(rows).rank()
        assert (er.reduced(np.array(rows, dtype=object)) == er.wedge_rows(pulled[:num], actions[:num])).all()


@pytest.mark.parametrize("seed", range(5))
def test_leading_ranks_of_dependent_rows(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows = rng.integers(-3, 4, size=(9, 4)) @ rng.integers(-3, 4, size=(4, 6))
    rows[2], rows[5] = 0, rows[0] - 2 * rows[1]
    expected = [0] + [int(np.linalg.matrix_rank(rows[:k].astype(float))) for k in range(1, 10)]
    assert er.leading_ranks(rows) == expected
    assert er.rank(rows) == expected[-1]


def test_ranks_of_nothing() -> None:
    assert er.leading_ranks(np.zeros((3, 0), dtype=np.int64)) == [0, 0, 0, 0]
    assert er.rank(np.zeros((0, 4), dtype=np.int64)) == 0
    assert er.leading_ranks(np.zeros((2, 3), dtype=np.int64)) == [0, 0, 0]


def test_a_rank_modulo_the_prime_can_be_too_small_but_never_too_large() -> None:
    assert er.rank(np.array([[er.MODULUS, 0], [0, 1]])) == 1
    assert er.rank(np.array([[er.MODULUS + 1, 0], [0, 1]])) == 2


@pytest.mark.parametrize("dim", [2, 3, 7])
def test_rotations_are_orthogonal(dim: int) -> None:
    rng = np.random.default_rng(dim)
    skew = er.random_skew(rng, dim)
    U, rational = er.rotation(skew), er.rational_rotation(skew)
    assert (er.product(U.T, U) == np.eye(dim)).all()
    floats = rational.astype(float)
    np.testing.assert_allclose(floats @ floats.T, np.eye(dim), atol=1e-12)
    assert np.linalg.det(floats) == pytest.approx(1)
    np.testing.assert_allclose(floats @ (np.eye(dim) + skew), np.eye(dim) - skew, atol=1e-12)
    assert (er.reduced(rational) == U).all()


def test_rotations_that_do_not_exist() -> None:
    with pytest.raises(ValueError, match="not skew-symmetric"):
        er.rotation(np.eye(3, dtype=np.int64))
    # det(I + S) = 1 + x² + y² + z²; −1 is a sum of squares modulo p, with y a root of −2 − z².
    p = er.MODULUS
    z = next(z for z in range(1, 100) if pow(-2 - z * z, (p - 1) // 2, p) == 1)
    y = pow(-2 - z * z, (p + 1) // 4, p)
    with pytest.raises(ValueError, match="not invertible"):
        er.rotation(np.array([[0, 1, y], [-1, 0, z], [-y, -z, 0]]))
    with pytest.raises(ZeroDivisionError, match="no residue"):
        er.reduced(np.array([sympy.Rational(1, p)], dtype=object))


@pytest.mark.parametrize("bound", [1, 5, 10**6])
def test_wedges_do_not_overflow(bound: int) -> None:
    """Against Python's own integers, with residues as large as they come."""
    rng = np.random.default_rng(0)
    h, a = rng.integers(er.MODULUS - 9, er.MODULUS, size=(6, 4)), rng.integers(-bound, bound + 1, size=(6, 4))
    expected = [
        [(int(x[i]) * int(y[j]) - int(x[j]) * int(y[i])) % er.MODULUS for i, j in combinations(range(4), 2)]
        for x, y in zip(h, a, strict=True)
    ]
    assert er.wedge_rows(h, a).tolist() == expected


@pytest.mark.parametrize("dim", [2, 3, 5])
def test_gradient_rows_and_their_staircase(dim: int) -> None:
    rng = np.random.default_rng(dim)
    skew = er.random_skew(rng, dim)
    U, actions = er.rotation(skew), er.draw_vectors(rng, dim, dim)
    rows = er.gradient_rows(U, actions)
    direct = np.array([er.product(er.product(U, omega), actions.T).T for omega in skew_basis(dim)])
    assert (rows == direct.transpose(1, 2, 0)).all()
    stairs = er.staircase(U, actions[: dim - 1])
    assert len(stairs) == dim * (dim - 1) // 2
    listed = {tuple(row) for row in rows.reshape(-1, rows.shape[-1]).tolist()}
    assert {tuple(row) for row in stairs.tolist()} <= listed


@pytest.mark.parametrize(("dim", "num"), [(2, 0), (3, 1), (5, 0), (5, 2), (5, 3), (5, 4), (6, 3)])
def test_kernel_vectors_are_all_that_floating_point_finds(dim: int, num: int) -> None:
    rng = np.random.default_rng((dim, num))
    actions = er.draw_vectors(rng, num, dim)
    kernel = er.kernel_vectors(actions)
    matrix = np.array([(actions @ omega.T).ravel() for omega in skew_basis(dim)], dtype=float)
    rank = int(np.linalg.matrix_rank(matrix)) if matrix.size else 0
    assert len(kernel) == dim * (dim - 1) // 2 - rank
    assert not (kernel + kernel.swapaxes(1, 2)).any()
    for omega in kernel:
        assert not (omega @ actions.T).any()


@pytest.mark.parametrize(("dim", "goals", "actions"), [(3, 2, 2), (4, 3, 2), (4, 4, 4), (5, 2, 2), (5, 4, 3)])
def test_dependencies_are_all_that_floating_point_finds(dim: int, goals: int, actions: int) -> None:
    rng = np.random.default_rng((dim, goals, actions))
    h, a = er.draw_vectors(rng, goals, dim, 9), er.draw_vectors(rng, actions, dim, 9)
    rows = np.array([[x @ omega @ y for omega in skew_basis(dim)] for x in h for y in a], dtype=object)
    found = er.shared_goal_dependencies(h, a).reshape(-1, goals * actions)
    assert not (found @ rows).any()
    assert len(found) == goals * actions - np.linalg.matrix_rank(rows.astype(float))


@pytest.mark.parametrize("construction_type", [GradientFeedback, NoRewardGradient])
def test_learner_rows_are_automatic_differentiation(construction_type: type[Construction]) -> None:
    """d/dt of the learners' residual at U·exp(tΩ), in float64."""
    rng, dim, num = np.random.default_rng(3), 3, 4
    exact, floating = construction_type(dim, sympy.Rational(1, 2)), construction_type(dim, 0.5)
    integers = np.vectorize(sympy.Integer, otypes=[object])
    U = er.rational_rotation(er.random_skew(rng, dim))
    observations = er.draw_vectors(rng, num, exact.observation_dim, 9)
    observations[1, :dim] = 0
    actions, goals = er.draw_vectors(rng, num, dim, 9), er.draw_vectors(rng, num, dim, 9)
    scalars, vectors = er.learner_rows(exact, U, *(integers(x) for x in (observations, actions, goals)))
    V, s, a, g = (torch.tensor(x.astype(float)) for x in (U, observations, actions, goals))
    following = floating.dynamics(V, s, a)
    residuals = floating.reduced_residuals(s, a, following)
    assert residuals is not None

    def along(omega: np.ndarray) -> Callable[[torch.Tensor], tuple[torch.Tensor, torch.Tensor]]:
        def values(t: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            moved = V @ torch.linalg.matrix_exp(t * torch.tensor(omega, dtype=torch.float64))
            return residuals.bellman_residual(moved, g), residuals.goal_gradient_residual(moved)

        return values

    for k, omega in enumerate(skew_basis(dim)):
        zero = torch.zeros((), dtype=torch.float64)
        slopes = torch.autograd.functional.jacobian(along(omega), zero)
        np.testing.assert_allclose(scalars[..., k].astype(float), slopes[0].numpy(), atol=1e-9)
        np.testing.assert_allclose(vectors[..., k].astype(float), slopes[1].numpy(), atol=1e-9)


def test_learner_rows_need_reduced_residuals(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(GradientFeedback, "reduced_residuals", lambda *_: None)
    zeros = np.full((1, 2), sympy.Integer(0), dtype=object)
    with pytest.raises(ValueError, match="no reduced residuals"):
        er.learner_rows(GradientFeedback(2, 0.5), er.rational_rotation(np.zeros((2, 2), np.int64)), zeros, zeros, zeros)
