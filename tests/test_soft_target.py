"""The soft target against plain loops, its gradient against finite differences, and both at extreme temperatures."""

from __future__ import annotations

import math

import numpy as np
import pytest
import sympy
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from toyenvs.learners.losses import goal_gradient
from toyenvs.learners.soft_target import soft_target, soft_value


def plain_soft_value(values: list[float], temperature: float) -> float:
    """One vector in plain arithmetic, with the exponentials as they are written."""
    weights = [math.exp(value / temperature) for value in values]
    return sum(weight * value for weight, value in zip(weights, values, strict=True)) / sum(weights)


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@given(
    st.lists(st.integers(-20, 20), min_size=1, max_size=6),
    st.sampled_from([0.2, 0.5, 1.0, 7.0]),
    st.sampled_from([0.0, 0.5, 0.99]),
)
def test_values_agree_with_a_loop_for_tensors_arrays_and_symbols(
    quarters: list[int], temperature: float, discount: float
) -> None:
    values = [quarter / 4 for quarter in quarters]
    expected = plain_soft_value(values, temperature)
    for vector in (np.array(values), torch.tensor(values, dtype=torch.float64)):
        assert float(soft_value(vector, temperature)) == pytest.approx(expected, rel=1e-12, abs=1e-12)
        target = soft_target(-1.0, discount, vector, temperature)
        assert float(target) == pytest.approx(-1 + discount * expected, rel=1e-12, abs=1e-12)
    symbolic = soft_value(sympy.Matrix(values), sympy.Float(temperature))
    assert float(symbolic) == pytest.approx(expected, rel=1e-12, abs=1e-12)


@pytest.mark.parametrize("batch", [(), (5,), (2, 3)])
def test_leading_dimensions_are_kept(batch: tuple[int, ...]) -> None:
    values, reward = draw(*batch, 4), draw(*batch, seed=1)
    soft, target = soft_value(values, 0.7), soft_target(reward, 0.9, values, 0.7)
    assert soft.shape == target.shape == batch
    for index in np.ndindex(batch):
        expected = plain_soft_value(values[index].tolist(), 0.7)
        assert float(soft[index]) == pytest.approx(expected, rel=1e-12)
        assert float(target[index]) == pytest.approx(float(reward[index]) + 0.9 * expected, rel=1e-12)


@pytest.mark.parametrize("temperature", [0.3, 1.0, 10.0])
def test_gradient_agrees_with_finite_differences_and_the_closed_form(temperature: float) -> None:
    values, step = draw(4, 5), 1e-6
    found = goal_gradient(lambda q: soft_value(q, temperature), values)
    for action in range(5):
        shift = step * torch.eye(5, dtype=torch.float64)[action]
        difference = soft_value(values + shift, temperature) - soft_value(values - shift, temperature)
        torch.testing.assert_close(found[:, action], difference / (2 * step), rtol=1e-6, atol=1e-8)
    weights = torch.softmax(values / temperature, -1)
    mean = (weights * values).sum(-1, keepdim=True)
    torch.testing.assert_close(found, weights * (1 + (values - mean) / temperature), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("temperature", [0.0, 1e-30, 1e-9, 1e30])
@pytest.mark.parametrize("size", [1e-6, 1.0, 1e6])
def test_extreme_temperatures_give_the_maximum_or_the_mean_and_a_gradient_shared_by_ties(
    dtype: torch.dtype, temperature: float, size: float
) -> None:
    values = size * torch.tensor([[5.0, 1.0, 5.0, -3.0], [7.0, 2.0, 1.0, 0.0]], dtype=dtype)
    if temperature > size:
        value, slope = values.mean(-1), torch.full_like(values, 0.25)
    else:
        value, slope = values.amax(-1), torch.tensor([[0.5, 0, 0.5, 0], [1, 0, 0, 0]], dtype=dtype)
    precision = torch.finfo(dtype).eps
    torch.testing.assert_close(soft_value(values, temperature), value, rtol=8 * precision, atol=0)
    found = goal_gradient(lambda q: soft_value(q, temperature), values)
    torch.testing.assert_close(found, slope, rtol=0, atol=8 * precision)


def test_a_loss_of_its_goal_gradient_can_be_differentiated() -> None:
    slopes = draw(3, 2, seed=2).requires_grad_(True)

    def residual_gradient(slopes: Tensor) -> Tensor:
        return goal_gradient(lambda g: soft_value(torch.sin(g @ slopes.mT), 0.5), draw(4, 2), create_graph=True)

    assert torch.autograd.gradcheck(residual_gradient, (slopes,))


def test_a_negative_temperature_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^temperature: -0\.5 is not"):
        soft_value(draw(3), -0.5)
    with pytest.raises(ValueError, match=r"^temperature: -1 is not"):
        soft_target(0.0, 0.9, draw(3), -1)
