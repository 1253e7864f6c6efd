"""What the goal-gradient term costs: floating-point operations, exactly, of one gradient of the critic's loss.

Networks are multilayer perceptrons with ReLU. Only matrix products are counted, in which nearly all of the work is: a
layer with m inputs and n outputs takes f = 2·B·m·n operations for a batch of B, and as many for the gradient with
respect to its inputs, and for that with respect to its weights. F_C and F_A are the sums of f over the layers of critic
and actor; f_1 and f_L are the critic's first and last layer.

The functions below add these up pass by pass. Torch's own counter measures the losses of
:mod:`toyenvs.networks.losses` on such networks and must find the same whole number; bounds are then proved for the
formulas, whatever the sizes are.

Source: Levine & Feizi, AAAI 2023, the appendix on training time (Table 5).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import sympy
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from proofs_check.claim import CheckSettings, EvidenceKind, Finding, Truth
from proofs_check.proving.derivation import CHECKED
from proofs_check.proving.section import Section
from proofs_check.symbolic.notation import written
from toyenvs.networks.losses import (
    GoalFunction,
    ddpg_loss,
    network_target,
    network_value,
    reengage_loss,
    reengage_loss_in_graph,
)
from toyenvs.networks.perceptrons import Actor, Critic

__all__ = [
    "SECTION",
    "Sizes",
    "ddpg_cost",
    "layer_costs",
    "measured_cost",
    "reengage_cost",
    "reengage_cost_in_graph",
    "residual_cost",
]

SECTION = Section("K", "Cost of the goal-gradient term")


# --- formulas ---------------------------------------------------------------------------------------------

Passes = list[tuple[str, Sequence[Any]]]
"""What a program does, pass by pass: in words, with the cost of every layer's product."""


def layer_costs(widths: Sequence[Any], batch_size: Any) -> list[Any]:
    """2·B·m·n for every layer, from the first to the last.

    Args:
        widths: inputs, hidden layers, outputs; numbers or symbols.
        batch_size: B.
    """
    return [2 * batch_size * m * n for m, n in itertools.pairwise(widths)]


def _total(passes: Passes) -> Any:
    return sum(sum(costs) for _, costs in passes)


def _residual_passes(critic: Sequence[Any], actor: Sequence[Any]) -> Passes:
    return [("target actor, forward", actor), ("target critic, forward", critic), ("critic, forward", critic)]


def _ddpg_passes(critic: Sequence[Any], actor: Sequence[Any]) -> Passes:
    return [
        *_residual_passes(critic, actor),
        ("critic, backward to the weights", critic),
        ("critic, backward to the hidden layers", critic[1:]),
    ]


def _second_passes(network: str, costs: Sequence[Any], *, from_constant: bool) -> Passes:
    """Backward through δ_{i−1} = W_iᵀ(mask · δ_i): a product for every W_i, and one for every δ_i.

    Args:
        network: in words.
        costs: of the layers.
        from_constant: whether the last layer's δ is the constant 1, which needs none.
    """
    through = f"{network}, back through its goal gradient"
    to_gradients = "to the layers' gradients" + (", of which the last is constant" if from_constant else "")
    return [
        (f"{through}, to the weights", costs),
        (f"{through}, {to_gradients}", costs[:-1] if from_constant else costs),
    ]


def _reengage_passes(critic: Sequence[Any], actor: Sequence[Any]) -> Passes:
    return [
        *_ddpg_passes(critic, actor),
        ("target critic, goal gradient", critic),
        ("target actor, goal gradient", actor),
        ("critic, goal gradient", critic),
        *_second_passes("critic", critic, from_constant=True),
    ]


