"""More scalars from the same steps: K fresh goals for every transition, and episodes of T steps with one goal.

Goals and actions change places between the two, so both are one grid of cases with two ways to draw its data.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np

from proofs_check import exact_rank as er
from proofs_check import identifiability as counts
from proofs_check.claim import CheckSettings, Finding, Verdict
from proofs_check.counting.certificates import (
    assert_another,
    count_orthogonal,
    count_unseen,
    draw_data,
    normals,
    reflection,
    rotation_and_goals,
)
from proofs_check.counting.section import (
    CERTIFICATE,
    DIMS,
    GENERIC,
    LOWER_BOUND,
    SECTION,
    SHARPER,
    assert_same,
    generator,
)
from proofs_check.solution_count import Solutions

# --- local --------------------------------------------------------------------------------------------------


def _most(dim: int, scalars: int) -> int:
    """Transitions (or episodes) up to which a grid goes, if each has so many scalars."""
    return max(dim + 2, -(-counts.rotation_dimension(dim) // scalars) + 2)


def _fresh_grid(settings: CheckSettings, dim: int) -> Iterator[tuple[int, list[int]]]:
    """(K, ranks for N = 0, 1, …): K fresh goals a transition, after checking the kernel vectors."""
    size, widest = counts.rotation_dimension(dim), dim + 2
    _, pulled, _ = rotation_and_goals(settings, dim, _most(dim, 1) * widest, 9)
    pulled = pulled.reshape(-1, widest, dim)
    actions = er.draw_vectors(generator(settings, dim, 9, 1), len(pulled), dim)
    rows = er.wedge_rows(pulled, actions[:, None])
    for num in range(dim):
        where = f"d = {dim}, N = {num}"
        unseen = count_unseen(actions[:num], rows[:num].reshape(-1, size), where)
        assert_same(size - unseen, counts.reengage_local_rank(dim, num), f"{where}, upper bound")
    for scalars in range(1, widest + 1):
        block = rows[: _most(dim, scalars), :scalars].reshape(-1, size)
        yield scalars, er.leading_ranks(block)[::scalars]


def _episode_grid(settings: CheckSettings, dim: int) -> Iterator[tuple[int, list[int]]]:
    """(T, ranks for E = 0, 1, …): T steps an episode with one goal g = Uh, h integer, after the same check."""
    size, widest, rng = counts.rotation_dimension(dim), dim + 2, generator(settings, dim, 11)
    pulled = er.draw_vectors(rng, _most(dim, 1), dim)
    actions = er.draw_vectors(rng, len(pulled) * widest, dim).reshape(-1, widest, dim)
    rows = er.wedge_rows(pulled[:, None], actions)
    for num in range(dim):
        where = f"d = {dim}, E = {num}"
        unseen = count_unseen(pulled[:num], rows[:num].reshape(-1, size), where)
        assert_same(size - unseen, counts.reengage_local_rank(dim, num), f"{where}, upper bound")
    for scalars in range(1, widest + 1):
        block = rows[: _most(dim, scalars), :scalars].reshape(-1, size)
        yield scalars, er.leading_ranks(block)[::scalars]


_Grid = Callable[[CheckSettings, int], Iterator[tuple[int, list[int]]]]


def _check_grid(
    settings: CheckSettings, grid: _Grid, formula: Callable[[int, int, int], int], names: tuple[str, str]
) -> Finding:
    steps, cases = [], 0
    many, each = names
    for dim in DIMS:
        here = 0
        for scalars, found in grid(settings, dim):
            for num, rank in enumerate(found):
                assert_same(rank, formula(dim, num, scalars), f"d = {dim}, {many} = {num}, {each} = {scalars}")
            assert_same(
                found[-1], counts.rotation_dimension(dim), f"d = {dim}, {each} = {scalars}: the rank at the end"
            )
            here += len(found)
        cases += here
        steps.append(f"d = {dim}: {here} cases, {each} = 1 … {dim + 2}, {many} up to two beyond full rank or d")
    steps.append("more rows keep the full rank D")
    return Finding(Verdict.TRUE, f"d = 2 … 8; {cases} cases", tuple(steps))


@SECTION.check(
    "9",
    "DDPG with K fresh goals a transition, local: rank min(NK, d·r − r(r+1)/2), r = min(N, d).",
    kind=CERTIFICATE,
    method=f"{LOWER_BOUND}; number of rows and kernel vectors bcᵀ − cbᵀ (upper bounds)",
    latex=r"\min\bigl(NK,\ dr-\tfrac{r(r+1)}2\bigr),\quad r=\min(N,d)",
    source=SHARPER,
    assumptions=(*GENERIC, "every goal is used once"),
)
def _relabelled_rank(settings: CheckSettings) -> Finding:
    return _check_grid(settings, _fresh_grid, counts.relabelled_local_rank, ("N", "K"))


@SECTION.check(
    "11",
    "DDPG with E episodes of one goal and T steps, local: rank min(ET, d·r − r(r+1)/2), r = min(E, d).",
    kind=CERTIFICATE,
    method=f"{LOWER_BOUND}; number of rows and kernel vectors across the goals (upper bounds)",
    latex=r"\min\bigl(ET,\ dr-\tfrac{r(r+1)}2\bigr),\quad r=\min(E,d)",
    source=SHARPER,
    assumptions=GENERIC,
    note="Goals and actions change places in C.9. ReenGAGE does not mind: one goal serves it as well as many.",
)
def _episodes_rank(settings: CheckSettings) -> Finding:
    return _check_grid(settings, _episode_grid, counts.episodes_local_rank, ("E", "T"))


# --- global -------------------------------------------------------------------------------------------------


def _smallest_from_ranks(grid: Iterable[tuple[int, list[int]]], dim: int) -> dict[int, int]:
    """For every number of scalars: the first place in the grid with full rank and more than D scalars."""
    size = counts.rotation_dimension(dim)
    return {
        scalars: next(num for num, rank in enumerate(found) if rank == size and num * scalars > size)
        for scalars, found in grid
    }


def _check_thresholds(settings: CheckSettings, grid: _Grid, formula: Callable[[str, int, int], int]) -> list[str]:
    steps = []
    for dim in DIMS:
        smallest = _smallest_from_ranks(grid(settings, dim), dim)
        for scalars, num in smallest.items():
            assert_same(num, formula("so", dim, scalars), f"d = {dim}, {scalars} scalars each: threshold on SO(d)")
            assert_same(
                max(num, dim), formula("o", dim, scalars), f"d = {dim}, {scalars} scalars each: threshold on O(d)"
            )
        shown = ", ".join(f"{num} of {scalars}" for scalars, num in smallest.items())
        steps.append(f"d = {dim}: rank D and more than D scalars first with {shown} scalars each")
    return steps


def _grid_counts(settings: CheckSettings, episodes: bool) -> list[str]:
    """Solutions at d = 2, 3 at the threshold on SO(d), and the reflection that O(d) has there besides."""
    steps = []
    many, each = ("E", "T") if episodes else ("N", "K")
    for dim, scalars in ((2, 1), (2, 2), (3, 1), (3, 2), (3, 3)):
        threshold = counts.relabelled_threshold("so", dim, scalars)
        where = f"d = {dim}, {each} = {scalars}, {many} = {threshold}"
        for attempt in range(2):
            rng = generator(settings, dim, scalars, attempt, 10 + 2 * episodes)
            fresh = draw_data(rng, threshold * scalars, dim)
            shared = np.repeat(draw_data(rng, threshold, dim), scalars, axis=0)
            goals, actions = (shared, fresh) if episodes else (fresh, shared)
            assert_same(count_orthogonal(rng, dim, goals, actions), Solutions(1, 1, True), f"{where}, SO(d)")
            if threshold == dim - 1:
                (normal,) = normals(shared[::scalars], 1)
                U, mirror = er.rational_rotation(er.random_skew(rng, dim, bound=2)), reflection(normal)
                other = mirror @ U if episodes else U @ mirror
                assert_another(other, U, -1, where)
                same = [g @ other @ a == g @ U @ a for g, a in zip(goals, actions, strict=True)]
                assert all(same), f"{where}: the reflection does not solve the equations"
        more = "; on O(d) a reflection solves them too" if threshold == dim - 1 else ""
        steps.append(f"{where}: U is the only solution on SO({dim}), complex ones included, 2 instances{more}")
    return steps


_TO_GLOBAL = (
    "Argument by hand: fewer than d − 1 (on O(d): d) shared vectors leave a rotation (reflection) that fixes them, "
    "C.8; D scalars or fewer leave another solution or an infinity of them, C.24; beyond both, a dimension count over "
    "the rank of V − U as in C.25. Checked independently where solutions can be counted, d = 2, 3."
)


@SECTION.check(
    "10",
    "DDPG with K fresh goals a transition, global: max(d − 1, ⌊D/K⌋ + 1) on SO(d), max(d, ⌊D/K⌋ + 1) on O(d).",
    kind=CERTIFICATE,
    method="first full rank with more than D scalars; all solutions counted at d = 2, 3",
    latex=r"N^*_{SO}=\max\bigl(d-1,\lfloor D/K\rfloor+1\bigr),\quad N^*_O=\max\bigl(d,\lfloor D/K\rfloor+1\bigr)",
    source=SHARPER,
    assumptions=(*GENERIC, "every goal is used once"),
    note=f"K ≥ ⌊d/2⌋ + 1 relabels need no more transitions than ReenGAGE. {_TO_GLOBAL}",
)
def _relabelled_thresholds(settings: CheckSettings) -> Finding:
    steps = _check_thresholds(settings, _fresh_grid, counts.relabelled_threshold)
    for dim in range(2, 65):
        enough = [k for k in range(1, dim + 1) if counts.relabelled_threshold("so", dim, k) == dim - 1]
        assert_same(enough[0], dim // 2 + 1, f"d = {dim}: fewest relabels that match ReenGAGE")
    steps.append("K = ⌊d/2⌋ + 1 is the first with threshold d − 1, for d = 2 … 64")
    steps += _grid_counts(settings, episodes=False)
    return Finding(
        Verdict.TRUE, "first full rank d = 2 … 8, K ≤ d + 2; solutions counted d = 2, 3, K ≤ d", tuple(steps)
    )


@SECTION.check(
    "12",
    "DDPG with episodes of T steps and one goal each, global: max(d − 1, ⌊D/T⌋ + 1) episodes on SO(d).",
    kind=CERTIFICATE,
    method="first full rank with more than D scalars; all solutions counted at d = 2, 3",
    latex=r"E^*_{SO}=\max\bigl(d-1,\lfloor D/T\rfloor+1\bigr),\quad E^*_O=\max\bigl(d,\lfloor D/T\rfloor+1\bigr)",
    source=SHARPER,
    assumptions=GENERIC,
    note=f"So DDPG needs at least d − 1 distinct goals, however long the episodes. {_TO_GLOBAL}",
)
def _episodes_thresholds(settings: CheckSettings) -> Finding:
    steps = _check_thresholds(settings, _episode_grid, counts.episodes_threshold)
    steps += _grid_counts(settings, episodes=True)
    return Finding(
        Verdict.TRUE, "first full rank d = 2 … 8, T ≤ d + 2; solutions counted d = 2, 3, T ≤ d", tuple(steps)
    )
