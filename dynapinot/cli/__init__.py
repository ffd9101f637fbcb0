"""The ``dynapinot`` command: its subcommands, their options and their help."""
