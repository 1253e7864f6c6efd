"""Proposition 1, "gradient reward feedback", step by step.

The proofs run the formulas of :class:`toyenvs.constructions.GradientFeedback` and the temporal-difference error of
:mod:`toyenvs.learners.losses`, which the environments and the learners run too.

Source: Levine & Feizi, AAAI 2023, Proposition 1, equations (23), (24) and the proof that follows them.
"""

from __future__ import annotations

from typing import Any

import sympy

from proofs_check.derivation import Derivation
from proofs_check.evidence import (
    bellman_optimal_on_samples,
    reduced_residuals_on_samples,
    value_is_return_on_samples,
)
from proofs_check.section import Section
from proofs_check.series import arithmetic_value, discounted_arithmetic_series, vanishing_tail
from toyenvs.algebra import apply, apply_transpose, inner, norm, scale
from toyenvs.constructions import GradientFeedback
from toyenvs.learners.losses import bootstrapped_target, temporal_difference_error

__all__ = ["SECTION"]

SECTION = Section("P1", "Proposition 1: gradient reward feedback")

_GAMMA = sympy.Symbol("γ", positive=True)
# The identities are rational in γ: proved for γ > 0, they hold at 0 too.

_ANY_TRUTH = "U and Ũ any matrices"
_ONE_TARGET = "Ū orthogonal, the same in target critic and target actor"
_BASICS = ("U orthogonal", "g ≠ 0", "0 ≤ γ < 1")


