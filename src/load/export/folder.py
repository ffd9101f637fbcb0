"""Where an export is: its folder in a bucket."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from load.export.errors import ExportError

# An export's ID is its start in epoch milliseconds and eight hexadecimal digits, seen in real exports and the guide.
_ID: Final = re.compile(r"[0-9]+-[0-9a-f]+")
_URL: Final = re.compile(r"s3://([A-Za-z0-9][A-Za-z0-9._-]+)/(.+)")
SUMMARY: Final = "manifest-summary.json"


class Folder(NamedTuple):
    """The folder of an export's manifests. ``key`` begins at the bucket's root and ends without a slash."""

    bucket: str
    key: str

    @property
    def url(self) -> str:
        """The folder as an s3:// URL."""
        return object_url(self.bucket, self.key)

    @property
    def export_id(self) -> str:
        """The last part of the folder's key, which is also the last part of the export's ARN."""
        return self.key.rpartition("/")[2]


def object_url(bucket: str, key: str) -> str:
    """Return the s3:// URL of an object."""
    return f"s3://{bucket}/{key}"


def parse_folder(url: str) -> Folder:
    """Read the URL of an export's folder, with or without a slash or the summary's name at its end.

    Raises ExportError for everything else, with the form that is expected.
    """
    match = _URL.fullmatch(url)
    key = match[2].removesuffix(SUMMARY).rstrip("/") if match else ""
    parent, _, export_id = key.rpartition("/")
    if match is None or not f"/{parent}".endswith("/AWSDynamoDB") or not _ID.fullmatch(export_id):
        raise ExportError(
            f"{url} is not the folder of an export. Give it as s3://<bucket>/[<prefix>/]AWSDynamoDB/<export id>: "
            "the folder that holds manifest-summary.json"
        )
    return Folder(match[1], key)
