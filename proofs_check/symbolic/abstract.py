"""Abstract vectors: linear algebra in which a proof holds for every dimension.

A :class:`Vector` is a formal sum of *words*: operators applied to named vectors, such as Uᵀg or V U a, with scalar
(sympy) coefficients. Nothing has coordinates. Two facts are all that is known: inner products are bilinear and
symmetric, and each operator's own law (UᵀU = UUᵀ = I for a rotation, Sᵀ = −S for a skew one). Inner products of
words become scalar symbols, ⟨g, U a⟩, in one canonical form (every operator moved to the right-hand side), so that
equal ones are the same symbol and an identity is proved by its difference simplifying to 0. No dimension enters, so
what is proved holds for every d.

Importing this module registers its vectors with :mod:`toyenvs.algebra`: the very functions that step the
environments and make the losses then return formulas.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import sympy

from proofs_check.symbolic.notation import written_sum
from toyenvs import algebra

__all__ = [
    "Operator",
    "Pair",
    "Vector",
    "free_operators",
    "free_vectors",
    "goal_gradient",
    "operator",
    "realise",
    "substitute",
    "vector",
]

_SUPERSCRIPT_T = "ᵀ"


@dataclass(frozen=True, order=True)
class _Letter:
    """An operator or its transpose, as part of a word.

    ``law`` is "orthogonal" (WᵀW = WWᵀ = I), "skew" (Wᵀ = −W), "symmetric" (Wᵀ = W) or "general".
    """

    name: str
    law: str
    transposed: bool = False

    def __str__(self) -> str:
        return self.name + _SUPERSCRIPT_T * self.transposed


_Word = tuple[_Letter, ...]


def _reduced(word: _Word) -> tuple[_Word, int]:
    """Free reduction by each operator's law: the shortest equal word, and a sign."""
    sign = 1
    done: list[_Letter] = []
    for letter in word:
        if letter.transposed and letter.law in ("skew", "symmetric"):
            sign *= -1 if letter.law == "skew" else 1
            letter = _Letter(letter.name, letter.law)
        if done and letter.law == "orthogonal" and done[-1] == _flipped(letter):
            done.pop()
        else:
            done.append(letter)
    return tuple(done), sign


def _flipped(letter: _Letter) -> _Letter:
    return _Letter(letter.name, letter.law, not letter.transposed)


def _transposed(word: _Word) -> _Word:
    return tuple(_flipped(letter) for letter in reversed(word))


# --- operators and vectors --------------------------------------------------------------------------------


class _Sum:
    """A formal sum: basis element -> nonzero coefficient. Immutable."""

    __slots__ = ("terms",)

    def __init__(self, terms: Mapping[Any, Any]) -> None:
        self.terms = {key: c for key, c in terms.items() if c != 0}

    def __add__(self, other: Any) -> Any:
        if type(other) is not type(self):
            return NotImplemented
        terms = dict(self.terms)
        for key, c in other.terms.items():
            terms[key] = terms.get(key, 0) + c
        return type(self)(terms)

    def __neg__(self) -> Any:
        return self * -1

    def __sub__(self, other: Any) -> Any:
        return self + other * -1 if type(other) is type(self) else NotImplemented

    def __mul__(self, c: Any) -> Any:
        if isinstance(c, _Sum | Pair):
            return NotImplemented
        return type(self)({key: sympy.sympify(c) * value for key, value in self.terms.items()})

    __rmul__ = __mul__

    def __truediv__(self, c: Any) -> Any:
        return self * (1 / sympy.sympify(c))

    def simplified(self) -> Any:
        """The same sum with simplified coefficients."""
        return type(self)({key: sympy.simplify(value) for key, value in self.terms.items()})


class Operator(_Sum):
    """A linear operator on the space, made by :func:`operator`; ``+``, scalar ``*``, ``@`` and ``.T`` as usual."""

    __slots__ = ()

    @property
    def T(self) -> Operator:
        """The transpose."""
        terms: dict[_Word, Any] = {}
        for word, c in self.terms.items():
            flipped, sign = _reduced(_transposed(word))
            terms[flipped] = terms.get(flipped, 0) + sign * c
        return Operator(terms)

    def __matmul__(self, other: Operator) -> Operator:
        terms: dict[_Word, Any] = {}
        for left, c in self.terms.items():
            for right, e in other.terms.items():
                word, sign = _reduced(left + right)
                terms[word] = terms.get(word, 0) + sign * c * e
        return Operator(terms)

    def __str__(self) -> str:
        return written_sum(self.terms, lambda word: " ".join(map(str, word)) or "I")

    __repr__ = __str__


class Vector(_Sum):
    """A vector of no particular dimension, made by :func:`vector` and linear operations."""

    __slots__ = ()

    def __str__(self) -> str:
        return written_sum(self.terms, lambda key: " ".join([*map(str, key[0]), key[1].name]))

    __repr__ = __str__


