"""Counts of solutions against systems with known ones, closed forms, scipy's rotations and a numeric search."""

from __future__ import annotations

import numpy as np
import pytest
import sympy
from scipy.spatial.transform import Rotation

from proofs_check.exact.rank import draw_vectors
from proofs_check.exact.solution_count import (
    NotFiniteError,
    Solutions,
    count_solutions,
    low_rank_line,
    orthogonal_equations,
    quaternion_rotation,
    random_rotation,
    search_rotations,
)

X, Y = sympy.symbols("x y")


@pytest.mark.parametrize(
    ("polynomials", "expected"),
    [
        ([X**2 - 2, Y**2 - 3], Solutions(4, 4, True)),
        ([X**2 + 1, Y - X], Solutions(2, 0, True)),
        ([X**3 - 2, Y - X**2], Solutions(3, 1, True)),
        ([X**2 - 1, X * Y - 1], Solutions(2, 2, True)),
        ([X**2, Y], Solutions(2, 1, False)),  # a double solution
        ([X - 1, X - 2, Y], Solutions(0, 0, True)),
        ([X**2 + Y**2 - 1, X - Y], Solutions(2, 2, True)),
        ([X**2 + Y**2 - 1, X - 2], Solutions(2, 0, True)),
    ],
)
def test_systems_with_known_solutions(polynomials: list[sympy.Expr], expected: Solutions) -> None:
    assert count_solutions(polynomials, [X, Y]) == expected


def test_infinitely_many_solutions() -> None:
    with pytest.raises(NotFiniteError, match="power of one of the variables"):
        count_solutions([X * Y], [X, Y])


def test_quaternions_are_scipys() -> None:
    w, x, y, z = 2, -1, 3, 5
    ours = np.array(quaternion_rotation([w, x, y, z]).tolist(), dtype=float) / (w**2 + x**2 + y**2 + z**2)
    np.testing.assert_allclose(ours, Rotation.from_quat([x, y, z, w]).as_matrix(), atol=1e-14)
    half = np.array(quaternion_rotation([2, 1]).tolist(), dtype=float) / 5
    angle = 2 * np.arctan2(1, 2)
    np.testing.assert_allclose(half, [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]], atol=1e-14)
    with pytest.raises(ValueError, match="3 components"):
        quaternion_rotation([1, 2, 3])


@pytest.mark.parametrize("reflected", [False, True])
@pytest.mark.parametrize("dim", [2, 3])
def test_equations_are_the_scalars_times_the_squared_length(dim: int, reflected: bool) -> None:
    rng = np.random.default_rng(dim)
    U = random_rotation(dim, rng)
    goals, actions = draw_vectors(rng, 3, dim, 9), draw_vectors(rng, 3, dim, 9)
    equations = orthogonal_equations(U, goals, actions, reflected)
    values = rng.integers(-4, 5, size=len(equations.variables)).tolist()
    V = np.array((U * quaternion_rotation([1, *values])).tolist(), dtype=float)
    length = 1 + sum(v**2 for v in values)
    V /= length
    if reflected:
        V = -V if dim == 3 else V @ np.diag([1, -1])
    assert np.linalg.det(V) == pytest.approx(-1 if reflected else 1)
    missed = np.einsum("ni,ij,nj->n", goals, V - np.array(U.tolist(), dtype=float), actions)
    found = [float(p.subs(dict(zip(equations.variables, values, strict=True)))) for p in equations.polynomials]
    np.testing.assert_allclose(found, missed * length, rtol=1e-9, atol=1e-8)
    if not reflected:
        assert all(p.subs(dict.fromkeys(equations.variables, 0)) == 0 for p in equations.polynomials)


def test_a_solution_outside_the_chart_is_noticed() -> None:
    """At d = 2 with gᵀUa = 0 the other solution is the half turn, t = ∞."""
    goals, actions = np.array([[1, 0]]), np.array([[0, 1]])
    equations = orthogonal_equations(sympy.eye(2), goals, actions)
    assert not equations.complete()
    assert count_solutions(equations.polynomials, equations.variables).real == 1
    assert orthogonal_equations(sympy.eye(2), np.array([[1, 2]]), actions).complete()
    assert not orthogonal_equations(sympy.eye(2), goals * 0, actions).complete()


def test_isotropic_solutions_are_noticed() -> None:
    """With a = (1, 0), g = 0 the one equation is empty, and t = i solves it."""
    equations = orthogonal_equations(sympy.eye(2), np.array([[0, 0]]), np.array([[1, 0]]))
    assert not equations.without_isotropic()


@pytest.mark.parametrize("seed", range(6))
def test_exact_count_in_space_is_what_a_search_finds(seed: int) -> None:
    rng = np.random.default_rng(seed)
    U, goals, actions = random_rotation(3, rng), draw_vectors(rng, 4, 3, 99), draw_vectors(rng, 4, 3, 99)
    truth, g, a = np.array(U.tolist(), dtype=float), goals / 99, actions / 99
    for num in (3, 4):
        equations = orthogonal_equations(U, goals[:num], actions[:num])
        exact = count_solutions(equations.polynomials, equations.variables)
        search = search_rotations(truth, g[:num], a[:num], rng, starts=400)
        assert search.contains(truth)
        assert len(search.solutions) == exact.real
        for V in search.solutions:
            np.testing.assert_allclose(V @ V.T, np.eye(3), atol=1e-9)
            assert np.linalg.det(V) == pytest.approx(1)
        assert search.hits.sum() <= search.starts
        assert (search.smallest_singular > 1e-6).all()
    assert exact == Solutions(1, 1, True)


def test_the_other_rotation_of_the_plane_in_closed_form() -> None:
    """One scalar gᵀV a = cos(θ − φ)·const at d = 2: θ and 2φ − θ."""
    rng = np.random.default_rng(5)
    angle, g, a = 0.4, rng.standard_normal((1, 2)), rng.standard_normal((1, 2))
    phi = np.arctan2(g[0, 1], g[0, 0]) - np.arctan2(a[0, 1], a[0, 0])

    def turn(theta: float) -> np.ndarray:
        return np.array([[np.cos(theta), -np.sin(theta)], [np.sin(theta), np.cos(theta)]])

    search = search_rotations(turn(angle), g, a, rng, starts=100)
    assert len(search.solutions) == 2
    assert search.contains(turn(angle))
    assert search.contains(turn(2 * phi - angle))
    assert not search.contains(turn(angle + 0.1))


@pytest.mark.parametrize("seed", range(5))
def test_line_of_singular_matrices(seed: int) -> None:
    """Real roots of the determinant against numpy's eigenvalues."""
    X3, C, polynomial = low_rank_line(3, np.random.default_rng(seed))
    assert X3.rank() == 2
    pencil = -np.linalg.solve(np.array(C.tolist(), dtype=float), np.array(X3.tolist(), dtype=float))
    eigenvalues = np.linalg.eigvals(pencil)
    assert polynomial.degree() == 3
    assert polynomial.count_roots() == int((np.abs(eigenvalues.imag) < 1e-9 * np.abs(eigenvalues).max()).sum())
