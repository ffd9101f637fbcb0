"""The whole proposal, and as JSON for scripts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dynapinot.init.capacity import Shards
from dynapinot.init.columns import Column, Columns
from dynapinot.init.files import Naming
from dynapinot.init.next_steps import Step
from dynapinot.init.profile import Profile
from dynapinot.init.table_description import TableDescription


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """Everything that is proposed for a table, and what it was made of.

    ``folder`` is where the files go, ``method`` says how the items were read, ``warnings`` what needs attention.
    """

    described: TableDescription
    naming: Naming
    profile: Profile
    method: str
    columns: Columns
    shards: Shards
    files: Mapping[str, str]
    folder: Path
    notes: tuple[str, ...]
    warnings: tuple[str, ...]
    steps: tuple[Step, ...]

    @property
    def is_clear(self) -> bool:
        """Whether nothing needs attention."""
        return not self.warnings and not any(column.choice.conflict for column in self.columns.columns)


def as_document(proposal: Proposal, *, written: bool) -> dict[str, Any]:
    """Give the proposal as JSON values; counts are of the items that were read."""
    described, naming, shards = proposal.described, proposal.naming, proposal.shards
    return {
        "dynamodb_table": naming.dynamodb_table,
        "pinot_table": naming.pinot_table,
        "stream": naming.stream,
        "region": naming.region,
        "folder": str(proposal.folder),
        "written": written,
        "items": {"read": proposal.profile.items, "in_table": described.items, "method": proposal.method},
        "files": dict(proposal.files),
        "columns": [_column(column) for column in proposal.columns.columns],
        "conflicts": [column.name for column in proposal.columns.columns if column.choice.conflict],
        "left_out": [{"attribute": each.attribute, "why": each.why} for each in proposal.columns.left_out],
        "rest": list(proposal.columns.rest),
        "shards": {
            "count": shards.count,
            "writes_per_second": shards.rate.per_second,
            "writes_known_by": shards.rate.source,
            "guessed": shards.rate.guessed,
            "row_bytes": shards.row_bytes,
            "largest_row_bytes": proposal.profile.largest_row,
        },
        "warnings": list(proposal.warnings),
        "notes": list(proposal.notes),
        "next_steps": [
            {"title": step.title, "commands": list(step.commands), "note": step.note} for step in proposal.steps
        ],
    }


def _column(column: Column) -> dict[str, Any]:
    choice, seen = column.choice, column.seen
    return {
        "name": column.name,
        "role": column.role,
        "type": choice.data_type,
        "multi_value": choice.multi_value,
        "max_length": choice.max_length,
        "from": column.prop or list(column.steps),
        "seen": seen.times if seen else None,
        "of": column.of if seen else None,
        "dynamodb_types": dict(seen.own.tags) if seen else {},
        "why": choice.why,
        "conflict": choice.conflict,
        "alternative": choice.alternative,
        "hints": list(choice.hints),
        "notes": list(column.notes),
    }
