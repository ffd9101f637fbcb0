"""What every command says when it cannot do what was asked."""

from __future__ import annotations


class CommandError(Exception):
    """What was asked for cannot be done; the message names what is wrong and says what to do, in a line if it can.

    The command line writes it to stderr and exits with :data:`UNUSABLE`.
    """


# The exit codes of all commands: all is well; something was found that needs attention; the command failed.
WELL, FOUND, UNUSABLE = 0, 1, 2
