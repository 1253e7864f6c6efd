"""What one trial does: frozen, validated descriptions whose identity decides a trial's result and nothing else."""
