"""What can be wrong with a value (at run time) and with a table's files (at start)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

from decoder.errors import ChangeError

NO_TABLE: Final = "no_table"  # the reason of a change that no Pinot table replicates


class MisfitError(ChangeError):
    """A valid DynamoDB value that its Pinot column cannot hold, or a change that lacks what a row must have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing wrong with a table's files. An ``error`` rules out right rows; a ``warning`` is what Pinot refuses,
    or does and is probably not meant.
    """

    level: Literal["error", "warning"]
    file: str
    where: str  # the column or the dotted path of the setting
    problem: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.file}: {self.where}: {self.problem}. {self.remedy}."


class TableError(ValueError):
    """A table's files cannot give right rows; ``findings`` has every reason, the message a line for each."""

    def __init__(self, findings: Iterable[Finding]) -> None:
        self.findings = tuple(findings)
        super().__init__("\n".join(str(finding) for finding in self.findings))


class Findings:
    """What has been found wrong with one file so far."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.found: list[Finding] = []

    def error(self, where: str, problem: str, remedy: str) -> None:
        """Note what rules out right rows."""
        self.found.append(Finding(level="error", file=self.file, where=where, problem=problem, remedy=remedy))

    def warning(self, where: str, problem: str, remedy: str) -> None:
        """Note what Pinot refuses, or does and is probably not meant."""
        self.found.append(Finding(level="warning", file=self.file, where=where, problem=problem, remedy=remedy))

    def raise_errors(self) -> None:
        """Raise TableError if any error was noted."""
        errors = [finding for finding in self.found if finding.level == "error"]
        if errors:
            raise TableError(errors)
