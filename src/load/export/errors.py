"""Why an export cannot be read."""

from __future__ import annotations


class ExportError(Exception):
    """An export that cannot be taken. The message names the object or the table, and says what to do."""


class MissingObjectError(ExportError):
    """An object that S3 does not have."""

    def __init__(self, url: str) -> None:
        super().__init__(
            f"{url} does not exist. If a lifecycle rule or a person deleted it, restore it, or ask for a new export"
        )


class BrokenConnectionError(Exception):
    """A connection to S3 that broke, or an answer that says to try again. The message is its short reason."""