def _in_graph_passes(critic: Sequence[Any], actor: Sequence[Any]) -> Passes:
    networks = (("critic", critic), ("target critic", critic), ("target actor", actor))
    passes = _residual_passes(critic, actor)
    passes += [(f"{name}, goal gradient", costs) for name, costs in networks]
    for name, costs in networks:
        passes += [(f"{name}, backward to the weights", costs), (f"{name}, backward to layers and inputs", costs)]
    for name, costs in networks:
        passes += _second_passes(name, costs, from_constant=name != "target actor")
    return passes


def residual_cost(critic: Sequence[Any], actor: Sequence[Any]) -> Any:
    """The residual itself, Q − (R + γQ'(s', π'(s', g), g)): F_A + 2F_C.

    Args:
        critic: costs of the layers, at least two.
        actor: likewise.
    """
    return _total(_residual_passes(critic, actor))


def ddpg_cost(critic: Sequence[Any], actor: Sequence[Any]) -> Any:
    """Gradient of DDPG's critic loss: F_A + 4F_C − f_1.

    Args:
        critic: costs of the layers, at least two.
        actor: likewise.
    """
    return _total(_ddpg_passes(critic, actor))


def reengage_cost(critic: Sequence[Any], actor: Sequence[Any]) -> Any:
    """Gradient of the loss (8) with respect to the critic's weights only: 2F_A + 8F_C − f_1 − f_L.

    Args:
        critic: costs of the layers, at least two.
        actor: likewise.
    """
    return _total(_reengage_passes(critic, actor))


def reengage_cost_in_graph(critic: Sequence[Any], actor: Sequence[Any]) -> Any:
    """The same with ``backward()`` through everything, target networks and goal included: 6F_A + 12F_C − 2f_L.

    Args:
        critic: costs of the layers, at least two.
        actor: likewise.
    """
    return _total(_in_graph_passes(critic, actor))


# --- measurement ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Sizes:
    """Sizes of one problem.

    Attributes:
        batch_size: B.
        observation_dim: of s.
        action_dim: of a.
        goal_dim: d.
        critic: widths of the critic's hidden layers, at least one.
        actor: widths of the actor's.
    """

    batch_size: int
    observation_dim: int
    action_dim: int
    goal_dim: int
    critic: tuple[int, ...]
    actor: tuple[int, ...]

    @property
    def critic_widths(self) -> tuple[int, ...]:
        """Widths of all layers, (s, a, g) → 1."""
        return (self.observation_dim + self.action_dim + self.goal_dim, *self.critic, 1)

    @property
    def actor_widths(self) -> tuple[int, ...]:
        """Widths of all layers, (s, g) → a."""
        return (self.observation_dim + self.goal_dim, *self.actor, self.action_dim)

    def critic_costs(self) -> list[int]:
        """Costs of the critic's layers."""
        return layer_costs(self.critic_widths, self.batch_size)

    def actor_costs(self) -> list[int]:
        """Costs of the actor's layers."""
        return layer_costs(self.actor_widths, self.batch_size)


@dataclass(frozen=True)
class _Problem:
    """A critic, with its value and its target as functions of a batch of goals."""

    critic: Critic
    value: GoalFunction
    target: GoalFunction
    goal: Tensor


def _problem(sizes: Sizes, draw: Callable[..., Tensor] = torch.zeros) -> _Problem:
    """Networks of toyenvs with a batch to run them on: counts do not depend on its numbers, 0 is not special to torch.

    Args:
        sizes: of networks and batch.
        draw: shape -> tensor, makes the batch.
    """
    generator, dims = torch.Generator(), (sizes.observation_dim, sizes.action_dim, sizes.goal_dim)
    critic, target_critic = (Critic(*dims, sizes.critic, generator) for _ in range(2))
    target_actor = Actor(*dims, sizes.actor, generator)
    observation, action, goal = (draw(sizes.batch_size, dim) for dim in dims)
    reward = draw(sizes.batch_size)
    target = network_target(target_critic, target_actor, lambda state, goal: reward, observation, 0.95)
    value = network_value(critic, observation, action)
    # Torch's counter hooks the inputs of modules and cannot do so to a leaf, which the goal is: a view is none.
    return _Problem(critic, lambda g: value(g.view_as(g)), lambda g: target(g.view_as(g)), goal)


