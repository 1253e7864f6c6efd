"""What is wrong, loose or missing in the paper: each item as printed (or as implied) and as corrected.

The numbers are those of the list in the reading notes: S.1a is the first item as printed, S.1b as corrected. Items
that are about discrete actions (S.12) and goal sets (S.13) have their proofs in the modules of those names.

Source: Levine & Feizi, AAAI 2023; the corrections are this project's.
"""

from __future__ import annotations

from typing import Any

import sympy

from proofs_check.claim import CheckSettings, EvidenceKind, Finding, RefutedError, Truth
from proofs_check.claims.discrete_actions import double_discount_as_printed, double_discount_corrected
from proofs_check.claims.goal_sets import reward_gate_gradient_as_printed, reward_gate_gradient_corrected
from proofs_check.exact.solution_count import quaternion_rotation
from proofs_check.proving.derivation import Derivation
from proofs_check.proving.section import Section
from proofs_check.proving.transition import GAMMA, SymbolicTransition
from proofs_check.symbolic.components import cayley
from proofs_check.theory import informative_transitions_needed
from toyenvs.algebra import apply, apply_transpose, inner, norm, scale, split
from toyenvs.constructions import GradientFeedback, NoRewardGradient

__all__ = ["SECTION"]

SECTION = Section("S", "Errata and gaps: as printed, and as corrected")

_PROPOSITIONS = (("Proposition 1", GradientFeedback), ("Proposition 2", NoRewardGradient))


def _informative_transitions(step: Derivation) -> list[tuple[str, SymbolicTransition]]:
    """One transition of each proposition whose loss depends on Ũ."""
    space = step.space
    pair = space.pair(space.vector("s¹", nonzero=True), space.vector("s²"))
    return [
        (name, SymbolicTransition(step, construction, pair if construction is NoRewardGradient else None))
        for name, construction in _PROPOSITIONS
    ]


# --- 1. the sign in the Bellman error ---------------------------------------------------------------------


def _claim_printed_sign(step: Derivation, at: SymbolicTransition) -> None:
    U = step.space.orthogonal("U")
    reward = at.construction.reward(at.following(U), at.g)
    discounted_next = at.target(U, step.space.orthogonal("Ū")) - reward
    step.claimed("Q − R + γQ' at Ũ = U, and 0", at.value(U) - reward + discounted_next, sympy.Integer(0))


@SECTION.refutation(
    "1a",
    "As printed: the Bellman error Q − R + γQ' of Proposition 1 is 0 at the truth.",
    latex=r"Q_U-R+\gamma Q'_{\bar U}=0",
    source="proof of Proposition 1, as printed",
)
def _printed_sign(step: Derivation) -> None:
    _claim_printed_sign(step, _informative_transitions(step)[0][1])


@SECTION.refutation(
    "1c",
    "As printed: the same of Proposition 2, where s¹ ≠ 0.",
    latex=r"s^1\ne0:\quad Q_U-R+\gamma Q'_{\bar U}=0",
    source="proof of Proposition 2, as printed",
)
def _printed_sign_again(step: Derivation) -> None:
    _claim_printed_sign(step, _informative_transitions(step)[1][1])


@SECTION.proof(
    "1b",
    "As corrected: the Bellman error Q − (R + γQ') is 0 at the truth.",
    latex=r"Q_U-(R+\gamma Q'_{\bar U})=0",
    source="proofs of Propositions 1 and 2, corrected",
    assumptions=("U, Ū orthogonal", "g ≠ 0"),
)
def _corrected_sign(step: Derivation) -> None:
    U, target = step.space.orthogonal("U"), step.space.orthogonal("Ū")
    for name, at in _informative_transitions(step):
        step.equal(f"{name}: Q − (R + γQ')", at.error(U, U, target), sympy.Integer(0))


# --- 2. the state that the target policy sees -------------------------------------------------------------


@SECTION.refutation(
    "2a",
    "As printed: the target may use π(s, g) for π(s', g), whatever the policy is.",
    latex=r"Q'(s',\pi(s,g),g)=Q'(s',\pi(s',g),g)",
    source="target in the proofs of Propositions 1 and 2, as printed",
    note="Here two different actions p and p' stand for a policy that reads the state.",
)
def _printed_policy_state(step: Derivation) -> None:
    target, p, q = step.space.orthogonal("Ū"), step.space.vector("p"), step.space.vector("p'")
    at = SymbolicTransition(step, GradientFeedback)
    following = at.following(step.space.orthogonal("U"))
    step.claimed(
        "Q'(s', π(s, g), g) and Q'(s', π(s', g), g)", at.backup(following, target, p), at.backup(following, target, q)
    )


