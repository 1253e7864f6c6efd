"""An online agent: it explores with its own noisy policy and trains on all that it has seen, transition by transition.

The buffers of the theory are collected by a behaviour that knows nothing of U. An agent that acts with its own policy
collects data that depend on U as soon as it has learned something: at the optimum a = Uᵀg, where by Cauchy-Schwarz the
equation gᵀŨa = ‖g‖ has the differential 0 in Ũ, and only exploration keeps later transitions informative. Measured,
that costs nothing: while an agent does not know U, its policy Ũᵀg is an action like any other, and when the transitions
that it took at random have become enough it is done.

B trials run in parallel; time is the only loop. Agent and environment meet in :func:`run_online` alone: the agent
passes actions and gets next observations and rewards. U judges the policies from outside, when all is over.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from numpy.typing import NDArray
from torch import Tensor

from toyenvs.algebra import norm, scale
from toyenvs.constructions.base import Construction, unit_vectors
from toyenvs.hypothesis_classes import HypothesisClass
from toyenvs.learners.objective import Objective, make_objective
from toyenvs.learners.optimizers import OPTIMIZERS, estimate_smoothness
from toyenvs.replay import Transitions, child_stream

__all__ = ["OnlineResult", "OnlineSettings", "run_online"]

Step = Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]
"""Observation, action and goal -> next observation and reward: all that an agent is told of the environment."""


_SOLVED = 1e-8
"""A loss below this fraction of the untrained parameter's counts as 0 when components are compared."""


