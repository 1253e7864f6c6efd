"""The vector operations: three kinds of vector agree with plain loops and with one another."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import sympy
import torch
from hypothesis import given
from hypothesis import strategies as st

from proofs_check.exact.dual_numbers import PRIME, DualNumber
from proofs_check.symbolic import components as symbols
from toyenvs import algebra

DIM = 4

BATCHES: list[tuple[tuple[int, ...], tuple[int, ...]]] = [
    ((), ()),
    ((3,), (3,)),
    ((), (3,)),
    ((3,), ()),
    ((2, 1), (2, 3)),
    ((2, 1), (3,)),
    ((1, 1), (2, 3)),
    ((1,), (3,)),
    ((1,), ()),
    ((2, 1), (2, 1)),
    ((2, 3), (2, 3)),
    ((5, 2, 1), (2, 3)),
    ((2, 1), (5, 2, 3)),
]
"""Leading shapes of (first, second) argument, a learner's (B, 1) against (B, N) among them."""


def loop(function: Callable[..., Any], *arguments: tuple[np.ndarray, int]) -> np.ndarray:
    """Apply a function of single vectors or matrices to every element of a batch, one after the other."""
    batch = np.broadcast_shapes(*(x.shape[: x.ndim - core] for x, core in arguments))
    full = [np.broadcast_to(x, batch + x.shape[x.ndim - core :]) for x, core in arguments]
    results = [np.asarray(function(*(x[i] for x in full))) for i in np.ndindex(batch)]
    return np.stack(results).reshape(batch + results[0].shape)


BINARY: list[tuple[str, int, int, Callable[..., Any]]] = [
    ("inner", 1, 1, lambda x, y: sum(x[i] * y[i] for i in range(len(x)))),
    ("scale", 1, 0, lambda x, c: [c * entry for entry in x]),
    ("apply", 2, 1, lambda U, x: [sum(U[i, j] * x[j] for j in range(len(x))) for i in range(len(x))]),
    ("apply_transpose", 2, 1, lambda U, x: [sum(U[j, i] * x[j] for j in range(len(x))) for i in range(len(x))]),
    ("join", 1, 1, lambda x, y: [*x, *y]),
    ("hadamard", 1, 1, lambda x, y: [x[i] * y[i] for i in range(len(x))]),
]
"""Name, number of core axes of the two arguments, and the operation on one vector in plain arithmetic."""


