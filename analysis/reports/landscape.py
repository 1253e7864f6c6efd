"""The loss as a landscape: along geodesics from the truth, and where descents from random starts end.

Drawn for the largest dimension of a run that is small enough, at half of N₅₀, at N₅₀ and at twice N₅₀ transitions (of
the smallest N with success ≥ 1/2, where that integer is resolved). It is computed for the figure, from the run's seed:
a few seconds, and the same numbers each time.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from analysis.experiments.estimate import CurveResults
from analysis.experiments.formatting import csv_text
from analysis.figures import Landscape, landscape_figure
from analysis.measures import ThresholdMeasure
from analysis.reports.figure_kind import FigureKind
from analysis.reports.results_figure import closing_sentences
from analysis.results.experiment_results import ExperimentResults
from analysis.tasks import ParametricTask
from analysis.tasks.solvers import Descent
from toyenvs.learners.objective import make_objective
from toyenvs.replay.protocol import collect_buffers

__all__ = ["LANDSCAPE", "LARGEST_DIM", "landscape", "refuse_landscape"]

LARGEST_DIM = 12
"""Larger dimensions would take minutes."""

_GEODESICS = 64
_PLACES = 61
_STARTS = 64
_SHARES = (0.5, 1.0, 2.0)
"""N over N₅₀."""

_QUANTILES = (0.1, 0.5, 0.9)


def refuse_landscape(results: ExperimentResults) -> str:
    """Why a run has no landscape; "" if it has one."""
    if not _chosen(results):
        return (
            f"it needs a point with a fitted N50, by descent on an orthogonal class at d <= {LARGEST_DIM}, of a"
            " construction of this package"
        )
    return ""


def _chosen(results: ExperimentResults) -> list[tuple[CurveResults, ParametricTask, float]]:
    """The point of each curve that is drawn."""
    found = []
    for curve in results.curves:
        able = [
            (task, fit.n50 if row.estimate.integer is None else float(row.estimate.integer))
            for row in curve.points
            if isinstance(task := row.point.task, ParametricTask)
            and (fit := row.estimate.fit) is not None
            and not fit.censored
            and task.dim <= LARGEST_DIM
            and task.problem.is_known  # a user-defined construction is not run because a run names it
            and isinstance(task.solver, Descent)
            and task.problem.make_group().orthogonal
        ]
        if able:
            found.append((curve, *max(able, key=lambda one: one[0].dim)))
    return found


@lru_cache(maxsize=32)
def landscape(task: ParametricTask, num_transitions: int, epsilon: float) -> Landscape:
    """Loss along geodesics from U and final losses of descents, on one buffer.

    Both are divided by the mean loss at random parameters.

    Args:
        task: a descent on an orthogonal class; its seed decides everything.
        num_transitions: N ≥ 1.
        epsilon: regret of a policy that counts as a success.
    """
    assert isinstance(task.solver, Descent), "only descents are chosen"
    group, construction = task.problem.make_group(), task.problem.make_construction()
    learner = replace(task.trained, settings=task.solver.settings)

    def sequence(*stream: int) -> np.random.SeedSequence:
        return np.random.SeedSequence(task.seed, spawn_key=(task.dim, 2**32 - 2, num_transitions, *stream))

    def members(stream: int, count: int) -> torch.Tensor:
        rng = np.random.default_rng(sequence(stream))
        return torch.from_numpy(np.stack([group.sample(task.dim, rng) for _ in range(count)]))

    true_param = members(0, 1)
    transitions = collect_buffers(
        construction, true_param, [sequence(1)], task.num_transitions(num_transitions), task.data
    )

    def losses(params: torch.Tensor) -> NDArray[np.float64]:
        """At many parameters, of the one buffer."""
        repeated = transitions.map(lambda x: x.expand(len(params), *x.shape[1:]))
        objective = make_objective(
            construction,
            repeated,
            learner.gradient_weight,
            minibatch=False,
            value_weight=learner.value_weight,
        )
        return np.asarray(objective.loss_and_gradient(params, params)[0])

    starts = members(2, _STARTS)
    typical = float(np.mean(losses(starts)))

    ambient = torch.from_numpy(np.random.default_rng(sequence(3)).standard_normal((_GEODESICS, task.dim, task.dim)))
    at = true_param.expand_as(ambient)
    # Left-trivialised tangent vectors: U exp(tΩ) turns no plane by more than t.
    omega = group.tangent(at, ambient)
    omega = omega / torch.linalg.matrix_norm(omega, ord=2)[:, None, None]
    angles = np.linspace(0.0, np.pi, _PLACES)
    along = np.stack([losses(at @ torch.linalg.matrix_exp(float(angle) * omega)) for angle in angles])

    repeated = transitions.map(lambda x: x.expand(_STARTS, *x.shape[1:]).contiguous())
    result = learner.fit(construction, group, repeated, starts, minibatch_seed=sequence(4))
    regret = construction.uniform_regret(true_param.expand_as(result.param), result.param)
    order = np.argsort(np.asarray(result.loss), kind="stable")
    return Landscape(
        num_transitions,
        angles,
        np.quantile(along / typical, _QUANTILES, axis=1),
        np.asarray(result.loss)[order] / typical,
        np.asarray(regret <= epsilon)[order],
    )


def _epsilon(curve: CurveResults) -> float:
    epsilon = curve.points[0].point.measure.described.get("epsilon")
    return float(epsilon) if epsilon is not None else ThresholdMeasure.epsilon


def _panels(results: ExperimentResults) -> list[tuple[str, list[Landscape]]]:
    panels = []
    for curve, task, n50 in _chosen(results):
        plain, epsilon = replace(task, device="cpu"), _epsilon(curve)
        sizes = list(dict.fromkeys(max(1, round(share * n50)) for share in _SHARES))
        panels.append((f"{curve.curve.label}, $d = {task.dim}$", [landscape(plain, size, epsilon) for size in sizes]))
    return panels


def _csv(results: ExperimentResults) -> str:
    records: list[dict[str, Any]] = []
    for label, found in _panels(results):
        for one in found:
            head = {"curve": label.replace("$", ""), "num_transitions": one.num_transitions}
            for name, values in zip(("10 %", "median", "90 %"), one.along, strict=True):
                records += [
                    {**head, "kind": f"loss along geodesics, {name}", "x": angle, "value": value}
                    for angle, value in zip(one.angles, values, strict=True)
                ]
            records += [
                {**head, "kind": "success" if success else "failure", "x": (k + 0.5) / len(one.minima), "value": value}
                for k, (value, success) in enumerate(zip(one.minima, one.successes, strict=True))
            ]
    return csv_text(("curve", "num_transitions", "kind", "x", "value"), records)


def _caption(results: ExperimentResults) -> str:
    return (
        f"Above: the loss of one buffer along {_GEODESICS} random geodesics U exp(tΩ) from the truth, with Ω of"
        f" operator norm 1: medians, and 10 to 90 % shaded. Below: where descents from {_STARTS} random starts end,"
        " sorted by loss; filled where the policy is a success. Losses are over their mean at random parameters; N is"
        " half of the threshold, the threshold (the resolved integer, or N50 rounded) and twice the threshold. "
        + closing_sentences(results.experiment)
    )


LANDSCAPE = FigureKind(
    "the loss along geodesics from U, and where descents end",
    lambda results: landscape_figure(_panels(results)),
    _csv,
    _caption,
    refuse_landscape,
)
