"""Fewer directions of goals: the same K goals for all transitions, and goals of dimension k below d."""

from __future__ import annotations

from itertools import product

import numpy as np
import sympy

from proofs_check import theory as counts
from proofs_check.claim import CheckSettings, Finding, Truth
from proofs_check.claims.counting.certificates import (
    another_solution,
    assert_another,
    count_orthogonal,
    count_unseen,
    draw_data,
    normals,
    reflection,
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
from proofs_check.exact.solution_count import Solutions, count_solutions, random_rotation


def _count_dependencies(pulled: er.Integers, actions: er.Integers, where: str) -> int:
    """Count the row dependencies of C.3 at a point, after checking them there over the integers."""
    found = er.shared_goal_dependencies(pulled, actions)
    outer = np.einsum("ki,nj->knij", pulled.astype(object), actions.astype(object))
    wedges = er.wedge_coordinates(outer - outer.swapaxes(-1, -2))
    for weights in found:
        assert not (weights[..., None] * wedges).sum((0, 1)).any(), f"{where}: rows do not cancel"
    if len(found):
        assert_same(er.rank(found.reshape(len(found), -1)), len(found), f"{where}: independent dependencies")
    return len(found)


# --- shared goals -------------------------------------------------------------------------------------------


@SECTION.check(
    "13",
    "DDPG with the same K goals for all N transitions, local: rank r_K·r_N − w(w+1)/2.",
    kind=CERTIFICATE,
    method=f"{LOWER_BOUND}; dependencies w∧w' + w'∧w = 0 between the rows, in integers (upper bound)",
    latex=r"r_Kr_N-\tfrac{w(w+1)}2,\quad r_K=\min(K,d),\ r_N=\min(N,d),\ w=\max(0,r_K+r_N-d)",
    source="sharper than K ≥ d − 1, which was all that was noted before",
    assumptions=(*GENERIC, "K distinct goals, each used in all transitions"),
    note="By hand, for every d: h⊗a ↦ h∧a has the symmetric tensors as its kernel; on span(h)⊗span(a) these are Sym² "
    "of the intersection, which has dimension w. That holds at every point where the spans are in general position.",
)
def _shared_rank(settings: CheckSettings) -> Finding:
    steps, cases, visited = [], 0, []
    for dim in DIMS:
        rng, size, most = generator(settings, dim, 13), counts.rotation_dimension(dim), dim + 2
        pulled, actions = er.draw_vectors(rng, most, dim), er.draw_vectors(rng, most, dim)
        rows = er.wedge_rows(pulled[None], actions[:, None])
        for num_goals in range(1, most + 1):
            found = er.leading_ranks(rows[:, :num_goals].reshape(-1, size))[::num_goals]
            for num, rank in enumerate(found):
                where = f"d = {dim}, K = {num_goals}, N = {num}"
                assert_same(rank, counts.shared_goals_local_rank(dim, num, num_goals), where)
                if 0 < num <= dim and num_goals <= dim:
                    lost = _count_dependencies(pulled[:num_goals], actions[:num], where)
                    assert_same(num * num_goals - lost, rank, f"{where}, rows less dependencies")
            cases += len(found)
            visited.append((dim, num_goals))
        steps.append(f"d = {dim}: K = 1 … {most}, N = 0 … {most}")
    steps.append("goals or actions beyond d are combinations of the first d, and so are their rows")
    scope = covered(visited, [(dim, num_goals) for dim in DIMS for num_goals in range(1, dim + 3)])
    return Finding(Truth.TRUE, f"{scope}; {cases} cases", tuple(steps))


@SECTION.check(
    "14",
    "DDPG with the same K goals throughout, global on SO(d): d − 1 transitions if K ≥ d, d if K = d − 1, never below.",
    kind=CERTIFICATE,
    method="rational rotations that solve the same equations, one goal or one transition short; ranks of the data",
    latex=r"N^*=d-1\ (K\ge d),\quad N^*=d\ (K=d-1),\quad\text{none }(K\le d-2)",
    source="sharper than K ≥ d − 1, which was all that was noted before",
    assumptions=(*GENERIC, "K distinct goals, each used in all transitions"),
    note="At K = N = d − 1 the differential already has rank D: locally identified, but not globally. On O(d) it takes "
    "K ≥ d and N = d. Sufficiency by hand: K ≥ d goals show Ua, C.8; d transitions show Uᵀg, and C.8 holds for Uᵀ.",
)
def _shared_threshold(settings: CheckSettings) -> Finding:
    steps, visited = [], []
    for dim in DIMS:
        rng = generator(settings, dim, 14)
        U = er.rational_rotation(er.random_skew(rng, dim, bound=2))
        goals, actions = er.draw_vectors(rng, dim, dim), er.draw_vectors(rng, dim, dim)
        require((er.rank(goals), er.rank(actions)) == (dim, dim), f"d = {dim}: the goals or the actions are dependent")
        (across_goals,), (across_actions,) = normals(goals[: dim - 1], 1), normals(actions[: dim - 1], 1)
        left = reflection(across_goals)
        both = left @ U @ reflection(across_actions)
        where = f"d = {dim}, K = N = d − 1"
        assert_another(both, U, 1, where)
        assert (goals[:-1] @ both @ actions[:-1].T == goals[:-1] @ U @ actions[:-1].T).all(), f"{where}: scalars differ"
        assert_same(
            counts.shared_goals_local_rank(dim, dim - 1, dim - 1), counts.rotation_dimension(dim), f"{where}, rank"
        )
        assert_another(left @ U, U, -1, f"d = {dim}, K = d − 1 on O(d)")
        assert (goals[:-1] @ left @ U == goals[:-1] @ U).all(), f"d = {dim}, K = d − 1 on O(d): scalars differ"
        first, second = normals(goals[: dim - 2], 2)
        turned = reflection(first) @ reflection(first + second) @ U
        assert_another(turned, U, 1, f"d = {dim}, K = d − 2")
        assert (goals[: dim - 2] @ turned == goals[: dim - 2] @ U).all(), f"d = {dim}, K = d − 2: scalars differ"
        more_goals = np.vstack([goals, er.draw_vectors(rng, 1, dim)])
        for group, num_goals in product(("so", "o"), range(1, dim + 2)):
            last = dim  # the most transitions that leave another solution; fewer leave the same
            while last >= 0 and another_solution(U, more_goals[:num_goals], actions[:last], group) is None:
                last -= 1
            computed = None if last == dim else last + 1
            predicted = counts.shared_goals_threshold(group, dim, num_goals)
            assert_same(computed, predicted, f"d = {dim}, K = {num_goals} on {group.upper()}(d): threshold")
        visited.append(dim)
        steps.append(
            f"d = {dim}: K = N = {dim - 1}: (I − 2mmᵀ)U(I − 2nnᵀ), m ⊥ goals, n ⊥ actions, is another rotation; "
            f"K = {dim - 2}: a rotation across the goals is never seen"
        )
    return Finding(Truth.TRUE, covered(visited, DIMS), tuple(steps))


_SPHERE_DIMS = range(2, 6)
"""Where the solutions of C.16 are counted for k = 1."""

# --- goals of a lower dimension -----------------------------------------------------------------------------


@SECTION.check(
    "15",
    "Goals of dimension k ≤ d, reward gᵀPs, local: DDPG has rank min(N, dk − k(k+1)/2), ReenGAGE as k shared goals.",
    kind=CERTIFICATE,
    method=f"{LOWER_BOUND}; rows, kernel vectors across the plane of goals, and row dependencies (upper bounds)",
    latex=r"\min\bigl(N,\ dk-\tfrac{k(k+1)}2\bigr);\qquad kr-\tfrac{w(w+1)}2,\ r=\min(N,d),\ w=\max(0,k+r-d)",
    source=SHARPER,
    assumptions=(*GENERIC, "P a k×d projection; PU is what can be identified"),
    note="The pulled-back goals UᵀPᵀg fill a k-dimensional subspace; ReenGAGE sees PUa, k coordinates.",
)
def _projected_rank(settings: CheckSettings) -> Finding:
    steps, cases, visited = [], 0, []
    for dim in DIMS:
        size, rng = counts.rotation_dimension(dim), generator(settings, dim, 15)
        for goal_dim in range(1, dim + 1):
            most = dim * goal_dim - goal_dim * (goal_dim + 1) // 2 + 2
            frame = er.draw_vectors(rng, goal_dim, dim)  # rows span what the rows of PU span
            pulled = er.draw_vectors(rng, most, goal_dim) @ frame
            actions = er.draw_vectors(rng, max(most, dim + 2), dim)
            rows = er.wedge_rows(pulled, actions[:most])
            found = er.leading_ranks(rows)
            predicted = [counts.projected_ddpg_local_rank(dim, goal_dim, num) for num in range(most + 1)]
            assert_same(found, predicted, f"d = {dim}, k = {goal_dim}, DDPG, ranks for N = 0, 1, …")
            unseen = count_unseen(frame, rows, f"d = {dim}, k = {goal_dim}")
            assert_same(size - unseen, most - 2, f"d = {dim}, k = {goal_dim}, DDPG, upper bound")
            gradient = er.wedge_rows(frame[None], actions[: dim + 2, None]).reshape(-1, size)
            found = er.leading_ranks(gradient)[::goal_dim]
            for num, rank in enumerate(found):
                where = f"d = {dim}, k = {goal_dim}, N = {num}, ReenGAGE"
                assert_same(rank, counts.projected_reengage_local_rank(dim, goal_dim, num), where)
                if 0 < num <= dim:
                    lost = _count_dependencies(frame, actions[:num], where)
                    assert_same(num * goal_dim - lost, rank, f"{where}, rows less dependencies")
            cases += len(predicted) + len(found)
            visited.append((dim, goal_dim))
        steps.append(f"d = {dim}: k = 1 … {dim}, DDPG to two rows beyond full rank, ReenGAGE to N = {dim + 2}")
    scope = covered(visited, [(dim, goal_dim) for dim in DIMS for goal_dim in range(1, dim + 1)])
    return Finding(Truth.TRUE, f"{scope}; {cases} cases", tuple(steps))


@SECTION.check(
    "16",
    "Goals of dimension k < d, global: PU takes dk − k(k+1)/2 + 1 transitions with DDPG and d with ReenGAGE.",
    kind=CERTIFICATE,
    method="rational rotations with another PU at N = d − 1; solutions counted for k = 1, d ≤ 5 and k = 2, d = 3",
    latex=r"N^*_{DDPG}=dk-\tfrac{k(k+1)}2+1,\qquad N^*_{ReenGAGE}=d",
    source=SHARPER,
    assumptions=(*GENERIC, "P a k×d projection; PU is what is identified"),
    note="Sufficiency by hand: d independent images fix PU, with ReenGAGE; for DDPG the frames PU are a closed "
    "manifold, so the arguments of C.24 and C.25, by hand too, hold with its dimension. At k = 1 both thresholds are "
    "d: no gain, the goal's dimension sets it.",
)
def _projected_thresholds(settings: CheckSettings) -> Finding:
    steps, images, sphere, frames = [], [], [], []
    for dim in DIMS:
        rng = generator(settings, dim, 16)
        U, actions = er.rational_rotation(er.random_skew(rng, dim, bound=2)), er.draw_vectors(rng, dim, dim)
        require(er.rank(actions) == dim, f"d = {dim}: the actions are dependent")
        (normal,) = normals(actions[:-1], 1)
        last = np.eye(dim, dtype=np.int64)[-1]
        other = reflection(last) @ U @ reflection(normal)
        assert_another(other, U, 1, f"d = {dim}")
        for goal_dim in range(1, dim):
            where = f"d = {dim}, k = {goal_dim}, N = d − 1"
            assert (other[:goal_dim] != U[:goal_dim]).any(), f"{where}: PU is the same"
            assert (other[:goal_dim] @ actions[:-1].T == U[:goal_dim] @ actions[:-1].T).all(), f"{where}: images differ"
            assert_same(len(actions[:-1]) + 1, counts.projected_threshold("reengage", dim, goal_dim), where)
            images.append((dim, goal_dim))
        steps.append(f"d = {dim}: a rotation with the same PUa for {dim - 1} actions and another PU, k = 1 … {dim - 1}")
    for dim in _SPHERE_DIMS:
        rng = generator(settings, dim, 16, 1)
        u = random_rotation(dim, rng)[0, :]
        variables = sympy.symbols(f"u1:{dim + 1}")
        for num, wanted in ((dim - 1, Solutions(2, 2, True)), (dim, Solutions(1, 1, True))):
            actions = er.draw_vectors(rng, num, dim)
            linear = [sum(int(c) * (x - y) for c, x, y in zip(a, variables, u, strict=True)) for a in actions]
            assert_same(
                count_solutions([sum(x**2 for x in variables) - 1, *linear], variables), wanted, f"d = {dim}, k = 1"
            )
        assert_same(dim, counts.projected_threshold("ddpg", dim, 1), f"d = {dim}, k = 1")
        sphere.append(dim)
        steps.append(f"d = {dim}, k = 1: 2 solutions, both real, at N = {dim - 1}; 1 at N = {dim}")
    for attempt in range(2):
        rng = generator(settings, attempt, 16, 2)
        goals, actions = draw_data(rng, 4, 3), draw_data(rng, 4, 3)
        goals[:, 2] = 0
        at = count_orthogonal(rng, 3, goals[:3], actions[:3])
        assert at.real >= 2, "d = 3, k = 2, N = 3: U is alone"
        assert_same(at.real % 2, 0, "d = 3, k = 2, N = 3: parity")
        assert_same(count_orthogonal(rng, 3, goals, actions), Solutions(1, 1, True), "d = 3, k = 2, N = 4")
        assert_same(len(goals), counts.projected_threshold("ddpg", 3, 2), "d = 3, k = 2: threshold")
        frames.append((3, attempt))
        steps.append(f"d = 3, k = 2: {at.complex} complex solutions, {at.real} real, at N = 3; 1 at N = 4")
    scope = (
        f"ReenGAGE {covered(images, [(dim, k) for dim in DIMS for k in range(1, dim)])}, k < d; "
        f"DDPG k = 1, {covered(sphere, _SPHERE_DIMS)}, and k = 2, {covered(frames, [(3, 0), (3, 1)])}"
    )
    return Finding(Truth.TRUE, scope, tuple(steps))
