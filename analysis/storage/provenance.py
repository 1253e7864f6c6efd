"""Where a run's numbers come from: versions, commit, machine, seed, sessions."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from analysis.experiments.experiment import Experiment

__all__ = ["describe_session", "utc_now"]

_PACKAGES = ("reengage-lab", "torch", "numpy", "scipy", "gymnasium", "simpleeval", "matplotlib")


def utc_now() -> str:
    """The time, UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _commit() -> dict[str, Any] | None:
    """Commit of the source tree that this package runs from, if it is a checkout."""
    here = Path(__file__).resolve().parents[1]  # the package

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(here), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()

    try:
        if Path(git("rev-parse", "--show-toplevel")).resolve() != here.parent:
            return None  # installed inside somebody else's repository
        return {"commit": git("rev-parse", "HEAD"), "modified": bool(git("status", "--porcelain"))}
    except (OSError, subprocess.SubprocessError):
        return None


def _command() -> list[str]:
    """The words after ``reengage``; none where a program of the user's made the run."""
    program = Path(sys.argv[0])
    ours = program.stem == "reengage" or program.resolve() == Path(__file__).resolve().parents[1] / "__main__.py"
    return sys.argv[1:] if ours else []


def describe_session(experiment: Experiment, workers: int, executor: str) -> dict[str, Any]:
    """One session's entry in ``provenance.json``; a run that was resumed has several."""
    return {
        "started": utc_now(),
        "command": _command(),
        "configuration": experiment.hash(),
        "seed": experiment.common("seed"),
        "executor": executor,
        "workers": workers,
        "device": experiment.common("device"),
        "source": _commit(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processor": platform.processor() or platform.machine(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "cores": os.cpu_count(),
        "packages": {package: _version(package) for package in _PACKAGES},
    }
