"""More scalars from the same steps: K fresh goals for every transition, and episodes of T steps with one goal.

Goals and actions change places between the two, so both are one grid of cases with two ways to draw its data.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from proofs_check import theory as counts
from proofs_check.claim import CheckSettings, Finding, Truth
from proofs_check.claims.counting.certificates import (
    another_solution,
    count_orthogonal,
    count_unseen,
    draw_data,
    rotation_and_goals,
)
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
    require,
)
from proofs_check.exact import rank as er
from proofs_check.exact.solution_count import Solutions

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


_GRID = [(dim, scalars) for dim in DIMS for scalars in range(1, dim + 3)]
"""d and K, or T, of the cases."""

_Grid = Callable[[CheckSettings, int], Iterator[tuple[int, list[int]]]]


def _check_grid(
    settings: CheckSettings, grid: _Grid, formula: Callable[[int, int, int], int], names: tuple[str, str]
) -> Finding:
    steps, cases, visited = [], 0, []
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
            visited.append((dim, scalars))
        cases += here
        steps.append(f"d = {dim}: {here} cases, {each} = 1 … {dim + 2}, {many} up to two beyond full rank or d")
    steps.append("more rows keep the full rank D")
    return Finding(Truth.TRUE, f"{covered(visited, _GRID)}; {cases} cases", tuple(steps))


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


def _fixing(settings: CheckSettings, dim: int, group: str) -> int:
    """Fewest shared vectors that leave no reflection, or product of two, across them; on a side of its own, C.8."""
    rng, every = generator(settings, dim, 10), np.eye(dim, dtype=np.int64)
    U, shared = er.rational_rotation(er.random_skew(rng, dim, bound=2)), er.draw_vectors(rng, dim, dim)
    return next(num for num in range(dim + 1) if another_solution(U, every, shared[:num], group) is None)


def _check_thresholds(
    settings: CheckSettings, grid: _Grid, formula: Callable[[str, int, int], int]
) -> tuple[list[str], str]:
    """Where the rank is full, the shared vectors fix U, and D scalars are exceeded (C.24, by hand); and the scope."""
    steps, visited = [], []
    for dim in DIMS:
        size, shown = counts.rotation_dimension(dim), []
        fixing = {group: _fixing(settings, dim, group) for group in ("so", "o")}
        for scalars, found in grid(settings, dim):
            for group, fewest in fixing.items():
                enough = next(n for n, rank in enumerate(found) if rank == size and n >= fewest and n * scalars > size)
                assert_same(enough, formula(group, dim, scalars), f"d = {dim}, {scalars} scalars each: {group}")
                shown += [f"{enough} of {scalars}"] if group == "so" else []
            visited.append((dim, scalars))
        steps.append(f"d = {dim}: rank D and more than D scalars first with {', '.join(shown)} scalars each on SO(d)")
    return steps, covered(visited, _GRID)


_COUNTED = [(dim, scalars, group) for dim in (2, 3) for scalars in range(1, dim + 1) for group in ("so", "o")]
"""d, K or T, and the group where solutions are counted."""


def _leaves_another(
    rng: np.random.Generator, group: str, goals: er.Integers, actions: er.Integers, shared: er.Integers
) -> bool:
    """Whether other elements of the group solve the equations: shown if there are, counted if there are none."""
    dim = goals.shape[1]
    if len(goals) < counts.rotation_dimension(dim):
        return True  # U is on a curve of solutions: fewer equations than dimensions, independent by C.9, C.11
    U = er.rational_rotation(er.random_skew(rng, dim, bound=2))
    if another_solution(U, np.eye(dim, dtype=np.int64), shared, group) is not None:
        return True
    state = rng.integers(2**32)
    parts = [
        count_orthogonal(np.random.default_rng(state), dim, goals, actions, reflected)
        for reflected in ((False,) if group == "so" else (False, True))
    ]
    if sum(part.real for part in parts) > 1:
        return True
    require(parts[0].real == 1, "U is no solution")
    assert_same(parts, [Solutions(1, 1, True), Solutions(0, 0, True)][: len(parts)], f"d = {dim}, {group}: solutions")
    return False


def _grid_counts(
    settings: CheckSettings, episodes: bool, formula: Callable[[str, int, int], int]
) -> tuple[list[str], str]:
    """The smallest numbers at d = 2, 3 with U as the only solution, found by adding one after the other."""
    steps, visited = [], []
    many, each = ("E", "T") if episodes else ("N", "K")
    for dim, scalars, group in _COUNTED:
        for attempt in range(2):
            rng = generator(settings, dim, scalars, attempt, 10 + 2 * episodes)
            most = _most(dim, scalars)
            fresh, shared = draw_data(rng, most * scalars, dim), draw_data(rng, most, dim)
            repeated = np.repeat(shared, scalars, axis=0)
            goals, actions = (repeated, fresh) if episodes else (fresh, repeated)
            enough = next(
                num
                for num in range(most + 1)
                if not _leaves_another(rng, group, goals[: num * scalars], actions[: num * scalars], shared[:num])
            )
            where = f"d = {dim}, {each} = {scalars}, {group.upper()}(d)"
            assert_same(enough, formula(group, dim, scalars), f"{where}: {many} with U alone")
            visited.append((dim, scalars, group))
        steps.append(
            f"{where}: others up to {many} = {enough - 1}, none at {enough}, complex ones included, 2 instances"
        )
    return steps, covered(visited, _COUNTED)


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
    steps, ranks = _check_thresholds(settings, _fresh_grid, counts.relabelled_threshold)
    for dim in range(2, 65):
        enough = [k for k in range(1, dim + 1) if counts.relabelled_threshold("so", dim, k) == dim - 1]
        assert_same(enough[0], dim // 2 + 1, f"d = {dim}: fewest relabels that match ReenGAGE")
    steps.append("K = ⌊d/2⌋ + 1 is the first with threshold d − 1, for d = 2 … 64")
    more, counted = _grid_counts(settings, False, counts.relabelled_threshold)
    scope = f"first full rank {ranks}, K ≤ d + 2; solutions counted {counted}, K ≤ d"
    return Finding(Truth.TRUE, scope, (*steps, *more))


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
    steps, ranks = _check_thresholds(settings, _episode_grid, counts.episodes_threshold)
    more, counted = _grid_counts(settings, True, counts.episodes_threshold)
    scope = f"first full rank {ranks}, T ≤ d + 2; solutions counted {counted}, T ≤ d"
    return Finding(Truth.TRUE, scope, (*steps, *more))
