"""Faults injected into runs at random moments, and what is lost, doubled or wrong afterwards: nothing."""
