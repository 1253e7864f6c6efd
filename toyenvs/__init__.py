"""Toy environments for the theory of goal-conditioned sample complexity: what is learned, and by whom."""
