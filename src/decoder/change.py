"""One record of a DynamoDB stream as one :class:`Change`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import ROUND_FLOOR, Decimal
from functools import lru_cache
from typing import Any, Final, Literal, NamedTuple, TypeAlias

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

# DynamoDB Streams count whole seconds. Kinesis Data Streams for DynamoDB name their unit; without one they mean
# milliseconds: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/kds_gettingstarted.html
MS_PER_SECOND: Final = 1_000
_WHOLE_MS: Final = {"SECOND": MS_PER_SECOND, "MILLISECOND": 1}
_MS_PER_UNIT: Final = {"SECOND": Decimal(MS_PER_SECOND), "MILLISECOND": Decimal(1), "MICROSECOND": Decimal("0.001")}

_STREAM_ARN_TABLE: Final = re.compile(r"arn:[^:]+:dynamodb:[^:]*:[^:]*:table/([^/]+)(?:/.*)?")
_TTL_IDENTITY: Final = {"type": "Service", "principalId": "dynamodb.amazonaws.com"}


class Change(NamedTuple):
    """One change of one item: what happened, when, and the item's raw images before and after it.

    ``keys``, ``new_image`` and ``old_image`` map attribute names to attribute values as in the event, not yet decoded.
    An image is None if the stream's view type leaves it out; otherwise it has the keys too. ``timestamp_ms`` is in
    epoch milliseconds, whatever unit the record had. ``sequence_number`` is None in the Kinesis form of a change, which
    has none. ``ttl_delete`` is whether DynamoDB's Time to Live deleted the item.

    It is a named tuple because one is made for every record: a frozen dataclass takes six times as long to make.
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

    Raises MalformedError, with the path inside the record, for a record that DynamoDB does not write. That includes
    records of other event sources.
    """
    return _check_images(_open_change(record))


def _open_change(record: object) -> Change:
    """Read a change record. It checks everything but the images' attributes; ``_check_images`` checks those.

    Raises MalformedError as :func:`decode_change` does.
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
    try:
        keys, new_image, old_image = inner.get("Keys"), inner.get("NewImage"), inner.get("OldImage")
        if not isinstance(keys, dict):
            raise _not_an_image("Keys")
        if not keys:
            raise MalformedError("a change has at least one key attribute").inside("Keys")
        if new_image is not None and not isinstance(new_image, dict):
            raise _not_an_image("NewImage")
        if old_image is not None and not isinstance(old_image, dict):
            raise _not_an_image("OldImage")
        has_kinesis_form = "recordFormat" in record
        timestamp_ms = _timestamp_ms(inner, "MILLISECOND" if has_kinesis_form else "SECOND")
        sequence_number, size_bytes = inner.get("SequenceNumber"), inner.get("SizeBytes")
        if not (sequence_number is None and has_kinesis_form):
            check_sequence_number(sequence_number)
        if size_bytes is not None and type(size_bytes) is not int:
            raise _wrong_type("SizeBytes", "int")
        view_type = _text("StreamViewType", inner)
    except MalformedError as error:
        raise error.inside("dynamodb") from None
    arn = _text("eventSourceARN", record)
    return Change(
        event_name,
        timestamp_ms,
        sequence_number,
        keys,
        new_image,
        old_image,
        event_name == "REMOVE" and is_ttl_delete(record.get("userIdentity")),
        _text("eventID", record),
        _text("tableName", record) or (_table_of_arn(arn) if arn else None),
        _text("awsRegion", record),
        size_bytes,
        view_type,
    )


def _check_images(change: Change) -> Change:
    """Check the attribute names in a change's keys and images, and that an image's keys equal the change's keys.

    An image without the keys gets them. Raises MalformedError, with the path inside the record.
    """
    try:
        _check_names("Keys", change.keys)
        new_image = _with_keys("NewImage", change.new_image, change.keys)
        old_image = _with_keys("OldImage", change.old_image, change.keys)
    except MalformedError as error:
        raise error.inside("dynamodb") from None
    return change._replace(new_image=new_image, old_image=old_image)


def _is_plain(image: Image, keys: Image) -> bool:
    """Check quickly for an image in which ``_check_images`` would find nothing wrong and nothing missing."""
    return keys.items() <= image.items() and "".join(image).isascii()


