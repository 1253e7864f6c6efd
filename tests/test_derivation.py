"""Derivations: what is proved is true, what is false is refuted with numbers, what is neither is left undecided."""

from __future__ import annotations

import re
from typing import Any

import pytest
import sympy

from proofs_check.claim import CheckSettings, EvidenceKind, Finding, RefutedError, Truth
from proofs_check.proving.derivation import (
    AbstractSpace,
    ComponentSpace,
    Derivation,
    Space,
    UndecidedError,
    prove,
    refute,
)
from proofs_check.symbolic import abstract
from toyenvs.algebra import apply, apply_transpose, inner, norm, scale

SPACES: list[Space] = [AbstractSpace(), ComponentSpace(2), ComponentSpace(3), ComponentSpace(2, reflected=True)]
in_every_space = pytest.mark.parametrize("space", SPACES, ids=["abstract", "d=2", "d=3", "d=2 reflected"])


def lengths(step: Derivation) -> None:
    U, x = step.space.orthogonal("U"), step.space.vector("x")
    step.equal("‖Ux‖ and ‖x‖", norm(apply(U, x)), norm(x))
    step.equal("‖Uᵀx‖ and ‖x‖", norm(apply_transpose(U, x)), norm(x))


def polarisation(step: Derivation) -> None:
    x, y = step.space.vector("x"), step.space.vector("y")
    step.equal("4⟨x, y⟩", 4 * inner(x, y), inner(x + y, x + y) - inner(x - y, x - y))


def normalised(step: Derivation) -> None:
    g = step.space.vector("g", nonzero=True)
    step.equal("‖g/‖g‖‖", norm(scale(g, 1 / norm(g))), sympy.Integer(1))


def skewness(step: Derivation) -> None:
    S, U, x = step.space.skew("S"), step.space.orthogonal("U"), step.space.vector("x")
    turned = apply(U, x)
    step.equal("⟨Ux, S Ux⟩", inner(turned, apply(S, turned)), sympy.Integer(0))


def gradient(step: Derivation) -> None:
    g, s = step.space.vector("g", nonzero=True), step.space.vector("s")
    W = step.space.matrix("W")
    total = step.space.goal_gradient(inner(g, apply(W, g)) + norm(g) * inner(g, s), g)
    by_hand = apply(W, g) + apply_transpose(W, g) + scale(g, inner(g, s) / norm(g)) + scale(s, norm(g))
    step.equal("∇(gᵀWg + ‖g‖ gᵀs)", total, by_hand)


def stopped(step: Derivation) -> None:
    g, p = step.space.vector("g", nonzero=True), step.space.vector("p")
    f = inner(g, p)
    frozen = step.space.substitute(step.space.goal_gradient(f, g), p, scale(g, 2))
    step.equal("∇ with p held, then p = 2g", frozen, scale(g, 2))


@in_every_space
@pytest.mark.parametrize("proof", [lengths, polarisation, normalised, skewness, gradient, stopped])
def test_what_is_true_is_proved(space: Space, proof: Any) -> None:
    derivation = Derivation(space)
    proof(derivation)
    assert derivation.steps


def wrong_lengths(step: Derivation) -> None:
    U, x = step.space.matrix("U"), step.space.vector("x")
    step.equal("‖Ux‖² and ‖x‖²", inner(apply(U, x), apply(U, x)), inner(x, x))


def wrong_transpose(step: Derivation) -> None:
    U, x, y = step.space.orthogonal("U"), step.space.vector("x"), step.space.vector("y")
    step.equal("⟨x, Uy⟩ and ⟨Ux, y⟩", inner(x, apply(U, y)), inner(apply(U, x), y))


def wrong_gradient(step: Derivation) -> None:
    g = step.space.vector("g", nonzero=True)
    step.equal("∇‖g‖ and g", step.space.goal_gradient(norm(g), g), g)


def wrong_power(step: Derivation) -> None:
    g = step.space.vector("g", nonzero=True)
    step.equal("‖g‖ and ‖g‖²", norm(g), inner(g, g))


@pytest.mark.parametrize("space", SPACES[:3], ids=["abstract", "d=2", "d=3"])  # plane reflections are symmetric
@pytest.mark.parametrize("proof", [wrong_lengths, wrong_transpose, wrong_gradient, wrong_power])
def test_what_is_false_is_refuted_with_numbers(space: Space, proof: Any) -> None:
    with pytest.raises(AssertionError, match=r": the two sides differ by .* at d = [23], "):
        proof(Derivation(space))


