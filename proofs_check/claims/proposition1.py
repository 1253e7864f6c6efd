"""Proposition 1, "gradient reward feedback", step by step.

The proofs run the formulas of :class:`toyenvs.constructions.GradientFeedback` and the temporal-difference error of
:mod:`toyenvs.learners.losses`, which the environments and the learners run too.

Source: Levine & Feizi, AAAI 2023, Proposition 1, equations (23), (24) and the proof that follows them.
"""

from __future__ import annotations

from typing import Any

import sympy

from proofs_check.claims.evidence import (
    bellman_optimal_on_samples,
    reduced_residuals_on_samples,
    value_is_return_on_samples,
)
from proofs_check.proving.derivation import Derivation
from proofs_check.proving.section import Section
from proofs_check.proving.series import arithmetic_value, discounted_arithmetic_series, vanishing_tail
from proofs_check.proving.transition import GAMMA, SymbolicTransition
from toyenvs.algebra import apply, apply_transpose, inner, norm, scale
from toyenvs.constructions import GradientFeedback

__all__ = ["SECTION"]

SECTION = Section("P1", "Proposition 1: gradient reward feedback")

_ANY_TRUTH = "U and Ũ any matrices; g ≠ 0"
_ONE_TARGET = "Ū orthogonal, the same in target critic and target actor"
_BASICS = ("U orthogonal", "g ≠ 0", "0 ≤ γ < 1")


def _transition(step: Derivation) -> SymbolicTransition:
    return SymbolicTransition(step, GradientFeedback)


@SECTION.proof(
    "1",
    "(23) is the discounted return of taking a and following (24) ever after.",
    latex=r"\sum_{t\ge 0}\gamma^t\bigl(g^\top(s+Ua)+t\|g\|\bigr)"
    r"=\frac{g^\top(s+Ua)}{1-\gamma}+\frac{\gamma\|g\|}{(1-\gamma)^2}",
    source="the series behind (23)",
    assumptions=_BASICS,
    also=[value_is_return_on_samples(GradientFeedback)],
)
def _series(step: Derivation) -> None:
    at = _transition(step)
    U, t = step.space.orthogonal("U"), sympy.Symbol("t", nonnegative=True)
    unit = scale(at.g, 1 / norm(at.g))
    action = at.construction.policy(U, at.s, at.g)
    step.equal(
        "Under (24) a step moves the state by f(s, π(s, g)) − s, and g/‖g‖",
        at.construction.dynamics(U, at.s, action) - at.s,
        unit,
    )
    first = at.following(U)
    start, slope = inner(at.g, first), norm(at.g)
    step.equal(
        "so t steps after the first the reward is R(s + Ua + t g/‖g‖, g), and gᵀ(s + Ua) + t‖g‖",
        at.construction.reward(first + scale(unit, t), at.g),
        start + t * slope,
    )
    discounted_arithmetic_series(step, GAMMA)
    step.equal(
        "(23), and A(c) with c = gᵀ(s + Ua), m = ‖g‖",
        at.value(U),
        arithmetic_value(start, slope, GAMMA),
    )


@SECTION.proof(
    "2",
    "(23) solves the Bellman equation of the policy (24).",
    latex=r"Q^*(s,a,g)=R(s',g)+\gamma\,Q^*(s',\pi^*(s',g),g)",
    source="(23), (24)",
    assumptions=_BASICS,
    also=[bellman_optimal_on_samples(GradientFeedback)],
)
def _bellman(step: Derivation) -> None:
    at = _transition(step)
    U = step.space.orthogonal("U")
    step.equal(
        "Q*(s, a, g) and R(s', g) + γ Q*(s', π*(s', g), g)",
        at.value(U),
        at.target(U, U),
    )


