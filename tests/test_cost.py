"""The cost formulas against counts by hand and by a second counter, and the ledger's section on them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import sympy
from torch.utils._python_dispatch import TorchDispatchMode
from typing_extensions import override

from proofs_check.claim import CheckSettings, Strength, Truth
from proofs_check.claims import cost
from proofs_check.claims.cost import Sizes, ddpg_cost, layer_costs, measured_cost, reengage_cost, reengage_cost_in_graph

FORMULAS: dict[str, Callable[[Any, Any], Any]] = {
    "ddpg": ddpg_cost,
    "reengage, target detached": reengage_cost,
    "reengage, target in graph, critic's weights only": reengage_cost,
    "reengage, target in graph, backward()": reengage_cost_in_graph,
}

UNEQUAL = Sizes(3, 5, 2, 7, (11, 13), (17, 19))
"""All different primes."""


class MultiplicationCounter(TorchDispatchMode):
    """2·m·n·k for every matrix product that torch runs, read off the shapes of its operands."""

    total = 0

    @override
    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func._schema.name in ("aten::mm", "aten::addmm"):
            first, second = args[-2:]
            self.total += 2 * first.shape[0] * first.shape[1] * second.shape[1]
        else:
            assert "mm" not in func._schema.name, func
            assert "matmul" not in func._schema.name, func
        return func(*args, **(kwargs or {}))


def test_the_smallest_network_by_hand() -> None:
    # One observation, action, goal, batch and hidden unit. Critic: 3 → 1 → 1, that is 6 and 2 operations; actor:
    # 2 → 1 → 1, that is 4 and 2. DDPG: 6 for the target's actor, 8 for its critic, 8 forward, 8 to the weights and 2
    # to the hidden unit.
    smallest = Sizes(1, 1, 1, 1, (1,), (1,))
    assert smallest.critic_costs() == [6, 2]
    assert smallest.actor_costs() == [4, 2]
    assert ddpg_cost([6, 2], [4, 2]) == 6 + 8 + 8 + 8 + 2
    # ReenGAGE: 14 more for the target's goal gradient, 8 for the online one; the second backward pass makes 8 for the
    # weights, and 6 for the derivative of the hidden unit.
    assert reengage_cost([6, 2], [4, 2]) == 32 + 14 + 8 + 8 + 6
    assert measured_cost("ddpg", smallest) == 32
    assert measured_cost("reengage, target detached", smallest) == 68


@pytest.mark.parametrize("program", FORMULAS)
def test_a_second_counter_finds_the_same(program: str) -> None:
    problem = cost._problem(UNEQUAL)
    with MultiplicationCounter() as counter:
        cost._PROGRAMS[program](problem)
    assert counter.total == FORMULAS[program](UNEQUAL.critic_costs(), UNEQUAL.actor_costs())


def test_a_wrong_formula_is_refuted() -> None:
    def forgets_a_layer(critic: Any, actor: Any) -> cost.Passes:
        return cost._ddpg_passes(critic[1:], actor)

    f_a, f_c, f_first = cost._F_A, cost._F_C, cost._F_FIRST
    with pytest.raises(AssertionError, match="the passes add up to"):
        cost._formula_is_measured(forgets_a_layer, f_a + 4 * f_c - f_first, "ddpg")(CheckSettings())
    with pytest.raises(AssertionError, match="the passes add up to"):
        cost._formula_is_measured(cost._ddpg_passes, f_a + 4 * f_c, "ddpg")(CheckSettings())
    with pytest.raises(AssertionError, match="torch counts"):
        cost._formula_is_measured(cost._residual_passes, f_a + 2 * f_c, "ddpg")(CheckSettings())


def test_a_formula_that_holds_only_for_the_worked_sizes_is_refuted() -> None:
    critic, actor = cost._WORKED.critic_costs(), cost._WORKED.actor_costs()
    by_chance = cost._F_A * sympy.Rational(ddpg_cost(critic, actor), sum(actor))
    with pytest.raises(AssertionError, match=r"the passes add up to .* and "):
        cost._formula_is_measured(cost._ddpg_passes, by_chance, "ddpg")(CheckSettings())


@pytest.mark.parametrize(
    ("formula", "factor", "other"),
    [
        (reengage_cost, sympy.Rational(7, 3) - sympy.Rational(1, 1000), ddpg_cost),
        (reengage_cost_in_graph, sympy.Integer(5), ddpg_cost),
        (reengage_cost, sympy.Integer(3), cost.residual_cost),
    ],
)
def test_smaller_bounds_are_not_proved(formula: Any, factor: Any, other: Any) -> None:
    with pytest.raises(AssertionError, match="the coefficient of"):
        cost._at_most(formula, factor, other)


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_planted_extra_pass_is_noticed(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    real = cost.network_target

    def twice(*arguments: Any) -> Any:
        target = real(*arguments)
        return lambda goal: (target(goal), target(goal))[1]

    monkeypatch.setattr(cost, "network_target", twice)
    result = cost.SECTION.claims[number - 1].check()
    assert result.verdict is Truth.FALSE
    assert result.strength is Strength.CERTIFIED


def test_layers_are_counted_in_the_order_of_the_network() -> None:
    assert layer_costs((2, 3, 5, 1), 7) == [84, 210, 70]
