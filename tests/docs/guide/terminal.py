"""A reader's terminal: one bash that takes a command after the other, and keeps what they set."""

from __future__ import annotations

import os
import pty
import queue
import subprocess
import threading
from contextlib import contextmanager

_END = "--- the command is over: "
_QUESTION = " [y/N]: "
_SECONDS = 60


class Terminal:
    """What was typed and printed is in ``transcript``, for whoever looks into a failure."""

    def __init__(self, process):
        self._process = process
        self._lines = queue.Queue()
        self.transcript = ""
        self.reader = threading.Thread(target=self._read)
        self.reader.start()

    def _read(self):
        for line in self._process.stdout:
            self._lines.put(line)
        self._lines.put(None)

    def run(self, command, answer=None):
        """Run a command; give its exit code and what it printed, on whatever stream.

        An answer is typed on a terminal of the command's own, and shown where it asks.
        """
        with _typed(answer) as source:
            code, printed = self._run(command, source)
        return code, printed.replace(_QUESTION, f"{_QUESTION}{answer}\n", 1) if answer else printed

    def _run(self, command, source):
        self._process.stdin.write(f"{{ {command}\n}} <{source}; printf '\\n{_END}%d\\n' $?\n")
        self._process.stdin.flush()
        printed = ""
        while True:
            line = self._lines.get(timeout=_SECONDS)
            assert line is not None, f"bash ended in {command}:\n{printed}"
            if line.startswith(_END):
                self.transcript += f"$ {command}\n{printed}"
                return int(line.removeprefix(_END)), printed.removesuffix("\n")
            printed += line


@contextmanager
def _typed(answer):
    """Give the file from which a command reads what is typed: nothing, or an answer."""
    if answer is None:
        yield os.devnull
        return
    typing, terminal = pty.openpty()
    try:
        os.write(typing, f"{answer}\n".encode())
        yield os.ttyname(terminal)
    finally:
        os.close(typing)
        os.close(terminal)


@contextmanager
def opened(folder, environment):
    """Open a terminal in a folder."""
    with subprocess.Popen(
        ["bash", "--norc", "--noprofile"],
        cwd=folder,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        terminal = Terminal(process)
        try:
            yield terminal
        finally:
            process.kill()
            terminal.reader.join()
