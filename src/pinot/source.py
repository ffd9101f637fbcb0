"""Reading a table's optional ``source.toml``: which DynamoDB table it replicates, and where its columns come from."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias, cast

from decoder.attribute import open_attribute
from decoder.change import Image
from decoder.errors import ChangeError
from pinot.errors import Findings, MisfitError
from pinot.metadata import METADATA

Step: TypeAlias = str | int
TtlPolicy: TypeAlias = Literal["delete", "keep"]

REST: Final = "$rest"
TTL_POLICIES: Final = ("delete", "keep")
_KEYS: Final = ("dynamodb_table", "ttl_deletes", "columns")
_STEP: Final = re.compile(r"""\.?([^.\[\]"\s]+)|\[([0-9]+)\]|\["((?:[^"\\]|\\.)*)"\]""")


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What ``source.toml`` says; an absent file is all defaults.

    ``dynamodb_table`` None is any table whose stream is connected. ``columns`` maps a Pinot column to a property of the
    change (``$…``) or to the steps of a path into the item.
    """

    dynamodb_table: str | None = None
    ttl_deletes: TtlPolicy = "delete"
    columns: Mapping[str, str | tuple[Step, ...]] = field(default_factory=dict)


def read_source(document: Mapping[str, object], findings: Findings) -> Source:
    """Read the parsed TOML. Raises TableError with everything that is wrong."""
    for key in document:
        if key not in _KEYS:
            # A design for filters exists; say that it is no typing mistake.
            problem = "filters are not there yet" if key == "when" else "this setting is unknown"
            findings.error(key, problem, f"Use {', '.join(_KEYS)}")
    table = document.get("dynamodb_table")
    if table is not None and (not isinstance(table, str) or not table):
        findings.error("dynamodb_table", "it is not the name of a table", 'Write dynamodb_table = "…"')
        table = None
    policy = document.get("ttl_deletes", "delete")
    if policy not in TTL_POLICIES:
        findings.error("ttl_deletes", "the policy is unknown", f"Use {' or '.join(TTL_POLICIES)}")
    columns: dict[str, str | tuple[Step, ...]] = {}
    entries = document.get("columns", {})
    if not isinstance(entries, dict):
        findings.error("columns", "it is not a table", 'Write [columns] and below it lines of column = "path"')
        entries = {}
    for column, text in entries.items():
        where = f"columns.{column}"
        if not isinstance(text, str) or not text:
            findings.error(where, "it is not text", f'Write {column} = "path.into.the.item"')
        elif not text.startswith("$"):
            steps = parse_path(text)
            if steps is None:
                findings.error(
                    where, "the path cannot be read", 'Write it as "address.city", "lines[0].sku" or ["a b"]'
                )
            else:
                columns[column] = steps
        elif text in METADATA or text == REST:
            columns[column] = text
        else:
            findings.error(where, f"{text} is unknown", f"Use one of {', '.join((*METADATA, REST))}")
    findings.raise_errors()
    return Source(dynamodb_table=table, ttl_deletes=cast("TtlPolicy", policy), columns=columns)


def parse_path(text: str) -> tuple[Step, ...] | None:
    """Split ``order.lines[1].price`` into its steps; None when it is no path. ``["a b"]`` quotes an odd name."""
    steps: list[Step] = []
    position = 0
    while position < len(text):
        match = _STEP.match(text, position)
        if match is None or (match[1] is not None and (text[position] == ".") != bool(steps)):
            return None
        word, index, quoted = match.groups()
        steps.append(int(index) if index is not None else word if word is not None else re.sub(r"\\(.)", r"\1", quoted))
        position = match.end()
    return tuple(steps) if steps and isinstance(steps[0], str) else None


def follow(image: Image, steps: tuple[Step, ...]) -> object:
    """Follow a path into an image's raw attribute values; None where nothing stands.

    Raises MalformedError or MisfitError (the path runs through something that is neither a map, a list nor NULL).
    """
    here: object = image.get(cast("str", steps[0]))
    for taken, step in enumerate(steps[1:], start=1):
        if here is None:
            return None
        try:
            tag, payload = open_attribute(here)
            if tag == "NULL":
                return None
            here = _child(tag, payload, step)
        except ChangeError as error:
            raise error.inside(*steps[:taken]) from None
    return here


def _child(tag: str, payload: object, step: Step) -> object:
    if tag == "M" and isinstance(payload, dict) and isinstance(step, str):
        return payload.get(step)
    if tag == "L" and isinstance(payload, list) and isinstance(step, int):
        return payload[step] if step < len(payload) else None
    wanted = "a map" if isinstance(step, str) else "a list"
    raise MisfitError("type_mismatch", f"the column's path needs {wanted} here, and this is a DynamoDB {tag}")
