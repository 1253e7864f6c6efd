"""Data protocols: buffers against environments stepped by hand, nestedness, goals, actions and noise as promised."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from toyenvs.constructions import Construction, GradientFeedback, NoRewardGradient, ProjectedGoal, Translation
from toyenvs.hypothesis_classes import hypothesis_class
from toyenvs.learners.losses import reengage_loss
from toyenvs.learners.objective import DifferentiatedObjective, ReducedObjective, make_objective
from toyenvs.replay import Transitions, collect, draw_behaviour
from toyenvs.replay.protocol import ACTIONS, GOALS, Protocol, collect_buffers

Array = NDArray[np.float64]
FIELDS = ("observation", "action", "reward", "next_observation", "desired_goal")


def seeds(count: int, base: int = 5) -> list[np.random.SeedSequence]:
    return [np.random.SeedSequence(base, spawn_key=(trial,)) for trial in range(count)]


def rotations(dim: int, count: int, base: int = 0) -> torch.Tensor:
    rng = np.random.default_rng((base, dim))
    return torch.from_numpy(np.stack([hypothesis_class("so").sample(dim, rng) for _ in range(count)]))


def numbers(buffers: Transitions) -> dict[str, Array]:
    return {name: getattr(buffers, name).numpy() for name in FIELDS}


@st.composite
def protocols(draw: st.DrawFn, goal_dim: int, point_state: bool = True) -> Protocol:
    """Any protocol that suits goals of a dimension, and a state that is one point or is not."""
    goals = draw(st.sampled_from(GOALS if point_state else GOALS[:3]))
    most = {"hindsight": 1, "orthonormal": goal_dim}.get(goals, 4)
    return Protocol(
        steps_per_goal=1 if goals == "shared" else draw(st.integers(1, 4)),
        relabels=draw(st.integers(1, most)),
        goals=goals,
        actions=draw(st.sampled_from(ACTIONS)),
        noise=draw(st.sampled_from([0.0, 0.3])) if point_state else 0.0,
    )


@st.composite
def collected(draw: st.DrawFn) -> tuple[Construction, torch.Tensor, Protocol, int]:
    dim = draw(st.integers(2, 4))
    construction: Construction = draw(
        st.sampled_from([GradientFeedback(dim), NoRewardGradient(dim), Translation(dim)])
        | st.integers(1, dim).map(lambda k: ProjectedGoal(dim, 0.5, k))
    )
    protocol = draw(protocols(construction.goal_dim, construction.observation_dim == dim))
    return construction, rotations(dim, 2, draw(st.integers(0, 50))), protocol, draw(st.integers(0, 7))


# --- what every buffer is ---------------------------------------------------------------------------------


@pytest.mark.parametrize("construction", [GradientFeedback(4), NoRewardGradient(4)])
@pytest.mark.parametrize("steps_per_goal", [1, 3])
@pytest.mark.parametrize("num_transitions", [0, 1, 8])
def test_the_default_buffers_are_to_the_bit_those_of_draw_behaviour_and_collect(
    construction: Construction, steps_per_goal: int, num_transitions: int
) -> None:
    U = rotations(4, 3)
    streams = [draw_behaviour(seed, 4, num_transitions, steps_per_goal) for seed in seeds(3)]
    expected = collect(
        construction,
        U,
        construction.initial_observation(torch.from_numpy(np.stack([s.initial_direction for s in streams]))),
        torch.from_numpy(np.stack([s.action for s in streams])),
        torch.from_numpy(np.stack([s.desired_goal for s in streams])),
    )
    got = collect_buffers(construction, U, seeds(3), num_transitions, Protocol(steps_per_goal=steps_per_goal))
    for name in FIELDS:
        assert torch.equal(getattr(got, name), getattr(expected, name)), name
    if steps_per_goal == 1:
        for name in FIELDS:
            assert torch.equal(
                getattr(collect_buffers(construction, U, seeds(3), num_transitions), name), getattr(expected, name)
            )


@given(collected(), st.integers(0, 7))
def test_a_buffer_begins_with_its_shorter_ones(
    case: tuple[Construction, torch.Tensor, Protocol, int], shorter: int
) -> None:
    construction, U, protocol, num_transitions = case
    long = collect_buffers(construction, U, seeds(2), num_transitions, protocol)
    count = min(shorter, num_transitions)
    short = collect_buffers(construction, U, seeds(2), count, protocol)
    assert (long.num_transitions, long.num_rows) == (num_transitions, num_transitions * protocol.relabels)
    assert long.first(count).num_transitions == short.num_transitions == count
    for name in FIELDS:
        assert torch.equal(getattr(long.first(count), name), getattr(short, name)), name


@given(collected())
def test_a_trial_does_not_depend_on_its_company(case: tuple[Construction, torch.Tensor, Protocol, int]) -> None:
    construction, U, protocol, num_transitions = case
    both = collect_buffers(construction, U, seeds(2), num_transitions, protocol)
    alone = collect_buffers(construction, U[1:], seeds(2)[1:], num_transitions, protocol)
    for name in FIELDS:
        # Not to the bit: the size of a batch decides how products are blocked.
        torch.testing.assert_close(getattr(both, name)[1:], getattr(alone, name), rtol=0, atol=1e-13)


def step_by_hand(name: str, U: Array, s: Array, a: Array) -> Array:
    if name == "translation":
        return s + a + U.sum(axis=1)
    if name == "no-reward-gradient":
        d = len(a)
        return np.concatenate([s[d:], np.zeros(d)]) if not s[:d].any() else np.concatenate([np.zeros(d), s[:d] + U @ a])
    return s + U @ a


@given(collected())
def test_rows_are_steps_of_the_environment_rewarded_for_their_goals(
    case: tuple[Construction, torch.Tensor, Protocol, int],
) -> None:
    construction, U, protocol, num_transitions = case
    k, K = construction.goal_dim, protocol.relabels
    buffers = collect_buffers(construction, U, seeds(2), num_transitions, protocol)
    rows = numbers(buffers)
    for trial in range(2):
        state = None
        for row in range(num_transitions * K):
            s, a, r, after, g = (rows[name][trial, row] for name in FIELDS)
            assert math.isclose(float(r), math.fsum(x * y for x, y in zip(g, after[:k], strict=True)), abs_tol=1e-12)
            assert np.linalg.norm(a) <= 1 + 1e-12
            assert math.isclose(float(np.linalg.norm(g)), 1, abs_tol=1e-12)
            if not protocol.noise:
                np.testing.assert_allclose(after, step_by_hand(construction.name, U[trial].numpy(), s, a), atol=1e-12)
            if row % K:  # the K rows of a transition share everything but goal and reward
                for name in ("observation", "action", "next_observation"):
                    np.testing.assert_array_equal(rows[name][trial, row], rows[name][trial, row - 1])
            else:  # and the state runs on, noise and all
                assert state is None or np.array_equal(s, state)
            state = after


@given(collected())
def test_goals_are_what_the_protocol_says(case: tuple[Construction, torch.Tensor, Protocol, int]) -> None:
    construction, U, protocol, N = case
    k, K, T = construction.goal_dim, protocol.relabels, protocol.steps_per_goal
    buffers = collect_buffers(construction, U, seeds(2), N, protocol)
    goals = buffers.desired_goal.reshape(2, N, K, k).numpy()
    if protocol.goals == "hindsight":
        rows = numbers(buffers)
        moved = (rows["next_observation"] - rows["observation"])[..., :k]
        np.testing.assert_allclose(goals[:, :, 0], moved / np.linalg.norm(moved, axis=-1)[..., None], atol=1e-12)
        return
    if protocol.goals == "orthonormal":
        np.testing.assert_allclose(
            goals @ np.swapaxes(goals, -1, -2), np.broadcast_to(np.eye(K), (2, N, K, K)), atol=1e-12
        )
    # In one dimension goals are ±1 and coincide without being the same draw.
    distinct = {tuple(goal) for trial in goals for transition in trial for goal in transition}
    draws = 0 if N == 0 else (1 if protocol.goals == "shared" else math.ceil(N / T))
    if k > 1:
        assert len(distinct) == 2 * K * draws
    for t in range(1, N):
        if protocol.goals == "shared" or t % T:
            np.testing.assert_array_equal(goals[:, t], goals[:, t - 1])


@given(st.integers(2, 5), st.integers(0, 99), st.booleans())
def test_on_policy_actions_attain_the_cauchy_schwarz_bound(dim: int, base: int, projected: bool) -> None:
    construction = ProjectedGoal(dim, 0.9) if projected else GradientFeedback(dim, 0.9)
    U = rotations(dim, 2, base)
    buffers = collect_buffers(construction, U, seeds(2, base), 6, Protocol(actions="on-policy"))
    gain = buffers.reward - (buffers.observation[..., : construction.goal_dim] * buffers.desired_goal).sum(-1)
    # gᵀPUa ≤ ‖UᵀPᵀg‖‖a‖ = 1, with equality for this action only.
    torch.testing.assert_close(gain, torch.ones_like(gain), rtol=0, atol=1e-12)
    torch.testing.assert_close(buffers.action.norm(dim=-1), torch.ones(2, 6, dtype=torch.float64), rtol=0, atol=1e-12)


def test_on_policy_actions_have_length_one_for_a_parameter_that_is_not_orthogonal() -> None:
    U = torch.diag(torch.tensor([3.0, 0.5], dtype=torch.float64))[None]
    buffers = collect_buffers(GradientFeedback(2), U, seeds(1), 5, Protocol(actions="on-policy"))
    expected = buffers.desired_goal * torch.tensor([3.0, 0.5], dtype=torch.float64)
    torch.testing.assert_close(buffers.action, expected / expected.norm(dim=-1, keepdim=True))


def test_only_goals_or_actions_said_to_depend_on_the_parameter_do() -> None:
    construction, (U, V) = GradientFeedback(3), (rotations(3, 2, 1), rotations(3, 2, 2))
    for goals in GOALS:
        for actions in ACTIONS:
            protocol = Protocol(goals=goals, actions=actions)
            one, other = (collect_buffers(construction, param, seeds(2), 4, protocol) for param in (U, V))
            assert torch.equal(one.action, other.action) == (actions != "on-policy")
            # A hindsight goal after an on-policy action is the goal that the action was for, up to rounding.
            same = torch.allclose(one.desired_goal, other.desired_goal, rtol=0, atol=1e-12)
            assert same == (goals != "hindsight" or actions == "on-policy")


# --- distributions ----------------------------------------------------------------------------------------
# Fixed seeds: these cannot fail by chance from one run to the next. The rate says how many seeds would be refused.


def test_noise_has_the_stated_variance_and_is_independent_of_everything_else() -> None:
    sigma, d, N, B = 0.7, 3, 100, 40
    U = rotations(d, B)
    noisy = collect_buffers(GradientFeedback(d), U, seeds(B), N, Protocol(noise=sigma))
    quiet = collect_buffers(GradientFeedback(d), U, seeds(B), N)
    assert torch.equal(noisy.action, quiet.action)
    assert torch.equal(noisy.desired_goal, quiet.desired_goal)
    xi = (noisy.next_observation - noisy.observation - (U[:, None] @ noisy.action[..., None])[..., 0]) / sigma
    count = xi.numel()
    # 12 000 standard normal numbers: their sum of squares is χ², of variance 2·count, nearly normal; the mean and the
    # correlations have variance 1/count at most (|a| ≤ 1). Five statistics outside 5 standard deviations: 5·6e-7.
    assert abs(float(xi.square().sum()) - count) < 5 * math.sqrt(2 * count)
    assert abs(float(xi.mean())) < 5 / math.sqrt(count)
    assert abs(float((xi * noisy.action).mean())) < 5 / math.sqrt(count)
    assert abs(float((xi * noisy.desired_goal).mean())) < 5 / math.sqrt(count)
    assert abs(float((xi[:, 1:] * xi[:, :-1]).mean())) < 5 / math.sqrt(xi[:, 1:].numel())


def test_noise_is_in_the_coordinates_that_goals_see() -> None:
    U = rotations(4, 2)
    buffers = collect_buffers(ProjectedGoal(4, 0.5, 2), U, seeds(2), 5, Protocol(noise=1.0))
    surprise = buffers.next_observation - buffers.observation - (U[:, None] @ buffers.action[..., None])[..., 0]
    assert bool((surprise[..., :2].abs() > 1e-6).all())
    assert float(surprise[..., 2:].abs().max()) < 1e-12


@pytest.mark.parametrize("protocol", [Protocol(relabels=2, goals="orthonormal"), Protocol(relabels=2)])
def test_goals_are_isotropic(protocol: Protocol) -> None:
    d, N, B = 3, 100, 40
    goals = collect_buffers(GradientFeedback(d), rotations(d, B), seeds(B), N, protocol).desired_goal
    goals = goals.reshape(B * N, 2, d)
    # Uniform on the sphere: E g = 0, E ggᵀ = 1/d. Coordinates have variance 1/3, their products at most E g_i⁴ = 1/5.
    # 2·(3 + 9) statistics over 4000 draws outside 5 standard deviations: 24·6e-7.
    assert float(goals.mean(0).abs().max()) < 5 * math.sqrt(1 / 3 / (B * N))
    second = torch.einsum("nki,nkj->kij", goals, goals) / (B * N)
    assert float((second - torch.eye(d, dtype=torch.float64) / d).abs().max()) < 5 * math.sqrt(1 / 5 / (B * N))
    # An orthonormal pair is right- as often as left-handed with any third vector: their cross product has mean 0.
    cross = torch.linalg.cross(goals[:, 0], goals[:, 1])
    assert float(cross.mean(0).abs().max()) < 5 * math.sqrt(1 / 3 / (B * N))


@pytest.mark.parametrize(("actions", "mean_square"), [("ball", 3 / 5), ("sphere", 1.0)])
def test_actions_have_the_length_that_their_name_says(actions: str, mean_square: float) -> None:
    B, N = 40, 100
    protocol = Protocol(actions=actions)
    action = collect_buffers(GradientFeedback(3), rotations(3, B), seeds(B), N, protocol).action
    # E‖a‖² = d/(d+2) in the ball, with variance d/(d+4) − (d/(d+2))² = 3/7 − 9/25; 6e-7 of seeds.
    spread = math.sqrt((3 / 7 - 9 / 25) / (B * N))
    assert abs(float(action.square().sum(-1).mean()) - mean_square) < 5 * (spread if actions == "ball" else 1e-13)


# --- refusals ---------------------------------------------------------------------------------------------


BAD: list[tuple[dict[str, Any], str]] = [
    ({"steps_per_goal": 0}, r"^steps_per_goal: 0 is not an integer >= 1$"),
    ({"steps_per_goal": True}, r"^steps_per_goal: True is not an integer >= 1$"),
    ({"relabels": 1.5}, r"^relabels: 1\.5 is not an integer >= 1$"),
    ({"goals": "fresh"}, r"^goals: 'fresh' is not one of independent, shared, orthonormal, hindsight$"),
    ({"actions": "box"}, r"^actions: 'box' is not one of ball, sphere, on-policy$"),
    ({"noise": -0.1}, r"^noise: -0\.1 is not a finite number >= 0$"),
    ({"noise": float("nan")}, r"^noise: nan is not a finite number >= 0$"),
    ({"noise": "0"}, r"^noise: '0' is not a finite number >= 0$"),
    ({"goals": "hindsight", "relabels": 2}, r"^relabels: 2 is not 1, the number of hindsight goals of a transition$"),
    ({"goals": "shared", "steps_per_goal": 2}, r"^steps_per_goal: 2 is not 1, but shared goals never change$"),
]


@pytest.mark.usefixtures("unchecked_types")
@pytest.mark.parametrize(("arguments", "message"), BAD)
def test_a_bad_protocol_is_refused_by_name(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Protocol(**arguments)


def test_a_protocol_that_does_not_suit_the_construction_is_refused() -> None:
    U = rotations(3, 2)
    for construction, protocol, message in (
        (ProjectedGoal(3, 0.5, 2), Protocol(relabels=3, goals="orthonormal"), r"^relabels: 3 is not in 1\.\.2, "),
        (NoRewardGradient(3), Protocol(noise=0.1), r"^noise: 0\.1 is not 0, as it must be for no-reward-gradient, "),
        (NoRewardGradient(3), Protocol(goals="hindsight"), r"^goals: 'hindsight' is not allowed for no-reward-grad"),
    ):
        with pytest.raises(ValueError, match=message):
            collect_buffers(construction, U, seeds(2), 3, protocol)
    with pytest.raises(ValueError, match=r"^seeds: 3 of them, not 2, one for each trial$"):
        collect_buffers(GradientFeedback(3), U, seeds(3), 3)
    with pytest.raises(ValueError, match=r"^num_transitions: -1 is not an integer >= 0$"):
        collect_buffers(GradientFeedback(3), U, seeds(2), -1)


def test_rows_that_are_no_whole_transitions_are_refused() -> None:
    buffers = collect_buffers(GradientFeedback(3), rotations(3, 1), seeds(1), 3)
    for share in (2, 0):
        with pytest.raises(ValueError, match=f"^rows_per_transition: {share} is not an integer >= 1 that divides 3"):
            Transitions(*(getattr(buffers, name) for name in FIELDS), rows_per_transition=share)


# --- what learners make of them ---------------------------------------------------------------------------


def test_rows_chosen_one_by_one_are_transitions_of_their_own() -> None:
    buffers = collect_buffers(GradientFeedback(3), rotations(3, 2), seeds(2), 4, Protocol(relabels=3))
    chosen = buffers.rows(torch.tensor([0, 1, 7]))
    assert (chosen.num_transitions, chosen.num_rows) == (3, 3)
    assert torch.equal(chosen.reward, buffers.reward[:, [0, 1, 7]])
    assert buffers.trials(torch.tensor([True, False])).num_transitions == 4


@given(collected(), st.sampled_from([0.0, 0.7]))
def test_the_loss_of_relabelled_rows_is_their_mean_by_hand(
    case: tuple[Construction, torch.Tensor, Protocol, int], alpha: float
) -> None:
    construction, U, protocol, N = case
    if N == 0 or not isinstance(construction, ProjectedGoal | GradientFeedback):
        return
    k = construction.goal_dim
    buffers = collect_buffers(construction, U, seeds(2), N, protocol)
    online = rotations(construction.dim, 2, 77)
    rows = numbers(buffers)
    gap = (online.numpy() @ rows["action"].swapaxes(1, 2)).swapaxes(1, 2)
    gap = (gap - rows["next_observation"] + rows["observation"])[..., :k] / (1 - construction.discount)
    expected = ((gap * rows["desired_goal"]).sum(-1) ** 2).mean(1) + alpha * (gap**2).sum(-1).mean(1) / k
    fast = make_objective(construction, buffers, alpha, minibatch=False)
    assert isinstance(fast, ReducedObjective)
    np.testing.assert_allclose(fast.loss_and_gradient(online, online)[0].numpy(), expected, rtol=1e-9)
    loss = reengage_loss(construction, online, rotations(construction.dim, 2, 78), buffers, alpha)
    np.testing.assert_allclose(loss.numpy(), expected, rtol=1e-7, atol=1e-9)


@given(st.integers(2, 5), st.data(), st.sampled_from([0.0, 0.7]), st.booleans())
def test_with_short_goals_the_reduced_and_the_differentiated_path_agree(
    dim: int, data: st.DataObject, alpha: float, minibatch: bool
) -> None:
    construction = ProjectedGoal(dim, 0.8, data.draw(st.integers(1, dim)))
    buffers = collect_buffers(construction, rotations(dim, 2), seeds(2), 4, data.draw(protocols(construction.goal_dim)))
    online, target = rotations(dim, 2, 1), rotations(dim, 2, 2)
    rows = torch.arange(0, buffers.num_rows, 2) if minibatch else None
    fast = make_objective(construction, buffers, alpha, minibatch=minibatch)
    slow = DifferentiatedObjective(construction, buffers, alpha)
    assert isinstance(fast, ReducedObjective)
    for quick, plain in zip(
        fast.loss_and_gradient(online, target, rows), slow.loss_and_gradient(online, target, rows), strict=True
    ):
        torch.testing.assert_close(quick, plain, rtol=1e-9, atol=1e-8)
