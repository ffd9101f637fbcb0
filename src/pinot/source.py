"""Reading a table's optional ``source.toml``: which DynamoDB table it replicates, and where its columns come from."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias, cast

from pinot.errors import Findings
from pinot.filter import Matches, read_when
from pinot.metadata import METADATA
from pinot.path import UNREADABLE, Step, parse_path

TtlPolicy: TypeAlias = Literal["delete", "keep"]

REST: Final = "$rest"
TTL_POLICIES: Final = ("delete", "keep")
# "3 to 255 characters", HowItWorks.NamingRulesDataTypes.html
_TABLE_NAME: Final = re.compile(r"[a-zA-Z0-9_.-]{3,255}")
SETTINGS: Final = ("dynamodb_table", "when", "ttl_deletes", "leave_out", "columns")


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What ``source.toml`` says; an absent file is all defaults.

    ``dynamodb_table`` None is any table whose stream is connected. ``when`` decides which items are rows, None for all;
    ``when_attributes`` are those it looks at. ``leave_out`` names attributes that are not replicated on purpose.
    ``columns`` maps a Pinot column to a property of the change (``$…``) or to the steps of a path into the item.
    """

    dynamodb_table: str | None = None
    when: Matches | None = None
    when_attributes: frozenset[str] = frozenset()
    leave_out: frozenset[str] = frozenset()
    ttl_deletes: TtlPolicy = "delete"
    columns: Mapping[str, str | tuple[Step, ...]] = field(default_factory=dict)


def read_source(document: Mapping[str, object], findings: Findings) -> Source:
    """Read the parsed TOML. Raises TableError with everything that is wrong."""
    for key in document:
        if key not in SETTINGS:
            findings.error(key, "this setting is unknown", f"Use {', '.join(SETTINGS)}")
    table = document.get("dynamodb_table")
    if table is not None and not (isinstance(table, str) and _TABLE_NAME.fullmatch(table)):
        remedy = 'Write dynamodb_table = "…", the name and not the ARN'
        findings.error("dynamodb_table", "it is not the name of a table", remedy)
        table = None
    policy = document.get("ttl_deletes", "delete")
    if policy not in TTL_POLICIES:
        findings.error("ttl_deletes", "the policy is unknown", f"Use {' or '.join(TTL_POLICIES)}")
    attributes: set[str] = set()
    when = read_when(document["when"], findings, attributes) if "when" in document else None
    leave_out = document.get("leave_out", [])
    if not isinstance(leave_out, list) or not all(isinstance(name, str) and name for name in leave_out):
        findings.error("leave_out", "it is not a list of attribute names", 'Write leave_out = ["attribute", …]')
        leave_out = []
    columns = _read_columns(document.get("columns", {}), findings)
    findings.raise_errors()
    return Source(
        dynamodb_table=table,
        when=when,
        when_attributes=frozenset(attributes),
        leave_out=frozenset(leave_out),
        ttl_deletes=cast("TtlPolicy", policy),
        columns=columns,
    )


def _read_columns(entries: object, findings: Findings) -> dict[str, str | tuple[Step, ...]]:
    columns: dict[str, str | tuple[Step, ...]] = {}
    if not isinstance(entries, dict):
        findings.error("columns", "it is not a table", 'Write [columns] and below it lines of column = "path"')
        entries = {}
    for column, text in entries.items():
        where = f"columns.{column}"
        if column in SETTINGS:
            findings.error(where, "this is no column", f"Write {column} above the line [columns]")
        elif isinstance(text, dict) and text:
            name = f"{column}.{next(iter(text))}"
            remedy = f'Quote a column\'s name that has a dot: "{name}" = "path.into.the.item"'
            findings.error(f"columns.{name}", "TOML takes a dot outside of quotes for a table in a table", remedy)
        elif not isinstance(text, str) or not text:
            findings.error(where, "it is not text", f'Write {column} = "path.into.the.item"')
        elif not text.startswith("$"):
            steps = parse_path(text)
            if steps is None:
                findings.error(where, *UNREADABLE)
            else:
                columns[column] = steps
        elif text in METADATA or text == REST:
            columns[column] = text
        else:
            findings.error(where, f"{text} is unknown", f"Use one of {', '.join((*METADATA, REST))}")
    return columns
