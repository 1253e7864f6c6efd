"""Experiments and statistics: whether the theory's thresholds are what learners show.

The public interface is :mod:`analysis.api`; its names are here, and are imported when they are first asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from analysis.api import SweepResults as SweepResults
    from analysis.api import Thresholds as Thresholds
    from analysis.api import fit_scaling as fit_scaling
    from analysis.api import fit_thresholds as fit_thresholds
    from analysis.api import load_run as load_run
    from analysis.api import run_sweep as run_sweep

__all__ = ["SweepResults", "Thresholds", "fit_scaling", "fit_thresholds", "load_run", "run_sweep"]


def __getattr__(name: str) -> Any:
    # The command's first module lies in this package, too, and must not wait for torch.
    if name in __all__:
        from analysis import api

        return getattr(api, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
