"""Settings: what is refused, and what identifies a measurement."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
from analysis.tasks.setting import ConfigError, Setting

from toyenvs.learners.global_solvers import GlobalSolverSettings
from toyenvs.learners.online import OnlineSettings

PROJECTED = {"construction": "projected-goal", "dim": 4}
ONLINE = {"method": "online"}

BAD: list[tuple[dict[str, Any], str, str]] = [
    ({"construction_source": ""}, "construction_source", "''"),
    ({"construction": "", "construction_source": "ab"}, "construction", "''"),
    ({"construction": "x"}, "construction", "'x'"),
    ({"group": "su"}, "group", "'su'"),
    ({"dim": 0}, "dim", "0"),
    ({"dim": 1}, "dim", "1"),
    ({"dim": True}, "dim", "True"),
    ({"dim": 4.0}, "dim", "4.0"),
    ({"dim": 99_999_999_999}, "dim", "99999999999"),
    ({"learner": "foo"}, "learner", "'foo'"),
    ({"method": "luck"}, "method", "'luck'"),
    ({"count": "days"}, "count", "'days'"),
    ({"trials": -1}, "trials", "-1"),
    ({"trials": 0}, "trials", "0"),
    ({"seed": -1}, "seed", "-1"),
    ({"seed": 2**64}, "seed", str(2**64)),
    ({"epsilon": float("nan")}, "epsilon", "nan"),
    ({"epsilon": 0.0}, "epsilon", "0.0"),
    ({"epsilon": 2.0}, "epsilon", "2.0"),
    ({"epsilon": "small"}, "epsilon", "'small'"),
    ({"discount": 1.0}, "discount", "1.0"),
    ({"discount": -0.1}, "discount", "-0.1"),
    ({"alpha": float("inf")}, "alpha", "inf"),
    ({"alpha": 0.0}, "alpha", "0.0"),
    ({"alpha": True}, "alpha", "True"),
    ({"device": "meta"}, "device", "'meta'"),
    ({"device": "quantum"}, "device", "'quantum'"),
    ({"device": {"dim": 2}}, "device", "{'dim': 2}"),
    ({"device": ["cpu"]}, "device", "['cpu']"),
    ({"precision": 0.0}, "precision", "0.0"),
    ({"steps_per_goal": 0}, "steps_per_goal", "0"),
    ({"relabels": 0}, "relabels", "0"),
    ({"goals": "dreams"}, "goals", "'dreams'"),
    ({"actions": "none"}, "actions", "'none'"),
    ({"noise": -0.1}, "noise", "-0.1"),
    ({"noise": float("nan")}, "noise", "nan"),
    ({"optimizer": "adam"}, "optimizer", "'adam'"),
    ({"minibatch": 0, "optimizer": "gradient"}, "minibatch", "0"),
    ({"batch_size": 0}, "batch_size", "0"),
    ({"max_steps": 0}, "max_steps", "0"),
    ({"restarts": 0}, "restarts", "0"),
    ({"updates": 0}, "updates", "0"),
    ({"exploration": -0.5}, "exploration", "-0.5"),
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
    ({**ONLINE, "minibatch": 4, "optimizer": "gradient"}, "method", "'online'"),
    ({**ONLINE, "learner": "gradient-only"}, "learner", "'gradient-only'"),
    ({**ONLINE, "group": "permutation", "discount": 0.0}, "method", "'online'"),
    ({**ONLINE, "count": "episodes", "steps_per_goal": 2}, "count", "'episodes'"),
    ({"method": "minimiser", "optimizer": "gradient"}, "optimizer", "'gradient'"),
    ({"method": "least-squares", "optimizer": "gradient", "minibatch": 8}, "minibatch", "8"),
    ({"arithmetic": "half"}, "arithmetic", "'half'"),
    ({"method": "minimiser", "arithmetic": "mixed"}, "arithmetic", "'mixed'"),
    ({"method": "relaxation", "group": "all", "discount": 0.0}, "method", "'relaxation'"),
    ({"method": "minimiser", "group": "permutation", "dim": 32}, "dim", "32"),
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
    {"group": "permutation", "discount": 0.0, "method": "minimiser"},
    {"group": "permutation", "discount": 0.0, "method": "minimiser", "learner": "reengage", "dim": 32},
    {**ONLINE, "steps_per_goal": 3, "learner": "reengage"},
    {"minibatch": 8, "optimizer": "gradient"},
    {"seed": 2**63 - 1},
    {"epsilon": 1},
]


@pytest.mark.parametrize(("values", "argument", "shown"), BAD, ids=lambda v: str(v)[:60])
def test_a_bad_value_is_refused_by_name(values: dict[str, Any], argument: str, shown: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Setting(**values)
    message = str(caught.value)
    assert caught.value.argument == argument
    assert message.startswith(f"{argument}: {shown} ")
    assert "\n" not in message
    assert len(message.split("; ", 1)[1]) > 5  # what is allowed


def test_every_field_is_refused_some_value() -> None:
    assert {argument for _, argument, _ in BAD} == {f.name for f in dataclasses.fields(Setting)}


@pytest.mark.parametrize("values", GOOD, ids=str)
def test_the_rules_refuse_no_more_than_they_say(values: dict[str, Any]) -> None:
    setting = Setting(**values)
    assert {name: getattr(setting, name) for name in values} == values


def test_an_error_is_renamed_for_who_knows_the_value_by_another_name() -> None:
    error = ConfigError("dim", 1, "expected more")
    assert str(error.renamed({"dim": "dims"})) == "dims: 1 is not allowed; expected more"
    assert error.renamed({"learner": "learners"}).argument == "dim"


def test_the_defaults_are_those_of_the_command() -> None:
    setting = Setting()
    assert setting.construction == "gradient-feedback"
    assert setting.group == "so"
    assert setting.method == "descent"
    assert (setting.trials, setting.seed, setting.epsilon, setting.precision) == (100, 0, 0.01, 0.05)
    assert setting.restarts == GlobalSolverSettings().restarts
    assert (setting.exploration, setting.updates) == (
        OnlineSettings().exploration,
        OnlineSettings().updates_per_transition,
    )


def test_every_field_changes_the_hash() -> None:
    other: dict[str, Any] = {
        "construction": "no-reward-gradient",
        "group": "o",
        "dim": 3,
        "learner": "reengage",
        "method": "minimiser",
        "steps_per_goal": 2,
        "relabels": 2,
        "goals": "hindsight",
        "actions": "sphere",
        "noise": 0.1,
        "count": "episodes",
        "seed": 1,
        "trials": 99,
        "epsilon": 0.02,
        "discount": 0.8,
        "alpha": 2.0,
        "optimizer": "gradient",
        "max_steps": 10,
        "arithmetic": "mixed",
        "restarts": 7,
        "exploration": 0.5,
        "updates": 3,
        "batch_size": 24,
        "precision": 0.04,
    }
    untested = {f.name for f in dataclasses.fields(Setting)} - other.keys()
    assert untested == {"construction_source", "goal_dim", "minibatch", "device"}  # need a partner, or hardware
    hashes = {Setting(**{name: value}).hash() for name, value in other.items()}
    assert len(hashes | {Setting().hash()}) == len(other) + 1
    sources = {Setting(construction="mine.py:Drift", construction_source=source).hash() for source in ("1", "2")}
    assert len(sources) == 2
    assert Setting(optimizer="gradient", minibatch=4).hash() != Setting(optimizer="gradient").hash()
    assert len({Setting(construction="projected-goal", goal_dim=k).hash() for k in (1, 2, 8)}) == 3


def test_equal_settings_are_one() -> None:
    assert len({Setting(dim=4), Setting(dim=4)}) == 1
    assert Setting(dim=4).hash() == Setting(dim=4).hash()
    resolved = Setting(dim=4).resolved()
    assert json.loads(json.dumps(resolved)) == resolved
    assert Setting(**{name: value for name, value in resolved.items() if name != "engine"}) == Setting(dim=4)


@pytest.mark.parametrize("name", [f.name for f in dataclasses.fields(Setting) if f.type == "float"])
def test_a_number_is_one_setting_however_it_is_written(name: str) -> None:
    """A file may hold 1 beside 1.0: equal settings share a plan, whose trials are found by the hash."""
    value = {"noise": 0, "discount": 0}.get(name, 1)
    written, same = Setting(**{name: value}), Setting(**{name: float(value)})
    assert written == same
    assert written.hash() == same.hash()
    assert type(getattr(written, name)) is float


def test_zero_has_no_sign() -> None:
    assert Setting(noise=-0.0).hash() == Setting(noise=0.0).hash()


def test_an_integer_beyond_every_float_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"alpha: 1000.* is not allowed; expected a number with alpha > 0"):
        Setting(alpha=10**400)


def test_a_setting_makes_what_it_names() -> None:
    setting = Setting(construction="projected-goal", dim=5, goal_dim=2, learner="reengage", alpha=3.0, discount=0.5)
    construction, learner = setting.make_construction(), setting.make_learner()
    assert (construction.name, construction.dim, construction.goal_dim) == ("projected-goal", 5, 2)
    assert construction.discount == 0.5
    assert (learner.value_weight, learner.gradient_weight) == (1.0, 3.0)
    protocol = Setting(steps_per_goal=4, actions="sphere", noise=0.25, relabels=3).make_protocol()
    assert (protocol.steps_per_goal, protocol.actions, protocol.noise, protocol.relabels) == (4, "sphere", 0.25, 3)
    assert Setting(trials=30).budget == 360
    assert Setting(steps_per_goal=4, count="episodes").unit == 4
    assert Setting(steps_per_goal=4).unit == 1
    assert Setting(optimizer="heavy-ball").optimiser == "descent (heavy-ball)"
    assert Setting(method="minimiser").optimiser == "minimiser"
