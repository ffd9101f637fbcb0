"""The guide as a reader goes through it: its commands in order, each with the output that is shown below it."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass

_BLOCK = re.compile(r"^```console\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_EXIT_CODE = re.compile(r" +# exit code (\d)\b.*$", re.MULTILINE)
_ANSWER = re.compile(r" \[y/N\]: (\w+)$")
_PROMPT, _LEFT_OUT = "$ ", "…"


@dataclass(frozen=True, kw_only=True)
class Step:
    """A command as it is typed, its exit code, and the lines shown below it; none of them if nothing is promised."""

    command: str
    exit_code: int
    shown: tuple[str, ...]

    @property
    def answer(self):
        """What is typed when the command asks whether to go on; None if it does not ask."""
        answers = [found[1] for line in self.shown if (found := _ANSWER.search(line))]
        return answers[0] if answers else None


def steps_of(page):
    """Take every command out of the page's console blocks."""
    return [step for block in _BLOCK.findall(page) for step in _steps_of_block(block.splitlines())]


def _steps_of_block(lines):
    assert lines[0].startswith(_PROMPT), f"a console block begins with a command: {lines[0]}"
    starts = [number for number, line in enumerate(lines) if line.startswith(_PROMPT)]
    for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
        last = start
        while _goes_on("\n".join(lines[start : last + 1])):
            last += 1
        typed = "\n".join(lines[start : last + 1]).removeprefix(_PROMPT)
        code = _EXIT_CODE.search(typed)
        yield Step(
            command=_EXIT_CODE.sub("", typed),
            exit_code=int(code[1]) if code else 0,
            shown=tuple(line for line in lines[last + 1 : end] if line.strip()),
        )


def _goes_on(typed):
    """Tell whether a command goes on in the next line: behind a backslash, or within quotes."""
    try:
        shlex.split(typed)
    except ValueError as error:
        return str(error) in ("No closing quotation", "No escaped character")
    return typed.endswith("\\")


def is_as_shown(shown, printed):
    """Tell whether lines were printed as they are shown; `…` is any text of a line, or alone any lines."""
    patterns = [r"(?:[^\n]*\n)*?" if line.strip() == _LEFT_OUT else f"{_pattern(line.rstrip())}\n" for line in shown]
    text = "".join(f"{line.rstrip()}\n" for line in printed.splitlines() if line.strip())
    return re.fullmatch("".join(patterns), text) is not None


def _pattern(line):
    return "[^\n]*".join(map(re.escape, line.split(_LEFT_OUT)))
