"""Multilayer perceptrons: the critic Q(s, a, g) and the actor π(s, g).

Weights and biases of a layer with m inputs are uniform in ±1/√m, as torch draws them, but from the caller's generator.

Source: the networks of Levine & Feizi (AAAI 2023), the appendix on hyperparameters.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.utils import skip_init
from typing_extensions import override

__all__ = ["Actor", "Critic", "perceptron"]


def perceptron(
    widths: Sequence[int],
    generator: torch.Generator,
    activation: type[nn.Module] = nn.ReLU,
    dtype: torch.dtype = torch.float32,
) -> nn.Sequential:
    """Linear layers with an activation between each two, on vectors (..., inputs) -> (..., outputs).

    Args:
        widths: inputs, hidden layers, outputs: at least two whole numbers ≥ 1.
        generator: draws the weights.
        activation: class of the activations.
        dtype: of the weights.

    Raises:
        ValueError: if ``widths`` names no layer, or an empty one.
    """
    if len(widths) < 2 or min(widths) < 1:
        raise ValueError(f"widths: {tuple(widths)} are not inputs, hidden layers and outputs, each >= 1")
    layers: list[nn.Module] = []
    for m, n in itertools.pairwise(widths):
        # skip_init: torch's own initialisation would draw from the global generator.
        layer = skip_init(nn.Linear, m, n, dtype=dtype)
        for param in layer.parameters():
            nn.init.uniform_(param, -1 / math.sqrt(m), 1 / math.sqrt(m), generator=generator)
        layers += [layer, activation()]
    return nn.Sequential(*layers[:-1])


class Critic(nn.Module):
    """Q(s, a, g): one perceptron of state, action and goal side by side."""

    def __init__(
        self,
        observation_dim: int,
        action_dim: int,
        goal_dim: int,
        hidden: Sequence[int],
        generator: torch.Generator,
        *,
        activation: type[nn.Module] = nn.ReLU,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__()
        widths = (observation_dim + action_dim + goal_dim, *hidden, 1)
        self.layers = perceptron(widths, generator, activation, dtype)

    @override
    def forward(
        self, observation: Float[Tensor, "*b o"], action: Float[Tensor, "*b k"], goal: Float[Tensor, "*b d"]
    ) -> Float[Tensor, "*b"]:
        return torch.as_tensor(self.layers(torch.cat([observation, action, goal], -1)))[..., 0]


class Actor(nn.Module):
    """π(s, g): one perceptron of state and goal side by side; by default tanh keeps actions in the cube (−1, 1)^k."""

    def __init__(
        self,
        observation_dim: int,
        action_dim: int,
        goal_dim: int,
        hidden: Sequence[int],
        generator: torch.Generator,
        *,
        activation: type[nn.Module] = nn.ReLU,
        output_activation: type[nn.Module] = nn.Tanh,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__()
        self.layers = perceptron((observation_dim + goal_dim, *hidden, action_dim), generator, activation, dtype)
        self.output_activation = output_activation()

    @override
    def forward(self, observation: Float[Tensor, "*b o"], goal: Float[Tensor, "*b d"]) -> Float[Tensor, "*b k"]:
        return torch.as_tensor(self.output_activation(self.layers(torch.cat([observation, goal], -1))))
