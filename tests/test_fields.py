"""Flat fields of tasks and measures: what is refused, and what is the identity of a task."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from analysis.errors import ConfigError
from analysis.experiments.plan import Search
from analysis.measures import ThresholdMeasure
from analysis.presets.comparison import ALL_FIELDS, compare_learners, make_search, split_fields
from analysis.presets.user_construction import resolve_construction
from analysis.tasks import FIELDS, ParametricTask, make_task
from analysis.tasks.parametric import ENGINE
from toyenvs.learners.global_solvers import GlobalSolverSettings
from toyenvs.learners.online import OnlineSettings

PROJECTED = {"construction": "projected-goal", "dim": 4}
ONLINE = {"method": "online"}
SOLVER = {"method": "global-solver"}
REENGAGE = {"learner": "reengage"}

BAD: list[tuple[dict[str, Any], str, str]] = [
    ({"construction_source": ""}, "construction_source", "''"),
    ({"construction": "", "construction_source": "ab"}, "construction", "''"),
    ({"construction": "x"}, "construction", "'x'"),
    ({"group": "su"}, "group", "'su'"),
    ({"dim": 1}, "dim", "1"),
    ({"dim": True}, "dim", "True"),
    ({"dim": 4.0}, "dim", "4.0"),
    ({"dim": 99_999_999_999}, "dim", "99999999999"),
    ({"learner": "foo"}, "learner", "'foo'"),
    ({"method": "luck"}, "method", "'luck'"),
    ({"count": "days"}, "count", "'days'"),
    ({"trials": 0}, "trials", "0"),
    ({"seed": 2**64}, "seed", str(2**64)),
    ({"epsilon": float("nan")}, "epsilon", "nan"),
    ({"epsilon": 2.0}, "epsilon", "2.0"),
    ({"epsilon": "small"}, "epsilon", "'small'"),
    ({"discount": 1.0}, "discount", "1.0"),
    ({"learner": "reengage", "alpha": 0.0}, "alpha", "0.0"),
    ({"learner": "reengage", "alpha": True}, "alpha", "True"),
    ({"learner": "reengage", "alpha": 10**400}, "alpha", str(10**400)),
    ({"device": "meta"}, "device", "'meta'"),
    ({"device": {"dim": 2}}, "device", "{'dim': 2}"),
    ({"precision": 0.0}, "precision", "0.0"),
    ({"steps_per_goal": 0}, "steps_per_goal", "0"),
    ({"relabels": 0}, "relabels", "0"),
    ({"goals": "dreams"}, "goals", "'dreams'"),
    ({"actions": "none"}, "actions", "'none'"),
    ({"noise": float("nan")}, "noise", "nan"),
    ({"optimizer": "adam"}, "optimizer", "'adam'"),
    ({"minibatch": 0, "optimizer": "gradient"}, "minibatch", "0"),
    ({"batch_size": 0}, "batch_size", "0"),
    ({"max_steps": 0}, "max_steps", "0"),
    ({"method": "global-solver", "restarts": 0}, "restarts", "0"),
    ({**ONLINE, "updates": 0}, "updates", "0"),
    ({**ONLINE, "exploration": -0.5}, "exploration", "-0.5"),
    ({**PROJECTED, "goal_dim": 0}, "goal_dim", "0"),
    # Values that are allowed, but not together.
    ({"minibatch": 8}, "optimizer", "'nesterov'"),
    ({"construction": "no-reward-gradient", "discount": 0.0}, "discount", "0.0"),
    ({"goal_dim": 2}, "goal_dim", "2"),
    (PROJECTED, "goal_dim", "None"),
    ({**PROJECTED, "goal_dim": 5}, "goal_dim", "5"),
    ({"group": "so2-blocks", "dim": 5}, "dim", "5"),
    ({"group": "so3-blocks", "dim": 4}, "dim", "4"),
    ({"group": "unitary", "dim": 3}, "dim", "3"),
    ({"group": "all"}, "discount", "0.9"),
    ({"group": "rank-1"}, "discount", "0.9"),
    ({"construction": "translation", "discount": 0.0}, "group", "'so'"),
    ({"goals": "orthonormal", "relabels": 5, "dim": 4}, "relabels", "5"),
    ({**PROJECTED, "goal_dim": 2, "goals": "orthonormal", "relabels": 3}, "relabels", "3"),
    ({"goals": "hindsight", "relabels": 2}, "relabels", "2"),
    ({"goals": "shared", "steps_per_goal": 2}, "steps_per_goal", "2"),
    ({"construction": "no-reward-gradient", "noise": 0.1}, "noise", "0.1"),
    ({"construction": "no-reward-gradient", "goals": "hindsight"}, "goals", "'hindsight'"),
    ({"group": "permutation", "discount": 0.0}, "method", "'descent'"),
    ({**ONLINE, "relabels": 2}, "method", "'online'"),
    ({**ONLINE, "goals": "hindsight"}, "method", "'online'"),
    ({**ONLINE, "actions": "sphere"}, "method", "'online'"),
    ({**ONLINE, "noise": 0.1}, "method", "'online'"),
    ({**ONLINE, "minibatch": 4, "optimizer": "gradient"}, "minibatch", "4"),
    ({**ONLINE, "learner": "gradient-only"}, "learner", "'gradient-only'"),
    ({**ONLINE, "group": "permutation", "discount": 0.0}, "method", "'online'"),
    ({**ONLINE, "count": "episodes", "steps_per_goal": 2}, "count", "'episodes'"),
    ({"method": "global-solver", "optimizer": "gradient"}, "optimizer", "'gradient'"),
    ({"method": "least-squares", "minibatch": 8}, "minibatch", "8"),
    ({"arithmetic": "half"}, "arithmetic", "'half'"),
    ({"method": "global-solver", "arithmetic": "mixed"}, "arithmetic", "'mixed'"),
    ({"method": "relaxation", "group": "all", "discount": 0.0}, "method", "'relaxation'"),
    ({"method": "global-solver", "group": "permutation", "dim": 32}, "dim", "32"),
    ({"construction": "translation", "group": "diagonal"}, "discount", "0.9"),
]

GOOD: list[dict[str, Any]] = [
    {**PROJECTED, "goal_dim": 4},
    {"group": "so2-blocks", "dim": 6},
    {"group": "so3-blocks", "dim": 6},
    {"group": "unitary", "dim": 2},
    {"group": "all", "discount": 0.0},
    {"construction": "translation", "group": "diagonal", "discount": 0.0},
    {"goals": "orthonormal", "relabels": 4, "dim": 4},
    {"goals": "hindsight"},
    {"goals": "shared", "relabels": 3},
    {"noise": 0.1},
    {"group": "permutation", "discount": 0.0, "method": "global-solver"},
    {"group": "permutation", "discount": 0.0, "method": "global-solver", "learner": "reengage", "dim": 32},
    {**ONLINE, "steps_per_goal": 3, "learner": "reengage"},
    {"minibatch": 8, "optimizer": "gradient"},
    {"seed": 2**63 - 1},
    {"epsilon": 1},
]


def build(fields: dict[str, Any]) -> tuple[ParametricTask, ThresholdMeasure]:
    of_task, of_measure = split_fields(fields)
    epsilon = of_measure.pop("epsilon", 0.01)
    return make_task(of_task), ThresholdMeasure(epsilon=epsilon, search=make_search(of_measure))


@pytest.mark.parametrize(("fields", "argument", "shown"), BAD, ids=lambda v: str(v)[:60])
def test_a_bad_value_is_refused_by_name(fields: dict[str, Any], argument: str, shown: str) -> None:
    with pytest.raises(ConfigError) as caught:
        build(fields)
    message = str(caught.value)
    assert caught.value.argument == argument
    assert message.startswith(f"{argument}: {shown} ")
    assert "\n" not in message
    assert len(message.split("; ", 1)[1]) > 5  # what is allowed


def test_every_field_is_refused_some_value() -> None:
    assert {argument for _, argument, _ in BAD} == ALL_FIELDS.keys()
    for refuse in (make_task, split_fields):
        with pytest.raises(ConfigError, match=r"^colour: 'blue' is not allowed; expected .*construction"):
            refuse({"colour": "blue"})


@pytest.mark.parametrize("fields", GOOD, ids=str)
def test_the_rules_refuse_no_more_than_they_say(fields: dict[str, Any]) -> None:
    task, measure = build(fields)
    known = {**measure.described, **task.described}
    assert {name: known[name] for name in fields} == fields
    assert ParametricTask.from_identity(json.loads(json.dumps(task.identity()))) == task


def test_an_error_is_renamed_for_who_knows_the_value_by_another_name() -> None:
    error = ConfigError("dim", 1, "expected more")
    assert str(error.renamed({"dim": "dims"})) == "dims: 1 is not allowed; expected more"
    assert error.renamed({"learner": "learners"}).argument == "dim"


def test_the_defaults_are_those_of_the_command() -> None:
    expected = {
        **{"construction": "gradient-feedback", "group": "so", "learner": "ddpg", "method": "descent", "seed": 0},
        **{"trials": 100, "epsilon": 0.01, "precision": 0.05, "restarts": GlobalSolverSettings().restarts},
        **{"exploration": OnlineSettings().exploration, "updates": OnlineSettings().updates_per_transition},
    }
    assert {name: ALL_FIELDS[name] for name in expected} == expected
    assert make_task({}) == ParametricTask()


# --- identity ------------------------------------------------------------------------------------------------

DECISIVE: dict[str, tuple[dict[str, Any], Any]] = {
    "construction": ({}, "no-reward-gradient"),
    "construction_source": ({"construction": "mine.py:Drift", "construction_source": "1"}, "2"),
    "group": ({}, "o"),
    "dim": ({}, 3),
    "goal_dim": ({**PROJECTED, "goal_dim": 1}, 2),
    "discount": ({}, 0.8),
    "learner": ({}, "reengage"),
    "alpha": (REENGAGE, 2.0),
    "method": ({}, "global-solver"),
    "optimizer": ({}, "gradient"),
    "minibatch": ({"optimizer": "gradient"}, 4),
    "max_steps": ({}, 10),
    "arithmetic": ({}, "mixed"),
    "restarts": (SOLVER, 7),
    "exploration": (ONLINE, 0.5),
    "updates": (ONLINE, 3),
    "steps_per_goal": ({}, 2),
    "relabels": ({}, 2),
    "goals": ({}, "hindsight"),
    "actions": ({}, "sphere"),
    "noise": ({}, 0.1),
    "count": ({}, "episodes"),
    "seed": ({}, 1),
}


def test_every_field_that_decides_a_result_changes_the_hash() -> None:
    assert FIELDS.keys() - DECISIVE.keys() == {"device"}  # needs hardware
    for name, (fields, other) in DECISIVE.items():
        task, changed = make_task(fields), make_task({**fields, name: other})
        assert task != changed
        assert task.hash() != changed.hash(), name
    changed_alone = [make_task({name: other}).hash() for name, (fields, other) in DECISIVE.items() if not fields]
    assert len({*changed_alone, make_task({}).hash()}) == len(changed_alone) + 1


@pytest.mark.parametrize(
    ("fields", "same"),
    [
        ({}, {"alpha": 2.0}),  # DDPG has no such term
        ({**SOLVER, "learner": "gradient-only"}, {"alpha": 3.0, "exploration": 0.5}),
        ({}, {"restarts": 7, "updates": 3, "exploration": 0.5}),
        (SOLVER, {"max_steps": 10, "updates": 3}),
        (ONLINE, {"restarts": 7, "max_steps": 10}),
        ({"dim": 31}, {"arithmetic": "double"}),
        ({"dim": 32}, {"arithmetic": "mixed"}),
    ],
    ids=str,
)
def test_what_decides_no_result_is_no_part_of_the_identity(fields: dict[str, Any], same: dict[str, Any]) -> None:
    one, other = make_task(fields), make_task({**fields, **same})
    assert len({one, other}) == 1
    assert one.identity() == other.identity()
    assert one.hash() == other.hash()


def test_how_hard_one_looks_is_the_affair_of_the_measure() -> None:
    assert ALL_FIELDS.keys() - FIELDS.keys() == {"trials", "precision", "batch_size", "epsilon"}
    plain = compare_learners((2, 3))
    others: dict[str, Any] = {"trials": 99, "precision": 0.04, "batch_size": 24, "epsilon": 0.02}
    for name, value in others.items():
        other = compare_learners((2, 3), ("ddpg", "reengage"), **{name: value})
        assert other.tasks == plain.tasks
        assert other.default_name() == plain.default_name()
        assert other.measure != plain.measure
        assert other.hash() != plain.hash()


def test_where_the_file_of_a_construction_lies_makes_no_difference(tmp_path: Path) -> None:
    text = (Path(__file__).parents[1] / "examples" / "linear_drift.py").read_text(encoding="utf-8")
    tasks = []
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "mine.py").write_text(text, encoding="utf-8")
        fields, _ = resolve_construction({"construction": f"{tmp_path / name / 'mine.py'}:LinearDrift", "dim": 2})
        tasks.append(make_task(fields))
    assert len(set(tasks)) == len({task.hash() for task in tasks}) == 1
    assert tasks[0].problem.reference != tasks[1].problem.reference
    assert str(tmp_path) not in json.dumps(tasks[0].identity())


def test_a_number_is_one_value_however_it_is_written() -> None:
    """A file may hold 1 beside 1.0: equal tasks share a plan, whose trials are found by the hash."""
    for fields, name, value in (
        ({}, "discount", 0),
        ({}, "noise", 0),
        (REENGAGE, "alpha", 1),
        (ONLINE, "exploration", 1),
    ):
        written, same = make_task({**fields, name: value}), make_task({**fields, name: float(value)})
        assert (written, written.hash()) == (same, same.hash())
        assert type(written.described[name]) is float
    assert {name for name, value in FIELDS.items() if isinstance(value, float)} == {
        "discount",
        "noise",
        "alpha",
        "exploration",
    }
    assert type(ThresholdMeasure(epsilon=1).epsilon) is type(Search(precision=1).precision) is float
    assert make_task({"noise": -0.0}).hash() == make_task({"noise": 0.0}).hash()


def damaged(**changes: Any) -> dict[str, Any]:
    return {**make_task(REENGAGE).identity(), **changes}


PROBLEM, METHOD = (make_task(REENGAGE).identity()[part] for part in ("problem", "solver"))


@pytest.mark.parametrize(
    "identity",
    [
        {},
        damaged(engine=ENGINE - 1),
        damaged(task="tabular"),
        damaged(colour="blue"),
        damaged(seed=0.0),
        damaged(seed="0"),
        damaged(learner="ddpg"),  # which has no weight
        damaged(problem={**PROBLEM, "dim": 1}),
        damaged(problem={**PROBLEM, "dim": True}),
        damaged(problem={**PROBLEM, "restarts": 3}),
        damaged(problem={name: value for name, value in PROBLEM.items() if name != "discount"}),
        damaged(problem=None),
        damaged(solver={**METHOD, "arithmetic": "auto"}),
        damaged(solver={**METHOD, "method": "luck"}),
        damaged(solver={**METHOD, "restarts": 5}),
        {name: value for name, value in damaged().items() if name != "alpha"},
    ],
    ids=lambda identity: str(identity)[-60:],
)
def test_a_damaged_identity_is_refused(identity: dict[str, Any]) -> None:
    assert ParametricTask.from_identity(damaged()) == make_task(REENGAGE)
    with pytest.raises((ConfigError, KeyError, TypeError, ValueError)):
        ParametricTask.from_identity(identity)


def test_a_task_makes_what_it_names() -> None:
    task = make_task(
        {"construction": "projected-goal", "dim": 5, "goal_dim": 2, **REENGAGE, "alpha": 3.0, "discount": 0.5}
    )
    construction, learner = task.problem.make_construction(), task.trained
    assert (construction.name, construction.dim, construction.goal_dim) == ("projected-goal", 5, 2)
    assert construction.discount == 0.5
    assert (learner.value_weight, learner.gradient_weight) == (1.0, 3.0)
    data = make_task({"steps_per_goal": 4, "actions": "sphere", "noise": 0.25, "relabels": 3}).data
    assert (data.steps_per_goal, data.actions, data.noise, data.relabels) == (4, "sphere", 0.25, 3)
    assert make_task({"steps_per_goal": 4, "count": "episodes"}).num_transitions(5) == 20
    assert make_task({"steps_per_goal": 4}).num_transitions(5) == 5
    assert make_task({"optimizer": "heavy-ball"}).solver_label == "descent (heavy-ball)"
    assert make_task(SOLVER).solver_label == "global-solver"
    assert ThresholdMeasure(search=Search(trials=30)).plan(task).budget == 360