@SECTION.proof(
    "2b",
    "In both propositions it is harmless: the optimal policy does not depend on the state.",
    latex=r"\pi^*(s,g)=\pi^*(s',g)=U^\top g/\|g\|",
    source="(24), (26)",
    assumptions=("g ≠ 0",),
)
def _policy_without_state(step: Derivation) -> None:
    U = step.space.matrix("U")
    for name, at in _informative_transitions(step):
        before, after = (at.construction.policy(U, state, at.g) for state in (at.s, at.following(U)))
        step.equal(f"{name}: π(s, g) and π(s', g)", before, after)


# --- 3. "at least O(n²)" ----------------------------------------------------------------------------------

_N = sympy.Symbol("n", integer=True, positive=True)


@SECTION.check(
    "3a",
    "As printed: “at least O(n²)” excludes a learner that needs n transitions.",
    kind=EvidenceKind.CERTIFICATE,
    method="n is itself of order O(n²): the limit of n/n²",
    latex=r"n\notin O(n^2)",
    source="statements of Propositions 1 and 2, as printed",
    expected=Truth.FALSE,
)
def _printed_order(settings: CheckSettings) -> Finding:
    limit = sympy.limit(_N / _N**2, _N, sympy.oo)
    if limit == 0:
        return Finding(Truth.FALSE, "one function", counterexample=f"N = n: n/n² → {limit}, so n is O(n²)")
    return Finding(Truth.TRUE, "one function")


@SECTION.check(
    "3b",
    "As corrected: the predicted threshold of DDPG is of order Ω(n²), with the constant 1/2, and ReenGAGE's is not.",
    kind=EvidenceKind.CERTIFICATE,
    method="the predicted thresholds are polynomials in n; limits of these over n² and over n",
    latex=r"\frac{n(n-1)/2+1}{n^2}\to\frac12,\qquad\frac{n-1}{n}\to1",
    source="ours; that D + 1 is needed is C.24, that it suffices C.25",
)
def _corrected_order(settings: CheckSettings) -> Finding:
    # The formulas of `theory` are integer arithmetic: fitted exactly at three dimensions, compared at all.
    fitted = {}
    for learner, degree in (("ddpg", 2), ("reengage", 1)):
        counts = {dim: informative_transitions_needed(learner, "so", dim) for dim in range(2, 65)}
        points = [(dim, counts[dim]) for dim in range(2, 3 + degree)]
        formula = sympy.expand(sympy.interpolate(points, _N))
        wrong = [dim for dim, count in counts.items() if formula.subs(_N, dim) != count]
        assert not wrong, f"{learner}: the threshold is not the polynomial {formula} at d = {wrong[0]}"
        fitted[learner] = formula
    limits = (
        sympy.limit(fitted["ddpg"] / _N**2, _N, sympy.oo),
        sympy.limit(fitted["reengage"] / _N**2, _N, sympy.oo),
        sympy.limit(fitted["reengage"] / _N, _N, sympy.oo),
    )
    assert limits == (sympy.Rational(1, 2), 0, 1), f"limits {limits}, not (1/2, 0, 1)"
    steps = tuple(f"{learner}: {formula}" for learner, formula in fitted.items())
    return Finding(Truth.TRUE, "formulas at d = 2…64; their limits", (*steps, "limits over n², n², n: 1/2, 0, 1"))


@SECTION.refutation(
    "3c",
    "As implied: as many generic equations as degrees of freedom determine the rotation (D of them do).",
    latex=r"N=D\ \Rightarrow\ \{V: g_i^\top Va_i=g_i^\top Ua_i\}=\{U\}",
    source="degree-of-freedom count in the proof of Proposition 1",
    note="d = 2, D = 1: the rotation that takes a to the mirror image of Ua at g solves the equation too.",
)
def _counting_unknowns(step: Derivation) -> None:
    # Every rotation of the plane commutes with the quarter turn; V is the rotation that mirrors Ua at g, a = e₁.
    t, r = sympy.symbols("t r", real=True)
    U = cayley(sympy.Matrix([[0, t], [-t, 0]]))
    a, g = sympy.Matrix([1, 0]), cayley(sympy.Matrix([[0, r], [-r, 0]])) * sympy.Matrix([1, 0])
    mirrored = 2 * inner(g, U * a) * g - U * a
    V = sympy.Matrix([[mirrored[0], -mirrored[1]], [mirrored[1], mirrored[0]]]).applyfunc(sympy.cancel)
    assert sympy.cancel(inner(g, V * a) - inner(g, U * a)) == 0, "V does not solve the equation"
    values = {t: sympy.Rational(1, 2), r: sympy.Rational(1, 3)}
    truth, other, goal = (m.subs(values) for m in (U, V, g))
    if truth != other:
        raise RefutedError(
            f"two solutions of one equation: d = 2, a = (1, 0), g = {tuple(goal)}, U = {truth.tolist()}, "
            f"V = {other.tolist()}, both rotations with gᵀUa = gᵀVa = {inner(goal, truth * a)}"
        )


