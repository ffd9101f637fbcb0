"""The manifests of an export: what it is of, and which data files it has.

Their fields are in the guide, "Manifest files", and seen in real exports. The guide calls the checksums ``.checksum``;
in real exports they are ``.md5``: the MD5 of the manifest's bytes in base64, 24 bytes without a newline. That this is
so of the summary too is what awslabs/amazon-dynamodb-tools, bulk_executor, checks.
"""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Final, Literal, TypeAlias

import msgspec
from msgspec import Meta, Struct

from load.export.errors import ExportError, MissingObjectError
from load.export.folder import SUMMARY, Folder, object_url

Kind: TypeAlias = Literal["FULL", "INCREMENTAL"]
Fetch: TypeAlias = Callable[[str], bytes]  # reads an object by its key; raises MissingObjectError

_FORMAT: Final = "DYNAMODB_JSON"
_KINDS: Final[dict[str, tuple[Kind, str]]] = {  # by the summary's version
    "2020-06-30": ("FULL", "FULL_EXPORT"),
    "2023-08-01": ("INCREMENTAL", "INCREMENTAL_EXPORT"),
}
_Count: TypeAlias = Annotated[int, Meta(ge=0)]
_Time: TypeAlias = Annotated[datetime, Meta(tz=True)]


@dataclass(frozen=True, slots=True, kw_only=True)
class DataFile:
    """A data file: gzip, with one JSON object a line. ``items`` counts its lines, and is often 0.

    ``key`` begins at the bucket's root. ``md5`` is the base64 MD5 of the compressed bytes, which the object's ETag is
    not: that has the form of a multipart upload. Both are seen in real exports.
    """

    bucket: str
    key: str
    items: int
    md5: str

    @property
    def url(self) -> str:
        """The file as an s3:// URL."""
        return object_url(self.bucket, self.key)


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """An export whose manifests are checked.

    ``time`` is the time whose state the export shows, ``exportTime`` of a full export and ``exportToTime`` of an
    incremental one, which is exclusive. ``from_time`` is an incremental export's ``exportFromTime``, which is
    inclusive, and None for a full one. Both are epoch seconds, rounded down. They come from a clock that may differ by
    a minute from others, says the guide ("Requesting a table export"), so what uses them needs a margin.

    ``has_old_images`` is whether an incremental export holds images from before the window. ``billed_bytes`` is what
    AWS bills, 0 for small full exports.
    """

    table_arn: str
    table_id: str
    export_arn: str
    kind: Kind
    from_time: int | None
    time: int
    has_old_images: bool
    items: int
    billed_bytes: int
    folder: Folder
    files: tuple[DataFile, ...]


# A field that is not here is an error: DynamoDB can export a part of the items and of their attributes
# (S3DataExport.Filtered.html), and how a summary says so is not documented.
class _Summary(Struct, rename="camel", forbid_unknown_fields=True):
    version: str
    export_arn: str
    start_time: str
    end_time: str
    table_arn: str
    table_id: str
    s3_bucket: str
    s3_sse_algorithm: str | None
    manifest_files_s3_key: str
    billed_size_bytes: _Count
    item_count: _Count
    output_format: str
    s3_prefix: str | None = None
    s3_sse_kms_key_id: str | None = None
    export_time: _Time | None = None
    export_from_time: _Time | None = None
    export_to_time: _Time | None = None
    output_view: str | None = None
    export_type: str | None = None


class _Format(Struct, rename="camel"):
    version: str
    output_format: str


class _File(Struct, rename="camel"):
    item_count: _Count
    md5_checksum: str
    data_file_s3_key: str


# Made while there is one thread, see load.files.
_decode_format: Final = msgspec.json.Decoder(_Format).decode
_decode_summary: Final = msgspec.json.Decoder(_Summary).decode
_decode_files: Final = msgspec.json.Decoder(_File).decode_lines