@dataclass(frozen=True)
class OnlineSettings:
    """How an online agent explores and trains.

    Attributes:
        exploration: size of the exploration noise relative to a unit action, ≥ 0: normal with standard deviation
            ``exploration``/√d in each coordinate, so that its length is about ``exploration`` in every dimension. The
            sum is cut back to the unit ball.
        updates_per_transition: descent steps on the whole buffer after each transition, ≥ 1. At d = 8, DDPG's median
            number of transitions falls from 39 to 35, 33 and 32 with 20, 50, 100 and 200 of them.
        steps_per_goal: transitions between two fresh goals, ≥ 1.
        optimizer: a key of ``OPTIMIZERS``. It starts afresh after each transition, from the parameter reached.
        tau: Polyak rate of the target parameter, in (0, 1], where the loss depends on one.
        smoothness_iterations: power iterations that fit the step length to the buffer after each transition, ≥ 1.
        reduced: use the construction's reduced residuals where it has them.
    """

    exploration: float = 0.3
    updates_per_transition: int = 200
    steps_per_goal: int = 1
    optimizer: str = "nesterov"
    tau: float = 0.05
    smoothness_iterations: int = 6
    reduced: bool = True

    def __post_init__(self) -> None:
        if not 0 <= self.exploration < float("inf"):
            raise ValueError(f"exploration: {self.exploration!r} is not a finite number >= 0")
        for name in ("updates_per_transition", "steps_per_goal", "smoothness_iterations"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
                raise ValueError(f"{name}: {value!r} is not an integer >= 1")
        if self.optimizer not in OPTIMIZERS:
            raise ValueError(f"optimizer: {self.optimizer!r} is not one of {', '.join(OPTIMIZERS)}")
        if not 0 < self.tau <= 1:
            raise ValueError(f"tau: {self.tau!r} is not in (0, 1]")


@dataclass(frozen=True)
class OnlineResult:
    """What B online agents did.

    Attributes:
        uniform_regret: of the policy after each transition, (B, num_transitions + patience); column n − 1 is after n
            transitions. NaN where the parameter is not finite.
        ambiguous: whether after n transitions parameters of two components solve all equations, so that the agent's
            choice between them is a coin toss, (B, num_transitions + patience).
        success: whether the policy was ε-optimal and not ambiguous after ``num_transitions`` transitions and after each
            later one, (B,).
        param: Ũ at the end, (B, d, d).
        transitions: all that the agents have seen, in order of time.
        epsilon: ε.
    """

    uniform_regret: Float[Tensor, "b steps"]
    ambiguous: Bool[Tensor, "b steps"]
    success: Bool[Tensor, " b"]
    param: Float[Tensor, "b d d"]
    transitions: Transitions
    epsilon: float

    def optimal_from(self) -> Int[Tensor, " b"]:
        """After how many transitions each policy is ε-optimal, not by a coin toss, and stays so to the end of the run.

        One more than the run had where it is not at the end.
        """
        good = (self.uniform_regret <= self.epsilon) & ~self.ambiguous
        staying = good.flip(1).long().cumprod(1).sum(1)
        return good.shape[1] + 1 - staying


def run_online(
    construction: Construction,
    hypothesis_class: HypothesisClass,
    true_param: Float[Tensor, "b d d"],
    initial_param: Float[Tensor, "b d d"],
    seeds: Sequence[np.random.SeedSequence],
    *,
    alpha: float,
    num_transitions: int,
    patience: int,
    settings: OnlineSettings | None = None,
    epsilon: float = 0.01,
    value_weight: float = 1.0,
) -> OnlineResult:
    """Let B agents act, see and learn.

    Args:
        construction: gives dynamics and reward to the environments, critic and actor to the agents.
        hypothesis_class: where the parameter lives. An agent keeps one parameter for each of the class's starting
            points, trains all and acts by the one with the lowest loss.
        true_param: the unknown U of each trial; steps the environments and judges, and nothing else.
        initial_param: Ũ and Ū at the start.
        seeds: B, one a trial, of which start (0), goals (2) and exploration (4) take child streams. Nested: a longer
            run begins with the shorter one.
        alpha: weight of the goal-gradient term in (8); 0 is DDPG, 1 ReenGAGE.
        num_transitions: N ≥ 1, after how many transitions the policy is asked to be ε-optimal.
        patience: ≥ 0, for how many more it has to stay so.
        settings: exploration and training; None for the defaults.
        epsilon: ε > 0, the largest uniform regret of an ε-optimal policy.
        value_weight: of the temporal-difference term; 0 leaves gradient matching alone.

    Raises:
        ValueError: if an argument is outside what is allowed.
    """
    settings = OnlineSettings() if settings is None else settings
    for name, value, least in (("num_transitions", num_transitions, 1), ("patience", patience, 0)):
        if value < least:
            raise ValueError(f"{name}: {value!r} is not an integer >= {least}")
    for name, weight in (("alpha", alpha), ("value_weight", value_weight)):
        if not 0 <= weight < float("inf"):
            raise ValueError(f"{name}: {weight!r} is not a finite number >= 0")
    if alpha == value_weight == 0:
        raise ValueError("alpha, value_weight: both are 0, so that there is no loss; one must be > 0")
    if not epsilon > 0:
        raise ValueError(f"epsilon: {epsilon!r} is not a number > 0")
    if len(seeds) != len(true_param):
        raise ValueError(f"seeds: {len(seeds)} of them, not {len(true_param)}, one for each trial")
    steps, dim, goal_dim = num_transitions + patience, construction.dim, construction.goal_dim

    def stack(stream: int, draw: Callable[[np.random.Generator], NDArray[np.float64]]) -> Tensor:
        return torch.from_numpy(np.stack([draw(child_stream(seed, stream)) for seed in seeds])).to(true_param)

    def draw_goals(rng: np.random.Generator) -> NDArray[np.float64]:
        fresh = unit_vectors(rng, -(-steps // settings.steps_per_goal), goal_dim)
        return np.repeat(fresh, settings.steps_per_goal, axis=0)[:steps]

    def step(observation: Tensor, action: Tensor, goal: Tensor) -> tuple[Tensor, Tensor]:
        following = construction.dynamics(true_param, observation, action)
        return following, construction.reward(following, goal)

    def make(transitions: Transitions) -> Objective:
        return make_objective(
            construction, transitions, alpha, minibatch=False, reduced=settings.reduced, value_weight=value_weight
        )

    params, ambiguous, final, transitions = _interact(
        construction,
        hypothesis_class,
        initial_param,
        make,
        settings,
        step,
        construction.initial_observation(stack(0, lambda rng: unit_vectors(rng, 1, dim)[0])),
        stack(2, draw_goals),
        stack(4, lambda rng: rng.standard_normal((steps, dim))),
    )
    sound = params.isfinite().all(-1).all(-1)
    # A matrix of NaN has no singular values to compute; its regret is unknown.
    truth = true_param[:, None].expand_as(params)
    regret = construction.uniform_regret(truth, torch.where(sound[..., None, None], params, truth))
    regret = torch.where(sound, regret, torch.nan)
    return OnlineResult(
        uniform_regret=regret,
        ambiguous=ambiguous,
        success=((regret <= epsilon) & ~ambiguous)[:, num_transitions - 1 :].all(1),
        param=final,
        transitions=transitions,
        epsilon=epsilon,
    )


def _interact(
    construction: Construction,
    hypothesis_class: HypothesisClass,
    initial_param: Float[Tensor, "b d d"],
    make: Callable[[Transitions], Objective],
    settings: OnlineSettings,
    step: Step,
    observation: Float[Tensor, "b observation_dim"],
    goals: Float[Tensor, "b steps k"],
    noise: Float[Tensor, "b steps d"],
) -> tuple[Float[Tensor, "b steps d d"], Bool[Tensor, "b steps"], Float[Tensor, "b d d"], Transitions]:
    """The agents' side: it knows the construction's formulas and what ``step`` answers, not U.

    Returns:
        The parameter after each transition, whether it was a coin toss, the last one, and all transitions.
    """
    batch_size, steps, dim = noise.shape
    starts = hypothesis_class.starts(initial_param)
    param = torch.cat(starts)
    target_param, chosen = param, starts[0]
    exploration = settings.exploration / dim**0.5
    memory = Transitions(
        observation=observation.new_empty((batch_size, steps, observation.shape[-1])),
        action=noise.new_empty(noise.shape),
        reward=noise.new_empty((batch_size, steps)),
        next_observation=observation.new_empty((batch_size, steps, observation.shape[-1])),
        desired_goal=goals,
    )
    history = param.new_empty((batch_size, steps, dim, dim))
    ambiguous = torch.zeros((batch_size, steps), dtype=torch.bool, device=param.device)
    untrained = param
    for t in range(steps):
        wanted = construction.policy(chosen, observation, goals[:, t]) + exploration * noise[:, t]
        action = scale(wanted, 1 / norm(wanted).clamp_min(1))
        following, reward = step(observation, action, goals[:, t])
        memory.observation[:, t], memory.action[:, t], memory.reward[:, t] = observation, action, reward
        memory.next_observation[:, t] = following
        observation = following

        seen = memory.first(t + 1)
        copies = seen if len(starts) == 1 else seen.map(lambda x: torch.cat([x] * len(starts)))
        objective = make(copies)
        param, target_param = _train(hypothesis_class, objective, param, target_param, settings)
        chosen = param
        if len(starts) > 1:
            loss, _ = objective.loss_and_gradient(param, target_param)
            loss = loss.reshape(len(starts), batch_size)
            zero = _SOLVED * objective.loss_and_gradient(untrained, untrained)[0].reshape(loss.shape).amin(0)
            ambiguous[:, t] = (loss <= zero).sum(0) > 1
            best = loss.argmin(0)
            chosen = param.unflatten(0, (len(starts), batch_size))[best, torch.arange(batch_size, device=best.device)]
        history[:, t] = chosen
    return history, ambiguous, chosen, memory


def _train(
    hypothesis_class: HypothesisClass,
    objective: Objective,
    param: Float[Tensor, "b d d"],
    target_param: Float[Tensor, "b d d"],
    settings: OnlineSettings,
) -> tuple[Float[Tensor, "b d d"], Float[Tensor, "b d d"]]:
    """A fixed number of descent steps from where the parameter is."""

    def gradient_at(at: Tensor) -> Tensor:
        return hypothesis_class.tangent(at, objective.loss_and_gradient(at, target_param)[1])

    curvature = estimate_smoothness(hypothesis_class, param, gradient_at, settings.smoothness_iterations)
    optimizer = OPTIMIZERS[settings.optimizer](curvature, hypothesis_class.max_tangent_norm)
    for _ in range(settings.updates_per_transition):
        loss, euclidean = objective.loss_and_gradient(param, target_param)
        tangent = hypothesis_class.tangent(param, euclidean)
        param = hypothesis_class.retract(param, optimizer.step(loss, tangent))
        if objective.depends_on_target:
            target_param = hypothesis_class.project((1 - settings.tau) * target_param + settings.tau * param)
    return hypothesis_class.project(param), target_param
