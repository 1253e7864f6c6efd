"""Mutants that no check can notice, because they compute the same thing, each with the reason."""

from __future__ import annotations

_NO_GRADIENT = "the action carries no gradient, and the product is 0 anyway: only shape and kind are used"

_SHAPE = "only shape and type are read from it, and both parameters have the same"

_PRECISION = "no claim computes in single precision; tests/test_learners.py has the change of precision"

_KEPT = "uninformative transitions that are not left out add 0 to loss and gradient"

EQUIVALENT: dict[str, str] = {
    "no_reward_gradient:NoRewardGradient.reduced_residuals: inner(action, action) -> _stopped(inner(action, action))": (
        _NO_GRADIENT
    ),
    "no_reward_gradient:NoRewardGradient.initial_observation: 0 -> 1": (
        "the s² of a state with s¹ ≠ 0 is never read: the dynamics overwrite it"
    ),
    "base:Construction.reward: self.goal_reward(self.achieved_goal(next_observation), goal) -> "
    "self.goal_reward(goal, self.achieved_goal(next_observation))": (
        "both constructions reward gᵀs', which is symmetric"
    ),
    "losses:bootstrapped_target: construction.policy(target_param, next_observation, goal) -> "
    "_stopped(construction.policy(target_param, next_observation, goal))": (
        "the envelope identity, P1.8 and P2.9: stopping the gradient at the policy changes nothing"
    ),
    "objective:DifferentiatedObjective.loss_and_gradient: target_param -> param": (
        "the target does not depend on its parameter, P1.5 and P2.5, and is held fixed"
    ),
    "objective:ReducedObjective.without_uninformative_transitions: "
    "(self.inputs != 0).any(-1) | (self.outputs != 0).any(-1) -> (self.inputs != 0).any(-1)": (
        "inputs and outputs carry the same weight, and an action 0 has the displacement 0"
    ),
    "objective:ReducedObjective.without_uninformative_transitions: "
    "(self.inputs != 0).any(-1) | (self.outputs != 0).any(-1) -> (self.outputs != 0).any(-1)": (
        "inputs and outputs carry the same weight, and only an action 0 has the displacement 0"
    ),
    "objective:ReducedObjective.without_uninformative_transitions: 0 -> 1": _KEPT,
    "objective:ReducedObjective.without_uninformative_transitions: 0 -> 1 #2": _KEPT,
    **{
        f"objective:ReducedObjective.loss_and_gradient: param -> target_param{number}": _SHAPE
        for number in ("", " #3", " #4", " #5", " #6")
    },
    "objective:DifferentiatedObjective.to: self.transitions.to(self.transitions.action.device, dtype) -> "
    "self.transitions.to(dtype, self.transitions.action.device)": _PRECISION,
    "objective:DifferentiatedObjective.to: DifferentiatedObjective(self.construction, transitions, self.alpha, "
    "self.value_weight) -> DifferentiatedObjective(self.construction, transitions, self.value_weight, self.alpha)": (
        _PRECISION
    ),
    "objective:ReducedObjective.to: ReducedObjective(self.inputs.to(dtype), self.outputs.to(dtype), "
    "self.goals.to(dtype), self.alpha, self.num_transitions, self.value_weight) -> "
    "ReducedObjective(self.inputs.to(dtype), self.outputs.to(dtype), self.goals.to(dtype), self.alpha, "
    "self.value_weight, self.num_transitions)": _PRECISION,
    "no_reward_gradient:NoRewardGradient.reduced_residuals: ones * gamma -> gamma": (
        "the number broadcasts to what ones·γ is"
    ),
    "proposition1:_series: at.construction.reward(first + scale(unit, t), at.g) -> "
    "at.construction.reward(at.g, first + scale(unit, t))": "the reward gᵀs' is symmetric",
    "proposition2:_lagging_shift: at.lagging_error(U, online, critic, actor) -> "
    "at.lagging_error(U, online, actor, critic)": "gᵀŪŪπᵀg is the same with the two exchanged",
    "errata:_rotation_from_fewer: apply(W, n) -> apply_transpose(W, n)": "Wᵀn is as long as Wn, both as n",
    "errata:_on_policy: apply(skew, action) -> apply_transpose(skew, action)": "Ωᵀ = −Ω, and the product is 0",
    "errata:_strict_saddles: apply(W, a) -> apply_transpose(W, a)": "⟨a, Wᵀa⟩ and ⟨a, Wa⟩ are one number",
}
