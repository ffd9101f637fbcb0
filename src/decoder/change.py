"""One record of a DynamoDB stream as one :class:`Change`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal
from typing import Any, Final, Literal, TypeAlias, cast

from decoder.attribute import check_unicode
from decoder.errors import MalformedError

EventName: TypeAlias = Literal["INSERT", "MODIFY", "REMOVE"]
Image: TypeAlias = Mapping[str, object]  # attribute name -> attribute value, raw

EVENT_NAMES: Final = ("INSERT", "MODIFY", "REMOVE")

# A change's time orders rows and expires tombstones, so a unit misread by a factor of 1,000 must not get through.
# Lowest: Pinot drops a row whose TIMESTAMP is a JSON integer of 32 bits. Highest: 2100-01-01.
MIN_TIMESTAMP_MS: Final = 2**31
MAX_TIMESTAMP_MS: Final = 4_102_444_800_000

# "SequenceNumber: 21-40 digits", API_streams_StreamRecord.html; emulators write shorter ones.
SEQUENCE_NUMBER_DIGITS: Final = 40
_SEQUENCE_NUMBER: Final = re.compile(rf"[0-9]{{1,{SEQUENCE_NUMBER_DIGITS}}}")

# DynamoDB Streams count whole seconds. Kinesis Data Streams for DynamoDB name their unit, and mean milliseconds where
# they do not: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/kds_gettingstarted.html
_MS_PER_UNIT: Final = {"SECOND": Decimal(1000), "MILLISECOND": Decimal(1), "MICROSECOND": Decimal("0.001")}

_STREAM_ARN_TABLE: Final = re.compile(r"arn:[^:]+:dynamodb:[^:]*:[^:]*:table/([^/]+)(?:/.*)?")
_TTL_IDENTITY: Final = {"type": "Service", "principalId": "dynamodb.amazonaws.com"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One change of one item: what happened, when, and the item's raw images before and after it.

    ``keys``, ``new_image`` and ``old_image`` map attribute names to attribute values as the event has them, not looked
    into yet; an image is None when the stream's view type leaves it out, and holds the keys when it is there.
    ``timestamp_ms`` is in epoch milliseconds whatever unit the record had. ``sequence_number`` is None in the Kinesis
    form of a change, which has none. ``ttl_delete`` tells a deletion by DynamoDB's Time to Live.
    """

    event_name: EventName
    timestamp_ms: int
    sequence_number: str | None
    keys: Image
    new_image: Image | None
    old_image: Image | None
    ttl_delete: bool
    event_id: str | None
    table: str | None
    region: str | None
    size_bytes: int | None
    view_type: str | None

    @property
    def version(self) -> str:
        """The exact order of an item's changes as text that sorts: time in ms, then sequence number."""
        return f"{self.timestamp_ms:013d}-{self.sequence_number or '':0>{SEQUENCE_NUMBER_DIGITS}}"


def decode_change(record: object) -> Change:
    """Read one change record: of a DynamoDB Streams event, or the JSON that Kinesis Data Streams for DynamoDB carry.

    Raises MalformedError, with the path inside the record, for a record that DynamoDB does not write, one of another
    event source among them.
    """
    if not isinstance(record, dict):
        raise MalformedError("a record must be an object")
    if record.get("eventSource", "aws:dynamodb") != "aws:dynamodb":
        raise MalformedError("this is no DynamoDB change: its event source is another").inside("eventSource")
    inner = record.get("dynamodb")
    if not isinstance(inner, dict):
        raise MalformedError("a DynamoDB change has an object here").inside("dynamodb")
    event_name = record.get("eventName")
    if event_name not in EVENT_NAMES:
        raise MalformedError(f"must be one of {', '.join(EVENT_NAMES)}").inside("eventName")
    has_kinesis_form = "recordFormat" in record
    try:
        keys = _image("Keys", inner.get("Keys"))
        if not keys:
            raise MalformedError("a change has at least one key attribute").inside("Keys")
        timestamp_ms = _timestamp_ms(inner, "MILLISECOND" if has_kinesis_form else "SECOND")
        sequence_number = inner.get("SequenceNumber")
        if not (sequence_number is None and has_kinesis_form):
            _check_sequence_number(sequence_number)
        new_image = _item_image("NewImage", inner, keys)
        old_image = _item_image("OldImage", inner, keys)
        size_bytes = _optional(int, "SizeBytes", inner)
        view_type = _optional(str, "StreamViewType", inner)
    except MalformedError as error:
        raise error.inside("dynamodb") from None
    return Change(
        event_name=cast("EventName", event_name),
        timestamp_ms=timestamp_ms,
        sequence_number=sequence_number,
        keys=keys,
        new_image=new_image,
        old_image=old_image,
        ttl_delete=event_name == "REMOVE" and _is_ttl(record.get("userIdentity")),
        event_id=_optional(str, "eventID", record),
        table=_optional(str, "tableName", record) or _table_of_arn(_optional(str, "eventSourceARN", record)),
        region=_optional(str, "awsRegion", record),
        size_bytes=size_bytes,
        view_type=view_type,
    )


