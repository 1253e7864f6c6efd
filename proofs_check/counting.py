"""How many transitions determine U: every count of the theory, certified in exact arithmetic.

First the differential of the losses (local identifiability: ranks), then their solutions (global identifiability:
other parameters that explain the same data). The formulas stand in :mod:`proofs_check.identifiability`, the ranks are
computed by :mod:`proofs_check.exact_rank`, the solutions counted by :mod:`proofs_check.solution_count`.

A generic statement is certified at random integer points. A point that is not generic by accident, which has a chance
of about one in a thousand for some seed, makes a claim fail; it never makes one pass.

Source: the sharp form of Propositions 1 and 2 of Levine & Feizi, AAAI 2023, which state orders only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import cache
from itertools import combinations, permutations
from typing import Any

import numpy as np
import sympy

from proofs_check import exact_rank as er
from proofs_check import identifiability as counts
from proofs_check.claim import CheckSettings, Evidence, EvidenceKind, Finding, Verdict
from proofs_check.derivation import Derivation
from proofs_check.section import Section
from proofs_check.solution_count import (
    Equations,
    Solutions,
    count_solutions,
    low_rank_line,
    orthogonal_equations,
    random_rotation,
    search_rotations,
)
from toyenvs.algebra import apply, inner, join, scale
from toyenvs.constructions import Construction, GradientFeedback, NoRewardGradient
from toyenvs.hypothesis_classes import SpecialOrthogonal

__all__ = ["SECTION"]

SECTION = Section("C", "Counting: how many transitions determine U")

_DIMS = range(2, 9)
_GENERIC = ("U a rotation", "goals and actions generic and independent of U")
_THEORY = "sharp form of Propositions 1 and 2, which state orders only"
_CERTIFICATE = EvidenceKind.CERTIFICATE
_LOWER = "ranks modulo 2^61 − 1 at a rational point (lower bound)"


def _rng(settings: CheckSettings, *key: int) -> np.random.Generator:
    return np.random.default_rng((settings.seed, *key))


def _large_dims(settings: CheckSettings) -> list[int]:
    return [dim for dim in (16, 32, 64) if dim <= settings.max_dim]


def _same(found: object, predicted: object, where: str) -> None:
    assert found == predicted, f"{where}: computed {found}, formula {predicted}"


def _rationals(integers: er.Integers) -> er.Integers:
    made = np.empty(integers.shape, dtype=object)
    made.ravel()[:] = [sympy.Integer(int(entry)) for entry in integers.ravel()]
    return made


def _rotation_and_goals(
    settings: CheckSettings, dim: int, num: int, *key: int
) -> tuple[er.Residues, er.Residues, er.Residues]:
    """A rotation, the pulled-back goals Uᵀg of ``num`` integer goals, and as many actions."""
    rng = _rng(settings, dim, *key)
    U = er.rotation(er.random_skew(rng, dim))
    pulled = er.product(er.draw_vectors(rng, num, dim), U)
    return U, pulled, er.draw_vectors(rng, num, dim)


# --- the differential of the losses ------------------------------------------------------------------------


@SECTION.proof(
    "1",
    "Proposition 1: along UΩ, Ω skew, the Bellman residual changes by gᵀUΩa/(1−γ) and its goal gradient by UΩa/(1−γ).",
    latex=r"\mathrm dE(U)[U\Omega]=\frac{g^\top U\Omega a}{1-\gamma},\qquad"
    r"\mathrm d(\nabla_gE)(U)[U\Omega]=\frac{U\Omega a}{1-\gamma}",
    source="reduced residuals of Proposition 1",
    assumptions=("UΩ, Ω skew: the tangent vectors of SO(d) and O(d) at U",),
)
def _differential(step: Derivation) -> None:
    gamma = sympy.Symbol("γ", positive=True)
    _differentials(step, GradientFeedback(2, gamma), step.space.vector("s"), 1 / (1 - gamma))


def _differentials(step: Derivation, construction: Construction, state: Any, weight: Any) -> None:
    space = step.space
    U, omega, a, g = space.orthogonal("U"), space.skew("Ω"), space.vector("a"), space.vector("g")
    residuals = construction.reduced_residuals(state, a, construction.dynamics(U, state, a))
    assert residuals is not None
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
    gamma = sympy.Symbol("γ", positive=True)
    construction = NoRewardGradient(2, gamma)
    second = step.space.vector("s2")
    acting = join(step.space.vector("s1", nonzero=True), second)
    _differentials(step, construction, acting, gamma / (1 - gamma**2))
    step.remark("and where s¹ = 0:")
    _differentials(step, construction, join(step.space.zero(), second), sympy.Integer(0))


@SECTION.proof(
    "3",
    "What no transition sees: Ω = bcᵀ − cbᵀ has Ωa = 0 for b, c ⊥ a; and w∧w' + w'∧w = 0.",
    latex=r"(bc^\top-cb^\top)a=0\ (b,c\perp a),\qquad w^\top\Omega w'+w'^\top\Omega w=0",
    source=_THEORY,
    assumptions=("a ≠ 0", "Ω skew"),
    note="Upper bounds of the ranks. N vectors of rank r leave d − r independent b, so C(d − r, 2) independent Ω.",
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
        _same(counts.rotation_dimension(dim), len(pairs), f"d = {dim}: pairs")
        for r in range(dim + 1):
            seen = sum(first < r for first, _ in pairs)
            _same(counts.reengage_local_rank(dim, r), seen, f"d = {dim}, r = {r}: pairs that meet the first r")
            frames = sum(dim - 1 - row for row in range(r))
            _same(counts.reengage_local_rank(dim, r), frames, f"d = {dim}, r = {r}: rows of the staircase")
    return Finding(
        Verdict.TRUE, "d = 2 … 30, all r", ("pairs i < j with i < r, and d − 1, d − 2, … rows, are so many",)
    )


@SECTION.check(
    "4",
    "The counts are one: D less the unseen C(d − r, 2) is d·r − r(r+1)/2, and so are the dimensions of the classes.",
    kind=EvidenceKind.SYMBOLIC,
    method="polynomial identities in symbols d, r, p, b",
    latex=r"\tfrac{d(d-1)}2-\tbinom{d-r}2=dr-\tfrac{r(r+1)}2",
    source=_THEORY,
    also=[
        Evidence(
            _CERTIFICATE, "the formulas that are run, against pairs and rows listed one by one", _counted_one_by_one
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
        ("SO(b) blocks: (d/b)·b(b−1)/2 = d(b−1)/2", (d / b) * b * (b - 1) / 2, d * (b - 1) / 2),
        ("rank p: d² − (d − p)² = p(2d − p)", d**2 - (d - p) ** 2, p * (2 * d - p)),
        ("U(d/2): skew and symmetric halves add up to d²/4", *_unitary_dimension(d)),
    ]
    for text, left, right in identities:
        assert sympy.simplify(left - right) == 0, f"{text} fails: the difference is {sympy.simplify(left - right)}"
    return Finding(Verdict.TRUE, "every d, r, p, b", tuple(text for text, _, _ in identities))


def _unitary_dimension(d: Any) -> tuple[Any, Any]:
    m = d / 2
    return m * (m - 1) / 2 + m * (m + 1) / 2, d**2 / 4


# --- local identifiability ---------------------------------------------------------------------------------


@SECTION.check(
    "5",
    "DDPG, local: N transitions with goals of their own have a differential of rank min(N, D).",
    kind=_CERTIFICATE,
    method=f"{_LOWER}; no matrix N×D has more",
    latex=r"\operatorname{rank}\bigl(\Omega\mapsto(g_i^\top U\Omega a_i)_{i\le N}\bigr)=\min(N,D)",
    source=_THEORY,
    assumptions=_GENERIC,
)
def _ddpg_rank(settings: CheckSettings) -> Finding:
    steps, cases = [], 0
    for dim in _DIMS:
        size = counts.rotation_dimension(dim)
        _, pulled, actions = _rotation_and_goals(settings, dim, size + 2, 5)
        found = er.leading_ranks(er.wedge_rows(pulled, actions))
        predicted = [counts.ddpg_local_rank(dim, num) for num in range(size + 3)]
        _same(found, predicted, f"d = {dim}, ranks for N = 0 … D + 2")
        cases += len(found)
        steps.append(f"d = {dim}: ranks for N = 0 … {size + 2} are min(N, {size})")
    for dim in _large_dims(settings):
        size = counts.rotation_dimension(dim)
        _, pulled, actions = _rotation_and_goals(settings, dim, size, 5)
        _same(er.rank(er.wedge_rows(pulled, actions)), size, f"d = {dim}, N = D")
        steps.append(f"d = {dim}: rank {size} at N = D = {size}, so every N rows of these are independent")
    return Finding(Verdict.TRUE, _scope(_DIMS, _large_dims(settings), f"{cases} cases"), tuple(steps))


def _scope(small: Iterable[int], large: Iterable[int], rest: str) -> str:
    listed = list(small)
    more = "".join(f", {dim}" for dim in large)
    return f"d = {listed[0]} … {listed[-1]}{more}; {rest}"


def _unseen_by(actions: er.Integers, rows: er.Integers, where: str) -> int:
    """Count the kernel vectors of C.3 at a point, after checking them there."""
    kernel = er.kernel_vectors(actions)
    if not len(kernel):
        return 0
    for omega in kernel:
        assert not (omega @ actions.T.astype(object)).any(), f"{where}: Ωa ≠ 0 for {omega.tolist()}"
    coordinates = er.wedge_coordinates(kernel)
    assert not er.product(rows, coordinates.T).any(), f"{where}: a row does not annihilate a kernel vector"
    _same(er.rank(coordinates), len(kernel), f"{where}: independent kernel vectors")
    return len(kernel)


@SECTION.check(
    "6",
    "ReenGAGE, local: N transitions have a differential of rank d·r − r(r+1)/2 with r = min(N, d).",
    kind=_CERTIFICATE,
    method=f"{_LOWER}; integer kernel vectors bcᵀ − cbᵀ (upper bound)",
    latex=r"\operatorname{rank}\bigl(\Omega\mapsto(U\Omega a_i)_{i\le N}\bigr)=dr-\tfrac{r(r+1)}2,\quad r=\min(N,d)",
    source=_THEORY,
    assumptions=_GENERIC,
    note="The upper bound holds at every point, by C.3; at these points the kernel vectors were multiplied out.",
)
def _reengage_rank(settings: CheckSettings) -> Finding:
    steps, cases = [], 0
    for dim in _DIMS:
        size = counts.rotation_dimension(dim)
        U, _, actions = _rotation_and_goals(settings, dim, dim + 2, 6)
        rows = er.gradient_rows(U, actions)
        found = er.leading_ranks(rows.reshape(-1, size))[::dim]
        for num, rank in enumerate(found):
            where = f"d = {dim}, N = {num}"
            _same(rank, counts.reengage_local_rank(dim, num), where)
            unseen = _unseen_by(actions[:num], rows[:num].reshape(-1, size), where)
            _same(size - unseen, rank, f"{where}, D less the kernel vectors")
        cases += len(found)
        steps.append(f"d = {dim}: ranks for N = 0 … {dim + 2} are {found}, and so many kernel vectors lack to {size}")
    for dim in _large_dims(settings):
        size = counts.rotation_dimension(dim)
        U, _, actions = _rotation_and_goals(settings, dim, dim, 6)
        _same(er.rank(er.staircase(U, actions[: dim - 1])), size, f"d = {dim}, rank of the staircase")
        for num in (dim - 2, dim - 1, dim):
            unseen = _unseen_by(actions[:num], er.gradient_rows(U, actions[:1])[0], f"d = {dim}, N = {num}")
            _same(size - unseen, counts.reengage_local_rank(dim, num), f"d = {dim}, N = {num}, upper bound")
        steps.append(
            f"d = {dim}: d − 1, d − 2, …, 1 rows of the first, second, … transition, {size} in all, are independent: "
            f"rank ≥ dN − N(N+1)/2 for every N < d; kernel vectors at N = d − 2: 1, at d − 1 and d: 0"
        )
    return Finding(Verdict.TRUE, _scope(_DIMS, _large_dims(settings), f"{cases} cases"), tuple(steps))


@SECTION.check(
    "7",
    "The rows of these matrices are the Jacobian of the residuals that learners run, in both propositions.",
    kind=_CERTIFICATE,
    method="differences of the reduced residuals over Q against the formula of the rows, entry by entry",
    latex=r"E(U+U\Omega_{ij})-E(U)=w\,(h_ia_j-h_ja_i),\quad h=U^\top g",
    source="reduced residuals of Propositions 1 and 2",
)
def _code_jacobian(settings: CheckSettings) -> Finding:
    half, steps, entries = sympy.Rational(1, 2), [], 0
    for dim in range(2, 7):
        num = counts.rotation_dimension(dim) + 1
        rng = _rng(settings, dim, 7)
        skew = er.random_skew(rng, dim)
        goals, actions = er.draw_vectors(rng, num, dim), er.draw_vectors(rng, num, dim)
        U, U_residues = er.rational_rotation(skew), er.rotation(skew)
        wedges = er.wedge_rows(er.product(goals, U_residues), actions)
        vectors = er.gradient_rows(U_residues, actions)
        for construction, weight in (
            (GradientFeedback(dim, half), 2),
            (NoRewardGradient(dim, half), sympy.Rational(2, 3)),
        ):
            observations = _rationals(er.draw_vectors(rng, num, construction.observation_dim))
            found = er.learner_rows(construction, U, observations, _rationals(actions), _rationals(goals))
            factor = int(er.reduced(np.array([weight], dtype=object))[0])
            for rows, direct in zip(found, (wedges, vectors), strict=True):
                scaled = direct.astype(object) * factor % er.MODULUS
                assert (er.reduced(rows) == scaled).all(), f"d = {dim}, {construction.name}: the rows differ"
                entries += rows.size
            _same(er.rank(er.reduced(found[0])), num - 1, f"d = {dim}, {construction.name}, N = D + 1: rank")
        steps.append(f"d = {dim}: Bellman and goal-gradient rows of {num} transitions agree, rank {num - 1}")
    return Finding(Verdict.TRUE, f"d = 2 … 6, γ = 1/2, {entries} entries", tuple(steps))


# --- explicit other solutions ------------------------------------------------------------------------------


def _reflection(normal: er.Integers) -> er.Integers:
    """I − 2nnᵀ/‖n‖² over Q."""
    n = _rationals(normal)
    return _rationals(np.eye(len(n), dtype=np.int64)) - np.outer(n, n) * (2 / (n @ n))


def _determinant(matrix: er.Integers) -> Any:
    return sympy.Matrix(matrix.tolist()).det(method="domain-ge")


def _assert_rotation(V: er.Integers, U: er.Integers, determinant: int, where: str) -> None:
    identity = _rationals(np.eye(len(V), dtype=np.int64))
    assert not (V @ V.T - identity).any(), f"{where}: not orthogonal"
    _same(_determinant(V), determinant, f"{where}, determinant")
    assert (V != U).any(), f"{where}: it is U"


def _normals(vectors: er.Integers, count: int) -> er.Integers:
    """``count`` integer vectors, independent and orthogonal to the given ones."""
    found = er.integer_nullspace(vectors)
    assert len(found) >= count, f"{len(found)} normals instead of {count}"
    return found


def _other_solutions(settings: CheckSettings) -> Finding:
    steps = []
    for dim in _DIMS:
        rng = _rng(settings, dim, 8)
        U, actions = er.rational_rotation(er.random_skew(rng, dim, bound=2)), er.draw_vectors(rng, dim, dim)
        _same(er.rank(actions), dim, f"d = {dim}, rank of d actions")
        (normal,) = _normals(actions[: dim - 1], 1)
        mirrored = U @ _reflection(normal)
        _assert_rotation(mirrored, U, -1, f"d = {dim}, N = d − 1")
        assert (mirrored @ actions[: dim - 1].T == U @ actions[: dim - 1].T).all(), f"d = {dim}: images differ"
        first, second = _normals(actions[: dim - 2], 2)
        for slope in (1, 2, -3):
            turned = U @ _reflection(first) @ _reflection(first + slope * second)
            _assert_rotation(turned, U, 1, f"d = {dim}, N = d − 2")
            assert (turned @ actions[: dim - 2].T == U @ actions[: dim - 2].T).all(), f"d = {dim}: images differ"
        steps.append(
            f"d = {dim}: U(I − 2nnᵀ), n ⊥ {dim - 1} actions, has their images and determinant −1; the rotations "
            f"U(I − 2bbᵀ)(I − 2vvᵀ), v = b + tc, b, c ⊥ {dim - 2} actions, have theirs"
        )
    return Finding(Verdict.TRUE, "d = 2 … 8", tuple(steps))


@SECTION.proof(
    "8",
    "ReenGAGE, global: d − 1 transitions determine U on SO(d), d on O(d), and no fewer do.",
    latex=r"\{V\in SO(d):Va_i=Ua_i\}=U\cdot SO(d-r),\quad N^*_{SO}=d-1,\ N^*_O=d",
    source="sharp form of Proposition 1 (upper bound for ReenGAGE)",
    assumptions=("actions linearly independent", "U orthogonal"),
    also=[
        Evidence(
            _CERTIFICATE, "rational orthogonal matrices with the same images, one transition short", _other_solutions
        )
    ],
    note="d independent images fix any linear map. The last two remarks of the proof are an argument by hand.",
)
def _reengage_threshold(step: Derivation) -> None:
    W, a, n = step.space.orthogonal("W"), step.space.vector("a"), step.space.vector("n", nonzero=True)
    step.remark("W = UᵀV leaves every action in its place, Wa = a.")
    step.equal("⟨Wn, Wa⟩", inner(apply(W, n), apply(W, a)), inner(n, a))
    step.equal("‖Wn‖²", inner(apply(W, n), apply(W, n)), inner(n, n))
    step.remark("So with n ⊥ a also Wn ⊥ a: W acts on the complement of the actions, orthogonally, as O(d − r).")
    unit = n / sympy.sqrt(inner(n, n))
    mirrored = a - scale(unit, 2 * inner(unit, a))
    step.equal("The reflection I − 2nnᵀ/‖n‖² moves a by", mirrored - a, scale(n, -2 * inner(n, a) / inner(n, n)))
    step.remark("which is 0 for n ⊥ a. With d − 1 actions the complement is the line of n: W is I or that reflection,")
    step.remark("of determinant −1: on SO(d) only U is left, on O(d) both; with d actions the complement is 0.")


# --- relabelled goals and episodes -------------------------------------------------------------------------


def _most(dim: int, scalars: int) -> int:
    """Transitions (or episodes) up to which a grid goes, if each has so many scalars."""
    return max(dim + 2, -(-counts.rotation_dimension(dim) // scalars) + 2)


def _fresh_grid(settings: CheckSettings, dim: int) -> Iterator[tuple[int, list[int]]]:
    """(K, ranks for N = 0, 1, …): K fresh goals a transition, after checking the kernel vectors."""
    size, widest = counts.rotation_dimension(dim), dim + 2
    _, pulled, _ = _rotation_and_goals(settings, dim, _most(dim, 1) * widest, 9)
    pulled = pulled.reshape(-1, widest, dim)
    actions = er.draw_vectors(_rng(settings, dim, 9, 1), len(pulled), dim)
    rows = er.wedge_rows(pulled, actions[:, None])
    for num in range(dim):
        where = f"d = {dim}, N = {num}"
        unseen = _unseen_by(actions[:num], rows[:num].reshape(-1, size), where)
        _same(size - unseen, counts.reengage_local_rank(dim, num), f"{where}, upper bound")
    for scalars in range(1, widest + 1):
        block = rows[: _most(dim, scalars), :scalars].reshape(-1, size)
        yield scalars, er.leading_ranks(block)[::scalars]


def _episode_grid(settings: CheckSettings, dim: int) -> Iterator[tuple[int, list[int]]]:
    """(T, ranks for E = 0, 1, …): T steps an episode with one goal g = Uh, h integer, after the same check."""
    size, widest, rng = counts.rotation_dimension(dim), dim + 2, _rng(settings, dim, 11)
    pulled = er.draw_vectors(rng, _most(dim, 1), dim)
    actions = er.draw_vectors(rng, len(pulled) * widest, dim).reshape(-1, widest, dim)
    rows = er.wedge_rows(pulled[:, None], actions)
    for num in range(dim):
        where = f"d = {dim}, E = {num}"
        unseen = _unseen_by(pulled[:num], rows[:num].reshape(-1, size), where)
        _same(size - unseen, counts.reengage_local_rank(dim, num), f"{where}, upper bound")
    for scalars in range(1, widest + 1):
        block = rows[: _most(dim, scalars), :scalars].reshape(-1, size)
        yield scalars, er.leading_ranks(block)[::scalars]


_Grid = Callable[[CheckSettings, int], Iterator[tuple[int, list[int]]]]


def _check_grid(
    settings: CheckSettings, grid: _Grid, formula: Callable[[int, int, int], int], names: tuple[str, str]
) -> Finding:
    steps, cases = [], 0
    many, each = names
    for dim in _DIMS:
        here = 0
        for scalars, found in grid(settings, dim):
            for num, rank in enumerate(found):
                _same(rank, formula(dim, num, scalars), f"d = {dim}, {many} = {num}, {each} = {scalars}")
            _same(found[-1], counts.rotation_dimension(dim), f"d = {dim}, {each} = {scalars}: the rank at the end")
            here += len(found)
        cases += here
        steps.append(f"d = {dim}: {here} cases, {each} = 1 … {dim + 2}, {many} up to two beyond full rank or d")
    steps.append("more rows keep the full rank D")
    return Finding(Verdict.TRUE, f"d = 2 … 8; {cases} cases", tuple(steps))


@SECTION.check(
    "9",
    "DDPG with K fresh goals a transition, local: rank min(NK, d·r − r(r+1)/2), r = min(N, d).",
    kind=_CERTIFICATE,
    method=f"{_LOWER}; number of rows and kernel vectors bcᵀ − cbᵀ (upper bounds)",
    latex=r"\min\bigl(NK,\ dr-\tfrac{r(r+1)}2\bigr),\quad r=\min(N,d)",
    source=_THEORY,
    assumptions=(*_GENERIC, "every goal is used once"),
)
def _relabelled_rank(settings: CheckSettings) -> Finding:
    return _check_grid(settings, _fresh_grid, counts.relabelled_local_rank, ("N", "K"))


def _smallest_from_ranks(grid: Iterable[tuple[int, list[int]]], dim: int) -> dict[int, int]:
    """For every number of scalars: the first place in the grid with full rank and more than D scalars."""
    size = counts.rotation_dimension(dim)
    return {
        scalars: next(num for num, rank in enumerate(found) if rank == size and num * scalars > size)
        for scalars, found in grid
    }


def _check_thresholds(settings: CheckSettings, grid: _Grid, formula: Callable[[str, int, int], int]) -> list[str]:
    steps = []
    for dim in _DIMS:
        smallest = _smallest_from_ranks(grid(settings, dim), dim)
        for scalars, num in smallest.items():
            _same(num, formula("so", dim, scalars), f"d = {dim}, {scalars} scalars each: threshold on SO(d)")
            _same(max(num, dim), formula("o", dim, scalars), f"d = {dim}, {scalars} scalars each: threshold on O(d)")
        steps.append(f"d = {dim}: rank D and more than D scalars first at {list(smallest.values())}")
    return steps


def _draw(rng: np.random.Generator, num: int, dim: int) -> er.Residues:
    """Vectors for counting solutions, where small numbers are not generic: two equations easily share a root."""
    return er.draw_vectors(rng, num, dim, bound=99)


def _count(
    rng: np.random.Generator, dim: int, goals: er.Integers, actions: er.Integers, reflected: bool = False
) -> Solutions:
    """Solutions for a random rational U, all of them genuine and simple."""
    found = _genuine(orthogonal_equations(random_rotation(dim, rng), goals, actions, reflected))
    assert found.simple, f"d = {dim}: multiple solutions, the point is not generic"
    return found


def _genuine(equations: Equations) -> Solutions:
    """Count solutions after making sure that the chart and the clearing of |q|² neither lose nor add one."""
    if not (equations.complete() and equations.without_isotropic()):
        raise ValueError("solutions outside the chart or with |q|² = 0: take another seed")
    return count_solutions(equations.polynomials, equations.variables)


def _grid_counts(settings: CheckSettings, episodes: bool) -> list[str]:
    """Solutions at d = 2, 3 at the threshold on SO(d), and the reflection that O(d) has there besides."""
    steps = []
    many, each = ("E", "T") if episodes else ("N", "K")
    for dim, scalars in ((2, 1), (2, 2), (3, 1), (3, 2), (3, 3)):
        threshold = counts.relabelled_threshold("so", dim, scalars)
        where = f"d = {dim}, {each} = {scalars}, {many} = {threshold}"
        for attempt in range(2):
            rng = _rng(settings, dim, scalars, attempt, 10 + 2 * episodes)
            fresh = _draw(rng, threshold * scalars, dim)
            shared = np.repeat(_draw(rng, threshold, dim), scalars, axis=0)
            goals, actions = (shared, fresh) if episodes else (fresh, shared)
            _same(_count(rng, dim, goals, actions), Solutions(1, 1, True), f"{where}, SO(d)")
            if threshold == dim - 1:
                (normal,) = _normals(shared[::scalars], 1)
                U, mirror = er.rational_rotation(er.random_skew(rng, dim, bound=2)), _reflection(normal)
                other = mirror @ U if episodes else U @ mirror
                _assert_rotation(other, U, -1, where)
                same = [g @ other @ a == g @ U @ a for g, a in zip(goals, actions, strict=True)]
                assert all(same), f"{where}: the reflection does not solve the equations"
        more = "; on O(d) a reflection solves them too" if threshold == dim - 1 else ""
        steps.append(f"{where}: U is the only solution on SO({dim}), complex ones included, 2 instances{more}")
    return steps


_TO_GLOBAL = (
    "Argument by hand: fewer than d − 1 (on O(d): d) shared vectors leave a rotation (reflection) that fixes them, "
    "C.8; NK ≤ D leaves another solution or an infinity of them, C.24; beyond both, a dimension count over the rank of "
    "V − U as in C.25. Checked independently where solutions can be counted, d = 2, 3."
)


@SECTION.check(
    "10",
    "DDPG with K fresh goals a transition, global: max(d − 1, ⌊D/K⌋ + 1) on SO(d), max(d, ⌊D/K⌋ + 1) on O(d).",
    kind=_CERTIFICATE,
    method="first full rank with more than D scalars; all solutions counted at d = 2, 3",
    latex=r"N^*_{SO}=\max\bigl(d-1,\lfloor D/K\rfloor+1\bigr),\quad N^*_O=\max\bigl(d,\lfloor D/K\rfloor+1\bigr)",
    source=_THEORY,
    assumptions=(*_GENERIC, "every goal is used once"),
    note=f"K ≥ ⌊d/2⌋ + 1 relabels need no more transitions than ReenGAGE. {_TO_GLOBAL}",
)
def _relabelled_thresholds(settings: CheckSettings) -> Finding:
    steps = _check_thresholds(settings, _fresh_grid, counts.relabelled_threshold)
    for dim in range(2, 65):
        enough = [k for k in range(1, dim + 1) if counts.relabelled_threshold("so", dim, k) == dim - 1]
        _same(enough[0], dim // 2 + 1, f"d = {dim}: fewest relabels that match ReenGAGE")
    steps.append("K = ⌊d/2⌋ + 1 is the first with threshold d − 1, for d = 2 … 64")
    steps += _grid_counts(settings, episodes=False)
    return Finding(
        Verdict.TRUE, "first full rank d = 2 … 8, K ≤ d + 2; solutions counted d = 2, 3, K ≤ d", tuple(steps)
    )


@SECTION.check(
    "11",
    "DDPG with E episodes of one goal and T steps, local: rank min(ET, d·r − r(r+1)/2), r = min(E, d).",
    kind=_CERTIFICATE,
    method=f"{_LOWER}; number of rows and kernel vectors across the goals (upper bounds)",
    latex=r"\min\bigl(ET,\ dr-\tfrac{r(r+1)}2\bigr),\quad r=\min(E,d)",
    source=_THEORY,
    assumptions=_GENERIC,
    note="Goals and actions change places in C.9. ReenGAGE does not mind: one goal serves it as well as many.",
)
def _episodes_rank(settings: CheckSettings) -> Finding:
    return _check_grid(settings, _episode_grid, counts.episodes_local_rank, ("E", "T"))


@SECTION.check(
    "12",
    "DDPG with episodes of T steps and one goal each, global: max(d − 1, ⌊D/T⌋ + 1) episodes on SO(d).",
    kind=_CERTIFICATE,
    method="first full rank with more than D scalars; all solutions counted at d = 2, 3",
    latex=r"E^*_{SO}=\max\bigl(d-1,\lfloor D/T\rfloor+1\bigr),\quad E^*_O=\max\bigl(d,\lfloor D/T\rfloor+1\bigr)",
    source=_THEORY,
    assumptions=_GENERIC,
    note=f"So DDPG needs at least d − 1 distinct goals, however long the episodes. {_TO_GLOBAL}",
)
def _episodes_thresholds(settings: CheckSettings) -> Finding:
    steps = _check_thresholds(settings, _episode_grid, counts.episodes_threshold)
    steps += _grid_counts(settings, episodes=True)
    return Finding(
        Verdict.TRUE, "first full rank d = 2 … 8, T ≤ d + 2; solutions counted d = 2, 3, T ≤ d", tuple(steps)
    )


# --- shared goals and goals of a lower dimension -----------------------------------------------------------


def _dependencies(pulled: er.Integers, actions: er.Integers, where: str) -> int:
    """Count the row dependencies of C.3 at a point, after checking them there over the integers."""
    found = er.shared_goal_dependencies(pulled, actions)
    outer = np.einsum("ki,nj->knij", pulled.astype(object), actions.astype(object))
    wedges = er.wedge_coordinates(outer - outer.swapaxes(-1, -2))
    for weights in found:
        assert not (weights[..., None] * wedges).sum((0, 1)).any(), f"{where}: rows do not cancel"
    if len(found):
        _same(er.rank(found.reshape(len(found), -1)), len(found), f"{where}: independent dependencies")
    return len(found)


@SECTION.check(
    "13",
    "DDPG with the same K goals for all N transitions, local: rank r_K·r_N − w(w+1)/2.",
    kind=_CERTIFICATE,
    method=f"{_LOWER}; dependencies w∧w' + w'∧w = 0 between the rows, in integers (upper bound)",
    latex=r"r_Kr_N-\tfrac{w(w+1)}2,\quad r_K=\min(K,d),\ r_N=\min(N,d),\ w=\max(0,r_K+r_N-d)",
    source="sharper than K ≥ d − 1, which was all that was noted before",
    assumptions=(*_GENERIC, "K distinct goals, each used in all transitions"),
    note="h⊗a ↦ h∧a has the symmetric tensors as its kernel; on span(h)⊗span(a) these are Sym² of the intersection, "
    "which has dimension w. That holds at every point where the spans are in general position.",
)
def _shared_rank(settings: CheckSettings) -> Finding:
    steps, cases = [], 0
    for dim in _DIMS:
        rng, size, most = _rng(settings, dim, 13), counts.rotation_dimension(dim), dim + 2
        pulled, actions = er.draw_vectors(rng, most, dim), er.draw_vectors(rng, most, dim)
        rows = er.wedge_rows(pulled[None], actions[:, None])
        for num_goals in range(1, most + 1):
            found = er.leading_ranks(rows[:, :num_goals].reshape(-1, size))[::num_goals]
            for num, rank in enumerate(found):
                where = f"d = {dim}, K = {num_goals}, N = {num}"
                _same(rank, counts.shared_goals_local_rank(dim, num, num_goals), where)
                if 0 < num <= dim and num_goals <= dim:
                    lost = _dependencies(pulled[:num_goals], actions[:num], where)
                    _same(num * num_goals - lost, rank, f"{where}, rows less dependencies")
            cases += len(found)
        steps.append(f"d = {dim}: K = 1 … {most}, N = 0 … {most}")
    steps.append("goals or actions beyond d are combinations of the first d, and so are their rows")
    return Finding(Verdict.TRUE, f"d = 2 … 8; {cases} cases", tuple(steps))


@SECTION.check(
    "14",
    "DDPG with the same K goals throughout, global on SO(d): d − 1 transitions if K ≥ d, d if K = d − 1, never below.",
    kind=_CERTIFICATE,
    method="rational rotations that solve the same equations, one goal or one transition short; ranks of the data",
    latex=r"N^*=d-1\ (K\ge d),\quad N^*=d\ (K=d-1),\quad\text{none }(K\le d-2)",
    source="sharper than K ≥ d − 1, which was all that was noted before",
    assumptions=(*_GENERIC, "K distinct goals, each used in all transitions"),
    note="At K = N = d − 1 the differential already has rank D: locally identified, but not globally. On O(d) it takes "
    "K ≥ d and N = d. Sufficiency by hand: K ≥ d goals show Ua, C.8; d transitions show Uᵀg, and C.8 holds for Uᵀ.",
)
def _shared_threshold(settings: CheckSettings) -> Finding:
    steps = []
    for dim in _DIMS:
        rng = _rng(settings, dim, 14)
        U = er.rational_rotation(er.random_skew(rng, dim, bound=2))
        goals, actions = er.draw_vectors(rng, dim, dim), er.draw_vectors(rng, dim, dim)
        _same((er.rank(goals), er.rank(actions)), (dim, dim), f"d = {dim}: ranks of d goals and d actions")
        (across_goals,), (across_actions,) = _normals(goals[: dim - 1], 1), _normals(actions[: dim - 1], 1)
        left = _reflection(across_goals)
        both = left @ U @ _reflection(across_actions)
        where = f"d = {dim}, K = N = d − 1"
        _assert_rotation(both, U, 1, where)
        assert (goals[:-1] @ both @ actions[:-1].T == goals[:-1] @ U @ actions[:-1].T).all(), f"{where}: scalars differ"
        _same(counts.shared_goals_local_rank(dim, dim - 1, dim - 1), counts.rotation_dimension(dim), f"{where}, rank")
        _assert_rotation(left @ U, U, -1, f"d = {dim}, K = d − 1 on O(d)")
        assert (goals[:-1] @ left @ U == goals[:-1] @ U).all(), f"d = {dim}, K = d − 1 on O(d): scalars differ"
        first, second = _normals(goals[: dim - 2], 2)
        turned = _reflection(first) @ _reflection(first + second) @ U
        _assert_rotation(turned, U, 1, f"d = {dim}, K = d − 2")
        assert (goals[: dim - 2] @ turned == goals[: dim - 2] @ U).all(), f"d = {dim}, K = d − 2: scalars differ"
        thresholds = [counts.shared_goals_threshold("so", dim, k) for k in range(1, dim + 1)]
        _same(thresholds, [None] * (dim - 2) + [dim, dim - 1], f"d = {dim}: thresholds for K = 1 … d")
        steps.append(
            f"d = {dim}: K = N = {dim - 1}: (I − 2mmᵀ)U(I − 2nnᵀ), m ⊥ goals, n ⊥ actions, is another rotation; "
            f"K = {dim - 2}: a rotation across the goals is never seen"
        )
    return Finding(Verdict.TRUE, "d = 2 … 8", tuple(steps))


@SECTION.check(
    "15",
    "Goals of dimension k ≤ d, reward gᵀPs, local: DDPG has rank min(N, dk − k(k+1)/2), ReenGAGE as k shared goals.",
    kind=_CERTIFICATE,
    method=f"{_LOWER}; rows, kernel vectors across the plane of goals, and row dependencies (upper bounds)",
    latex=r"\min\bigl(N,\ dk-\tfrac{k(k+1)}2\bigr);\qquad kr-\tfrac{w(w+1)}2,\ r=\min(N,d),\ w=\max(0,k+r-d)",
    source=_THEORY,
    assumptions=(*_GENERIC, "P a k×d projection; PU is what can be identified"),
    note="The pulled-back goals UᵀPᵀg fill a k-dimensional subspace; ReenGAGE sees PUa, k coordinates.",
)
def _projected_rank(settings: CheckSettings) -> Finding:
    steps, cases = [], 0
    for dim in _DIMS:
        size, rng = counts.rotation_dimension(dim), _rng(settings, dim, 15)
        for goal_dim in range(1, dim + 1):
            most = dim * goal_dim - goal_dim * (goal_dim + 1) // 2 + 2
            frame = er.draw_vectors(rng, goal_dim, dim)  # rows span what the rows of PU span
            pulled = er.draw_vectors(rng, most, goal_dim) @ frame
            actions = er.draw_vectors(rng, max(most, dim + 2), dim)
            rows = er.wedge_rows(pulled, actions[:most])
            found = er.leading_ranks(rows)
            predicted = [counts.projected_ddpg_local_rank(dim, goal_dim, num) for num in range(most + 1)]
            _same(found, predicted, f"d = {dim}, k = {goal_dim}, DDPG, ranks for N = 0, 1, …")
            unseen = _unseen_by(frame, rows, f"d = {dim}, k = {goal_dim}")
            _same(size - unseen, most - 2, f"d = {dim}, k = {goal_dim}, DDPG, upper bound")
            gradient = er.wedge_rows(frame[None], actions[: dim + 2, None]).reshape(-1, size)
            found = er.leading_ranks(gradient)[::goal_dim]
            for num, rank in enumerate(found):
                where = f"d = {dim}, k = {goal_dim}, N = {num}, ReenGAGE"
                _same(rank, counts.projected_reengage_local_rank(dim, goal_dim, num), where)
                if 0 < num <= dim:
                    lost = _dependencies(frame, actions[:num], where)
                    _same(num * goal_dim - lost, rank, f"{where}, rows less dependencies")
            cases += len(predicted) + len(found)
        steps.append(f"d = {dim}: k = 1 … {dim}, DDPG to two rows beyond full rank, ReenGAGE to N = {dim + 2}")
    return Finding(Verdict.TRUE, f"d = 2 … 8; {cases} cases", tuple(steps))


@SECTION.check(
    "16",
    "Goals of dimension k < d, global: PU takes dk − k(k+1)/2 + 1 transitions with DDPG and d with ReenGAGE.",
    kind=_CERTIFICATE,
    method="rational rotations with another PU at N = d − 1; solutions counted for k = 1, d ≤ 5 and k = 2, d = 3",
    latex=r"N^*_{DDPG}=dk-\tfrac{k(k+1)}2+1,\qquad N^*_{ReenGAGE}=d",
    source=_THEORY,
    assumptions=(*_GENERIC, "P a k×d projection; PU is what is identified"),
    note="d independent images fix PU. For DDPG the frames PU are a closed manifold, so C.24 and C.25 hold with its "
    "dimension. At k = 1 both thresholds are d: no gain, the goal's dimension sets it.",
)
def _projected_thresholds(settings: CheckSettings) -> Finding:
    steps = []
    for dim in _DIMS:
        rng = _rng(settings, dim, 16)
        U, actions = er.rational_rotation(er.random_skew(rng, dim, bound=2)), er.draw_vectors(rng, dim, dim)
        _same(er.rank(actions), dim, f"d = {dim}: rank of d actions")
        (normal,) = _normals(actions[:-1], 1)
        last = np.eye(dim, dtype=np.int64)[-1]
        other = _reflection(last) @ U @ _reflection(normal)
        _assert_rotation(other, U, 1, f"d = {dim}")
        for goal_dim in range(1, dim):
            where = f"d = {dim}, k = {goal_dim}, N = d − 1"
            assert (other[:goal_dim] != U[:goal_dim]).any(), f"{where}: PU is the same"
            assert (other[:goal_dim] @ actions[:-1].T == U[:goal_dim] @ actions[:-1].T).all(), f"{where}: images differ"
            _same(counts.projected_threshold("reengage", dim, goal_dim), dim, where)
        steps.append(f"d = {dim}: a rotation with the same PUa for {dim - 1} actions and another PU, k = 1 … {dim - 1}")
    for dim in range(2, 6):
        rng = _rng(settings, dim, 16, 1)
        u = random_rotation(dim, rng)[0, :]
        variables = sympy.symbols(f"u1:{dim + 1}")
        for num, wanted in ((dim - 1, Solutions(2, 2, True)), (dim, Solutions(1, 1, True))):
            actions = er.draw_vectors(rng, num, dim)
            linear = [sum(int(c) * (x - y) for c, x, y in zip(a, variables, u, strict=True)) for a in actions]
            _same(count_solutions([sum(x**2 for x in variables) - 1, *linear], variables), wanted, f"d = {dim}, k = 1")
        _same(counts.projected_threshold("ddpg", dim, 1), dim, f"d = {dim}, k = 1")
        steps.append(f"d = {dim}, k = 1: 2 solutions, both real, at N = {dim - 1}; 1 at N = {dim}")
    for attempt in range(2):
        rng = _rng(settings, attempt, 16, 2)
        goals, actions = _draw(rng, 4, 3), _draw(rng, 4, 3)
        goals[:, 2] = 0
        at = _count(rng, 3, goals[:3], actions[:3])
        assert at.real >= 2, "d = 3, k = 2, N = 3: U is alone"
        _same(at.real % 2, 0, "d = 3, k = 2, N = 3: parity")
        _same(_count(rng, 3, goals, actions), Solutions(1, 1, True), "d = 3, k = 2, N = 4")
        steps.append(f"d = 3, k = 2: {at.complex} complex solutions, {at.real} real, at N = 3; 1 at N = 4")
    return Finding(Verdict.TRUE, "ReenGAGE d = 2 … 8, k < d; DDPG k = 1, d = 2 … 5, and k = 2, d = 3", tuple(steps))


# --- other hypothesis classes ------------------------------------------------------------------------------


def _class_cases(dims: Iterable[int]) -> Iterator[tuple[str, counts.ClassCounts, int]]:
    for dim in dims:
        for name, entry in counts.CLASS_COUNTS.items():
            if name != "permutation" and entry.allows(dim):
                yield name, entry, dim


_CLASS_DIMS = (3, 4, 6)


@SECTION.check(
    "17",
    "Every class of dimension M: N generic scalars gᵀUa have a differential of rank min(N, M).",
    kind=_CERTIFICATE,
    method=f"{_LOWER}; number of rows and of independent tangent vectors (upper bounds)",
    latex=r"\operatorname{rank}\bigl(W\mapsto(g_i^\top Wa_i)_{i\le N}\bigr)=\min(N,M),\quad W\in T_U",
    source=_THEORY,
    assumptions=_GENERIC[1:],
    note="Permutations have no tangent vectors: M = 0.",
)
def _class_ranks(settings: CheckSettings) -> Finding:
    steps = []
    for name, entry, dim in _class_cases(_CLASS_DIMS):
        rng, size = _rng(settings, dim, 17), entry.dimension(dim)
        actions, goals = er.draw_vectors(rng, max(size, dim) + 2, dim), er.draw_vectors(rng, max(size, dim) + 2, dim)
        _same(er.rank(actions[:dim]), dim, f"{entry.name}, d = {dim}: rank of d actions")
        images = er.class_images(name, actions, rng)
        _same(er.rank(er.image_rows(images[:dim])), size, f"{entry.name}, d = {dim}: independent tangent vectors")
        found = er.leading_ranks(er.scalar_rows(images, goals))
        _same(found, [min(num, size) for num in range(len(found))], f"{entry.name}, d = {dim}: ranks for N = 0, 1, …")
        steps.append(f"{entry.name}, d = {dim}: M = {size}, ranks for N = 0 … {len(found) - 1}")
    return Finding(Verdict.TRUE, f"{len(steps)} pairs of class and d = 3, 4, 6, all N ≤ M + 2", tuple(steps))


def _low_rank_twin(settings: CheckSettings, rank: int, dim: int) -> None:
    """Another matrix of the same rank with the same d − 1 images: X + cnᵀ, c in the column space of X."""
    rng = _rng(settings, dim, rank, 18)
    left, right = er.draw_vectors(rng, dim, rank), er.draw_vectors(rng, rank, dim)
    actions = er.draw_vectors(rng, dim - 1, dim)
    (normal,) = _normals(actions, 1)
    X = (left @ right).astype(object)
    other = X + np.outer(left[:, 0].astype(object), normal)
    where = f"rank {rank}, d = {dim}, N = d − 1"
    assert (other @ actions.T == X @ actions.T).all(), f"{where}: images differ"
    assert (other != X).any(), f"{where}: it is X"
    _same(sympy.Matrix(other.tolist()).rank(), rank, f"{where}: rank of the other matrix")


@SECTION.check(
    "18",
    "Every class: the number of images Ua that determines U is the table's gradient threshold.",
    kind=_CERTIFICATE,
    method="first N with rank M modulo 2^61 − 1; explicit other solutions where ranks do not decide; brute force",
    latex=r"d,\ d,\ b-1,\ d/2,\ 1,\ 1,\ 1,\ 1,\ d,\ 1",
    source=_THEORY,
    assumptions=_GENERIC[1:],
    note="Local is global here. Affine classes: linear equations. Blocks and U(d/2): the fibre is U times the "
    "connected group SO(b − N)^{d/b} or U(d/2 − N), trivial when its dimension is 0. Reflections: a − Ua is a "
    "multiple of v. Rank p: d images fix any matrix. On O(d) rank M is reached at d − 1, one before U is known, C.8.",
)
def _class_gradients(settings: CheckSettings) -> Finding:
    steps = []
    for name, entry, dim in _class_cases(_CLASS_DIMS):
        rng, size = _rng(settings, dim, 18), entry.dimension(dim)
        images = er.class_images(name, er.draw_vectors(rng, dim, dim), rng)
        first = er.leading_ranks(er.image_rows(images))[::dim].index(size)
        _same(first + (name == "o"), entry.gradient_threshold(dim), f"{entry.name}, d = {dim}")
        if name.startswith("rank-"):
            _low_rank_twin(settings, int(name.removeprefix("rank-")), dim)
        steps.append(f"{entry.name}, d = {dim}: rank M = {size} first at N = {first}")
    for dim in _CLASS_DIMS:
        a = er.draw_vectors(_rng(settings, dim, 18, 1), 1, dim)[0] + 100 * np.arange(dim)
        distinct = {tuple(a[list(order)]) for order in permutations(range(dim))}
        _same(
            len(distinct),
            len(list(permutations(range(dim)))),
            f"permutations, d = {dim}: images of one action",
        )
        steps.append(f"permutations, d = {dim}: one action has {len(distinct)} different images")
    return Finding(Verdict.TRUE, f"{len(steps)} pairs of class and d = 3, 4, 6", tuple(steps))


@SECTION.check(
    "19",
    "Plain least squares, without UᵀU = I: d² transitions with DDPG and d with ReenGAGE.",
    kind=_CERTIFICATE,
    method="ranks of the linear equations modulo 2^61 − 1",
    latex=r"\operatorname{rank}(g_i\otimes a_i)_{i\le N}=\min(N,d^2),\qquad\operatorname{rank}=d\min(N,d)",
    source=_THEORY,
    assumptions=_GENERIC[1:],
)
def _least_squares(settings: CheckSettings) -> Finding:
    steps = []
    entry = counts.CLASS_COUNTS["all"]
    for dim in _DIMS:
        rng = _rng(settings, dim, 19)
        actions, goals = er.draw_vectors(rng, dim**2 + 1, dim), er.draw_vectors(rng, dim**2 + 1, dim)
        scalars = er.leading_ranks(np.einsum("ni,nj->nij", goals, actions).reshape(-1, dim**2))
        _same(scalars, [min(num, dim**2) for num in range(dim**2 + 2)], f"d = {dim}, DDPG")
        vectors = er.leading_ranks(er.image_rows(er.class_images("all", actions[: dim + 1], rng)))[::dim]
        _same(vectors, [dim * min(num, dim) for num in range(dim + 2)], f"d = {dim}, ReenGAGE")
        _same((entry.scalar_threshold(dim), entry.gradient_threshold(dim)), (dim**2, dim), f"d = {dim}, the table")
        steps.append(f"d = {dim}: full rank {dim**2} first at N = {dim**2} and N = {dim}")
    return Finding(Verdict.TRUE, "d = 2 … 8, all N ≤ d² + 1 and d + 1", tuple(steps))


def _householder_equations(rng: np.random.Generator, dim: int, num: int) -> Equations:
    """Scalars of a reflection I − 2vvᵀ/‖v‖² in the chart v₁ = 1, cleared of ‖v‖²."""
    goals, actions = _draw(rng, num, dim), _draw(rng, num, dim)
    truth = sympy.Matrix(_draw(rng, 1, dim)[0].tolist())
    variables = list(sympy.symbols(f"v2:{dim + 1}"))
    v = sympy.Matrix([1, *variables])

    def scalar(normal: Any, g: Any, a: Any) -> Any:
        """gᵀ(I − 2nnᵀ/‖n‖²)a·‖n‖²."""
        return g.dot(a) * normal.dot(normal) - 2 * g.dot(normal) * a.dot(normal)

    polynomials = []
    for goal, action in zip(goals, actions, strict=True):
        g, a = sympy.Matrix(goal.tolist()), sympy.Matrix(action.tolist())
        value = sympy.Rational(scalar(truth, g, a), truth.dot(truth))
        polynomials.append(sympy.expand(scalar(v, g, a) - value * v.dot(v)))
    return Equations(polynomials, variables, v.dot(v))


def _planar_block_equations(rng: np.random.Generator, blocks: int, num: int) -> Equations:
    """Scalars of block-diagonal planar rotations, in their cosines and sines; the truth is the identity."""
    goals, actions = _draw(rng, num, 2 * blocks), _draw(rng, num, 2 * blocks)
    variables = list(sympy.symbols(f"c1:{blocks + 1} s1:{blocks + 1}"))
    polynomials = [variables[i] ** 2 + variables[blocks + i] ** 2 - 1 for i in range(blocks)]
    for g, a in zip(goals.tolist(), actions.tolist(), strict=True):
        total = sympy.Integer(0)
        for i in range(blocks):
            (p, q), (x, y) = g[2 * i : 2 * i + 2], a[2 * i : 2 * i + 2]
            total += (p * x + q * y) * (variables[i] - 1) + (q * x - p * y) * variables[blocks + i]
        polynomials.append(total)
    return Equations(polynomials, variables, sympy.Integer(1), degree=None)


@SECTION.check(
    "20",
    "Reflections, blocks and permutations: at N = M another real solution, an even number in all, and none at M + 1.",
    kind=_CERTIFICATE,
    method="all complex and real solutions counted with Gröbner bases; permutations by brute force",
    latex=r"\#\{V:g_i^\top Va_i=g_i^\top Ua_i,\ i\le M\}\ \text{even},\qquad=1\ \text{at}\ N=M+1",
    source=_THEORY,
    assumptions=_GENERIC[1:],
    note="These classes are closed manifolds, so the arguments of C.24 and C.25 hold for them, with M for D. So is "
    "U(d/2); its solutions were not counted beyond d = 2, where it is SO(2). Affine classes: M linear equations, C.17.",
)
def _class_solutions(settings: CheckSettings) -> Finding:
    makers: list[tuple[str, int, Callable[[np.random.Generator, int], Equations]]] = [
        ("Householder reflections, d = 2", 1, lambda rng, num: _householder_equations(rng, 2, num)),
        ("Householder reflections, d = 3", 2, lambda rng, num: _householder_equations(rng, 3, num)),
        ("Householder reflections, d = 4", 3, lambda rng, num: _householder_equations(rng, 4, num)),
        ("SO(2) blocks, d = 4", 2, lambda rng, num: _planar_block_equations(rng, 2, num)),
        ("SO(2) blocks, d = 6", 3, lambda rng, num: _planar_block_equations(rng, 3, num)),
    ]
    steps = []
    for place, (text, size, make) in enumerate(makers):
        for attempt in range(2):
            rng = _rng(settings, place, attempt, 20)
            at, beyond = _genuine(make(rng, size)), _genuine(make(rng, size + 1))
            assert at.simple, f"{text}: multiple solutions, the point is not generic"
            assert at.real >= 2, f"{text}, N = M: U is alone"
            _same(at.real % 2, 0, f"{text}, N = M: parity")
            _same(beyond, Solutions(1, 1, True), f"{text}, N = M + 1")
            steps.append(f"{text}: {at.complex} complex solutions, {at.real} real, at N = {size}; 1 at {size + 1}")
    for dim in _CLASS_DIMS:
        rng = _rng(settings, dim, 20)
        g, a = rng.integers(1, 10**6, size=(2, dim))
        values = {int(g @ a[list(order)]) for order in permutations(range(dim))}
        _same(len(values), len(list(permutations(range(dim)))), f"permutations, d = {dim}: different scalars")
        steps.append(f"permutations, d = {dim}: one scalar tells all {len(values)} apart")
    return Finding(
        Verdict.TRUE, "reflections d = 2, 3, 4; SO(2) blocks d = 4, 6; permutations d = 3, 4, 6", tuple(steps)
    )


@cache
def _low_rank_counts(seed: int) -> list[tuple[Any, Any, int, int]]:
    """X, C, degree and number of real roots of det(X + tC) for instances of rank 2 at d = 3, N = M = 8."""
    found = []
    for attempt in range(80):
        X, C, polynomial = low_rank_line(3, np.random.default_rng((seed, attempt, 21)))
        assert polynomial.eval(0) == 0, "X is not singular"
        assert sympy.gcd(polynomial, polynomial.diff()).degree() == 0, "multiple roots, the point is not generic"
        found.append((X, C, int(polynomial.degree()), int(polynomial.count_roots())))
    return found


@SECTION.check(
    "21",
    "Rank p, as for rotations: M = p(2d − p) generic scalars always leave another real matrix of rank at most p.",
    kind=_CERTIFICATE,
    method="real roots of det(X + tC) at d = 3, p = 2, N = 8, where C spans what the scalars do not see",
    latex=r"\#\{Y:\operatorname{rank}Y\le p,\ g_i^\top Ya_i=g_i^\top Xa_i,\ i\le M\}\ge 2",
    source="a reading of the table's p(2d − p) + 1",
    expected=Verdict.FALSE,
    note="The degree of the variety is odd here (3), so the other solutions can be a complex pair. C.21a has it right.",
)
def _low_rank_always(settings: CheckSettings) -> Finding:
    for X, C, _, real in _low_rank_counts(settings.seed):
        if real == 1:
            text = (
                f"d = 3, p = 2, N = 8, X = {X.tolist()}, unseen C = {C.tolist()}: det(X + tC) has the real root 0 only"
            )
            return Finding(Verdict.FALSE, "d = 3, p = 2, N = M = 8", counterexample=text)
    return Finding(Verdict.UNKNOWN, "nothing", ("every instance had another real root",))


@SECTION.check(
    "21a",
    "As corrected: M scalars determine some matrices of rank p and not others; M + 1 determine all (d = 3, p = 2).",
    kind=_CERTIFICATE,
    method="real roots of det(X + tC) at N = 8; rank of the linear equations at N = 9",
    latex=r"\det(X+tC)=0:\ 1\text{ or }3\text{ real roots}",
    source="corrects a reading of the table's p(2d − p) + 1",
    note="So p(2d − p) + 1 is the smallest N that does for every X, not for a given one. At d = 2, p = 1 the degree is "
    "2 and the other solution always real. In general, that M + 1 is enough is the dimension count of C.25.",
)
def _low_rank_corrected(settings: CheckSettings) -> Finding:
    found = _low_rank_counts(settings.seed)
    tally = {count: sum(real == count for *_, real in found) for count in (1, 3)}
    assert all(degree == 3 for _, _, degree, _ in found), "a determinant of lower degree"
    assert min(tally.values()) > 0, f"numbers of real roots: {tally}"
    planar = [low_rank_line(2, _rng(settings, attempt, 22))[2] for attempt in range(12)]
    assert all(p.degree() == 2 for p in planar), "a determinant of lower degree"
    _same([int(p.count_roots()) for p in planar], [2] * 12, "d = 2, p = 1, N = 3: real roots")
    rng = _rng(settings, 23)
    rows = np.einsum("ni,nj->nij", er.draw_vectors(rng, 9, 3), er.draw_vectors(rng, 9, 3)).reshape(9, 9)
    _same(er.rank(rows), 9, "d = 3, N = 9: rank of the linear equations")
    steps = (
        f"d = 3, p = 2, N = 8: of {len(found)} instances {tally[1]} have X alone and {tally[3]} two others",
        "d = 2, p = 1, N = 3: 12 instances, each with one other",
        "d = 3, p = 2, N = 9 = d²: the equations are linear and independent",
    )
    return Finding(Verdict.TRUE, "d = 3, p = 2 and d = 2, p = 1", steps)


# --- Proposition 2 -----------------------------------------------------------------------------------------


@SECTION.check(
    "22",
    "Proposition 2 doubles every count: of N successive transitions ⌈N/2⌉ (⌊N/2⌋ from s¹ = 0) have rows other than 0.",
    kind=_CERTIFICATE,
    method="Jacobian over Q of the learners' residuals along trajectories of the construction; ranks modulo 2^61 − 1",
    latex=r"\operatorname{rank}=\min\bigl(\lceil N/2\rceil,D\bigr),\qquad N^*=2k-1\ \text{where Proposition 1 has }k",
    source=_THEORY,
    assumptions=_GENERIC,
)
def _doubling(settings: CheckSettings) -> Finding:
    steps = []
    for dim in range(2, 6):
        construction = NoRewardGradient(dim, sympy.Rational(1, 2))
        size = counts.rotation_dimension(dim)
        num = 2 * size + 2
        rng = _rng(settings, dim, 22)
        U = er.rational_rotation(er.random_skew(rng, dim, bound=2))
        goals, actions = _rationals(er.draw_vectors(rng, num, dim)), _rationals(er.draw_vectors(rng, num, dim))
        first = _rationals(er.draw_vectors(rng, 1, dim)[0])
        for start, late in ((construction.initial_observation(first), 0), (join(first * 0, first), 1)):
            states = [start]
            for action in actions[:-1]:
                states.append(construction.dynamics(U, states[-1], action))
            scalars, vectors = er.learner_rows(construction, U, np.array(states), actions, goals)
            useful = [bool((row != 0).any()) for row in scalars]
            _same(useful, [place % 2 == late for place in range(num)], f"d = {dim}: useful transitions")
            _same([bool((row != 0).any()) for row in vectors], useful, f"d = {dim}: useful transitions of ReenGAGE")
            found = er.leading_ranks(er.reduced(scalars))
            predicted = [counts.ddpg_local_rank(dim, (n + 1 - late) // 2) for n in range(num + 1)]
            _same(found, predicted, f"d = {dim}, s¹ {'=' if late else '≠'} 0 first: ranks of DDPG")
            if not late:
                first_beyond = next(n for n in range(num + 1) if sum(useful[:n]) == size + 1)
                threshold = counts.predicted_threshold("no-reward-gradient", "so", "ddpg", dim)
                _same(first_beyond, threshold, f"d = {dim}: N with D + 1 useful transitions")
            found = er.leading_ranks(er.reduced(vectors).reshape(-1, size))[::dim]
            predicted = [counts.reengage_local_rank(dim, (n + 1 - late) // 2) for n in range(num + 1)]
            _same(found, predicted, f"d = {dim}, s¹ {'=' if late else '≠'} 0 first: ranks of ReenGAGE")
            if not late:
                threshold = counts.predicted_threshold("no-reward-gradient", "so", "reengage", dim)
                _same(found.index(size), threshold, f"d = {dim}: N with full rank of ReenGAGE")
        steps.append(f"d = {dim}: {num} transitions from s¹ ≠ 0 and as many from s¹ = 0: ranks and thresholds")
    return Finding(Verdict.TRUE, "d = 2 … 5, N ≤ 2D + 2, both starts", tuple(steps))


# --- global identifiability of DDPG ------------------------------------------------------------------------

_INSTANCES = {2: 20, 3: 12}


@cache
def _counted(seed: int, extra: int) -> tuple[tuple[int, Solutions, Solutions], ...]:
    """d, and the solutions of N = D + extra equations on both components of O(d); three claims ask for them."""
    found = []
    for dim, instances in _INSTANCES.items():
        for attempt in range(instances):
            rng = np.random.default_rng((seed, dim, attempt, 23))
            num = counts.rotation_dimension(dim) + extra
            goals, actions = _draw(rng, num, dim), _draw(rng, num, dim)
            state = rng.integers(2**32)
            rotations = _count(np.random.default_rng(state), dim, goals, actions)
            reflections = _count(np.random.default_rng(state), dim, goals, actions, reflected=True)
            found.append((dim, rotations, reflections))
    return tuple(found)


@SECTION.check(
    "23",
    "At N = D there are 2, 8 complex solutions on SO(2), SO(3): the degree of the group.",
    kind=_CERTIFICATE,
    method="dimension of the quotient ring by Gröbner bases",
    latex=r"\deg SO(2)=2,\qquad\deg SO(3)=8",
    source="arXiv 1701.03200 (which goes on 40, 384, 4768 for d = 4, 5, 6)",
    assumptions=_GENERIC,
)
def _degrees(settings: CheckSettings) -> Finding:
    degrees = {2: 2, 3: 8}
    for dim, rotations, reflections in _counted(settings.seed, 0):
        _same((rotations.complex, reflections.complex), (degrees[dim], degrees[dim]), f"d = {dim}, both components")
    steps = tuple(f"d = {dim}: {degrees[dim]} on either component, {n} instances" for dim, n in _INSTANCES.items())
    return Finding(Verdict.TRUE, "d = 2, 3", steps)


def _search(
    settings: CheckSettings, num: int, goals_each: int, instances: int, starts: int
) -> Iterator[tuple[Any, Any]]:
    """Searches at d = 4, with Gaussian goals and actions, and their true rotations."""
    for attempt in range(instances):
        rng = _rng(settings, num, goals_each, attempt, 24)
        U = SpecialOrthogonal().sample(4, rng)
        goals = rng.standard_normal((num * goals_each, 4))
        actions = np.repeat(rng.standard_normal((num, 4)), goals_each, axis=0)
        yield U, search_rotations(U, goals, actions, rng, starts=starts)


_STARTS = 2000


def _even_at_four(settings: CheckSettings) -> Finding:
    steps = []
    fewest = _STARTS
    for num, goals_each, instances in ((6, 1, 12), (3, 2, 4)):
        tally: dict[int, int] = {}
        for U, search in _search(settings, num, goals_each, instances, _STARTS):
            number = len(search.solutions)
            where = f"d = 4, {num} transitions with {goals_each} goals each"
            assert search.contains(U), f"{where}: U was not found"
            assert number >= 2, f"{where}: U is alone"
            fewest = min(fewest, int(search.hits.min()))
            if fewest < 5 or search.smallest_singular.min() < 1e-6:
                return Finding(Verdict.UNKNOWN, "nothing", (f"{where}: solutions found {search.hits.tolist()} times",))
            _same(number % 2, 0, f"{where}: parity of {number} solutions")
            tally[number] = tally.get(number, 0) + 1
        listed = ", ".join(f"{number} in {times}" for number, times in sorted(tally.items()))
        steps.append(f"{num} transitions, {goals_each} goals each: numbers of real solutions {listed} instances")
    steps.append(
        f"{_STARTS} starts each; the rarest solution was found {fewest} times, so that one is missed is unlikely"
    )
    return Finding(Verdict.TRUE, "sampled: d = 4, 16 instances", tuple(steps))


def _alone_at_four(settings: CheckSettings) -> Finding:
    steps = []
    for num, goals_each, instances in ((7, 1, 12), (4, 2, 4)):
        reached = _STARTS
        for U, search in _search(settings, num, goals_each, instances, _STARTS):
            where = f"d = 4, {num} transitions with {goals_each} goals each"
            assert search.contains(U), f"{where}: U was not found"
            _same(len(search.solutions), 1, f"{where}: solutions")
            reached = min(reached, int(search.hits.min()))
        steps.append(
            f"{num} transitions, {goals_each} goals each, {instances} instances: U and nothing else, found by "
            f"{reached} or more of {_STARTS} starts"
        )
    return Finding(Verdict.TRUE, "sampled: d = 4, 16 instances", tuple(steps))


@SECTION.check(
    "24",
    "DDPG at N = D: there are other real solutions besides U, and the number of all on SO(d) is even.",
    kind=_CERTIFICATE,
    method="Gröbner bases and exact root isolation of the eliminant, d = 2, 3",
    latex=r"\#\{V\in SO(d):g_i^\top Va_i=g_i^\top Ua_i,\ i\le D\}\in\{2,4,6,\dots\}",
    source="sharp form of Proposition 1 (lower bound for DDPG)",
    assumptions=_GENERIC,
    also=[Evidence(EvidenceKind.NUMERIC, "Levenberg–Marquardt from random starts, d = 4", _even_at_four)],
    note="Argument by hand, for every d (not machine-checked): V ↦ (gᵢᵀVaᵢ) maps a closed manifold of dimension D to "
    "R^D. It is not onto, so its degree mod 2 is 0: a regular value has an even number of preimages. For generic data "
    "the value is regular (at U by C.5, elsewhere by Sard's theorem on the pairs of data and V), and U is a preimage.",
)
def _others_at_dimension(settings: CheckSettings) -> Finding:
    tally: dict[int, list[int]] = {dim: [] for dim in _INSTANCES}
    for dim, rotations, reflections in _counted(settings.seed, 0):
        assert rotations.real >= 2, f"d = {dim}, N = D: U is alone"
        _same((rotations.real % 2, reflections.real % 2), (0, 0), f"d = {dim}, N = D: parity on both components")
        tally[dim].append(rotations.real)
    steps = tuple(f"d = {dim}: numbers of real rotations {found}" for dim, found in tally.items())
    return Finding(Verdict.TRUE, "d = 2, 3; 20 and 12 rational instances, both components of O(d)", steps)


@SECTION.check(
    "25",
    "DDPG at N = D + 1: U is the only solution, on SO(d) and on O(d).",
    kind=_CERTIFICATE,
    method="Gröbner bases: no other solution, complex ones included, d = 2, 3",
    latex=r"\{V\in O(d):g_i^\top Va_i=g_i^\top Ua_i,\ i\le D+1\}=\{U\}",
    source="sharp form of Proposition 1 (lower bound for DDPG)",
    assumptions=_GENERIC,
    also=[Evidence(EvidenceKind.NUMERIC, "Levenberg–Marquardt from random starts, d = 4", _alone_at_four)],
    note="Argument by hand, for every d and every class of dimension M (not machine-checked): for V ≠ U one scalar "
    "equation gᵀ(V − U)a = 0 is a hypersurface of the data (g, a), so the data of N equations that some V ≠ U solves "
    "have codimension at least N − M: at N = M + 1 they are a null set.",
)
def _alone_beyond_dimension(settings: CheckSettings) -> Finding:
    for dim, rotations, reflections in _counted(settings.seed, 1):
        _same(rotations, Solutions(1, 1, True), f"d = {dim}, N = D + 1, rotations")
        _same(reflections, Solutions(0, 0, True), f"d = {dim}, N = D + 1, the other component")
    steps = tuple(f"d = {dim}, N = D + 1: {n} instances, U is the one solution over C" for dim, n in _INSTANCES.items())
    return Finding(Verdict.TRUE, "d = 2, 3; 20 and 12 rational instances, both components of O(d)", steps)
