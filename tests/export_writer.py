"""Writes exports to S3 in the layout that DynamoDB writes, and fakes the requests for them.

The layout is that of real exports: ``s3exportdata`` of github.com/gurre/ddb-pitr. moto writes none of the manifests.
Items and images are in the form of an event: a B is base64 text.
"""

from __future__ import annotations

import base64
import hashlib
import json
import zlib
from dataclasses import dataclass
from datetime import UTC, datetime

import botocore.session
from botocore.exceptions import ClientError
from botocore.validate import ParamValidator

TABLE_ARN = "arn:aws:dynamodb:eu-north-1:123456789012:table/meetups"
TABLE_ID = "cf263806-6bf1-4e51-a242-7067dcdecc72"
EXPORT_MS = 1768385930622  # 2026-01-14T10:18:50.622Z
MINUTE_MS = 60_000
SHORTEST_S, LONGEST_S = 15 * 60, 24 * 3600  # of an incremental export, S3DataExport_Requesting.html


@dataclass(frozen=True, kw_only=True)
class Written:
    """An export's objects by key, in the order in which they appear in the bucket, and its folder's key."""

    arn: str
    folder: str
    objects: dict
    items: int

    @property
    def data_files(self):
        return [key for key in self.objects if key.endswith(".gz")]


def full_export(files, *, export_ms=EXPORT_MS, **options):
    """Write a full export. ``files`` are lists of lines, one a data file."""
    return _export(
        files,
        version="2020-06-30",
        start_ms=export_ms,
        times={"exportTime": _iso(export_ms)},
        billed_bytes=0,
        extra={},
        **options,
    )


def incremental_export(
    files, *, from_ms=EXPORT_MS, to_ms=EXPORT_MS + 15 * MINUTE_MS, view="NEW_AND_OLD_IMAGES", **options
):
    """Write an incremental export: its data files are in a folder that all incremental exports share."""
    return _export(
        files,
        version="2023-08-01",
        start_ms=to_ms + 24_000,
        times={"exportFromTime": _iso(from_ms), "exportToTime": _iso(to_ms)},
        billed_bytes=10_000_000,
        extra={"outputView": view, "exportType": "INCREMENTAL_EXPORT"},
        **options,
    )


def _export(
    files,
    *,
    version,
    start_ms,
    times,
    billed_bytes,
    extra,
    bucket="exports",
    prefix=None,
    kms_key=None,
    table_arn=TABLE_ARN,
    output_format="DYNAMODB_JSON",
):
    root = "AWSDynamoDB" if prefix is None else f"{prefix}/AWSDynamoDB"
    export_id = f"{start_ms:014d}-{hashlib.md5(f'{start_ms}'.encode()).hexdigest()[:8]}"
    folder = f"{root}/{export_id}"
    data_folder = f"{root if extra else folder}/data"
    objects = {f"{folder}/_started": b""}
    listed = b""
    for number, lines in enumerate(files):
        data = compressed(b"".join(line + b"\n" for line in lines))
        name = base64.b32encode(hashlib.md5(f"{export_id} {number}".encode()).digest()).decode().rstrip("=").lower()
        key = f"{data_folder}/{name}.json.gz"
        objects[key] = data
        etag = f"{hashlib.md5(hashlib.md5(data).digest()).hexdigest()}-1"  # a multipart upload's, of one part
        entry = {"itemCount": len(lines), "md5Checksum": md5(data), "etag": etag, "dataFileS3Key": key}
        listed += dumps(entry) + b"\n"
    arn = f"{table_arn}/export/{export_id}"
    items = sum(len(lines) for lines in files)
    summary = {
        "version": version,
        "exportArn": arn,
        "startTime": _iso(start_ms),
        "endTime": _iso(start_ms + 6 * MINUTE_MS),
        "tableArn": table_arn,
        "tableId": TABLE_ID,
        **times,
        "s3Bucket": bucket,
        "s3Prefix": prefix,
        "s3SseAlgorithm": "AES256" if kms_key is None else "KMS",
        "s3SseKmsKeyId": kms_key,
        "manifestFilesS3Key": f"{folder}/manifest-files.json",
        "billedSizeBytes": billed_bytes,
        "itemCount": items,
        "outputFormat": output_format,
        **extra,
    }
    manifests = {"manifest-files": listed, "manifest-summary": dumps(summary)}
    for name, data in manifests.items():
        objects[f"{folder}/{name}.json"] = data
        objects[f"{folder}/{name}.md5"] = md5(data).encode()
    return Written(arn=arn, folder=folder, objects=objects, items=items)