def _gradient(problem: _Problem, loss: Tensor) -> tuple[Tensor, ...]:
    """With respect to the critic's weights, and to nothing else."""
    return torch.autograd.grad(loss, list(problem.critic.parameters()))


def _ddpg(problem: _Problem) -> None:
    _gradient(problem, ddpg_loss(problem.value, problem.target, problem.goal))


def _reengage_detached(problem: _Problem) -> None:
    _gradient(problem, reengage_loss(problem.value, problem.target, problem.goal, 1.0))


def _reengage_pruned(problem: _Problem) -> None:
    _gradient(problem, reengage_loss_in_graph(problem.value, problem.target, problem.goal, 1.0))


def _reengage_in_graph(problem: _Problem) -> None:
    reengage_loss_in_graph(problem.value, problem.target, problem.goal, 1.0).backward()


_PROGRAMS: dict[str, Callable[[_Problem], None]] = {
    "ddpg": _ddpg,
    "reengage, target detached": _reengage_detached,
    "reengage, target in graph, critic's weights only": _reengage_pruned,
    "reengage, target in graph, backward()": _reengage_in_graph,
}


def measured_cost(program: str, sizes: Sizes) -> int:
    """Floating-point operations that torch counts.

    Args:
        program: a key of the table of programs, such as "ddpg".
        sizes: of networks and batch.
    """
    problem = _problem(sizes)
    with FlopCounterMode(display=False) as counter:
        _PROGRAMS[program](problem)
    return int(counter.get_total_flops())


def _grid(seed: int) -> Iterator[Sizes]:
    """Equal widths, as in the paper, and then widths that are all different."""
    for batch_size, depth, width, dim in itertools.product((1, 8), (1, 2, 3), (4, 16), (1, 5, 20)):
        yield Sizes(batch_size, 2 * dim, dim, dim, (width,) * depth, (width,) * depth)
    generator = torch.Generator().manual_seed(seed)

    def draw(count: int = 1) -> tuple[int, ...]:
        return tuple(int(i) for i in torch.randint(1, 30, (count,), generator=generator))

    for depth, other in itertools.product((1, 2, 3, 4), repeat=2):
        batch_size, observation_dim, action_dim, goal_dim = draw(4)
        yield Sizes(batch_size, observation_dim, action_dim, goal_dim, draw(depth), draw(other))


_WORKED = Sizes(1, 2, 1, 2, (4, 3), (2, 3))
"""The sizes for which the passes of a count are shown one by one."""
_F_A, _F_C, _F_FIRST, _F_MID, _F_LAST = sympy.symbols("F_A F_C f_1 f_mid f_L", nonnegative=True)


def _symbolic_costs() -> tuple[list[Any], list[Any]]:
    """Of the critic the first layer, all between and the last; of the actor three layers that add up to F_A.

    The formulas tell no others apart. Of the actor only F_A remains, where the formulas are as they should be.
    """
    first, last = sympy.symbols("a_1 a_L", nonnegative=True)
    return [_F_FIRST, _F_MID, _F_LAST], [first, _F_A - first - last, last]


def _sum_of(costs: Sequence[Any]) -> str:
    terms = " + ".join(map(str, costs))
    return f"{terms} = {sum(costs)}" if len(costs) > 1 else terms


def _arrows(widths: Sequence[int]) -> str:
    return " → ".join(map(str, widths))


