"""Property tests that any construction, critic or goal environment can be put through, the reader's own as well.

Assertions about a construction take a :class:`Problem`, a construction or a class of constructions:

* :func:`assert_value_is_return`: ``q_value`` is the discounted return of following ``policy``, measured by
  stepping ``dynamics`` and adding up ``reward``; the value's formula is not used.
* :func:`assert_bellman_optimal`: ``q_value`` solves the Bellman optimality equation, its maximum over the action
  ball is at ``policy``, and the truth has no temporal-difference error whatever the target parameter is.
* :func:`assert_reduced_residuals`: the reduced residuals are the Bellman error and its goal gradient. This is the
  paper's gradient-matching equivalence, in values, losses and parameter gradients.

Two more know nothing of constructions:

* :func:`assert_gradient_matching`: the goal gradient of any torch critic, a neural one too, is that of its target.
* :func:`assert_reward_consistent`: the rewards of any Gymnasium goal environment are those of ``compute_reward``.

A message of failure names the quantity, both values and the smallest failing example; for a construction also the
parameters that enter, the call that makes the example again and the formula to be suspected. Formulas are called with
an axis of trials and one of transitions in front; one that returns another shape than it should is named before
anything is compared (``ValueError``).

Strategies for Hypothesis draw what the assertions take, and shrink to small dimensions, short buffers, simple
discounts and small seeds:

    @given(problems(MyConstruction, "so"))
    def test_reduction(problem):
        assert_reduced_residuals(problem)
"""

from proofs_check.testing.assertions import (
    assert_bellman_optimal,
    assert_reduced_residuals,
    assert_value_is_return,
)
from proofs_check.testing.gradient_matching import assert_gradient_matching
from proofs_check.testing.hypothesis_class import assert_hypothesis_class
from proofs_check.testing.problems import Problem, draw_problem
from proofs_check.testing.reward_consistency import assert_reward_consistent
from proofs_check.testing.strategies import (
    actions_in_ball,
    dims,
    discounts,
    goals,
    observations,
    problems,
    rotations,
    transitions,
)

__all__ = [
    "Problem",
    "actions_in_ball",
    "assert_bellman_optimal",
    "assert_gradient_matching",
    "assert_hypothesis_class",
    "assert_reduced_residuals",
    "assert_reward_consistent",
    "assert_value_is_return",
    "dims",
    "discounts",
    "draw_problem",
    "goals",
    "observations",
    "problems",
    "rotations",
    "transitions",
]