@dataclass(frozen=True)
class Pair:
    """Two stacked vectors: the state of Proposition 2."""

    first: Vector
    second: Vector

    def __sub__(self, other: Pair) -> Pair:
        return Pair(self.first - other.first, self.second - other.second)

    def __str__(self) -> str:
        return f"({self.first}, {self.second})"


@dataclass(frozen=True)
class _Generator:
    """A named vector; ``length`` is its norm, a positive or nonnegative scalar."""

    name: str
    length: Any

    def __str__(self) -> str:
        return self.name


class _InnerProduct(sympy.Symbol):
    """⟨u, W v⟩ of generators u, v and a word W: a real symbol that remembers what it stands for."""

    __slots__ = ("left", "right", "word")

    left: _Generator
    right: _Generator
    word: _Word

    def __new__(cls, left: _Generator, word: _Word, right: _Generator) -> _InnerProduct:
        name = f"⟨{left.name}, {' '.join([*map(str, word), right.name])}⟩"
        symbol = sympy.Symbol.__xnew__(cls, name, real=True)
        symbol.left, symbol.word, symbol.right = left, word, right
        return symbol

    def _hashable_content(self) -> tuple[Any, ...]:
        # Sympy keeps results by what its arguments are equal to: ⟨a, U g⟩ of a rotation and of a general matrix of
        # the same name must not be.
        return (*super()._hashable_content(), self.left.length, self.word, self.right.length)


class _Norm(sympy.Symbol):
    """‖u‖ of a generator u, positive where u was said to be nonzero."""

    __slots__ = ("name_of",)

    name_of: str

    def __new__(cls, name: str, nonzero: bool) -> _Norm:
        symbol = sympy.Symbol.__xnew__(cls, f"‖{name}‖", **({"positive": True} if nonzero else {"nonnegative": True}))
        symbol.name_of = name
        return symbol


def vector(name: str, *, length: Any = None, nonzero: bool = False) -> Vector:
    """A named vector about which nothing is known, or only its length.

    Args:
        name: equal names are equal vectors.
        length: ‖x‖ if it is known, such as 1; otherwise a symbol stands for it.
        nonzero: whether that symbol is positive.
    """
    norm = _Norm(name, nonzero) if length is None else sympy.sympify(length)
    return Vector({((), _Generator(name, norm)): sympy.Integer(1)})


def operator(name: str, law: str = "general") -> Operator:
    """A named operator.

    Args:
        name: equal names are equal operators.
        law: "general", "orthogonal" (its transpose is its inverse), "skew" or "symmetric".

    Raises:
        ValueError: for another law.
    """
    if law not in ("general", "orthogonal", "skew", "symmetric"):
        raise ValueError(f"law: {law!r} is not one of general, orthogonal, skew, symmetric")
    return Operator({(_Letter(name, law),): sympy.Integer(1)})


# --- calculus ---------------------------------------------------------------------------------------------


def _word_inner(u: _Generator, word: _Word, v: _Generator) -> Any:
    """⟨u, W v⟩ in canonical form."""
    word, sign = _reduced(word)
    if not word and u == v:
        return u.length**2
    other, other_sign = _reduced(_transposed(word))
    # ⟨u, W v⟩ = ⟨v, Wᵀ u⟩; the smaller name stands for both.
    if (v.name, other) < (u.name, word):
        u, word, v, sign = v, other, u, sign * other_sign
    elif u == v and other == word and other_sign == -1:
        return sympy.Integer(0)
    return sign * _InnerProduct(u, word, v)


def _inner(x: Vector, y: Vector) -> Any:
    total = sympy.Integer(0)
    for (left, u), c in x.terms.items():
        for (right, v), e in y.terms.items():
            total += c * e * _word_inner(u, _transposed(left) + right, v)
    return total


def _apply(W: Operator, x: Vector) -> Vector:
    terms: dict[Any, Any] = {}
    for left, c in W.terms.items():
        for (right, u), e in x.terms.items():
            word, sign = _reduced(left + right)
            terms[word, u] = terms.get((word, u), 0) + sign * c * e
    return Vector(terms)


def _generator(x: Vector) -> _Generator:
    if len(x.terms) == 1:
        ((word, generator), coefficient) = next(iter(x.terms.items()))
        if not word and coefficient == 1:
            return generator
    raise ValueError(f"{x} is not a single named vector")


