"""Networks and the losses on them against layers and gradients by hand, and against finite differences."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from toyenvs.networks import losses
from toyenvs.networks.deep_sets import DeepSets
from toyenvs.networks.perceptrons import Actor, Critic, perceptron

B, STATE, K, D, N, GAMMA, ALPHA = 5, 3, 2, 4, 3, 0.9, 0.7
F64 = torch.float64


def draw(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=F64)


def actor(seed: int = 3) -> Actor:
    return Actor(STATE, K, D, (6, 7), torch.Generator().manual_seed(seed), activation=nn.Tanh, dtype=F64)


def critic(seed: int, activation: type[nn.Module] = nn.Tanh) -> Critic:
    return Critic(STATE, K, D, (6, 7), torch.Generator().manual_seed(seed), activation=activation, dtype=F64)


def deep_sets(seed: int) -> DeepSets:
    return DeepSets(STATE, K, D, 3, (6,), torch.Generator().manual_seed(seed), activation=nn.Tanh, dtype=F64)


S, A, S2, G = draw(B, STATE, seed=4), draw(B, K, seed=5), draw(B, STATE, seed=6), draw(B, D, seed=7)


def reward(next_observation: Tensor, goal: Tensor) -> Tensor:
    return -(next_observation.sum(-1, keepdim=True) - goal).square().sum(-1)


def by_hand(network: Critic, *parts: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Value and gradient by the whole input of a tanh network, layer by layer in numpy: (B,) and (B, inputs)."""
    linear = [layer for layer in network.layers if isinstance(layer, nn.Linear)]
    signal, masks = torch.cat(parts, -1).numpy(), []
    for layer in linear[:-1]:
        signal = np.tanh(signal @ layer.weight.detach().numpy().T + layer.bias.detach().numpy())
        masks.append(1 - signal**2)
    last = linear[-1]
    value = signal @ last.weight.detach().numpy()[0] + last.bias.detach().numpy()[0]
    back = np.broadcast_to(last.weight.detach().numpy(), signal.shape)
    for layer, mask in zip(linear[-2::-1], masks[::-1], strict=True):
        back = (back * mask) @ layer.weight.detach().numpy()
    return value, back


def slopes(function: losses.GoalFunction, at: Tensor, step: float = 1e-5) -> Tensor:
    """Central differences by each coordinate of goals or gates: (B, coordinates)."""
    shifts = step * torch.eye(at.shape[1], dtype=F64)
    with torch.no_grad():
        return torch.stack([(function(at + shift) - function(at - shift)) / (2 * step) for shift in shifts], -1)


def pair(kind: str) -> tuple[nn.Module, nn.Module, losses.GoalFunction, losses.GoalFunction, Tensor]:
    """Online and target critic, value, target, and where: goals or gates."""
    if kind == "goals":
        online, target = critic(1), critic(2)
        of_goals = losses.network_value(online, S, A), losses.network_target(target, actor(), reward, S2, GAMMA)
        return online, target, *of_goals, G
    sets, target_sets, goals = deep_sets(1), deep_sets(2), draw(B, N, D)
    value = losses.goal_set_value(sets, S, A, goals)
    target_value = losses.goal_set_target(target_sets, draw(B, N, seed=8), S2, goals, GAMMA)
    gates = torch.tensor([[1, 0, 1], [0, 0, 0], [1, 1, 1], [0, 1, 0], [1, 0, 0]], dtype=F64)
    return sets, target_sets, value, target_value, gates


def test_a_critic_and_its_goal_gradient_are_the_layers_by_hand() -> None:
    network = critic(1)
    value, gradient = by_hand(network, S, A, G)
    np.testing.assert_allclose(network(S, A, G).detach(), value, rtol=1e-12)
    found = losses.goal_gradient(losses.network_value(network, S, A), G)
    np.testing.assert_allclose(found, gradient[:, STATE + K :], rtol=1e-12, atol=1e-15)


