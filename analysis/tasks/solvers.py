"""How a loss is minimised, by name: a record for each method with the settings of that method only.

A new method is one file and one entry of ``SOLVERS``.
"""

from analysis.tasks.descent import Descent
from analysis.tasks.global_solver import GlobalSolver, LeastSquares, Relaxation
from analysis.tasks.online import Online
from analysis.tasks.solver import Solver

__all__ = ["SOLVERS", "Descent", "GlobalSolver", "LeastSquares", "Online", "Relaxation", "Solver"]

SOLVERS: dict[str, type[Solver]] = {c.name: c for c in (Descent, GlobalSolver, LeastSquares, Relaxation, Online)}
"""By the name on the command line (``--method``)."""
