"""How many transitions a construction's own formulas ask for: the thresholds of constructions that nobody has counted.

At a random member U of the class, states, actions and goals, all modulo a prime, the temporal-difference error of a
transition is differentiated along the class's tangent space, with the online and the target parameter moving together:
what vanishes to first order in every transition cannot be told from U even by a learner that bootstraps to the end.
DDPG hears one such equation a transition, ReenGAGE also the derivatives of the error by the goal's coordinates. Both
come from the four formulas, run on :class:`proofs_check.exact.dual_numbers.DualNumber`.

The count is the smallest N at which the rank of the equations is the dimension M of the class. Where they are exactly
M and not affine in U, one more informative transition is counted: M polynomial equations in as many unknowns have other
solutions in general, and M + 1 have none. Of one transition's equations those count that are linearly independent as
functions of U: where the goal gradient is a constant vector times the error, it is one equation and not d.

This is a statement about the neighbourhood of a generic U, by counting. Solutions far from it (a reflection, for the
class O(d)) can ask for more. And it can ask for too much: real equations such as V³ = U³ have one solution where
complex ones have several, and an error that is quadratic about the truth identifies what its differential does not
see.

Modulo p a root of x² is x or −x, whichever is a square: ‖cv‖ = |c|‖v‖ can fail for a constant c. So a point counts
only if the error vanishes there, as it does at the truth of every construction; formulas that need such constants get
no count.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import sympy

from proofs_check.exact.class_tangents import class_point
from proofs_check.exact.dual_numbers import PRIME, DualNumber, failures
from proofs_check.exact.rank import rank
from toyenvs.constructions.base import Construction
from toyenvs.hypothesis_classes import HypothesisClass
from toyenvs.learners.losses import temporal_difference_error

__all__ = ["CountsByRank", "count_by_rank", "polynomial_in_d"]

_CANDIDATES = 32
"""Actions and goals among which one is sought at which all square roots exist: for two of them a quarter does."""

_ATTEMPTS = 50
"""Draws of that many candidates for three parameters at once: an eighth of all goals will do if there is one root."""

_DISCOUNT = sympy.Rational(7, 10)
"""γ where it is not 0; like every number at a generic point it could be another one."""


_ZERO = DualNumber(np.int64(0))


@dataclass(frozen=True)
class CountsByRank:
    """The smallest N by learner.

    Attributes:
        dimension: M, of the class.
        ddpg: for the temporal-difference error alone; None where 4M + 8 transitions do not reach it.
        reengage: with its goal gradient.
    """

    dimension: int
    ddpg: int | None
    reengage: int | None


class _Process:
    """Transitions of the construction at residues, and the temporal-difference error of each."""

    def __init__(self, construction: Construction, group: HypothesisClass, seed: int) -> None:
        self.construction = construction
        self._rng = np.random.default_rng((construction.dim, seed))
        member, tangents = class_point(group, construction.dim, self._rng, PRIME)
        self.dimension = rank(tangents.reshape(len(tangents), -1), PRIME)
        if self.dimension != group.dimension(construction.dim):
            raise ValueError(
                f"group: exact_point of {group.name!r} spans {self.dimension} dimensions, not the"
                f" {group.dimension(construction.dim)} of the class"
            )
        self.tangents = tangents
        self.true_param = DualNumber(member)
        self.param = DualNumber(member, np.moveaxis(tangents, 0, -1))
        self._group, self._members = group, np.random.default_rng((construction.dim, seed, 1))
        self._state: Any = self._start()

    def _draw(self, count: int, length: int) -> DualNumber:
        return DualNumber(self._rng.integers(1, PRIME, (count, length)))

    def _start(self) -> Any:
        """A first state at which the formula's roots exist."""
        for _ in range(_ATTEMPTS):
            with failures() as failed:
                state = self.construction.initial_observation(self._draw(1, self.construction.dim)[0])
            if not failed:
                return state
        raise ArithmeticError(f"{self.construction.name}: its first state has no square roots modulo {PRIME}")

    def error(
        self, param: DualNumber, state: DualNumber, action: DualNumber, following: DualNumber, goal: DualNumber
    ) -> DualNumber:
        """With the same parameter in value and target."""
        return _ZERO + temporal_difference_error(self.construction, param, param, state, action, following, goal)

    def next_transition(self) -> tuple[DualNumber, DualNumber, DualNumber, DualNumber]:
        """State, action, next state and goal; at these every formula has its roots.

        Raises:
            ArithmeticError: if none of many candidates has.
        """
        construction, dim = self.construction, self.construction.dim
        actions, goals = self._draw(_CANDIDATES, dim), self._draw(_CANDIDATES, construction.goal_dim)
        with failures() as failed:
            following = construction.dynamics(self.true_param, self._state, actions)
            at_truth = self.error(self.true_param, self._state, actions, following, goals)
        bad = _any(failed) | (at_truth.value != 0)
        if bad.all():
            raise ArithmeticError(
                f"{construction.name}: no point at which its square roots exist and its error vanishes modulo {PRIME}"
            )
        chosen = int(np.argmin(bad))
        action, goal = actions[chosen], goals[chosen]
        state, self._state = self._state, construction.dynamics(self.true_param, self._state, action)
        return state, action, self._state, goal

    def num_equations(self, transition: tuple[DualNumber, DualNumber, DualNumber, DualNumber]) -> int:
        """How many of a transition's equations, its error and the goal gradient, are independent functions of U.

        Dependent ones are one equation written several times, whatever their number of rows. Independent functions may
        still have dependent derivatives at U, and then say more than these: on SO(d) the d coordinates of UᵀU a do.
        """
        state, action, following, goal = transition
        size = self.construction.goal_dim
        varied = DualNumber(goal.value, by_goal=np.eye(size, dtype=np.int64))
        values: list[np.ndarray] = []
        for _ in range(_ATTEMPTS):
            for _ in range(_CANDIDATES):
                member = DualNumber(class_point(self._group, self.construction.dim, self._members, PRIME)[0])
                with failures() as failed:
                    found = self.error(member, state, action, following, varied)
                if any(where.any() for where in failed):
                    continue
                slopes = np.zeros(size, dtype=np.int64) if found.by_goal is None else found.by_goal.reshape(size)
                values.append(np.concatenate([found.value.reshape(1), slopes]))
                if len(values) == size + 2:  # one more than there are functions
                    return rank(np.stack(values), PRIME)
        raise ArithmeticError(f"{self.construction.name}: no members at which its square roots exist modulo {PRIME}")

    def equations(
        self, transition: tuple[DualNumber, DualNumber, DualNumber, DualNumber]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Of a transition: the error's derivatives (1, b), and those of its goal gradient (k, b)."""
        state, action, following, goal = transition
        size = self.construction.goal_dim
        varied = DualNumber(goal.value, by_goal=np.eye(size, dtype=np.int64))
        found = self.error(self.param, state, action, following, varied)
        width = len(self.tangents)
        value = np.zeros(width, dtype=np.int64) if found.along is None else found.along.reshape(width)
        gradient = np.zeros((size, width), dtype=np.int64) if found.mixed is None else found.mixed.reshape(size, width)
        return value[None], gradient

    def is_affine(self) -> bool:
        """Whether the error of the next transition is affine along a line: its second differences vanish."""
        state, action, following, _ = self.next_transition()
        weights = self._rng.integers(1, 1000, len(self.tangents))
        step = np.einsum("bij,b->ij", self.tangents, weights) % PRIME
        for _ in range(_ATTEMPTS):
            goals = self._draw(_CANDIDATES, self.construction.goal_dim)
            second = _ZERO
            with failures() as failed:
                for place, weight in ((1, 1), (0, -2), (-1, 1)):
                    param = DualNumber(self.true_param.value + place * step)
                    second = second + weight * self.error(param, state, action, following, goals)
            judged = ~_any(failed)
            if judged.any():
                return not bool(np.broadcast_to(second.value, judged.shape)[judged].any())
        raise ArithmeticError(f"{self.construction.name}: no line along which its square roots exist modulo {PRIME}")


def _any(failed: list[np.ndarray]) -> np.ndarray:
    """The candidates at which a root or an inverse did not exist."""
    bad = np.zeros(_CANDIDATES, dtype=bool)
    for where in failed:
        bad |= where
    return bad


def count_by_rank(
    construction_class: Callable[..., Construction], group: HypothesisClass, dim: int, discount: float, seed: int = 0
) -> CountsByRank:
    """The smallest numbers of transitions at which the equations determine U locally, by exact ranks.

    Args:
        construction_class: called with a dim and a discount.
        group: a hypothesis class that states its tangent spaces, ``exact_point``.
        dim: d, in which the class exists; the work grows like d⁷ or so.
        discount: γ; whether it is 0 matters, which number it is otherwise does not.
        seed: of the point.

    Raises:
        ValueError: if the class has no exact tangent space, or one of another dimension, or does not exist at this d.
        TypeError: if a formula uses operations that have no exact counterpart (softmax, say).
        ArithmeticError: if no point was found at which the formulas' square roots exist.
    """
    group.require(dim)
    construction = construction_class(dim, _DISCOUNT if discount else 0)
    process = _Process(construction, group, seed)
    size = process.dimension
    affine = group.affine and _Process(construction, group, seed + 1).is_affine()
    most = 4 * size + 8
    rows: dict[str, list[np.ndarray]] = {"ddpg": [], "reengage": []}
    found: dict[str, int | None] = {}
    transitions, gathered = [], 0
    for n in range(1, most + 1):
        transitions.append(process.next_transition())
        value, gradient = process.equations(transitions[-1])
        rows["ddpg"].append(value)
        rows["reengage"] += [value, gradient]
        for learner, parts in rows.items():
            if learner in found:
                continue
            together = np.concatenate(parts)
            if rank(together, PRIME) < size:
                continue
            if learner == "ddpg":
                equations = int(together.any(axis=1).sum())
            else:
                gathered += sum(process.num_equations(transition) for transition in transitions)
                transitions.clear()  # counted
                equations = gathered
            if equations >= size + (not affine):
                found[learner] = n
        if len(found) == len(rows):
            break
    return CountsByRank(size, found.get("ddpg"), found.get("reengage"))


def polynomial_in_d(counts: Sequence[tuple[int, int]]) -> tuple[str, str] | None:
    """The polynomial in d of degree at most 2 through all counts, if there is one.

    Args:
        counts: pairs of d and a count, at least four: three make a polynomial, and the others can contradict it.

    Returns:
        Its text as a formula, and in mathtext; None if there is none.
    """
    if len(counts) < 4:
        return None
    d = sympy.Symbol("d")
    polynomial = sympy.interpolate([(sympy.Integer(x), sympy.Integer(y)) for x, y in counts[-3:]], d)
    if any(polynomial.subs(d, x) != y for x, y in counts):
        return None
    return str(polynomial), sympy.latex(polynomial)
