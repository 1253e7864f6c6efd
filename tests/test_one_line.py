"""A new construction, class, learner, solver, claim, figure or preset is one file and one entry in a list.

A task and a measure: ``test_seams``.
"""

from __future__ import annotations

import csv
import importlib
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import gymnasium
import numpy as np
import pytest

import toyenvs
from proofs_check.exact.rank_prediction import count_by_rank
from proofs_check.testing import draw_problem
from proofs_check.theory import predicted_count, predicted_threshold, prediction_label
from toyenvs import constructions, registry
from toyenvs.constructions import construction_class
from toyenvs.envs.goal_env import GoalEnv
from toyenvs.hypothesis_classes import HYPOTHESIS_CLASSES, hypothesis_class
from toyenvs.learners import LEARNERS, DescentSettings, Outcome

ROOT = Path(__file__).parent.parent

SOURCE = '''
from dataclasses import dataclass
import numpy as np
from typing_extensions import override
from toyenvs.constructions.base import Construction
from toyenvs.constructions.gradient_feedback import GradientFeedback
from toyenvs.hypothesis_classes import Symmetric
from toyenvs.learners.learner import Learner

class EveryThird(GradientFeedback):
    """Proposition 1, told of as if every third transition were informative."""
    name = "every-third"

    @classmethod
    def transitions_for_informative(cls, count):
        return 3 * count - 2

    @classmethod
    def length_label(cls, label):
        return f"3({label})-2"

class Hankel(Symmetric):
    """U_ij = c_(i+j), 2d − 1 degrees of freedom; every image says d of them at most."""
    name, label = "hankel", "H"
    scalar_label, gradient_label = "2d-1", "2"

    def dimension(self, dim):
        return 2 * dim - 1

    def gradient_count(self, dim):
        return 2

    def space_basis(self, dim):
        index = np.add.outer(np.arange(dim), np.arange(dim))
        basis = np.stack([(index == k).astype(float) for k in range(2 * dim - 1)])
        return basis / np.linalg.norm(basis, axis=(1, 2), keepdims=True)

    def project(self, ambient):
        import torch
        basis = torch.from_numpy(self.space_basis(ambient.shape[-1])).to(ambient)
        return torch.einsum("mij,mkl,...kl->...ij", basis, basis, ambient)

@dataclass(frozen=True)
class Halved(Learner):
    """ReenGAGE with half of the weight."""
    name, label, equations = "halved", "half", "gradient"
    gradient_weight = property(lambda self: 0.5)
'''