# --- 4. O(n) or SO(n) -------------------------------------------------------------------------------------


@SECTION.refutation(
    "4a",
    "As printed (“orthogonal (rotation)”): the images of d − 1 actions determine an orthogonal matrix.",
    latex=r"Va_i=Ua_i\ (i<d),\ V\in O(d)\ \Rightarrow\ V=U",
    source="statement of Proposition 1",
    note="The reflection in the normal of the d − 1 actions is not seen by them.",
)
def _orthogonal_from_fewer(step: Derivation) -> None:
    U, n, x = step.space.orthogonal("U"), step.space.vector("n", nonzero=True), step.space.vector("x")
    reflected = x - scale(n, 2 * inner(n, x) / inner(n, n))
    a = step.space.vector("a")
    seen = a - scale(n, inner(n, a) / inner(n, n))  # any action orthogonal to n
    image = seen - scale(n, 2 * inner(n, seen) / inner(n, n))
    step.equal(
        "V = U(I − 2nnᵀ/‖n‖²) is orthogonal: ‖Vx‖² and ‖x‖²",
        inner(apply(U, reflected), apply(U, reflected)),
        inner(x, x),
    )
    step.equal("Va and Ua for an action a orthogonal to n", apply(U, image), apply(U, seen))
    step.claimed("Vx and Ux for any x", apply(U, reflected), apply(U, x))


@SECTION.proof(
    "4b",
    "As corrected: they determine a rotation, because W = UᵀV can only turn the normal round, which is no rotation.",
    latex=r"W^\top W=I,\ Wa=a\ \Rightarrow\ \langle Wn,a\rangle=\langle n,a\rangle",
    source="ours; exact certificates in C.8",
    assumptions=("Wa = a for d − 1 independent a", "n orthogonal to all of them", "det W = 1"),
)
def _rotation_from_fewer(step: Derivation) -> None:
    W, n, a = step.space.orthogonal("W"), step.space.vector("n"), step.space.vector("a")
    step.equal("⟨Wn, Wa⟩ and ⟨n, a⟩", inner(apply(W, n), apply(W, a)), inner(n, a))
    step.equal("‖Wn‖", norm(apply(W, n)), norm(n))
    step.remark("By hand: with Wa = a and ⟨n, a⟩ = 0 this says Wn ⊥ every a, so Wn = ±n; det W = 1 leaves Wn = n.")


# --- 5. independence of U, and distinct goals -------------------------------------------------------------


@SECTION.check(
    "5a",
    "As implied (“actions in general position”): DDPG needs D + 1 transitions also if the actions depend on U.",
    kind=EvidenceKind.CERTIFICATE,
    method="two on-policy transitions in d = 3: the quadratic forms ‖g‖‖q‖² − gᵀR(q)a of the quaternion q, exactly",
    latex=r"a_i=U^\top g_i/\|g_i\|,\ i=1,2,\ d=3:\ \{V\in SO(3): g_i^\top Va_i=g_i^\top Ua_i\}\ne\{U\}",
    source="statement of Proposition 1",
    expected=Truth.FALSE,
)
def _on_policy_needs_many(settings: CheckSettings) -> Finding:
    dim = 3
    U = cayley(sympy.Matrix([[0, 1, 2], [-1, 0, sympy.Rational(1, 2)], [-2, -sympy.Rational(1, 2), 0]]))
    q = sympy.symbols("q0:4", real=True)
    length, rotation = sum(c**2 for c in q), quaternion_rotation(q)
    total = sympy.zeros(4, 4)
    goals = [sympy.Matrix([1, 2, 2]) / 3, sympy.Matrix([2, 3, 6]) / 7]
    for g in goals:
        # A form that is ≥ 0 by Cauchy–Schwarz and 0 exactly at the rotations that solve the equation.
        form = sympy.hessian(length - inner(g, rotation * (U.T * g)), q) / 2
        assert min(form.eigenvals(multiple=True)) == 0, "the form should be semidefinite and singular"
        total += form
    solutions = total.nullspace()
    if len(solutions) != 1:
        return Finding(Truth.TRUE, "d = 3")
    found = rotation.subs(dict(zip(q, solutions[0], strict=True))) / length.subs(
        dict(zip(q, solutions[0], strict=True))
    )
    assert found.applyfunc(sympy.nsimplify) == U, "the only solution should be U"
    return Finding(
        Truth.FALSE,
        "d = 3",
        ("each form is positive semidefinite; the kernel of their sum is one line, which is U",),
        counterexample=f"d = 3, U = {U.tolist()}, goals {[tuple(g) for g in goals]}, a = Uᵀg: the {len(goals)} "
        f"equations have the one solution U among rotations, where D + 1 = {dim * (dim - 1) // 2 + 1}",
    )


