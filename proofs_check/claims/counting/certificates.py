"""What several counts are certified with: points, vectors that no row sees, and other solutions, made or counted."""

from __future__ import annotations

import re

import numpy as np
import sympy

from proofs_check import theory as counts
from proofs_check.claim import CheckSettings
from proofs_check.claims.counting.section import assert_same, generator, require
from proofs_check.exact import rank as er
from proofs_check.exact.solution_count import (
    Equations,
    Solutions,
    count_solutions,
    orthogonal_equations,
    random_rotation,
)
from toyenvs.constructions import CONSTRUCTIONS

__all__ = [
    "another_solution",
    "assert_another",
    "assert_predicted",
    "count_genuine",
    "count_orthogonal",
    "count_unseen",
    "draw_data",
    "normals",
    "reflection",
    "rotation_and_goals",
]


def rotation_and_goals(
    settings: CheckSettings, dim: int, num: int, *key: int
) -> tuple[er.Residues, er.Residues, er.Residues]:
    """A rotation, the pulled-back goals Uᵀg of ``num`` integer goals, and as many actions."""
    rng = generator(settings, dim, *key)
    U = er.rotation(er.random_skew(rng, dim))
    pulled = er.product(er.draw_vectors(rng, num, dim), U)
    return U, pulled, er.draw_vectors(rng, num, dim)


def count_unseen(actions: er.Integers, rows: er.Integers, where: str) -> int:
    """Count the kernel vectors of C.3 at a point, after checking them there."""
    kernel = er.kernel_vectors(actions)
    if not len(kernel):
        return 0
    for omega in kernel:
        assert not (omega @ actions.T.astype(object)).any(), f"{where}: Ωa ≠ 0 for {omega.tolist()}"
    coordinates = er.wedge_coordinates(kernel)
    assert not er.product(rows, coordinates.T).any(), f"{where}: a row does not annihilate a kernel vector"
    assert_same(er.rank(coordinates), len(kernel), f"{where}: independent kernel vectors")
    return len(kernel)


# --- other solutions ----------------------------------------------------------------------------------------


def reflection(normal: er.Integers) -> er.Integers:
    """I − 2nnᵀ/‖n‖² over Q."""
    n = er.rationals(normal)
    return er.rationals(np.eye(len(n), dtype=np.int64)) - np.outer(n, n) * (2 / (n @ n))


def normals(vectors: er.Integers, count: int) -> er.Integers:
    """``count`` integer vectors, independent and orthogonal to the given ones."""
    found = er.integer_nullspace(vectors)
    require(len(found) >= count, f"{len(found)} normals instead of {count}")
    return found


def assert_another(V: er.Integers, U: er.Integers, determinant: int, where: str) -> None:
    """V is orthogonal over Q, has that determinant, and is not U."""
    identity = er.rationals(np.eye(len(V), dtype=np.int64))
    require(not (V @ V.T - identity).any(), f"{where}: not orthogonal")
    found = sympy.Matrix(V.tolist()).det(method="domain-ge")
    require(found == determinant, f"{where}: determinant {found} instead of {determinant}")
    require((V != U).any(), f"{where}: it is U")


def another_solution(U: er.Integers, goals: er.Integers, actions: er.Integers, group: str) -> er.Integers | None:
    """A matrix of the group other than U with the same gᵀVa for all pairs of these goals and actions.

    It is U with one reflection, or two that make a rotation, across the goals or across the actions.

    Returns:
        None where the goals and actions leave too few directions for that.
    """
    left, right = er.integer_nullspace(goals), er.integer_nullspace(actions)
    if group == "o" and len(right):
        other, determinant = U @ reflection(right[0]), -1
    elif group == "o" and len(left):
        other, determinant = reflection(left[0]) @ U, -1
    elif len(right) > 1:
        other, determinant = U @ reflection(right[0]) @ reflection(right[0] + right[1]), 1
    elif len(left) > 1:
        other, determinant = reflection(left[0]) @ reflection(left[0] + left[1]) @ U, 1
    elif len(left) and len(right):
        other, determinant = reflection(left[0]) @ U @ reflection(right[0]), 1
    else:
        return None
    where = f"d = {len(U)}, {len(goals)} goals, {len(actions)} actions, on {group.upper()}(d)"
    assert_another(other, U, determinant, where)
    require((goals @ other @ actions.T == goals @ U @ actions.T).all(), f"{where}: it is no solution")
    return other


def assert_predicted(learner: str, group: str, dim: int, informative: int) -> None:
    """All that is predicted of a learner follows from the smallest number of informative transitions, as computed.

    In Proposition 1 every transition is informative, in Proposition 2 the first, the third and so on, C.22.
    """
    where = f"{learner} on {group.upper()}(d), d = {dim}"
    assert_same(
        informative, counts.informative_transitions_needed(learner, group, dim), f"{where}: informative transitions"
    )
    alternating = next(num for num in range(2 * informative + 1) if len(range(0, num, 2)) == informative)
    values = {"d": sympy.Integer(dim), "D": sympy.Integer(len(np.triu_indices(dim, 1)[0]))}
    for construction, length in (("gradient-feedback", informative), ("no-reward-gradient", alternating)):
        shortest = CONSTRUCTIONS[construction].transitions_for_informative(informative)
        assert_same(length, shortest, f"{where}, {construction}: length")
        assert_same(
            length, counts.predicted_threshold(construction, group, learner, dim), f"{where}, {construction}: threshold"
        )
        label = counts.prediction_label(construction, group, learner) or "nan"
        written = sympy.sympify(re.sub(r"(\d)([dD])", r"\1*\2", label), locals=values)
        assert_same(length, written, f"{where}, {construction}: the label {label}")


def draw_data(rng: np.random.Generator, num: int, dim: int) -> er.Residues:
    """Vectors for counting solutions, where small numbers are not generic: two equations easily share a root."""
    return er.draw_vectors(rng, num, dim, bound=99)


def count_genuine(equations: Equations) -> Solutions:
    """Count solutions after making sure that the chart and the clearing of |q|² neither lose nor add one."""
    if not (equations.complete() and equations.without_isotropic()):
        raise ValueError("solutions outside the chart or with |q|² = 0: take another seed")
    return count_solutions(equations.polynomials, equations.variables)


def count_orthogonal(
    rng: np.random.Generator, dim: int, goals: er.Integers, actions: er.Integers, reflected: bool = False
) -> Solutions:
    """Solutions for a random rational U, all of them genuine and simple."""
    found = count_genuine(orthogonal_equations(random_rotation(dim, rng), goals, actions, reflected))
    require(found.simple, f"d = {dim}: multiple solutions, the point is not generic")
    return found
