"""Predicted thresholds: the smallest number of transitions that determines U.

Goals and actions are generic and independent of U, one fresh goal a transition. Informative transitions are those
whose loss depends on U at all: every one in Proposition 1, every second one in Proposition 2.

Further down: ranks of the differential (local identifiability), thresholds under relabelling, in episodes and for
goals of a lower dimension, and the counts of other hypothesis classes.

The exact rank certificates and counts of solutions behind these numbers are section C of the ledger
(:mod:`proofs_check.claims.counting`). In short:

* DDPG on SO(d) or O(d), for a fixed U: D + 1 with D = d(d-1)/2. Sufficiency by dimension count, necessity because
  at N = D the number of real solutions is even. The paper states order d² only.
* ReenGAGE: d - 1 on SO(d), where d - 1 images fix a rotation, and d on O(d), where they leave a reflection open.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

__all__ = [
    "CLASS_COUNTS",
    "ClassCounts",
    "block_rotations",
    "convex_relaxation",
    "ddpg_local_rank",
    "episodes_local_rank",
    "episodes_threshold",
    "goals_in_turn_threshold",
    "informative_transitions_needed",
    "low_rank",
    "predicted_threshold",
    "prediction_label",
    "projected_ddpg_local_rank",
    "projected_reengage_local_rank",
    "projected_threshold",
    "reengage_local_rank",
    "relabelled_local_rank",
    "relabelled_threshold",
    "rotation_dimension",
    "shared_goals_local_rank",
    "shared_goals_threshold",
    "transitions_for_informative",
]


_Count = TypeVar("_Count", int, float)


@dataclass(frozen=True)
class _Formula:
    """A count of informative transitions u(d), and the lengths of the shortest buffers with so many, in mathtext."""

    informative: Callable[[int], int]
    labels: dict[str, str]


_DDPG = _Formula(lambda dim: dim * (dim - 1) // 2 + 1, {"gradient-feedback": "D+1", "no-reward-gradient": "2D+1"})
_FORMULAS = {
    ("ddpg", "so"): _DDPG,
    ("ddpg", "o"): _DDPG,
    ("reengage", "so"): _Formula(lambda dim: dim - 1, {"gradient-feedback": "d-1", "no-reward-gradient": "2d-3"}),
    ("reengage", "o"): _Formula(lambda dim: dim, {"gradient-feedback": "d", "no-reward-gradient": "2d-1"}),
}


def informative_transitions_needed(learner: str, group: str, dim: int) -> int | None:
    """Smallest number of informative transitions at which the learner's loss has U as its only zero.

    Args:
        learner: "ddpg", "reengage" or "gradient-only"; other names have no prediction.
        group: key of ``CLASS_COUNTS``; likewise.
        dim: d ≥ 2; likewise where the class does not exist.
    """
    formula = _FORMULAS.get(("reengage" if learner == "gradient-only" else learner, group))
    if formula is not None:
        return formula.informative(dim)
    entry = CLASS_COUNTS.get(group)
    if entry is None or not entry.allows(dim):
        return None
    counts = {"ddpg": entry.scalar_threshold, "reengage": entry.gradient_threshold}
    count = counts.get("reengage" if learner == "gradient-only" else learner)
    return None if count is None else count(dim)


def prediction_label(construction: str, group: str, learner: str) -> str | None:
    """The predicted threshold as a formula in mathtext, without dollar signs; None where there is none."""
    formula = _FORMULAS.get((learner, group))
    return None if formula is None else formula.labels.get(construction)


def transitions_for_informative(construction: str, informative: _Count) -> _Count | None:
    """Length of the shortest buffer that holds a given number of informative transitions.

    In Proposition 2 informative and uninformative transitions alternate, an informative one first: k of them need
    2k - 1.
    """
    lengths = {"gradient-feedback": informative, "no-reward-gradient": 2 * informative - 1}
    return lengths.get(construction)


def predicted_threshold(
    construction: str, group: str, learner: str, dim: int, steps_per_goal: int = 1, goals_per_transition: int = 1
) -> int | None:
    """Smallest N at which theory says that the learner's data determine U, or None where it says nothing.

    One goal serves ReenGAGE as well as many. DDPG's count depends on how the goals come: K fresh ones a transition
    (:func:`relabelled_threshold`), or a fresh one every T transitions (:func:`goals_in_turn_threshold`); of the two
    together, and of Proposition 2 with either, this module says nothing.

    Args:
        construction: name of a construction.
        group: a key of ``CLASS_COUNTS``.
        learner: "ddpg", or one that matches gradients: "reengage", "gradient-only".
        dim: d ≥ 2.
        steps_per_goal: T.
        goals_per_transition: K.
    """
    if learner == "ddpg" and (steps_per_goal, goals_per_transition) != (1, 1):
        if (
            construction != "gradient-feedback"
            or group not in ("so", "o")
            or 1 not in (steps_per_goal, goals_per_transition)
        ):
            return None
        if steps_per_goal == 1:
            return relabelled_threshold(group, dim, goals_per_transition)
        return goals_in_turn_threshold(group, dim, steps_per_goal)
    informative = informative_transitions_needed(learner, group, dim)
    return None if informative is None else transitions_for_informative(construction, informative)


def convex_relaxation(dim: int) -> float:
    """(3d² - d)/4: generic scalar measurements for the spectral-norm relaxation of an orthogonal matrix.

    Chandrasekaran, Recht, Parrilo & Willsky, Found. Comput. Math. 2012, doi 10.1007/s10208-012-9135-7.
    """
    return (3 * dim**2 - dim) / 4


# --- local identifiability: generic ranks of the differential ----------------------------------------------


def _check(**at_least: tuple[int, int]) -> None:
    for name, (value, smallest) in at_least.items():
        if value < smallest:
            raise ValueError(f"{name}: {value!r} is not an integer >= {smallest}")


def rotation_dimension(dim: int) -> int:
    """D = d(d−1)/2, the dimension of SO(d) and O(d).

    Raises:
        ValueError: if ``dim`` is below 1.
    """
    _check(dim=(dim, 1))
    return dim * (dim - 1) // 2


def ddpg_local_rank(dim: int, num_transitions: int) -> int:
    """Rank of Ω ↦ (gᵢᵀUΩaᵢ), i ≤ N, over skew Ω: min(N, D).

    Args:
        dim: d ≥ 1.
        num_transitions: N ≥ 0, each with a goal of its own.

    Raises:
        ValueError: if an argument is below its range.

    Source: claim C.5.
    """
    _check(dim=(dim, 1), num_transitions=(num_transitions, 0))
    return min(num_transitions, rotation_dimension(dim))


def reengage_local_rank(dim: int, num_transitions: int) -> int:
    """Rank of Ω ↦ (UΩaᵢ), i ≤ N, over skew Ω: d·r − r(r+1)/2 with r = min(N, d).

    Its kernel is the skew matrices on the complement of the actions, of dimension (d−r)(d−r−1)/2.

    Args:
        dim: d ≥ 1.
        num_transitions: N ≥ 0.

    Raises:
        ValueError: if an argument is below its range.

    Source: claim C.6.
    """
    _check(dim=(dim, 1), num_transitions=(num_transitions, 0))
    r = min(num_transitions, dim)
    return dim * r - r * (r + 1) // 2


def relabelled_local_rank(dim: int, num_transitions: int, goals_per_transition: int) -> int:
    """DDPG with K fresh goals for each of N transitions: min(NK, d·r − r(r+1)/2), r = min(N, d).

    Args:
        dim: d ≥ 1.
        num_transitions: N ≥ 0.
        goals_per_transition: K ≥ 0.

    Raises:
        ValueError: if an argument is below its range.

    Source: claim C.9.
    """
    _check(goals_per_transition=(goals_per_transition, 0))
    return min(num_transitions * goals_per_transition, reengage_local_rank(dim, num_transitions))


def episodes_local_rank(dim: int, num_episodes: int, num_steps: int) -> int:
    """DDPG with E episodes of one goal and T steps: min(ET, d·r − r(r+1)/2), r = min(E, d).

    gᵀUΩa = −aᵀΩUᵀg: goals and actions change places, so this is :func:`relabelled_local_rank` with E for N, T for K.

    Args:
        dim: d ≥ 1.
        num_episodes: E ≥ 0.
        num_steps: T ≥ 0.

    Raises:
        ValueError: if an argument is below its range.

    Source: claim C.11.
    """
    return relabelled_local_rank(dim, num_episodes, num_steps)


def shared_goals_local_rank(dim: int, num_transitions: int, num_goals: int) -> int:
    """DDPG with the same K goals for all of N transitions: r_K·r_N − w(w+1)/2, w = max(0, r_K + r_N − d).

    r_K = min(K, d) and r_N = min(N, d) are the dimensions of span(Uᵀg) and span(a), and w that of their
    intersection W: the map h⊗a ↦ h∧a on the product of the two spans has the kernel Sym²(W).

    Args:
        dim: d ≥ 1.
        num_transitions: N ≥ 0.
        num_goals: K ≥ 0.

    Raises:
        ValueError: if an argument is below its range.

    Source: claim C.13.
    """
    _check(dim=(dim, 1), num_transitions=(num_transitions, 0), num_goals=(num_goals, 0))
    goals, actions = min(num_goals, dim), min(num_transitions, dim)
    shared = max(0, goals + actions - dim)
    return goals * actions - shared * (shared + 1) // 2


def _projected_dimension(dim: int, goal_dim: int) -> int:
    _check(goal_dim=(goal_dim, 1))
    if goal_dim > dim:
        raise ValueError(f"goal_dim: {goal_dim!r} is larger than dim = {dim}")
    return dim * goal_dim - goal_dim * (goal_dim + 1) // 2


def projected_ddpg_local_rank(dim: int, goal_dim: int, num_transitions: int) -> int:
    """DDPG where the reward is gᵀPs, P a k×d projection: min(N, dk − k(k+1)/2).

    dk − k(k+1)/2 is the dimension of the set of all PU, orthonormal k-frames of R^d.

    Args:
        dim: d ≥ 1.
        goal_dim: k with 1 ≤ k ≤ d.
        num_transitions: N ≥ 0.

    Raises:
        ValueError: if an argument is out of range.

    Source: claim C.15.
    """
    _check(num_transitions=(num_transitions, 0))
    return min(num_transitions, _projected_dimension(dim, goal_dim))


def projected_reengage_local_rank(dim: int, goal_dim: int, num_transitions: int) -> int:
    """ReenGAGE where the reward is gᵀPs: PUΩa is what k shared goals measure, :func:`shared_goals_local_rank`.

    Args:
        dim: d ≥ 1.
        goal_dim: k with 1 ≤ k ≤ d.
        num_transitions: N ≥ 0.

    Raises:
        ValueError: if an argument is out of range.

    Source: claim C.15.
    """
    _projected_dimension(dim, goal_dim)
    return shared_goals_local_rank(dim, num_transitions, goal_dim)


# --- global identifiability: smallest numbers that leave U alone --------------------------------------------


def _directions_needed(group: str, dim: int) -> int:
    """Images that fix an element of the group: d − 1 on SO(d), d on O(d)."""
    _check(dim=(dim, 2))
    if group not in ("so", "o"):
        raise ValueError(f"group: {group!r} is not one of so, o")
    return dim - 1 if group == "so" else dim


def relabelled_threshold(group: str, dim: int, goals_per_transition: int) -> int:
    """Smallest N at which DDPG with K fresh goals a transition determines U: max(d − 1 or d, ⌊D/K⌋ + 1).

    Args:
        group: "so" (d − 1) or "o" (d).
        dim: d ≥ 2.
        goals_per_transition: K ≥ 1.

    Raises:
        ValueError: if an argument is out of range.

    Source: claim C.10.
    """
    _check(goals_per_transition=(goals_per_transition, 1))
    return max(_directions_needed(group, dim), rotation_dimension(dim) // goals_per_transition + 1)


def episodes_threshold(group: str, dim: int, num_steps: int) -> int:
    """Smallest number E of episodes of T steps and one goal each at which DDPG determines U.

    max(d − 1 or d, ⌊D/T⌋ + 1): goals and actions change places in :func:`relabelled_threshold`.

    Args:
        group: "so" (d − 1) or "o" (d).
        dim: d ≥ 2.
        num_steps: T ≥ 1.

    Raises:
        ValueError: if an argument is out of range.

    Source: claim C.12.
    """
    _check(num_steps=(num_steps, 1))
    return relabelled_threshold(group, dim, num_steps)


def goals_in_turn_threshold(group: str, dim: int, num_steps: int) -> int:
    """Smallest N at which DDPG determines U where a fresh goal comes every T transitions, the last goal's cut short.

    max(D + 1, T(d − 2) + 2) on SO(d), max(D + 1, T(d − 1) + 1) on O(d), for T ≥ 2. D + 1 equations are needed. So are
    d − 1 goals on SO(d): with d − 2 of them, however often each is used, what is left open is SO(2) (the fibre of
    d − 2 images under Uᵀ), and one scalar of another goal has two solutions there, two have one. On O(d) d − 1 goals
    leave a reflection open, which one scalar of a d-th goal decides.

    Args:
        group: "so" or "o".
        dim: d ≥ 2.
        num_steps: T ≥ 1; with T = 1 every transition has a goal of its own, and D + 1 is enough.

    Raises:
        ValueError: if an argument is out of range.

    Source: ours, from C.8 with goals and actions exchanged; measured by the minimiser (``paper_notes.md``).
    """
    _check(num_steps=(num_steps, 1))
    directions = _directions_needed(group, dim)
    generic = rotation_dimension(dim) + 1
    if num_steps == 1:
        return generic
    return max(generic, num_steps * (directions - 1) + (2 if group == "so" else 1))


def shared_goals_threshold(group: str, dim: int, num_goals: int) -> int | None:
    """Smallest N at which DDPG with the same K goals for all transitions determines U; None if no N does.

    K ≥ d goals see every coordinate of Ua: ReenGAGE's d − 1 on SO(d) and d on O(d). K = d − 1 goals need d
    transitions on SO(d), one more than the local rank says, because at N = d − 1 two reflections, one along the
    normal of the goals and one along that of the actions, are together a rotation that the data do not see.

    Args:
        group: "so" or "o".
        dim: d ≥ 2.
        num_goals: K ≥ 1.

    Raises:
        ValueError: if an argument is out of range.

    Source: claim C.14.
    """
    needed = _directions_needed(group, dim)
    _check(num_goals=(num_goals, 1))
    if num_goals >= dim:
        return needed
    return dim if num_goals >= needed else None


def projected_threshold(learner: str, dim: int, goal_dim: int) -> int | None:
    """Smallest N that determines PU where the reward is gᵀPs, P a k×d projection, k < d.

    dk − k(k+1)/2 + 1 for "ddpg", d for "reengage", None for other learners.

    Args:
        learner: as above.
        dim: d ≥ 2.
        goal_dim: k with 1 ≤ k < d.

    Raises:
        ValueError: if an argument is out of range.

    Source: claims C.15, C.16.
    """
    dimension = _projected_dimension(dim, goal_dim)
    if goal_dim == dim:
        raise ValueError(f"goal_dim: {goal_dim!r} is not below dim = {dim}; there P is a rotation itself")
    return {"ddpg": dimension + 1, "reengage": dim}.get(learner)


# --- other hypothesis classes -------------------------------------------------------------------------------


@dataclass(frozen=True)
class ClassCounts:
    """Counts of a hypothesis class of d×d parameters.

    Attributes:
        name: in words.
        dimension: M(d), the number of degrees of freedom.
        gradient_threshold: smallest N at which N images Ua, generic a, determine U.
        affine: whether the class is an affine space; then M scalars are enough.
        divisor: d must be a multiple of it.
        smallest_dim: d must not be below it.
    """

    name: str
    dimension: Callable[[int], int]
    gradient_threshold: Callable[[int], int]
    affine: bool = False
    divisor: int = 1
    smallest_dim: int = 2

    def allows(self, dim: int) -> bool:
        """Whether the class exists in d = ``dim`` dimensions."""
        return dim >= self.smallest_dim and dim % self.divisor == 0

    def scalar_threshold(self, dim: int) -> int:
        """Smallest N at which N generic scalars gᵀUa determine every U: M, or M + 1 if the class is not affine."""
        return self.dimension(dim) + (0 if self.affine else 1)

    def gain(self, dim: int) -> float:
        """Scalar over gradient threshold."""
        return self.scalar_threshold(dim) / self.gradient_threshold(dim)


def block_rotations(block: int) -> ClassCounts:
    """Block-diagonal rotations: d/b blocks from SO(b).

    Raises:
        ValueError: if ``block`` is below 2.
    """
    _check(block=(block, 2))
    return ClassCounts(f"SO({block}) blocks", lambda dim: dim * (block - 1) // 2, lambda dim: block - 1, divisor=block)


def low_rank(rank: int) -> ClassCounts:
    """Matrices of rank p < d.

    Raises:
        ValueError: if ``rank`` is below 1.
    """
    _check(rank=(rank, 1))
    return ClassCounts(
        f"rank {rank}", lambda dim: rank * (2 * dim - rank), lambda dim: dim, smallest_dim=max(2, rank + 1)
    )


CLASS_COUNTS: dict[str, ClassCounts] = {
    "so": ClassCounts("SO(d)", rotation_dimension, lambda dim: dim - 1),
    "o": ClassCounts("O(d)", rotation_dimension, lambda dim: dim),
    "all": ClassCounts("all matrices", lambda dim: dim**2, lambda dim: dim, affine=True),
    "symmetric": ClassCounts("symmetric matrices", lambda dim: dim * (dim + 1) // 2, lambda dim: dim, affine=True),
    "so2-blocks": block_rotations(2),
    "so3-blocks": block_rotations(3),
    "unitary": ClassCounts("U(d/2) in R^d", lambda dim: dim**2 // 4, lambda dim: dim // 2, divisor=2),
    "householder": ClassCounts("Householder reflections", lambda dim: dim - 1, lambda dim: 1),
    "diagonal": ClassCounts("diagonal matrices", lambda dim: dim, lambda dim: 1, affine=True),
    "circulant": ClassCounts("circulant matrices", lambda dim: dim, lambda dim: 1, affine=True),
    "translation": ClassCounts("translations", lambda dim: dim, lambda dim: 1, affine=True),
    "rank-1": low_rank(1),
    "rank-2": low_rank(2),
    "permutation": ClassCounts("permutations", lambda dim: 0, lambda dim: 1),
}
"""Scalar and gradient counts by class. The class must contain U, and goals and actions be independent of U.

Source: claims C.17 to C.20; "sufficient" is a dimension count for every class.
"""
