"""Goal sets: what squared gates do to the derivatives that Multi-ReenGAGE matches.

The proofs run :func:`toyenvs.learners.goal_set.pooled` and :func:`~toyenvs.learners.goal_set.goal_set_reward` on any
number of goals (one singled out, the others generic) with embeddings of any size, and again on 2 and 3 goals with
embeddings of size 1 and 2 written out. Networks are functions about which nothing is known.

Source: Levine & Feizi, AAAI 2023, equations (15), (37)–(40).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import sympy
import torch
from torch import Tensor, nn

from proofs_check.claim import CheckSettings, Evidence, EvidenceKind, Finding, RefutedError, Truth
from proofs_check.proving.derivation import CHECKED, Derivation
from proofs_check.proving.section import Section
from proofs_check.proving.spaces import SomeNumber, proof_for_each_number
from toyenvs.algebra import apply, apply_transpose, inner
from toyenvs.learners.goal_set import gate_gradient, goal_set_reward, pooled
from toyenvs.networks.deep_sets import DeepSets
from toyenvs.networks.losses import GoalFunction, goal_set_target, goal_set_value, multi_reengage_loss

__all__ = ["SECTION", "reward_gate_gradient_as_printed", "reward_gate_gradient_corrected"]

SECTION = Section("G", "Goal sets: gates and their gradients")

_B = sympy.Symbol("b", real=True)
"""The gate of the goal that is singled out."""
_R = sympy.Symbol("r", real=True)
"""Its R_item(s', g_i)."""

_SIZES = tuple(SomeNumber(number, dim) for number in (2, 3) for dim in (1, 2))
_WRITTEN_OUT = "2, 3 goals with embeddings of size 1, 2"
_GATES = "goal g_i has the gate b_i and the embedding e_i; sums over i are over all goals"
_OTHERS = "One goal is singled out, with gate b; Σ[…] are sums over the other goals, of gates x_b."


def _sums(step: Derivation, own: str, others: str) -> tuple[Any, Any, Any]:
    """Σ b_i² e_i as the code has it, the same as a function of the weight w_i = b_i² singled out, and e_i."""
    space: Any = step.space
    embedding = space.vector(own)
    rows = space.rows(embedding, others)
    gates = space.many(_B, lambda x: x)
    return pooled(gates, rows), lambda w: apply_transpose(rows, space.many(w, lambda x: x**2)), embedding


# --- networks for samples ---------------------------------------------------------------------------------

_Pool = Callable[[Any, Any], Any]


class _Problem:
    """A batch of transitions with goal sets, online and target networks: small and smooth, float64."""

    def __init__(self, seed: int, num_goals: int, *, batch_size: int = 4) -> None:
        generator = torch.Generator().manual_seed(seed)

        def networks() -> DeepSets:
            linear, smooth = nn.Identity, nn.Tanh
            made = DeepSets(
                2, 1, 2, 3, (5,), torch.Generator(), activation=smooth, output_activation=linear, dtype=torch.float64
            )
            for param in made.parameters():
                nn.init.normal_(param, generator=generator)
            return made

        def draw(*shape: int) -> Tensor:
            return torch.randn(*shape, generator=generator, dtype=torch.float64)

        self.online, self.target_networks = networks(), networks().requires_grad_(False)
        self.state, self.following, self.action = draw(batch_size, 2), draw(batch_size, 2), draw(batch_size, 1)
        self.goals, self.padding = draw(batch_size, num_goals, 2), draw(batch_size, 3, 2)
        self.gates = torch.randint(0, 2, (batch_size, num_goals), generator=generator).to(torch.float64)

    def value(self, goals: Tensor, pool: _Pool = pooled) -> GoalFunction:
        """Q, a function of the gates of these goals."""
        return goal_set_value(self.online, self.state, self.action, goals, pool)

    def target(self, goals: Tensor, pool: _Pool = pooled) -> GoalFunction:
        """R + γQ', likewise, the goals' rewards being −‖s' − g_i‖²; γ = 0.9."""
        item_rewards = -(self.following[:, None] - goals).square().sum(-1)
        return goal_set_target(self.target_networks, item_rewards, self.following, goals, 0.9, pool)

    def residual(self, goals: Tensor, pool: _Pool = pooled) -> GoalFunction:
        """Q − (R + γQ'), likewise."""
        value, target = self.value(goals, pool), self.target(goals, pool)
        return lambda gates: value(gates) - target(gates)


def _by_weights(weights: Tensor, embeddings: Tensor) -> Tensor:
    """Σ w_i e_i, added up slot by slot."""
    slots = zip(weights.unbind(-1), embeddings.unbind(-2), strict=True)
    return torch.stack([weight[..., None] * embedding for weight, embedding in slots]).sum(0)


def _twice_on_samples(settings: CheckSettings) -> Finding:
    count = 0
    for seed in range(settings.seed, settings.seed + 20):
        problem = _Problem(seed, num_goals=1 + seed % 6)
        gates, goals = problem.gates, problem.goals
        found = gate_gradient(problem.residual(goals), gates)
        wanted = gate_gradient(problem.residual(goals, _by_weights), gates)
        worst = float((found - 2 * gates * wanted).abs().max())
        assert worst <= 1e-12, f"seed {seed}: the gate gradient differs from 2b times the weight gradient by {worst}"
        count += len(gates)
    return Finding(Truth.TRUE, f"sampled: {count} goal sets of 1 to 6 goals, gates 0 and 1")


def _padding_on_samples(settings: CheckSettings) -> Finding:
    count = 0
    for seed in range(settings.seed, settings.seed + 20):
        problem = _Problem(seed, num_goals=1 + seed % 6)
        slots = problem.padding.shape[1]
        results = []
        for padding in (None, problem.padding, 100 * problem.padding):
            goals, gates = problem.goals, problem.gates
            if padding is not None:
                goals = torch.cat([goals, padding], 1)
                gates = torch.cat([gates, torch.zeros_like(gates[:, :1]).expand(-1, slots)], 1)
            residual = problem.residual(goals)
            gradient = gate_gradient(residual, gates)
            loss = multi_reengage_loss(problem.value(goals), problem.target(goals), gates, 1.0)
            params = [*problem.online.encoder.parameters(), *problem.online.q_value.parameters()]
            slopes = torch.cat([slope.flatten() for slope in torch.autograd.grad(loss, params)])
            real = gradient[:, : problem.goals.shape[1]]
            spare = gradient[:, problem.goals.shape[1] :].flatten()
            results.append((residual(gates).detach(), real, slopes))
            assert not bool(spare.any()), (
                f"seed {seed}: a slot with gate 0 has gate gradient {float(spare.abs().max())}"
            )
            for name, found, expected in zip(
                ("residual", "gate gradient", "parameter gradient of the loss"), results[-1], results[0], strict=True
            ):
                worst = float((found - expected).abs().max() / expected.abs().max().clamp(min=1e-9))
                assert worst <= 1e-11, f"seed {seed}: padding changes the {name} by {worst}, relative to its largest"
        count += len(problem.gates)
    return Finding(Truth.TRUE, f"sampled: {count} goal sets of 1 to 6 goals, with and without 3 slots of padding")


# --- critic and actor -------------------------------------------------------------------------------------


@proof_for_each_number(
    SECTION,
    "1",
    "The total derivative of Q({g_i}, π({g_i})) = F(w_1, …, w_n) with respect to a gate b_i is 2 b_i times the wanted "
    "one, that with respect to the goal's weight w_i = b_i²: through the critic's sum and through the actor's.",
    things="goals",
    latex=r"\frac{\partial}{\partial b_i}F(b_1^2,\dots,b_n^2)=2b_i\,\frac{\partial F}{\partial w_i}",
    source="(15), (37), (38)",
    assumptions=(
        "critic and actor see the goals g_i only through sums Σ_i w_i e_i and Σ_i w_i f_i of embeddings, of any size",
        "any differentiable heads",
    ),
    spaces=_SIZES,
    written_out=_WRITTEN_OUT,
    also=[
        Evidence(
            EvidenceKind.PROPERTY,
            "the temporal-difference residual of DeepSets networks, by automatic differentiation",
            _twice_on_samples,
        )
    ],
)
def _twice(step: Derivation) -> None:
    space: Any = step.space
    slope_of_critic, slope_of_action = space.vector("∇₁Q"), space.vector("∇₂Q")
    jacobian = space.matrix("J")
    w = sympy.Symbol("w", real=True)
    step.remark(_OTHERS)
    step.remark(
        "By hand, the chain rule: dQ = ⟨∇₁Q, dc⟩ + ⟨∇₂Q, dπ⟩ and dπ = J da, where c = Σ b_i² e_i and a = Σ b_i² f_i "
        "are the sums that critic and actor see, ∇₁Q and ∇₂Q the head's gradients by c and by the action, and J the "
        "Jacobian of the actor's head."
    )
    critic_sum, critic_weighted, _ = _sums(step, "e", "e")
    actor_sum, actor_weighted, _ = _sums(step, "f", "f")

    def total(critic_part: Any, actor_part: Any) -> Any:
        return inner(slope_of_critic, critic_part) + inner(slope_of_action, apply(jacobian, actor_part))

    by_gate = total(space.derivative(critic_sum, _B), space.derivative(actor_sum, _B))
    by_weight = total(space.derivative(critic_weighted(w), w), space.derivative(actor_weighted(w), w))
    step.equal("the critic's sum c is the same by gates and by weights, at w = b²", critic_sum, critic_weighted(_B**2))
    step.equal("the actor's sum a is the same by gates and by weights, at w = b²", actor_sum, actor_weighted(_B**2))
    step.equal("dQ/db = 2b dQ/dw", by_gate, 2 * _B * by_weight)
    step.equal("dQ/db = 2 dQ/dw where b = 1", by_gate.subs(_B, 1), 2 * by_weight)
    step.equal("dQ/db = 0 where b = 0", by_gate.subs(_B, 0), sympy.Integer(0))
    slots = sympy.Symbol("N", positive=True)
    scaled = total(space.derivative(critic_sum * (1 / slots), _B), space.derivative(actor_sum * (1 / slots), _B))
    step.equal("dQ/db = 2b dQ/dw also for means over N slots, c/N and a/N", scaled, 2 * _B * by_weight / slots)


@SECTION.check(
    "2",
    "G.1 by sympy's own chain rule, for a head Q and an actor π that are undefined functions of the critic's sum c and "
    "the actor's sum a.",
    kind=EvidenceKind.CERTIFICATE,
    method="undefined functions of the components, with symbols for gates and embeddings",
    latex=r"\frac{\partial}{\partial b_i}Q\bigl(c,\pi(a)\bigr)=2b_i\frac{\partial}{\partial w_i}Q\bigl(c,\pi(a)\bigr)",
    source="(15), (37), (38)",
    assumptions=("differentiable Q and π", "actions with one component"),
    note="An independent check of G.1, of these sizes only; G.1 is proved for all.",
)
def _undefined_functions(settings: CheckSettings) -> Finding:
    head, actor = sympy.Function("Q"), sympy.Function("π")
    steps = ["c = Σ w_i e_i and a = Σ w_i f_i with w_i = b_i², all gates and embeddings being symbols."]
    for space in _SIZES:
        gates = sympy.Matrix(sympy.symbols(f"b1:{space.number + 1}", real=True))
        weights = sympy.Matrix(sympy.symbols(f"w1:{space.number + 1}", real=True))
        for_critic = space.rows(space.vector("e"), "e")
        for_actor = space.rows(space.vector("f"), "f")
        by_gates = head(*pooled(gates, for_critic), actor(*pooled(gates, for_actor)))
        summaries = apply_transpose(for_critic, weights), apply_transpose(for_actor, weights)
        by_weights = head(*summaries[0], actor(*summaries[1]))
        squares = dict(zip(weights, (b**2 for b in gates), strict=True))
        for b, w in zip(gates, weights, strict=True):
            found = sympy.diff(by_gates, b)
            wanted = 2 * b * sympy.diff(by_weights, w).subs(squares)
            assert sympy.expand(found - wanted) == 0, f"{space.number} goals: {found} is not {wanted}"
        of_all = ", ".join(map(str, range(1, space.number + 1)))
        steps.append(
            f"{CHECKED} {space.number} goals, embeddings of size {space.dim}: "
            f"∂Q/∂b_i − 2 b_i ∂Q/∂w_i expands to 0 for i = {of_all}"
        )
    return Finding(Truth.TRUE, _WRITTEN_OUT, tuple(steps))


@proof_for_each_number(
    SECTION,
    "3",
    "A slot with gate 0 has no effect: it changes no sum, its gate gradient is 0, and no gradient reaches its "
    "embedding.",
    things="goals",
    latex=r"b_i=0:\quad\sum_jb_j^2e_j=\sum_{j\ne i}b_j^2e_j,\quad\frac{\partial}{\partial b_i}=0,\quad"
    r"\frac{\partial}{\partial e_i}=0",
    source="(15), the remark on padding",
    assumptions=(_GATES,),
    spaces=_SIZES,
    written_out=_WRITTEN_OUT,
    also=[
        Evidence(
            EvidenceKind.PROPERTY,
            "DeepSets networks with and without padding: residual, gate gradient, parameter gradient of the loss (15)",
            _padding_on_samples,
        )
    ],
)
def _padding(step: Derivation) -> None:
    space: Any = step.space
    gates = space.many(0, lambda x: x)
    first, second = (pooled(gates, space.rows(space.vector(name), "e")) for name in ("e", "f"))
    step.remark(_OTHERS)
    step.equal("where b = 0 the sum Σ b_i² e_i is the same for any two embeddings of that slot", first, second)
    empty = pooled(gates, space.rows(space.zero(), "e"))
    step.equal("it is the same for the embedding 0, that is without the slot", first, empty)
    step.remark("By hand: so the sum, and all that is made of it, has derivative 0 with respect to the embedding.")
    summary, _, _ = _sums(step, "e", "e")
    slope = inner(space.vector("h"), space.derivative(summary, _B))
    step.equal("⟨h, ∂(Σ b_i² e_i)/∂b⟩ = 0 where b = 0, for any vector h", slope.subs(_B, 0), sympy.Integer(0))


@proof_for_each_number(
    SECTION,
    "4",
    "On gates in {0, 1} squaring changes no value: the sum is that over the goals that are switched on.",
    things="goals",
    latex=r"b_i\in\{0,1\}:\quad\sum_ib_i^2e_i=\sum_{i:\,b_i=1}e_i",
    source="(15)",
    assumptions=(_GATES,),
    spaces=_SIZES,
    written_out=_WRITTEN_OUT,
)
def _same_values(step: Derivation) -> None:
    space: Any = step.space
    embedding = space.vector("e")
    rows = space.rows(embedding, "e")
    off, on = (pooled(space.many(gate, lambda x: x), rows) for gate in (0, 1))
    step.equal("switching a goal on adds its embedding e to Σ b_i² e_i", on - off, embedding)
    plain_off, plain_on = (apply_transpose(rows, space.many(gate, lambda x: x)) for gate in (0, 1))
    step.equal("switching a goal on adds its embedding e to Σ b_i e_i, too", plain_on - plain_off, embedding)
    step.remark("By hand: with no goal on both sums are 0; so they agree, one goal after the other.")


@SECTION.check(
    "5",
    "Gating by b instead of b² would do as well.",
    kind=EvidenceKind.CERTIFICATE,
    method="exact derivatives for one goal",
    latex=r"b_i=0:\quad\frac{\partial}{\partial b_i}\sum_jb_je_j=0",
    source="against (15)",
    assumptions=(_GATES,),
    expected=Truth.FALSE,
    note="The derivative with respect to a plain gate is the wanted one where b = 1, but it is not 0 where b = 0: "
    "the loss would then also fit the value of goals that are not asked for, padding among them.",
)
def _plain_gates(settings: CheckSettings) -> Finding:
    embeddings = sympy.Matrix([[1]])
    plain, squared = apply_transpose(embeddings, sympy.Matrix([_B]))[0], pooled(sympy.Matrix([_B]), embeddings)[0]
    by_plain, by_squared = (sympy.diff(summary, _B).subs(_B, 0) for summary in (plain, squared))
    if by_plain != by_squared:
        raise RefutedError(
            f"one goal, embedding e = 1, Q = the sum, b = 0: the derivative of b·e is {by_plain}, that of b²·e "
            f"{by_squared}"
        )
    return Finding(Truth.UNKNOWN, "one case", ("the case that was tried does not tell them apart",))


# --- the reward -------------------------------------------------------------------------------------------


def _reward_on_samples(settings: CheckSettings) -> Finding:
    generator = torch.Generator().manual_seed(settings.seed)
    count = 0
    for number in (1, 2, 5, 200):
        gates = torch.rand(8, number, generator=generator, dtype=torch.float64)
        gates = torch.where(gates < 0.3, 0.0, gates)
        rewards = torch.randn(8, number, generator=generator, dtype=torch.float64)
        found = gate_gradient(partial(goal_set_reward, item_rewards=rewards), gates)
        worst = float((found - 2 * gates * rewards).abs().max())
        assert worst <= 1e-13, f"{number} goals: the gate gradient differs from 2 b R by {worst}"
        count += gates.numel()
    return Finding(Truth.TRUE, f"sampled: {count} gates, 1 to 200 goals")


@proof_for_each_number(
    SECTION,
    "6",
    "The derivative of the reward R = Σ_j b_j² R_item(s', g_j) with respect to a gate b_i is 2 b_i R_item(s', g_i): "
    "twice the goal's own reward where b_i = 1, 0 where b_i = 0.",
    things="goals",
    latex=r"\frac{\partial}{\partial b_i}\sum_jb_j^2R_{\mathrm{item}}(s',g_j)=2b_iR_{\mathrm{item}}(s',g_i)",
    source="(39), (40)",
    also=[Evidence(EvidenceKind.PROPERTY, "automatic differentiation of random rewards", _reward_on_samples)],
)
def _reward(step: Derivation) -> None:
    space: Any = step.space
    # The others' gate and reward: x_i stands for the gate, and the reward is any multiple of it, ρ x_i.
    rho = sympy.Symbol("ρ", real=True)
    reward = goal_set_reward(space.many(_B, lambda x: x), space.many(_R, lambda x: rho * x))
    slope = space.derivative(reward, _B)
    step.remark("One goal is singled out, with gate b = b_i and reward r = R_item(s', g_i).")
    step.equal("∂R/∂b = 2 b r", slope, 2 * _B * _R)
    step.equal("∂R/∂b = 2 r where b = 1", slope.subs(_B, 1), 2 * _R)
    step.equal("∂R/∂b = 0 where b = 0", slope.subs(_B, 0), sympy.Integer(0))
    step.remark("By hand: the other goals' terms do not contain b, whatever their gates and rewards are.")


def _two_goals() -> tuple[Any, Any, Any, Any]:
    """The reward of two goals, its derivative with respect to the first gate, that gate and that goal's reward."""
    b, other, item, other_item = sympy.symbols("b1 b2 r1 r2", real=True)
    reward = goal_set_reward(sympy.Matrix([b, other]), sympy.Matrix([item, other_item]))
    return reward, sympy.diff(reward, b), b, item


def reward_gate_gradient_as_printed(step: Derivation) -> None:
    """∂R/∂b_i = b_i R_item(s', g_i), as the middle term of (39) prints it."""
    _, slope, b, item = _two_goals()
    step.claimed("∂R/∂b1 = b1 r1, with rewards r1, r2 of two goals", slope, b * item)


def reward_gate_gradient_corrected(step: Derivation) -> None:
    """∂R/∂b_i = 2 b_i R_item(s', g_i), of which (39) goes on to use that it is 2 R_item where b_i = 1."""
    _, slope, b, item = _two_goals()
    step.equal("∂R/∂b1 = 2 b1 r1, with rewards r1, r2 of two goals", slope, 2 * b * item)
    step.equal("∂R/∂b1 = 2 r1 where b1 = 1", slope.subs(b, 1), 2 * item)
