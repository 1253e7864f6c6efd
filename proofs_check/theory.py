"""Predicted thresholds: the smallest number of transitions that determines U.

Goals and actions are generic and independent of U, one fresh goal a transition. Informative transitions are those
whose loss depends on U at all: every one in Proposition 1, every second one in Proposition 2.

What a hypothesis class asks for (N scalars gᵀUa, or N images Ua) stands with the class, how many transitions hold so
many with the construction, and which of the two a learner fits with the learner. Further down: ranks of the
differential (local identifiability), thresholds under relabelling, in episodes and for goals of a lower dimension.

The exact rank certificates and counts of solutions behind these numbers are section C of the ledger
(:mod:`proofs_check.claims.counting`). In short:

* DDPG on SO(d) or O(d), for a fixed U: D + 1 with D = d(d-1)/2. Sufficiency by dimension count, necessity because
  at N = D the number of real solutions is even. The paper states order d² only.
* ReenGAGE: d - 1 on SO(d), where d - 1 images fix a rotation, and d on O(d), where they leave a reflection open.
"""

from __future__ import annotations

from toyenvs.constructions import CONSTRUCTIONS, EXTENSIONS
from toyenvs.hypothesis_classes import HYPOTHESIS_CLASSES
from toyenvs.learners import LEARNERS

__all__ = [
    "convex_relaxation",
    "ddpg_local_rank",
    "episodes_local_rank",
    "episodes_threshold",
    "goals_in_turn_threshold",
    "informative_transitions_needed",
    "predicted_count",
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
]


def _equations(learner: str) -> str | None:
    """What a learner's loss says of U, one transition at a time; None where there is no such learner, or no count."""
    return LEARNERS[learner].equations if learner in LEARNERS else None


def informative_transitions_needed(learner: str, group: str, dim: int) -> int | None:
    """Smallest number of informative transitions at which the learner's loss has U as its only zero.

    Args:
        learner: key of ``LEARNERS``; other names have no prediction, nor have learners that state no ``equations``.
        group: key of ``HYPOTHESIS_CLASSES``; likewise.
        dim: d ≥ 2. A formula of d: it is not asked whether the class exists there.
    """
    members, equations = HYPOTHESIS_CLASSES.get(group), _equations(learner)
    if members is None or equations is None:
        return None
    return members.scalar_count(dim) if equations == "scalar" else members.gradient_count(dim)


def prediction_label(construction: str, group: str, learner: str) -> str | None:
    """The predicted threshold as a formula in mathtext, without dollar signs; None where there is none."""
    members, equations = HYPOTHESIS_CLASSES.get(group), _equations(learner)
    create = (CONSTRUCTIONS | EXTENSIONS).get(construction)
    if members is None or equations is None or create is None or not create.counted_by_class:
        return None
    label = members.scalar_label if equations == "scalar" else members.gradient_label
    return None if label is None else create.length_label(label)


def predicted_count(
    construction: str, group: str, learner: str, dim: int, steps_per_goal: int = 1, goals_per_transition: int = 1
) -> int | None:
    """:func:`predicted_threshold` as a formula of d, at every d ≥ 2: whether the class exists there is not asked."""
    create = (CONSTRUCTIONS | EXTENSIONS).get(construction)
    if create is None or not create.counted_by_class:
        return None
    if _equations(learner) == "scalar" and (steps_per_goal, goals_per_transition) != (1, 1):
        all_informative = create.transitions_for_informative(2) == 2
        if not all_informative or group not in ("so", "o") or 1 not in (steps_per_goal, goals_per_transition):
            return None
        if steps_per_goal == 1:
            return relabelled_threshold(group, dim, goals_per_transition)
        return goals_in_turn_threshold(group, dim, steps_per_goal)
    informative = informative_transitions_needed(learner, group, dim)
    return None if informative is None else create.transitions_for_informative(informative)


def predicted_threshold(
    construction: str, group: str, learner: str, dim: int, steps_per_goal: int = 1, goals_per_transition: int = 1
) -> int | None:
    """Smallest N at which theory says that the learner's data determine U, or None where it says nothing.

    One goal serves ReenGAGE as well as many. DDPG's count depends on how the goals come: K fresh ones a transition
    (:func:`relabelled_threshold`), or a fresh one every T transitions (:func:`goals_in_turn_threshold`); of the two
    together, and of Proposition 2 with either, this module says nothing.

    Args:
        construction: name of a construction.
        group: key of ``HYPOTHESIS_CLASSES``; None is returned where the class does not exist.
        learner: key of ``LEARNERS``.
        dim: d ≥ 2.
        steps_per_goal: T.
        goals_per_transition: K.
    """
    if group not in HYPOTHESIS_CLASSES or not HYPOTHESIS_CLASSES[group].allows(dim):
        return None
    return predicted_count(construction, group, learner, dim, steps_per_goal, goals_per_transition)


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

    dk − k(k+1)/2 + 1 of DDPG's scalars, d of ReenGAGE's images.

    Args:
        learner: key of ``LEARNERS``; None is returned for other names, and for learners that state no ``equations``.
        dim: d ≥ 2.
        goal_dim: k with 1 ≤ k < d.

    Raises:
        ValueError: if an argument is out of range.

    Source: claims C.15, C.16.
    """
    dimension = _projected_dimension(dim, goal_dim)
    if goal_dim == dim:
        raise ValueError(f"goal_dim: {goal_dim!r} is not below dim = {dim}; there P is a rotation itself")
    equations = _equations(learner)
    return None if equations is None else {"scalar": dimension + 1, "gradient": dim}[equations]