@pytest.fixture(scope="module")
def added(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The three, registered in this process; the packages read the table of constructions again."""
    folder = tmp_path_factory.mktemp("added")
    (folder / "added_here.py").write_text(SOURCE, encoding="utf-8")
    sys.path.insert(0, str(folder))
    module = importlib.import_module("added_here")
    ids, known = dict(toyenvs.ENV_IDS), dict(constructions.EXTENSIONS)
    registry.REGISTRY["every-third"] = registry.Registered("added_here", "EveryThird")
    HYPOTHESIS_CLASSES["hankel"] = module.Hankel()
    LEARNERS["halved"] = module.Halved
    importlib.reload(toyenvs)
    constructions.EXTENSIONS.update(constructions.load(from_paper=False))
    yield
    sys.path.remove(str(folder))
    del registry.REGISTRY["every-third"], HYPOTHESIS_CLASSES["hankel"], LEARNERS["halved"], sys.modules["added_here"]
    gymnasium.registry.pop("toyenvs/EveryThird-v0")
    toyenvs.ENV_IDS = ids
    constructions.EXTENSIONS.clear()
    constructions.EXTENSIONS.update(known)


@pytest.mark.usefixtures("added")
def test_a_construction_is_stepped_and_predicted() -> None:
    assert toyenvs.ENV_IDS["toyenvs/EveryThird-v0"] == "every-third"
    env = gymnasium.make("toyenvs/EveryThird-v0", dim=3)
    before, _ = env.reset(seed=0)
    after, *_ = env.step(np.zeros(3))
    np.testing.assert_array_equal(after["observation"], before["observation"])
    assert isinstance(env.unwrapped, GoalEnv)
    assert construction_class("every-third") is type(env.unwrapped.construction)
    # D + 1 = 4 informative transitions at d = 3.
    assert predicted_threshold("every-third", "so", "ddpg", 3) == 10
    assert predicted_threshold("every-third", "so", "ddpg", 3, goals_per_transition=2) is None
    assert prediction_label("every-third", "so", "ddpg") == "3(D+1)-2"


@pytest.mark.usefixtures("added")
@pytest.mark.parametrize("dim", [3, 4])
def test_a_class_has_its_counts_and_exact_ranks_agree(dim: int) -> None:
    assert predicted_count("gradient-feedback", "hankel", "ddpg", dim) == 2 * dim - 1
    found = count_by_rank(construction_class("gradient-feedback"), hypothesis_class("hankel"), dim, 0.0)
    assert (found.dimension, found.ddpg, found.reengage) == (2 * dim - 1, 2 * dim - 1, 2)
    assert prediction_label("gradient-feedback", "hankel", "reengage") == "2"


@pytest.mark.usefixtures("added", "unchecked_types")
def test_a_learner_fits_and_is_predicted() -> None:
    learner = LEARNERS["halved"](settings=DescentSettings(max_steps=5000))
    assert (learner.label, learner.matches_gradients) == ("half", True)
    problem = draw_problem(construction_class("gradient-feedback")(3, 0.0), "hankel", 0, 3, 20, goal_spread=0.0)
    result = learner.fit(
        problem.construction, problem.hypothesis_class, problem.transitions, problem.online_param, None
    )
    assert result.outcome.tolist() == [Outcome.CONVERGED] * 3
    assert predicted_threshold("gradient-feedback", "so", "halved", 5) == 4
    assert predicted_threshold("gradient-feedback", "hankel", "halved", 5) == 2


# --- what the packages list when they are imported ------------------------------------------------------------

FILES = {
    "analysis/tasks/patient.py": '''
from dataclasses import dataclass
from analysis.tasks.descent import Descent
from analysis.tasks.solver import Solver

@dataclass(frozen=True, kw_only=True)
class Patient(Solver):
    """Descent by a setting of its own."""
    name, about = "patient", "as long as patience lasts"
    patience: int = 2

    def run(self, trials):
        return Descent(max_steps=1000 * self.patience).run(trials)
''',
    "proofs_check/claims/added.py": """
from proofs_check.proving.section import Section
from toyenvs.algebra import apply, inner

SECTION = Section("X", "Added")

@SECTION.proof("1", "A rotation keeps lengths.", latex="|Ua| = |a|", source="none")
def _lengths(step):
    U, a = step.space.orthogonal("U"), step.space.vector("a")
    step.equal("lengths", inner(apply(U, a), apply(U, a)), inner(a, a))
""",
    "analysis/reports/added.py": """
from analysis.figures import Mark, Series, alone, draw_thresholds
from analysis.reports.figure_kind import FigureKind

ADDED = FigureKind(
    "one mark",
    lambda results: alone(draw_thresholds, [Series("a", "reengage", (Mark(2, 1.0, None, None),))], [], y_label="N"),
    lambda results: "x,N\\n2,1\\n",
    lambda results: "One mark.",
    lambda results: "",
)
""",
    "analysis/presets/added.toml": """
title = "Added"

[common]
method = "patient"
patience = 5
trials = 16
discount = 0.0

[[curves]]
label = "ReenGAGE"
learner = "reengage"
dim = [2, 3]
predicted = "d - 1"
expect = "equal"
""",
}

ENTRIES = {
    "analysis/tasks/solvers.py": (
        "from analysis.tasks.patient import Patient",
        "(Descent, GlobalSolver,",
        "(Patient, Descent, GlobalSolver,",
    ),
    "proofs_check/ledger.py": (
        "from proofs_check.claims import added",
        "    errata.SECTION,",
        "    errata.SECTION, added.SECTION,",
    ),
    "analysis/reports/figure_kinds.py": (
        "from analysis.reports.added import ADDED",
        '    "collapse":',
        '    "added": ADDED, "collapse":',
    ),
    "analysis/presets/loading.py": ("", '    "propositions",', '    "added", "propositions",'),
}
"""The import and the entry, before and after, in the module that holds the list."""

PROGRAM = """
from analysis.cli.main import main
assert main(["check", "X.1"]) == 0
assert main(["scale", "--preset", "added", "--executor", "serial", "--out", "run"]) == 0
assert main(["scale", "--method", "patient", "--dims", "2,3", "--executor", "serial", "--out", "other"]) == 0
assert main(["plot", "run", "--figure", "added", "--out", "added.svg"]) == 0
"""


def test_a_solver_a_claim_a_figure_and_a_preset_are_met_by_every_command(tmp_path: Path) -> None:
    """In a copy of the packages, since they read their lists when they are imported."""
    for package in ("analysis", "proofs_check", "toyenvs"):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    for name, text in FILES.items():
        (tmp_path / name).write_text(text.lstrip(), encoding="utf-8")
    for name, (imported, before, after) in ENTRIES.items():
        text = (tmp_path / name).read_text(encoding="utf-8")
        assert text.count(before) == 1, name
        text = text.replace("__all__ =", f"{imported}\n__all__ =", 1)
        (tmp_path / name).write_text(text.replace(before, after), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr + done.stdout
    assert "A rotation keeps lengths." in done.stdout
    assert json.loads((tmp_path / "run/config.json").read_text())
    thresholds = list(csv.DictReader((tmp_path / "run/thresholds.csv").read_text().splitlines()))
    assert [row["n_min"] for row in thresholds] == ["1", "2"]
    assert (tmp_path / "added.svg").exists()
