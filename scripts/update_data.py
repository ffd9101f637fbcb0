"""The recipe's ``update_data.py``, with the options of ``dynapinot demo update``, which it is."""

from __future__ import annotations

from dynapinot.cli.demo import update_command

if __name__ == "__main__":
    update_command()
