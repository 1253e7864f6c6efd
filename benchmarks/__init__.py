"""Measurements of this package itself, each a command: `python -m benchmarks.NAME`."""
