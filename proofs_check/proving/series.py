"""The discounted series behind the values (23) and (25)."""

from __future__ import annotations

from typing import Any

import sympy

from proofs_check.proving.derivation import Derivation
from proofs_check.symbolic.notation import written

__all__ = ["arithmetic_value", "discounted_arithmetic_series", "vanishing_tail"]

_T = sympy.Symbol("T", integer=True, nonnegative=True)


def arithmetic_value(start: Any, slope: Any, discount: Any) -> Any:
    """Σ_t γ^t (c + t·m) = c/(1−γ) + γm/(1−γ)², which :func:`discounted_arithmetic_series` proves."""
    return start / (1 - discount) + discount * slope / (1 - discount) ** 2


def discounted_arithmetic_series(step: Derivation, discount: Any) -> None:
    """Prove :func:`arithmetic_value`: the sum of T terms by induction on T, then T → ∞.

    The terms from T on are the same series with the start c + T·m, discounted by γ^T; so the first T of them should
    sum to A(c) − γ^T A(c + Tm), where A is the claimed value.
    """
    ratio = written(discount)
    base = ratio if discount.is_Symbol else f"({ratio})"
    step.remark(
        f"Let A(c) = c/(1 − {ratio}) + {ratio} m/(1 − {ratio})², the claimed sum of {base}^t (c + tm) over t ≥ 0."
    )
    step.remark(f"The first T terms should sum to A(c) − {base}^T A(c + Tm); by induction on T:")
    start, slope = sympy.Symbol("c", real=True), sympy.Symbol("m", real=True)

    def partial(T: Any) -> Any:
        rest = arithmetic_value(start + T * slope, slope, discount)
        return arithmetic_value(start, slope, discount) - discount**T * rest

    step.equal(f"the sum of no terms, A(c) − {base}⁰ A(c), and 0", partial(sympy.Integer(0)), sympy.Integer(0))
    step.equal(
        f"its growth from T to T + 1, and the next term, {base}^T (c + Tm)",
        partial(_T + 1) - partial(_T),
        discount**_T * (start + _T * slope),
    )
    vanishing_tail(step)


def vanishing_tail(step: Derivation) -> None:
    """Prove γ^T (p + qT) → 0 for 0 < γ < 1."""
    x = sympy.Symbol("x", positive=True)
    shrinking = 1 / (1 + x)  # every number in (0, 1)
    T = sympy.Symbol("T", positive=True)
    for text, term in (("γ^T", shrinking**T), ("T γ^T", T * shrinking**T)):
        step.equal(f"the limit of {text} for 0 < γ < 1, and 0", sympy.limit(term, T, sympy.oo), sympy.Integer(0))
    step.remark("By hand: so γ^T (p + qT) → 0 for any p and q; at γ = 0 there is nothing to show.")