def _worked(passes: Passes, closed_form: Any, programs: Sequence[str]) -> Iterator[str]:
    """The count of :data:`_WORKED`, layer by layer and pass by pass."""
    critic, actor = _WORKED.critic_costs(), _WORKED.actor_costs()
    yield (
        f"For example: a batch of {_WORKED.batch_size}, observations of dimension {_WORKED.observation_dim}, actions "
        f"of {_WORKED.action_dim}, goals of {_WORKED.goal_dim}. "
        "A batch of B through a layer with m inputs and n outputs takes 2·B·m·n."
    )
    ends = f"f_1 = {critic[0]} and f_L = {critic[-1]}"
    yield f"Critic {_arrows(_WORKED.critic_widths)}: F_C = {_sum_of(critic)}, with {ends}"
    yield f"Actor {_arrows(_WORKED.actor_widths)}: F_A = {_sum_of(actor)}"
    for name, costs in passes:
        yield f"{name}: {_sum_of(costs)}"
    total, numbers = _total(passes), {_F_A: sum(actor), _F_C: sum(critic), _F_FIRST: critic[0], _F_LAST: critic[-1]}
    assert closed_form.subs(numbers) == total, f"{_WORKED}: the passes add up to {total}, the formula gives otherwise"
    yield f"{CHECKED} in all {total}, which is {written(closed_form)}"
    for program in programs:
        found = measured_cost(program, _WORKED)
        assert found == total, f"{program}, {_WORKED}: torch counts {found} operations, the passes are {total}"
        yield f"{CHECKED} torch counts {found} ({program})"


def _formula_is_measured(
    passes: Callable[[Any, Any], Passes], closed_form: Any, *programs: str
) -> Callable[[CheckSettings], Finding]:
    def run(settings: CheckSettings) -> Finding:
        steps = list(_worked(passes(_WORKED.critic_costs(), _WORKED.actor_costs()), closed_form, programs))
        critic, actor = _symbolic_costs()
        difference = sympy.expand(_total(passes(critic, actor)) - closed_form.subs(_F_C, sum(critic)))
        assert difference == 0, f"the passes add up to {written(closed_form)} and {written(difference)}"
        steps.append(f"{CHECKED} for any costs of layers the passes add up to {written(closed_form)}")
        count = 0
        for sizes in _grid(settings.seed):
            expected = _total(passes(sizes.critic_costs(), sizes.actor_costs()))
            for program in programs:
                found = measured_cost(program, sizes)
                assert found == expected, f"{program}, {sizes}: torch counts {found} operations, the formula {expected}"
            count += 1
        steps.append(f"{CHECKED} torch counts what the formula says for each of {count} choices of sizes")
        scope = f"{count} choices of sizes: 1 to 4 hidden layers, widths 1 to 29, batches 1 to 29, d = 1 to 29"
        return Finding(Truth.TRUE, scope, tuple(steps))

    return run


_COUNTED = ("matrix products only", "ReLU perceptrons, at least one hidden layer", "no forward pass is done twice")
_SYMBOLS = (
    "F_C, F_A: operations of one forward pass of critic, actor",
    "f_1, f_L: those of the critic's first, last layer alone",
)
_BY_FORMULA = (
    *_COUNTED,
    *_SYMBOLS,
    "C_DDPG, C_ReenGAGE, C_in graph: the operations of K.1, K.2, K.3, whose formulas are certified on many sizes",
)
_GIVEN = "all sizes, given K.1 to K.3"
_METHOD = "torch's counter of floating-point operations on the real losses, equal as whole numbers"

SECTION.check(
    "1",
    "One gradient of DDPG's critic loss takes F_A + 4F_C − f_1 floating-point operations, where F_C and F_A are those "
    "of one forward pass of critic and actor, and f_1 those of the critic's first layer alone.",
    kind=EvidenceKind.CERTIFICATE,
    method=_METHOD,
    latex=r"C_{\mathrm{DDPG}}=F_A+4F_C-f_1",
    source="counting, layer by layer",
    assumptions=(*_COUNTED, *_SYMBOLS),
)(_formula_is_measured(_ddpg_passes, _F_A + 4 * _F_C - _F_FIRST, "ddpg"))

