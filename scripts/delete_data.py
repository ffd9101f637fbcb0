"""The recipe's ``delete_data.py``, with the options of ``dynapinot demo delete``, which it is."""

from __future__ import annotations

from dynapinot.cli.demo import delete_command

if __name__ == "__main__":
    delete_command()
