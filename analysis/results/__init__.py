"""What a finished experiment found: estimates beside predictions, and verdicts."""
