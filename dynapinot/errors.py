"""The error of all commands, and their exit codes."""

from __future__ import annotations


class CommandError(Exception):
    """The command cannot do its work. The message says what is wrong and what to do, in one line if possible.

    The command line writes it to stderr and exits with :data:`FAILED`.
    """


# The exit codes of all commands: all is well; something was found that needs attention; the command failed.
OK, FOUND, FAILED = 0, 1, 2

# And of a process that is cut off, as shells report it: 128 and the number of the signal, SIGINT or SIGPIPE.
INTERRUPTED, PIPE_CLOSED = 130, 141
