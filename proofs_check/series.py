"""The discounted series behind the values (23) and (25)."""

from __future__ import annotations

from typing import Any

import sympy

from proofs_check.derivation import Derivation

__all__ = ["arithmetic_value", "discounted_arithmetic_series", "vanishing_tail"]

_T = sympy.Symbol("T", integer=True, nonnegative=True)


def arithmetic_value(start: Any, slope: Any, discount: Any) -> Any:
    """Σ_t γᵗ (c + t·m) = c/(1−γ) + γm/(1−γ)², which :func:`discounted_arithmetic_series` proves."""
    return start / (1 - discount) + discount * slope / (1 - discount) ** 2


def discounted_arithmetic_series(step: Derivation, discount: Any) -> None:
    """Prove :func:`arithmetic_value`: the sum of T terms by induction on T, then T → ∞.

    The terms from T on are the same series with the start c + T·m, discounted by γᵀ; so the first T of them should
    sum to A(c) − γᵀ A(c + Tm), where A is the claimed value.
    """
    start, slope = sympy.Symbol("c", real=True), sympy.Symbol("m", real=True)

    def partial(T: Any) -> Any:
        rest = arithmetic_value(start + T * slope, slope, discount)
        return arithmetic_value(start, slope, discount) - discount**T * rest

    step.equal("Sum of no terms, A(c) − γ⁰ A(c)", partial(sympy.Integer(0)), sympy.Integer(0))
    step.equal(
        "and A(c) − γᵀ A(c + Tm) grows by γᵀ(c + Tm) from T to T + 1",
        partial(_T + 1) - partial(_T),
        discount**_T * (start + _T * slope),
    )
    vanishing_tail(step)


def vanishing_tail(step: Derivation) -> None:
    """Prove γᵀ(A + BT) → 0 for 0 < γ < 1."""
    x = sympy.Symbol("x", positive=True)
    shrinking = 1 / (1 + x)  # every number in (0, 1)
    first, second = sympy.symbols("A B", real=True)
    T = sympy.Symbol("T", positive=True)
    for text, term in (("γᵀ → 0", shrinking**T), ("T γᵀ → 0", T * shrinking**T)):
        step.equal(f"{text} for 0 < γ < 1", sympy.limit(term, T, sympy.oo), sympy.Integer(0))
    step.remark(f"so γᵀ({first} + {second} T) → 0.")
