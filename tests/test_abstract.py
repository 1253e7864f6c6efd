"""The abstract algebra: its laws, against coordinates; what it must not believe."""

from __future__ import annotations

import pytest
import sympy
from hypothesis import given
from hypothesis import strategies as st

from proofs_check.symbolic import abstract
from proofs_check.symbolic import components as symbols
from proofs_check.symbolic.abstract import Operator, Pair, Vector
from toyenvs import algebra

DIM = 3
LAWS = ("general", "orthogonal", "skew", "symmetric")


def numbers(law: str, shift: int) -> sympy.Matrix:
    """A matrix of rationals that keeps a law."""
    free = sympy.Matrix(DIM, DIM, lambda i, j: sympy.Rational((3 * i + 5 * j + shift) % 7 - 3, 1 + (i + j + shift) % 3))
    if law == "general":
        return free
    if law == "symmetric":
        return free + free.T
    skew = free - free.T
    return skew if law == "skew" else symbols.cayley(skew)


VECTORS = {name: sympy.Matrix([i + 1, (-1) ** i, 2 - i]) for i, name in enumerate("xyz")}
OPERATORS = {f"{law[0].upper()}{k}": numbers(law, 2 * k + 1) for law in LAWS for k in (1, 2)}
ABSTRACT = {f"{law[0].upper()}{k}": abstract.operator(f"{law[0].upper()}{k}", law) for law in LAWS for k in (1, 2)}

words = st.lists(st.tuples(st.sampled_from(sorted(OPERATORS)), st.booleans()), max_size=4)
vectors = st.lists(
    st.tuples(st.integers(-3, 3).filter(bool), words, st.sampled_from(sorted(VECTORS))), min_size=1, max_size=3
)


def build(terms: list[tuple[int, list[tuple[str, bool]], str]]) -> tuple[Vector, sympy.Matrix]:
    """The same combination of words, abstract and in coordinates."""
    total, columns = Vector({}), sympy.zeros(DIM, 1)
    for c, word, name in terms:
        x, column = abstract.vector(name), VECTORS[name]
        for letter, transposed in reversed(word):
            act = algebra.apply_transpose if transposed else algebra.apply
            x, column = act(ABSTRACT[letter], x), act(OPERATORS[letter], column)
        total, columns = total + c * x, columns + c * column
    return total, columns


@given(vectors, vectors)
def test_every_operation_agrees_with_coordinates(first: list[object], second: list[object]) -> None:
    (x, a), (y, b) = build(first), build(second)

    def real(expression: object) -> object:
        return abstract.realise(expression, VECTORS, OPERATORS)

    assert sympy.simplify(real(algebra.inner(x, y)) - algebra.inner(a, b)) == 0
    assert sympy.simplify(real(algebra.norm(x) ** 2) - algebra.inner(a, a)) == 0
    for mine, theirs in ((x + y, a + b), (x - 2 * y, a - 2 * b), (algebra.scale(x, 3), 3 * a), (-x / 2, -a / 2)):
        realised = real(mine) if mine.terms else sympy.zeros(DIM, 1)
        assert sympy.simplify(realised - theirs) == sympy.zeros(DIM, 1)


@given(vectors, vectors)
def test_inner_products_have_one_form(first: list[object], second: list[object]) -> None:
    (x, _), (y, _) = build(first), build(second)
    assert sympy.expand(algebra.inner(x, y) - algebra.inner(y, x)) == 0
    for name, W in ABSTRACT.items():
        moved = algebra.inner(algebra.apply_transpose(W, x), y) - algebra.inner(x, algebra.apply(W, y))
        assert sympy.expand(moved) == 0, name


@pytest.mark.parametrize(("law", "kept"), [("orthogonal", True), ("general", False), ("skew", False)])
def test_only_rotations_keep_lengths(law: str, kept: bool) -> None:
    W, x = abstract.operator("W", law), abstract.vector("x")
    both = algebra.norm(algebra.apply(W, x)), algebra.norm(algebra.apply_transpose(W, x))
    assert all((sympy.simplify(length - algebra.norm(x)) == 0) is kept for length in both)


def test_a_skew_operator_turns_a_vector_away_from_itself() -> None:
    x, y, S = abstract.vector("x"), abstract.vector("y"), abstract.operator("S", "skew")
    assert algebra.inner(x, algebra.apply(S, x)) == 0
    assert sympy.expand(algebra.inner(x, algebra.apply(S, y)) + algebra.inner(y, algebra.apply(S, x))) == 0
    W = abstract.operator("W")
    assert algebra.inner(x, algebra.apply(W, x)) != 0
    squared = algebra.apply(S, algebra.apply(S, x))
    assert algebra.inner(x, squared) != 0


def test_operators_form_an_algebra() -> None:
    U, S, W = (abstract.operator(n, law) for n, law in (("U", "orthogonal"), ("S", "skew"), ("W", "general")))
    identity = U.T @ U
    x = abstract.vector("x")
    assert algebra.apply(identity, x).terms == x.terms
    assert (U @ U.T).terms == identity.terms
    assert (S.T + S).terms == {}
    assert ((U @ S @ W).T - (W.T @ S.T @ U.T)).terms == {}
    assert str(U @ W.T) == "U Wᵀ"
    assert (W.T @ W).terms != identity.terms