def test_an_actor_ends_in_tanh_and_the_target_is_bellmans() -> None:
    policy = actor()
    action = policy(S2, G)
    torch.testing.assert_close(action, torch.tanh(policy.layers(torch.cat([S2, G], -1))))
    value, _ = by_hand(critic(2), S2, action.detach(), G)
    found = losses.network_target(critic(2), policy, reward, S2, GAMMA)(G)
    np.testing.assert_allclose(found.detach(), reward(S2, G).numpy() + GAMMA * value, rtol=1e-12)


def test_a_goal_set_is_summed_in_any_order_without_the_goals_that_are_off() -> None:
    networks, goals = deep_sets(1), draw(B, N, D)
    gates = torch.tensor([1.0, 0.0, 1.0], dtype=F64).expand(B, N)
    found = losses.goal_set_value(networks, S, A, goals)(gates)
    embedded = [networks.encoder(torch.cat([S, goals[:, i]], -1)) for i in (0, 2)]
    value, _ = by_hand(networks.q_value, S, A, sum(embedded).detach())  # type: ignore[union-attr]
    np.testing.assert_allclose(found.detach(), value, rtol=1e-12)
    swapped = losses.goal_set_value(networks, S, A, goals.flip(1))(gates)
    torch.testing.assert_close(swapped, found)


@pytest.mark.parametrize("kind", ["goals", "gates"])
def test_losses_are_those_of_finite_differences(kind: str) -> None:
    _, _, value, target, at = pair(kind)
    residual = (value(at) - target(at)).detach()
    mismatch = (slopes(value, at) - slopes(target, at)).square()
    fitted = residual.square().mean()
    torch.testing.assert_close(losses.ddpg_loss(value, target, at).detach(), fitted)
    if kind == "goals":
        for loss in (losses.reengage_loss, losses.reengage_loss_in_graph):
            torch.testing.assert_close(
                loss(value, target, at, ALPHA).detach(), fitted + ALPHA * mismatch.mean(), rtol=1e-8, atol=0
            )
    else:
        found = losses.multi_reengage_loss(value, target, at, ALPHA).detach()
        torch.testing.assert_close(found, fitted + ALPHA * mismatch.sum() / B, rtol=1e-8, atol=0)


@pytest.mark.parametrize(
    ("kind", "loss", "in_graph"),
    [
        ("goals", losses.reengage_loss, False),
        ("goals", losses.reengage_loss_in_graph, True),
        ("gates", losses.multi_reengage_loss, False),
    ],
)
def test_loss_gradients_are_finite_differences_and_reach_the_target_only_in_the_graph(
    kind: str, loss: Callable[..., Tensor], in_graph: bool
) -> None:
    online, target_network, value, target, at = pair(kind)
    loss(value, target, at, ALPHA).backward()
    reached = [online, target_network] if in_graph else [online]
    for network in (online, target_network):
        assert any(param.grad is not None for param in network.parameters()) == (network in reached)
        for param in network.parameters() if network in reached else ():
            if param.grad is None:  # the actor's head of a goal set
                continue
            flat, slope, step = param.data.view(-1), param.grad.view(-1), 1e-5
            for i in range(0, len(flat), 5):
                before = float(flat[i])
                ends = []
                for shift in (step, -step):
                    flat[i] = before + shift
                    ends.append(float(loss(value, target, at, ALPHA).detach()))
                flat[i] = before
                assert float(slope[i]) == pytest.approx((ends[0] - ends[1]) / (2 * step), rel=1e-5, abs=1e-8)


def test_weights_come_from_the_generator_alone_and_have_torchs_range() -> None:
    state = torch.random.get_rng_state()
    network = critic(1, nn.ReLU)
    assert torch.equal(torch.random.get_rng_state(), state)
    for one, two in zip(network.parameters(), critic(1, nn.ReLU).parameters(), strict=True):
        assert torch.equal(one, two)
    first = network.layers[0]
    assert isinstance(first, nn.Linear)
    assert 0.9 / 3 < float(first.weight.detach().abs().max()) <= 1 / 3  # 9 inputs
    assert isinstance(network.layers[1], nn.ReLU)


@pytest.mark.parametrize("widths", [(3,), (3, 0, 1)])
def test_networks_without_layers_are_refused(widths: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"^widths: \(3,"):
        perceptron(widths, torch.Generator())
