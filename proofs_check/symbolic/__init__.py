"""Vectors as symbols: abstract inner products that hold for every d, and explicit components for small d."""