def test_one_name_with_two_laws_is_two_operators() -> None:
    # sympy keeps results of equal arguments: a formula of a rotation must not come back for a general matrix.
    x, y = abstract.vector("x"), abstract.vector("y")
    of_law = {law: algebra.inner(x, algebra.apply(abstract.operator("U", law), y)) for law in LAWS}
    assert len({str(symbol) for symbol in of_law.values()}) == 1
    assert len(set(of_law.values())) == len(LAWS)
    assert sympy.simplify(of_law["general"] - of_law["orthogonal"]) != 0


def test_a_vector_said_to_be_nonzero_is_another_than_one_that_may_vanish() -> None:
    assert algebra.norm(abstract.vector("x", nonzero=True)).is_positive
    assert not algebra.norm(abstract.vector("x")).is_positive
    assert algebra.norm(abstract.vector("x", length=1)) == 1


# --- derivatives ------------------------------------------------------------------------------------------


@given(vectors, st.integers(-2, 2))
def test_the_gradient_agrees_with_coordinates(terms: list[object], power: int) -> None:
    # f = ⟨g, x⟩·‖g‖^p + ⟨g, W g⟩ with every occurrence of g differentiated.
    g_symbols = symbols.vector("g", DIM)
    x, a = build(terms)
    g, W = abstract.vector("g", nonzero=True), ABSTRACT["G1"]
    f = algebra.inner(g, x) * algebra.norm(g) ** power + algebra.inner(g, algebra.apply(W, g))
    explicit = algebra.inner(g_symbols, a) * algebra.norm(g_symbols) ** power + algebra.inner(
        g_symbols, OPERATORS["G1"] * g_symbols
    )
    point = dict(zip(g_symbols, (sympy.Rational(2, 7), sympy.Rational(3, 7), sympy.Rational(-6, 7)), strict=True))
    expected = sympy.Matrix([sympy.diff(explicit, c).subs(point) for c in g_symbols])
    columns = {**VECTORS, "g": g_symbols.subs(point)}
    found = abstract.realise(abstract.goal_gradient(f, g), columns, OPERATORS)
    assert sympy.simplify(found - expected) == sympy.zeros(DIM, 1)


def test_the_gradient_needs_a_single_vector() -> None:
    g, x = abstract.vector("g"), abstract.vector("x")
    with pytest.raises(ValueError, match="not a single named vector"):
        abstract.goal_gradient(algebra.inner(g, x), g + x)


def test_substitution_reaches_into_coefficients_and_inner_products() -> None:
    g, p, U = abstract.vector("g", nonzero=True), abstract.vector("p"), abstract.operator("U", "orthogonal")
    unit = algebra.scale(algebra.apply_transpose(U, g), 1 / algebra.norm(g))
    value = algebra.inner(g, algebra.apply(U, p)) + algebra.norm(p)
    assert sympy.simplify(abstract.substitute(value, {"p": unit}) - algebra.norm(g) - 1) == 0
    weighted = algebra.scale(g, algebra.inner(g, algebra.apply(U, p)))
    replaced = abstract.substitute(weighted, {"p": unit})
    assert (replaced - algebra.scale(g, algebra.norm(g))).simplified().terms == {}


# --- the rest ---------------------------------------------------------------------------------------------


def test_pairs_split_and_zero_is_zero() -> None:
    x, y = abstract.vector("x"), abstract.vector("y")
    pair = algebra.join(x, y)
    assert isinstance(pair, Pair)
    assert algebra.split(pair) == (x, y)
    assert algebra.is_zero(algebra.scale(x, 0))
    assert algebra.is_zero(x - x)
    assert not algebra.is_zero(x)
    assert (pair - pair).first.terms == {}


def test_what_it_is_not_made_for_is_refused() -> None:
    with pytest.raises(ValueError, match="law: 'unitary' is not one of general, orthogonal, skew, symmetric"):
        abstract.operator("U", "unitary")
    with pytest.raises(TypeError):
        abstract.vector("x") + 1
    with pytest.raises(TypeError):
        abstract.vector("x") * abstract.vector("y")
    assert isinstance(abstract.operator("U"), Operator)


def test_formulas_can_be_read() -> None:
    U, a, g = abstract.operator("U", "orthogonal"), abstract.vector("a"), abstract.vector("g")
    assert str(algebra.apply(U, a) - g) == "U a − g"
    assert str(algebra.inner(g, algebra.apply(U, a))) == "⟨a, Uᵀ g⟩"
    assert str(Vector({})) == "0"
    assert abstract.free_vectors(algebra.inner(g, algebra.apply(U, a)) * algebra.norm(g)) == {"a", "g"}
    assert abstract.free_operators(algebra.apply(U, a)) == {("U", "orthogonal")}