def item_line(item):
    """Make a full export's line. The attributes' order is none that a reader may rely on."""
    return dumps({"Item": _stirred(item)})


def change_line(keys, new=None, old=None, *, micros=EXPORT_MS * 1000 + 205):
    """Make an incremental export's line; ``new`` and ``old`` are whole images, with the keys."""
    line = {"Metadata": {"WriteTimestampMicros": {"N": f"{micros}"}}, "Keys": _stirred(keys)}
    for name, image in (("OldImage", old), ("NewImage", new)):
        if image is not None:
            line[name] = _stirred(image)
    return dumps(line)


def spread(lines, files):
    """Divide lines between so many files, by their hashes, as a table's partitions do: some may be empty."""
    parts = [[] for _ in range(files)]
    for line in lines:
        parts[zlib.crc32(line) % files].append(line)
    return parts


def compressed(data):
    """Compress as one gzip member with the header of real data files."""
    deflate = zlib.compressobj(6, zlib.DEFLATED, -zlib.MAX_WBITS)
    body = deflate.compress(data) + deflate.flush()
    header = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
    return header + body + zlib.crc32(data).to_bytes(4, "little") + len(data).to_bytes(4, "little")


def md5(data):
    return base64.b64encode(hashlib.md5(data).digest()).decode()


def dumps(document):
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()


def put(client, bucket, objects):
    """Put an export's objects into a bucket."""
    for key, data in objects.items():
        client.put_object(Bucket=bucket, Key=key, Body=data)


