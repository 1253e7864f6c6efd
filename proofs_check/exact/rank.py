"""Exact ranks of the differentials of the losses, modulo a prime.

At a parameter U the residuals of a transition change along UΩ, Ω skew, by gᵀUΩa (Bellman, one number) and UΩa (goal
gradient, d numbers), up to the construction's constant weight. In the coordinates ω_ij, i < j, of
Ω = Σ ω_ij (e_i e_jᵀ − e_j e_iᵀ) the first is the row h_i a_j − h_j a_i with h = Uᵀg, the *wedge* h∧a. A rank that is
reached at one rational point is a lower bound of the generic rank, and the rank modulo a prime is one of the rank at
that point:

    rank mod p  ≤  rank over Q at the point  ≤  generic rank.

Upper bounds need vectors that the rows annihilate, or dependencies between the rows, that exist at every point:
:func:`kernel_vectors` and :func:`shared_goal_dependencies` make them, in integers.

Rational rotations are Cayley transforms (I − S)(I + S)⁻¹ of integer skew S. Arrays hold residues 0 … p − 1 as int64,
or plain integers where it is said so.
"""

from __future__ import annotations

import math
from itertools import combinations
from typing import Any

import flint
import numpy as np
import sympy
from numpy.typing import NDArray

from toyenvs.constructions import Construction

__all__ = [
    "MODULUS",
    "draw_vectors",
    "gradient_rows",
    "integer_nullspace",
    "kernel_vectors",
    "leading_ranks",
    "learner_rows",
    "product",
    "random_integers",
    "random_skew",
    "rank",
    "rational_rotation",
    "rationals",
    "reduced",
    "rotation",
    "shared_goal_dependencies",
    "staircase",
    "wedge_coordinates",
    "wedge_rows",
]

MODULUS = 2**61 - 1
"""A prime. A difference of two residues fits in int64."""

Residues = NDArray[np.int64]
Integers = NDArray[Any]


# --- matrices modulo the prime ----------------------------------------------------------------------------


def _to_flint(rows: Integers, modulus: int = MODULUS) -> Any:
    height, width = rows.shape
    return flint.nmod_mat(height, width, (rows % modulus).ravel().tolist(), modulus)


def _from_flint(matrix: Any) -> Residues:
    entries = np.array([int(entry) for entry in matrix.entries()], dtype=np.int64)
    return entries.reshape(matrix.nrows(), matrix.ncols())


def product(x: Integers, y: Integers, modulus: int = MODULUS) -> Residues:
    """Matrix product modulo p: (n, m), (m, k) -> (n, k)."""
    return _from_flint(_to_flint(x, modulus) * _to_flint(y, modulus))


def rank(rows: Integers, modulus: int = MODULUS) -> int:
    """Rank modulo p of a matrix (n, m) of integers: at most the rank over Q."""
    return int(_to_flint(rows, modulus).rank()) if rows.size else 0


def leading_ranks(rows: Integers) -> list[int]:
    """Ranks modulo p of the first 0, 1, …, n rows of a matrix (n, m), from one elimination.

    The first k rows have as many independent ones as the transpose has pivots in its first k columns.
    """
    if not rows.size:
        return [0] * (len(rows) + 1)
    echelon, total = _to_flint(rows.T).rref()
    pivots = np.zeros(len(rows) + 1, dtype=np.int64)
    column = 0
    for line in range(int(total)):
        while int(echelon[line, column]) == 0:
            column += 1
        pivots[column + 1] = 1
    return [int(count) for count in np.cumsum(pivots)]


def rationals(integers: Integers) -> Integers:
    """The same numbers as sympy integers, for arithmetic over Q."""
    made = np.empty(integers.shape, dtype=object)
    made.ravel()[:] = [sympy.Integer(int(entry)) for entry in integers.ravel()]
    return made


def reduced(fractions: Integers) -> Residues:
    """Residues of rational numbers, entry by entry.

    Raises:
        ZeroDivisionError: if p divides a denominator.
    """

    def residue(value: Any) -> int:
        if int(value.q) % MODULUS == 0:
            raise ZeroDivisionError(f"{value} has no residue modulo {MODULUS}")
        return int(value.p) * pow(int(value.q), -1, MODULUS) % MODULUS

    flat = [residue(sympy.Rational(value)) for value in fractions.ravel()]
    return np.array(flat, dtype=np.int64).reshape(fractions.shape)


