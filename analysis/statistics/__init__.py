"""What counts say: success curves, thresholds, laws of growth. Knows numbers only, and nothing of learners or runs."""