def goal_gradient(expression: Any, goal: Vector) -> Vector:
    """∇_g of a scalar: the total derivative, through every inner product and norm in which g stands.

    Args:
        expression: a scalar, in which g occurs through ⟨·, ·⟩ and ‖g‖ only.
        goal: the named vector g; if it occurs in ‖g‖, g ≠ 0.

    Raises:
        ValueError: if ``goal`` is not a single named vector, or its length is fixed.
    """
    g = _generator(goal)
    if not isinstance(g.length, _Norm):
        raise ValueError(f"goal: the length of {g.name} is fixed, so it cannot be varied freely")
    total = Vector({})
    for symbol in sorted(sympy.sympify(expression).free_symbols, key=str):
        slope = sympy.diff(expression, symbol)
        if symbol == g.length:
            total = total + goal * (slope / g.length)
        elif isinstance(symbol, _InnerProduct):
            if symbol.left == g:
                total = total + _apply(Operator({symbol.word: slope}), Vector({((), symbol.right): sympy.Integer(1)}))
            if symbol.right == g:
                turned = Operator({symbol.word: slope}).T
                total = total + _apply(turned, Vector({((), symbol.left): sympy.Integer(1)}))
    return total


def free_vectors(expression: Any) -> set[str]:
    """Names of the vectors that a scalar or vector depends on."""
    if isinstance(expression, Vector):
        names = {generator.name for _, generator in expression.terms}
        return names.union(*(free_vectors(c) for c in expression.terms.values()))
    names = set()
    for symbol in sympy.sympify(expression).free_symbols:
        if isinstance(symbol, _InnerProduct):
            names |= {symbol.left.name, symbol.right.name}
        elif isinstance(symbol, _Norm):
            names.add(symbol.name_of)
    return names


def free_operators(expression: Any) -> set[tuple[str, str]]:
    """Names and laws of the operators in a scalar or vector."""
    found: set[tuple[str, str]] = set()
    if isinstance(expression, Vector):
        for (word, _), c in expression.terms.items():
            found |= {(letter.name, letter.law) for letter in word} | free_operators(c)
        return found
    for symbol in sympy.sympify(expression).free_symbols:
        if isinstance(symbol, _InnerProduct):
            found |= {(letter.name, letter.law) for letter in symbol.word}
    return found


def _homomorphism(expression: Any, vector_of: Callable[[_Generator], Any], act: Callable[[_Word, Any], Any]) -> Any:
    """Replace every named vector and operator, in a scalar or a vector."""
    if isinstance(expression, Vector):
        total = None
        for (word, generator), c in expression.terms.items():
            term = algebra.scale(act(word, vector_of(generator)), _homomorphism(c, vector_of, act))
            total = term if total is None else total + term
        return Vector({}) if total is None else total
    replaced = {}
    for symbol in sympy.sympify(expression).free_symbols:
        if isinstance(symbol, _InnerProduct):
            replaced[symbol] = algebra.inner(vector_of(symbol.left), act(symbol.word, vector_of(symbol.right)))
        elif isinstance(symbol, _Norm):
            replaced[symbol] = algebra.norm(vector_of(_Generator(symbol.name_of, symbol)))
    return sympy.sympify(expression).xreplace(replaced)


def substitute(expression: Any, vectors: Mapping[str, Vector]) -> Any:
    """Put other abstract vectors in the place of named ones, in a scalar or a vector."""
    return _homomorphism(
        expression,
        lambda generator: vectors.get(generator.name, Vector({((), generator): sympy.Integer(1)})),
        lambda word, x: _apply(Operator({word: sympy.Integer(1)}), x),
    )


def realise(expression: Any, vectors: Mapping[str, Any], operators: Mapping[str, Any]) -> Any:
    """Evaluate a scalar or a vector in coordinates.

    Args:
        expression: abstract.
        vectors: a column for each name.
        operators: a square matrix for each name; that it keeps its law is up to the caller.
    """

    def act(word: _Word, x: Any) -> Any:
        for letter in reversed(word):
            x = operators[letter.name].T * x if letter.transposed else operators[letter.name] * x
        return x

    return _homomorphism(expression, lambda generator: vectors[generator.name], act)


# --- registration -----------------------------------------------------------------------------------------


@algebra.inner.register
def _(x: Vector, y: Vector) -> Any:
    return _inner(x, y)


@algebra.norm.register
def _(x: Vector) -> Any:
    return sympy.sqrt(sympy.expand(_inner(x, x)))


@algebra.scale.register
def _(x: Vector, c: Any) -> Vector:
    scaled: Vector = x * c
    return scaled


@algebra.apply.register
def _(U: Operator, x: Vector) -> Vector:
    return _apply(U, x)


@algebra.apply_transpose.register
def _(U: Operator, x: Vector) -> Vector:
    return _apply(U.T, x)


@algebra.split.register
def _(x: Pair) -> tuple[Vector, Vector]:
    return x.first, x.second


@algebra.join.register
def _(x: Vector, y: Vector) -> Pair:
    return Pair(x, y)


@algebra.is_zero.register
def _(x: Vector) -> bool:
    # A formal sum counts as nonzero: it stands for a generic vector, and the cases that a formula distinguishes
    # are proved one by one.
    return not x.simplified().terms
