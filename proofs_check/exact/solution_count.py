"""Global identifiability: how many parameters solve the equations, counted by a route that knows no ranks.

*Exactly*, in few unknowns: rotations of the plane by t = tan(θ/2), of space by quaternions. The equations are the
learners' reduced residuals at U·R(q)/|q|², which makes each a quadric in q; U itself is q = (1, 0, 0, 0). A Gröbner
basis gives the dimension of the quotient ring, that is the number of complex solutions, and the characteristic
polynomial of a coordinate in it (the eliminant) the number of real ones by exact root isolation.

*By search*, at d = 4: Levenberg–Marquardt from many random rotations, solutions told apart by their distance.

The number of complex solutions of D generic equations is the degree of SO(d): 2, 8, 40 for d = 2, 3, 4
(Brandt, Bruce, Brysiewicz, Krone & Robeva, arXiv 1701.03200).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import sympy
from jaxtyping import Float
from numpy.typing import NDArray
from sympy.polys.orderings import grevlex

from proofs_check.exact.rank import draw_vectors, random_skew
from proofs_check.symbolic import components as symbols
from toyenvs.constructions import GradientFeedback
from toyenvs.hypothesis_classes import SpecialOrthogonal

__all__ = [
    "Equations",
    "NotFiniteError",
    "Search",
    "Solutions",
    "count_solutions",
    "low_rank_line",
    "orthogonal_equations",
    "quaternion_rotation",
    "random_rotation",
    "search_rotations",
]


class NotFiniteError(Exception):
    """The equations have infinitely many complex solutions."""


@dataclass(frozen=True)
class Solutions:
    """Counts of the solutions of a polynomial system.

    Attributes:
        complex: with multiplicity.
        real: distinct ones.
        simple: whether no solution is multiple and the coordinate that was used tells all apart.
    """

    complex: int
    real: int
    simple: bool


def _leading_monomials(basis: Any) -> list[tuple[int, ...]]:
    return [max(poly.monoms(), key=grevlex) for poly in basis.polys]


def _standard_monomials(leading: Sequence[tuple[int, ...]], num: int) -> list[tuple[int, ...]]:
    """Exponents that no leading monomial divides.

    Raises:
        NotFiniteError: if there are infinitely many.
    """
    bounds = []
    for i in range(num):
        powers = [m[i] for m in leading if sum(m) == m[i]]
        if not powers:
            raise NotFiniteError("no leading monomial is a power of one of the variables")
        bounds.append(min(powers))
    return [
        exponents
        for exponents in product(*map(range, bounds))
        if not any(all(e >= m for e, m in zip(exponents, monomial, strict=True)) for monomial in leading)
    ]


def count_solutions(polynomials: Sequence[Any], variables: Sequence[Any]) -> Solutions:
    """Count complex and real solutions, exactly.

    The eliminant of a linear form that separates the solutions has one root for each, real if and only if the
    solution is; a square-free eliminant shows that it does.

    Args:
        polynomials: with rational coefficients.
        variables: all unknowns.

    Returns:
        The counts; where ``simple`` is false, ``real`` counts distinct values of the linear form only.

    Raises:
        NotFiniteError: if the solutions are infinitely many.
    """
    basis = sympy.groebner(polynomials, *variables, order="grevlex")
    if basis.exprs == [1]:
        return Solutions(0, 0, True)
    monomials = _standard_monomials(_leading_monomials(basis), len(variables))
    places = {monomial: k for k, monomial in enumerate(monomials)}
    form = sum((3**i * x for i, x in enumerate(reversed(variables))), sympy.Integer(0))
    multiplication = sympy.zeros(len(monomials), len(monomials))
    for column, exponents in enumerate(monomials):
        monomial = sympy.prod([x**e for x, e in zip(variables, exponents, strict=True)])
        remainder = sympy.Poly(basis.reduce(sympy.expand(form * monomial))[1], *variables)
        for other, coefficient in remainder.terms():
            if coefficient != 0:
                multiplication[places[other], column] = coefficient
    eliminant = sympy.Poly(multiplication.charpoly().as_expr(sympy.Symbol("λ")), sympy.Symbol("λ"))
    square_free = sympy.gcd(eliminant, eliminant.diff()).degree() == 0
    return Solutions(len(monomials), int(eliminant.sqf_part().count_roots()), square_free)


# --- equations of rotations -------------------------------------------------------------------------------


def quaternion_rotation(q: Sequence[Any]) -> Any:
    """The rotation of a quaternion (4 numbers, d = 3) or of a complex number (2 numbers, d = 2), times |q|².

    Returns:
        sympy matrix (d, d), quadratic in q.

    Raises:
        ValueError: for another number of components.
    """
    if len(q) == 2:
        w, z = q
        return sympy.Matrix([[w**2 - z**2, -2 * w * z], [2 * w * z, w**2 - z**2]])
    if len(q) != 4:
        raise ValueError(f"q: {len(q)} components instead of 2 or 4")
    w, axis = q[0], sympy.Matrix(q[1:])
    x, y, z = axis
    cross = sympy.Matrix([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return (w**2 - axis.dot(axis)) * sympy.eye(3) + 2 * axis * axis.T + 2 * w * cross


@dataclass(frozen=True)
class Equations:
    """Polynomial equations for the parameters that the data allow.

    Attributes:
        polynomials: one a scalar equation.
        variables: t at d = 2; x, y, z at d = 3; U is where all of them are 0, if ``reflected`` is false.
        squared_length: 1 + x² + y² + z², which must not vanish at a solution.
        degree: of the homogeneous equations, before one coordinate was set to 1; None if that was not done.
    """

    polynomials: list[Any]
    variables: list[Any]
    squared_length: Any
    degree: int | None = 2

    def complete(self) -> bool:
        """Whether the chart misses no solution: the forms of highest degree have no zero in common but 0."""
        if self.degree is None:
            return True
        forms = []
        for polynomial in self.polynomials:
            terms = sympy.Poly(polynomial, *self.variables).terms()
            top = {monomial: c for monomial, c in terms if sum(monomial) == self.degree and c != 0}
            if top:
                forms.append(sympy.Poly.from_dict(top, *self.variables).as_expr())
        if not forms:
            return False
        leading = _leading_monomials(sympy.groebner(forms, *self.variables, order="grevlex"))
        return all(any(sum(m) == m[i] for m in leading) for i in range(len(self.variables)))

    def without_isotropic(self) -> bool:
        """Whether |q|² ≠ 0 at every complex solution, so that each is a (complex) rotation."""
        return sympy.groebner([*self.polynomials, self.squared_length], *self.variables, order="grevlex").exprs == [1]


def random_rotation(dim: int, rng: np.random.Generator) -> Any:
    """A rational rotation: Cayley transform of a small integer skew matrix, sympy (d, d)."""
    return symbols.cayley(sympy.Matrix(random_skew(rng, dim, bound=2).tolist()))


def orthogonal_equations(U: Any, goals: NDArray[Any], actions: NDArray[Any], reflected: bool = False) -> Equations:
    """The Bellman residuals of Proposition 1 at U·R(q), or −U·R(q) or U·R(q)·diag(1, −1), in the chart q₀ = 1.

    Args:
        U: the truth, rational sympy matrix (d, d), d = 2 or 3.
        goals: integers (N, d).
        actions: integers (N, d).
        reflected: whether to look in the other component of O(d).

    Returns:
        N polynomials in 1 or 3 variables.
    """
    dim = U.rows
    variables = list(sympy.symbols("t" if dim == 2 else "x y z", seq=True))
    q = [sympy.Integer(1), *variables]
    squared_length = sum(c**2 for c in q)
    param = U * quaternion_rotation(q)
    if reflected:
        param = -param if dim == 3 else param * sympy.diag(1, -1)
    construction = GradientFeedback(dim, sympy.Integer(0))
    observation = sympy.zeros(dim, 1)
    polynomials = []
    for goal, action in zip(goals, actions, strict=True):
        g, a = (sympy.Matrix([int(c) for c in v]) for v in (goal, action))
        residuals = construction.reduced_residuals(observation, a, construction.dynamics(U, observation, a))
        # The residual is affine in the parameter, e(V/n)·n = (e(V) − e(0)) + n·e(0) with n = |q|².
        at_zero = residuals.bellman_residual(sympy.zeros(dim, dim), g)
        polynomials.append(sympy.expand(residuals.bellman_residual(param, g) - at_zero + squared_length * at_zero))
    return Equations(polynomials, variables, squared_length)


def low_rank_line(dim: int, rng: np.random.Generator) -> tuple[Any, Any, Any]:
    """Singular matrices that d² − 1 scalars leave: the roots t of det(X + tC) for a singular X.

    Rank d − 1 has dimension M = d² − 1; the matrices that agree with X on M scalars gᵀXa are the line X + tC.

    Returns:
        X, C, and the polynomial det(X + tC) in the symbol t.
    """
    bound = 9 if dim > 2 else 99  # in the plane small numbers are not generic
    left, right = draw_vectors(rng, dim, dim, bound)[:, 1:], draw_vectors(rng, dim, dim, bound)[1:]
    X = sympy.Matrix((left @ right).tolist())
    goals, actions = (draw_vectors(rng, dim**2 - 1, dim, bound) for _ in range(2))
    rows = sympy.Matrix([np.outer(g, a).ravel().tolist() for g, a in zip(goals, actions, strict=True)])
    (direction,) = rows.nullspace()
    C = sympy.Matrix(dim, dim, list(direction * sympy.ilcm(1, *(c.q for c in direction))))
    t = sympy.Symbol("t")
    return X, C, sympy.Poly((X + t * C).det(), t)


# --- search -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Search:
    """What a search for solutions found.

    Attributes:
        solutions: distinct ones, (K, d, d).
        hits: how many starts ended in each, (K,).
        smallest_singular: smallest singular value of the differential at each, (K,); 0 at a multiple solution.
        starts: their number.
    """

    solutions: Float[np.ndarray, "k d d"]
    hits: NDArray[np.int64]
    smallest_singular: Float[np.ndarray, " k"]
    starts: int

    def contains(self, U: Float[np.ndarray, "d d"], tolerance: float = 1e-6) -> bool:
        """Whether one of the solutions is U."""
        return bool((np.abs(self.solutions - U).max((1, 2)) < tolerance).any())


def _wedge(h: NDArray[np.float64], a: NDArray[np.float64]) -> NDArray[np.float64]:
    first, second = np.triu_indices(a.shape[-1], 1)
    return np.asarray(h[..., first] * a[..., second] - h[..., second] * a[..., first])


def _turned(V: NDArray[np.float64], step: NDArray[Any]) -> NDArray[np.float64]:
    """V·(I − Ω/2)⁻¹(I + Ω/2) for the skew Ω of the coordinates ``step``."""
    dim = V.shape[-1]
    first, second = np.triu_indices(dim, 1)
    half = np.zeros(V.shape)
    half[:, first, second], half[:, second, first] = step / 2, -step / 2
    return np.asarray(V @ np.linalg.solve(np.eye(dim) - half, np.eye(dim) + half))


def search_rotations(
    U: Float[np.ndarray, "d d"],
    goals: Float[np.ndarray, "n d"],
    actions: Float[np.ndarray, "n d"],
    rng: np.random.Generator,
    starts: int = 1000,
    iterations: int = 80,
) -> Search:
    """All rotations V with gᵢᵀVaᵢ = gᵢᵀUaᵢ that Levenberg–Marquardt finds from uniformly random starts.

    Args:
        U: the truth.
        goals: one a scalar equation.
        actions: likewise.
        rng: for the starts.
        starts: all run as one batch.
        iterations: of each.

    Returns:
        Distinct solutions, more than 1e-5 apart, with a residual below 1e-10.
    """
    dim, size = len(U), len(U) * (len(U) - 1) // 2
    values = np.einsum("ni,ij,nj->n", goals, U, actions)
    group = SpecialOrthogonal()
    V = np.stack([group.sample(dim, rng) for _ in range(starts)])

    def missed(V: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(((V @ actions.T).swapaxes(1, 2) * goals).sum(-1) - values)

    damping = np.ones(starts)
    residual = missed(V)
    loss = (residual**2).sum(-1)
    for _ in range(iterations):
        J = _wedge(goals @ V, actions)
        normal = J.swapaxes(1, 2) @ J + damping[:, None, None] * np.eye(size)
        step = np.linalg.solve(normal, -(J.swapaxes(1, 2) @ residual[..., None]))[..., 0]
        tried = _turned(V, step)
        tried_residual = missed(tried)
        tried_loss = (tried_residual**2).sum(-1)
        better = tried_loss < loss
        V[better], residual[better], loss[better] = tried[better], tried_residual[better], tried_loss[better]
        damping = np.clip(np.where(better, damping / 4, damping * 4), 1e-14, 1e8)
    found = V[np.abs(residual).max(-1) < 1e-10]
    distinct: list[NDArray[np.float64]] = []
    hits: list[int] = []
    while len(found):
        near = np.abs(found - found[0]).max((1, 2)) < 1e-5
        distinct.append(found[0])
        hits.append(int(near.sum()))
        found = found[~near]
    solutions = np.array(distinct).reshape(-1, dim, dim)
    singular = np.linalg.svd(_wedge(goals @ solutions, actions), compute_uv=False)
    return Search(solutions, np.array(hits, dtype=np.int64), singular[:, size - 1], starts)
