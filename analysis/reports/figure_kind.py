"""What a kind of figure is: how it is drawn, the numbers behind it, its caption, and why a run has none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from analysis.errors import ConfigError
from analysis.figures import Figure
from analysis.results.experiment_results import ExperimentResults

__all__ = ["FigureKind"]


@dataclass(frozen=True)
class FigureKind:
    """One kind of figure.

    Attributes:
        about: one line.
        draw: the figure; called within :func:`analysis.figures.paper_style`.
        csv: the numbers behind every mark.
        caption: sentences for the paper.
        refuse: why a run has no such figure; "" if it has.
    """

    about: str
    draw: Callable[[ExperimentResults], Figure]
    csv: Callable[[ExperimentResults], str]
    caption: Callable[[ExperimentResults], str]
    refuse: Callable[[ExperimentResults], str]

    def check(self, results: ExperimentResults, name: str) -> None:
        """Whether a run has such a figure.

        Raises:
            ConfigError: if not, saying why.
        """
        if reason := self.refuse(results):
            raise ConfigError("figure", name, reason)
