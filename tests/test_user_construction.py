"""User-defined constructions: loaded, checked, measured, resumed and drawn."""

from __future__ import annotations

import csv
import importlib
import json
import pickle
import shutil
from dataclasses import replace
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest

from analysis.cli.main import main
from analysis.errors import ConfigError
from analysis.presets.comparison import compare_learners
from analysis.reports.results_figure import caption
from analysis.results.saved_run import load_results
from analysis.tasks import Batch, ParametricTask, make_task, run_batch
from analysis.tasks.problem import Problem
from toyenvs.constructions import Construction, GradientFeedback, user_defined
from toyenvs.constructions.user_defined import load_construction

pytestmark = pytest.mark.usefixtures("unchecked_module")

SOURCE = '''
import torch
from toyenvs.algebra import apply, apply_transpose, inner, norm, scale
from toyenvs.constructions import Construction, GradientFeedback
from toyenvs.hypothesis_classes import HypothesisClass, Orthogonal, SpecialOrthogonal, hypothesis_class

class Plain(Construction):
    def dynamics(self, param, observation, action):
        return observation + apply(param, action)
    def goal_reward(self, achieved_goal, goal):
        return inner(goal, achieved_goal)
    def q_value(self, param, observation, action, goal):
        rest = 1 - self.discount
        after = inner(goal, self.dynamics(param, observation, action))
        return after / rest + self.discount * norm(goal) / rest**2
    def policy(self, param, observation, goal):
        return scale(apply_transpose(param, goal), 1 / norm(goal))

class Stated(Plain):
    predicted = {"ddpg": "2 * D + 7", "reengage": "d"}

class Quick(GradientFeedback):
    name = "quick"

class WrongSign(Plain):
    def q_value(self, param, observation, action, goal):
        return super().q_value(param, observation, action, -goal)

class WrongShape(Plain):
    def policy(self, param, observation, goal):
        return inner(goal, goal)

class Hidden(Plain):
    def goal_reward(self, achieved_goal, goal):
        reward = inner(goal, achieved_goal)
        return reward.detach() if isinstance(reward, torch.Tensor) else reward

class WrongReduction(GradientFeedback):
    name = "wrong-reduction"
    def reduced_residuals(self, observation, action, next_observation):
        reduced = super().reduced_residuals(observation, action, next_observation)
        return type(reduced)(reduced.weight, reduced.inputs, -reduced.outputs)

class Tripled(Plain):
    """The same as s' = s + Va with V = 3U, where 3 is no square modulo the prime."""
    group = "all"
    def dynamics(self, param, observation, action):
        return observation + scale(apply(param, action), 3.0)
    def q_value(self, param, observation, action, goal):
        rest = 1 - self.discount
        gain = 3.0 * norm(apply_transpose(param, goal))
        after = inner(goal, self.dynamics(param, observation, action))
        return after / rest + self.discount * gain / rest**2
    def policy(self, param, observation, goal):
        pulled = scale(apply_transpose(param, goal), 3.0)
        return scale(pulled, 1 / norm(pulled))

class Method(Plain):
    def goal_reward(self, achieved_goal, goal):
        return (goal * achieved_goal).sum(-1)

class Started(Plain):
    def initial_observation(self, direction):
        return scale(direction, 2 / norm(direction))

class Few(Plain):
    """From d = 5 on nothing is learned any more."""
    def dynamics(self, param, observation, action):
        return super().dynamics(param, observation, action) if self.dim < 5 else observation + action
    def policy(self, param, observation, goal):
        return super().policy(param, observation, goal) if self.dim < 5 else scale(goal, 1 / norm(goal))

class Discounted(Plain):
    discount = 0.5

class Rounded(Plain):
    def goal_reward(self, achieved_goal, goal):
        return inner(goal, achieved_goal).round()
    def q_value(self, param, observation, action, goal):
        return self.goal_reward(self.dynamics(param, observation, action), goal)

class Misspelled(Plain):
    predicted = {"renegage": "d"}

class Caret(Plain):
    predicted = {"ddpg": "d^2"}

class Incomplete(Construction):
    def dynamics(self, param, observation, action):
        return observation + action

class Elsewhere(Plain):
    group = "nowhere"

class Raises(Plain):
    def policy(self, param, observation, goal):
        return observation.nothing

class Straight(SpecialOrthogonal):
    """A retraction that is none: it leaves the class."""
    name = "straight"
    def retract(self, param, tangent):
        return param + param @ tangent

class Leaving(Plain):
    group = Straight()

class Turned(SpecialOrthogonal):
    name = "turned"
    def retract(self, param, tangent):
        return super().retract(param, -tangent)

class Uphill(Plain):
    group = Turned()

class Fine(SpecialOrthogonal):
    name = "fine"

class BringsGroup(GradientFeedback):
    name = "brings-group"
    group = Fine()

class Mirrored(Orthogonal):
    name = "mirrored"

class BringsReflections(GradientFeedback):
    name = "brings-reflections"
    group = Mirrored()

class Renamed(SpecialOrthogonal):
    name = "so"

class Taken(Plain):
    group = Renamed()
'''


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("user") / "mine.py"
    path.write_text(SOURCE, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def finished(file: Path) -> Path:
    """A run beside the file that it measures."""
    out = file.parent / "run"
    assert scale(file, "BringsGroup", out, "--executor", "serial") == 0
    return out


@pytest.fixture(autouse=True)
def _counts_in_few_dimensions(monkeypatch: pytest.MonkeyPatch) -> None:
    """The largest take most of the time, and no test here asks for them."""
    monkeypatch.setattr("analysis.presets.user_construction._COUNTED_DIMS", range(2, 7))


def scale(file: Path, name: str, out: Path, *more: str) -> int:
    words = ["--construction", f"{file}:{name}", "--dims", "2,3", "--trials", "10", "--quiet", "--out", str(out)]
    return main(["scale", *words, *more])


def thresholds(run: Path) -> list[dict[str, str]]:
    with (run / "thresholds.csv").open(encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Rounded --discount 0", ["derivative 0 by the unknown matrix"]),
        ("Plain --method global-solver", ["states no reduced_residuals"]),
        ("WrongSign", ["value and", "return", "suspect: q_value"]),
        ("WrongShape", ["policy of WrongShape", "shape (1, 1), expected shape (1, 1, 2)", "one vector of length d"]),
        ("Hidden", ["goal gradient", "it should be 0", "suspect: reward", "hidden from automatic differentiation"]),
        ("WrongReduction", ["reduced_residuals"]),
        ("Discounted", ["states discount = 0.5, which every experiment sets itself (--discount)"]),
        ("Misspelled", ["its predicted['renegage']: did you mean reengage?"]),
        ("Caret", ["its predicted['ddpg']: ", "a power is written **"]),
        ("Incomplete", ["does not define goal_reward, policy, q_value"]),
        ("Elsewhere", ["group", "'nowhere', is not one of so, o"]),
        ("Raises", ["its formulas raise", "Error", ", in policy)"]),
        ("Leaving", ["retract of group straight", "projection on the class", "expected at most"]),
        ("Uphill", ["retract of group turned", "cosine -", "expected 1"]),
        ("Taken", ["is called 'so', which is the name of a class of this package"]),
        ("Straight", ["no subclass of toyenvs.constructions.Construction"]),
        ("Nobody", ["has no class 'Nobody'", "Plain, Stated"]),
    ],
)
def test_a_broken_construction_gets_one_line(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, words: list[str]
) -> None:
    name, *more = name.split()
    assert scale(file, name, tmp_path / "run", *more) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"reengage scale: error: argument --{'method' if '--method' in more else 'construction'}: ")
    for word in words:
        assert word in line
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("def f(:\n", ["cannot be run: SyntaxError", "(line 1)"]),
        ("x = 1\n\nx.y\n", ["cannot be run: AttributeError", "(line 3)"]),
        ("import sys\nsys.nothing()\n", ["AttributeError", "(line 2)"]),
        (
            "from toyenvs.hypothesis_classes import HypothesisClass\n"
            "class Flat(HypothesisClass):\n    name = 'flat'\n    retract = HypothesisClass.retract\nFlat()\n",
            ["abstract", "retract", "(line 5)"],
        ),
        ("", ["has no class 'Plain'", "none"]),
        ("import sys\nsys.exit(3)\n", ["cannot be run: SystemExit: 3 (line 2)"]),
    ],
)
def test_a_file_that_cannot_be_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, words: list[str]
) -> None:
    path = tmp_path / "broken.py"
    path.write_text(text, encoding="utf-8")
    assert scale(path, "Plain", tmp_path / "run") == 2
    (line,) = capsys.readouterr().err.splitlines()
    for word in words:
        assert word in line


