"""Proposition 2, "no reward gradient", step by step, in both of its cases.

The proofs run the formulas of :class:`toyenvs.constructions.NoRewardGradient` and the temporal-difference error of
:mod:`toyenvs.learners.losses`. A transition *acts* where s¹ ≠ 0 and *waits* where s¹ = 0.

Source: Levine & Feizi, AAAI 2023, Proposition 2, equations (25), (26) and the proof that follows them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import sympy

from proofs_check.claim import CheckSettings, Evidence, EvidenceKind, Finding, Truth
from proofs_check.claims.evidence import (
    bellman_optimal_on_samples,
    reduced_residuals_on_samples,
    value_is_return_on_samples,
)
from proofs_check.proving.derivation import Derivation
from proofs_check.proving.section import Section
from proofs_check.proving.series import arithmetic_value, discounted_arithmetic_series, vanishing_tail
from proofs_check.proving.transition import GAMMA, SymbolicTransition
from toyenvs.algebra import apply, apply_transpose, inner, norm, scale, split
from toyenvs.constructions import NoRewardGradient

__all__ = ["SECTION"]

SECTION = Section("P2", "Proposition 2: no reward gradient")

_ANY_TRUTH = "U and Ũ any matrices; g ≠ 0"
_ONE_TARGET = "Ū orthogonal, the same in target critic and target actor"
_BASICS = ("U orthogonal", "g ≠ 0", "0 ≤ γ < 1")
_GENERIC = "s never (0, 0): the null sets of S.9 left out"


def _acting(step: Derivation) -> SymbolicTransition:
    """S¹ ≠ 0, s² anything."""
    space = step.space
    state = space.pair(space.vector("s¹", nonzero=True), space.vector("s²"))
    return SymbolicTransition(step, NoRewardGradient, state)


def _waiting(step: Derivation) -> SymbolicTransition:
    """S¹ = 0."""
    return SymbolicTransition(step, NoRewardGradient, step.space.pair(step.space.zero(), step.space.vector("s²")))


def _both(step: Derivation) -> tuple[tuple[str, SymbolicTransition], ...]:
    return ("s¹ ≠ 0", _acting(step)), ("s¹ = 0", _waiting(step))


@SECTION.proof(
    "1",
    "(25) is the discounted return of taking a and following (26) ever after, where s¹ ≠ 0 and where s¹ = 0.",
    latex=r"\gamma\sum_{k\ge0}\gamma^{2k}\bigl(g^\top(s^1+Ua)+k\|g\|\bigr)"
    r"=\frac{\gamma g^\top(s^1+Ua)}{1-\gamma^2}+\frac{\gamma^3\|g\|}{(1-\gamma^2)^2}",
    source="the series behind (25)",
    assumptions=(*_BASICS, _GENERIC),
    also=[value_is_return_on_samples(NoRewardGradient)],
)
def _series(step: Derivation) -> None:
    acting, waiting = _acting(step), _waiting(step)
    construction, g, U = acting.construction, acting.g, step.space.orthogonal("U")
    zero, unit = step.space.zero(), scale(g, 1 / norm(g))
    # Two steps of the policy from (x, 0).
    x = step.space.vector("x", nonzero=True)
    state = step.space.pair(x, zero)
    for _ in range(2):
        state = construction.dynamics(U, state, construction.policy(U, state, g))
    step.equal("Where two steps under (26) take (x, 0), and (x + g/‖g‖, 0)", state, step.space.pair(x + unit, zero))
    discounted_arithmetic_series(step, GAMMA**2)

    first = acting.following(U)
    step.equal("s¹ ≠ 0: the first reward, and 0", construction.reward(first, g), sympy.Integer(0))
    # The action at the waiting state is ignored, so any will do.
    second = construction.dynamics(U, first, acting.a)
    reached = split(acting.s)[0] + apply(U, acting.a)
    step.equal(
        "the state after two steps, from where it goes on by pairs of steps, and (s¹ + Ua, 0)",
        second,
        step.space.pair(reached, zero),
    )
    step.equal(
        "(25), and γ A(c) with c = gᵀ(s¹ + Ua), m = ‖g‖",
        acting.value(U),
        GAMMA * arithmetic_value(construction.reward(second, g), norm(g), GAMMA**2),
    )
    first = waiting.following(U)
    step.equal("s¹ = 0: the state after one step, and (s², 0)", first, step.space.pair(split(waiting.s)[1], zero))
    step.equal(
        "(25), and A(c) with c = gᵀs², m = ‖g‖",
        waiting.value(U),
        arithmetic_value(construction.reward(first, g), norm(g), GAMMA**2),
    )


@SECTION.proof(
    "2",
    "(25) solves the Bellman equation of the policy (26), in both cases.",
    latex=r"Q^*(s,a,g)=R(s',g)+\gamma\,Q^*(s',\pi^*(s',g),g)",
    source="(25), (26)",
    assumptions=(*_BASICS, _GENERIC),
    also=[bellman_optimal_on_samples(NoRewardGradient)],
)
def _bellman(step: Derivation) -> None:
    U = step.space.orthogonal("U")
    for case, at in _both(step):
        step.equal(f"{case}: Q* and R + γQ*", at.value(U), at.target(U, U))


@SECTION.proof(
    "3",
    "(26) is the one best action where s¹ ≠ 0; where s¹ = 0 all actions are equally good.",
    latex=r"Q(s,\pi,g)-Q(s,a,g)=\frac{\gamma\|g\|}{2(1-\gamma^2)}\bigl(\|a-\pi\|^2+1-\|a\|^2\bigr)",
    source="(26)",
    assumptions=(*_BASICS, "‖a‖ ≤ 1", "γ > 0 for uniqueness"),
)
def _best_action(step: Derivation) -> None:
    U = step.space.orthogonal("U")
    at = _acting(step)
    best = at.construction.policy(U, at.s, at.g)
    step.equal("‖π‖ and 1: π is allowed", norm(best), sympy.Integer(1))
    step.equal(
        "s¹ ≠ 0: Q(s, π, g) − Q(s, a, g) = γ‖g‖/(2(1−γ²)) · (‖a − π‖² + 1 − ‖a‖²)",
        at.value(U, best) - at.value(U),
        GAMMA * norm(at.g) / (2 * (1 - GAMMA**2)) * (inner(at.a - best, at.a - best) + 1 - inner(at.a, at.a)),
    )
    at = _waiting(step)
    step.equal("s¹ = 0: Q(s, b, g) and Q(s, a, g)", at.value(U, step.space.vector("b")), at.value(U))


@SECTION.proof(
    "4",
    "(25) is the optimal value: no sequence of actions, however chosen, has a larger return.",
    latex=r"Q^*(s_0,a_0,g)\ge\sum_{t<T}\gamma^tR(s_{t+1},g)+\gamma^TQ^*(s_T,a_T,g)",
    source="(25), (26)",
    assumptions=(*_BASICS, _GENERIC, "all actions in the unit ball"),
)
def _optimal_value(step: Derivation) -> None:
    U, b = step.space.orthogonal("U"), step.space.vector("b")
    at = _acting(step)
    step.equal(
        "s¹ ≠ 0: the next action b is ignored, Q(s, a, g) = R(s', g) + γQ(s', b, g)",
        at.value(U),
        at.backup(at.following(U), U, b),
    )
    at = _waiting(step)
    following = at.following(U)
    best = at.construction.policy(U, following, at.g)
    step.equal(
        "s¹ = 0: Q(s, a, g) − [R(s', g) + γQ(s', b, g)] = γ²‖g‖/(2(1−γ²)) · (‖b − π‖² + 1 − ‖b‖²)",
        at.value(U) - at.backup(following, U, b),
        GAMMA**2 * norm(at.g) / (2 * (1 - GAMMA**2)) * (inner(b - best, b - best) + 1 - inner(b, b)),
    )
    step.remark("By hand: both are ≥ 0 in the ball; put into one another T times they are the inequality claimed.")
    step.remark("By hand: |Q(s_T, a_T, g)| grows at most linearly in T, because two steps move the state by at most 1;")
    vanishing_tail(step)


@SECTION.proof(
    "5",
    "The target R + γQ' does not depend on the target parameter.",
    latex=r"R+\gamma Q_{\bar V}(s',\pi_{\bar V}(s',g),g)=R+\gamma Q_{\bar W}(s',\pi_{\bar W}(s',g),g)",
    source="proof of Proposition 2",
    assumptions=("V̄, W̄ orthogonal", "U any matrix", "g ≠ 0"),
)
def _target_independent(step: Derivation) -> None:
    U = step.space.matrix("U")
    V, W = step.space.orthogonal("V̄"), step.space.orthogonal("W̄")
    for case, at in _both(step):
        step.equal(f"{case}: R + γQ' with V̄ and with W̄", at.target(U, V), at.target(U, W))


@SECTION.proof(
    "6",
    "Where s¹ ≠ 0 the Bellman error is one scalar equation for Ũ.",
    latex=r"Q_{\tilde U}-(R+\gamma Q')=\frac{\gamma\,(g^\top\tilde Ua-g^\top Ua)}{1-\gamma^2}",
    source="proof of Proposition 2",
    assumptions=(_ANY_TRUTH, _ONE_TARGET),
    also=[reduced_residuals_on_samples(NoRewardGradient)],
)
def _bellman_reduction(step: Derivation) -> None:
    at = _acting(step)
    U, online = step.space.matrix("U"), step.space.matrix("Ũ")
    error = at.error(U, online, step.space.orthogonal("Ū"))
    scalars = inner(at.g, apply(online, at.a)) - inner(at.g, apply(U, at.a))
    step.equal("Q_Ũ − (R + γQ'), and γ(gᵀŨa − gᵀUa)/(1−γ²)", error, GAMMA * scalars / (1 - GAMMA**2))
    step.equal("the reduced residual that learners run, and this", at.reduced(U).bellman_residual(online, at.g), error)


@SECTION.proof(
    "7",
    "Where s¹ ≠ 0 the goal gradient of the Bellman error is d scalar equations for Ũ.",
    latex=r"\nabla_g\bigl[Q_{\tilde U}-(R+\gamma Q')\bigr]=\frac{\gamma\,(\tilde Ua-Ua)}{1-\gamma^2}",
    source="proof of Proposition 2",
    assumptions=(_ANY_TRUTH, _ONE_TARGET),
)
def _gradient_reduction(step: Derivation) -> None:
    at = _acting(step)
    U, online = step.space.matrix("U"), step.space.matrix("Ũ")
    gradient = step.space.goal_gradient(at.error(U, online, step.space.orthogonal("Ū")), at.g)
    missed = apply(online, at.a) - apply(U, at.a)
    step.equal("∇_g [Q_Ũ − (R + γQ')], and γ(Ũa − Ua)/(1−γ²)", gradient, scale(missed, GAMMA / (1 - GAMMA**2)))
    step.equal(
        "the reduced residual that learners run, and this", at.reduced(U).goal_gradient_residual(online), gradient
    )


@SECTION.proof(
    "8",
    "Transitions with s¹ = 0 teach nothing: both residuals are 0 whatever Ũ is.",
    latex=r"s^1=0:\quad Q_{\tilde U}-(R+\gamma Q')=0\ \text{for every}\ \tilde U",
    source="proof of Proposition 2",
    assumptions=(_ANY_TRUTH, _ONE_TARGET),
)
def _uninformative(step: Derivation) -> None:
    at = _waiting(step)
    U, online, other = step.space.matrix("U"), step.space.matrix("Ũ"), step.space.matrix("Ṽ")
    target = step.space.orthogonal("Ū")
    error = at.error(U, online, target)
    step.equal("Q_Ũ − (R + γQ'), and 0", error, sympy.Integer(0))
    step.equal("its goal gradient, and 0", step.space.goal_gradient(error, at.g), step.space.zero())
    step.equal("Q_Ũ and Q_Ṽ", at.value(online), at.value(other))
    reduced = at.reduced(U)
    step.equal("the reduced residual, and 0", reduced.goal_gradient_residual(online), step.space.zero())


@SECTION.proof(
    "9",
    "Envelope identity, in both cases: stopping the gradient at the target policy changes nothing.",
    latex=r"\nabla_g\bigl[R+\gamma Q'(s',\pi(s',g),g)\bigr]"
    r"=\nabla_g\bigl[R+\gamma Q'(s',p,g)\bigr]_{p=\pi(s',g)}",
    source="(8), with the policy (26)",
    assumptions=(_ONE_TARGET, "g ≠ 0"),
)
def _envelope(step: Derivation) -> None:
    target, p = step.space.orthogonal("Ū"), step.space.vector("p")
    for case, at in _both(step):
        action = at.construction.policy(target, at.s, at.g)
        partial = step.space.goal_gradient(at.backup(at.s, target, p), at.g)
        total = step.space.goal_gradient(at.backup(at.s, target, action), at.g)
        step.equal(f"s' with {case}: stopped and total derivative", step.space.substitute(partial, p, action), total)


def _count_informative(settings: CheckSettings) -> Finding:
    """Step the environment in whole numbers and count the transitions whose residual depends on Ũ."""
    longest = 24
    rng = np.random.default_rng(settings.seed)
    checked = 0
    for dim in range(2, 9):
        construction = NoRewardGradient(dim, 0.5)
        # A signed permutation is an orthogonal matrix of whole numbers; nothing is rounded.
        U = np.zeros((dim, dim), dtype=object)
        U[np.arange(dim), rng.permutation(dim)] = rng.choice([-1, 1], dim)
        state = np.array([*rng.integers(1, 9, dim), *[0] * dim], dtype=object)
        informative = []
        for _ in range(longest):
            action = np.array([int(a) for a in rng.integers(1, 9, dim)], dtype=object)
            following = construction.dynamics(U, state, action)
            informative.append(bool(construction.reduced_residuals(state, action, following).weight != 0))
            state = following
        for length in range(longest + 1):
            found, expected = sum(informative[:length]), (length + 1) // 2
            assert found == expected, f"d = {dim}, N = {length}: {found} informative transitions, not {expected}"
            checked += 1
        for needed in range(1, longest // 2 + 1):
            shortest = next(n for n in range(longest + 1) if sum(informative[:n]) >= needed)
            predicted = construction.transitions_for_informative(needed)
            assert shortest == predicted, f"d = {dim}: {needed} informative ones need {shortest}, not {predicted}"
            checked += 1
    return Finding(Truth.TRUE, f"d = 2…8, N ≤ {longest}: {checked} counts")


@SECTION.proof(
    "10",
    "Acting and waiting alternate, so a buffer that starts by acting has ⌈N/2⌉ informative transitions of N, "
    "and k of them need N = 2k − 1.",
    latex=r"s^1\ne0\Rightarrow s'^1=0,\qquad s^1=0\Rightarrow s'^1=s^2,\quad s'^2=0",
    source="proof of Proposition 2; the exact count is ours",
    assumptions=(_GENERIC,),
    also=[
        Evidence(EvidenceKind.CERTIFICATE, "the environment stepped in whole numbers, and counted", _count_informative)
    ],
    note="A buffer that starts by waiting has ⌊N/2⌋. With the first one informative, every threshold k becomes 2k − 1.",
)
def _alternation(step: Derivation) -> None:
    U = step.space.matrix("U")
    acting, waiting = _acting(step), _waiting(step)
    first, second = split(acting.following(U))
    step.equal("s¹ ≠ 0: s'¹, and 0", first, step.space.zero())
    step.equal("s'², which is the next s'¹, and s¹ + Ua", second, split(acting.s)[0] + apply(U, acting.a))
    first, second = split(waiting.following(U))
    step.equal("s¹ = 0: s'¹, and s²", first, split(waiting.s)[1])
    step.equal("s'², and 0", second, step.space.zero())
    step.remark("By hand, by induction on N: the first, third, … transition acts, so ⌈N/2⌉ of N do.")


@SECTION.proof(
    "11",
    "Where s¹ ≠ 0 both reductions hold even if the target actor lags behind the target critic: its action is ignored.",
    latex=r"s^1\ne0,\ \bar U_\pi\ne\bar U:\quad "
    r"Q_{\tilde U}-(R+\gamma Q')=\frac{\gamma\,g^\top(\tilde Ua-Ua)}{1-\gamma^2}",
    source="not in the paper; compare P1.9",
    assumptions=("U, Ũ, Ū, Ūπ any matrices", "g ≠ 0"),
)
def _lagging_acting(step: Derivation) -> None:
    at = _acting(step)
    U, online, critic, actor = (step.space.matrix(name) for name in ("U", "Ũ", "Ū", "Ūπ"))
    error = at.lagging_error(U, online, critic, actor)
    step.equal(
        "Q_Ũ − (R + γQ') with Ūπ ≠ Ū, and the reduced residual", error, at.reduced(U).bellman_residual(online, at.g)
    )
    gradient = step.space.goal_gradient(error, at.g)
    step.equal(
        "its goal gradient, and that of the reduced residual", gradient, at.reduced(U).goal_gradient_residual(online)
    )


@SECTION.refutation(
    "12",
    "Where s¹ = 0 the Bellman error is 0 even if the target actor lags behind the target critic.",
    latex=r"s^1=0,\ \bar U_\pi\ne\bar U:\quad Q_{\tilde U}-(R+\gamma Q')=0",
    source="implicit in the proof of Proposition 2, which has one Ū",
)
def _lagging_waiting(step: Derivation) -> None:
    at = _waiting(step)
    U, online, critic, actor = (step.space.orthogonal(name) for name in ("U", "Ũ", "Ū", "Ūπ"))
    step.claimed("Q_Ũ − (R + γQ') with Ūπ ≠ Ū, and 0", at.lagging_error(U, online, critic, actor), sympy.Integer(0))


@SECTION.proof(
    "13",
    "Where s¹ = 0 the whole error of a lagging actor is free of Ũ: it moves the loss, not its minimisers.",
    latex=r"\frac{\gamma^2}{1-\gamma^2}\Bigl(\|g\|-\frac{g^\top\bar U\bar U_\pi^\top g}{\|g\|}\Bigr)",
    source="not in the paper; compare P1.11 and P1.13",
    assumptions=("Ū, Ūπ orthogonal", "U, Ũ any matrices", "g ≠ 0"),
)
def _lagging_shift(step: Derivation) -> None:
    at = _waiting(step)
    U, online = step.space.matrix("U"), step.space.matrix("Ũ")
    critic, actor = step.space.orthogonal("Ū"), step.space.orthogonal("Ūπ")
    turned = apply(critic, apply_transpose(actor, at.g))
    step.equal(
        "Q_Ũ − (R + γQ') with Ūπ ≠ Ū, and γ²/(1−γ²) · (‖g‖ − gᵀŪŪπᵀg/‖g‖)",
        at.lagging_error(U, online, critic, actor),
        GAMMA**2 / (1 - GAMMA**2) * (norm(at.g) - inner(at.g, turned) / norm(at.g)),
    )


def _said_by_the_construction(settings: CheckSettings) -> Finding:
    for discount, informative in ((0, False), (0.0, False), (0.01, True), (0.5, True), (0.99, True)):
        said = NoRewardGradient(2, discount).informative
        assert said is informative, f"γ = {discount}: the construction calls itself informative: {said}"
    return Finding(Truth.TRUE, "γ = 0, 0.01, 0.5, 0.99")


@SECTION.proof(
    "14",
    "At γ = 0 no value depends on U, so there is nothing to learn, and the construction says so.",
    latex=r"\gamma=0:\quad Q_U(s,a,g)=Q_V(s,a,g)",
    source="(25)",
    assumptions=("U, V any matrices",),
    also=[Evidence(EvidenceKind.CERTIFICATE, "the construction's own word", _said_by_the_construction)],
)
def _undiscounted(step: Derivation) -> None:
    U, V = step.space.matrix("U"), step.space.matrix("V")
    for case, at in _both(step):
        values: list[Any] = [at.value(param).subs(GAMMA, 0) for param in (U, V)]
        step.equal(f"{case}: Q_U and Q_V at γ = 0", *values)
