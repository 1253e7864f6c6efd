"""Vectors with any number of coordinates: one is singled out, the others are like one another.

A sum over actions, or over goals, is proved for every number of them at once. A :class:`Family` is a vector with a
first coordinate, and n others that all are the same expression of a generic symbol: (m, m − τx_1, …, m − τx_n) is

    Family(m, lambda x: m - tau * x)

Of a sum over the others nothing is used but that it is linear: Σ c·f(x) = c·Σ f(x) and Σ 1 = n. What remains,
Σ[f(x)], is a symbol. A derivation with respect to the first coordinate holds for each coordinate, because any may be
the first.

The same proof runs in two spaces: :class:`EveryNumber`, and :class:`SomeNumber`, where the coordinates are written
out. Importing this module registers families with :mod:`toyenvs.algebra`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import sympy
from typing_extensions import override

from proofs_check.claim import CheckSettings, Evidence, EvidenceKind, Finding, Truth
from proofs_check.proving.derivation import CHECKED, AbstractSpace, ComponentSpace, Derivation, Proof
from proofs_check.proving.section import Section
from proofs_check.symbolic import abstract
from proofs_check.symbolic import components as symbols
from proofs_check.symbolic.exact_zero import zero_or_simplified
from proofs_check.symbolic.notation import written
from toyenvs import algebra

__all__ = ["EveryNumber", "Family", "ManySpace", "SomeNumber", "proof_for_each_number", "with_exponentials_as_symbols"]

_OTHERS = sympy.Symbol("n", positive=True)
"""How many coordinates there are besides the first. That it is whole is not used."""
_GENERIC = sympy.Symbol("x_b", real=True)
"""Stands for any of the others."""


_SUMMANDS: dict[Any, Any] = {}
"""Of every symbol Σ[f(x)] its summand f(x), and of the name of every sum of vectors its weight."""


def _sum_symbol(summand: Any) -> Any:
    """Σ f(x) over the others: a symbol, positive where its summand is."""
    sign = {"positive": True} if summand.is_positive else {"real": True}
    symbol = sympy.Symbol(f"Σ[{summand}]", **sign)
    if _SUMMANDS.setdefault(symbol, summand) != summand:
        raise ValueError(f"summand: two different ones are written {summand}")
    return symbol


def _over_others(summand: Any) -> Any:
    """Σ over the others, by linearity."""
    total = sympy.Integer(0)
    for constant, rest in _linear_terms(sympy.expand_power_exp(sympy.sympify(summand))):
        total += constant * (_OTHERS if rest == 1 else _sum_symbol(rest))
    return total


def _linear_terms(summand: Any) -> Iterator[tuple[Any, Any]]:
    """Constants and products whose sum of products is the summand; denominators are left as they are."""
    constant, rest = summand.as_independent(_GENERIC, as_Add=False)
    for factor in sympy.Mul.make_args(rest):
        expanded = sympy.expand(factor) if factor.is_Add or (factor.is_Pow and factor.exp.is_Integer) else factor
        if expanded.is_Add:
            for term in expanded.args:
                yield from _linear_terms(constant * term * (rest / factor))
            return
    yield constant, rest


class Family:
    """A vector with 1 + n coordinates.

    Args:
        first: the one that is singled out.
        others: the n others, as a function of a generic symbol.
    """

    __slots__ = ("first", "rest")

    def __init__(self, first: Any, others: Callable[[Any], Any]) -> None:
        self.first = sympy.sympify(first)
        self.rest = sympy.sympify(others(_GENERIC))

    def map(self, function: Callable[[Any], Any]) -> Family:
        """The function of every coordinate."""
        rest = function(self.rest)
        return Family(function(self.first), lambda x: rest)

    def total(self) -> Any:
        """The sum of all coordinates."""
        return self.first + _over_others(self.rest)


@algebra.hadamard.register
def _(x: Family, y: Family) -> Family:
    return Family(x.first * y.first, lambda _: x.rest * y.rest)


@algebra.inner.register
def _(x: Family, y: Family) -> Any:
    return algebra.hadamard(x, y).total()


@algebra.centred.register
def _(x: Family) -> tuple[Family, Any]:
    return x, sympy.Integer(0)


@algebra.softmax.register
def _(x: Family, temperature: Any) -> Family:
    weights = x.map(lambda entry: sympy.exp(sympy.expand(entry / temperature)))
    total = weights.total()
    return weights.map(lambda weight: weight / total)


@dataclass(frozen=True)
class _Rows:
    """A matrix with 1 + n rows: vectors of no particular dimension, the others under one name."""

    first: abstract.Vector
    others: str


@algebra.apply_transpose.register
def _(rows: _Rows, weights: Family) -> abstract.Vector:
    # The others' sum is a vector that depends on the others' weights only; its name says on which.
    name = f"Σ[({written(weights.rest)}) {rows.others}]"
    if _SUMMANDS.setdefault(name, weights.rest) != weights.rest:
        raise ValueError(f"weights: two different ones are written {name}")
    rest = abstract.vector(name)
    combined: abstract.Vector = rows.first * weights.first + rest
    return combined


# --- spaces -----------------------------------------------------------------------------------------------


class ManySpace(Protocol):
    """A space with vectors of 1 + n coordinates besides those of dimension d."""

    def many(self, first: Any, others: Callable[[Any], Any]) -> Any:
        """The vector (first, others(x_1), …, others(x_n)), the x_i being symbols of their own."""

    def rows(self, first: Any, others: str) -> Any:
        """The matrix with rows first and n others."""

    def over_others(self, summand: Callable[[Any], Any]) -> Any:
        """Σ_i summand(x_i)."""

    def others(self) -> Any:
        """How many others there are, n."""

    def generic(self) -> Any:
        """One of the x_i."""

    def derivative(self, expression: Any, symbol: Any) -> Any:
        """With respect to a symbol on which the others do not depend, of a scalar or of a vector made of rows."""


class EveryNumber(AbstractSpace):
    """Any number of coordinates, any dimension."""

    scope = "every number of them"

    def many(self, first: Any, others: Callable[[Any], Any]) -> Family:
        """See :class:`ManySpace`."""
        return Family(first, others)

    def rows(self, first: Any, others: str) -> _Rows:
        """See :class:`ManySpace`."""
        return _Rows(first, others)

    def over_others(self, summand: Callable[[Any], Any]) -> Any:
        """See :class:`ManySpace`."""
        return _over_others(sympy.sympify(summand(_GENERIC)))

    def others(self) -> Any:
        """See :class:`ManySpace`."""
        return _OTHERS

    def generic(self) -> Any:
        """See :class:`ManySpace`."""
        return _GENERIC

    def derivative(self, expression: Any, symbol: Any) -> Any:
        """See :class:`ManySpace`.

        Raises:
            ValueError: if a sum over the others depends on the symbol.
        """
        if isinstance(expression, abstract.Vector):
            return abstract.Vector({key: self.derivative(c, symbol) for key, c in expression.terms.items()})
        expression = sympy.sympify(expression)
        for total in expression.free_symbols & _SUMMANDS.keys():
            if symbol in _SUMMANDS[total].free_symbols:
                raise ValueError(f"symbol: {total} depends on {symbol}")
        return sympy.diff(expression, symbol)

    @override
    def simplified(self, difference: Any) -> Any:
        if isinstance(difference, abstract.Vector | abstract.Pair):
            return super().simplified(difference)
        return _zero_or_itself(difference)

    @override
    def counterexample(self, difference: Any) -> str | None:
        # Numbers for the sums would have to come from numbers for their terms.
        return None

    @override
    def written(self, expression: Any) -> str | None:
        # Exponentials and numbers stand in the texts of the steps, where they read better.
        if isinstance(expression, sympy.Expr) and (expression.is_number or expression.has(sympy.exp)):
            return None
        text = super().written(expression)
        return text if text is not None and len(text) <= 70 else None


class SomeNumber(ComponentSpace):
    """The coordinates written out.

    Args:
        number: 1 + n, at least 2.
        dim: of ordinary vectors.
    """

    def __init__(self, number: int, dim: int = 2) -> None:
        super().__init__(dim)
        self.number = number
        self._generic = [sympy.Symbol(f"x{i}", real=True) for i in range(2, number + 1)]

    def many(self, first: Any, others: Callable[[Any], Any]) -> sympy.Matrix:
        """See :class:`ManySpace`."""
        return sympy.Matrix([first, *map(others, self._generic)])

    def rows(self, first: Any, others: str) -> sympy.Matrix:
        """See :class:`ManySpace`."""
        rest = [symbols.vector(f"{others}{i}", self.dim).T for i in range(2, self.number + 1)]
        return sympy.Matrix.vstack(first.T, *rest)

    def over_others(self, summand: Callable[[Any], Any]) -> Any:
        """See :class:`ManySpace`."""
        return sum(map(summand, self._generic), start=sympy.Integer(0))

    def others(self) -> Any:
        """See :class:`ManySpace`."""
        return sympy.Integer(self.number - 1)

    def generic(self) -> Any:
        """See :class:`ManySpace`."""
        return self._generic[0]

    def derivative(self, expression: Any, symbol: Any) -> Any:
        """See :class:`ManySpace`."""
        return sympy.diff(expression, symbol)

    @override
    def simplified(self, difference: Any) -> Any:
        if isinstance(difference, sympy.MatrixBase):
            return difference.applyfunc(_zero_or_itself)
        return _zero_or_itself(difference)


def _zero_or_itself(expression: Any) -> Any:
    return zero_or_simplified(expression, with_exponentials_as_symbols)


def with_exponentials_as_symbols(expression: Any) -> Any:
    """The expression with every e^u as a power of a symbol.

    An identity in the symbols is one in the exponentials. Since e^(2u), e^(−u) and e^(u+v) are written as powers and
    products, the converse fails only for exponents that are related otherwise.
    """
    names: dict[Any, sympy.Symbol] = {}

    def as_power(exponent: Any) -> Any:
        power = sympy.Integer(1)
        for term in sympy.Add.make_args(sympy.expand(exponent)):
            number, rest = term.as_coeff_Mul()
            power *= names.setdefault(rest, sympy.Dummy(f"exp({rest})", positive=True)) ** number
        return power

    replaced = sympy.sympify(expression).replace(sympy.exp, as_power)
    return replaced.xreplace({sympy.E: as_power(sympy.Integer(1))})


def proof_for_each_number(
    section: Section,
    number: str,
    statement: str,
    *,
    things: str,
    latex: str,
    source: str,
    assumptions: Sequence[str] = (),
    spaces: Sequence[SomeNumber] = (),
    written_out: str = "",
    also: Sequence[Evidence] = (),
    note: str = "",
) -> Callable[[Proof], Proof]:
    """A claim that is derived for every number of coordinates, and again with the coordinates written out.

    Args:
        section: where the claim goes.
        number: of the claim.
        statement: of the claim.
        things: what the coordinates are, for the scope: "actions".
        latex: of the claim.
        source: of the claim.
        assumptions: of the claim.
        spaces: of the independent check; by default 2, 3 and 4 coordinates.
        written_out: their range in words.
        also: further evidence.
        note: to the claim.

    Returns:
        A decorator of a proof: a function of a :class:`~proofs_check.proving.derivation.Derivation` whose space is a
        :class:`ManySpace`.
    """
    spaces = tuple(spaces) or tuple(SomeNumber(count) for count in (2, 3, 4))
    written_out = written_out or "2, 3, 4 " + things

    def add(proof: Proof) -> Proof:
        def derived(settings: CheckSettings) -> Finding:
            step = Derivation(EveryNumber())
            proof(step)
            return Finding(Truth.TRUE, f"every number of {things} ≥ 2", tuple(step.steps))

        def again(settings: CheckSettings) -> Finding:
            count = 0
            for space in spaces:
                step = Derivation(space)
                proof(step)
                count += sum(line.startswith(CHECKED) for line in step.steps)
            line = f"{CHECKED} the same equalities, written out for {written_out}: {count} in all"
            return Finding(Truth.TRUE, written_out, (line,))

        also_written_out = Evidence(EvidenceKind.COMPONENTS, f"the formulas on columns of {written_out}", again)
        section.check(
            number,
            statement,
            kind=EvidenceKind.SYMBOLIC,
            method=f"the formulas on a vector of any number of {things}, by linearity of sums",
            latex=latex,
            source=source,
            assumptions=assumptions,
            also=(also_written_out, *also),
            note=note,
        )(derived)
        return proof

    return add