# --- points -----------------------------------------------------------------------------------------------


def random_integers(rng: np.random.Generator, *shape: int, bound: int = 9) -> Residues:
    """Integers from −bound to bound."""
    return rng.integers(-bound, bound + 1, size=shape)


def draw_vectors(rng: np.random.Generator, num: int, dim: int, bound: int | None = None) -> Residues:
    """Goals or actions (num, d) with integer coordinates.

    Args:
        rng: source of randomness.
        num: number of vectors.
        dim: d.
        bound: coordinates are ±1 … ±bound. None: 999, but −1, 0 and 1 above d = 12, where these are generic enough.
    """
    if bound is None and dim > 12:
        return random_integers(rng, num, dim, bound=1)
    return rng.integers(1, (bound or 999) + 1, size=(num, dim)) * (2 * rng.integers(0, 2, size=(num, dim)) - 1)


def random_skew(rng: np.random.Generator, dim: int, bound: int = 5) -> Residues:
    """A skew-symmetric integer matrix (d, d)."""
    upper = np.triu(random_integers(rng, dim, dim, bound=bound), 1)
    return upper - upper.T


def rotation(skew: Integers, modulus: int = MODULUS) -> Residues:
    """Cayley transform (I − S)(I + S)⁻¹ modulo p: the residue of a rational rotation (d, d).

    Args:
        skew: S, integers (d, d).
        modulus: p.

    Raises:
        ValueError: if S is not skew-symmetric, or I + S is not invertible modulo p.
    """
    if (skew + skew.T).any():
        raise ValueError("skew: the matrix is not skew-symmetric")
    identity = np.eye(len(skew), dtype=np.int64)
    plus = _to_flint(identity + skew, modulus)
    if int(plus.rank()) < len(skew):
        raise ValueError("skew: I + S is not invertible modulo p; draw another one")
    return _from_flint(_to_flint(identity - skew, modulus) * plus.inv())


def rational_rotation(skew: Integers) -> Integers:
    """Cayley transform of an integer skew S over Q: sympy rationals (d, d)."""
    dim = len(skew)
    identity = np.eye(dim, dtype=np.int64)
    minus = flint.fmpq_mat(dim, dim, (identity - skew).ravel().tolist())
    plus = flint.fmpq_mat(dim, dim, (identity + skew).ravel().tolist())
    entries = [sympy.Rational(int(entry.p), int(entry.q)) for entry in (minus * plus.inv()).entries()]
    made = np.empty((dim, dim), dtype=object)
    made.ravel()[:] = entries
    return made


# --- rows of the differential -----------------------------------------------------------------------------


def wedge_coordinates(omegas: Integers) -> Integers:
    """Coordinates ω_ij, i < j, of skew matrices: (..., d, d) -> (..., D)."""
    first, second = np.triu_indices(omegas.shape[-1], 1)
    return np.asarray(omegas[..., first, second])


def wedge_rows(pulled_goals: Integers, actions: Integers) -> Residues:
    """Rows h_i a_j − h_j a_i, i < j, modulo p: the Bellman residual's differential gᵀUΩa with h = Uᵀg.

    Args:
        pulled_goals: h, integers (..., d).
        actions: a, integers (..., d), broadcast against h.

    Returns:
        (..., D).
    """
    largest = int(np.abs(pulled_goals).max(initial=0)) * int(np.abs(actions).max(initial=0))
    if 2 * largest >= 2**63:
        pulled_goals, actions = pulled_goals.astype(object), actions.astype(object)
    first, second = np.triu_indices(actions.shape[-1], 1)
    rows = pulled_goals[..., first] * actions[..., second] - pulled_goals[..., second] * actions[..., first]
    return np.asarray(rows % MODULUS).astype(np.int64)


def gradient_rows(U: Residues, actions: Integers) -> Residues:
    """Differential UΩa of the goal-gradient residual: coordinate c is the wedge of row c of U with a.

    Args:
        U: residues (d, d).
        actions: integers (N, d).

    Returns:
        (N, d, D).
    """
    return wedge_rows(U[None], actions[:, None])


def staircase(U: Residues, actions: Integers) -> Residues:
    """Some of :func:`gradient_rows`: d − 1 coordinates of the first transition, d − 2 of the second, and so on.

    The first r transitions have d·r − r(r+1)/2 of these rows; if all D of them are independent, then the rank is at
    least d·r − r(r+1)/2 for every r at once.

    Args:
        U: residues (d, d).
        actions: integers (d − 1, d).

    Returns:
        (D, D).
    """
    dim = len(U)
    goals = [U[: dim - 1 - n] for n in range(dim - 1)]
    repeated = np.repeat(actions, [len(rows) for rows in goals], axis=0)
    return wedge_rows(np.concatenate(goals), repeated)


