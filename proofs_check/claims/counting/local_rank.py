"""Local identifiability: the differential of the losses and its rank, and what Proposition 2 makes of both."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import sympy

from proofs_check import theory as counts
from proofs_check.claim import CheckSettings, Evidence, EvidenceKind, Finding, Truth
from proofs_check.claims.counting.certificates import assert_predicted, count_unseen, rotation_and_goals
from proofs_check.claims.counting.section import (
    CERTIFICATE,
    DIMS,
    GENERIC,
    LOWER_BOUND,
    SECTION,
    SHARPER,
    assert_same,
    covered,
    generator,
)
from proofs_check.exact import rank as er
from proofs_check.proving.derivation import Derivation
from proofs_check.proving.transition import GAMMA
from toyenvs.algebra import apply, inner, join, scale
from toyenvs.constructions import Construction, GradientFeedback, NoRewardGradient

# --- the differential of the losses -------------------------------------------------------------------------


@SECTION.proof(
    "1",
    "Proposition 1: along UΩ, Ω skew, the Bellman residual changes by gᵀUΩa/(1−γ) and its goal gradient by UΩa/(1−γ).",
    latex=r"\mathrm dE(U)[U\Omega]=\frac{g^\top U\Omega a}{1-\gamma},\qquad"
    r"\mathrm d(\nabla_gE)(U)[U\Omega]=\frac{U\Omega a}{1-\gamma}",
    source="reduced residuals of Proposition 1",
    assumptions=("UΩ, Ω skew: the tangent vectors of SO(d) and O(d) at U",),
)
def _differential(step: Derivation) -> None:
    _differentials(step, GradientFeedback(2, GAMMA), step.space.vector("s"), 1 / (1 - GAMMA))


def _differentials(step: Derivation, construction: Construction, state: Any, weight: Any) -> None:
    space = step.space
    U, omega, a, g = space.orthogonal("U"), space.skew("Ω"), space.vector("a"), space.vector("g")
    residuals = construction.reduced_residuals(state, a, construction.dynamics(U, state, a))
    if residuals is None:
        raise RuntimeError(f"{construction.name} has no reduced residuals")
    moved, turned = U + U @ omega, apply(U, apply(omega, a))
    step.equal(
        "Bellman residual at U + UΩ minus at U",
        residuals.bellman_residual(moved, g) - residuals.bellman_residual(U, g),
        inner(g, turned) * weight,
    )
    step.equal(
        "Its goal gradient at U + UΩ minus at U",
        residuals.goal_gradient_residual(moved) - residuals.goal_gradient_residual(U),
        scale(turned, weight),
    )


@SECTION.proof(
    "2",
    "Proposition 2: the same with γ/(1−γ²) where s¹ ≠ 0, and nothing where s¹ = 0.",
    latex=r"\mathrm dE(U)[U\Omega]=\frac{\gamma\,g^\top U\Omega a}{1-\gamma^2}\ (s^1\ne0),\quad 0\ (s^1=0)",
    source="reduced residuals of Proposition 2",
    assumptions=("UΩ, Ω skew: the tangent vectors of SO(d) and O(d) at U",),
)
def _delayed_differential(step: Derivation) -> None:
    construction = NoRewardGradient(2, GAMMA)
    second = step.space.vector("s2")
    acting = join(step.space.vector("s1", nonzero=True), second)
    _differentials(step, construction, acting, GAMMA / (1 - GAMMA**2))
    step.remark("and where s¹ = 0:")
    _differentials(step, construction, join(step.space.zero(), second), sympy.Integer(0))


@SECTION.proof(
    "3",
    "What no transition sees: Ω = bcᵀ − cbᵀ has Ωa = 0 for b, c ⊥ a; and w∧w' + w'∧w = 0.",
    latex=r"(bc^\top-cb^\top)a=0\ (b,c\perp a),\qquad w^\top\Omega w'+w'^\top\Omega w=0",
    source=SHARPER,
    assumptions=("a ≠ 0", "Ω skew"),
    note="Upper bounds of the ranks. By hand: N vectors of rank r leave d − r independent b, so C(d − r, 2) "
    "independent Ω. C.6, C.9, C.11 and C.15 count them at their points.",
)
def _unseen(step: Derivation) -> None:
    a, b, c = (step.space.vector(name, nonzero=True) for name in "abc")
    x, y, omega = step.space.vector("x"), step.space.vector("y"), step.space.skew("Ω")

    def across(v: Any) -> Any:
        return v - scale(a, inner(v, a) / inner(a, a))

    def turned(first: Any, second: Any, v: Any) -> Any:
        return scale(first, inner(second, v)) - scale(second, inner(first, v))

    step.equal("bcᵀ − cbᵀ is skew: ⟨x, Ωy⟩ = −⟨Ωx, y⟩", inner(x, turned(b, c, y)), -inner(turned(b, c, x), y))
    step.equal("The part of b across a is orthogonal to a", inner(across(b), a), sympy.Integer(0))
    step.equal("Ωa for the parts of b and c across a", turned(across(b), across(c), a), step.space.zero())
    step.equal("wᵀΩw' + w'ᵀΩw", inner(x, apply(omega, y)) + inner(y, apply(omega, x)), sympy.Integer(0))


def _counted_one_by_one(settings: CheckSettings) -> Finding:
    """The same numbers by listing pairs and rows."""
    for dim in range(2, 31):
        pairs = list(combinations(range(dim), 2))
        assert_same(counts.rotation_dimension(dim), len(pairs), f"d = {dim}: pairs")
        for r in range(dim + 1):
            seen = sum(first < r for first, _ in pairs)
            assert_same(counts.reengage_local_rank(dim, r), seen, f"d = {dim}, r = {r}: pairs that meet the first r")
            frames = sum(dim - 1 - row for row in range(r))
            assert_same(counts.reengage_local_rank(dim, r), frames, f"d = {dim}, r = {r}: rows of the staircase")
    return Finding(Truth.TRUE, "d = 2 … 30, all r", ("pairs i < j with i < r, and d − 1, d − 2, … rows, are so many",))


@SECTION.check(
    "4",
    "The counts are one: D less the unseen C(d − r, 2) is d·r − r(r+1)/2, and so are the dimensions of the classes.",
    kind=EvidenceKind.SYMBOLIC,
    method="polynomial identities in symbols d, r, p, b",
    latex=r"\tfrac{d(d-1)}2-\tbinom{d-r}2=dr-\tfrac{r(r+1)}2",
    source=SHARPER,
    also=[
        Evidence(
            CERTIFICATE, "the formulas that are run, against pairs and rows listed one by one", _counted_one_by_one
        )
    ],
)
def _identities(settings: CheckSettings) -> Finding:
    d, r, p, b = sympy.symbols("d r p b")
    rotations = d * (d - 1) / 2
    both = r + d - d  # dimension of the intersection of an r-dimensional subspace with the whole space
    identities = [
        ("D − C(d−r, 2) = dr − r(r+1)/2", rotations - (d - r) * (d - r - 1) / 2, d * r - r * (r + 1) / 2),
        ("dr − r(r+1)/2 at r = d − 1 is D", (d * r - r * (r + 1) / 2).subs(r, d - 1), rotations),
        ("and at r = d too", (d * r - r * (r + 1) / 2).subs(r, d), rotations),
        ("r goals shared by d transitions: r·d − r(r+1)/2", r * d - both * (both + 1) / 2, d * r - r * (r + 1) / 2),
        (
            "rows of the staircase: Σ_{n<r} (d − 1 − n)",
            sympy.summation(d - 1 - p, (p, 0, r - 1)),
            d * r - r * (r + 1) / 2,
        ),
        ("D/(d − 1) = d/2, so K > d/2 relabels need d − 1 transitions only", rotations / (d - 1), d / 2),
        ("block-diagonal rotations, SO(b): (d/b)·b(b−1)/2 = d(b−1)/2", (d / b) * b * (b - 1) / 2, d * (b - 1) / 2),
        ("rank p: d² − (d − p)² = p(2d − p)", d**2 - (d - p) ** 2, p * (2 * d - p)),
        ("U(d/2): skew and symmetric halves add up to d²/4", *_unitary_dimension(d)),
    ]
    for text, left, right in identities:
        assert sympy.simplify(left - right) == 0, f"{text} fails: the difference is {sympy.simplify(left - right)}"
    return Finding(Truth.TRUE, "every d, r, p, b", tuple(text for text, _, _ in identities))


def _unitary_dimension(d: Any) -> tuple[Any, Any]:
    m = d / 2
    return m * (m - 1) / 2 + m * (m + 1) / 2, d**2 / 4


_JACOBIAN_DIMS, _DOUBLING_DIMS = range(2, 7), range(2, 6)
"""Of C.7 and C.22."""

# --- its rank -----------------------------------------------------------------------------------------------


def _large_dims(settings: CheckSettings) -> list[int]:
    """The powers of two beyond :data:`DIMS` up to the largest d, and that d itself."""
    largest = settings.max_dim
    powers = {2**k for k in range(largest.bit_length()) if DIMS[-1] < 2**k <= largest}
    return sorted(powers | ({largest} if largest > DIMS[-1] else set()))


@SECTION.check(
    "5",
    "DDPG, local: N transitions with goals of their own have a differential of rank min(N, D).",
    kind=CERTIFICATE,
    method=f"{LOWER_BOUND}; no matrix N×D has more",
    latex=r"\operatorname{rank}\bigl(\Omega\mapsto(g_i^\top U\Omega a_i)_{i\le N}\bigr)=\min(N,D)",
    source=SHARPER,
    assumptions=GENERIC,
)
def _ddpg_rank(settings: CheckSettings) -> Finding:
    steps, cases, visited = [], 0, []
    for dim in DIMS:
        size = counts.rotation_dimension(dim)
        _, pulled, actions = rotation_and_goals(settings, dim, size + 2, 5)
        found = er.leading_ranks(er.wedge_rows(pulled, actions))
        predicted = [counts.ddpg_local_rank(dim, num) for num in range(size + 3)]
        assert_same(found, predicted, f"d = {dim}, ranks for N = 0 … D + 2")
        cases += len(found)
        visited.append(dim)
        steps.append(f"d = {dim}: ranks for N = 0 … {size + 2} are min(N, {size})")
    for dim in _large_dims(settings):
        size = counts.rotation_dimension(dim)
        _, pulled, actions = rotation_and_goals(settings, dim, size, 5)
        assert_same(er.rank(er.wedge_rows(pulled, actions)), size, f"d = {dim}, N = D")
        visited.append(dim)
        steps.append(f"d = {dim}: rank {size} at N = D = {size}, so every N rows of these are independent")
    return Finding(Truth.TRUE, f"{covered(visited, [*DIMS, *_large_dims(settings)])}; {cases} cases", tuple(steps))


@SECTION.check(
    "6",
    "ReenGAGE, local: N transitions have a differential of rank d·r − r(r+1)/2 with r = min(N, d).",
    kind=CERTIFICATE,
    method=f"{LOWER_BOUND}; integer kernel vectors bcᵀ − cbᵀ (upper bound)",
    latex=r"\operatorname{rank}\bigl(\Omega\mapsto(U\Omega a_i)_{i\le N}\bigr)=dr-\tfrac{r(r+1)}2,\quad r=\min(N,d)",
    source=SHARPER,
    assumptions=GENERIC,
    note="The upper bound holds at every point, by C.3; at these points the kernel vectors were multiplied out.",
)
def _reengage_rank(settings: CheckSettings) -> Finding:
    steps, cases, visited = [], 0, []
    for dim in DIMS:
        size = counts.rotation_dimension(dim)
        U, _, actions = rotation_and_goals(settings, dim, dim + 2, 6)
        rows = er.gradient_rows(U, actions)
        found = er.leading_ranks(rows.reshape(-1, size))[::dim]
        for num, rank in enumerate(found):
            where = f"d = {dim}, N = {num}"
            assert_same(rank, counts.reengage_local_rank(dim, num), where)
            unseen = count_unseen(actions[:num], rows[:num].reshape(-1, size), where)
            assert_same(size - unseen, rank, f"{where}, D less the kernel vectors")
        cases += len(found)
        visited.append(dim)
        steps.append(f"d = {dim}: ranks for N = 0 … {dim + 2} are {found}, each {size} less the kernel vectors found")
    for dim in _large_dims(settings):
        size = counts.rotation_dimension(dim)
        U, _, actions = rotation_and_goals(settings, dim, dim, 6)
        assert_same(er.rank(er.staircase(U, actions[: dim - 1])), size, f"d = {dim}, rank of the staircase")
        for num in (dim - 2, dim - 1, dim):
            unseen = count_unseen(actions[:num], er.gradient_rows(U, actions[:1])[0], f"d = {dim}, N = {num}")
            assert_same(size - unseen, counts.reengage_local_rank(dim, num), f"d = {dim}, N = {num}, upper bound")
        visited.append(dim)
        steps.append(
            f"d = {dim}: d − 1, d − 2, …, 1 rows of the first, second, … transition, {size} in all, are independent: "
            f"rank ≥ dN − N(N+1)/2 for every N < d; kernel vectors at N = d − 2: 1, at d − 1 and d: 0"
        )
    return Finding(Truth.TRUE, f"{covered(visited, [*DIMS, *_large_dims(settings)])}; {cases} cases", tuple(steps))


@SECTION.check(
    "7",
    "The rows of these matrices are the Jacobian of the residuals that learners run, in both propositions.",
    kind=CERTIFICATE,
    method="differences of the reduced residuals over Q against the formula of the rows, entry by entry",
    latex=r"E(U+U\Omega_{ij})-E(U)=w\,(h_ia_j-h_ja_i),\quad h=U^\top g",
    source="reduced residuals of Propositions 1 and 2",
)
def _code_jacobian(settings: CheckSettings) -> Finding:
    half, steps, entries, visited = sympy.Rational(1, 2), [], 0, []
    for dim in _JACOBIAN_DIMS:
        num = counts.rotation_dimension(dim) + 1
        rng = generator(settings, dim, 7)
        skew = er.random_skew(rng, dim)
        goals, actions = er.draw_vectors(rng, num, dim), er.draw_vectors(rng, num, dim)
        U, U_residues = er.rational_rotation(skew), er.rotation(skew)
        wedges = er.wedge_rows(er.product(goals, U_residues), actions)
        vectors = er.gradient_rows(U_residues, actions)
        for construction, weight in (
            (GradientFeedback(dim, half), 2),
            (NoRewardGradient(dim, half), sympy.Rational(2, 3)),
        ):
            observations = er.rationals(er.draw_vectors(rng, num, construction.observation_dim))
            found = er.learner_rows(construction, U, observations, er.rationals(actions), er.rationals(goals))
            factor = int(er.reduced(np.array([weight], dtype=object))[0])
            for rows, direct in zip(found, (wedges, vectors), strict=True):
                scaled = direct.astype(object) * factor % er.MODULUS
                assert (er.reduced(rows) == scaled).all(), f"d = {dim}, {construction.name}: the rows differ"
                entries += rows.size
            visited.append((dim, construction.name))
            assert_same(er.rank(er.reduced(found[0])), num - 1, f"d = {dim}, {construction.name}, N = D + 1: rank")
        steps.append(f"d = {dim}: Bellman and goal-gradient rows of {num} transitions agree, rank {num - 1}")
    intended = [(dim, name) for dim in _JACOBIAN_DIMS for name in ("gradient-feedback", "no-reward-gradient")]
    return Finding(Truth.TRUE, f"{covered(visited, intended)}, γ = 1/2, {entries} entries", tuple(steps))


# --- Proposition 2 ------------------------------------------------------------------------------------------


@SECTION.check(
    "22",
    "Proposition 2 doubles every count: of N successive transitions ⌈N/2⌉ (⌊N/2⌋ from s¹ = 0) have rows other than 0.",
    kind=CERTIFICATE,
    method="Jacobian over Q of the learners' residuals along trajectories of the construction; ranks modulo 2^61 − 1",
    latex=r"\operatorname{rank}=\min\bigl(\lceil N/2\rceil,D\bigr),\qquad N^*=2k-1\ \text{where Proposition 1 has }k",
    source=SHARPER,
    assumptions=GENERIC,
    note="Ranks are certified. By hand: by C.2 the informative rows are those of Proposition 1 up to a factor other "
    "than 0, so what k transitions determine there globally, k informative ones determine here.",
)
def _doubling(settings: CheckSettings) -> Finding:
    steps, visited = [], []
    for dim in _DOUBLING_DIMS:
        construction = NoRewardGradient(dim, sympy.Rational(1, 2))
        size = counts.rotation_dimension(dim)
        num = 2 * size + 2
        rng = generator(settings, dim, 22)
        U = er.rational_rotation(er.random_skew(rng, dim, bound=2))
        goals, actions = er.rationals(er.draw_vectors(rng, num, dim)), er.rationals(er.draw_vectors(rng, num, dim))
        first = er.rationals(er.draw_vectors(rng, 1, dim)[0])
        for start, late in ((construction.initial_observation(first), 0), (join(first * 0, first), 1)):
            states = [start]
            for action in actions[:-1]:
                states.append(construction.dynamics(U, states[-1], action))
            scalars, vectors = er.learner_rows(construction, U, np.array(states), actions, goals)
            informative = [bool((row != 0).any()) for row in scalars]
            assert_same(informative, [place % 2 == late for place in range(num)], f"d = {dim}: informative transitions")
            assert_same(
                [bool((row != 0).any()) for row in vectors],
                informative,
                f"d = {dim}: informative transitions of ReenGAGE",
            )
            found = er.leading_ranks(er.reduced(scalars))
            predicted = [counts.ddpg_local_rank(dim, (n + 1 - late) // 2) for n in range(num + 1)]
            assert_same(found, predicted, f"d = {dim}, s¹ {'=' if late else '≠'} 0 first: ranks of DDPG")
            if not late:
                first_beyond = next(n for n in range(num + 1) if sum(informative[:n]) == size + 1)
                for group in ("so", "o"):
                    threshold = counts.predicted_threshold("no-reward-gradient", group, "ddpg", dim)
                    assert_same(first_beyond, threshold, f"d = {dim}, {group}: N with D + 1 informative transitions")
                    assert_predicted("ddpg", group, dim, sum(informative[:first_beyond]))
            found = er.leading_ranks(er.reduced(vectors).reshape(-1, size))[::dim]
            predicted = [counts.reengage_local_rank(dim, (n + 1 - late) // 2) for n in range(num + 1)]
            assert_same(found, predicted, f"d = {dim}, s¹ {'=' if late else '≠'} 0 first: ranks of ReenGAGE")
            if not late:
                threshold = counts.predicted_threshold("no-reward-gradient", "so", "reengage", dim)
                assert_same(found.index(size), threshold, f"d = {dim}: N with full rank of ReenGAGE")
                assert_predicted("reengage", "so", dim, sum(informative[: found.index(size)]))
            visited.append((dim, late))
        steps.append(f"d = {dim}: {num} transitions from s¹ ≠ 0 and as many from s¹ = 0: ranks and thresholds")
    scope = covered(visited, [(dim, late) for dim in _DOUBLING_DIMS for late in (0, 1)])
    return Finding(Truth.TRUE, f"{scope}, N ≤ 2D + 2, both starts", tuple(steps))
