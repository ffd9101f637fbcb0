"""The findings of a diagnosis, and what it could not look at."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple, TypeAlias, TypeVar

from botocore.exceptions import ClientError

from dynapinot.aws import AnotherServerError, refusals
from dynapinot.errors import CommandError

Level: TypeAlias = Literal["error", "warning", "note"]

UNKNOWN: Final = object()  # a setting's value that is not known here

# The exit code of each level: a note is nothing wrong.
_EXIT_CODES: Final[dict[Level, int]] = {"note": 0, "warning": 1, "error": 2}

_Answer = TypeVar("_Answer")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One fault, or one thing to know.

    An ``error`` makes Pinot show something else than DynamoDB holds, or nothing; a ``warning`` does so under
    circumstances; a ``note`` is nothing wrong. ``code`` names the fault, for scripts; ``about`` is the table, stream or
    setting that has it. Two findings of one code and about are one fault, seen from two sides. ``where`` is what to
    look at, in a file or at a service.
    """

    level: Level
    code: str
    about: str
    where: str
    problem: str
    remedy: str


def error(code: str, where: str, problem: str, remedy: str, *, about: str = "") -> Finding:
    """Make a finding of level error."""
    return Finding(level="error", code=code, about=about, where=where, problem=problem, remedy=remedy)


def warning(code: str, where: str, problem: str, remedy: str, *, about: str = "") -> Finding:
    """Make a finding of level warning."""
    return Finding(level="warning", code=code, about=about, where=where, problem=problem, remedy=remedy)


def note(code: str, where: str, problem: str, remedy: str, *, about: str = "") -> Finding:
    """Make a finding of level note."""
    return Finding(level="note", code=code, about=about, where=where, problem=problem, remedy=remedy)


class Missed(NamedTuple):
    """Something that could not be looked at."""

    what: str
    why: str


class AbsentError(Exception):
    """The resource does not exist."""


class Diagnosis:
    """The findings so far: each fault once, under the part of the path it is in."""

    def __init__(self) -> None:
        self.parts: dict[str, list[Finding]] = {}
        self.looked_at: list[str] = []
        self.missed: list[Missed] = []
        self.refused: list[Missed] = []  # of those, what was asked for and not answered
        self._known: set[tuple[str, str]] = set()

    def add(self, part: str, findings: Iterable[Finding]) -> None:
        """Take findings; what is known already from another side is left out."""
        for finding in findings:
            if (finding.code, finding.about) not in self._known:
                self._known.add((finding.code, finding.about))
                self.parts.setdefault(part, []).append(finding)

    def saw(self, what: str) -> None:
        """Note what was looked at."""
        if what not in self.looked_at:
            self.looked_at.append(what)

    def miss(self, what: str, why: str) -> None:
        """Note what was not looked at, and why."""
        if Missed(what, why) not in self.missed:
            self.missed.append(Missed(what, why))

    def ask(self, what: str, call: Callable[[], _Answer], absent: Collection[str] = ()) -> _Answer | None:
        """Ask AWS or Pinot something; None, and noted as missed, when that may not or cannot be seen.

        Raises AbsentError when AWS answers with one of the error codes that say it is not there, and CommandError when
        another server answers.
        """
        try:
            with refusals():
                answer = call()
        except CommandError as error:
            cause = error.__context__
            if isinstance(cause, AnotherServerError):
                raise
            if isinstance(cause, ClientError) and cause.response["Error"]["Code"] in absent:
                self.saw(what)
                raise AbsentError(what) from None
            self.miss(what, str(error))
            self.refused.append(Missed(what, str(error)))
            return None
        self.saw(what)
        return answer

    @property
    def findings(self) -> list[Finding]:
        """List all findings, part by part."""
        return [finding for found in self.parts.values() for finding in found]

    @property
    def exit_code(self) -> int:
        """Return how bad it is: 0 nothing, 1 warnings or something that was asked and not answered, 2 errors."""
        return max((int(bool(self.refused)), *(_EXIT_CODES[finding.level] for finding in self.findings)))
