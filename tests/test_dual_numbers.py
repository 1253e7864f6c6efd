"""Dual numbers modulo a prime against sympy's derivatives over Q and automatic differentiation in float64."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import sympy
import torch
from hypothesis import given
from hypothesis import strategies as st

from proofs_check.exact.dual_numbers import PRIME, DualNumber, failures
from toyenvs import algebra
from toyenvs.constructions import NoRewardGradient, ProjectedGoal
from toyenvs.learners.losses import temporal_difference_error


def residue(value: sympy.Rational) -> int:
    return int(value.p) * pow(int(value.q), -1, PRIME) % PRIME


t, u = sympy.symbols("t u")  # along the parameter, by the goal
integers = st.integers(-30, 30)
polynomials = st.tuples(integers, integers, integers, integers).map(lambda c: c[0] + c[1] * t + c[2] * u + c[3] * t * u)


def as_dual_number(expression: Any) -> DualNumber:
    at = {t: 0, u: 0}
    parts = [expression, sympy.diff(expression, t), sympy.diff(expression, u), sympy.diff(expression, t, u)]
    value, along, by_goal, mixed = (residue(sympy.Rational(sympy.sympify(part).subs(at))) for part in parts)
    return DualNumber(value, np.array([along]), np.array([by_goal]), np.array([[mixed]]))


def parts(number: DualNumber) -> list[int]:
    arrays = (number.value, number.along, number.by_goal, number.mixed)
    return [0 if array is None else int(np.ravel(array)[0]) % PRIME for array in arrays]


@given(polynomials, polynomials)
def test_arithmetic_is_that_of_truncated_polynomials(x: Any, y: Any) -> None:
    for found, expected in (
        (as_dual_number(x) + as_dual_number(y), x + y),
        (as_dual_number(x) - as_dual_number(y), x - y),
        (as_dual_number(x) * as_dual_number(y), x * y),
        (3 - as_dual_number(x) * Fraction(2, 7), 3 - x * sympy.Rational(2, 7)),
        (as_dual_number(x) ** 3, x**3),
    ):
        assert parts(found) == parts(as_dual_number(sympy.expand(expected)))
    if y.subs({t: 0, u: 0}) != 0:
        assert parts(as_dual_number(x) / as_dual_number(y)) == parts(as_dual_number(x / y))
        assert parts(as_dual_number(y) ** -2) == parts(as_dual_number(y**-2))
        assert parts(sympy.Rational(1, 3) / as_dual_number(y)) == parts(as_dual_number(1 / (3 * y)))


@given(polynomials)
def test_a_square_root_has_the_derivatives_of_one(x: Any) -> None:
    if x.subs({t: 0, u: 0}) == 0:
        return
    root = as_dual_number(sympy.expand(x**2)).sqrt()  # ±x, whichever is a quadratic residue
    assert parts(root) in (parts(as_dual_number(x)), parts(as_dual_number(-x)))
    assert parts(root * root) == parts(as_dual_number(sympy.expand(x**2)))


def test_what_does_not_exist_is_reported() -> None:
    numbers = np.arange(1, 200)
    squares = {pow(n, 2, PRIME) for n in range(1, 200)}
    with failures() as found:
        roots = DualNumber(numbers).sqrt()
    (missing,) = found
    assert all(bool(missing[n - 1]) != (roots.value[n - 1] ** 2 % PRIME == n) for n in numbers)
    assert not any(missing[n - 1] for n in numbers if n in squares)
    assert 60 < missing.sum() < 140  # half of all residues: binomial(199, 1/2) leaves this range once in 10⁸
    with failures() as found:
        DualNumber(np.array([0, 5])).inverse()
    assert [list(where) for where in found] == [[True, False]]
    with pytest.raises(ZeroDivisionError):
        1 / DualNumber(np.array([0, 5]))


def test_numbers_without_an_exact_value_are_refused() -> None:
    with pytest.raises(TypeError, match="no exact value"):
        DualNumber(np.int64(3)) * "2"
    with pytest.raises(TypeError, match="whole powers"):
        DualNumber(np.int64(3)) ** 0.5
    with pytest.raises(TypeError, match=r"algebra\.softmax\.register"):
        algebra.softmax(DualNumber(np.array([1, 2])), 1.0)


@pytest.mark.parametrize("make", [lambda: NoRewardGradient(3, 0.5), lambda: ProjectedGoal(3, 0.5, 2)])
def test_a_constructions_error_has_the_derivatives_of_automatic_differentiation(make: Any) -> None:
    """Integers are small enough for float64 to tell: at γ = 1/2 every part is a multiple of 1/9 up to a root."""
    construction = make()
    rng = np.random.default_rng(0)
    dim, size = construction.dim, construction.goal_dim
    # ‖g‖ = 9 or 25, themselves squares: of the two roots modulo p, the one that is a square is taken.
    goal = 3 * np.array([1, 2, 2]) if size == 3 else 5 * np.array([3, 4])
    param, omega = rng.integers(-3, 4, (2, dim, dim))
    state, action = rng.integers(1, 4, construction.observation_dim), rng.integers(-3, 4, dim)
    following = construction.dynamics(param, state, action)

    def error(U: Any, g: Any, kind: Any) -> Any:
        target = kind(param)
        return temporal_difference_error(construction, U, target, kind(state), kind(action), kind(following), g)

    exact_discount = sympy.Rational(1, 2)
    construction.discount = exact_discount
    found = error(
        DualNumber(param, omega[..., None]), DualNumber(goal, by_goal=np.eye(size, dtype=np.int64)), DualNumber
    )
    construction.discount = 0.5

    def tensor(x: Any) -> torch.Tensor:
        return torch.tensor(x, dtype=torch.float64)

    def differentiated(s: torch.Tensor, g: torch.Tensor) -> torch.Tensor:
        return error(tensor(param) + s * tensor(omega), g, tensor)

    zero, at = tensor(0.0), tensor(goal)
    along = torch.autograd.functional.jacobian(lambda s: differentiated(s, at), zero)
    by_goal = torch.autograd.functional.jacobian(lambda g: differentiated(zero, g), at)
    mixed = torch.autograd.functional.jacobian(
        lambda s: torch.autograd.functional.jacobian(lambda g: differentiated(s, g), at, create_graph=True), zero
    )
    for part, expected in ((found.along, along), (found.by_goal, by_goal), (found.mixed, mixed)):
        assert part is not None
        assert np.ravel(part).tolist() == [
            residue(sympy.nsimplify(float(x), rational=True, tolerance=1e-9)) for x in np.ravel(expected.numpy())
        ]