@SECTION.proof(
    "3",
    "(24) is the one best action of the unit ball: allowed, optimal, unique.",
    latex=r"Q(s,\pi,g)-Q(s,a,g)=\frac{\|g\|}{2(1-\gamma)}\bigl(\|a-\pi\|^2+1-\|a\|^2\bigr)",
    source="(24)",
    assumptions=(*_BASICS, "‖a‖ ≤ 1"),
)
def _best_action(step: Derivation) -> None:
    at = _transition(step)
    U = step.space.orthogonal("U")
    best = at.construction.policy(U, at.s, at.g)
    step.equal("‖π‖ and 1: π is allowed", norm(best), sympy.Integer(1))
    gap = at.value(U, best) - at.value(U)
    step.equal(
        "Q(s, π, g) − Q(s, a, g) = ‖g‖/(2(1−γ)) · (‖a − π‖² + 1 − ‖a‖²)",
        gap,
        norm(at.g) / (2 * (1 - GAMMA)) * (inner(at.a - best, at.a - best) + 1 - inner(at.a, at.a)),
    )
    step.remark(
        "‖a − π‖² and 1 − ‖a‖² are ≥ 0 in the ball, so π is optimal; both vanish at a = π only, so it is unique."
    )


@SECTION.proof(
    "4",
    "(23) is the optimal value: no sequence of actions, however chosen, has a larger return.",
    latex=r"Q^*(s_0,a_0,g)\ge\sum_{t<T}\gamma^tR(s_{t+1},g)+\gamma^TQ^*(s_T,a_T,g)",
    source="(23), (24)",
    assumptions=(*_BASICS, "all actions in the unit ball"),
    note="Q* is (23) on both sides; that it is the optimal value is what the inequality says as T → ∞.",
)
def _optimal_value(step: Derivation) -> None:
    at = _transition(step)
    U, b = step.space.orthogonal("U"), step.space.vector("b")
    following = at.following(U)
    best = at.construction.policy(U, following, at.g)
    step.equal(
        "For any next action b, Q(s, a, g) − [R(s', g) + γQ(s', b, g)] = γ‖g‖/(2(1−γ)) · (‖b − π‖² + 1 − ‖b‖²)",
        at.value(U) - at.backup(following, U, b),
        GAMMA * norm(at.g) / (2 * (1 - GAMMA)) * (inner(b - best, b - best) + 1 - inner(b, b)),
    )
    step.remark("By hand: it is ≥ 0 in the ball; put into itself T times it is the inequality claimed.")
    step.remark("By hand: |Q(s_T, a_T, g)| grows at most linearly in T, because a step moves the state by at most 1;")
    vanishing_tail(step)


@SECTION.proof(
    "5",
    "The target R + γQ' does not depend on the target parameter: learning is plain regression here.",
    latex=r"R+\gamma Q_{\bar V}(s',\pi_{\bar V}(s',g),g)=R+\gamma Q_{\bar W}(s',\pi_{\bar W}(s',g),g)",
    source="proof of Proposition 1",
    assumptions=("V̄, W̄ orthogonal", "U any matrix", "g ≠ 0"),
)
def _target_independent(step: Derivation) -> None:
    at = _transition(step)
    U = step.space.matrix("U")
    V, W = step.space.orthogonal("V̄"), step.space.orthogonal("W̄")
    step.equal("R + γQ' with V̄ and with W̄", at.target(U, V), at.target(U, W))


@SECTION.proof(
    "6",
    "The Bellman error of a transition is one scalar equation for Ũ.",
    latex=r"Q_{\tilde U}-(R+\gamma Q')=\frac{g^\top\tilde Ua-g^\top Ua}{1-\gamma}",
    source="proof of Proposition 1",
    assumptions=(_ANY_TRUTH, _ONE_TARGET),
    also=[reduced_residuals_on_samples(GradientFeedback)],
)
def _bellman_reduction(step: Derivation) -> None:
    at = _transition(step)
    U, online = step.space.matrix("U"), step.space.matrix("Ũ")
    error = at.error(U, online, step.space.orthogonal("Ū"))
    scalars = inner(at.g, apply(online, at.a)) - inner(at.g, apply(U, at.a))
    step.equal("Q_Ũ − (R + γQ'), and (gᵀŨa − gᵀUa)/(1−γ)", error, scalars / (1 - GAMMA))
    step.equal("the reduced residual that learners run, and this", at.reduced(U).bellman_residual(online, at.g), error)


