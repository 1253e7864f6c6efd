"""The counting section: every claim has its verdict, planted errors are refuted, and the formulas have oracles."""

from __future__ import annotations

import itertools
import re

import numpy as np
import pytest

from proofs_check import theory as counts
from proofs_check.claim import CheckSettings, ClaimResult, Truth
from proofs_check.claims import counting
from proofs_check.claims.counting import certificates, global_solutions, local_rank
from proofs_check.claims.counting.section import covered
from proofs_check.exact.solution_count import Solutions
from toyenvs.constructions import NoRewardGradient
from toyenvs.hypothesis_classes import HYPOTHESIS_CLASSES, SpecialOrthogonal, hypothesis_class

QUICK = CheckSettings(max_dim=16)
CLAIMS = {claim.id: claim for claim in counting.SECTION.claims}


def check(id: str) -> ClaimResult:
    return CLAIMS[id].check(QUICK)


@pytest.fixture
def few_instances(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(global_solutions, "INSTANCES", {2: 4, 3: 2})
    monkeypatch.setattr(global_solutions, "STARTS", 400)
    global_solutions.solutions_of_instances.cache_clear()


def test_ids_are_in_order_and_cited_ones_exist() -> None:
    numbers = [int(re.findall(r"\d+", id)[0]) for id in CLAIMS]
    assert numbers == sorted(numbers)
    assert set(numbers) == set(range(1, 27))
    text = " ".join(claim.note + claim.statement for claim in CLAIMS.values())
    text += " ".join(str(f.__doc__) for f in vars(counts).values() if callable(f))
    assert set(re.findall(r"\bC\.\d+[a-z]?", text)) <= set(CLAIMS)


# --- planted errors: wrong formulas are refuted -----------------------------------------------------------


PLANTED = [
    ("C.15", "projected_ddpg_local_rank", lambda dim, k, n: min(n, dim * k - k * (k - 1) // 2)),
    ("C.14", "shared_goals_threshold", lambda group, dim, k: dim - 1 if k >= dim else dim if k == dim - 1 else None),
    ("C.8", "prediction_label", lambda construction, group, learner: "d-1" if "grad" in construction else "2d-2"),
]
"""One rank, one threshold and one label; every formula of theory.py has mutants, see tests/mutants."""


@pytest.mark.parametrize(("id", "name", "wrong"), PLANTED, ids=lambda value: value if isinstance(value, str) else "")
def test_wrong_formulas_are_refuted(id: str, name: str, wrong: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counts, name, wrong)
    result = check(id)
    assert result.verdict is not Truth.TRUE
    assert result.counterexample is not None
    assert "computed" in result.counterexample


@pytest.mark.parametrize(
    ("id", "name", "change"),
    [
        ("C.17", "unitary", {"dimension": lambda dim: dim**2 // 4 + 1}),
        ("C.17", "rank-2", {"dimension": lambda dim: 4 * dim}),
        ("C.18", "symmetric", {"gradient_count": lambda dim: dim - 1}),
        ("C.18", "householder", {"gradient_count": lambda dim: 2}),
        ("C.19", "all", {"affine": False}),
        ("C.17", "symmetric", {"affine": False}),
        ("C.17", "permutation", {"dimension": lambda dim: 5}),
        ("C.18", "permutation", {"gradient_count": lambda dim: 3}),
        ("C.18", "o", {"gradient_count": lambda dim: dim - 1}),
    ],
)
def test_wrong_class_counts_are_refuted(
    id: str, name: str, change: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    for attribute, wrong in change.items():
        monkeypatch.setattr(hypothesis_class(name), attribute, wrong)
    assert check(id).verdict is Truth.FALSE


@pytest.mark.usefixtures("few_instances")
def test_a_count_that_is_wrong_is_refuted(monkeypatch: pytest.MonkeyPatch) -> None:
    """One real solution too few at N = D, one too many beyond."""
    monkeypatch.setattr(certificates, "count_genuine", lambda equations: Solutions(8, 3, True))
    for id in ("C.24", "C.25"):
        with pytest.raises(AssertionError, match="computed"):
            CLAIMS[id].evidence[0].run(QUICK)
    global_solutions.solutions_of_instances.cache_clear()


@pytest.mark.parametrize("id", ["C.23", "C.24", "C.25"])
def test_nothing_counted_certifies_nothing(id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(global_solutions, "INSTANCES", {})
    monkeypatch.setattr(global_solutions, "SEARCHES", {})
    global_solutions.solutions_of_instances.cache_clear()
    assert check(id).verdict is Truth.UNKNOWN
    global_solutions.solutions_of_instances.cache_clear()


def test_the_visited_cases_are_the_intended_ones() -> None:
    assert covered([2, 3, 4, 5, 16], [16, 2, 3, 4, 5]) == "d = 2 … 5, 16"
    assert covered([(2, "a"), (3, "a")], [(3, "a"), (2, "a")]) == "d = 2, 3"
    for visited, intended in (([], []), ([], [2]), ([2], [2, 3]), ([2, 3], [2])):
        with pytest.raises(RuntimeError, match="cases"):
            covered(visited, intended)


@pytest.mark.parametrize(("max_dim", "large"), [(8, []), (16, [16]), (48, [16, 32, 48]), (128, [16, 32, 64, 128])])
def test_large_dimensions_end_at_the_largest(max_dim: int, large: list[int]) -> None:
    assert local_rank._large_dims(CheckSettings(max_dim=max_dim)) == large


# --- the formulas of the theory module ----------------------------------------------------------------


def float_rank(pulled: np.ndarray, actions: np.ndarray) -> int:
    """Rank of Ω -> hᵀΩa by explicit matrices and singular values."""
    dim = actions.shape[-1]
    rows = []
    for h, a in zip(pulled, actions, strict=True):
        outer = np.outer(h, a)
        rows.append((outer - outer.T)[np.triu_indices(dim, 1)])
    return int(np.linalg.matrix_rank(np.array(rows))) if rows else 0


@pytest.mark.parametrize("dim", [2, 3, 4, 5])
def test_local_ranks_in_floating_point(dim: int) -> None:
    rng = np.random.default_rng(dim)
    for num, other in itertools.product(range(1, dim + 2), repeat=2):
        shared_goals, shared_actions = rng.standard_normal((other, dim)), rng.standard_normal((num, dim))
        each, fresh = np.repeat(shared_actions, other, axis=0), rng.standard_normal((num * other, dim))
        assert counts.relabelled_local_rank(dim, num, other) == float_rank(fresh, each)
        assert counts.episodes_local_rank(dim, num, other) == float_rank(each, fresh)
        tiled = np.tile(shared_goals, (num, 1))
        assert counts.shared_goals_local_rank(dim, num, other) == float_rank(tiled, each)
        assert counts.ddpg_local_rank(dim, num * other) == float_rank(fresh, rng.standard_normal(fresh.shape))
        every = np.tile(np.eye(dim), (num, 1))
        assert counts.reengage_local_rank(dim, num) == float_rank(every, np.repeat(shared_actions, dim, axis=0))
        if other <= dim:
            in_plane = rng.standard_normal((4 * num, other)) @ shared_goals
            found = float_rank(in_plane, rng.standard_normal((4 * num, dim)))
            assert counts.projected_ddpg_local_rank(dim, other, 4 * num) == found
            assert counts.projected_reengage_local_rank(dim, other, num) == float_rank(tiled, each)


def test_numbers_worked_out_by_hand() -> None:
    """At d = 6, D = 15."""
    assert counts.rotation_dimension(6) == 15
    assert [counts.reengage_local_rank(6, num) for num in range(8)] == [0, 5, 9, 12, 14, 15, 15, 15]
    assert [counts.relabelled_threshold("so", 6, k) for k in (1, 2, 3, 4, 5)] == [16, 8, 6, 5, 5]
    assert [counts.relabelled_threshold("o", 6, k) for k in (1, 2, 3, 4, 5)] == [16, 8, 6, 6, 6]
    assert [counts.shared_goals_threshold("so", 6, k) for k in (4, 5, 6, 7)] == [None, 6, 5, 5]
    assert [counts.shared_goals_threshold("o", 6, k) for k in (4, 5, 6, 7)] == [None, None, 6, 6]
    assert [counts.projected_threshold("ddpg", 6, k) for k in (1, 2, 3, 4, 5)] == [6, 10, 13, 15, 16]
    assert counts.projected_threshold("reengage", 6, 2) == 6
    assert counts.projected_threshold("sac", 6, 2) is None
    assert {name: (c.scalar_count(6), c.gradient_count(6)) for name, c in HYPOTHESIS_CLASSES.items()} == {
        "so": (16, 5),
        "o": (16, 6),
        "all": (36, 6),
        "symmetric": (21, 6),
        "so2-blocks": (4, 1),
        "so3-blocks": (7, 2),
        "unitary": (10, 3),
        "householder": (6, 1),
        "diagonal": (6, 1),
        "circulant": (6, 1),
        "rank-1": (12, 6),
        "rank-2": (21, 6),
        "permutation": (1, 1),
    }


def test_counts_are_formulas_and_thresholds_need_a_class_that_exists() -> None:
    """The order of growth is asked at powers of 2, where d/3 rotations of space do not exist."""
    question = ("gradient-feedback", "so3-blocks", "ddpg", 256)
    assert counts.predicted_count(*question) == 257
    assert counts.predicted_threshold(*question) is None
    assert counts.predicted_threshold("gradient-feedback", "so3-blocks", "ddpg", 255) == 256
    assert counts.predicted_count("gradient-feedback", "nowhere", "ddpg", 255) is None


def test_arguments_out_of_range() -> None:
    for call in (
        lambda: counts.rotation_dimension(0),
        lambda: counts.ddpg_local_rank(3, -1),
        lambda: counts.relabelled_local_rank(3, 1, -1),
        lambda: counts.shared_goals_local_rank(3, 1, -1),
        lambda: counts.projected_ddpg_local_rank(3, 0, 1),
        lambda: counts.relabelled_threshold("so", 3, 0),
        lambda: counts.episodes_threshold("so", 3, 0),
        lambda: counts.shared_goals_threshold("so", 1, 1),
    ):
        with pytest.raises(ValueError, match="is not an integer >="):
            call()
    with pytest.raises(ValueError, match="'u' is not one of so, o"):
        counts.relabelled_threshold("u", 3, 1)
    with pytest.raises(ValueError, match="larger than dim"):
        counts.projected_reengage_local_rank(3, 4, 1)
    with pytest.raises(ValueError, match="not below dim"):
        counts.projected_threshold("ddpg", 3, 3)


@pytest.mark.parametrize("informative", [1, 2, 7])
def test_buffers_of_proposition_2_alternate(informative: int) -> None:
    """Counted on the environment: the shortest buffer that holds so many transitions with s¹ ≠ 0."""
    construction = NoRewardGradient(3, 0.9)
    rng = np.random.default_rng(1)
    U = SpecialOrthogonal().sample(3, rng)
    state = construction.initial_observation(np.array([1.0, 0.0, 0.0]))
    seen = steps = 0
    while seen < informative:
        seen += bool((state[:3] != 0).any())
        state = construction.dynamics(U, state, rng.standard_normal(3))
        steps += 1
    assert construction.transitions_for_informative(informative) == steps


def test_the_predictions_of_the_theory_page() -> None:
    """Numbers of the sharp theorem, worked out by hand."""
    assert counts.predicted_threshold("gradient-feedback", "so", "ddpg", 8) == 29
    assert counts.predicted_threshold("gradient-feedback", "so", "reengage", 8) == 7
    assert counts.predicted_threshold("gradient-feedback", "o", "reengage", 8) == 8
    assert counts.predicted_threshold("no-reward-gradient", "so", "ddpg", 8) == 57
    assert counts.predicted_threshold("no-reward-gradient", "so", "reengage", 8) == 13
    assert counts.predicted_threshold("gradient-feedback", "so", "ddpg", 8, steps_per_goal=2) == 29
    assert counts.predicted_threshold("gradient-feedback", "so", "reengage", 8, steps_per_goal=2) == 7
    assert counts.predicted_threshold("my-own", "so", "ddpg", 8) is None
    assert counts.predicted_threshold("gradient-feedback", "so", "sac", 8) is None
    assert counts.convex_relaxation(8) == 46.0