@SECTION.proof(
    "5b",
    "As corrected: an on-policy transition is one scalar equation and yet gives Wa = Ua whole (Cauchy–Schwarz).",
    latex=r"a=U^\top g/\|g\|:\quad\|Wa-Ua\|^2=\tfrac{2}{\|g\|}\,(g^\top Ua-g^\top Wa)",
    source="ours",
    assumptions=("U, W orthogonal", "g ≠ 0"),
    note="The differential of the scalar equation vanishes at U: identified to second order only, so descent is slow.",
)
def _on_policy(step: Derivation) -> None:
    U, W = step.space.orthogonal("U"), step.space.orthogonal("W")
    at = SymbolicTransition(step, GradientFeedback)
    action = at.construction.policy(U, at.s, at.g)
    missed = apply(W, action) - apply(U, action)
    gap = inner(at.g, apply(U, action)) - inner(at.g, apply(W, action))
    step.equal("‖Wa − Ua‖² = 2(gᵀUa − gᵀWa)/‖g‖", inner(missed, missed), 2 * gap / norm(at.g))
    skew = step.space.skew("Ω")
    step.equal("gᵀUΩa, the differential", inner(at.g, apply(U, apply(skew, action))), sympy.Integer(0))


@SECTION.proof(
    "5c",
    "The same for the hindsight goal g = s' − s: one scalar equation gives the whole vector.",
    latex=r"g=s'-s:\quad\|Wa-Ua\|^2=2\,(g^\top Ua-g^\top Wa)",
    source="ours",
    assumptions=("U, W orthogonal",),
)
def _hindsight(step: Derivation) -> None:
    U, W = step.space.orthogonal("U"), step.space.orthogonal("W")
    at = SymbolicTransition(step, GradientFeedback)
    goal = at.following(U) - at.s
    missed = apply(W, at.a) - apply(U, at.a)
    gap = inner(goal, apply(U, at.a)) - inner(goal, apply(W, at.a))
    step.equal("‖Wa − Ua‖² = 2(gᵀUa − gᵀWa)", inner(missed, missed), 2 * gap)


@SECTION.refutation(
    "5d",
    "As implied: enough transitions determine U for DDPG even if they share one goal.",
    latex=r"g^\top Va=g^\top Ua\ \text{for every}\ a\ \Rightarrow\ V=U",
    source="statement of Proposition 1 (upper bound for DDPG)",
    note="A rotation about g is never seen; fewer than d − 1 distinct goals leave one. At d = 2 one goal is enough.",
)
def _one_goal(step: Derivation) -> None:
    U, g, x = step.space.orthogonal("U"), step.space.vector("g", nonzero=True), step.space.vector("x")
    m, n, a = (step.space.vector(name) for name in ("m", "n", "a"))

    def turned(y: Any) -> Any:
        """Two reflections in vectors orthogonal to g: a rotation that leaves g where it is."""
        for v in (m, n):
            normal = v - scale(g, inner(g, v) / inner(g, g))
            y = y - scale(normal, 2 * inner(normal, y) / inner(normal, normal))
        return y

    step.equal(
        "gᵀVa and gᵀUa, V = RU with R = (I − 2nnᵀ)(I − 2mmᵀ), m and n made orthogonal to g",
        inner(g, turned(apply(U, a))),
        inner(g, apply(U, a)),
    )
    step.claimed("Vx and Ux for any x", turned(apply(U, x)), apply(U, x))


