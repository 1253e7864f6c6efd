"""The goal gradient of a critic against that of its target: ReenGAGE's equation (8), for any torch critic.

Source: Levine & Feizi, AAAI 2023, equation (8).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from jaxtyping import Float
from torch import Tensor

from proofs_check.testing.comparison import pair, vector
from proofs_check.testing.finite_differences import Differences, autodiff_gradient, central_differences

__all__ = ["assert_gradient_matching"]

GoalFunction = Callable[[Tensor], Tensor]


class _GoalMismatchError(AssertionError):
    """A failure with the entry of the goals where it is.

    Args:
        headline: what failed, with both values.
        index: of the goal.
        example: the lines that show it.
    """

    def __init__(self, headline: str, index: tuple[int, ...] | None = None, example: str = "") -> None:
        super().__init__(headline)
        self.headline = headline
        self.index = index
        self.example = example

    def message(self, *, simplified: bool = False) -> str:
        """What to tell the user, where ``simplified`` says that the goal is not the batch's own."""
        if self.index is None:
            return self.headline
        which = str(self.index[0]) if len(self.index) == 1 else str(self.index)
        place = f", {'in place of ' if simplified else ''}goal {which} of the batch" if self.index else ""
        return f"{self.headline}\nsmallest failing example{place}:\n{self.example}"


def assert_gradient_matching(
    q_value: GoalFunction,
    target: GoalFunction,
    goal: Float[Tensor, "*b d"],
    *,
    closed_form: Float[Tensor, "*b d"] | GoalFunction | None = None,
    residual: Float[Tensor, "*b d"] | GoalFunction | float | None = 0.0,
    rtol: float = 1e-7,
) -> None:
    """The goal gradient of a critic is the goal gradient of its target; both are total derivatives.

    A gradient is found by up to three routes, which must agree: automatic differentiation; finite differences of the
    values; and, of the target, a closed form if there is one.

    1. Automatic differentiation of ``q_value`` agrees with finite differences.
    2. That of ``target`` does. Finite differences see every path from the goal to the value, so a path that is cut
       by ``detach`` or ``no_grad``, such as the one through the target policy, is found wherever it matters. (It does
       not where the policy maximises the target critic, by the envelope theorem.)
    3. ``closed_form``, if it is given, is the gradient of ``target``.
    4. ∇q_value − ∇target is ``residual``: by default 0, which a critic that is still being trained does not satisfy.
       For such a one ``residual=None`` leaves this out, and 1. to 3. still say whether its gradients can be trusted.

    Works for every torch function: formulas, or networks such as
    ``lambda g: critic(torch.cat([s, a, g], -1)).squeeze(-1)``, which must be of float64 and in evaluation mode.

    *Finite differences* have three step sizes and for each a bound on its own error, measured and not assumed: see
    :mod:`proofs_check.testing.finite_differences`. An entry of the gradient counts as wrong only if automatic
    differentiation is outside of all three bounds, and as right if it is inside of one and the smallest bound is small
    (``rtol``). Otherwise it is *undecided*, which is what kinks (ReLU) make of a few entries; if that is more than
    half of them, the assertion fails and says so.

    Args:
        q_value: goals (..., d) -> values (...), each of which depends on its own goal only.
        target: likewise: R(s', g) + γ Q(s', π(s', g), g) as a function of g.
        goal: where, (..., d), float64, one at least.
        closed_form: of the target's gradient, (..., d), or a function from goals to it.
        residual: what ∇q_value − ∇target is: 0 if they match, (..., d), or a function from goals to it. None where
            nothing is claimed, as of a critic in training.
        rtol: allowed difference, relative to the largest entry of both gradients at that goal (for finite differences
            also to the value over the length of the goal).

    Raises:
        AssertionError: naming the quantity, both values and a failing goal that is as simple as could be found: one of
            the batch, or one in place of it, with everything else (states, actions) as it is there.
        ValueError: if an argument is not of float64 or of the wrong shape, or a function is random or mixes goals.
    """
    _check_goal(goal)
    for name, function in (("q_value", q_value), ("target", target)):
        _check_function(name, function, goal)

    def check(at: Tensor) -> None:
        _check(q_value, target, at, closed_form, residual, rtol)

    try:
        check(goal)
    except _GoalMismatchError as found:
        movable = not isinstance(closed_form, Tensor) and not isinstance(residual, Tensor)
        message = _simplest(check, goal, found) if movable and found.index is not None else found.message()
    else:
        return
    raise AssertionError(message)


