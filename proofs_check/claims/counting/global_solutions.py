"""Global identifiability: all solutions of ReenGAGE's equations and of DDPG's, one fresh goal a transition."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

import numpy as np
import sympy

from proofs_check import theory as counts
from proofs_check.claim import CheckSettings, Evidence, EvidenceKind, Finding, Truth
from proofs_check.claims.counting.certificates import (
    another_solution,
    assert_another,
    assert_predicted,
    count_orthogonal,
    draw_data,
    normals,
    reflection,
)
from proofs_check.claims.counting.section import (
    CERTIFICATE,
    DIMS,
    GENERIC,
    SECTION,
    assert_same,
    covered,
    generator,
    require,
)
from proofs_check.exact import rank as er
from proofs_check.exact.solution_count import Solutions, search_rotations
from proofs_check.proving.derivation import Derivation
from toyenvs.algebra import apply, inner, scale
from toyenvs.hypothesis_classes import SpecialOrthogonal, hypothesis_class

__all__ = ["INSTANCES", "STARTS", "solutions_of_instances"]

# --- ReenGAGE -----------------------------------------------------------------------------------------------


def _other_solutions(settings: CheckSettings) -> Finding:
    steps, visited = [], []
    for dim in DIMS:
        rng = generator(settings, dim, 8)
        U, actions = er.rational_rotation(er.random_skew(rng, dim, bound=2)), er.draw_vectors(rng, dim, dim)
        require(er.rank(actions) == dim, f"d = {dim}: the actions are dependent")
        (normal,) = normals(actions[: dim - 1], 1)
        mirrored = U @ reflection(normal)
        assert_another(mirrored, U, -1, f"d = {dim}, N = d − 1")
        assert (mirrored @ actions[: dim - 1].T == U @ actions[: dim - 1].T).all(), f"d = {dim}: images differ"
        first, second = normals(actions[: dim - 2], 2)
        for slope in (1, 2, -3):
            turned = U @ reflection(first) @ reflection(first + slope * second)
            assert_another(turned, U, 1, f"d = {dim}, N = d − 2")
            assert (turned @ actions[: dim - 2].T == U @ actions[: dim - 2].T).all(), f"d = {dim}: images differ"
        every_goal = np.eye(dim, dtype=np.int64)
        for group in ("so", "o"):
            found = [another_solution(U, every_goal, actions[:n], group) is None for n in range(dim + 1)]
            assert_predicted("reengage", group, dim, found.index(True))
            for steps_per_goal in (1, 2):
                predicted = counts.predicted_threshold("gradient-feedback", group, "reengage", dim, steps_per_goal)
                assert_same(found.index(True), predicted, f"d = {dim}, {group}, {steps_per_goal} steps a goal")
        visited.append(dim)
        steps.append(
            f"d = {dim}: U(I − 2nnᵀ), n ⊥ {dim - 1} actions, has their images and determinant −1; the rotations "
            f"U(I − 2bbᵀ)(I − 2vvᵀ), v = b + tc, b, c ⊥ {dim - 2} actions, have theirs"
        )
    return Finding(Truth.TRUE, covered(visited, DIMS), tuple(steps))


@SECTION.proof(
    "8",
    "ReenGAGE, global: d − 1 transitions determine U on SO(d), d on O(d), and no fewer do.",
    latex=r"\{V\in SO(d):Va_i=Ua_i\}=U\cdot SO(d-r),\quad N^*_{SO}=d-1,\ N^*_O=d",
    source="sharp form of Proposition 1 (upper bound for ReenGAGE)",
    assumptions=("actions linearly independent", "U orthogonal"),
    also=[
        Evidence(
            CERTIFICATE, "rational orthogonal matrices with the same images, one transition short", _other_solutions
        )
    ],
    note="By hand: what the remarks of the proof conclude, and that d independent images fix any linear map.",
)
def _reengage_threshold(step: Derivation) -> None:
    W, a, n = step.space.orthogonal("W"), step.space.vector("a"), step.space.vector("n", nonzero=True)
    step.remark("W = UᵀV leaves every action in its place, Wa = a.")
    step.equal("⟨Wn, Wa⟩ and ⟨n, a⟩", inner(apply(W, n), apply(W, a)), inner(n, a))
    step.equal("‖Wn‖² and ‖n‖²", inner(apply(W, n), apply(W, n)), inner(n, n))
    step.remark("By hand: so with n ⊥ a also Wn ⊥ a: W acts on the complement of the actions as O(d − r).")
    unit = n / sympy.sqrt(inner(n, n))
    mirrored = a - scale(unit, 2 * inner(unit, a))
    step.equal(
        "the move of a under the reflection I − 2nnᵀ/‖n‖², and −2⟨n, a⟩n/‖n‖²",
        mirrored - a,
        scale(n, -2 * inner(n, a) / inner(n, n)),
    )
    step.remark("By hand: it is 0 for n ⊥ a. With d − 1 actions W is I or that reflection, of determinant −1:")
    step.remark("on SO(d) only U is left, on O(d) both; with d actions the complement is 0 and W = I.")
    step.remark("By hand: with at most d − 2 actions two such reflections, not in parallel n, make a rotation ≠ I.")


# --- DDPG ---------------------------------------------------------------------------------------------------


INSTANCES = {2: 20, 3: 12}
"""d, and how many random problems are counted there."""

STARTS = 1000
"""Of each search at d = 4."""

SEARCHES = {1: 6, 2: 3}
"""Goals a transition, and how many random problems are searched at d = 4."""


def _instances(visited: list[tuple[int, int]]) -> str:
    """The scope of what was counted."""
    dims = covered(visited, [(dim, place) for dim, instances in INSTANCES.items() for place in range(instances)])
    each = " and ".join(str(sum(dim == other for other, _ in visited)) for dim in INSTANCES)
    return f"{dims}; {each} rational instances, both components of O(d)"


def _places(found: Sequence[tuple[int, Solutions, Solutions]]) -> list[tuple[int, int]]:
    """For every entry its d, and its place among those of that d."""
    dims = [dim for dim, _, _ in found]
    return [(dim, dims[:k].count(dim)) for k, dim in enumerate(dims)]


@cache
def solutions_of_instances(seed: int, extra: int) -> tuple[tuple[int, Solutions, Solutions], ...]:
    """d, and the solutions of N = D + extra equations on both components of O(d); three claims ask for them."""
    found = []
    for dim, instances in INSTANCES.items():
        for attempt in range(instances):
            rng = np.random.default_rng((seed, dim, attempt, 23))
            num = counts.rotation_dimension(dim) + extra
            goals, actions = draw_data(rng, num, dim), draw_data(rng, num, dim)
            state = rng.integers(2**32)
            rotations = count_orthogonal(np.random.default_rng(state), dim, goals, actions)
            reflections = count_orthogonal(np.random.default_rng(state), dim, goals, actions, reflected=True)
            found.append((dim, rotations, reflections))
    return tuple(found)


@SECTION.check(
    "23",
    "At N = D there are 2, 8 complex solutions on SO(2), SO(3): the degree of the group.",
    kind=CERTIFICATE,
    method="dimension of the quotient ring by Gröbner bases",
    latex=r"\deg SO(2)=2,\qquad\deg SO(3)=8",
    source="arXiv 1701.03200 (which goes on 40, 384, 4768 for d = 4, 5, 6)",
    assumptions=GENERIC,
)
def _degrees(settings: CheckSettings) -> Finding:
    degrees = {2: 2, 3: 8}
    found = solutions_of_instances(settings.seed, 0)
    for dim, rotations, reflections in found:
        assert_same(
            (rotations.complex, reflections.complex), (degrees[dim], degrees[dim]), f"d = {dim}, both components"
        )
    steps = tuple(f"d = {dim}: {degrees[dim]} on either component, {n} instances" for dim, n in INSTANCES.items())
    return Finding(Truth.TRUE, _instances(_places(found)), steps)


def _search(
    settings: CheckSettings, num: int, goals_each: int, instances: int, starts: int
) -> Iterator[tuple[Any, Any]]:
    """Searches at d = 4, with Gaussian goals and actions, and their true rotations."""
    for attempt in range(instances):
        rng = generator(settings, num, goals_each, attempt, 24)
        U = SpecialOrthogonal().sample(4, rng)
        goals = rng.standard_normal((num * goals_each, 4))
        actions = np.repeat(rng.standard_normal((num, 4)), goals_each, axis=0)
        yield U, search_rotations(U, goals, actions, rng, starts=starts)


def _assert_searched(group: str, num: int, goals_each: int, determined: bool) -> None:
    """The thresholds at d = 4 are above ``num``, or not, as the search has it."""
    predicted = counts.relabelled_threshold(group, 4, goals_each)
    where = f"d = 4, {goals_each} goals each: whether {num} transitions determine U"
    assert_same(determined, num >= predicted, where)
    if goals_each == 1:
        informative = counts.informative_transitions_needed("ddpg", group, 4)
        assert_same(determined, informative is not None and num >= informative, where)


def _searched(visited: list[tuple[int, int, int]]) -> str:
    """The scope of the searches."""
    intended = [(4, goals_each, k + 1) for goals_each, instances in SEARCHES.items() for k in range(instances)]
    return f"sampled: {covered(visited, intended)}, {len(visited)} instances"


def _even_at_four(settings: CheckSettings) -> Finding:
    steps = []
    fewest, visited = STARTS, []
    for goals_each, instances in SEARCHES.items():
        num = 6 // goals_each
        tally: dict[int, int] = {}
        for U, search in _search(settings, num, goals_each, instances, STARTS):
            number = len(search.solutions)
            where = f"d = 4, {num} transitions with {goals_each} goals each"
            require(search.contains(U), f"{where}: U was not found")
            assert number >= 2, f"{where}: U is alone"
            fewest = min(fewest, int(search.hits.min()))
            if fewest < 5 or search.smallest_singular.min() < 1e-6:
                return Finding(Truth.UNKNOWN, "nothing", (f"{where}: solutions found {search.hits.tolist()} times",))
            assert_same(number % 2, 0, f"{where}: parity of {number} solutions")
            tally[number] = tally.get(number, 0) + 1
            visited.append((4, goals_each, sum(tally.values())))
        _assert_searched("so", num, goals_each, determined=False)
        listed = ", ".join(f"{number} in {times}" for number, times in sorted(tally.items()))
        steps.append(f"{num} transitions, {goals_each} goals each: numbers of real solutions {listed} instances")
    steps.append(
        f"{STARTS} starts each; the rarest solution was found {fewest} times, so that one is missed is unlikely"
    )
    return Finding(Truth.TRUE, _searched(visited), tuple(steps))


def _alone_at_four(settings: CheckSettings) -> Finding:
    steps, visited = [], []
    for goals_each, instances in SEARCHES.items():
        num, reached, seen = 6 // goals_each + 1, STARTS, 0
        for U, search in _search(settings, num, goals_each, instances, STARTS):
            where = f"d = 4, {num} transitions with {goals_each} goals each"
            require(search.contains(U), f"{where}: U was not found")
            assert_same(len(search.solutions), 1, f"{where}: solutions")
            reached, seen = min(reached, int(search.hits.min())), seen + 1
            visited.append((4, goals_each, seen))
        _assert_searched("so", num, goals_each, determined=True)
        steps.append(
            f"{num} transitions, {goals_each} goals each, {instances} instances: U and nothing else, found by "
            f"{reached} or more of {STARTS} starts"
        )
    return Finding(Truth.TRUE, _searched(visited), tuple(steps))


@SECTION.check(
    "24",
    "DDPG at N = D: there are other real solutions besides U, and the number of all on SO(d) is even.",
    kind=CERTIFICATE,
    method="Gröbner bases and exact root isolation of the eliminant, d = 2, 3",
    latex=r"\#\{V\in SO(d):g_i^\top Va_i=g_i^\top Ua_i,\ i\le D\}\in\{2,4,6,\dots\}",
    source="sharp form of Proposition 1 (lower bound for DDPG)",
    assumptions=GENERIC,
    also=[Evidence(EvidenceKind.NUMERIC, "Levenberg–Marquardt from random starts, d = 4", _even_at_four)],
    note="Argument by hand, for every d (not machine-checked): V ↦ (gᵢᵀVaᵢ) maps a closed manifold of dimension D to "
    "R^D. It is not onto, so its degree mod 2 is 0: a regular value has an even number of preimages. For generic data "
    "the value is regular (at U by C.5, elsewhere by Sard's theorem on the pairs of data and V), and U is a preimage.",
)
def _others_at_dimension(settings: CheckSettings) -> Finding:
    tally: dict[int, list[int]] = {dim: [] for dim in INSTANCES}
    found = solutions_of_instances(settings.seed, 0)
    for dim, rotations, reflections in found:
        assert rotations.real >= 2, f"d = {dim}, N = D: U is alone"
        assert_same((rotations.real % 2, reflections.real % 2), (0, 0), f"d = {dim}, N = D: parity on both components")
        tally[dim].append(rotations.real)
        for group in ("so", "o"):
            more = counts.informative_transitions_needed("ddpg", group, dim)
            where = f"d = {dim}, {group}: whether D transitions determine U"
            assert_same(False, more is not None and counts.rotation_dimension(dim) >= more, where)
    steps = tuple(f"d = {dim}: numbers of real rotations {numbers}" for dim, numbers in tally.items())
    return Finding(Truth.TRUE, _instances(_places(found)), steps)


@SECTION.check(
    "25",
    "DDPG at N = D + 1: U is the only solution, on SO(d) and on O(d).",
    kind=CERTIFICATE,
    method="Gröbner bases: no other solution, complex ones included, d = 2, 3",
    latex=r"\{V\in O(d):g_i^\top Va_i=g_i^\top Ua_i,\ i\le D+1\}=\{U\}",
    source="sharp form of Proposition 1 (upper bound for DDPG)",
    assumptions=GENERIC,
    also=[Evidence(EvidenceKind.NUMERIC, "Levenberg–Marquardt from random starts, d = 4", _alone_at_four)],
    note="Argument by hand, for every d and every class of dimension M (not machine-checked): for V ≠ U one scalar "
    "equation gᵀ(V − U)a = 0 is a hypersurface of the data (g, a), so the data of N equations that some V ≠ U solves "
    "have codimension at least N − M: at N = M + 1 they are a null set.",
)
def _alone_beyond_dimension(settings: CheckSettings) -> Finding:
    found = solutions_of_instances(settings.seed, 1)
    for dim, rotations, reflections in found:
        assert_same(rotations, Solutions(1, 1, True), f"d = {dim}, N = D + 1, rotations")
        assert_same(reflections, Solutions(0, 0, True), f"d = {dim}, N = D + 1, the other component")
        for group in ("so", "o"):
            num = counts.rotation_dimension(dim) + 1
            assert_predicted("ddpg", group, dim, num)
            assert_same(num, hypothesis_class(group).scalar_count(dim), f"d = {dim}, {group}: scalars")
    steps = tuple(f"d = {dim}, N = D + 1: {n} instances, U is the one solution over C" for dim, n in INSTANCES.items())
    return Finding(Truth.TRUE, _instances(_places(found)), steps)