SECTION.check(
    "2",
    "One gradient of ReenGAGE's critic loss (8) takes 2F_A + 8F_C − f_1 − f_L, f_L being the operations of the "
    "critic's last layer alone, whether the target is detached or is part of the graph, as long as only the critic's "
    "weights are asked for.",
    kind=EvidenceKind.CERTIFICATE,
    method=_METHOD,
    latex=r"C_{\mathrm{ReenGAGE}}=2F_A+8F_C-f_1-f_L",
    source="counting, layer by layer",
    assumptions=(*_COUNTED, *_SYMBOLS),
)(
    _formula_is_measured(
        _reengage_passes,
        2 * _F_A + 8 * _F_C - _F_FIRST - _F_LAST,
        "reengage, target detached",
        "reengage, target in graph, critic's weights only",
    )
)

SECTION.check(
    "3",
    "With the target in the graph and backward() through all of it the same gradient takes 6F_A + 12F_C − 2f_L.",
    kind=EvidenceKind.CERTIFICATE,
    method=_METHOD,
    latex=r"C_{\mathrm{in\ graph}}=6F_A+12F_C-2f_L",
    source="counting, layer by layer; the released code keeps the target in the graph",
    assumptions=(*_COUNTED, *_SYMBOLS, "weights of the target networks require gradients"),
)(_formula_is_measured(_in_graph_passes, 6 * _F_A + 12 * _F_C - 2 * _F_LAST, "reengage, target in graph, backward()"))


# --- bounds -----------------------------------------------------------------------------------------------

_Cost = Callable[[Any, Any], Any]

_NAMES: dict[_Cost, str] = {
    ddpg_cost: "C_DDPG",
    reengage_cost: "C_ReenGAGE",
    reengage_cost_in_graph: "C_in graph",
    residual_cost: "C_residual",
}
_LAYERS = "Let f_mid be the cost of the critic's layers between the first and the last, so F_C = f_1 + f_mid + f_L."


def _at_most(cost: _Cost, factor: Any, other: _Cost) -> tuple[str, ...]:
    """Prove cost ≤ factor · other: the difference has no negative coefficient."""
    critic, actor = _symbolic_costs()
    difference = sympy.Poly(factor * other(critic, actor) - cost(critic, actor), *critic, _F_A, actor[0], actor[-1])
    for monomial, coefficient in difference.terms():
        # Every symbol is the cost of layers, which may be any nonnegative number.
        assert coefficient >= 0, f"the coefficient of {monomial} in the difference is {coefficient}"
    bound = f"{written(sympy.sympify(factor))}·{_NAMES[other]}"
    return (
        *(f"{CHECKED} {_NAMES[each]} = {written(sympy.expand(each(critic, actor)))}" for each in (cost, other)),
        f"{CHECKED} {bound} − {_NAMES[cost]} = {written(difference.as_expr())}, in which no coefficient is negative",
        f"By hand: no layer's cost is negative either, so {_NAMES[cost]} ≤ {bound}.",
    )


def _ratio_limit(cost: _Cost, growing: Callable[[Any], tuple[Sequence[Any], Sequence[Any]]]) -> Any:
    """Limit of cost/DDPG along a family of networks."""
    t = sympy.Symbol("t", positive=True)
    critic, actor = growing(t)
    return sympy.limit(cost(critic, actor) / ddpg_cost(critic, actor), t, sympy.oo)


