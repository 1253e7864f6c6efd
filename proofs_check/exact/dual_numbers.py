"""Vectors over a prime field that carry their derivatives, exactly, through a construction's own formulas.

An entry is x + Σ_b x_b ε_b + Σ_k x_k δ_k + Σ_kb x_kb δ_k ε_b with ε_b ε_b' = δ_k δ_k' = 0: its value, the derivatives
along b directions of the parameter and along k coordinates of the goal, and the mixed ones, which say how a goal
gradient changes with the parameter. All four are residues modulo p = 2³¹ − 1, whose products fit in int64.

Square roots are the reason for a field: every formula with a norm is exact at points where the root exists modulo p,
as it does for half of all numbers. Where it does not, or where a division by 0 was asked for, the rows concerned are
reported through :func:`failures` and have to be drawn again. Of the two roots ±r the one that is a square itself is
taken, so that √(x²) is x or −x, and ‖cv‖ = |c|‖v‖ can fail: callers look whether what must vanish does.

Registered with :mod:`toyenvs.algebra`, like every other kind of vector.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from fractions import Fraction
from typing import Any

import numpy as np
import sympy
from numpy.typing import NDArray

from toyenvs import algebra

__all__ = ["PRIME", "DualNumber", "failures"]

PRIME = 2**31 - 1
"""p: a prime, and p ≡ 3 modulo 4, so that x^((p+1)/4) is a square root of x where there is one."""

_Array = Any  # NDArray[np.int64], but numpy makes numbers of arrays without axes
_Part = Any  # the same, or None

_FAILED: ContextVar[list[NDArray[np.bool_]] | None] = ContextVar("_FAILED", default=None)


@contextmanager
def failures() -> Iterator[list[NDArray[np.bool_]]]:
    """Collect where a root or an inverse did not exist: arrays (...) of booleans, in the shapes of the scalars."""
    found: list[NDArray[np.bool_]] = []
    token = _FAILED.set(found)
    try:
        yield found
    finally:
        _FAILED.reset(token)


def _fail(failed: Any) -> None:
    where = np.asarray(failed, dtype=np.bool_)
    if not where.any():
        return
    found = _FAILED.get()
    if found is None:
        raise ZeroDivisionError(f"no square root or no inverse modulo {PRIME}; draw another point")
    found.append(where)


def _power(x: _Array, exponent: int) -> _Array:
    """x^exponent modulo p, elementwise."""
    result, base = np.ones_like(x), x
    while exponent:
        if exponent & 1:
            result = result * base % PRIME
        base = base * base % PRIME
        exponent >>= 1
    return result


def _sum(*parts: _Part) -> _Part:
    present = [part for part in parts if part is not None]
    if not present:
        return None
    total = present[0]
    for part in present[1:]:
        total = total + part
    return np.asarray(total % PRIME)


def _times(x: _Part, y: _Part) -> _Part:
    return None if x is None or y is None else np.asarray(x * y % PRIME)


def _deeper(value: _Array, axes: int) -> _Array:
    return value.reshape(value.shape + (1,) * axes)


class DualNumber:
    """An array of numbers with derivatives.

    Args:
        value: residues, shape S.
        along: derivatives along the parameter's directions, S + (b,); None where they are 0.
        by_goal: derivatives by the goal's coordinates, S + (k,); None where they are 0.
        mixed: both, S + (k, b); None where they are 0.
    """

    __array_ufunc__ = None  # numpy's operators give way to this class's

    def __init__(self, value: Any, along: _Part = None, by_goal: _Part = None, mixed: _Part = None) -> None:
        self.value: _Array = np.asarray(np.asarray(value, dtype=np.int64) % PRIME)
        self.along = along
        self.by_goal = by_goal
        self.mixed = mixed

    @property
    def ndim(self) -> int:
        """Axes of the value."""
        return self.value.ndim

    @property
    def shape(self) -> tuple[int, ...]:
        """S."""
        return self.value.shape

    def _map(self, change: Callable[[_Array, int], _Array]) -> DualNumber:
        """Rearrange the axes of S in all parts; ``change`` is told how many axes follow them."""
        parts = [(self.value, 0), (self.along, 1), (self.by_goal, 1), (self.mixed, 2)]
        return DualNumber(*(None if part is None else change(part, axes) for part, axes in parts))

    def __getitem__(self, key: Any) -> DualNumber:
        """The leading axes of S as numpy takes them; ``...`` stands for those that follow what is named."""
        index = key if isinstance(key, tuple) else (key,)
        return self._map(
            lambda part, axes: part[(*index, *(slice(None),) * axes)] if Ellipsis in index else part[index]
        )

    def sum_last(self) -> DualNumber:
        """Sum over the last axis of S."""
        return self._map(lambda part, axes: np.asarray(part.sum(-1 - axes) % PRIME))

    def widened(self, ndim: int) -> DualNumber:
        """With axes of length 1 in front, so that S has ``ndim``."""
        return self if self.ndim >= ndim else self._map(lambda part, axes: part[(None,) * (ndim - self.ndim)])

    def _function(self, value: _Array, slope: _Array, bend: _Array) -> DualNumber:
        """f(x) from f, f' and f'' at the value."""
        slope1, slope2, bend2 = _deeper(slope, 1), _deeper(slope, 2), _deeper(bend, 2)
        return DualNumber(
            value,
            _times(slope1, self.along),
            _times(slope1, self.by_goal),
            _sum(_times(slope2, self.mixed), _times(bend2, _outer(self.by_goal, self.along))),
        )

    def inverse(self) -> DualNumber:
        """1/x."""
        _fail(self.value == 0)
        value = _power(self.value, PRIME - 2)
        slope = (-value * value) % PRIME
        return self._function(value, slope, (-2 * slope % PRIME) * value % PRIME)

    def sqrt(self) -> DualNumber:
        """A square root of x."""
        value = _power(self.value, (PRIME + 1) // 4)
        missing = (value * value % PRIME != self.value) | (self.value == 0)
        _fail(missing)
        value = np.where(missing, 1, value)
        slope = _power(2 * value % PRIME, PRIME - 2)
        cube = _power(4 * (value * value % PRIME) % PRIME * value % PRIME, PRIME - 2)
        return self._function(value, slope, -cube % PRIME)

    def __add__(self, other: Any) -> DualNumber:
        x, y = _pair(self, other)
        return DualNumber(
            x.value + y.value,
            _sum(_spread(x.along, y.value, 1), _spread(y.along, x.value, 1)),
            _sum(_spread(x.by_goal, y.value, 1), _spread(y.by_goal, x.value, 1)),
            _sum(_spread(x.mixed, y.value, 2), _spread(y.mixed, x.value, 2)),
        )

    __radd__ = __add__

    def __neg__(self) -> DualNumber:
        return self._map(lambda part, axes: -part % PRIME)

    def __pos__(self) -> DualNumber:
        return self

    def __sub__(self, other: Any) -> DualNumber:
        return self + -_dual_number(other)

    def __rsub__(self, other: Any) -> DualNumber:
        return -self + other

    def __mul__(self, other: Any) -> DualNumber:
        x, y = _pair(self, other)
        x1, y1, x2, y2 = _deeper(x.value, 1), _deeper(y.value, 1), _deeper(x.value, 2), _deeper(y.value, 2)
        return DualNumber(
            x.value * y.value % PRIME,
            _sum(_times(x1, y.along), _times(y1, x.along)),
            _sum(_times(x1, y.by_goal), _times(y1, x.by_goal)),
            _sum(
                _times(x2, y.mixed),
                _times(y2, x.mixed),
                _outer(x.by_goal, y.along),
                _outer(y.by_goal, x.along),
            ),
        )

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> DualNumber:
        return self * _dual_number(other).inverse()

    def __rtruediv__(self, other: Any) -> DualNumber:
        return self.inverse() * other

    def __pow__(self, exponent: Any) -> DualNumber:
        if isinstance(exponent, bool) or not isinstance(exponent, int | np.integer):
            raise TypeError(f"a dual number to the power {exponent!r}: only whole powers are exact")
        result, base = DualNumber(np.ones_like(self.value)), self if exponent >= 0 else self.inverse()
        for _ in range(abs(int(exponent))):
            result = result * base
        return result


def _outer(by_goal: _Part, along: _Part) -> _Part:
    if by_goal is None or along is None:
        return None
    return np.asarray(by_goal[..., :, None] * along[..., None, :] % PRIME)


def _spread(part: _Part, other: _Array, axes: int) -> _Part:
    """The part of a term in a sum, of the shape of that sum."""
    if part is None:
        return None
    leading = np.broadcast_shapes(part.shape[: part.ndim - axes], other.shape)
    return np.broadcast_to(part, leading + part.shape[part.ndim - axes :])


def _residue(number: Any) -> int:
    if isinstance(number, sympy.Rational):
        fraction = Fraction(int(number.p), int(number.q))
    elif isinstance(number, int | np.integer):
        fraction = Fraction(int(number))
    elif isinstance(number, Fraction):
        fraction = number
    elif isinstance(number, float | np.floating):
        fraction = Fraction(float(number))  # what the float is, exactly
    else:
        raise TypeError(f"{type(number).__name__} has no exact value modulo a prime")
    return fraction.numerator * pow(fraction.denominator, -1, PRIME) % PRIME


def _dual_number(value: Any) -> DualNumber:
    if isinstance(value, DualNumber):
        return value
    if isinstance(value, np.ndarray) and value.dtype.kind in "iu":
        return DualNumber(value)
    return DualNumber(np.int64(_residue(value)))


def _pair(x: Any, y: Any) -> tuple[DualNumber, DualNumber]:
    """Both as dual numbers of as many axes."""
    x, y = _dual_number(x), _dual_number(y)
    ndim = max(x.ndim, y.ndim)
    return x.widened(ndim), y.widened(ndim)


class _Where:
    """A condition on dual numbers: booleans (...)."""

    def __init__(self, holds: NDArray[np.bool_]) -> None:
        self.holds = holds


@algebra.inner.register
def _(x: DualNumber, y: Any) -> DualNumber:
    return (x * y).sum_last()


@algebra.norm.register
def _(x: DualNumber) -> DualNumber:
    return (x * x).sum_last().sqrt()


@algebra.scale.register
def _(x: DualNumber, c: Any) -> DualNumber:
    return x * (c[..., None] if isinstance(c, DualNumber) else c)


@algebra.apply.register
def _(U: DualNumber, x: DualNumber) -> DualNumber:
    return (U * x[..., None, :]).sum_last()


@algebra.apply_transpose.register
def _(U: DualNumber, x: DualNumber) -> DualNumber:
    transposed = U._map(lambda part, axes: np.swapaxes(part, -1 - axes, -2 - axes))
    return (transposed * x[..., None, :]).sum_last()


@algebra.hadamard.register
def _(x: DualNumber, y: Any) -> DualNumber:
    return x * y


@algebra.centred.register
def _(x: DualNumber) -> tuple[DualNumber, DualNumber]:
    return x, x[..., 0] * 0


@algebra.split.register
def _(x: DualNumber) -> tuple[DualNumber, DualNumber]:
    half = x.shape[-1] // 2
    return x[..., :half], x[..., half:]


@algebra.join.register
def _(x: DualNumber, y: DualNumber) -> DualNumber:
    sizes = x.shape[-1], y.shape[-1]
    return algebra.embed(x, sum(sizes)) + _shifted(y, sizes[0])


def _shifted(x: DualNumber, by: int) -> DualNumber:
    return x._map(lambda part, axes: np.pad(part, [(0, 0)] * (part.ndim - 1 - axes) + [(by, 0)] + [(0, 0)] * axes))


@algebra.project.register
def _(x: DualNumber, k: int) -> DualNumber:
    return x[..., :k]


@algebra.embed.register
def _(x: DualNumber, d: int) -> DualNumber:
    missing = d - x.shape[-1]
    return x._map(lambda part, axes: np.pad(part, [(0, 0)] * (part.ndim - 1 - axes) + [(0, missing)] + [(0, 0)] * axes))


@algebra.ones.register
def _(x: DualNumber) -> DualNumber:
    return DualNumber(np.ones_like(x.value))


@algebra.is_zero.register
def _(x: DualNumber) -> _Where:
    return _Where(np.asarray(np.all(x.value == 0, axis=-1)))


@algebra._select.register
def _(condition: _Where, x: Any, y: Any) -> DualNumber:
    x, y = _pair(x, y)
    # 0 and 1 are enough to choose with, derivatives and all.
    chosen = DualNumber(condition.holds.astype(np.int64))
    if x.ndim > chosen.ndim:
        chosen = chosen[..., None]
    return x * chosen + y * (1 - chosen)
