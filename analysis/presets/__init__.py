"""Experiments as TOML files: the package's own and the user's."""