# --- 6. orthogonality of the target parameter -------------------------------------------------------------


@SECTION.refutation(
    "6a",
    "As implied: the reduction of the Bellman error holds for any target matrix Ū.",
    latex=r"Q_{\tilde U}-(R+\gamma Q'_{\bar U})=\frac{g^\top(\tilde Ua-Ua)}{1-\gamma},\ \bar U\ \text{any matrix}",
    source="proof of Proposition 1, which uses ŪŪᵀ = I without saying so",
)
def _general_target(step: Derivation) -> None:
    U, online, target = (step.space.matrix(name) for name in ("U", "Ũ", "Ū"))
    at = SymbolicTransition(step, GradientFeedback)
    step.claimed("Q_Ũ − (R + γQ')", at.error(U, online, target), at.reduced(U).bellman_residual(online, at.g))


class _GeneralLinear(GradientFeedback):
    """The optimal value and policy of s' = s + Ua where U is any matrix: ‖Uᵀg‖ stands in the place of ‖g‖."""

    def q_value(self, param: Any, observation: Any, action: Any, goal: Any) -> Any:
        reach = norm(apply_transpose(param, goal))
        following = self.dynamics(param, observation, action)
        return inner(goal, following) / (1 - self.discount) + self.discount * reach / (1 - self.discount) ** 2

    def policy(self, param: Any, observation: Any, goal: Any) -> Any:
        turned = apply_transpose(param, goal)
        return scale(turned, 1 / norm(turned))


@SECTION.proof(
    "6b",
    "As corrected: for a general linear U the optimal value has ‖Uᵀg‖ for ‖g‖, and the target keeps a term in Ū.",
    latex=r"Q_{\tilde U}-(R+\gamma Q')=\frac{g^\top(\tilde Ua-Ua)}{1-\gamma}"
    r"+\frac{\gamma\,(\|\tilde U^\top g\|-\|\bar U^\top g\|)}{(1-\gamma)^2}",
    source="ours",
    assumptions=("Uᵀg, Ũᵀg, Ūᵀg ≠ 0",),
)
def _general_linear(step: Derivation) -> None:
    U, online, target = (step.space.matrix(name) for name in ("U", "Ũ", "Ū"))
    at = SymbolicTransition(step, _GeneralLinear)
    following = at.following(U)
    action = at.construction.policy(U, following, at.g)
    step.equal("It solves its own Bellman equation", at.value(U), at.backup(following, U, action))
    reach, wanted = norm(apply_transpose(online, at.g)), norm(apply_transpose(target, at.g))
    missed = inner(at.g, apply(online, at.a)) - inner(at.g, apply(U, at.a))
    step.equal(
        "Q_Ũ − (R + γQ')",
        at.error(U, online, target),
        missed / (1 - GAMMA) + GAMMA * (reach - wanted) / (1 - GAMMA) ** 2,
    )


# --- 7. whether descent finds the minimiser ---------------------------------------------------------------


@SECTION.check(
    "7a",
    "As implied: descent on DDPG's loss ends at U once the data determine U.",
    kind=EvidenceKind.CERTIFICATE,
    method="d = 2, N = 2 = D + 1: the loss on the circle of rotations, sign changes of its derivative in rationals",
    latex=r"\nabla L(V)=0,\ \nabla^2L(V)\succ0\ \Rightarrow\ V=U",
    source="never discussed in the paper",
    expected=Truth.FALSE,
)
def _descent(settings: CheckSettings) -> Finding:
    # A rotation by θ with t = tan(θ/2); gᵀR(θ)a = |g||a| cos(θ − φ) for some φ. U is θ = 0.
    t = sympy.Symbol("t", real=True)
    cosine, sine = (1 - t**2) / (1 + t**2), 2 * t / (1 + t**2)
    directions = [(sympy.Rational(3, 5), sympy.Rational(4, 5)), (sympy.Rational(4, 5), sympy.Rational(3, 5))]
    loss = sum((c * cosine + s * sine - c) ** 2 for c, s in directions)
    slope, _ = sympy.fraction(sympy.together(sympy.diff(loss, t)))
    roots = sympy.Poly(slope, t).intervals(eps=sympy.Rational(1, 1000))
    for (low, high), multiplicity in roots:
        if multiplicity != 1 or low <= 0 <= high:
            continue
        before, after = (sympy.diff(loss, t).subs(t, end) for end in (low, high))
        if before < 0 < after:
            # Between two rational points at which the loss falls and rises there is a local minimum; there it is
            # larger than 0 because 0 is taken at t = 0 only.
            zeros = sympy.Poly(sympy.fraction(sympy.together(loss))[0], t).count_roots(low, high)
            assert zeros == 0, "the minimum should not be a zero of the loss"
            at = loss.subs(t, (low + high) / 2)
            return Finding(
                Truth.FALSE,
                "d = 2",
                (f"gᵀR(θ)a = cos(θ − φ) with (cos φ, sin φ) = {directions}; U is θ = 0, and t = tan(θ/2)",),
                counterexample=f"d = 2, N = 2: a local minimum at {low} < t < {high}, with loss {float(at):.4f} and "
                f"slopes {float(before):.2g} and {float(after):.2g} at the ends; the loss has no zero there",
            )
    return Finding(Truth.TRUE, "one pair of transitions")


