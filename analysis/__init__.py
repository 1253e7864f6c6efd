"""Experiments and statistics: whether the theory's thresholds are what learners show."""
