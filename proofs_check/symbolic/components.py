"""Symbolic vectors: the constructions' formulas, run on sympy symbols.

Importing this module registers symbolic vectors with :mod:`toyenvs.algebra`; from then on the very functions
that step the environments and make the losses also return formulas, and an identity is proved by simplifying
the difference of its two sides to 0. The proof is about the code that runs, not about a copy of it.

Each kind of symbolic vector has a section of its own here: how it is made, and its registration.

*Explicit components*, for a fixed small dimension: a vector is a column ``sympy.Matrix`` (d, 1), a parameter a
square one (d, d), a scalar a sympy expression. Nothing broadcasts. Orthogonal parameters are written out in
free coordinates (:func:`planar_rotation`, :func:`cayley`), so no relation UᵀU = I needs to be assumed.
"""

from __future__ import annotations

from typing import Any

import sympy

from toyenvs import algebra

__all__ = ["cayley", "planar_rotation", "reflection", "skew", "vector"]


# --- explicit components: making them ---------------------------------------------------------------------


def _check_dim(dim: int, smallest: int) -> None:
    if isinstance(dim, bool) or not isinstance(dim, int) or dim < smallest:
        raise ValueError(f"dim: {dim!r} is not an integer >= {smallest}")


def vector(name: str, dim: int) -> sympy.Matrix:
    """A vector of real symbols: ``vector("g", 3)`` is the column (g1, g2, g3).

    Args:
        name: begins the name of every component.
        dim: d ≥ 1.

    Returns:
        Column matrix (d, 1).

    Raises:
        ValueError: if ``dim`` is not a positive integer.
    """
    _check_dim(dim, 1)
    return sympy.Matrix([sympy.Symbol(f"{name}{i}", real=True) for i in range(1, dim + 1)])


def skew(name: str, dim: int) -> sympy.Matrix:
    """A skew-symmetric matrix (d, d) of real symbols ``{name}{i}{j}``, i < j, above the diagonal.

    Raises:
        ValueError: if ``dim`` is not an integer ≥ 2.
    """
    _check_dim(dim, 2)

    matrix = sympy.zeros(dim, dim)
    for i in range(dim):
        for j in range(i + 1, dim):
            matrix[i, j] = sympy.Symbol(f"{name}{i + 1}{j + 1}", real=True)
            matrix[j, i] = -matrix[i, j]
    return matrix


def planar_rotation(angle: Any) -> sympy.Matrix:
    """The rotation of the plane by ``angle``: every element of SO(2).

    Args:
        angle: in radians; a number, an expression, or the name of a real symbol.

    Returns:
        Matrix (2, 2).
    """
    theta = sympy.Symbol(angle, real=True) if isinstance(angle, str) else sympy.sympify(angle)
    return sympy.Matrix([[sympy.cos(theta), -sympy.sin(theta)], [sympy.sin(theta), sympy.cos(theta)]])


def cayley(skew_matrix: sympy.Matrix) -> sympy.Matrix:
    """The rotation (I − S)(I + S)⁻¹ of a skew-symmetric S, in rational functions of its entries.

    As S runs through the skew-symmetric matrices this reaches every rotation without eigenvalue −1: a dense set
    of SO(d), so an identity of continuous functions that holds here holds on all of SO(d). Times
    :func:`reflection` it covers the other component of O(d) likewise.

    Args:
        skew_matrix: S, (d, d). I + S is always invertible, because S has imaginary eigenvalues.

    Raises:
        ValueError: if S is not skew-symmetric.
    """
    if sympy.simplify(skew_matrix + skew_matrix.T) != sympy.zeros(*skew_matrix.shape):
        raise ValueError(f"skew_matrix: {skew_matrix} is not skew-symmetric")
    identity = sympy.eye(skew_matrix.rows)
    return ((identity - skew_matrix) * (identity + skew_matrix).inv()).applyfunc(sympy.cancel)


def reflection(dim: int) -> sympy.Matrix:
    """The reflection diag(−1, 1, …, 1), of determinant −1: matrix (d, d).

    Raises:
        ValueError: if ``dim`` is not a positive integer.
    """
    _check_dim(dim, 1)
    return sympy.diag(-1, *[1] * (dim - 1))


# --- explicit components: registration --------------------------------------------------------------------


@algebra.inner.register(sympy.MatrixBase)
def _(x: Any, y: Any) -> Any:
    return (x.T * y)[0, 0]


@algebra.norm.register(sympy.MatrixBase)
def _(x: Any) -> Any:
    return sympy.sqrt(algebra.inner(x, x))


@algebra.scale.register(sympy.MatrixBase)
def _(x: Any, c: Any) -> Any:
    return x * c


@algebra.apply.register(sympy.MatrixBase)
def _(U: Any, x: Any) -> Any:
    return U * x


@algebra.apply_transpose.register(sympy.MatrixBase)
def _(U: Any, x: Any) -> Any:
    return U.T * x


@algebra.hadamard.register(sympy.MatrixBase)
def _(x: Any, y: Any) -> Any:
    return x.multiply_elementwise(y)


@algebra.centred.register(sympy.MatrixBase)
def _(x: Any) -> tuple[Any, Any]:
    return x, sympy.Integer(0)


@algebra.softmax.register(sympy.MatrixBase)
def _(x: Any, temperature: Any) -> Any:
    weights = x.applyfunc(lambda entry: sympy.exp(sympy.expand(entry / temperature)))
    return weights / sum(weights)


@algebra.largest.register(sympy.MatrixBase)
def _(x: Any) -> Any:
    return sympy.Max(*x)


@algebra.split.register(sympy.MatrixBase)
def _(x: Any) -> tuple[Any, Any]:
    half = x.rows // 2
    return x[:half, :], x[half:, :]


@algebra.join.register(sympy.MatrixBase)
def _(x: Any, y: Any) -> Any:
    return sympy.Matrix.vstack(x, y)


@algebra.project.register(sympy.MatrixBase)
def _(x: Any, k: int) -> Any:
    return x[:k, :]


@algebra.embed.register(sympy.MatrixBase)
def _(x: Any, d: int) -> Any:
    return sympy.Matrix.vstack(x, sympy.zeros(d - x.rows, 1))


@algebra.ones.register(sympy.MatrixBase)
def _(x: Any) -> Any:
    return sympy.ones(x.rows, 1)


@algebra.is_zero.register(sympy.MatrixBase)
def _(x: Any) -> bool:
    # A vector of symbols counts as nonzero: it stands for a generic vector, and the cases that a formula
    # distinguishes are proved one by one.
    return all(bool(entry == 0) for entry in x)