@SECTION.proof(
    "7b",
    "As corrected: besides U, the goal-gradient loss has only strict saddles on SO(d) once N ≥ d − 1.",
    latex=r"L(Ue^{t\Omega_{ij}}\mathrm{diag}(\varepsilon))''(0)\propto\varepsilon_i\lambda_i+\varepsilon_j\lambda_j<0",
    source="ours",
    assumptions=("Σ aaᵀ has distinct eigenvalues λ (generic), at most one of them 0",),
    dims=(2, 3, 4),
    reflections=False,
)
def _strict_saddles(step: Derivation) -> None:
    # e, f: two eigenvectors of A = Σ aaᵀ; W = UᵀV. All that is needed of A are inner products of one plane.
    space = step.space
    W, a = space.orthogonal("W"), space.vector("a")
    missed = apply(W, a) - a
    step.equal("‖Va − Ua‖² with V = UW", inner(missed, missed), 2 * inner(a, a) - 2 * inner(a, apply(W, a)))
    step.remark(
        "By hand: so the loss is a constant minus 2 tr(WA), A = Σ aaᵀ, and at a critical point WA is symmetric."
    )
    step.remark("By hand: then (WA)² = A², and with distinct eigenvalues W is diag(ε) in A's eigenbasis, ε = ±1;")
    step.remark("By hand: det W = 1 makes the number of −1 even, so W ≠ I has two of them, ε_i = ε_j = −1.")
    t = sympy.Symbol("t", real=True)
    li, lj = sympy.symbols("λ_i λ_j", nonnegative=True)
    plane = sympy.Matrix([[sympy.cos(t), -sympy.sin(t)], [sympy.sin(t), sympy.cos(t)]])
    trace = -(plane * sympy.diag(-1, -1) * sympy.diag(li, lj)).trace()
    step.equal("d²/dt² of −tr(WA), turning the plane (i, j)", sympy.diff(trace, t, 2).subs(t, 0), -(li + lj))
    step.remark("which is < 0, because at most one eigenvalue is 0: a strict saddle (or a maximum), never a minimum.")


# --- 8. the goal 0 ----------------------------------------------------------------------------------------


@SECTION.check(
    "8a",
    "As printed: (23) has a goal gradient, and (24) a value, at every goal.",
    kind=EvidenceKind.CERTIFICATE,
    method="one-sided derivatives of (23) at g = 0, d = 2",
    latex=r"\nabla_gQ^*(s,a,0)\ \text{exists}",
    source="(23), (24)",
    expected=Truth.FALSE,
)
def _goal_zero(settings: CheckSettings) -> Finding:
    construction = GradientFeedback(2, sympy.Rational(1, 2))
    t = sympy.Symbol("t", real=True)
    state, action, U = sympy.zeros(2, 1), sympy.zeros(2, 1), sympy.eye(2)
    value = construction.q_value(U, state, action, sympy.Matrix([t, 0]))
    slopes = [sympy.limit((value - value.subs(t, 0)) / t, t, 0, side) for side in "+-"]
    if slopes[0] == slopes[1]:
        return Finding(Truth.TRUE, "d = 2")
    policies = [sympy.limit(construction.policy(U, state, sympy.Matrix([t, 0]))[0], t, 0, side) for side in "+-"]
    return Finding(
        Truth.FALSE,
        "d = 2",
        counterexample=f"d = 2, γ = 1/2, s = a = 0, g = (t, 0): dQ/dt is {slopes[0]} for t → 0+ and {slopes[1]} for "
        f"t → 0−, and the policy's first coordinate {policies[0]} and {policies[1]}",
    )


