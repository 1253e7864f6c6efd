"""What one trial does: frozen, validated descriptions whose identity decides a trial's result and nothing else."""

from analysis.tasks.parametric import FIELDS, ParametricTask, make_task
from analysis.tasks.task import Batch, Plain, Row, Task, run_batch

__all__ = ["FIELDS", "TASKS", "Batch", "ParametricTask", "Plain", "Row", "Task", "make_task", "run_batch"]

TASKS: dict[str, type[Task]] = {c.kind: c for c in (ParametricTask,)}
"""By kind, as a run's ``config.json`` names them."""
