"""DeepSets: critic and actor of a goal set, one encoder of single goals and two heads on the sum of its embeddings.

A network sees the goals g_1, …, g_n only through their summary Σ_i b_i² e(s, g_i), see
:func:`toyenvs.learners.goal_set.pooled`: the order of the goals does not matter, nor do slots with gate 0.

Source: Levine & Feizi (AAAI 2023), equations (37), (38); Zaheer et al., Deep Sets, NeurIPS 2017.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from toyenvs.networks.perceptrons import Actor, Critic, perceptron

__all__ = ["DeepSets"]


class DeepSets(nn.Module):
    """Critic and actor of a goal set with a common encoder; the summary stands where others have the goal."""

    def __init__(
        self,
        observation_dim: int,
        action_dim: int,
        goal_dim: int,
        embedding_dim: int,
        hidden: Sequence[int],
        generator: torch.Generator,
        *,
        activation: type[nn.Module] = nn.ReLU,
        output_activation: type[nn.Module] = nn.Tanh,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__()
        self.encoder = perceptron((observation_dim + goal_dim, *hidden, embedding_dim), generator, activation, dtype)
        sizes = (observation_dim, action_dim, embedding_dim, hidden, generator)
        self.q_value = Critic(*sizes, activation=activation, dtype=dtype)
        self.policy = Actor(*sizes, activation=activation, output_activation=output_activation, dtype=dtype)

    def encode(self, observation: Float[Tensor, "*b o"], goals: Float[Tensor, "*b n d"]) -> Float[Tensor, "*b n e"]:
        """The embeddings e(s, g_i) of all goals of a set, of size ``embedding_dim``."""
        observations = observation[..., None, :].expand(*goals.shape[:-1], -1)
        return torch.as_tensor(self.encoder(torch.cat([observations, goals], -1)))
