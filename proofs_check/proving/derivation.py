"""Derivations: identities between formulas, proved for every dimension or in coordinates of a small one.

A proof is a function of a :class:`Derivation`. It asks the derivation's :class:`Space` for vectors and operators,
runs the constructions' formulas on them, and states equalities one after the other:

    def proof(step: Derivation) -> None:
        g, U = step.space.vector("g", nonzero=True), step.space.orthogonal("U")
        step.equal("Uᵀ keeps lengths", norm(apply_transpose(U, g)), norm(g))

The same function is run in :class:`AbstractSpace`, where it holds for every d, and in :class:`ComponentSpace`, where
vectors are columns of real symbols and a rotation is written out in free coordinates: two independent opinions on one
text (:func:`prove`). An equality whose two sides do not simplify to the same is *refuted* if exact numbers are found
for which they differ, and those numbers are the counterexample; otherwise it is left *undecided*.
"""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import sympy
from typing_extensions import override

from proofs_check.claim import CheckSettings, Evidence, EvidenceKind, Finding, RefutedError, Truth
from proofs_check.symbolic import abstract
from proofs_check.symbolic import components as symbols
from proofs_check.symbolic.exact_zero import zero_or_simplified
from proofs_check.symbolic.notation import written

__all__ = [
    "CHECKED",
    "AbstractSpace",
    "ComponentSpace",
    "Derivation",
    "Proof",
    "Space",
    "UndecidedError",
    "prove",
    "refute",
]


CHECKED = "✓"
"""Begins the steps of a derivation that the machine checked; the others join them, by hand."""


BY_HAND = "By hand: "
"""Begins the lines that carry an inequality, a limit or an induction, which nothing checks."""


class UndecidedError(Exception):
    """Two sides that could be shown neither equal nor different."""


class Space(ABC):
    """Where vectors come from, and how equality is decided."""

    scope: str
    """The range of dimensions, in words."""

    @abstractmethod
    def vector(self, name: str, *, nonzero: bool = False) -> Any:
        """A vector about which nothing is known but, perhaps, that it is not 0."""

    @abstractmethod
    def zero(self) -> Any:
        """The vector 0."""

    @abstractmethod
    def pair(self, first: Any, second: Any) -> Any:
        """Two vectors stacked into one state."""

    @abstractmethod
    def matrix(self, name: str) -> Any:
        """Any square matrix."""

    @abstractmethod
    def orthogonal(self, name: str) -> Any:
        """Any orthogonal matrix."""

    @abstractmethod
    def skew(self, name: str) -> Any:
        """Any skew-symmetric matrix."""

    @abstractmethod
    def goal_gradient(self, expression: Any, goal: Any) -> Any:
        """Total derivative of a scalar with respect to a vector made by :meth:`vector`."""

    @abstractmethod
    def substitute(self, expression: Any, vector: Any, replacement: Any) -> Any:
        """Put an expression in the place of a vector made by :meth:`vector`."""

    @abstractmethod
    def simplified(self, difference: Any) -> Any:
        """A scalar or vector in a form that is 0, or the zero vector, if it can be shown to vanish."""

    @abstractmethod
    def vanishes(self, simplified: Any) -> bool:
        """Whether what :meth:`simplified` gave is 0."""

    @abstractmethod
    def counterexample(self, difference: Any) -> str | None:
        """Exact numbers at which a difference is not 0, with its value there; None if none were found."""

    def written(self, expression: Any) -> str | None:
        """How an expression stands in a derivation that is printed; None where it would be too long to read."""
        return str(expression) if isinstance(expression, abstract.Vector | abstract.Pair) else written(expression)


_DIRECTIONS: dict[int, list[tuple[int, ...]]] = {
    2: [(3, 4, 5), (-12, 5, 13), (0, 1, 1), (15, 8, 17), (1, 0, 1)],
    3: [(1, 2, 2, 3), (-6, 2, 3, 7), (0, 3, -4, 5), (4, 4, 7, 9), (1, 0, 0, 1)],
}
"""Unit vectors with rational coordinates: numerators, and the common denominator."""