@SECTION.proof(
    "7",
    "The goal gradient of the Bellman error is d scalar equations for Ũ.",
    latex=r"\nabla_g\bigl[Q_{\tilde U}-(R+\gamma Q')\bigr]=\frac{\tilde Ua-Ua}{1-\gamma}",
    source="proof of Proposition 1",
    assumptions=(_ANY_TRUTH, _ONE_TARGET),
)
def _gradient_reduction(step: Derivation) -> None:
    at = _transition(step)
    U, online = step.space.matrix("U"), step.space.matrix("Ũ")
    gradient = step.space.goal_gradient(at.error(U, online, step.space.orthogonal("Ū")), at.g)
    missed = apply(online, at.a) - apply(U, at.a)
    step.equal("∇_g [Q_Ũ − (R + γQ')], and (Ũa − Ua)/(1−γ)", gradient, scale(missed, 1 / (1 - GAMMA)))
    step.equal(
        "the reduced residual that learners run, and this", at.reduced(U).goal_gradient_residual(online), gradient
    )
    step.equal(
        "its squared length, and ‖Ũa − Ua‖²/(1−γ)²", inner(gradient, gradient), inner(missed, missed) / (1 - GAMMA) ** 2
    )


@SECTION.proof(
    "8",
    "Envelope identity: stopping the gradient at the target policy changes nothing.",
    latex=r"\nabla_g\bigl[R+\gamma Q'(s',\pi(s',g),g)\bigr]"
    r"=\nabla_g\bigl[R+\gamma Q'(s',p,g)\bigr]_{p=\pi(s',g)}",
    source="(8), with the policy (24)",
    assumptions=(_ONE_TARGET, "g ≠ 0"),
)
def _envelope(step: Derivation) -> None:
    at = _transition(step)
    target, following, p = step.space.orthogonal("Ū"), step.space.vector("s'"), step.space.vector("p")

    action = at.construction.policy(target, following, at.g)
    partial = step.space.goal_gradient(at.backup(following, target, p), at.g)
    total = step.space.goal_gradient(at.backup(following, target, action), at.g)
    step.equal("Stopped and total derivative", step.space.substitute(partial, p, action), total)


class _Lagging:
    """A transition whose target actor holds another parameter than its target critic."""

    def __init__(self, step: Derivation) -> None:
        self.at = _transition(step)
        self.critic, self.actor = step.space.orthogonal("Ū"), step.space.orthogonal("Ūπ")
        U, online = step.space.orthogonal("U"), step.space.orthogonal("Ũ")
        self.error = self.at.lagging_error(U, online, self.critic, self.actor)
        self.reduced_error = self.at.reduced(U).bellman_residual(online, self.at.g)
        self.reduced_gradient = self.at.reduced(U).goal_gradient_residual(online)


@SECTION.refutation(
    "9",
    "The reduction of the Bellman error holds for a target actor that lags behind the target critic.",
    latex=r"\bar U_\pi\ne\bar U:\quad Q_{\tilde U}-(R+\gamma Q')=\frac{g^\top(\tilde Ua-Ua)}{1-\gamma}",
    source="implicit in the proof of Proposition 1, which has one Ū",
    note="Actor and critic are averaged separately in the paper's algorithm; its theory needs them to be equal.",
)
def _lagging_bellman(step: Derivation) -> None:
    lagging = _Lagging(step)
    step.claimed("Q_Ũ − (R + γQ') with Ūπ ≠ Ū, and the reduced residual", lagging.error, lagging.reduced_error)