class _Transition:
    """The symbols of one transition of Proposition 1."""

    def __init__(self, step: Derivation) -> None:
        self.space = step.space
        self.construction = GradientFeedback(2, _GAMMA)  # its formulas do not read the dimension
        self.g = self.space.vector("g", nonzero=True)
        self.s, self.a = self.space.vector("s"), self.space.vector("a")

    def following(self, truth: Any) -> Any:
        """S' where the truth is ``truth``."""
        return self.construction.dynamics(truth, self.s, self.a)

    def error(self, truth: Any, online: Any, target: Any) -> Any:
        """Temporal-difference error, as learners have it."""
        return temporal_difference_error(
            self.construction, online, target, self.s, self.a, self.following(truth), self.g
        )

    def reduced(self, truth: Any) -> Any:
        """Reduced residuals, as learners have them."""
        return self.construction.reduced_residuals(self.s, self.a, self.following(truth))


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
    at = _Transition(step)
    U, t = step.space.orthogonal("U"), sympy.Symbol("t", nonnegative=True)
    unit = scale(at.g, 1 / norm(at.g))
    action = at.construction.policy(U, at.s, at.g)
    step.equal("Under (24) every step moves the state by", at.construction.dynamics(U, at.s, action) - at.s, unit)
    first = at.following(U)
    start, slope = inner(at.g, first), norm(at.g)
    step.equal(
        "so t steps after the first the reward is",
        at.construction.reward(first + scale(unit, t), at.g),
        start + t * slope,
    )
    discounted_arithmetic_series(step, _GAMMA)
    step.equal(
        "A(c) with c = gᵀ(s + Ua) and m = ‖g‖ is (23)",
        at.construction.q_value(U, at.s, at.a, at.g),
        arithmetic_value(start, slope, _GAMMA),
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
    at = _Transition(step)
    U = step.space.orthogonal("U")
    step.equal(
        "Q*(s, a, g) and R(s', g) + γ Q*(s', π*(s', g), g)",
        at.construction.q_value(U, at.s, at.a, at.g),
        bootstrapped_target(at.construction, U, at.following(U), at.g),
    )


@SECTION.proof(
    "3",
    "(24) is the one best action of the unit ball: attained, optimal by Cauchy–Schwarz, unique.",
    latex=r"Q(s,\pi,g)-Q(s,a,g)=\frac{\|g\|}{2(1-\gamma)}\bigl(\|a-\pi\|^2+1-\|a\|^2\bigr)",
    source="(24)",
    assumptions=(*_BASICS, "‖a‖ ≤ 1"),
)
def _best_action(step: Derivation) -> None:
    at = _Transition(step)
    U = step.space.orthogonal("U")
    best = at.construction.policy(U, at.s, at.g)
    step.equal("‖π‖, so that π is allowed", norm(best), sympy.Integer(1))
    gap = at.construction.q_value(U, at.s, best, at.g) - at.construction.q_value(U, at.s, at.a, at.g)
    step.equal(
        "Q(s, π, g) − Q(s, a, g) = ‖g‖/(2(1−γ)) · (‖a − π‖² + 1 − ‖a‖²)",
        gap,
        norm(at.g) / (2 * (1 - _GAMMA)) * (inner(at.a - best, at.a - best) + 1 - inner(at.a, at.a)),
    )
    step.remark(
        "‖a − π‖² and 1 − ‖a‖² are ≥ 0 in the ball, so π is optimal; both vanish at a = π only, so it is unique."
    )


@SECTION.proof(
    "4",
    "(23) is the optimal value: no sequence of actions, however chosen, has a larger return.",
    latex=r"Q^*(s_0,a_0,g)\ge\sum_{t<T}\gamma^tR(s_{t+1},g)+\gamma^TQ^*(s_T,a_T,g)",
    source="(23), (24)",
    assumptions=_BASICS,
)
def _optimal_value(step: Derivation) -> None:
    at = _Transition(step)
    U, b = step.space.orthogonal("U"), step.space.vector("b")
    following = at.following(U)
    best = at.construction.policy(U, following, at.g)
    backup = at.construction.reward(following, at.g) + _GAMMA * at.construction.q_value(U, following, b, at.g)
    step.equal(
        "For any next action b, Q(s, a, g) − [R(s', g) + γQ(s', b, g)] = γ‖g‖/(2(1−γ)) · (‖b − π‖² + 1 − ‖b‖²)",
        at.construction.q_value(U, at.s, at.a, at.g) - backup,
        _GAMMA * norm(at.g) / (2 * (1 - _GAMMA)) * (inner(b - best, b - best) + 1 - inner(b, b)),
    )
    step.remark("which is ≥ 0 in the ball; put into itself T times it is the inequality claimed.")
    step.remark("|Q(s_T, a_T, g)| grows at most linearly in T, because a step moves the state by at most 1;")
    vanishing_tail(step)


@SECTION.proof(
    "5",
    "The target R + γQ' does not depend on the target parameter: learning is plain regression here.",
    latex=r"R+\gamma Q_{\bar V}(s',\pi_{\bar V}(s',g),g)=R+\gamma Q_{\bar W}(s',\pi_{\bar W}(s',g),g)",
    source="proof of Proposition 1",
    assumptions=("V̄, W̄ orthogonal", "U any matrix"),
)
def _target_independent(step: Derivation) -> None:
    at = _Transition(step)
    following = at.following(step.space.matrix("U"))
    step.equal(
        "R + γQ' with V̄ and with W̄",
        bootstrapped_target(at.construction, step.space.orthogonal("V̄"), following, at.g),
        bootstrapped_target(at.construction, step.space.orthogonal("W̄"), following, at.g),
    )


@SECTION.proof(
    "6",
    "The Bellman error of a transition is one scalar equation for Ũ.",
    latex=r"Q_{\tilde U}-(R+\gamma Q')=\frac{g^\top\tilde Ua-g^\top Ua}{1-\gamma}",
    source="proof of Proposition 1",
    assumptions=(_ANY_TRUTH, _ONE_TARGET),
    also=[reduced_residuals_on_samples(GradientFeedback)],
)
def _bellman_reduction(step: Derivation) -> None:
    at = _Transition(step)
    U, online = step.space.matrix("U"), step.space.matrix("Ũ")
    error = at.error(U, online, step.space.orthogonal("Ū"))
    scalars = inner(at.g, apply(online, at.a)) - inner(at.g, apply(U, at.a))
    step.equal("Q_Ũ − (R + γQ')", error, scalars / (1 - _GAMMA))
    step.equal("The reduced residual that learners run", at.reduced(U).bellman_residual(online, at.g), error)


@SECTION.proof(
    "7",
    "The goal gradient of the Bellman error is d scalar equations for Ũ.",
    latex=r"\nabla_g\bigl[Q_{\tilde U}-(R+\gamma Q')\bigr]=\frac{\tilde Ua-Ua}{1-\gamma}",
    source="proof of Proposition 1",
    assumptions=(_ANY_TRUTH, _ONE_TARGET),
)
def _gradient_reduction(step: Derivation) -> None:
    at = _Transition(step)
    U, online = step.space.matrix("U"), step.space.matrix("Ũ")
    gradient = step.space.goal_gradient(at.error(U, online, step.space.orthogonal("Ū")), at.g)
    missed = apply(online, at.a) - apply(U, at.a)
    step.equal("∇_g [Q_Ũ − (R + γQ')]", gradient, scale(missed, 1 / (1 - _GAMMA)))
    step.equal("The reduced residual that learners run", at.reduced(U).goal_gradient_residual(online), gradient)
    step.equal("Its squared length", inner(gradient, gradient), inner(missed, missed) / (1 - _GAMMA) ** 2)


@SECTION.proof(
    "8",
    "Envelope identity: stopping the gradient at the target policy changes nothing.",
    latex=r"\nabla_g\bigl[R+\gamma Q'(s',\pi(s',g),g)\bigr]"
    r"=\nabla_g\bigl[R+\gamma Q'(s',p,g)\bigr]_{p=\pi(s',g)}",
    source="(8), with the policy (24)",
    assumptions=(_ONE_TARGET, "g ≠ 0"),
)
def _envelope(step: Derivation) -> None:
    at = _Transition(step)
    target, following, p = step.space.orthogonal("Ū"), step.space.vector("s'"), step.space.vector("p")

    def backup(action: Any) -> Any:
        value = at.construction.q_value(target, following, action, at.g)
        return at.construction.reward(following, at.g) + _GAMMA * value

    action = at.construction.policy(target, following, at.g)
    stopped = step.space.substitute(step.space.goal_gradient(backup(p), at.g), p, action)
    step.equal("Stopped and total derivative", stopped, step.space.goal_gradient(backup(action), at.g))


class _Lagging(_Transition):
    """A transition whose target actor holds another parameter than its target critic."""

    def __init__(self, step: Derivation) -> None:
        super().__init__(step)
        self.U, self.online = self.space.orthogonal("U"), self.space.orthogonal("Ũ")
        self.critic, self.actor = self.space.orthogonal("Ū"), self.space.orthogonal("Ūπ")
        following = self.following(self.U)
        action = self.construction.policy(self.actor, following, self.g)
        backup = self.construction.reward(following, self.g) + _GAMMA * self.construction.q_value(
            self.critic, following, action, self.g
        )
        self.lagging_error = self.construction.q_value(self.online, self.s, self.a, self.g) - backup


@SECTION.refutation(
    "9",
    "The reduction of the Bellman error holds for a target actor that lags behind the target critic.",
    latex=r"\bar U_\pi\ne\bar U:\quad Q_{\tilde U}-(R+\gamma Q')=\frac{g^\top(\tilde Ua-Ua)}{1-\gamma}",
    source="implicit in the proof of Proposition 1, which has one Ū",
    note="Actor and critic are averaged separately in the paper's algorithm; its theory needs them to be equal.",
)
def _lagging_bellman(step: Derivation) -> None:
    at = _Lagging(step)
    reduced = at.reduced(at.U).bellman_residual(at.online, at.g)
    step.equal("Q_Ũ − (R + γQ') with Ūπ ≠ Ū is the reduced residual", at.lagging_error, reduced)


@SECTION.refutation(
    "10",
    "The reduction of the goal gradient holds for a target actor that lags behind the target critic.",
    latex=r"\bar U_\pi\ne\bar U:\quad\nabla_g[Q_{\tilde U}-(R+\gamma Q')]=\frac{\tilde Ua-Ua}{1-\gamma}",
    source="implicit in the proof of Proposition 1, which has one Ū",
)
def _lagging_gradient(step: Derivation) -> None:
    at = _Lagging(step)
    gradient = step.space.goal_gradient(at.lagging_error, at.g)
    step.equal("∇_g with Ūπ ≠ Ū is the reduced residual", gradient, at.reduced(at.U).goal_gradient_residual(at.online))


@SECTION.proof(
    "11",
    "A lagging target actor shifts the Bellman error by the suboptimality of its action, and by nothing else.",
    latex=r"\frac{\gamma}{1-\gamma}\Bigl(\|g\|-\frac{g^\top\bar U\bar U_\pi^\top g}{\|g\|}\Bigr)\ge 0",
    source="sharper than P1.9",
    assumptions=("U, Ũ, Ū, Ūπ orthogonal", "g ≠ 0"),
)
def _lagging_shift(step: Derivation) -> None:
    at = _Lagging(step)
    turned = apply(at.critic, apply_transpose(at.actor, at.g))
    shift = at.lagging_error - at.reduced(at.U).bellman_residual(at.online, at.g)
    step.equal(
        "Bellman error minus its reduction",
        shift,
        _GAMMA * (norm(at.g) - inner(at.g, turned) / norm(at.g)) / (1 - _GAMMA),
    )
    missed = turned - at.g
    step.equal(
        "which is γ/(2(1−γ)‖g‖) times a square", shift, _GAMMA / (2 * (1 - _GAMMA) * norm(at.g)) * inner(missed, missed)
    )


@SECTION.proof(
    "12",
    "The one-step regret of the learned policy is a squared distance, whatever the state.",
    latex=r"R(s+U\pi^*,g)-R(s+U\tilde\pi,g)=\frac{\|(\tilde U-U)^\top g\|^2}{2\|g\|}",
    source="success criterion of the experiments",
    assumptions=("U, Ũ orthogonal", "g ≠ 0"),
    note="Its mean over unit goals is ‖Ũ − U‖²_F/(2d), its maximum λ_max(I − sym(UŨᵀ)).",
)
def _regret(step: Derivation) -> None:
    at = _Transition(step)
    U, online = step.space.orthogonal("U"), step.space.orthogonal("Ũ")

    def reward_of(param: Any) -> Any:
        action = at.construction.policy(param, at.s, at.g)
        return at.construction.reward(at.construction.dynamics(U, at.s, action), at.g)

    missed = apply_transpose(online, at.g) - apply_transpose(U, at.g)
    step.equal("Reward lost", reward_of(U) - reward_of(online), inner(missed, missed) / (2 * norm(at.g)))