@pytest.mark.parametrize(("name", "first_core", "second_core", "plain"), BINARY, ids=[case[0] for case in BINARY])
@pytest.mark.parametrize(("first_batch", "second_batch"), BATCHES)
def test_binary_operations_agree_with_loops(
    name: str,
    first_core: int,
    second_core: int,
    plain: Callable[..., Any],
    first_batch: tuple[int, ...],
    second_batch: tuple[int, ...],
) -> None:
    rng = np.random.default_rng(0)
    first = rng.standard_normal(first_batch + (DIM,) * first_core)
    second = rng.standard_normal(second_batch + (DIM,) * second_core)
    expected = loop(plain, (first, first_core), (second, second_core))
    operation = getattr(algebra, name)
    from_numpy = operation(first, second)
    from_torch = operation(torch.from_numpy(first), torch.from_numpy(second))
    assert np.shape(from_numpy) == tuple(from_torch.shape) == expected.shape
    np.testing.assert_allclose(from_numpy, expected, rtol=1e-13, atol=1e-13)
    np.testing.assert_allclose(from_torch.numpy(), expected, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("batch", [(), (3,), (2, 3)])
def test_unary_operations_agree_with_loops(batch: tuple[int, ...]) -> None:
    rng = np.random.default_rng(1)
    x = rng.standard_normal((*batch, DIM))
    lengths = loop(lambda v: sum(entry**2 for entry in v) ** 0.5, (x, 1))
    np.testing.assert_allclose(algebra.norm(x), lengths, rtol=1e-14)
    np.testing.assert_allclose(algebra.norm(torch.from_numpy(x)).numpy(), lengths, rtol=1e-14)
    maxima = loop(lambda v: max(v), (x, 1))
    np.testing.assert_array_equal(algebra.largest(x), maxima)
    np.testing.assert_array_equal(algebra.largest(torch.from_numpy(x)).numpy(), maxima)
    for temperature in (0.3, 2.0):
        weights = loop(lambda v, t=temperature: [1 / sum(math.exp((w - u) / t) for w in v) for u in v], (x, 1))
        np.testing.assert_allclose(algebra.softmax(x, temperature), weights, rtol=1e-13)
        np.testing.assert_allclose(algebra.softmax(torch.from_numpy(x), temperature).numpy(), weights, rtol=1e-13)
    for gaps, top in (algebra.centred(x), [part.numpy() for part in algebra.centred(torch.from_numpy(x))]):
        np.testing.assert_array_equal(top, maxima)
        np.testing.assert_array_equal(gaps, x - maxima[..., None])
    for array in (algebra.split(x), [half.numpy() for half in algebra.split(torch.from_numpy(x))]):
        np.testing.assert_array_equal(array[0], x[..., : DIM // 2])
        np.testing.assert_array_equal(array[1], x[..., DIM // 2 :])


@given(st.integers(1, 3), st.integers(1, 4), st.integers(1, 5), st.integers(0, 1000))
def test_one_parameter_for_many_rows_is_the_same_as_one_for_each(batch: int, rows: int, dim: int, seed: int) -> None:
    # (B, 1, d, d) takes a path of its own; spelled out as (B, N, d, d) it does not. Values and gradients.
    generator = torch.Generator().manual_seed(seed)
    U = torch.randn(batch, 1, dim, dim, generator=generator, dtype=torch.float64, requires_grad=True)
    x = torch.randn(batch, rows, dim, generator=generator, dtype=torch.float64, requires_grad=True)
    weights = torch.randn(batch, rows, dim, generator=generator, dtype=torch.float64)
    for operation in (algebra.apply, algebra.apply_transpose):
        shared, spelled_out = operation(U, x), operation(U.expand(-1, rows, -1, -1).clone(), x)
        torch.testing.assert_close(shared, spelled_out, rtol=1e-13, atol=1e-13)
        for one, other in zip(
            torch.autograd.grad((weights * shared).sum(), (U, x)),
            torch.autograd.grad((weights * spelled_out).sum(), (U, x)),
            strict=True,
        ):
            torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)


@given(st.integers(1, 3), st.integers(0, 1000))
def test_symbolic_components_agree_with_numpy(half: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    dim = 2 * half
    # Small integers: exact on both sides.
    U, x, y = rng.integers(-9, 10, (dim, dim)), rng.integers(-9, 10, dim), rng.integers(-9, 10, dim)
    c = int(rng.integers(-9, 10))
    V, v, w = sympy.Matrix(U), sympy.Matrix(x), sympy.Matrix(y)

    def array(value: Any) -> np.ndarray:
        return np.array(value.tolist(), dtype=np.int64)[:, 0]

    assert algebra.inner(v, w) == algebra.inner(x, y)
    assert algebra.norm(v) ** 2 == algebra.inner(x, x)
    np.testing.assert_allclose(float(algebra.norm(v)), algebra.norm(x), rtol=1e-15)
    np.testing.assert_array_equal(array(algebra.scale(v, c)), algebra.scale(x, c))
    np.testing.assert_array_equal(array(algebra.apply(V, v)), algebra.apply(U, x))
    np.testing.assert_array_equal(array(algebra.apply_transpose(V, v)), algebra.apply_transpose(U, x))
    np.testing.assert_array_equal(array(algebra.join(v, w)), algebra.join(x, y))
    np.testing.assert_array_equal(array(algebra.hadamard(v, w)), algebra.hadamard(x, y))
    assert algebra.largest(v) == algebra.largest(x)
    weights = np.array([float(entry) for entry in algebra.softmax(v, 2)])
    np.testing.assert_allclose(weights, algebra.softmax(x, 2.0), rtol=1e-13)
    assert algebra.centred(v) == (v, 0)
    for mine, theirs in zip(algebra.split(v), algebra.split(x), strict=True):
        np.testing.assert_array_equal(array(mine), theirs)
    assert algebra.is_zero(v) is bool(algebra.is_zero(x))


def test_only_exact_zeros_are_zero() -> None:
    rows = np.array([[0.0, 0.0], [0.0, -0.0], [0.0, 5e-324], [0.0, np.nan], [1.0, 0.0]])
    expected = [True, True, False, False, False]
    assert algebra.is_zero(rows).tolist() == expected
    assert algebra.is_zero(torch.from_numpy(rows)).tolist() == expected
    assert algebra.is_zero(sympy.zeros(3, 1)) is True
    assert algebra.is_zero(symbols.vector("g", 3)) is False
    x = sympy.Symbol("x", real=True)
    # Zero only after simplification: not literally zero, so the generic case.
    assert algebra.is_zero(sympy.Matrix([x * (x + 1) - x**2 - x])) is False


def test_tied_coordinates_share_the_gradient_of_the_largest_and_the_top_is_held_constant() -> None:
    x = torch.tensor([[2.0, -1.0, 2.0, 0.0]], requires_grad=True)
    (shared,) = torch.autograd.grad(algebra.largest(x).sum(), x)
    assert shared.tolist() == [[0.5, 0, 0.5, 0]]
    gaps, top = algebra.centred(x)
    assert not top.requires_grad
    (slope,) = torch.autograd.grad(gaps.sum(), x)
    assert slope.tolist() == [[1, 1, 1, 1]]


def test_select_takes_whole_vectors_or_scalars() -> None:
    condition = np.array([True, False])
    x, y = np.ones((2, 3)), np.zeros((2, 3))
    for chosen in (
        algebra.select(condition, x, y),
        algebra.select(torch.from_numpy(condition), torch.from_numpy(x), torch.from_numpy(y)).numpy(),
    ):
        np.testing.assert_array_equal(chosen, [[1, 1, 1], [0, 0, 0]])
    for chosen in (
        algebra.select(condition, x[:, 0], y[:, 0]),
        algebra.select(torch.from_numpy(condition), torch.from_numpy(x[:, 0]), torch.from_numpy(y[:, 0])).numpy(),
    ):
        np.testing.assert_array_equal(chosen, [1, 0])
    np.testing.assert_array_equal(algebra.select(np.True_, x[0], y[0]), [1, 1, 1])
    np.testing.assert_array_equal(algebra.select(np.False_, x[0], y[0]), [0, 0, 0])
    assert algebra.select(True, "this", "that") == "this"
    assert algebra.select(False, "this", "that") == "that"


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("inner", 2),
        ("norm", 1),
        ("scale", 2),
        ("apply", 2),
        ("apply_transpose", 2),
        ("split", 1),
        ("join", 2),
        ("hadamard", 2),
        ("centred", 1),
        ("softmax", 2),
        ("largest", 1),
        ("is_zero", 1),
        ("select", 3),
    ],
)
def test_an_unknown_kind_of_vector_is_refused_by_name(name: str, arguments: int) -> None:
    with pytest.raises(TypeError, match=rf"^{name}: .* str"):
        getattr(algebra, name)(*["a string"] * arguments)


def test_a_new_kind_of_vector_needs_nothing_but_registration() -> None:
    class Polynomial(list[float]):
        pass

    algebra.inner.register(Polynomial)(lambda x, y: sum(a * b for a, b in zip(x, y, strict=True)))
    assert algebra.inner(Polynomial([1, 2]), Polynomial([3, 4])) == 11


def test_a_known_vector_is_the_same_in_every_kind() -> None:
    values = [Fraction(1, 2), -3, 0, 7]
    expected = np.array([0.5, -3.0, 0.0, 7.0])
    like = np.random.default_rng(0).standard_normal((5, 4))
    np.testing.assert_array_equal(algebra.constant(like, values), expected)
    tensor = algebra.constant(torch.from_numpy(like), values)
    assert tensor.dtype == torch.float64
    np.testing.assert_array_equal(tensor.numpy(), expected)
    exact = algebra.constant(DualNumber(np.arange(1, 5)), values)
    assert exact.value.tolist() == [pow(2, -1, PRIME), PRIME - 3, 0, 7]
    assert algebra.constant(like[:, :1], [4]).tolist() == [4.0]
