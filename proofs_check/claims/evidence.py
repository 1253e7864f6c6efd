"""Evidence by sampling: the assertions of :mod:`proofs_check.testing` on many problems of a construction."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from proofs_check.claim import CheckSettings, Evidence, EvidenceKind, Finding, Truth
from proofs_check.testing import (
    Problem,
    assert_bellman_optimal,
    assert_reduced_residuals,
    assert_value_is_return,
    draw_problem,
)
from toyenvs.constructions import Construction
from toyenvs.hypothesis_classes import HYPOTHESIS_CLASSES

__all__ = ["bellman_optimal_on_samples", "reduced_residuals_on_samples", "value_is_return_on_samples"]

_DIMS = (2, 3, 5, 8)
_DISCOUNTS = (0.0, 0.5, 0.9)


def _problems(construction_type: type[Construction], seed: int) -> Iterator[Problem]:
    for dim in _DIMS:
        for discount in _DISCOUNTS:
            for group, members in HYPOTHESIS_CLASSES.items():
                if not (members.orthogonal and members.allows(dim)):
                    continue  # the optimal values need UᵀU = I
                construction = construction_type(dim, discount)
                yield draw_problem(construction, group, seed, batch_size=3, num_transitions=5)


def _on_samples(assertion: Callable[[Problem], None], construction_type: type[Construction], method: str) -> Evidence:
    def run(settings: CheckSettings) -> Finding:
        count = 0
        for problem in _problems(construction_type, settings.seed):
            assertion(problem)
            count += problem.transitions.reward.numel()
        return Finding(Truth.TRUE, f"sampled: {count} transitions, d = {', '.join(map(str, _DIMS))}")

    return Evidence(EvidenceKind.PROPERTY, method, run)


def reduced_residuals_on_samples(construction_type: type[Construction]) -> Evidence:
    """The differentiated losses and their parameter gradients against the reduced ones, in float64 to 1e-10."""
    return _on_samples(
        assert_reduced_residuals,
        construction_type,
        "residuals, losses and parameter gradients by automatic differentiation against the reduced ones",
    )


def bellman_optimal_on_samples(construction_type: type[Construction]) -> Evidence:
    """Random and displaced actions never beat the policy, and the Bellman equation holds to 1e-10."""
    return _on_samples(
        assert_bellman_optimal,
        construction_type,
        "Bellman equation on stepped transitions; random and displaced actions against the policy",
    )


def value_is_return_on_samples(construction_type: type[Construction]) -> Evidence:
    """Rewards of the stepped environment, added up with the discount, against the value's formula."""
    return _on_samples(
        assert_value_is_return,
        construction_type,
        "rewards added up along rollouts of the environment",
    )