def _not_an_image(name: str) -> MalformedError:
    return MalformedError("an object of attributes belongs here").inside(name)


def _text(name: str, where: Mapping[str, Any]) -> str | None:
    text = where.get(name)
    if text is not None:
        if not isinstance(text, str):
            raise _wrong_type(name, "str")
        if not text.isascii():
            _check_unicode(name, text)
    return text


def _check_names(name: str, image: Image) -> None:
    for attribute in image:
        _check_unicode(name, attribute)


def _check_unicode(name: str, text: str) -> None:
    try:
        check_unicode(text)
    except MalformedError as error:
        raise error.inside(name) from None


def _wrong_type(name: str, expected: str) -> MalformedError:
    return MalformedError(f"must be of the JSON type of {expected}").inside(name)


def _with_keys(name: str, image: Image | None, keys: Image) -> Image | None:
    if image is None or _is_plain(image, keys):
        return image
    _check_names(name, image)
    for key, attribute in keys.items():
        if image.get(key, attribute) != attribute:
            raise MalformedError("a key attribute is not the one in Keys").inside(name, key)
    return image if keys.keys() <= image.keys() else {**keys, **image}


def _timestamp_ms(inner: Mapping[str, Any], default_unit: str) -> int:
    unit = inner.get("ApproximateCreationDateTimePrecision", default_unit)
    if not isinstance(unit, str) or unit not in _MS_PER_UNIT:
        known = ", ".join(_MS_PER_UNIT)
        raise MalformedError(f"must be one of {known}").inside("ApproximateCreationDateTimePrecision")
    try:
        return time_in_ms(inner.get("ApproximateCreationDateTime"), unit)
    except MalformedError as error:
        raise error.inside("ApproximateCreationDateTime") from None


def time_in_ms(time: object, unit: str) -> int:
    """Read the time of a change, in a ``unit`` that DynamoDB has, as epoch milliseconds. Raises MalformedError."""
    if type(time) is int and unit in _WHOLE_MS:  # the usual time, quickly
        timestamp_ms = time * _WHOLE_MS[unit]
        if MIN_TIMESTAMP_MS <= timestamp_ms < MAX_TIMESTAMP_MS:
            return timestamp_ms
    if time is None:
        raise MalformedError("the time of the change is missing, and without it there is no order")
    if isinstance(time, bool) or not isinstance(time, int | float | Decimal):
        raise MalformedError("the time of a change must be a number")
    # The shortest text of a float is exact: 1719082124.026 s is 1719082124026 ms, the float's binary value is not.
    exact = Decimal(time) if isinstance(time, int) else Decimal(str(time))
    if exact.is_finite():
        timestamp_ms = int((exact * _MS_PER_UNIT[unit]).to_integral_value(ROUND_FLOOR))
        if MIN_TIMESTAMP_MS <= timestamp_ms < MAX_TIMESTAMP_MS:
            return timestamp_ms
    detail = f"the time of a change, read in the unit {unit}, must lie between February 1970 and 2100"
    raise MalformedError(detail)


def check_sequence_number(sequence_number: object) -> None:
    """Check the sequence number of a change. Raises MalformedError."""
    if (
        not isinstance(sequence_number, str)
        or not (sequence_number.isascii() and sequence_number.isdigit())
        or len(sequence_number) > SEQUENCE_NUMBER_DIGITS
    ):
        detail = f"must be text of at most {SEQUENCE_NUMBER_DIGITS} decimal digits"
        raise MalformedError(detail).inside("SequenceNumber")


@lru_cache(maxsize=64)  # a function reads one stream, or a few
def _table_of_arn(arn: str) -> str | None:
    match = _STREAM_ARN_TABLE.fullmatch(arn)
    return match[1] if match else None


def is_ttl_delete(identity: object) -> bool:
    """Return whether a REMOVE record's ``userIdentity`` says that DynamoDB's Time to Live deleted the item."""
    # https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/time-to-live-ttl-streams.html
    return isinstance(identity, dict) and all(identity.get(name) == value for name, value in _TTL_IDENTITY.items())
