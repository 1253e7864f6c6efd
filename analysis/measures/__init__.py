"""What is measured of a task: each measure plans rounds of trials, estimates, judges and says how it is shown.

A new measure is one file and one entry of ``MEASURES``.
"""

from analysis.experiments.measure import Measure
from analysis.measures.error import ErrorMeasure
from analysis.measures.threshold import ThresholdMeasure

__all__ = ["MEASURES", "ErrorMeasure", "ThresholdMeasure"]

MEASURES: dict[str, type[Measure]] = {c.name: c for c in (ThresholdMeasure, ErrorMeasure)}
"""By name, as in ``measure = "threshold"``."""