def _vectors_of_numbers(dim: int, attempt: int) -> Iterator[sympy.Matrix]:
    """Vectors of lengths 1, 1/2, 1, 1/2, …, so that they do as actions and their norms are rational."""
    for turn in itertools.count(attempt):
        *numerators, denominator = _DIRECTIONS[dim][turn % len(_DIRECTIONS[dim])]
        yield sympy.Matrix([sympy.Rational(n, denominator * (1 + turn % 2)) for n in numerators])


def _small_numbers(attempt: int = 0) -> Iterator[sympy.Rational]:
    """Numbers for matrices, the simplest first."""
    numbers = [(1, 1), (2, 1), (1, 2), (-1, 1), (3, 1), (-1, 2), (1, 3), (-2, 1)]
    for numerator, denominator in itertools.islice(itertools.cycle(numbers), attempt, None):
        yield sympy.Rational(numerator, denominator)


def _nonzero_value(value: Any) -> Any:
    """The value if it is certainly not 0, else None."""
    value = sympy.nsimplify(value) if not isinstance(value, sympy.Basic) else value
    exact = sympy.simplify(value)
    return exact if exact.is_number and exact.is_zero is False else None


class AbstractSpace(Space):
    """Every dimension at once: see :mod:`proofs_check.symbolic.abstract`."""

    scope = "every d"

    @override
    def vector(self, name: str, *, nonzero: bool = False) -> abstract.Vector:
        return abstract.vector(name, nonzero=nonzero)

    @override
    def zero(self) -> abstract.Vector:
        return abstract.Vector({})

    @override
    def pair(self, first: Any, second: Any) -> abstract.Pair:
        return abstract.Pair(first, second)

    @override
    def matrix(self, name: str) -> abstract.Operator:
        return abstract.operator(name)

    @override
    def orthogonal(self, name: str) -> abstract.Operator:
        return abstract.operator(name, "orthogonal")

    @override
    def skew(self, name: str) -> abstract.Operator:
        return abstract.operator(name, "skew")

    @override
    def goal_gradient(self, expression: Any, goal: Any) -> abstract.Vector:
        return abstract.goal_gradient(expression, goal)

    @override
    def substitute(self, expression: Any, vector: Any, replacement: Any) -> Any:
        (name,) = abstract.free_vectors(vector)
        return abstract.substitute(expression, {name: replacement})

    @override
    def simplified(self, difference: Any) -> Any:
        if isinstance(difference, abstract.Pair):
            return abstract.Pair(difference.first.simplified(), difference.second.simplified())
        return difference.simplified() if isinstance(difference, abstract.Vector) else sympy.simplify(difference)

    @override
    def vanishes(self, simplified: Any) -> bool:
        if isinstance(simplified, abstract.Pair):
            return not simplified.first.terms and not simplified.second.terms
        return not simplified.terms if isinstance(simplified, abstract.Vector) else simplified == 0

    @override
    def counterexample(self, difference: Any) -> str | None:
        if isinstance(difference, abstract.Pair):
            return self.counterexample(difference.first) or self.counterexample(difference.second)
        for dim, attempt in itertools.product((2, 3), range(3)):
            found = self._counterexample(difference, dim, attempt)
            if found:
                return found
        return None

    def _counterexample(self, difference: Any, dim: int, attempt: int) -> str | None:
        vectors = dict(zip(sorted(abstract.free_vectors(difference)), _vectors_of_numbers(dim, attempt), strict=False))
        operators = {
            name: _operator_of_numbers(law, dim, attempt + turn)
            for turn, (name, law) in enumerate(sorted(abstract.free_operators(difference)))
        }
        realised = abstract.realise(difference, vectors, operators)
        scalars = {symbol: sympy.Rational(1, 3 + i) for i, symbol in enumerate(_symbols(realised))}
        value = realised.subs(scalars)
        for i, entry in enumerate(value if isinstance(value, sympy.MatrixBase) else [value]):
            if (exact := _nonzero_value(entry)) is not None:
                where = f" in coordinate {i + 1}" if isinstance(value, sympy.MatrixBase) else ""
                return f"the two sides differ by {exact}{where} at d = {dim}, {_listed(vectors, operators, scalars)}"
        return None


