"""How thresholds grow with d: the candidate laws of a curve, and where the ratio to its prediction goes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from analysis.experiments.estimate import CurveResults, Growth, PointResult
from analysis.experiments.formatting import rounded
from analysis.experiments.formula import Formula
from analysis.statistics.ratio_limit import RatioLimit, fit_ratio_limit
from analysis.statistics.scaling_law import CANDIDATE_LAWS, Law, Scaling, fit_scaling
from analysis.tasks import Task

if TYPE_CHECKING:
    from analysis.experiments.experiment import Curve

__all__ = ["LAW_COLUMNS", "growth_lines", "growth_of", "growth_records", "law_records"]

LAW_COLUMNS = (
    "curve",
    "learner",
    "law",
    "order",
    "constant",
    "constant_low",
    "constant_high",
    "exponent",
    "exponent_low",
    "exponent_high",
    "between_dimension_sd",
    "log_likelihood",
    "aic",
    "weight",
)
"""Of ``scaling.csv``. ``exponent`` is the fitted one for the power law and, for a candidate, its own log-log slope over
the dimensions; ``between_dimension_sd`` is the scatter of log N50 around the law beyond sampling error; ``weight`` is
among the candidates."""

_NORMAL_95 = 1.959964
_FROM_DIM = 8


def growth_of(curve: Curve, points: Sequence[PointResult]) -> Growth:
    """Fit the laws to the counts of a curve along the dimensions."""
    counts = {row.point.task.dim: row.estimate.counts for row in points}
    scaling = fit_scaling({dim: c for dim, c in counts.items() if c is not None}, _laws(curve))
    integers = {row.point.task.dim: n for row in points if (n := row.estimate.integer) is not None}
    return Growth(scaling, integers, _exact_laws(points, scaling, integers), _ratio_limit(curve, points))


def _exact_laws(points: Sequence[PointResult], scaling: Scaling, integers: dict[int, int]) -> tuple[str, ...]:
    dims = list(integers)
    if not dims:
        return ()
    predicted = {row.point.task.dim: row.point.predicted for row in points}
    told = ["the prediction"] if all(predicted[d] == n for d, n in integers.items()) else []
    laws = [
        fit.law.name
        for fit in scaling.laws
        if np.array_equal(np.round(np.exp(fit.law.log(dims)), 6), list(integers.values()))
    ]
    return (*told, *laws)


def _ratio_limit(curve: Curve, points: Sequence[PointResult]) -> RatioLimit | None:
    """Where the ratio of a descent's N₅₀ to the prediction goes as d grows; None where no order is predicted.

    From d = 8 on: below, luck and integers decide, and the ratio rises before it falls. None as well where a threshold
    among them has no upper bound: an extrapolation may not leave out what did not succeed.
    """
    if curve.points[0].task.described.get("method") != "descent" or curve.expectation.kind != "order":
        return None
    asked = [row for row in points if row.point.task.dim >= _FROM_DIM]
    if any(row.estimate.censored in ("right", "undetermined") for row in asked):
        return None
    known = [
        (row.point.task.dim, fit.n50 / row.point.predicted, fit.half_width / _NORMAL_95)
        for row in asked
        if (fit := row.estimate.fit) is not None
        and not fit.censored
        and not fit.resolved
        and math.isfinite(fit.half_width)
        and row.point.predicted is not None
    ]
    if not known:
        return None
    dims, ratios, errors = zip(*known, strict=True)
    return fit_ratio_limit(dims, ratios, errors)


@dataclass(frozen=True)
class _Length:
    """The length of the data of a task that hold as many informative samples as a law says; can be pickled."""

    law: Law
    task: Task

    def __call__(self, d: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(self.task.transitions_for_informative(self.law.function(d)), dtype=np.float64)


_EQUATIONS = ("D+1", "d-1", "d")
"""Laws that count informative transitions."""


def _standing(task: Task) -> tuple[Law, ...]:
    """The candidates, and what the data of a task make of them where not every transition is informative."""
    lengths = [
        Law(task.length_label(law.name), law.order, _Length(law, task))
        for name in _EQUATIONS
        for law in CANDIDATE_LAWS
        if law.name == name and task.length_label(name) != name
    ]
    return (*CANDIDATE_LAWS, *lengths)


def _laws(curve: Curve) -> tuple[Law, ...]:
    """The standing candidates, and the prediction itself where it is none of them up to a constant."""
    standing = _standing(curve.points[0].task)
    dims = [point.task.dim for point in curve.points]
    predicted = [curve.predict(dim) for dim in dims]
    order = curve.predicted_order
    known = [value for value in predicted if value is not None]
    if order is None or len(known) < len(dims):
        return standing
    if any(np.ptp(law.log(dims) - np.log(known)) < 1e-12 for law in standing):
        return standing

    # Plain text where there is any: a label may be full of LaTeX.
    name = curve.prediction.name if isinstance(curve.prediction, Formula) else "theory"
    if name in {law.name for law in standing}:
        name += " (predicted)"  # a label that is a standing law's, on another formula
    return (*standing, Law(name, order, partial(_predicted, curve)))


def _predicted(curve: Curve, dims: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.array([curve.predict(int(d)) for d in dims], dtype=np.float64)


def law_records(curve: CurveResults) -> list[dict[str, Any]]:
    """The candidate laws of a curve, a line each."""
    if curve.growth is None:
        return []
    return [
        {
            "curve": curve.curve.label,
            "learner": curve.curve.learner,
            "law": fit.law.name,
            "order": fit.law.order,
            "constant": rounded(fit.constant),
            "constant_low": rounded(fit.constant_low),
            "constant_high": rounded(fit.constant_high),
            "exponent": rounded(fit.local_exponent),
            "exponent_low": None,
            "exponent_high": None,
            "between_dimension_sd": rounded(fit.between_dimension_sd),
            "log_likelihood": rounded(fit.log_likelihood),
            "aic": rounded(fit.aic),
            "weight": rounded(fit.weight),
        }
        for fit in curve.growth.scaling.laws
    ]


def growth_records(curve: CurveResults) -> list[dict[str, Any]]:
    """The lines of a curve in ``scaling.csv``: each candidate law, and the power law."""
    records = law_records(curve)
    power = None if curve.growth is None else curve.growth.scaling.exponent
    if power is not None:
        records.append(
            {
                "curve": curve.curve.label,
                "learner": curve.curve.learner,
                "law": "power",
                "constant": rounded(power.constant),
                "exponent": rounded(power.value),
                "exponent_low": rounded(power.low),
                "exponent_high": rounded(power.high),
                "between_dimension_sd": rounded(power.between_dimension_sd),
                "log_likelihood": rounded(power.log_likelihood),
                "aic": rounded(power.aic),
            }
        )
    return records


def growth_lines(curve: CurveResults) -> list[str]:
    """What is fitted to a curve's growth, in sentences; none off the axis of dimensions."""
    label, growth = curve.curve.label, curve.growth
    if growth is None:
        return []
    scaling = growth.scaling
    if scaling.exponent is None:
        # Where an order is expected the verdict says why.
        return [] if curve.curve.expectation.kind == "order" else [f"{label}: no law fitted: {scaling.reason}"]
    power = scaling.exponent
    low, high = ("…" if end is None else f"{end:.2f}" for end in (power.low, power.high))
    weights = ", ".join(
        f"{fit.law.name} {fit.weight:.3f}" if fit.weight >= 0.001 else f"{fit.law.name} <0.001" for fit in scaling.laws
    )
    best = scaling.best_fit
    own = "" if best is None else f" (the law {best.law.name} itself has slope {best.local_exponent:.2f} on these d)"
    lines = [f"{label}: exponent {power.value:.2f} [{low}, {high}]{own}; AIC weights: {weights}"]
    if len(growth.integers) > 1:
        exact = (
            f"exactly {', '.join(growth.exact_laws)}" if growth.exact_laws else "none of these laws, with constant 1"
        )
        lines.append(f"  resolved N_min (d = {', '.join(map(str, growth.integers))}): {exact}")
    limit = growth.ratio_limit
    if limit is not None:
        high = "…" if limit.limit_high is None else f"{limit.limit_high:.2f}"
        lines.append(
            f"  N50 over the prediction ≈ {limit.limit:.2f} + {limit.coefficient:.2f}·d^-{limit.power:.2f}:"
            f" limit in [{limit.limit_low:.2f}, {high}], p = {limit.limit_one:.2f} for 1,"
            f" from d = {', '.join(map(str, limit.dims))}"
            + (" (the power is at the end of its range)" if limit.power_bounded else "")
        )
    return lines
