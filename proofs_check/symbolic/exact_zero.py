"""Deciding whether a formula in real symbols vanishes: exact arithmetic on quotients of polynomials and square roots.

General simplifiers take minutes over the rational functions that three rotations in coordinates make. Here an
expression is evaluated in the field of rational functions, with python-flint's polynomials, each square root of a
polynomial p as a further variable r with r² = p. It is 0 if and only if the numerator is, up to relations between
different square roots, which are not looked for: those can make a zero be missed, never be found wrongly.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce
from itertools import zip_longest
from typing import Any

import flint
import sympy

__all__ = ["UnsupportedError", "is_zero", "zero_or_simplified"]


class UnsupportedError(Exception):
    """An expression that is not made of rational operations and square roots."""


@dataclass(frozen=True)
class _Fraction:
    """A numerator over a product of powers: ``powers[i]`` is the exponent of the field's i-th divisor.

    Not in lowest terms. Common divisors of huge numerators are dear, and to decide whether a fraction is 0 they are
    not needed; divisors that are kept apart make the common denominator of a sum small.
    """

    numerator: Any
    powers: tuple[int, ...] = ()


class _Field:
    """Rational functions of an expression's symbols and square roots."""

    def __init__(self, expression: sympy.Expr) -> None:
        symbols = sorted(expression.free_symbols, key=str)
        roots = [p for p in expression.atoms(sympy.Pow) if p.exp.is_Rational and p.exp.q == 2]
        names = [f"x{i}" for i in range(len(symbols))] + [f"r{i}" for i in range(len(roots))]
        self.context = flint.fmpq_mpoly_ctx.get(names or ["x0"], flint.Ordering.degrevlex)
        self.one = self.context.constant(1)
        self.variables = dict(zip(symbols, self.context.gens(), strict=False))
        self.roots = self.context.gens()[len(symbols) :]
        self.positive_variables = {i for i, symbol in enumerate(symbols) if symbol.is_positive}
        self.positive_variables |= set(range(len(symbols), len(names)))
        self.squares: list[Any] = []
        """p of the roots r² = p that are in use, in the order of their variables."""
        self.divisors: list[Any] = []
        self.cache: dict[sympy.Basic, _Fraction] = {}

    # --- polynomials

    def reduced(self, polynomial: Any) -> Any:
        """The polynomial with r² replaced by its value, for every root r."""
        first = len(self.variables)
        while any(polynomial.degrees()[first + i] > 1 for i in range(len(self.squares))):
            total = self.context.constant(0)
            by_powers: dict[tuple[int, ...], dict[tuple[int, ...], Any]] = {}
            for exponents, c in polynomial.to_dict().items():
                halves = tuple(e // 2 for e in exponents[first : first + len(self.squares)])
                rest = list(exponents)
                for i, half in enumerate(halves):
                    rest[first + i] -= 2 * half
                by_powers.setdefault(halves, {})[tuple(rest)] = c
            for halves, terms in by_powers.items():
                part = self.context.from_dict(terms)
                for square, half in zip(self.squares, halves, strict=True):
                    part = part * square**half
                total = total + part
            polynomial = total
        return polynomial

    def lowest_terms(self, fraction: _Fraction) -> tuple[Any, Any]:
        numerator, denominator = fraction.numerator, self.product(fraction.powers)
        common = numerator.gcd(denominator)
        return numerator / common, denominator / common

    def product(self, powers: tuple[int, ...]) -> Any:
        result = self.one
        for divisor, power in zip(self.divisors, powers, strict=False):
            result = result * divisor**power
        return result

    def positive(self, polynomial: Any) -> bool:
        """Whether a polynomial that is not 0 can be seen to be positive: from its factors' powers and signs."""
        constant, factors = polynomial.factor()
        return bool(constant > 0) and all(power % 2 == 0 or self._sum_of_squares(p) for p, power in factors)

    def _sum_of_squares(self, polynomial: Any) -> bool:
        """Whether every term is positive: a positive number times even powers, or powers of what is positive."""
        return all(
            c > 0 and all(e % 2 == 0 or i in self.positive_variables for i, e in enumerate(exponents))
            for exponents, c in polynomial.to_dict().items()
        )

    # --- fractions

    def added(self, x: _Fraction, y: _Fraction) -> _Fraction:
        both = list(zip_longest(x.powers, y.powers, fillvalue=0))
        numerator = x.numerator * self.product(tuple(max(p, q) - p for p, q in both))
        numerator = numerator + y.numerator * self.product(tuple(max(p, q) - q for p, q in both))
        return _Fraction(self.reduced(numerator), tuple(max(p, q) for p, q in both))

    def multiplied(self, x: _Fraction, y: _Fraction) -> _Fraction:
        powers = tuple(p + q for p, q in zip_longest(x.powers, y.powers, fillvalue=0))
        return _Fraction(self.reduced(x.numerator * y.numerator), powers)

    def inverted(self, x: _Fraction) -> _Fraction:
        if x.numerator == 0:
            raise ZeroDivisionError("a denominator vanishes identically")
        if x.numerator.is_constant():
            return _Fraction(self.product(x.powers) / x.numerator)
        if x.numerator not in self.divisors:
            self.divisors.append(x.numerator)
        place = self.divisors.index(x.numerator)
        return _Fraction(self.product(x.powers), (*[0] * place, 1))

    def root(self, x: _Fraction) -> _Fraction:
        """The square root of a fraction n/d, as √(nd)/d."""
        numerator, denominator = self.lowest_terms(x)
        if numerator == denominator:
            return _Fraction(self.one)
        if not self.positive(denominator):
            # √(n/d) = √(nd)/d needs d > 0: for d < 0 the sign would be wrong.
            raise UnsupportedError(f"a square root over {denominator}, whose sign is not known")
        square = self.reduced(numerator * denominator)
        if square not in self.squares:
            self.squares.append(square)
        root = _Fraction(self.roots[self.squares.index(square)])
        return self.multiplied(root, self.inverted(_Fraction(denominator)))

    # --- expressions

    def evaluate(self, expression: sympy.Basic) -> _Fraction:
        if expression not in self.cache:
            self.cache[expression] = self._evaluate(expression)
        return self.cache[expression]

    def _evaluate(self, expression: Any) -> _Fraction:
        if expression.is_Rational:
            return _Fraction(self.context.constant(flint.fmpq(int(expression.p), int(expression.q))))
        if expression.is_Symbol:
            return _Fraction(self.variables[expression])
        if expression.is_Add:
            return reduce(self.added, map(self.evaluate, expression.args))
        if expression.is_Mul:
            return reduce(self.multiplied, map(self.evaluate, expression.args))
        if expression.is_Pow and expression.exp.is_Rational and expression.exp.q in (1, 2):
            base = self.evaluate(expression.base)
            if expression.exp.q == 2:
                base = self.root(base)
            if expression.exp < 0:
                base = self.inverted(base)
            return reduce(self.multiplied, [base] * abs(int(expression.exp.p)))
        raise UnsupportedError(f"{type(expression).__name__} in {expression}")


def is_zero(expression: Any) -> bool:
    """Whether a scalar vanishes identically.

    Raises:
        UnsupportedError: if it contains anything but symbols, rational numbers, + · / integer powers and square roots.
        ZeroDivisionError: if a denominator in it vanishes identically.
    """
    expression = sympy.sympify(expression)
    field = _Field(expression)
    return bool(field.evaluate(expression).numerator == 0)


def zero_or_simplified(expression: Any, rational: Callable[[Any], Any] = sympy.sympify) -> Any:
    """0 if the expression vanishes, otherwise the expression; where :func:`is_zero` cannot say, sympy simplifies.

    Args:
        expression: a scalar.
        rational: turns it into one that :func:`is_zero` can decide, and that vanishes only if it does.
    """
    try:
        return sympy.Integer(0) if is_zero(rational(expression)) else expression
    except UnsupportedError:
        return sympy.simplify(expression)