class ComponentSpace(Space):
    """Explicit coordinates in one small dimension.

    Args:
        dim: d ≥ 2.
        reflected: orthogonal matrices are rotations times a reflection, the other component of O(d).
    """

    def __init__(self, dim: int, *, reflected: bool = False) -> None:
        self.dim = dim
        self.reflected = reflected
        self.scope = f"d = {dim}"

    @override
    def vector(self, name: str, *, nonzero: bool = False) -> sympy.Matrix:
        return symbols.vector(name, self.dim)

    @override
    def zero(self) -> sympy.Matrix:
        return sympy.zeros(self.dim, 1)

    @override
    def pair(self, first: Any, second: Any) -> sympy.Matrix:
        return sympy.Matrix.vstack(first, second)

    @override
    def matrix(self, name: str) -> sympy.Matrix:
        return sympy.Matrix(self.dim, self.dim, lambda i, j: sympy.Symbol(f"{name}{i + 1}{j + 1}", real=True))

    @override
    def orthogonal(self, name: str) -> sympy.Matrix:
        rotation = symbols.cayley(symbols.skew(name, self.dim))
        return rotation * symbols.reflection(self.dim) if self.reflected else rotation

    @override
    def skew(self, name: str) -> sympy.Matrix:
        return symbols.skew(name, self.dim)

    @override
    def goal_gradient(self, expression: Any, goal: Any) -> sympy.Matrix:
        return sympy.Matrix([sympy.diff(expression, component) for component in goal])

    @override
    def substitute(self, expression: Any, vector: Any, replacement: Any) -> Any:
        return expression.subs(dict(zip(vector, replacement, strict=True)), simultaneous=True)

    @override
    def simplified(self, difference: Any) -> Any:
        if isinstance(difference, sympy.MatrixBase):
            return difference.applyfunc(zero_or_simplified)
        return zero_or_simplified(difference)

    @override
    def vanishes(self, simplified: Any) -> bool:
        return all(entry == 0 for entry in (simplified if isinstance(simplified, sympy.MatrixBase) else [simplified]))

    @override
    def counterexample(self, difference: Any) -> str | None:
        names = _symbols(difference)
        numbers = _small_numbers()
        values = {symbol: next(numbers) if "γ" not in symbol.name else sympy.Rational(1, 3) for symbol in names}
        for entry in difference if isinstance(difference, sympy.MatrixBase) else [difference]:
            if (exact := _nonzero_value(sympy.sympify(entry).subs(values))) is not None:
                return f"the two sides differ by {exact} at d = {self.dim}, {_listed(values)}"
        return None

    @override
    def written(self, expression: Any) -> str | None:
        return None


def _operator_of_numbers(law: str, dim: int, attempt: int) -> sympy.Matrix:
    numbers = _small_numbers(attempt)
    skew = sympy.zeros(dim, dim)
    for i in range(dim):
        for j in range(i + 1, dim):
            skew[i, j] = next(numbers)
            skew[j, i] = -skew[i, j]
    if law == "skew":
        return skew
    if law == "orthogonal":
        return symbols.cayley(skew)
    other = sympy.Matrix(dim, dim, lambda i, j: next(numbers))
    return other + other.T if law == "symmetric" else other


def _symbols(expression: Any) -> list[sympy.Symbol]:
    return sorted(sympy.sympify(expression).free_symbols, key=str)


def _listed(*assignments: dict[Any, Any]) -> str:
    def shown(value: Any) -> str:
        if not isinstance(value, sympy.MatrixBase):
            return str(value)
        return str(tuple(value)) if value.cols == 1 else str(value.tolist())

    return ", ".join(
        f"{name} = {shown(value)}"
        for values in assignments
        for name, value in sorted(values.items(), key=lambda item: str(item[0]))
    )


