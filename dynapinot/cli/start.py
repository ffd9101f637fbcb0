"""Where the command starts: before it has imported anything, it can be interrupted without a traceback."""

from __future__ import annotations

import signal


def main() -> None:
    """Run the command. Until its commands are imported, an interrupt ends the process as it does a program in C."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    from dynapinot.cli.app import app

    signal.signal(signal.SIGINT, signal.default_int_handler)
    app(prog_name="dynapinot")