def read_export(fetch: Fetch, folder: Folder) -> Export:
    """Read and check the manifests of an export.

    ``fetch`` reads the objects of the folder's bucket, which may be another one than the export was written to, if the
    objects have the same keys there. Raises ExportError for an export that is not complete, is no DynamoDB JSON, or
    whose manifests contradict themselves or each other.
    """
    summary_key = f"{folder.key}/{SUMMARY}"
    summary = _read_summary(_fetch_summary(fetch, folder, summary_key), folder, summary_key)
    files_key = f"{folder.key}/manifest-files.json"
    if summary.manifest_files_s3_key != files_key:
        raise ExportError(
            f"{folder.url}: the export's files were at {summary.manifest_files_s3_key} when it was written. "
            "Copy the export to the keys that it had, in any bucket"
        )
    files = _read_files(_fetch_checked(fetch, folder, files_key), folder, files_key)
    if sum(file.items for file in files) != summary.item_count:
        raise ExportError(
            f"{object_url(folder.bucket, files_key)}: the files have {sum(file.items for file in files)} items, the "
            f"summary says {summary.item_count}. Ask for a new export"
        )
    kind, export_type = _KINDS[summary.version]
    url = object_url(folder.bucket, summary_key)
    if summary.export_type not in (None, export_type):
        raise ExportError(f"{url}: an export of version {summary.version} cannot be a {summary.export_type}")
    from_time, time = summary.export_from_time, summary.export_time
    if kind == "INCREMENTAL":
        time = summary.export_to_time
    if time is None or (kind == "INCREMENTAL") != (from_time is not None):
        raise ExportError(f"{url}: the times of the export are missing. Ask for a new export")
    return Export(
        table_arn=summary.table_arn,
        table_id=summary.table_id,
        export_arn=summary.export_arn,
        kind=kind,
        from_time=None if from_time is None else _floor(from_time),
        time=_floor(time),
        has_old_images=summary.output_view == "NEW_AND_OLD_IMAGES",
        items=summary.item_count,
        billed_bytes=summary.billed_size_bytes,
        folder=folder,
        files=files,
    )


def _fetch_summary(fetch: Fetch, folder: Folder, key: str) -> bytes:
    try:
        return _fetch_checked(fetch, folder, key)
    except MissingObjectError as error:
        started = f"{folder.key}/_started"  # "verifies that ... the export has begun", says the guide
        try:
            fetch(started)
        except MissingObjectError:
            raise ExportError(f"{folder.url} holds no export: it has neither {SUMMARY} nor _started") from error
        raise ExportError(
            f"{folder.url}: the export has begun but is not complete: it is in progress, or has failed. "
            f"`aws dynamodb list-exports` shows the status of {folder.export_id}"
        ) from error


def _fetch_checked(fetch: Fetch, folder: Folder, key: str) -> bytes:
    data = fetch(key)
    expected = fetch(f"{key.removesuffix('.json')}.md5").strip().decode("ascii", "replace")
    found = base64.b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode()
    if found != expected:
        raise ExportError(
            f"{object_url(folder.bucket, key)}: its MD5 is {found}, and {expected} in the .md5 file beside it. "
            "One of them was changed: restore it, or ask for a new export"
        )
    return data


def _read_summary(data: bytes, folder: Folder, key: str) -> _Summary:
    url = object_url(folder.bucket, key)
    try:
        form = _decode_format(data)
        if form.output_format != _FORMAT:
            raise ExportError(
                f"{url}: the export's format is {form.output_format}, and only {_FORMAT} can be read. "
                f"Ask for an export in {_FORMAT}, the default of ExportTableToPointInTime"
            )
        if form.version not in _KINDS:
            raise ExportError(
                f"{url}: the summary's version is {form.version}; known are {', '.join(_KINDS)}. Update dynapinot"
            )
        return _decode_summary(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ExportError(
            f"{url} is not the summary of an export as it is known: {error}. A filtered export has not all items and "
            "attributes and cannot be loaded: ask for an export of the whole table. Else update dynapinot"
        ) from None


def _read_files(data: bytes, folder: Folder, key: str) -> tuple[DataFile, ...]:
    url = object_url(folder.bucket, key)
    try:
        files = _decode_files(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ExportError(f"{url} is not a list of files, one JSON object a line: {error}") from None
    for name, count in Counter(file.data_file_s3_key for file in files).items():
        if count > 1:
            raise ExportError(f"{url} names the file {name} {count} times. Ask for a new export")
    return tuple(
        DataFile(bucket=folder.bucket, key=each.data_file_s3_key, items=each.item_count, md5=each.md5_checksum)
        for each in files
    )


def _floor(time: datetime) -> int:
    return int(time.timestamp() // 1)