def learner_rows(
    construction: Construction, U: Integers, observations: Integers, actions: Integers, goals: Integers
) -> tuple[Integers, Integers]:
    """The Jacobian of the residuals that learners run, over Q.

    They are affine in the parameter, so that their difference between U + UΩ and U is the derivative, exactly.

    Args:
        construction: whose ``reduced_residuals`` are run. Its discount should be a sympy rational.
        U: the true parameter, sympy rationals (d, d).
        observations: sympy rationals (N, d or 2d).
        actions: sympy rationals (N, d).
        goals: sympy rationals (N, d).

    Returns:
        Bellman rows (N, D) and goal-gradient rows (N, d, D).

    Raises:
        ValueError: if the construction has no reduced residuals.
    """
    following = construction.dynamics(U, observations, actions)
    residuals = construction.reduced_residuals(observations, actions, following)
    if residuals is None:
        raise ValueError(f"construction: {construction.name} has no reduced residuals")
    dim = construction.dim
    scalars, vectors = [], []
    for i, j in zip(*np.triu_indices(dim, 1), strict=True):
        omega = np.full((dim, dim), sympy.Integer(0), dtype=object)
        omega[i, j], omega[j, i] = sympy.Integer(1), sympy.Integer(-1)
        moved = U + U @ omega
        scalars.append(residuals.bellman_residual(moved, goals) - residuals.bellman_residual(U, goals))
        vectors.append(residuals.goal_gradient_residual(moved) - residuals.goal_gradient_residual(U))
    return np.stack(scalars, axis=-1), np.stack(vectors, axis=-1)


# --- upper bounds -----------------------------------------------------------------------------------------


def integer_nullspace(rows: Integers) -> Integers:
    """Independent integer vectors, one a row, that span {x : rows·x = 0} over Q."""
    width = rows.shape[1]
    if not len(rows):
        return np.eye(width, dtype=np.int64).astype(object)
    basis, nullity = flint.fmpz_mat(len(rows), width, [int(x) for x in rows.ravel()]).nullspace()
    found = np.empty((int(nullity), width), dtype=object)
    for k in range(int(nullity)):
        column = [int(basis[i, k]) for i in range(width)]
        common = math.gcd(*column)
        found[k] = [entry // common for entry in column]
    return found


def kernel_vectors(actions: Integers) -> Integers:
    """Skew Ω = bcᵀ − cbᵀ with b, c orthogonal to every action: no goal sees them, since Ωa = 0.

    b and c run through the pairs of a basis of the complement, so there are C(d − r, 2) and they are independent.

    Args:
        actions: integers (N, d) of rank r.

    Returns:
        Integers (C(d − r, 2), d, d).
    """
    complement = integer_nullspace(actions)
    pairs = [np.outer(b, c) - np.outer(c, b) for b, c in combinations(complement, 2)]
    dim = actions.shape[1]
    return np.array(pairs, dtype=object).reshape(-1, dim, dim)


def shared_goal_dependencies(pulled_goals: Integers, actions: Integers) -> Integers:
    """Dependencies between the rows h_k∧a_n of K goals that N transitions share.

    A vector w = Σ x_k h_k = Σ y_n a_n of both spans, with another one w', gives w∧w' + w'∧w = 0, which is
    Σ (x_k y'_n + x'_k y_n) h_k∧a_n.

    Args:
        pulled_goals: h, independent integer vectors (K, d).
        actions: a, independent integer vectors (N, d).

    Returns:
        Integers (w(w+1)/2, K, N), w the dimension of the intersection.
    """
    num_goals = len(pulled_goals)
    together = np.concatenate([pulled_goals.astype(object), -actions.astype(object)]).T
    shared = integer_nullspace(together)
    found = []
    for i, first in enumerate(shared):
        for second in shared[: i + 1]:
            x, y = first[:num_goals], first[num_goals:]
            other_x, other_y = second[:num_goals], second[num_goals:]
            found.append(np.outer(x, other_y) + np.outer(other_x, y))
    return np.array(found, dtype=object).reshape(-1, num_goals, len(actions))