def _image(name: str, image: object) -> Image:
    if not isinstance(image, dict):
        raise MalformedError("an object of attributes belongs here").inside(name)
    for attribute in image:
        _check_name(attribute, name)
    return image


def _check_name(text: str, where: str) -> None:
    if not text.isascii():
        try:
            check_unicode(text)
        except MalformedError as error:
            raise error.inside(where) from None


def _item_image(name: str, inner: Mapping[str, Any], keys: Image) -> Image | None:
    if inner.get(name) is None:
        return None
    image = _image(name, inner[name])
    for key, attribute in keys.items():
        if key not in image:
            return {**keys, **image}
        if image[key] != attribute:
            raise MalformedError("a key attribute is not the one in Keys").inside(name, key)
    return image


def _timestamp_ms(inner: Mapping[str, Any], default_unit: str) -> int:
    unit = inner.get("ApproximateCreationDateTimePrecision", default_unit)
    if not isinstance(unit, str) or unit not in _MS_PER_UNIT:
        known = ", ".join(_MS_PER_UNIT)
        raise MalformedError(f"must be one of {known}").inside("ApproximateCreationDateTimePrecision")
    time = inner.get("ApproximateCreationDateTime")
    if isinstance(time, bool) or not isinstance(time, int | float | Decimal):
        raise MalformedError("the time of a change must be a number").inside("ApproximateCreationDateTime")
    # A float by its shortest text: 1719082124.026 s is 1719082124026 ms, which the float's binary value is not.
    exact = Decimal(time) if isinstance(time, int) else Decimal(str(time))
    if exact.is_finite():
        timestamp_ms = int((exact * _MS_PER_UNIT[unit]).to_integral_value(ROUND_FLOOR))
        if MIN_TIMESTAMP_MS <= timestamp_ms < MAX_TIMESTAMP_MS:
            return timestamp_ms
    detail = f"the time of a change, read in the unit {unit}, must lie between February 1970 and 2100"
    raise MalformedError(detail).inside("ApproximateCreationDateTime")


def _check_sequence_number(sequence_number: object) -> None:
    if not isinstance(sequence_number, str) or not _SEQUENCE_NUMBER.fullmatch(sequence_number):
        detail = f"must be text of at most {SEQUENCE_NUMBER_DIGITS} decimal digits"
        raise MalformedError(detail).inside("SequenceNumber")


def _optional(kind: type, name: str, where: Mapping[str, Any]) -> Any:  # noqa: ANN401  # kind or None
    value = where.get(name)
    if value is None:
        return None
    if not isinstance(value, kind) or isinstance(value, bool):
        raise MalformedError(f"must be of the JSON type of {kind.__name__}").inside(name)
    if isinstance(value, str):
        _check_name(value, name)
    return value


def _table_of_arn(arn: str | None) -> str | None:
    match = _STREAM_ARN_TABLE.fullmatch(arn or "")
    return match[1] if match else None


def _is_ttl(identity: object) -> bool:
    # https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/time-to-live-ttl-streams.html
    return isinstance(identity, dict) and all(identity.get(name) == value for name, value in _TTL_IDENTITY.items())