class DynamoDBFake:
    """A DynamoDB client with what exports need: full exports of ``read_items()``, written to a bucket of ``s3``.

    ``read_items`` returns a table's items in an event's form when the export is asked for. An incremental export has
    the lines that ``read_changes`` returns for its window, two epoch seconds. An export is in progress for ``polls``
    polls; with ``failure``, a code and a message, it then fails. ``requests`` keeps the parameters of all calls.
    ``refusal`` is the code of the error that requests for an export raise. ``earliest`` is the first epoch second that
    can be exported.
    """

    def __init__(
        self,
        read_items,
        s3,
        *,
        read_changes=None,
        table_arn=TABLE_ARN,
        files=4,
        polls=1,
        failure=None,
        recovery=True,
        earliest=EXPORT_MS // 1000 - 86_400,
    ):
        self._read_changes = read_changes
        self.earliest = earliest
        self._read_items = read_items
        self._s3 = s3
        self._table_arn = table_arn
        self._files = files
        self._polls = polls
        self._failure = failure
        self._exports = {}
        self._model = botocore.session.get_session().get_service_model("dynamodb")
        self.recovery = recovery
        self.refusal = None
        self.requests = []

    def export_table_to_point_in_time(self, **parameters):
        self._check("ExportTableToPointInTime", parameters)
        if self.refusal is not None:
            raise self._error(self.refusal, "ExportTableToPointInTime")
        if parameters["TableArn"] != self._table_arn:
            raise self._error("TableNotFoundException", "ExportTableToPointInTime")
        if not self.recovery:
            raise self._error("PointInTimeRecoveryUnavailableException", "ExportTableToPointInTime")
        for export in self._exports.values():
            if export["parameters"]["ClientToken"] == parameters["ClientToken"]:
                if export["parameters"] != parameters:
                    raise self._error("ExportConflictException", "ExportTableToPointInTime")
                return {"ExportDescription": {"ExportArn": export["written"].arn, "ExportStatus": "IN_PROGRESS"}}
        written = self._write(
            parameters,
            bucket=parameters["S3Bucket"],
            prefix=parameters.get("S3Prefix"),
            kms_key=parameters.get("S3SseKmsKeyId"),
            table_arn=self._table_arn,
        )
        self._exports[written.arn] = {"parameters": parameters, "written": written, "polls": self._polls}
        put(self._s3, parameters["S3Bucket"], {f"{written.folder}/_started": b""})
        return {"ExportDescription": {"ExportArn": written.arn, "ExportStatus": "IN_PROGRESS"}}

    def _write(self, parameters, **options):
        if parameters["ExportType"] == "FULL_EXPORT":
            lines = [item_line(item) for item in self._read_items()]
            export_ms = int(parameters["ExportTime"].timestamp() * 1000) + len(self._exports)
            return full_export(spread(lines, self._files), export_ms=export_ms, **options)
        window = parameters["IncrementalExportSpecification"]
        begin, end = (int(window[name].timestamp()) for name in ("ExportFromTime", "ExportToTime"))
        if begin < self.earliest or not SHORTEST_S <= end - begin <= LONGEST_S:
            raise self._error("InvalidExportTimeException", "ExportTableToPointInTime")
        return incremental_export(
            spread(self._read_changes(begin, end), self._files),
            from_ms=begin * 1000,
            to_ms=end * 1000,
            view=window["ExportViewType"],
            **options,
        )

    def describe_export(self, **parameters):
        self._check("DescribeExport", parameters)
        export = self._exports.get(parameters["ExportArn"])
        if export is None:
            raise self._error("ExportNotFoundException", "DescribeExport")
        written, bucket = export["written"], export["parameters"]["S3Bucket"]
        description = {"ExportArn": written.arn, "ExportStatus": "IN_PROGRESS", "S3Bucket": bucket}
        if export["polls"]:
            export["polls"] -= 1
        elif self._failure:
            code, message = self._failure
            description |= {"ExportStatus": "FAILED", "FailureCode": code, "FailureMessage": message}
        else:
            put(self._s3, bucket, written.objects)
            description |= {
                "ExportStatus": "COMPLETED",
                "ExportManifest": f"{written.folder}/manifest-summary.json",
                "ItemCount": written.items,
            }
        return {"ExportDescription": description}

    def describe_continuous_backups(self, **parameters):
        self._check("DescribeContinuousBackups", parameters)
        recovery = {"PointInTimeRecoveryStatus": "DISABLED"}
        if self.recovery:
            recovery = {
                "PointInTimeRecoveryStatus": "ENABLED",
                "EarliestRestorableDateTime": datetime.fromtimestamp(self.earliest, UTC),
            }
        return {
            "ContinuousBackupsDescription": {
                "ContinuousBackupsStatus": "ENABLED",
                "PointInTimeRecoveryDescription": recovery,
            }
        }

    def _check(self, operation, parameters):
        """Refuse parameters that the SDK would refuse."""
        report = ParamValidator().validate(parameters, self._model.operation_model(operation).input_shape)
        assert not report.has_errors(), report.generate_report()
        self.requests.append((operation, parameters))

    @staticmethod
    def _error(code, operation):
        return ClientError({"Error": {"Code": code, "Message": f"{code} of the fake."}}, operation)


def _stirred(image):
    """Order an image's attributes by a hash of the whole image and the name."""
    salt = dumps(image)
    return {name: image[name] for name in sorted(image, key=lambda name: zlib.crc32(salt + name.encode()))}


def _iso(ms):
    time = datetime.fromtimestamp(ms // 1000, UTC)
    return f"{time:%Y-%m-%dT%H:%M:%S}.{ms % 1000:03d}Z"
