"""What is measured of a task: each measure plans rounds of trials, estimates, judges and says how it is shown."""