@SECTION.proof(
    "8b",
    "As corrected: at g ≠ 0, almost everywhere, the goal gradient of (23) is (s + Ua)/(1−γ) + γg/(‖g‖(1−γ)²).",
    latex=r"\nabla_gQ^*=\frac{s+Ua}{1-\gamma}+\frac{\gamma}{(1-\gamma)^2}\,\frac{g}{\|g\|}",
    source="(23)",
    assumptions=("g ≠ 0",),
)
def _goal_not_zero(step: Derivation) -> None:
    U = step.space.matrix("U")
    at = SymbolicTransition(step, GradientFeedback)
    expected = scale(at.s + apply(U, at.a), 1 / (1 - GAMMA)) + scale(at.g, GAMMA / (norm(at.g) * (1 - GAMMA) ** 2))
    step.equal("∇_g Q*", step.space.goal_gradient(at.value(U), at.g), expected)


# --- 9. the absorbing state of Proposition 2 --------------------------------------------------------------


def _absorbed(step: Derivation) -> SymbolicTransition:
    return SymbolicTransition(step, NoRewardGradient, step.space.pair(step.space.zero(), step.space.zero()))


@SECTION.refutation(
    "9a",
    "As printed: (25) is the value at s = (0, 0) too.",
    latex=r"Q^*((0,0),a,g)=0",
    source="(25)",
    note="Likewise where s¹ + Ua = 0: the next state is (0, 0). Both are null sets.",
)
def _value_at_zero(step: Derivation) -> None:
    at = _absorbed(step)
    step.claimed("(25) at s = (0, 0) is the value, 0", at.value(step.space.matrix("U")), sympy.Integer(0))


@SECTION.proof(
    "9b",
    "As corrected: (0, 0) is absorbing and pays 0 for ever, so its value is 0; s¹ + Ua = 0 leads to it in one step.",
    latex=r"f((0,0),a)=(0,0),\qquad R((0,0),g)=0",
    source="definition of the dynamics of Proposition 2",
)
def _absorbing(step: Derivation) -> None:
    at, U = _absorbed(step), step.space.matrix("U")
    following = at.following(U)
    step.equal("the state after (0, 0)", following, at.s)
    step.equal("its reward", at.construction.reward(following, at.g), sympy.Integer(0))
    a = step.space.vector("a")
    state = step.space.pair(-apply(U, a), step.space.vector("s²"))
    step.equal("the state after s¹ = −Ua", at.construction.dynamics(U, state, a), at.s)


# --- 10. what the buffer contains -------------------------------------------------------------------------


@SECTION.check(
    "10a",
    "As implied: with fewer than D + 1 transitions no learner can know U from DDPG's buffer.",
    kind=EvidenceKind.CERTIFICATE,
    method="two transitions in d = 3: the rotation is computed from s' − s, exactly",
    latex=r"N=d-1=2,\ d=3:\quad (s_i,a_i,s'_i)_{i\le N}\ \text{does not determine}\ U",
    source="discussion of Propositions 1 and 2",
    expected=Truth.FALSE,
)
def _data_differ(settings: CheckSettings) -> Finding:
    construction = GradientFeedback(3, sympy.Rational(1, 2))
    U = cayley(sympy.Matrix([[0, 1, 2], [-1, 0, sympy.Rational(1, 2)], [-2, -sympy.Rational(1, 2), 0]]))
    states = [sympy.Matrix([1, 0, 2]), sympy.Matrix([0, -1, 1])]
    actions = [sympy.Matrix([1, 2, 2]) / 3, sympy.Matrix([2, -2, 1]) / 3]
    moved = [construction.dynamics(U, s, a) - s for s, a in zip(states, actions, strict=True)]
    # A rotation keeps cross products, so two images give a third.
    before, after = (sympy.Matrix.hstack(*pair, pair[0].cross(pair[1])) for pair in (actions, moved))
    found = after * before.inv()
    if found != U:
        return Finding(Truth.TRUE, "d = 3")
    text = f"d = 3, U = {U.tolist()}, actions {[tuple(a) for a in actions]}: the two displacements s' − s give back U, "
    return Finding(Truth.FALSE, "d = 3", counterexample=text + "where D + 1 = 4")


