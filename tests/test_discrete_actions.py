"""The ledger's section on the soft target: its claims, errors planted in it, and the vectors of any length it uses."""

from __future__ import annotations

import numpy as np
import pytest
import sympy
from scipy.optimize import minimize
from scipy.special import lambertw

from proofs_check.claim import Claim, Truth
from proofs_check.claims import discrete_actions
from proofs_check.proving import spaces as families
from proofs_check.proving.derivation import Derivation, UndecidedError
from proofs_check.proving.spaces import EveryNumber, Family, SomeNumber, with_exponentials_as_symbols
from toyenvs.learners.soft_target import soft_value

TAU = sympy.Symbol("τ", positive=True)


def claim_of(number: int) -> Claim:
    return discrete_actions.SECTION.claims[number - 1]


# --- independent oracles ----------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [2, 3, 6])
@pytest.mark.parametrize("temperature", [0.5, 2.0])
def test_no_search_finds_more_than_lamberts_bound_and_one_reaches_it(number: int, temperature: float) -> None:
    def negative_gap(values: np.ndarray) -> float:
        return float(soft_value(values, temperature) - values.max())

    bound = temperature * lambertw((number - 1) / np.e).real
    rng = np.random.default_rng(0)
    starts = 3 * temperature * rng.standard_normal((5, number))
    found = max(-minimize(negative_gap, start, method="Nelder-Mead", options={"maxiter": 4000}).fun for start in starts)
    assert found <= bound * (1 + 1e-12)
    assert found == pytest.approx(bound, rel=1e-4)
    worst = np.array([0.0] + [-temperature * (1 + bound / temperature)] * (number - 1))
    assert -negative_gap(worst) == pytest.approx(bound, rel=1e-12)


def test_lamberts_bound_at_forty_actions_is_what_the_note_says() -> None:
    assert float(lambertw(39 / np.e).real) == pytest.approx(1.98, abs=0.005)
    assert float(lambertw(1 / np.e).real) == pytest.approx(0.28, abs=0.005)
    assert "0.28τ" in claim_of(2).note
    assert "1.98τ" in claim_of(2).note


# --- planted errors ---------------------------------------------------------------------------------------


def test_an_undivided_gradient_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(discrete_actions, "_coefficient", lambda weight, value, soft: weight)
    assert not claim_of(4).check().as_expected


@pytest.mark.parametrize("number", [6, 9, 10])
def test_counterexamples_are_only_found_where_they_are(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    # The mean is linear: a convex combination, a non-expansion, and no different at ties.
    monkeypatch.setattr(discrete_actions, "soft_value", lambda q, temperature: sum(q) / len(q))
    assert claim_of(number).check().verdict is Truth.UNKNOWN


# --- vectors of any length --------------------------------------------------------------------------------


def test_sums_over_the_others_are_linear_and_constants_are_counted() -> None:
    space = EveryNumber()
    c, n = sympy.Symbol("c", positive=True), space.others()
    total = space.over_others(lambda x: c * (x + 2) ** 2 / (1 + n) + 3)
    square, single = space.over_others(lambda x: x**2), space.over_others(lambda x: x)
    assert sympy.simplify(total - c * (square + 4 * single + 4 * n) / (1 + n) - 3 * n) == 0
    assert sympy.simplify(square - single**2) != 0
    assert space.over_others(lambda x: sympy.exp(-x)).is_positive
    assert not single.is_positive


@pytest.mark.parametrize("number", [2, 5])
def test_a_family_says_what_its_coordinates_written_out_say(number: int) -> None:
    rng = np.random.default_rng(number)
    numbers = [sympy.Rational(int(i), 4) for i in rng.integers(-8, 9, number)]
    first = sympy.Symbol("q", real=True)
    abstract = soft_value(Family(first, lambda x: x - 1), sympy.Integer(2)).subs(first, numbers[0])
    sums = {symbol: families._SUMMANDS[symbol] for symbol in abstract.free_symbols & families._SUMMANDS.keys()}
    generic = EveryNumber().generic()
    written_out = {
        symbol: sum(summand.subs(generic, value) for value in numbers[1:]) for symbol, summand in sums.items()
    }
    found = float(abstract.subs(written_out).subs(EveryNumber().others(), number - 1))
    values = np.array([float(numbers[0]), *(float(value) - 1 for value in numbers[1:])])
    assert found == pytest.approx(float(soft_value(values, 2.0)), rel=1e-12)


def test_a_sum_that_hides_the_symbol_is_not_differentiated() -> None:
    space = EveryNumber()
    with pytest.raises(ValueError, match="depends on τ"):
        space.derivative(soft_value(Family(0, lambda x: x), TAU), TAU)


def test_what_differs_is_not_proved_for_every_number() -> None:
    step = Derivation(EveryNumber())
    q = sympy.Symbol("q", real=True)
    with pytest.raises(UndecidedError):
        step.equal("soft and 0", soft_value(Family(q, lambda x: x), TAU), sympy.Integer(0))
    with pytest.raises(AssertionError, match="differ by"):
        Derivation(SomeNumber(2)).equal("x2 and q", SomeNumber(2).generic(), q)


def test_exponentials_become_powers_of_the_same_symbol() -> None:
    u, v = sympy.symbols("u v", real=True)
    zero = sympy.exp(2 * u + v) * sympy.exp(-u) - sympy.exp(u) * sympy.exp(v)
    assert sympy.expand(with_exponentials_as_symbols(zero)) == 0
    nonzero = with_exponentials_as_symbols(sympy.exp(u) + sympy.E - sympy.exp(v))
    assert not nonzero.has(sympy.exp)
    assert len(nonzero.free_symbols) == 3
    # Two symbols of one name are two symbols.
    other = sympy.Symbol("u", positive=True)
    assert with_exponentials_as_symbols(sympy.exp(u) - sympy.exp(other)) != 0
