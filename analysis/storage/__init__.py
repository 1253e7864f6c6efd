"""What is kept of a run: the store of trials, its directory, merging, recovery, provenance."""
