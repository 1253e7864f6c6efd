"""Goal gradients by finite differences, each with a bound on its own error.

A central difference over ±h is off by h²/6 times the third derivative (truncation), by the noise of the two values
over h (rounding), and by whatever the function does at a kink inside [−h, h]. None of the three is known beforehand,
so all are measured:

* *Truncation.* Differences D over 2h, h, h/2, h/4 make three Richardson estimates R = (4D(h/2) − D(h))/3, with errors
  of order h⁴. How far they are apart bounds the error of the last one, 15/16 and more of it being that of the first.
  Kinks near by pull the three apart, too.
* *Rounding.* The noise of a value is measured from differences of orders 4 to 6 along a line of equal small steps, to
  which a smooth function contributes nothing (Moré & Wild's ECnoise), and is at least one unit in the last place.
  The weights with which the values enter the last R add up to 6/h in absolute value.
* *A kink at the very point* leaves central differences alone, as their mean over both sides is the same for every h.
  It shows in the second difference A(h) = (f(+h) − 2f(0) + f(−h))/h, which tends to the jump of the slope instead
  of to 0; 2A(h/4) − A(h/2) extrapolates to that limit.

All this for three h, 2⁻¹⁰, 2⁻¹⁴ and 2⁻¹⁸ times the length of the goal: the first is near the best for R (ε^(1/5)), the
others have more noise and meet fewer kinks. A gradient is wrong if it is outside of all three bounds. One that is wrong
by 1e-8 of the value over the length of the goal is still found. What no sampling can tell from noise, and may be called
wrong, is a function with structure finer than 1e-6 of that length.

Sources: J. J. Moré, S. M. Wild: Estimating computational noise. SIAM J. Sci. Comput. 33 (2011), 1292-1314;
W. H. Press et al.: Numerical Recipes, 3rd ed., section 5.7.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

__all__ = ["Differences", "autodiff_gradient", "central_differences"]

GoalFunction = Callable[[Tensor], Tensor]
"""Goals (..., d) -> values (...), each of which depends on its own goal only."""

_STEPS = (2.0**-10, 2.0**-14, 2.0**-18)
_NOISE_STEP = 1e-5


@dataclass(frozen=True)
class Differences:
    """A gradient several times over, each time with a bound on its error.

    Attributes:
        estimates: (3, ..., d), one for each step, the largest step first.
        bounds: (3, ..., d), on the error of each.
        scale: (..., 1), the size of the values over the length of the goals: what a gradient is measured against.
    """

    estimates: Float[Tensor, "steps *b d"]
    bounds: Float[Tensor, "steps *b d"]
    scale: Float[Tensor, "*b 1"]

    def excludes(self, gradient: Float[Tensor, "*b d"]) -> Bool[Tensor, "*b d"]:
        """Where the gradient is outside of the bounds of every estimate, or not a number."""
        return ~((self.estimates - gradient).abs() <= self.bounds).any(0)

    def best(self) -> tuple[Float[Tensor, "*b d"], Float[Tensor, "*b d"]]:
        """The estimate with the smallest bound, and that bound."""
        bounds = self.bounds.nan_to_num(nan=torch.inf)
        which = bounds.argmin(0, keepdim=True)
        return self.estimates.gather(0, which)[0], bounds.gather(0, which)[0]


def autodiff_gradient(function: GoalFunction, goal: Float[Tensor, "*b d"]) -> Float[Tensor, "*b d"]:
    """The goal gradient by automatic differentiation; 0 where no graph leads to the goal."""
    leaf = goal.detach().clone().requires_grad_(True)
    with torch.enable_grad():
        values = function(leaf)
        if not values.requires_grad:
            return torch.zeros_like(goal)
        (gradient,) = torch.autograd.grad(values.sum(), leaf, allow_unused=True)
    return torch.zeros_like(goal) if gradient is None else gradient


def _noise(function: GoalFunction, goal: Tensor, length: Tensor) -> Tensor:
    """Standard deviation of the error of a value, (...)."""
    generator = torch.Generator(device=goal.device).manual_seed(0)
    direction = torch.randn(goal.shape, generator=generator, dtype=goal.dtype, device=goal.device)
    direction = direction / direction.norm(dim=-1, keepdim=True)
    table = torch.stack([function(goal + k * _NOISE_STEP * length * direction) for k in range(-3, 4)])
    noise = torch.zeros_like(table[0])
    for order in range(1, 7):
        table = table.diff(dim=0)
        if order >= 4:
            # A difference of order k of independent errors has binom(2k, k) times their variance.
            noise = torch.maximum(noise, (table.square().mean(0) / math.comb(2 * order, order)).sqrt())
    return noise


def central_differences(function: GoalFunction, goal: Float[Tensor, "*b d"]) -> Differences:
    """The goal gradient by finite differences, float64.

    Args:
        function: goals (..., d) -> values (...).
        goal: where.
    """
    goal = goal.detach()

    def value(at: Tensor) -> Tensor:
        # Not under no_grad: a function may differentiate something itself.
        return function(at).detach()

    norm = goal.norm(dim=-1, keepdim=True)
    length = torch.where(norm > 0, norm, torch.ones_like(norm))
    middle = value(goal)
    floor = torch.finfo(goal.dtype).eps * middle.abs()
    noise = 4 * torch.maximum(_noise(value, goal, length), floor)  # four standard deviations
    estimates, bounds = [], []
    for relative in _STEPS:
        step = relative * length
        columns = [
            _one_coordinate(value, goal, step, middle, axis)
            for axis in torch.eye(goal.shape[-1], dtype=goal.dtype, device=goal.device)
        ]
        estimates.append(torch.stack([estimate for estimate, _ in columns], -1))
        unsmooth = torch.stack([bound for _, bound in columns], -1)
        bounds.append(unsmooth + 6 * noise[..., None] / step)
    scale = middle.abs()[..., None] / length
    return Differences(torch.stack(estimates), torch.stack(bounds), scale)


def _one_coordinate(
    function: GoalFunction, goal: Tensor, step: Tensor, middle: Tensor, axis: Tensor
) -> tuple[Tensor, Tensor]:
    """The last Richardson estimate, and what truncation and kinks may add to it; both (...)."""
    slopes, bends = [], []
    for factor in (2.0, 1.0, 0.5, 0.25):
        ahead, behind = (function(goal + sign * factor * step * axis) for sign in (1, -1))
        width = factor * step[..., 0]
        slopes.append((ahead - behind) / (2 * width))
        bends.append((ahead - 2 * middle + behind) / width)
    first, second, last = ((4 * slopes[k + 1] - slopes[k]) / 3 for k in range(3))
    spread = torch.stack([first, second, last])
    jump = (2 * bends[3] - bends[2]).abs()
    return last, spread.amax(0) - spread.amin(0) + jump
