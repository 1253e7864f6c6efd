"""Discrete actions: how far the soft target is from the hard one, and what its goal gradient is.

The proofs run :func:`toyenvs.learners.soft_target.soft_value` on a vector of any number A of action values (one
singled out, the others a generic symbol), and again on 2, 3 and 4 of them written out.

Inequalities are brought to one that needs no proof but calculus, e^u ≥ 1 + u, and to sums of nonnegative terms.

Source: Levine & Feizi, AAAI 2023, equations (29)–(33).
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import sympy
import torch
from scipy.special import lambertw
from torch import Tensor

from proofs_check.claim import CheckSettings, Evidence, EvidenceKind, Finding, RefutedError, Truth
from proofs_check.proving.derivation import Derivation
from proofs_check.proving.section import Section
from proofs_check.proving.spaces import EveryNumber, proof_for_each_number
from toyenvs.algebra import inner, softmax
from toyenvs.learners.losses import goal_gradient
from toyenvs.learners.soft_target import soft_target, soft_value

__all__ = ["SECTION", "double_discount_as_printed", "double_discount_corrected"]

SECTION = Section("D", "Discrete actions: the soft target")

_TAU = sympy.Symbol("τ", positive=True)
_M = sympy.Symbol("m", real=True)
"""The largest action value."""
_Q = sympy.Symbol("q", real=True)
"""The value of the action that is singled out."""
_X = sympy.Symbol("x", nonnegative=True)
"""A gap (m − q_a)/τ, or any number ≥ 0."""
_W = sympy.Symbol("w", positive=True)
"""W((A − 1)/e): the number with (A − 1) e^(−1−w) = w."""
_U = sympy.Symbol("u", real=True)

_SOFT = "soft = Σ_a p_a q_a with p = softmax(q/τ), q_a being the values of A ≥ 2 actions, all finite"
_FINITE = (_SOFT, "τ > 0")
_GAPS = "Write q_a = m − τ x_a, with m the largest value, attained by the action a*: x_a ≥ 0 and x_{a*} = 0."
_SUMS = "Let Z = Σ_a e^(−x_a) and ξ = Σ_a x_a e^(−x_a), over all actions; a* adds 1 to Z and 0 to ξ."


def _gap(step: Derivation) -> Any:
    """(max − soft)/τ for the values m, m − τ x_a."""
    space: Any = step.space
    return (_M - soft_value(space.many(_M, lambda x: _M - _TAU * x), _TAU)) / _TAU


def _tangent(step: Derivation) -> None:
    """Prove e^u ≥ 1 + u, with equality at u = 0 only."""
    above = sympy.exp(_U) - 1 - _U
    step.equal("e^u − 1 − u is 0 at u = 0", above.subs(_U, 0), sympy.Integer(0))
    step.equal("the derivative of e^u − 1 − u is e^u − 1", sympy.diff(above, _U), sympy.exp(_U) - 1)
    step.remark("By hand: e^u − 1 has the sign of u, so e^u ≥ 1 + u, with equality at u = 0 only.")


def _soft(values: Tensor, temperature: float) -> Tensor:
    return torch.as_tensor(soft_value(values, temperature))


# --- samples ----------------------------------------------------------------------------------------------


def _random_values(seed: int) -> Iterator[tuple[Tensor, float]]:
    """Action values (8, A) with a temperature τ, from far below to far above their spread."""
    generator = torch.Generator().manual_seed(seed)
    for number in (2, 3, 4, 7, 40):
        for temperature in (1e-6, 1e-2, 0.5, 1.0, 30.0):
            yield 3 * torch.randn(8, number, generator=generator, dtype=torch.float64), temperature
            near = torch.rand(8, number, generator=generator, dtype=torch.float64)
            yield -2 * temperature * near, temperature


def _bounds_on_samples(settings: CheckSettings) -> Finding:
    count = 0
    for values, temperature in _random_values(settings.seed):
        number = values.shape[-1]
        best = values.amax(-1, keepdim=True)
        gap = (best - values).squeeze(-1)
        missed = best[:, 0] - soft_value(values, temperature)
        rate = (gap * torch.exp(-gap / temperature)).sum(-1)
        sharp = temperature * float(lambertw((number - 1) / torch.e).real)
        rounding = 1e-14 * float(values.abs().max())
        for name, bound in (("the sum of Δ e^(−Δ/τ)", rate), ("τ W((A − 1)/e)", torch.full_like(rate, sharp))):
            worst = float((missed - bound).max())
            assert worst <= rounding, f"A = {number}, τ = {temperature}: max − soft exceeds {name} by {worst}"
        lowest = float(missed.min())
        assert lowest >= -rounding, f"A = {number}, τ = {temperature}: soft exceeds max by {-lowest}"
        count += len(values)
    return Finding(Truth.TRUE, f"sampled: {count} vectors of action values, A = 2, …, 40, τ = 1e-6, …, 30")


_BOUNDS = Evidence(EvidenceKind.PROPERTY, "random action values in float64; Lambert's W from scipy", _bounds_on_samples)


# --- the soft value against the maximum -------------------------------------------------------------------


def _rate(step: Derivation) -> None:
    space: Any = step.space
    step.remark(_GAPS)
    step.remark(_SUMS)
    weights = softmax(space.many(_M, lambda x: _M - _TAU * x), _TAU)
    step.equal("Σ_a p_a = 1", inner(weights, space.many(1, lambda x: 1)), sympy.Integer(1))
    partition = 1 + space.over_others(lambda x: sympy.exp(-x))
    shortfall = space.over_others(lambda x: x * sympy.exp(-x))
    step.equal("(max − soft)/τ = ξ/Z", _gap(step), shortfall / partition)
    step.remark("By hand: ξ/Z ≥ 0, and it is 0 only where all actions are tied.")
    step.equal(
        "ξ − (max − soft)/τ = ξ (Z − 1)/Z",
        shortfall - _gap(step),
        shortfall * (partition - 1) / partition,
    )
    step.remark(
        "By hand: Z ≥ 1, so that is ≥ 0, and max − soft ≤ τ ξ = Σ_{a ≠ a*} Δ_a e^(−Δ_a/τ), with Δ_a = τ x_a = m − q_a."
    )
    u = _X - 1
    step.equal(
        "1/e − x e^(−x) = e^(−x) (e^u − 1 − u), with u = x − 1, for any x",
        1 / sympy.E - _X * sympy.exp(-_X),
        sympy.exp(-_X) * (sympy.exp(u) - 1 - u),
    )
    _tangent(step)
    step.remark("By hand: so x e^(−x) ≤ 1/e, each term is at most τ/e, and max − soft ≤ (A − 1) τ/e for all values.")
    gap = sympy.Symbol("Δ", positive=True)
    step.equal(
        "Δ e^(−Δ/τ) tends to 0 as τ → 0, for Δ > 0",
        sympy.limit(gap * sympy.exp(-gap / _TAU), _TAU, 0, "+"),
        sympy.Integer(0),
    )
    step.remark(
        "By hand: for Δ = 0 the term is 0 at every τ; so the soft value tends to the maximum, exponentially in 1/τ."
    )


proof_for_each_number(
    SECTION,
    "1",
    "As τ → 0 the soft value tends to the maximum from below: exponentially fast, and by at most (A − 1)τ/e for every "
    "vector of action values.",
    latex=r"0\le\max_aq_a-\mathrm{soft}_\tau(q)\le\sum_{a\ne a^*}\Delta_ae^{-\Delta_a/\tau}\le\frac{(A-1)\tau}{e}",
    things="actions",
    source="(31), with a rate",
    assumptions=_FINITE,
    also=[_BOUNDS],
)(_rate)


def _sharp(step: Derivation) -> None:
    space: Any = step.space
    n = space.others()
    step.remark(_GAPS)
    step.remark(_SUMS)
    step.remark("Let n = A − 1 and w = W(n/e), the one number with w e^w = n/e, that is w/n = e^(−1−w).")
    partition = 1 + space.over_others(lambda x: sympy.exp(-x))
    step.equal(
        "w − (max − soft)/τ = Σ_{a ≠ a*} [w/n − (x_a − w) e^(−x_a)]/Z",
        _W - _gap(step),
        space.over_others(lambda x: _W / n - (x - _W) * sympy.exp(-x)) / partition,
    )
    u = _X - 1 - _W
    step.equal(
        "e^(−1−w) − (x − w) e^(−x) = e^(−x) (e^u − 1 − u), with u = x − 1 − w, for any x",
        sympy.exp(-1 - _W) - (_X - _W) * sympy.exp(-_X),
        sympy.exp(-_X) * (sympy.exp(u) - 1 - u),
    )
    _tangent(step)
    step.remark(
        "By hand: so no term of the sum is negative, and one is 0 where x_a = 1 + w only; max − soft ≤ τ w, with "
        "equality where x_a = 1 + w for every a ≠ a* and nowhere else."
    )
    equal_gaps = space.many(_M, lambda x: _M - _TAU * (1 + _W))
    ratio = n * sympy.exp(-1 - _W)
    step.equal(
        "where x_a = 1 + w for every a ≠ a*, (max − soft)/τ = (1 + w) r/(1 + r) with r = n e^(−1−w)",
        (_M - soft_value(equal_gaps, _TAU)) / _TAU,
        (1 + _W) * ratio / (1 + ratio),
    )
    r = sympy.Symbol("r", positive=True)
    step.equal("(1 + w) r/(1 + r) = w for r = w", ((1 + _W) * r / (1 + r)).subs(r, _W), _W)
    step.remark("By hand: r is w, by the choice of w; so the bound is attained there.")


proof_for_each_number(
    SECTION,
    "2",
    "The largest distance between maximum and soft value is τ W((A − 1)/e), W being Lambert's function; it is attained "
    "where all other actions are worse by τ(1 + W((A − 1)/e)), and nowhere else.",
    latex=r"\max_q\bigl[\max_aq_a-\mathrm{soft}_\tau(q)\bigr]=\tau\,W\!\left(\tfrac{A-1}{e}\right)",
    things="actions",
    source="(31), sharp",
    assumptions=_FINITE,
    also=[_BOUNDS],
    note="0.28τ for A = 2 and 1.98τ for A = 40, the paper's bit flipping.",
)(_sharp)


def _logarithmic(step: Derivation) -> None:
    step.remark("Let w = W(y) with y = (A − 1)/e > 0: the number w > 0 with w e^w = y.")
    excess = 1 + _W * sympy.exp(_W) - sympy.exp(_W)
    u = -_W
    step.equal("1 + y − e^w = e^w (e^u − 1 − u), with u = −w", excess, sympy.exp(_W) * (sympy.exp(u) - 1 - u))
    _tangent(step)
    step.remark("By hand: so e^w < 1 + y, that is W(y) < ln(1 + y); and 1 + y = 1 + (A − 1)/e < A, since e > 1.")


def _logarithmic_finding(settings: CheckSettings) -> Finding:
    step = Derivation(EveryNumber())
    _logarithmic(step)
    return Finding(Truth.TRUE, "every A ≥ 2", tuple(step.steps))


SECTION.check(
    "3",
    "The soft value's distance from the maximum grows only logarithmically with the number of actions.",
    kind=EvidenceKind.SYMBOLIC,
    method="calculus",
    latex=r"\tau\,W\!\left(\tfrac{A-1}{e}\right)<\tau\ln\!\left(1+\tfrac{A-1}{e}\right)<\tau\ln A",
    source="D.2",
    assumptions=_FINITE,
)(_logarithmic_finding)


# --- the gradient -----------------------------------------------------------------------------------------


def _coefficient(weight: Any, value: Any, soft: Any) -> Any:
    return weight * (1 + (value - soft) / _TAU)


def _gradient(step: Derivation) -> None:
    space: Any = step.space
    values = space.many(_Q, lambda x: x)
    soft = soft_value(values, _TAU)
    weight = inner(softmax(values, _TAU), space.many(1, lambda x: 0))
    step.equal("∂soft/∂q_a = p_a (1 + (q_a − soft)/τ)", space.derivative(soft, _Q), _coefficient(weight, _Q, soft))
    step.remark("By hand: a may be any action, and ∇_g soft = Σ_a ∂soft/∂q_a ∇_g q_a by the chain rule.")


def _gradient_on_samples(settings: CheckSettings) -> Finding:
    generator = torch.Generator().manual_seed(settings.seed)
    count = 0
    for values, temperature in _random_values(settings.seed):
        number, dim = values.shape[-1], 3
        slopes = torch.randn(number, dim, generator=generator, dtype=torch.float64)
        bends = torch.randn(number, dim, generator=generator, dtype=torch.float64)
        goal = torch.randn(len(values), dim, generator=generator, dtype=torch.float64)

        def q_of(goal: Tensor, values: Tensor = values, slopes: Tensor = slopes, bends: Tensor = bends) -> Tensor:
            return values + goal @ slopes.mT + torch.sin(goal @ bends.mT)

        def soft_of(goal: Tensor, temperature: float = temperature) -> Tensor:
            return torch.as_tensor(soft_value(q_of(goal), temperature))

        q = q_of(goal)
        soft = (torch.softmax(q / temperature, -1) * q).sum(-1, keepdim=True)
        coefficients = torch.softmax(q / temperature, -1) * (1 + (q - soft) / temperature)
        slope_of_each = slopes + torch.cos(goal @ bends.mT)[..., None] * bends
        expected = (coefficients[..., None] * slope_of_each).sum(-2)
        # Rounding in q is divided by the temperature.
        allowed = 1e-13 * (1 + float(q.abs().max()) / temperature) * float(slope_of_each.abs().max())
        worst = float((goal_gradient(soft_of, goal) - expected).abs().max())
        assert worst <= allowed, f"A = {number}, τ = {temperature}: the two gradients differ by {worst}"
        count += len(values)
    return Finding(Truth.TRUE, f"sampled: {count} goals in R³, A = 2, …, 40, τ = 1e-6, …, 30")


proof_for_each_number(
    SECTION,
    "4",
    "The goal gradient of the soft value is a combination of the actions' goal gradients, with coefficients in closed "
    "form.",
    latex=r"\nabla_g\,\mathrm{soft}=\sum_ap_a\Bigl(1+\frac{q_a-\mathrm{soft}}{\tau}\Bigr)\nabla_gq_a,\qquad "
    r"p=\mathrm{softmax}(q/\tau)",
    things="actions",
    source="(31)",
    assumptions=_FINITE,
    also=[
        Evidence(
            EvidenceKind.PROPERTY, "automatic differentiation of curved action values in float64", _gradient_on_samples
        )
    ],
)(_gradient)


def _sum_to_one(step: Derivation) -> None:
    space: Any = step.space
    values = space.many(_Q, lambda x: x)
    soft = soft_value(values, _TAU)
    step.equal(
        "Σ_a p_a (1 + (q_a − soft)/τ) = 1",
        inner(softmax(values, _TAU), space.many(_coefficient(1, _Q, soft), lambda x: _coefficient(1, x, soft))),
        sympy.Integer(1),
    )


proof_for_each_number(
    SECTION,
    "5",
    "The coefficients of the actions' gradients sum to 1.",
    things="actions",
    latex=r"\sum_ap_a\Bigl(1+\frac{q_a-\mathrm{soft}}{\tau}\Bigr)=1",
    source="D.4",
    assumptions=_FINITE,
)(_sum_to_one)


def _two_coefficients() -> tuple[Any, Any]:
    """The coefficients of a better and a worse action at the values 3 and 0, τ = 1, from the real function."""
    better, worse = sympy.symbols("q1 q2", real=True)
    soft = soft_value(sympy.Matrix([better, worse]), sympy.Integer(1))
    at = {better: 3, worse: 0}
    return sympy.simplify(sympy.diff(soft, better).subs(at)), sympy.simplify(sympy.diff(soft, worse).subs(at))


@SECTION.check(
    "6",
    "The goal gradient of the soft value is a convex combination of the actions' goal gradients.",
    kind=EvidenceKind.CERTIFICATE,
    method="exact coefficients for two actions",
    latex=r"p_a\Bigl(1+\frac{q_a-\mathrm{soft}}{\tau}\Bigr)\ge 0",
    source="what one might take (31) for",
    assumptions=_FINITE,
    expected=Truth.FALSE,
    note="An action that is worse than the soft value by more than τ has a negative coefficient. "
    "The gradient of τ log Σ exp(q/τ) would be a convex combination.",
)
def _convex(settings: CheckSettings) -> Finding:
    better, worse = _two_coefficients()
    if worse.is_negative and (better - 1).is_positive:
        raise RefutedError(f"A = 2, q = (3, 0), τ = 1: the coefficients are {better} > 1 and {worse} < 0")
    return Finding(Truth.UNKNOWN, "one case", ("the coefficients of the case that was tried are in [0, 1]",))


def _derivative_in_gaps(step: Derivation) -> None:
    """Prove the coefficient of any one action in terms of the gaps."""
    space: Any = step.space
    step.remark(_GAPS)
    step.remark(_SUMS)
    step.remark("Let a be any action, a best one or not, and x = x_a.")
    soft = soft_value(space.many(_Q, lambda x: _M - _TAU * x), _TAU)
    partition = sympy.exp(-_X) + space.over_others(lambda x: sympy.exp(-x))
    mean = (_X * sympy.exp(-_X) + space.over_others(lambda x: x * sympy.exp(-x))) / partition
    step.equal("(max − soft)/τ = ξ/Z", (_M - soft.subs(_Q, _M - _TAU * _X)) / _TAU, mean)
    step.equal(
        "∂soft/∂q_a = e^(−x) (1 − x + ξ/Z)/Z",
        space.derivative(soft, _Q).subs(_Q, _M - _TAU * _X),
        sympy.exp(-_X) * (1 - _X + mean) / partition,
    )
    step.remark("By D.4 this is the coefficient p_a (1 + (q_a − soft)/τ).")


def _bounded(step: Derivation) -> None:
    _derivative_in_gaps(step)
    step.remark("By hand: Z ≥ 1, because a* adds 1 to it; and 0 ≤ ξ/Z ≤ W((A − 1)/e) by D.1 and D.2.")
    step.remark(
        "By hand, the upper bound: e^(−x)/Z is in (0, 1], and 1 − x + ξ/Z is at most 1 + W((A − 1)/e), which is > 0."
    )
    step.remark(
        "By hand, the lower bound: where x ≤ 1 the coefficient is ≥ 0, and where x > 1 it is at least −(x − 1) e^(−x)."
    )
    u = _X - 2
    step.equal(
        "e^(−2) − (x − 1) e^(−x) = e^(−x) (e^u − 1 − u), with u = x − 2",
        sympy.exp(-2) - (_X - 1) * sympy.exp(-_X),
        sympy.exp(-_X) * (sympy.exp(u) - 1 - u),
    )
    _tangent(step)
    step.remark("By hand: so (x − 1) e^(−x) ≤ e^(−2), and the coefficient is at least −e^(−2).")


def _bounded_on_samples(settings: CheckSettings) -> Finding:
    count = 0
    for values, temperature in _random_values(settings.seed):
        coefficients = goal_gradient(partial(_soft, temperature=temperature), values)
        number = values.shape[-1]
        low, high = -(torch.e**-2), 1 + float(lambertw((number - 1) / torch.e).real)
        rounding = 1e-13 * (1 + float(values.abs().max()) / temperature)
        least, most = float(coefficients.min()), float(coefficients.max())
        assert low - rounding <= least, f"A = {number}, τ = {temperature}: a coefficient is {least} < {low}"
        assert most <= high + rounding, f"A = {number}, τ = {temperature}: a coefficient is {most} > {high}"
        count += len(values)
    return Finding(Truth.TRUE, f"sampled: {count} vectors of action values, A = 2, …, 40, τ = 1e-6, …, 30")


proof_for_each_number(
    SECTION,
    "7",
    "Every coefficient lies between −e⁻² and 1 + W((A − 1)/e), whatever the temperature: a small τ does not make the "
    "soft target's gradient large.",
    latex=r"-e^{-2}\le p_a\Bigl(1+\frac{q_a-\mathrm{soft}}{\tau}\Bigr)\le 1+W\!\left(\tfrac{A-1}{e}\right)",
    things="actions",
    source="D.2, D.4",
    assumptions=_FINITE,
    also=[Evidence(EvidenceKind.PROPERTY, "automatic differentiation in float64", _bounded_on_samples)],
)(_bounded)


def _limit_of_gradient(step: Derivation) -> None:
    _derivative_in_gaps(step)
    gap = sympy.Symbol("Δ", positive=True)
    weight = sympy.exp(-gap / _TAU)
    step.remark(
        "A worse action has x_a = Δ/τ with Δ = m − q_a > 0, which does not depend on τ; a best one has x_a = 0."
    )
    step.equal("e^(−Δ/τ) tends to 0 as τ → 0", sympy.limit(weight, _TAU, 0, "+"), sympy.Integer(0))
    step.equal("(Δ/τ) e^(−Δ/τ) tends to 0 as τ → 0", sympy.limit(gap / _TAU * weight, _TAU, 0, "+"), sympy.Integer(0))
    step.remark("By hand: each of the k best actions adds 1 to Z and 0 to ξ, so Z → k ≥ 1 and ξ → 0 as τ → 0.")
    step.remark(
        "By hand: so the coefficient e^(−x) (1 − x + ξ/Z)/Z tends to 1/k for a best action and to 0 for a worse one."
    )


def _limit_on_samples(settings: CheckSettings) -> Finding:
    generator = torch.Generator().manual_seed(settings.seed)
    count = 0
    for number in (2, 3, 4, 7, 40):
        # Whole numbers, so that many vectors have ties; a gap is at least 1, and e^(−1000) is nothing.
        values = torch.randint(-3, 3, (20, number), generator=generator).to(torch.float64)
        best = (values == values.amax(-1, keepdim=True)).to(torch.float64)
        expected = best / best.sum(-1, keepdim=True)
        for temperature in (1e-3, 1e-30, 1e-300, 0.0):
            found = goal_gradient(partial(_soft, temperature=temperature), values)
            worst = float((found - expected).abs().max())
            assert worst <= 1e-12, f"A = {number}, τ = {temperature}: the coefficients are off by {worst}"
            count += len(values)
    return Finding(Truth.TRUE, f"sampled: {count} vectors of whole numbers, A = 2, …, 40, τ = 1e-3, 1e-30, 1e-300, 0")


proof_for_each_number(
    SECTION,
    "8",
    "As τ → 0 the coefficients tend to 1/k on the k best actions and to 0 on the others: away from ties (k = 1) the "
    "gradient of the soft value tends to that of the maximum.",
    latex=r"\lim_{\tau\to 0}p_a\Bigl(1+\frac{q_a-\mathrm{soft}}{\tau}\Bigr)="
    r"\tfrac1k\,[q_a=\max_bq_b]",
    things="actions",
    source="(31) against (29)",
    assumptions=(_SOFT,),
    also=[Evidence(EvidenceKind.PROPERTY, "automatic differentiation in float64, down to τ = 0", _limit_on_samples)],
)(_limit_of_gradient)


@SECTION.check(
    "9",
    "The gradient of the soft value tends to that of the maximum also where two actions are tied.",
    kind=EvidenceKind.CERTIFICATE,
    method="exact derivatives along a line through a tie",
    latex=r"q_1=q_2:\quad\lim_{\tau\to 0}\nabla_g\,\mathrm{soft}_\tau=\nabla_g\max_aq_a",
    source="what one might take (31) for",
    assumptions=(_SOFT,),
    expected=Truth.FALSE,
    note="At a tie the maximum has one-sided derivatives only; DQN's argmax takes one action's gradient, the soft "
    "value the mean of the tied ones.",
)
def _tie(settings: CheckSettings) -> Finding:
    t = sympy.Symbol("t", real=True)
    line = sympy.Matrix([t, -t])
    soft = sympy.limit(sympy.diff(soft_value(line, _TAU), t).subs(t, 0), _TAU, 0, "+")
    right, left = (sympy.limit(soft_value(line, 0) / t, t, 0, side) for side in ("+", "-"))
    if not soft == right == left:
        raise RefutedError(
            f"A = 2, q = (t, −t) at t = 0: the soft value's derivative tends to {soft}, the maximum's are {right} to "
            f"the right and {left} to the left"
        )
    return Finding(Truth.UNKNOWN, "one case", ("the case that was tried does not tell them apart",))


@SECTION.check(
    "10",
    "The soft value is a non-expansion in the largest norm, as the maximum is, so that the soft target is a "
    "γ-contraction.",
    kind=EvidenceKind.CERTIFICATE,
    method="an exact derivative for two actions",
    latex=r"|\mathrm{soft}(q)-\mathrm{soft}(q')|\le\max_a|q_a-q'_a|",
    source="what one might take (31) for; Asadi & Littman, ICML 2017",
    assumptions=_FINITE,
    expected=Truth.FALSE,
    note="The constant is the sum of the coefficients' absolute values, more than 1 as soon as one is negative.",
)
def _non_expansion(settings: CheckSettings) -> Finding:
    better, worse = _two_coefficients()
    rate = sympy.simplify(better - worse)
    if (rate - 1).is_positive:
        raise RefutedError(
            f"A = 2, τ = 1, q = (3, 0): along (1, −1), of largest norm 1, the soft value grows at the rate {rate} = "
            f"{float(rate):.4f} > 1"
        )
    return Finding(Truth.UNKNOWN, "one case", ("the rate of the case that was tried is at most 1",))


def _shift(step: Derivation) -> None:
    space: Any = step.space
    c = sympy.Symbol("c", real=True)
    shifted = space.many(_Q - c, lambda x: x - c)
    step.equal(
        "c + soft(q − c) = soft(q)", c + soft_value(shifted, _TAU), soft_value(space.many(_Q, lambda x: x), _TAU)
    )
    weights = (softmax(values, _TAU) for values in (shifted, space.many(_Q, lambda x: x)))
    step.equal(
        "the weight p_a of any action at q − c is that at q", *(inner(w, space.many(1, lambda x: 0)) for w in weights)
    )


proof_for_each_number(
    SECTION,
    "11",
    "Adding a constant c to all action values adds it to the soft value and leaves the weights as they are.",
    things="actions",
    latex=r"\mathrm{soft}_\tau(q+c)=\mathrm{soft}_\tau(q)+c",
    source="(31)",
    assumptions=_FINITE,
    note="On tensors the code measures q from its largest value; by this it may.",
)(_shift)


# --- a printed erratum, for the section on errata --------------------------------------------------------


def _constant_reward(step: Derivation) -> tuple[Any, Any, Any, Any]:
    """Reward gᵀc at every step, whatever is done: g, Q* = gᵀc/(1 − γ), SoftQTarget of Q*, and γ."""
    discount = sympy.Symbol("γ", positive=True)
    g, c = step.space.vector("g"), step.space.vector("c")
    value = inner(g, c) / (1 - discount)
    target = soft_target(inner(g, c), discount, sympy.Matrix([value, value]), _TAU)
    return g, value, target, discount


def double_discount_as_printed(step: Derivation) -> None:
    """The true value has no error against γ·SoftQTarget, as (32), (33) print it: refuted where rewards are constant."""
    _, value, target, discount = _constant_reward(step)
    step.claimed("Q* = γ·SoftQTarget, where the reward is gᵀc at every step", value, discount * target)


def double_discount_corrected(step: Derivation) -> None:
    """The true value has no error against SoftQTarget itself, nor has its goal gradient."""
    g, value, target, _ = _constant_reward(step)
    step.equal("Q* = SoftQTarget, where the reward is gᵀc at every step", value, target)
    step.equal(
        "the goal gradients of Q* and SoftQTarget are the same",
        step.space.goal_gradient(value, g),
        step.space.goal_gradient(target, g),
    )