def _check_goal(goal: Tensor) -> None:
    if goal.dtype != torch.float64:
        raise ValueError(f"goal: dtype {goal.dtype} is not torch.float64, which finite differences need: goal.double()")
    if goal.ndim == 0 or goal.numel() == 0:
        raise ValueError(f"goal: shape {tuple(goal.shape)} is not (..., d) with one goal at least")
    if not bool(goal.isfinite().all()):
        raise ValueError("goal: not every coordinate is a finite number")


def _check_function(name: str, function: GoalFunction, goal: Tensor) -> None:
    remedy = "a module becomes float64 by module.double()"
    try:
        values = function(goal.detach().clone()).detach()
    except RuntimeError as error:
        if "dtype" not in str(error):
            raise
        raise ValueError(f"{name}: cannot be evaluated at goals of float64 ({error}); {remedy}") from error
    if values.shape != goal.shape[:-1]:
        raise ValueError(
            f"{name}: values of shape {tuple(values.shape)} for goals of shape {tuple(goal.shape)}, "
            f"not {tuple(goal.shape[:-1])}, one for each goal"
        )
    if values.dtype != torch.float64:
        raise ValueError(f"{name}: values of {values.dtype}, not torch.float64; {remedy}")
    if not torch.equal(values, function(goal.detach().clone()).detach()) and bool(values.isfinite().all()):
        raise ValueError(f"{name}: two calls with the same goals differ; a module's dropout ends with module.eval()")
    near = goal.detach() * (1 + 1e-3 * torch.linspace(0.3, 1, goal.shape[-1], dtype=goal.dtype, device=goal.device))
    changed = function(near).detach()
    coarse = torch.equal(changed.float().double(), changed) and bool((changed != values).double().mean() > 0.5)
    if coarse:
        raise ValueError(f"{name}: values of torch.float64, but computed in float32; {remedy}")
    moved = goal.detach().clone().reshape(-1, goal.shape[-1])
    moved[::2] *= 1.5
    still = torch.arange(len(moved), device=goal.device) % 2 == 1
    change = (function(moved.reshape(goal.shape)).detach() - values).reshape(-1)[still].abs()
    # Batched products may round differently when other rows change; a dependence is far larger.
    if bool((change > 1e-12 * values.abs().max()).any()):
        raise ValueError(
            f"{name}: a value changes when other goals do; it must depend on its own goal only "
            "(batch normalisation ends with module.eval())"
        )


def _check(
    q_value: GoalFunction,
    target: GoalFunction,
    goal: Tensor,
    closed_form: Tensor | GoalFunction | None,
    residual: Tensor | GoalFunction | float | None,
    rtol: float,
) -> None:
    gradients = {}
    for name, function in (("q_value", q_value), ("target", target)):
        gradients[name] = autodiff_gradient(function, goal)
        _compare_with_differences(name, gradients[name], central_differences(function, goal), goal, rtol)
    of_value, of_target = gradients["q_value"], gradients["target"]
    allowed = rtol * torch.maximum(of_value.abs(), of_target.abs()).amax(-1, keepdim=True)
    if closed_form is not None:
        exact = _evaluated("closed_form", closed_form, goal)
        _compare("goal gradient of target", goal, ("automatic", of_target), ("closed form", exact), allowed)
    if residual is None:
        return
    if isinstance(residual, int | float) and residual == 0:
        names = ("of q_value", of_value), ("of target", of_target)
        _compare("goal gradients of q_value and target", goal, *names, allowed)
    else:
        stated = _evaluated("residual", residual, goal)
        names = ("automatic", of_value - of_target), ("stated residual", stated)
        _compare("goal gradient of q_value - target", goal, *names, allowed)