@SECTION.check(
    "4",
    "One gradient of the goal-gradient loss costs at most 7/3 times one of DDPG's critic loss, for all widths, depths, "
    "batches and goal dimensions; no smaller factor will do.",
    kind=EvidenceKind.SYMBOLIC,
    method="nonnegative coefficients; the limit along a family of sizes",
    latex=r"C_{\mathrm{ReenGAGE}}\le\tfrac73\,C_{\mathrm{DDPG}}",
    source="K.1, K.2",
    assumptions=_BY_FORMULA,
    note="The paper argues for a factor c² and measures +34 to +60 % of the whole training time, which contains more "
    "than the critic's loss.",
)
def _bound(settings: CheckSettings) -> Finding:
    steps = _at_most(reengage_cost, sympy.Rational(7, 3), ddpg_cost)

    def wide_critic(t: Any) -> tuple[Sequence[Any], Sequence[Any]]:
        # One hidden layer, t wide in the critic and 1 wide in the actor; t actions, one observation, one goal.
        return layer_costs((t + 2, t, 1), 1), layer_costs((2, 1, t), 1)

    limit = _ratio_limit(reengage_cost, wide_critic)
    assert limit == sympy.Rational(7, 3), f"the ratio tends to {limit}"
    sizes = "one observation and goal, t action components, one hidden layer each, t wide in the critic, 1 in the actor"
    last = (
        f"{CHECKED} C_ReenGAGE/C_DDPG tends to {limit} as t → ∞ ({sizes})",
        f"By hand: so no factor below {limit} will do.",
    )
    return Finding(Truth.TRUE, _GIVEN, (_LAYERS, *steps, *last))


@SECTION.check(
    "5",
    "With backward() through all of the graph the gradient costs at most 6 times one of DDPG's critic loss, and no "
    "smaller factor will do.",
    kind=EvidenceKind.SYMBOLIC,
    method="nonnegative coefficients; the limit along a family of sizes",
    latex=r"C_{\mathrm{in\ graph}}\le 6\,C_{\mathrm{DDPG}}",
    source="K.1, K.3",
    assumptions=_BY_FORMULA,
)
def _bound_in_graph(settings: CheckSettings) -> Finding:
    steps = _at_most(reengage_cost_in_graph, 6, ddpg_cost)

    def wide_actor(t: Any) -> tuple[Sequence[Any], Sequence[Any]]:
        return layer_costs((3, 1, 1), 1), layer_costs((2, t, 1), 1)

    limit = _ratio_limit(reengage_cost_in_graph, wide_actor)
    assert limit == 6, f"the ratio tends to {limit}"
    sizes = "one observation, action and goal component, one hidden layer each, 1 wide in the critic, t in the actor"
    last = (
        f"{CHECKED} C_in graph/C_DDPG tends to {limit} as t → ∞ ({sizes})",
        f"By hand: so no factor below {limit} will do.",
    )
    return Finding(Truth.TRUE, _GIVEN, (_LAYERS, *steps, *last))


@SECTION.check(
    "6",
    "The gradient of the goal-gradient loss costs at most 4 evaluations of the residual, 6 with backward() through all "
    "of the graph: less than the paper's c² = 9, where a function's gradient takes at most c = 3 evaluations.",
    kind=EvidenceKind.SYMBOLIC,
    method="nonnegative coefficients",
    latex=r"C_{\mathrm{ReenGAGE}}\le 4\,(F_A+2F_C),\qquad C_{\mathrm{in\ graph}}\le 6\,(F_A+2F_C)",
    source="the paper's argument about cost",
    assumptions=_BY_FORMULA,
)
def _in_residuals(settings: CheckSettings) -> Finding:
    both = _at_most(reengage_cost, 4, residual_cost) + _at_most(reengage_cost_in_graph, 6, residual_cost)
    steps = dict.fromkeys(both)  # in both of them is the cost of the residual
    return Finding(
        Truth.TRUE, _GIVEN, (_LAYERS, "Let C_residual = F_A + 2F_C, one evaluation of the residual.", *steps)
    )


