"""Results: the verdict follows the data and not the wish, and the files say what was measured."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from typing import Any

import pytest

from analysis import results as results_module
from analysis.config import SweepConfig
from analysis.counts import Counts
from analysis.report import summary
from analysis.results import SweepResults
from analysis.search import ThresholdSearch
from analysis.tables import latex_table, scaling_csv, thresholds_csv
from analysis.threshold import fit_threshold

DIMS = (3, 4, 6, 8, 12, 16, 24, 32)


def searches(config: SweepConfig, jumps: dict[str, Callable[[int], int]]) -> list[ThresholdSearch]:
    """Finished searches whose success jumps from 0 of 25 to 25 of 25 at a given N."""
    found = []
    for learner, jump in jumps.items():
        for dim in config.dims:
            n = jump(dim)
            cells = {n - 1: (0, 25), n: (25, 25), 2 * n: (25, 25)} if n > 1 else {1: (25, 25)}
            search = ThresholdSearch(config, learner, dim, cells, stopped="settled")
            search.threshold = fit_threshold(Counts.from_cells(cells))
            found.append(search)
    return found


def results(
    ddpg: Callable[[int], int],
    reengage: Callable[[int], int],
    outcomes: list[tuple[str, str, int, int, int]] | None = None,
    **values: Any,
) -> SweepResults:
    config = SweepConfig(**{"dims": DIMS, **values})
    return SweepResults.from_sweep(config, searches(config, {"ddpg": ddpg, "reengage": reengage}), outcomes or [])


def quadratic(dim: int) -> int:
    return dim * (dim - 1) // 2 + 1


def linear(dim: int) -> int:
    return dim - 1


def test_the_predicted_orders_agree() -> None:
    verdict = results(quadratic, linear).verdict
    assert verdict.status == "agrees"
    assert "DDPG's threshold grows quadratically with d" in verdict.sentence
    assert "ReenGAGE's threshold grows linearly with d" in verdict.sentence
    assert "(d-1) fits best" in verdict.sentence
    assert "equals the predicted one at 8 of 8 dimensions" in verdict.sentence


@pytest.mark.parametrize(("ddpg", "reengage"), [(linear, linear), (quadratic, quadratic), (linear, quadratic)])
def test_other_orders_disagree(ddpg: Callable[[int], int], reengage: Callable[[int], int]) -> None:
    verdict = results(ddpg, reengage).verdict
    assert verdict.status == "disagrees"
    assert "This disagrees with the paper" in verdict.sentence


def test_a_wrong_prediction_disagrees(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results_module, "EXPECTED_ORDER", {"ddpg": 2, "reengage": 2})
    assert results(quadratic, linear).verdict.status == "disagrees"


def test_few_dimensions_are_undecided() -> None:
    found = results(quadratic, linear, dims=(3, 4))
    assert found.verdict.status == "undecided"
    assert "a law needs a threshold at three dimensions" in found.verdict.sentence
    assert found.complaints() == ["theory: undecided"]


@pytest.mark.parametrize("dims", [(2, 3, 4, 6), (3, 4, 6, 8), (16, 20, 24, 28, 32)])
def test_no_order_is_named_where_several_fit(dims: tuple[int, ...]) -> None:
    found = results(quadratic, linear, dims=dims)
    assert found.verdict.status == "undecided"
    assert "too few or too close" in found.verdict.sentence


@pytest.mark.parametrize("power", [0.5, 1.5, 2.5, 3.0])
@pytest.mark.parametrize("learner", [0, 1])
def test_a_law_that_is_not_listed_is_not_taken_for_one_that_is(power: float, learner: int) -> None:
    laws: list[Callable[[int], int]] = [quadratic, linear]
    laws[learner] = lambda d: max(2, round(2 * d**power))
    verdict = results(*laws).verdict
    assert verdict.status == "undecided"
    assert f"follows none of the laws (a power {power:.1f}" in verdict.sentence.replace("0.49", "0.5").replace(
        "0.51", "0.5"
    )


def test_a_bare_exponent_would_mislead() -> None:
    """The line d − 1 has a log-log slope above 1; the verdict is linear all the same."""
    reengage = results(quadratic, linear).learners[1]
    exponent = reengage.scaling.exponent
    assert exponent is not None
    assert exponent.low is not None
    assert exponent.low > 1
    assert reengage.scaling.best == "d-1"
    assert reengage.scaling.order_weights[1] > 0.99


def test_the_thresholds_file() -> None:
    rows = list(csv.DictReader(thresholds_csv(results(quadratic, linear)).splitlines()))
    assert [(row["learner"], int(row["dim"])) for row in rows] == [(x, d) for x in ("ddpg", "reengage") for d in DIMS]
    for row in rows:
        jump = {"ddpg": quadratic, "reengage": linear}[row["learner"]](int(row["dim"]))
        assert int(row["smallest_n"]) == int(row["predicted"]) == jump
        assert jump - 1 <= float(row["n50"]) <= jump
        assert (float(row["n50_low"]), float(row["n50_high"])) == (pytest.approx(jump - 1), pytest.approx(jump))
        assert (row["censored"], row["trials"]) == ("", "75")
        assert (row["construction"], row["group"]) == ("gradient-feedback", "so")


def test_a_censored_threshold_is_not_hidden() -> None:
    found = results(quadratic, linear, dims=(2, *DIMS))
    rows = list(csv.DictReader(thresholds_csv(found).splitlines()))
    row = next(row for row in rows if (row["learner"], row["dim"]) == ("reengage", "2"))
    assert (row["n50"], row["n50_low"], row["censored"], row["smallest_n"]) == ("1.0", "", "left", "1")
    assert "reengage d=2: threshold censored (left)" in found.complaints()
    assert "$\\le 1.0$" in latex_table(found)


def test_the_scaling_file() -> None:
    rows = list(csv.DictReader(scaling_csv(results(quadratic, linear)).splitlines()))
    weights = [float(row["weight"]) for row in rows if row["learner"] == "ddpg" and row["weight"]]
    assert sum(weights) == pytest.approx(1, abs=1e-5)
    power = next(row for row in rows if (row["learner"], row["law"]) == ("ddpg", "power"))
    assert float(power["exponent_low"]) < float(power["exponent"]) < float(power["exponent_high"])


def test_the_prediction_is_a_candidate_where_it_is_no_standing_one() -> None:
    second = results(
        lambda d: 2 * quadratic(d) - 1, lambda d: 2 * linear(d) - 1, construction="no-reward-gradient"
    ).learners[1]
    assert [fit.law.name for fit in second.scaling.laws] == ["d-1", "d", "D+1", "d^2", "2d-3"]
    assert second.scaling.best == "2d-3"
    assert all(row.ratio == 1 for row in second.thresholds)


def test_the_summary_is_json_and_complete() -> None:
    outcomes = [("ddpg", "converged", 0, 1, 90), ("ddpg", "diverged", 0, 0, 2), ("reengage", "converged", 0, 1, 5)]
    found = results(quadratic, linear, outcomes)
    data = json.loads(json.dumps(summary(found), allow_nan=False))
    assert set(data["learners"]) == {"ddpg", "reengage"}
    ddpg = data["learners"]["ddpg"]
    columns = thresholds_csv(found).splitlines()[0].split(",")
    assert set(columns) <= set(ddpg["thresholds"][0])
    assert set(ddpg["exponent"]) == {"value", "low", "high"}
    assert ddpg["outcomes"] == {"converged": 90, "diverged": 2}
    assert data["verdict"] == found.verdict.sentence
    assert "ddpg: 2 trials diverged" in found.complaints()


def test_how_often_one_start_would_have_been_in_the_wrong_component() -> None:
    outcomes = [
        ("ddpg", "converged", 0, 1, 60),
        ("ddpg", "converged", 1, 1, 40),
        ("ddpg", "stationary", 1, 0, 1000),  # failures say nothing about the component
    ]
    assert results(quadratic, lambda d: d, outcomes, group="o").wrong_component("ddpg") == (40, 100)
    assert results(quadratic, linear, outcomes).wrong_component("ddpg") is None
