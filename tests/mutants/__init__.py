"""Mechanical mutants of the sources, and which claim of the ledger notices which: see ``__main__``."""
