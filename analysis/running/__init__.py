"""How trials are run: executors, the driver of rounds, progress."""
