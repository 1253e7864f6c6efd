"""The command reengage, a module for each of its subcommands."""
