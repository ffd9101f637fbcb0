"""Where each attribute of an item goes in a Pinot table, and why; and what its other columns are filled from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from decoder.change import Change, Image
from pinot.expression import names_read_by
from pinot.source import REST
from pinot.table import Row, Table, Use

_PROPERTIES: Final = {
    "$deleted": "whether this row is a delete",
    "$ttl_delete": "whether Time to Live deleted the item",
    "$timestamp": "the change's time",
    "$version": "the change's exact order: its time and sequence number",
    "$sequence_number": "the change's sequence number",
    "$event_name": "INSERT, MODIFY or REMOVE",
    "$event_id": "the change's id",
    "$table": "the DynamoDB table's name",
    "$region": "the table's region",
    "$view_type": "the stream's view type",
    "$size_bytes": "the change's size in the stream",
    REST: "the JSON of every attribute that no other column takes",
}


_WITHHELD: Final = (
    "an expression of Pinot reads it, and a delete goes without it: Pinot drops a row whose expression fails"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AttributeLine:
    """One attribute: its DynamoDB type, the columns that hold something of it, and a sentence that says why."""

    attribute: str
    type: str
    columns: tuple[str, ...]
    why: str


def explain_attributes(table: Table, image: Image, row: Row, values: Mapping[str, Any]) -> Iterator[AttributeLine]:
    """Explain each attribute of the image that a row was made of; ``values`` are the row's.

    The image is one that became a row: each of its attributes is an object of one type tag.
    """
    withheld = {column.name for column in table.columns if row.is_delete and not column.in_tombstones}
    for name, attribute in image.items():
        tag = next(iter(attribute))  # type: ignore[call-overload]  # see above
        columns: list[str] = []
        reasons: list[str] = []
        for use in table.uses.get(name, ()):
            is_withheld = use.how in ("column", "expression") and (use.name or name) in withheld
            reasons.append(_WITHHELD if is_withheld else _reason(table, use, tag, row, values))
            if use.how == "column" and use.name in values:
                columns.append(str(use.name))
        if table.takes_rest and name not in table.taken:
            columns += [column.name for column in table.columns if column.origin == REST]
            reasons.append(f"column {columns[-1]} holds it, with whatever no other column takes")
        if not reasons:
            reasons.append("no column takes it: it is not replicated")
        yield AttributeLine(attribute=name, type=tag, columns=tuple(columns), why="; ".join(reasons))


def explain_other_columns(table: Table, change: Change) -> Mapping[str, str]:
    """Say what fills the columns that take no attribute."""
    filled = {column.name: _PROPERTIES[column.origin] for column in table.columns if isinstance(column.origin, str)}
    computed = {name: f"Pinot computes it: {expression}" for name, expression in table.computed.items()}
    if change.sequence_number is None and "$version" in [column.origin for column in table.columns]:
        filled |= {column.name: "the change's time" for column in table.columns if column.origin == "$version"}
    return filled | computed


def _reason(table: Table, use: Use, tag: str, row: Row, values: Mapping[str, Any]) -> str:
    match use.how:
        case "filter":
            return "source.toml's when looks at it"
        case "left_out":
            return "source.toml leaves it out"
        case "computed":
            return f"Pinot computes the column {use.name} itself, so it is not sent"
        case "expression":
            readers = [name for name, expression in table.computed.items() if use.name in names_read_by(expression)]
            return f"Pinot reads it to compute {', '.join(readers)}" if readers else "Pinot's filter reads it"
    left_out = dict(row.left_out)
    what = f"column {use.name} takes {use.path or 'it'}"
    if use.name in left_out:
        return f"{what}, but the last value does not fit ({left_out[use.name]}), and a delete goes without it"
    if use.name not in values:
        nothing = "NULL" if tag == "NULL" else "empty" if use.path is None else "nothing there"
        return f"{what}: {nothing}, so it is null"
    return what