def test_names_that_lead_nowhere(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert scale(tmp_path / "missing.py", "Plain", tmp_path / "run") == 2
    assert "No such file or directory" in capsys.readouterr().err
    (tmp_path / "mine.py").write_text("from toyenvs.constructions import GradientFeedback as G\nclass Mine(G): ...\n")
    assert main(["scale", "--construction", str(tmp_path / "mine.py")]) == 2
    assert "mine.py has no class ''; its constructions are: Mine" in capsys.readouterr().err
    assert main(["scale", "--construction", "gradient-fedback"]) == 2
    assert "gradient-feedback" in capsys.readouterr().err


def test_thresholds_and_predictions_come_unasked(file: Path, tmp_path: Path) -> None:
    assert scale(file, "Plain", tmp_path / "a", "--executor", "serial", "--dims", "2,3", "--trials", "5") == 0
    rows = {(row["learner"], int(row["dim"])): row for row in thresholds(tmp_path / "a")}
    assert {key: float(row["predicted"]) for key, row in rows.items()} == {
        ("ddpg", 2): 2, ("ddpg", 3): 4, ("reengage", 2): 1, ("reengage", 3): 2,
    }  # fmt: skip
    # The same as the construction that it is a copy of, which learns by its reduction.
    assert int(rows["reengage", 3]["n_min"]) == 2
    assert (tmp_path / "a" / "figures" / "complexity.pdf").is_file()
    found = load_results(tmp_path / "a")
    assert "Predictions for DDPG and ReenGAGE are counted: equations near U, by exact ranks." in caption(found)
    assert "Environment: mine.py:Plain, SO(d)." in caption(found)
    assert found.experiment.title.startswith("mine.py:Plain, SO(d), ")


def test_workers_load_the_file_and_find_the_same(file: Path, finished: Path, tmp_path: Path) -> None:
    assert scale(file, "BringsGroup", tmp_path / "run", "--executor", "processes") == 0
    assert (tmp_path / "run" / "thresholds.csv").read_bytes() == (finished / "thresholds.csv").read_bytes()


def test_a_changed_file_does_not_go_on_with_old_results(
    finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = shutil.copytree(finished, tmp_path / "run")
    (tmp_path / "mine.py").write_text(SOURCE + "# another version\n", encoding="utf-8")
    assert scale(tmp_path / "mine.py", "BringsGroup", run, "--executor", "serial") == 2
    assert "construction_source" in capsys.readouterr().err
    assert (run / "thresholds.csv").read_bytes() == (finished / "thresholds.csv").read_bytes()


def test_a_finished_run_is_drawn_without_running_its_construction(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    config = json.loads((finished / "config.json").read_text(encoding="utf-8"))
    assert {asked["task"]["problem"]["construction"] for asked in config["questions"]} == {"mine.py:BringsGroup"}
    assert str(finished.parent) not in json.dumps(config)  # the same file elsewhere is the same construction
    run = shutil.copytree(finished, tmp_path / "run")
    monkeypatch.setattr(user_defined, "_LOADED", {})
    assert main(["plot", str(run), "--format", "svg", "--out", str(tmp_path / "drawn")]) == 0
    assert len(list((tmp_path / "drawn").iterdir())) == 4
    capsys.readouterr()
    # A landscape would need it.
    assert main(["plot", str(run), "--figure", "landscape"]) == 2
    assert "a construction of this package" in capsys.readouterr().err


def test_a_worker_refuses_another_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "mine.py"
    file.write_text(SOURCE, encoding="utf-8")
    loaded = load_construction(f"{file}:Plain")
    task = make_task({"construction": loaded.name, "construction_source": loaded.source, "dim": 2})
    batch = Batch(task, 3, 0, 2)
    assert len(run_batch(batch)) == 2
    monkeypatch.setattr(user_defined, "_LOADED", {})
    with pytest.raises(ConfigError, match="has not been loaded"):
        task.problem.make_construction()
    assert len(run_batch(pickle.loads(pickle.dumps(batch)))) == 2  # a worker loads the file itself
    monkeypatch.setattr(user_defined, "_LOADED", {})
    file.write_text(SOURCE + "\n", encoding="utf-8")
    with pytest.raises(RuntimeError, match="has changed since the run began"):
        run_batch(batch)
    file.unlink()
    with pytest.raises(RuntimeError, match=r"cannot be loaded by a worker: .*No such file"):
        run_batch(batch)
    nowhere = replace(task, problem=replace(task.problem, reference=None))
    assert nowhere == task  # where it lies is no part of what it is
    with pytest.raises(RuntimeError, match="was defined in another process"):
        run_batch(Batch(nowhere, 3, 0, 2))


def test_what_a_construction_states_is_what_is_compared(file: Path) -> None:
    experiment = compare_learners((2, 3), ("ddpg", "reengage"), construction=f"{file}:Stated")
    assert [point.predicted for point in experiment.points] == [9, 13, 2, 3]
    assert [curve.predict(10) for curve in experiment.curves] == [97, 10]


def test_what_a_construction_states_is_about_its_data(file: Path) -> None:
    for data, known in (
        ({}, True),
        ({"relabels": 4}, False),
        ({"steps_per_goal": 2}, False),
        ({"goals": "hindsight"}, False),
        ({"noise": 0.1}, False),
    ):
        experiment = compare_learners((3, 4), ("ddpg",), construction=f"{file}:Stated", **data)
        (curve,) = experiment.curves
        assert (curve.prediction is not None) == known
        assert (curve.expectation.kind == "order") == known
        for name, value in data.items():
            assert f"what is stated of it does not speak of {name} = {value}" in experiment.about


def test_a_class_without_tangents_is_said_to_be_one(file: Path) -> None:
    about = compare_learners(
        (3,), ("ddpg",), construction=f"{file}:Quick", group="permutation", method="global-solver"
    ).about
    assert about == "Nothing is predicted of DDPG: equations are not counted on the class permutation."


def problem_of(dim: int, construction: str | type[Construction], **more: Any) -> Problem:
    (task,) = compare_learners((dim,), ("ddpg",), construction=construction, **more).tasks
    assert isinstance(task, ParametricTask)
    return task.problem


def test_a_class_can_be_given_itself() -> None:
    experiment = compare_learners((3,), ("ddpg",), construction=GradientFeedback)
    assert experiment.tasks == [make_task({"dim": 3})]

    class Local(GradientFeedback):
        name = "local"

    problem = problem_of(3, Local)
    assert problem.construction == "test_user_construction.py:Local"
    assert problem.user_construction is not None
    assert problem.user_construction.construction is Local
    assert problem.reference is None  # no other process could find it
    assert problem.make_construction().name == "local"


def test_an_entry_point_is_a_name_like_any_other(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = EntryPoint("their-drift", "toyenvs.constructions:GradientFeedback", user_defined.ENTRY_POINTS)

    def installed(group: str, name: str) -> list[EntryPoint]:
        assert group == user_defined.ENTRY_POINTS
        return [entry] if name == "their-drift" else []

    monkeypatch.setattr(user_defined, "entry_points", installed)
    problem = problem_of(3, "their-drift")
    assert (problem.construction, problem.reference) == ("their-drift", "their-drift")
    with pytest.raises(ConfigError, match=r"construction: 'their-drip' is not allowed; .*an entry point"):
        compare_learners((3,), ("ddpg",), construction="their-drip")


def test_its_group_can_be_another_one(file: Path) -> None:
    assert problem_of(4, f"{file}:Plain", group="unitary").group == "unitary"
    # The value of Plain is right for rotations only, and that is found out.
    with pytest.raises(ConfigError, match="value and"):
        compare_learners((4,), ("ddpg",), construction=f"{file}:Plain", group="all")


def predictions(file: Path, name: str, **more: Any) -> tuple[list[float | None], str]:
    found = compare_learners((2, 3, 4, 6), ("ddpg", "reengage"), construction=f"{file}:{name}", **more)
    return [point.predicted for point in found.points], found.about


def test_a_root_of_the_other_sign_makes_no_prediction(file: Path) -> None:
    # Modulo the prime √9 is −3: the error does not vanish at the truth there, so nothing is counted.
    assert predictions(file, "Tripled") == (
        [None] * 8,
        "Nothing is predicted of DDPG and ReenGAGE: the equations cannot be counted (Tripled: no point at which"
        " its square roots exist and its error vanishes modulo 2147483647).",
    )


def test_formulas_that_exact_numbers_do_not_know_cost_the_prediction_only(file: Path) -> None:
    predicted, about = predictions(file, "Method")
    assert predicted == [None] * 8
    assert "the formulas do not run on exact numbers ('DualNumber' object has no attribute 'sum')" in about


def test_a_start_of_its_own(file: Path) -> None:
    predicted, about = predictions(file, "Started")
    assert predicted == [2, 4, 7, 16, 1, 2, 3, 5]
    assert about == "Predictions for DDPG and ReenGAGE are counted: equations near U, by exact ranks."


def test_what_is_never_identified_is_not_extrapolated_to(file: Path) -> None:
    assert predictions(file, "Few", discount=0.5)[0] == [2, 4, 7, None, 1, 2, 3, None]


def test_a_class_from_outside_is_counted_by_the_tangents_that_it_states(file: Path) -> None:
    assert predictions(file, "BringsGroup")[0] == [2, 4, 7, 16, 1, 2, 3, 5]
    predicted, about = predictions(file, "BringsReflections")
    assert predicted == [2, 4, 7, 16, None, None, None, None]
    assert "does not see reflections" in about


def test_two_files_may_have_groups_of_one_name(tmp_path: Path) -> None:
    text = """
from toyenvs.constructions import GradientFeedback
from toyenvs.hypothesis_classes import {0}
class Group({0}):
    name = "mine"
class Mine(GradientFeedback):
    name = "one"
    group = Group()
"""
    problems = []
    for file, parent in (("a.py", "SpecialOrthogonal"), ("b.py", "Orthogonal")):
        (tmp_path / file).write_text(text.format(parent), encoding="utf-8")
        problems.append(problem_of(3, f"{tmp_path / file}:Mine"))
    parents = [type(problem.make_group()).__mro__[1].__name__ for problem in problems]
    assert parents == ["SpecialOrthogonal", "Orthogonal"]


def test_a_class_that_was_imported_before_its_file_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "imported_before.py"
    text = (
        "from toyenvs.constructions import GradientFeedback\nclass C(GradientFeedback):\n    name, group = 'c', 'so'\n"
    )
    path.write_text(text, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    module = importlib.import_module("imported_before")
    path.write_text(text.replace("'so'", "'o'"), encoding="utf-8")
    # What is hashed is what is run.
    assert problem_of(3, module.C).group == "o"