@SECTION.check(
    "7",
    "The ratio C_ReenGAGE/C_DDPG changes monotonically with the goal's dimension d and has a limit, 9/4 where "
    "the first hidden layers of critic and actor are equally wide: a loss of d derivatives does not cost d times as "
    "much.",
    kind=EvidenceKind.SYMBOLIC,
    method="the derivative's sign does not depend on d; the limit d → ∞",
    latex=r"\lim_{d\to\infty}\frac{C_{\mathrm{ReenGAGE}}}{C_{\mathrm{DDPG}}}=\frac{2h_A+7h_C}{h_A+3h_C}",
    source="K.1, K.2",
    assumptions=(*_BY_FORMULA, "observation and action do not grow with d"),
    note="h_C and h_A are the widths of the first hidden layers.",
)
def _goal_dimension(settings: CheckSettings) -> Finding:
    d, o, k, h_c, h_a, others = sympy.symbols("d o k h_C h_A r_A", positive=True)
    (_, critic_between, critic_last), (_, _, actor_last) = _symbolic_costs()
    critic = [*layer_costs((o + k + d, h_c), 1), critic_between, critic_last]
    actor = [*layer_costs((o + d, h_a), 1), others - actor_last, actor_last]
    reengage, ddpg = sympy.expand(reengage_cost(critic, actor)), sympy.expand(ddpg_cost(critic, actor))
    slope = sympy.expand(sympy.diff(reengage, d) * ddpg - reengage * sympy.diff(ddpg, d))
    assert not slope.has(d), f"the numerator of the ratio's derivative is {slope}"
    limit = sympy.factor(sympy.limit(reengage / ddpg, d, sympy.oo))
    expected = (2 * h_a + 7 * h_c) / (h_a + 3 * h_c)
    assert sympy.simplify(limit - expected) == 0, f"the ratio tends to {limit}"
    assert expected.subs(h_a, h_c) == sympy.Rational(9, 4), f"with equal widths to {expected.subs(h_a, h_c)}"
    return Finding(
        Truth.TRUE,
        _GIVEN,
        (
            "Let o and k be the dimensions of observation and action, and the batch 1, since every cost is in "
            "proportion to it.",
            "Then f_1 = 2(o + k + d) h_C, and the actor's first layer takes 2(o + d) h_A. Let r_A be the cost of its "
            "other layers, f_L that of the critic's last layer and f_mid that of those between.",
            f"{CHECKED} the derivative of C_ReenGAGE/C_DDPG by d is N/C_DDPG², with N = {written(slope)}",
            f"{CHECKED} N does not contain d",
            "By hand: so the derivative has one sign, that of N, at every d, and the ratio is monotonic.",
            f"{CHECKED} the ratio tends to {written(limit)} as d → ∞, which is 9/4 for h_A = h_C",
        ),
    )


@SECTION.check(
    "8",
    "With the paper's networks for ContinuousSeek (2 × 256, goals of dimension 5, 10 and 20) the ratio "
    "C_ReenGAGE/C_DDPG of the operations of K.2 and K.1 is between 2 and 2.05.",
    kind=EvidenceKind.CERTIFICATE,
    method="torch's counter of floating-point operations",
    latex=r"2\le C_{\mathrm{ReenGAGE}}/C_{\mathrm{DDPG}}\le 2.05",
    source="the paper's hyperparameters",
    assumptions=(*_COUNTED, "observation and achieved goal are both inputs"),
)
def _papers_networks(settings: CheckSettings) -> Finding:
    steps = []
    for dim in (5, 10, 20):
        sizes = Sizes(2, 2 * dim, dim, dim, (256, 256), (256, 256))  # every cost is in proportion to the batch
        ratio = measured_cost("reengage, target detached", sizes) / measured_cost("ddpg", sizes)
        in_graph = measured_cost("reengage, target in graph, backward()", sizes) / measured_cost("ddpg", sizes)
        assert 2 <= ratio <= 2.05, f"d = {dim}: the factor is {ratio}"
        steps.append(
            f"{CHECKED} d = {dim}: C_ReenGAGE/C_DDPG = {ratio:.4f}; with backward() through all of the graph it is "
            f"{in_graph:.4f}"
        )
    return Finding(Truth.TRUE, "d = 5, 10, 20", tuple(steps))
