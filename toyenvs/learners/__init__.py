"""The learners, by name. A new one is one file and one entry of ``LEARNERS``."""

from toyenvs.learners.ddpg import DDPG
from toyenvs.learners.descent import DescentSettings, Outcome, TrainingResult
from toyenvs.learners.gradient_only import GradientOnly
from toyenvs.learners.learner import Learner
from toyenvs.learners.reengage import ReenGAGE

__all__ = ["DDPG", "LEARNERS", "DescentSettings", "GradientOnly", "Learner", "Outcome", "ReenGAGE", "TrainingResult"]

LEARNERS: dict[str, type[Learner]] = {c.name: c for c in (DDPG, ReenGAGE, GradientOnly)}
"""The registered learners by name."""
