"""Write a diagnosis: a line for each finding, below the part of the path it is in, or JSON for scripts."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict
from typing import Any, Final

from rich.console import Console
from rich.text import Text

from dynapinot.doctor import (
    cloudwatch,
    dynamodb,
    event_source_mapping,
    function,
    kinesis,
    pinot,
    samples,
    tables,
    template,
)
from dynapinot.doctor.finding import Diagnosis, Finding, Level
from dynapinot.wording import say

# The way a change goes, after what can be known of files.
_PARTS: Final = (
    *(
        tables.PART,
        template.PART,
        samples.PART,
        dynamodb.PART,
        event_source_mapping.PART,
        function.PART,
        cloudwatch.PART,
    ),
    *(kinesis.PART, pinot.PART),
)
_STYLES: Final[dict[Level, str]] = {"error": "bold red", "warning": "yellow", "note": "cyan"}
_LEVELS: Final[tuple[Level, ...]] = ("error", "warning", "note")


def write(console: Console, diagnosis: Diagnosis) -> None:
    """Write a diagnosis for a person."""
    for part in _PARTS:
        found = diagnosis.parts.get(part)
        if found:
            say(console, Text(part, "bold"))
            for finding in sorted(found, key=lambda finding: _LEVELS.index(finding.level)):
                say(console, _line(finding))
            say(console, Text())
    if diagnosis.missed:
        say(console, Text("Not looked at", "bold"))
        for missed in diagnosis.missed:
            level: Level = "warning" if missed in diagnosis.refused else "note"
            say(console, Text.assemble((f"{level:8}", _STYLES[level]), (missed.what, "bold"), f": {missed.why}"))
        say(console, Text())
    say(console, Text(f"Looked at: {', '.join(diagnosis.looked_at) or 'nothing'}", "dim"))
    say(console, _verdict(diagnosis))


def document(diagnosis: Diagnosis) -> dict[str, Any]:
    """Give a diagnosis as what ``--json`` writes."""
    return {
        "findings": [{"part": part, **asdict(finding)} for part in _PARTS for finding in diagnosis.parts.get(part, ())],
        "looked_at": diagnosis.looked_at,
        "not_looked_at": [{"what": what, "why": why} for what, why in diagnosis.missed],
        "exit_code": diagnosis.exit_code,
    }


def write_json(console: Console, diagnosis: Diagnosis) -> None:
    """Write a diagnosis for scripts."""
    console.print(Text(json.dumps(document(diagnosis), indent=2, ensure_ascii=False)), soft_wrap=True)


def _line(finding: Finding) -> Text:
    rest = f": {_sentence(finding.problem)} {_sentence(finding.remedy)}"
    return Text.assemble((f"{finding.level:8}", _STYLES[finding.level]), (finding.where, "bold"), rest)


def _sentence(text: str) -> str:
    return text if text.endswith((".", "?")) else f"{text}."


def _verdict(diagnosis: Diagnosis) -> Text:
    counts = Counter(finding.level for finding in diagnosis.findings)
    summary = [f"{counts[level]} {level}{'s' * (counts[level] != 1)}" for level in _LEVELS if counts[level]]
    if diagnosis.refused:
        summary.append(f"{len(diagnosis.refused)} that could not be looked at")
    if diagnosis.exit_code:
        return Text(", ".join(summary), "bold red" if counts["error"] else "bold yellow")
    return Text(", ".join(("nothing wrong in what was looked at", *summary)), "green")