@SECTION.proof(
    "10b",
    "As corrected: both buffers hold s', and so Ua: a model-based learner needs no more than ReenGAGE. "
    "The propositions separate losses, not data.",
    latex=r"s'-s=Ua,\qquad s'^2-s^1=Ua",
    source="ours",
)
def _data_equal(step: Derivation) -> None:
    U = step.space.matrix("U")
    for name, at in _informative_transitions(step):
        following = at.following(U)
        moved = split(following)[1] - split(at.s)[0] if name == "Proposition 2" else following - at.s
        step.equal(f"{name}: what a transition shows of U", moved, apply(U, at.a))


# --- 11. the gate of the released code, and the weight ----------------------------------------------------


def _gate_check(rewards: tuple[int, int], expected_where: int) -> Finding:
    """Compare the gate −R with "the reward is the one of an unreached goal" on two reward levels."""
    for reward in rewards:
        gate, wanted = -reward, int(reward == expected_where)
        if gate != wanted:
            return Finding(
                Truth.FALSE,
                f"rewards {rewards}",
                counterexample=f"rewards in {set(rewards)}, R = {reward}: the gate −R is {gate}, not {wanted}",
            )
    return Finding(Truth.TRUE, f"rewards in {{{rewards[0]}, {rewards[1]}}}")


@SECTION.check(
    "11a",
    "In the released code the gradient term is weighted by −R: right for every sparse reward.",
    kind=EvidenceKind.CERTIFICATE,
    method="the weight on both reward levels of {0, 1}, where 0 is an unreached goal",
    latex=r"-R=\mathbf 1[\text{goal not reached}],\ R\in\{0,1\}",
    source="authors' released code, as reported to us",
    expected=Truth.FALSE,
)
def _gate_general(settings: CheckSettings) -> Finding:
    return _gate_check((0, 1), expected_where=0)


@SECTION.check(
    "11b",
    "It is right for rewards in {−1, 0}, the paper's.",
    kind=EvidenceKind.CERTIFICATE,
    method="the weight on both reward levels",
    latex=r"-R=\mathbf 1[\text{goal not reached}],\ R\in\{-1,0\}",
    source="authors' released code, as reported to us",
)
def _gate_paper(settings: CheckSettings) -> Finding:
    return _gate_check((-1, 0), expected_where=-1)


@SECTION.proof(
    "11c",
    "A weight c of the mean over goal coordinates is the paper's α = c/d of their sum: its labels “α/d” are c.",
    latex=r"c\cdot\frac1d\sum_i e_i^2=\frac cd\,\|e\|^2",
    source="(8) and the labels of the paper's figures",
)
def _weight(step: Derivation) -> None:
    c, d = sympy.symbols("c d", positive=True)
    e = step.space.vector("e")
    step.equal("c times the mean and (c/d) times the sum", c * (inner(e, e) / d), (c / d) * inner(e, e))


# --- 12 and 13. the appendix's formulas for discrete actions and goal sets --------------------------------

SECTION.refutation(
    "12a",
    "As printed: (32) and (33) put γ in front of SoftQTarget, whose definition (31) already contains R and γ.",
    latex=r"Q^*=\gamma\,\mathrm{SoftQTarget},\quad"
    r"\mathrm{SoftQTarget}=R+\gamma\sum_a\mathrm{softmax}(Q'/\tau)_aQ'_a",
    source="(31)–(33)",
    note="Where R is constant the true value is R/(1−γ) for every action, whatever τ is.",
)(double_discount_as_printed)

SECTION.proof(
    "12b",
    "As corrected: the target is SoftQTarget itself; the true value of constant rewards has no error against it.",
    latex=r"Q^*=\mathrm{SoftQTarget}",
    source="(31)–(33), corrected",
    assumptions=("constant rewards, for which every policy is optimal", "τ > 0", "0 ≤ γ < 1"),
)(double_discount_corrected)

SECTION.refutation(
    "13a",
    "As printed in the middle of (39): the reward's gate gradient is b_i R_item.",
    latex=r"R=\sum_ib_i^2R_{\mathrm{item}}(s',g_i)\ \Rightarrow\ \partial R/\partial b_i=b_iR_{\mathrm{item}}(s',g_i)",
    source="(39)",
)(reward_gate_gradient_as_printed)

SECTION.proof(
    "13b",
    "As corrected: it is 2 b_i R_item, and so 2 R_item where b_i = 1, which (39) goes on to use.",
    latex=r"\partial R/\partial b_i=2b_iR_{\mathrm{item}}(s',g_i)",
    source="(39), corrected; for any number of goals G.6",
)(reward_gate_gradient_corrected)