class Derivation:
    """The steps of one proof in one space.

    Attributes:
        space: where the proof's vectors and operators come from.
        steps: what has been shown so far, a line each.
    """

    def __init__(self, space: Space) -> None:
        self.space = space
        self.steps: list[str] = []

    def remark(self, text: str) -> None:
        """A line of the argument that joins the steps by hand: nothing is checked."""
        self.steps.append(text)

    def equal(self, text: str, left: Any, right: Any) -> None:
        """State and check an equality of scalars, vectors or states.

        Raises:
            AssertionError: with a counterexample, if the two sides differ.
            UndecidedError: if they neither simplify to the same nor differ at the numbers that were tried.
        """
        found = self._difference(text, left, right)
        if found is not None:
            raise AssertionError(f"{text}: {found}")
        sides = self.space.written(self._short(left)), self.space.written(self._short(right))
        if None in sides:
            shown = ""
        elif sides[0] == sides[1]:
            shown = f"\nboth have the normal form  {sides[0]}"
        else:
            shown = f"\n{sides[0]}  =  {sides[1]}"
        self.steps.append(f"{CHECKED} {text}{shown}")

    def claimed(self, text: str, left: Any, right: Any) -> None:
        """State the equality that a claim asserts and that is expected to be false, unlike the steps that lead to it.

        Raises:
            RefutedError: with a counterexample, if the two sides differ.
            UndecidedError: if they neither simplify to the same nor differ at the numbers that were tried.
        """
        found = self._difference(text, left, right)
        if found is not None:
            raise RefutedError(f"{text}: {found}")
        self.steps.append(f"{CHECKED} {text}")

    def _difference(self, text: str, left: Any, right: Any) -> str | None:
        """A counterexample to an equality, None if it holds."""
        difference = left - right
        simplified = self.space.simplified(difference)
        if self.space.vanishes(simplified):
            return None
        found = self.space.counterexample(difference)
        if found is None:
            raise UndecidedError(f"{text}: the difference does not simplify to 0, it is {simplified}")
        return found

    def _short(self, side: Any) -> Any:
        return self.space.simplified(side) if isinstance(self.space, AbstractSpace) else side


Proof = Callable[[Derivation], None]


def _derived(proof: Proof) -> Finding:
    derivation = Derivation(AbstractSpace())
    proof(derivation)
    if not any(step.startswith(CHECKED) for step in derivation.steps):
        raise RuntimeError("the derivation checks nothing")
    return Finding(Truth.TRUE, AbstractSpace.scope, tuple(derivation.steps))


def _again_in_coordinates(proof: Proof, spaces: Sequence[ComponentSpace]) -> Finding:
    count = 0
    for space in spaces:
        derivation = Derivation(space)
        proof(derivation)
        count += sum(step.startswith(CHECKED) for step in derivation.steps)
    if not count:
        raise RuntimeError("the derivation checks nothing in coordinates")
    dims = ", ".join(dict.fromkeys(str(space.dim) for space in spaces))
    step = f"{CHECKED} the same equalities, written out in coordinates: {count} in all"
    return Finding(Truth.TRUE, f"d = {dims}", (step,))


def prove(proof: Proof, *, dims: Sequence[int] = (2, 3), reflections: bool = True) -> tuple[Evidence, Evidence]:
    """A proof for every dimension, and the same statement in coordinates of small ones.

    Args:
        proof: states equalities; run once in each space.
        dims: dimensions of the independent check.
        reflections: whether the independent check takes in both components of O(d).
    """
    spaces = [ComponentSpace(dim, reflected=r) for dim in dims for r in ([False, True] if reflections else [False])]
    return (
        Evidence(
            EvidenceKind.SYMBOLIC,
            "the formulas on abstract vectors, whatever their dimension",
            lambda settings: _derived(proof),
        ),
        Evidence(
            EvidenceKind.COMPONENTS,
            "the formulas on columns of real symbols" + (", both components of O(d)" if reflections else ""),
            lambda settings: _again_in_coordinates(proof, spaces),
        ),
    )


def refute(proof: Proof) -> tuple[Evidence]:
    """For a statement that is expected to be false: its derivation is tried, and fails where it is ``claimed``."""

    def run(settings: CheckSettings) -> Finding:
        return _derived(proof)

    return (Evidence(EvidenceKind.CERTIFICATE, "a derivation is tried; exact numbers refute it", run),)
