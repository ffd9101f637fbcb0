"""A dead letter: a change that can never become a row, stored whole with the reason."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from decoder.change import Change
from decoder.errors import ChangeError
from decoder.record import sequence_number_of
from handlers.version import VERSION
from publisher.entry import Entry

PREFIX: Final = "dead-letters"
UNDECODED: Final = "undecoded"  # in place of the Pinot table, for a record that could not be decoded

_TABLE_NAME: Final = re.compile(r"[A-Za-z0-9_.-]{1,255}")  # of DynamoDB; Pinot's rule for table names is narrower


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """One dead letter. ``position`` is the record's position in the batch.

    ``table`` is the Pinot table that could not take the change. It is None when no Pinot table replicates the DynamoDB
    table, and when the record could not be decoded; then ``change`` is None too.
    """

    position: int
    record: object
    error: ChangeError
    table: str | None
    change: Change | None

    @property
    def sequence_number(self) -> str | None:
        """The record's sequence number, None if it cannot be read."""
        return sequence_number_of(self.record)

    def entry(self) -> Entry:
        """Make the object to store: a retried change gives the same key and the same bytes."""
        body = {
            "reason": self.error.reason,
            "path": self.error.path,
            "detail": self.error.detail,
            "table": self.table,
            "column": self.error.column,
            "dynamodb_table": self.change.table if self.change else None,
            "sequence_number": self.sequence_number,
            "version": VERSION,
            "record": self.record,
        }
        # The standard library's encoder takes everything an event can hold, lone surrogates too. orjson does not.
        return Entry(key=self._key(), data=json.dumps(body).encode(), position=self.position)

    def _key(self) -> str:
        source = (self.change.table if self.change else None) or "unknown"
        date = (
            datetime.fromtimestamp(self.change.timestamp_ms / 1000, UTC).date().isoformat()
            if self.change
            else "undated"
        )
        name = self.sequence_number
        if name is None:
            canonical = json.dumps(self.record, sort_keys=True).encode()
            name = hashlib.sha256(canonical).hexdigest()
        table = self.table or (self.error.reason if self.change else UNDECODED)
        parts = (source if _TABLE_NAME.fullmatch(source) else "unknown", table, date, f"{name}.json")
        return "/".join((PREFIX, *parts))
