"""The recipe's ``publish_data.py``, with the options of ``dynapinot demo publish``, which it is."""

from __future__ import annotations

from dynapinot.cli.demo import publish_command

if __name__ == "__main__":
    publish_command()