def _evaluated(name: str, given: Tensor | GoalFunction | float, goal: Tensor) -> Tensor:
    if isinstance(given, int | float):
        return torch.full_like(goal, float(given))
    values = given if isinstance(given, Tensor) else given(goal)
    if values.shape != goal.shape:
        raise ValueError(f"{name}: shape {tuple(values.shape)} is not {tuple(goal.shape)}, that of the goals")
    return values.detach()


def _compare_with_differences(name: str, gradient: Tensor, differences: Differences, goal: Tensor, rtol: float) -> None:
    quantity = f"goal gradient of {name}"
    wrong = differences.excludes(gradient)
    estimate, bound = differences.best()
    if bool(wrong.any()):
        # The entry that is wrong beyond all doubt.
        doubt = torch.where(wrong, (estimate - gradient).abs().nan_to_num(nan=torch.inf), -torch.inf)
        hidden = ""
        if not bool((gradient[wrong] != 0).any()):
            hidden = "; no derivative reaches the goal there"
        note = f"; is part of the goal's path detached?{hidden}"
        _fail(quantity, goal, ("automatic", gradient), ("finite differences", estimate), doubt, note)
    size = torch.maximum(gradient.abs(), estimate.abs()).amax(-1, keepdim=True)
    decided = bound <= rtol * torch.maximum(size, differences.scale)
    # A function that is 0 all around has no scale, and needs none.
    decided |= bound == 0
    share = float(decided.double().mean())
    if share < 0.5:
        raise _GoalMismatchError(
            f"{quantity}: could not be decided; finite differences are good to rtol = {rtol:g} in {share:.0%} of the "
            f"entries only (their bound is {float(bound.median()):.1e} in the middle): kinks near most goals, values "
            "of less than float64 inside, or too small an rtol"
        )


def _compare(
    quantity: str, goal: Tensor, first: tuple[str, Tensor], second: tuple[str, Tensor], allowed: Tensor
) -> None:
    excess = (first[1] - second[1]).abs() - allowed
    wrong = ~(excess <= 0)
    if bool(wrong.any()):
        _fail(quantity, goal, first, second, torch.where(wrong, excess.nan_to_num(nan=torch.inf), -torch.inf), "")


def _fail(
    quantity: str, goal: Tensor, first: tuple[str, Tensor], second: tuple[str, Tensor], doubt: Tensor, note: str
) -> None:
    flat = int(doubt.argmax())
    index = tuple(int(i) for i in torch.unravel_index(torch.tensor(flat), doubt.shape))
    texts = pair(float(first[1][index]), float(second[1][index]))
    raise _GoalMismatchError(
        f"{quantity}, coordinate {index[-1]}: {first[0]} {texts[0]}, {second[0]} {texts[1]}{note}",
        index[:-1],
        f"  g = {vector(goal[index[:-1]])}\n"
        f"  {first[0]}: {vector(first[1][index[:-1]])}\n"
        f"  {second[0]}: {vector(second[1][index[:-1]])}",
    )


def _simpler_goals(goal: Tensor) -> Iterator[Tensor]:
    """Goals to try in place of one that failed, the simplest first."""
    yield from torch.eye(goal.shape[-1], dtype=goal.dtype, device=goal.device)
    for decimals in range(3):
        rounded = goal.round(decimals=decimals)
        if bool(rounded.any()):
            yield rounded


def _simplest(check: Callable[[Tensor], None], goal: Tensor, found: _GoalMismatchError) -> str:
    """The message for the simplest goal that fails in the place of the one that failed."""
    assert found.index is not None
    for simpler in _simpler_goals(goal[found.index]):
        # The same goal everywhere: then it is this one that fails, unless other states make the difference.
        moved = simpler.expand(goal.shape).clone()
        try:
            check(moved)
        except _GoalMismatchError as found_there:
            if found_there.index is not None:
                return found_there.message(simplified=True)
        except (ArithmeticError, RuntimeError, ValueError):
            continue  # not a goal that the functions take
    return found.message()
