"""What an attribute looks like in JSON where its value needs no thought, and what of that stands in the row.

These are the pieces that patterns are put together of: each is a regular expression for the payload of an attribute
value, whose groups catch what the exact way would write, to the byte.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from decoder.sight import ANY_TEXT, CHARACTER, ESCAPE
from pinot.schema import Field
from pinot.values import CANONICAL, SHORT_INTEGERS


class Fragment(NamedTuple):
    """How the JSON of an attribute's payload must look, and how its groups stand in the row."""

    pattern: str
    output: str

    @property
    def groups(self) -> int:
        """How many groups the pattern has."""
        return self.output.count("%b")


# By column type and DynamoDB type: what can be told by sight, and has the same text in the row.
FRAGMENTS: Final[Mapping[tuple[str, str], Fragment]] = {
    **{(data_type, "N"): Fragment(f'"({pattern})"', "%b") for data_type, pattern in SHORT_INTEGERS.items()},
    # Up to 15 digits come back from a double as they were; 0.0000… would be written with an exponent.
    ("DOUBLE", "N"): Fragment(
        r'"((?!-?0\.0000)(?:0|-?[1-9][0-9]{0,8}|-0(?=\.)|-?[1-9][0-9]{9,14}(?=")))(\.[0-9]{0,5}[1-9])?"', "%b%b"
    ),
    ("BIG_DECIMAL", "N"): Fragment(rf'"(?=[0-9.-]{{1,38}}")({CANONICAL})"', '"%b"'),
    ("BOOLEAN", "BOOL"): Fragment("(true|false)", "%b"),
}
NULL: Final = Fragment("true", "")

# What an attribute may be that no column takes and that is to be right all the same, by its type; and one of which
# nothing is asked.
RIGHT: Final[Mapping[str, str]] = {
    "S": rf'"{CHARACTER}*+(?:(?:{ESCAPE}|\\u00[01][0-9A-Fa-f]){CHARACTER}*+)*+"',
    "N": rf'"(?=[0-9.-]{{1,38}}")(?:{CANONICAL})"',
    "BOOL": "(?:true|false)",
    "NULL": "true",
}
ANY: Final[Mapping[str, str]] = {
    **dict.fromkeys("SNB", ANY_TEXT),
    **dict.fromkeys(("BOOL", "NULL"), "(?:true|false)"),
}


def text_fragment(max_length: int | None, *, is_key: bool = False) -> Fragment:
    """Make the fragment of an S in a STRING column: no control characters but those with an escape of their own.

    ``max_length`` counts UTF-16 code units, of which a text's JSON in UTF-8 never has more than bytes. In a primary key
    nothing is escaped: the partition key is made of the text itself.
    """
    most = "" if max_length is None else max_length
    plain = rf"{CHARACTER}{{0,{most}}}+"
    if is_key:
        return Fragment(f'"({plain})"', '"%b"')
    return Fragment(rf'"({plain}(?=")|(?:{CHARACTER}|{ESCAPE}){{0,{most}}}+)"', '"%b"')


def fragment(field: Field, tag: str, *, is_key: bool = False) -> Fragment | None:
    """Find the fragment for a DynamoDB type in a column; None where a pattern cannot tell."""
    if not field.single_value:
        return None
    if (field.data_type, tag) == ("STRING", "S"):
        return text_fragment(field.max_length, is_key=is_key)
    return NULL if tag == "NULL" else FRAGMENTS.get((field.data_type, tag))
