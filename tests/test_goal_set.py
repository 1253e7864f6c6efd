"""Goal sets: the sums against loops, gate gradients against finite differences, and the ledger's section on them."""

from __future__ import annotations

from functools import partialmethod
from typing import Any

import numpy as np
import pytest
import sympy
import torch

from proofs_check.claim import CheckSettings, Claim, Strength
from proofs_check.claims import goal_sets
from toyenvs.algebra import apply_transpose
from toyenvs.learners.goal_set import gate_gradient, goal_set_reward, pooled


def claim_of(id: str) -> Claim:
    return next(claim for claim in goal_sets.SECTION.claims if claim.id == id)


# --- the functions ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("batch", [(), (4,), (2, 3), (1, 1), (2, 1), (1, 3)])
@pytest.mark.parametrize(("number", "size"), [(1, 1), (3, 2), (2, 5)])
def test_sums_agree_with_loops(batch: tuple[int, ...], number: int, size: int) -> None:
    rng = np.random.default_rng(0)
    gates, rewards = rng.standard_normal((*batch, number)), rng.standard_normal((*batch, number))
    embeddings = rng.standard_normal((*batch, number, size))
    expected, expected_reward = np.zeros((*batch, size)), np.zeros(batch)
    for index in np.ndindex(batch):
        for i in range(number):
            expected[index] += gates[index][i] ** 2 * embeddings[index][i]
            expected_reward[index] += gates[index][i] ** 2 * rewards[index][i]
    for kind in (np.asarray, torch.from_numpy):
        found, reward = pooled(kind(gates), kind(embeddings)), goal_set_reward(kind(gates), kind(rewards))
        assert tuple(found.shape) == (*batch, size)
        np.testing.assert_allclose(np.asarray(found), expected, rtol=1e-12, atol=1e-13)
        np.testing.assert_allclose(np.asarray(reward), expected_reward, rtol=1e-12, atol=1e-13)


def test_gate_gradient_agrees_with_finite_differences_at_switched_and_unswitched_gates() -> None:
    problem = goal_sets._Problem(3, num_goals=4)
    gates, goals, step = problem.gates, problem.goals, 1e-6
    assert 0 < float(gates.mean()) < 1
    residual = problem.residual(goals)
    found = gate_gradient(residual, gates)
    for i in range(4):
        shift = step * torch.eye(4, dtype=torch.float64)[i]
        difference = residual(gates + shift) - residual(gates - shift)
        torch.testing.assert_close(found[:, i], difference.detach() / (2 * step), rtol=1e-6, atol=1e-7)
    assert not found[gates == 0].any()
    assert found[gates == 1].all()


def test_the_rewards_gate_gradient_is_twice_the_item_reward_where_the_gate_is_on() -> None:
    gates, rewards = torch.tensor([[1.0, 0.0, 1.0]]), torch.tensor([[0.5, -1.0, 3.0]])
    found = gate_gradient(lambda b: goal_set_reward(b, rewards), gates)
    assert found.tolist() == [[1, 0, 6]]


# --- the section ------------------------------------------------------------------------------------------


def ungated(gates: Any, embeddings: Any) -> Any:
    return apply_transpose(embeddings, gates)


def test_wrong_numbers_are_noticed_by_the_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    # A target actor that does not see the gates: the derivative through it is lost.
    real = goal_sets._by_weights
    monkeypatch.setattr(goal_sets, "_by_weights", lambda weights, embeddings: real(weights.detach(), embeddings))
    (samples,) = (piece for piece in claim_of("G.1").evidence if piece.kind.strength is Strength.SAMPLED)
    with pytest.raises((AssertionError, RuntimeError)):
        samples.run(CheckSettings())


def test_plain_gates_are_noticed_by_the_samples_on_padding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(goal_sets._Problem, "residual", partialmethod(goal_sets._Problem.residual, pool=ungated))
    (samples,) = (piece for piece in claim_of("G.3").evidence if piece.kind.strength is Strength.SAMPLED)
    with pytest.raises(AssertionError, match="a slot with gate 0 has gate gradient"):
        samples.run(CheckSettings())


def test_one_goal_on_symbols_is_written_as_in_the_paper() -> None:
    b1, b2, e1, e2 = sympy.symbols("b1 b2 e1 e2")
    assert pooled(sympy.Matrix([b1, b2]), sympy.Matrix([e1, e2]))[0].equals(b1**2 * e1 + b2**2 * e2)