def shown(message: str) -> dict[str, sympy.Matrix]:
    """The vectors and matrices of a counterexample, read from its text."""
    return {
        name: sympy.Matrix(sympy.sympify(text)) for name, text in re.findall(r"(\w+) = (\[\[.*?\]\]|\(.*?\))", message)
    }


def test_a_counterexample_holds_when_it_is_put_in_by_hand() -> None:
    with pytest.raises(AssertionError) as caught:
        wrong_transpose(Derivation(AbstractSpace()))
    message = str(caught.value)
    at = shown(message)
    difference = (at["x"].T * at["U"] * at["y"] - (at["U"] * at["x"]).T * at["y"])[0]
    assert difference != 0
    assert difference == sympy.sympify(message.split("differ by ")[1].split(" at ")[0])
    assert at["U"].T * at["U"] == sympy.eye(2)


def test_actions_of_a_counterexample_are_allowed_ones() -> None:
    # Every vector of a counterexample has length at most 1, so that it can stand for an action.
    message = AbstractSpace().counterexample(inner(abstract.vector("a"), abstract.vector("b")))
    assert message is not None
    at = shown(message)
    assert set(at) == {"a", "b"}
    assert all(norm(x) <= 1 for x in at.values())


def test_an_undecided_step_leaves_the_claim_unknown() -> None:
    def proof(step: Derivation) -> None:
        step.equal("f", sympy.Function("f")(sympy.Symbol("x")), sympy.Integer(0))

    for piece in prove(proof, dims=(2,)):
        with pytest.raises(UndecidedError):
            piece.run(CheckSettings())


def test_proofs_are_run_in_every_dimension_and_both_components() -> None:
    seen: list[tuple[int, bool] | None] = []

    def proof(step: Derivation) -> None:
        space = step.space
        seen.append((space.dim, space.reflected) if isinstance(space, ComponentSpace) else None)
        lengths(step)

    findings = [piece.run(CheckSettings()) for piece in prove(proof, dims=(2, 3))]
    assert seen == [None, (2, False), (2, True), (3, False), (3, True)]
    assert [finding.scope for finding in findings] == ["every d", "d = 2, 3"]
    assert [piece.kind for piece in prove(proof)] == [EvidenceKind.SYMBOLIC, EvidenceKind.COMPONENTS]
    assert findings[0] == Finding(Truth.TRUE, "every d", findings[0].steps)


def test_reflected_coordinates_reach_the_other_component() -> None:
    assert sympy.simplify(ComponentSpace(3).orthogonal("U").det()) == 1
    assert sympy.simplify(ComponentSpace(3, reflected=True).orthogonal("U").det()) == -1


def test_a_statement_that_turns_out_true_is_not_refuted() -> None:
    (piece,) = refute(lengths)
    assert piece.run(CheckSettings()).verdict is Truth.TRUE
    (piece,) = refute(wrong_transpose)
    with pytest.raises(AssertionError, match="the two sides differ by"):
        piece.run(CheckSettings())


def half_broken(step: Derivation) -> None:
    wrong_transpose(step)
    x = step.space.vector("x")
    step.claimed("x and 2x", x, 2 * x)


def erratum(step: Derivation) -> None:
    lengths(step)
    x = step.space.vector("x")
    step.claimed("x and 2x", x, 2 * x)


def test_only_the_claimed_equality_refutes() -> None:
    (piece,) = refute(erratum)
    with pytest.raises(RefutedError, match=r"^x and 2x: the two sides differ by"):
        piece.run(CheckSettings())
    (piece,) = refute(half_broken)
    with pytest.raises(AssertionError) as caught:
        piece.run(CheckSettings())
    assert not isinstance(caught.value, RefutedError)


def test_a_derivation_that_checks_nothing_proves_nothing() -> None:
    for piece in prove(lambda step: step.remark("It is so.")):
        with pytest.raises(RuntimeError, match="checks nothing"):
            piece.run(CheckSettings())
    _, components = prove(lengths, dims=())
    with pytest.raises(RuntimeError, match="checks nothing"):
        components.run(CheckSettings())