@SECTION.refutation(
    "10",
    "The reduction of the goal gradient holds for a target actor that lags behind the target critic.",
    latex=r"\bar U_\pi\ne\bar U:\quad\nabla_g[Q_{\tilde U}-(R+\gamma Q')]=\frac{\tilde Ua-Ua}{1-\gamma}",
    source="implicit in the proof of Proposition 1, which has one Ū",
)
def _lagging_gradient(step: Derivation) -> None:
    lagging = _Lagging(step)
    gradient = step.space.goal_gradient(lagging.error, lagging.at.g)
    step.claimed("∇_g [Q_Ũ − (R + γQ')] with Ūπ ≠ Ū, and the reduced residual", gradient, lagging.reduced_gradient)


@SECTION.proof(
    "11",
    "A lagging target actor shifts the Bellman error by the suboptimality of its action, and by nothing else.",
    latex=r"\frac{\gamma}{1-\gamma}\Bigl(\|g\|-\frac{g^\top\bar U\bar U_\pi^\top g}{\|g\|}\Bigr)\ge 0",
    source="sharper than P1.9",
    assumptions=("U, Ũ, Ū, Ūπ orthogonal", "g ≠ 0"),
)
def _lagging_shift(step: Derivation) -> None:
    lagging = _Lagging(step)
    g, shift = lagging.at.g, lagging.error - lagging.reduced_error
    turned = apply(lagging.critic, apply_transpose(lagging.actor, g))
    suboptimality = norm(g) - inner(g, turned) / norm(g)
    step.equal(
        "Bellman error minus its reduction, and γ/(1−γ) · (‖g‖ − gᵀŪŪπᵀg/‖g‖)",
        shift,
        GAMMA / (1 - GAMMA) * suboptimality,
    )
    square = inner(turned - g, turned - g)
    step.equal("which is γ/(2(1−γ)‖g‖) · ‖ŪŪπᵀg − g‖²", shift, GAMMA / (2 * (1 - GAMMA) * norm(g)) * square)


@SECTION.proof(
    "12",
    "The one-step regret of the learned policy is a squared distance, whatever the state.",
    latex=r"R(s+U\pi^*,g)-R(s+U\tilde\pi,g)=\frac{\|(\tilde U-U)^\top g\|^2}{2\|g\|}",
    source="success criterion of the experiments",
    assumptions=("U, Ũ orthogonal", "g ≠ 0"),
    note="Its mean over unit goals is ‖Ũ − U‖²_F/(2d), its maximum λ_max(I − sym(UŨᵀ)).",
)
def _regret(step: Derivation) -> None:
    at = _transition(step)
    U, online = step.space.orthogonal("U"), step.space.orthogonal("Ũ")

    def reward_of(param: Any) -> Any:
        action = at.construction.policy(param, at.s, at.g)
        return at.construction.reward(at.construction.dynamics(U, at.s, action), at.g)

    missed = apply_transpose(online, at.g) - apply_transpose(U, at.g)
    step.equal(
        "the reward lost, and ‖(Ũ − U)ᵀg‖²/(2‖g‖)",
        reward_of(U) - reward_of(online),
        inner(missed, missed) / (2 * norm(at.g)),
    )


@SECTION.refutation(
    "13",
    "With a lagging target actor the Bellman error is still 0 at the truth, so that U is still a minimiser.",
    latex=r"\bar U_\pi\ne\bar U:\quad Q_U-(R+\gamma Q')=0",
    source="sharper than P1.9",
    note="By P1.11 all transitions are shifted by amounts ≥ 0, which depend on the goal: the loss at U is not 0.",
)
def _lagging_truth(step: Derivation) -> None:
    at = _transition(step)
    U, critic, actor = (step.space.orthogonal(name) for name in ("U", "Ū", "Ūπ"))
    step.claimed("Q_U − (R + γQ') with Ūπ ≠ Ū, and 0", at.lagging_error(U, U, critic, actor), sympy.Integer(0))
