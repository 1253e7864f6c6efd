"""The soft target of discrete actions, (31): a maximum that can be differentiated with respect to the goal.

DQN's target R + γ max_a Q(s', g)_a jumps from one action's goal gradient to another's. For the goal-gradient term the
paper puts the soft value in the place of the maximum: the mean of the action values under their own softmax.

The formulas are written in the operations of :mod:`toyenvs.algebra`, so the proofs
(``proofs_check.claims.discrete_actions``) run them too. Facts proved there: the soft value lies below the maximum by at
most τ·W((A − 1)/e), W being Lambert's function, and its derivative with respect to q_a is p_a (1 + (q_a − soft)/τ).

Source: Levine & Feizi (AAAI 2023), equations (29)–(33).
"""

from __future__ import annotations

from typing import Any

from toyenvs.algebra import centred, inner, largest, softmax

__all__ = ["soft_target", "soft_value"]


def soft_value(q_values: Any, temperature: Any) -> Any:
    """Σ_a p_a q_a with p = softmax(q/τ): the sum in (31).

    Args:
        q_values: q, one for each action: vector (..., A).
        temperature: τ ≥ 0, a number, in the units of q. At 0 it is the largest q, whose gradient tied actions share
            equally: the limits of value and gradient.

    Returns:
        Scalar (...), at most the largest q.

    Raises:
        ValueError: if ``temperature`` is negative.
    """
    if temperature < 0:
        raise ValueError(f"temperature: {temperature!r} is not a number >= 0")
    if temperature == 0:
        return largest(q_values)
    # Any shift of q would do; measured from the largest, neither the value nor its gradient, in which differences of q
    # are divided by τ, loses digits where τ is small.
    gaps, top = centred(q_values)
    return top + inner(softmax(gaps, temperature), gaps)


def soft_target(reward: Any, discount: Any, next_q_values: Any, temperature: Any) -> Any:
    """SoftQTarget, R + γ Σ_a softmax(Q'(s', g)/τ)_a Q'(s', g)_a (31): reward and discount are already in it.

    The paper's losses (32), (33) print a further γ in front of it.

    Args:
        reward: R(s', g), scalar (...).
        discount: γ, a number.
        next_q_values: Q'(s', g) of the target network, vector (..., A).
        temperature: τ ≥ 0, a number.

    Returns:
        Scalar (...).

    Raises:
        ValueError: if ``temperature`` is negative.
    """
    return reward + discount * soft_value(next_q_values, temperature)
