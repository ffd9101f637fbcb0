import json
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from changes import SECOND, TTL_IDENTITY, insert, modify, record, remove
from decoder.change import Change, decode_change
from decoder.errors import MalformedError

SEED = Path(__file__).parent.parent / "seed"
KEYS = {"id": {"S": "a"}}


def test_a_record_becomes_a_change():
    new, old = {"n": {"N": "2"}}, {"n": {"N": "1"}}
    assert decode_change(modify(KEYS, new, old, sequence=7)) == Change(
        event_name="MODIFY",
        timestamp_ms=1719082124000,
        sequence_number="000000000000000000007",
        keys=KEYS,
        new_image={**KEYS, **new},
        old_image={**KEYS, **old},
        ttl_delete=False,
        event_id="00000000000000000000000000000007",
        table="meetups",
        region="us-east-1",
        size_bytes=100,
        view_type="NEW_AND_OLD_IMAGES",
    )


@pytest.mark.parametrize(
    ("view_type", "images"),
    [
        ("KEYS_ONLY", (None, None)),
        ("NEW_IMAGE", ({"n": {"N": "2"}}, None)),
        ("OLD_IMAGE", (None, {"n": {"N": "1"}})),
        ("NEW_AND_OLD_IMAGES", ({"n": {"N": "2"}}, {"n": {"N": "1"}})),
    ],
)
def test_records_of_every_view_type_are_read(view_type, images):
    raw = modify(KEYS, *images)
    raw["dynamodb"]["StreamViewType"] = view_type
    change = decode_change(raw)
    assert (change.view_type, change.new_image, change.old_image) == (
        view_type,
        *(None if image is None else {**KEYS, **image} for image in images),
    )


def at(time, **inner):
    raw = insert(KEYS, {})
    raw["dynamodb"] |= {"ApproximateCreationDateTime": time, **inner}
    return raw


@pytest.mark.parametrize(
    ("time", "timestamp_ms"),
    [
        (1719082124, 1719082124000),
        (1719082124.5, 1719082124500),
        (1719082124.026, 1719082124026),
        (1719082124.0269, 1719082124026),
        (Decimal(1719082124), 1719082124000),
    ],
)
def test_seconds_become_milliseconds(time, timestamp_ms):
    assert decode_change(at(time)).timestamp_ms == timestamp_ms


@given(st.integers(2_147_484, 4_102_444_799), st.integers(0, 999))
def test_no_millisecond_is_lost_to_a_float(second, ms):
    assert decode_change(at(float(f"{second}.{ms:03d}"))).timestamp_ms == second * 1000 + ms


@pytest.mark.parametrize(
    ("time", "precision", "timestamp_ms"),
    [
        (1719082124026, "MILLISECOND", 1719082124026),
        (1719039879869591, "MICROSECOND", 1719039879869),
        (1719082124, "SECOND", 1719082124000),
    ],
)
def test_the_unit_of_a_record_is_used(time, precision, timestamp_ms):
    raw = at(time, ApproximateCreationDateTimePrecision=precision)
    assert decode_change(raw).timestamp_ms == timestamp_ms


@pytest.mark.parametrize(
    "time",
    [None, "1719082124", True, [], 0, -1, 1, 2_147_483, 4_102_444_800, 1719082124026, 1719039879869591, 1e300]
    + [float("nan"), float("inf"), 10**400],
)
def test_a_time_that_is_missing_or_in_another_unit_is_refused(time):
    with pytest.raises(MalformedError) as caught:
        decode_change(at(time))
    assert caught.value.path == "dynamodb.ApproximateCreationDateTime"


def test_a_missing_time_is_reported_as_that():
    raw = at(None)
    del raw["dynamodb"]["ApproximateCreationDateTime"]
    with pytest.raises(MalformedError, match="the time of the change is missing"):
        decode_change(raw)


def test_an_unknown_unit_is_refused():
    with pytest.raises(MalformedError) as caught:
        decode_change(at(SECOND, ApproximateCreationDateTimePrecision="FORTNIGHT"))
    assert caught.value.path == "dynamodb.ApproximateCreationDateTimePrecision"


@pytest.mark.parametrize(
    ("name", "timestamp_ms"),
    [("insert", 1719039879869), ("modify", 1719082124026), ("remove", 1719081613486)],
)
def test_the_seeds_own_records_are_decoded(name, timestamp_ms):
    raw = json.loads((SEED / f"record-{name}.json").read_text())
    change = decode_change(raw)
    assert (change.event_name, change.timestamp_ms, change.sequence_number, change.table) == (
        name.upper(),
        timestamp_ms,
        None,
        "pinot-ingestion-demo",
    )


@pytest.mark.parametrize(
    ("event_name", "identity", "is_ttl"),
    [
        ("REMOVE", TTL_IDENTITY, True),
        ("REMOVE", {**TTL_IDENTITY, "more": 1}, True),
        ("REMOVE", None, False),
        ("REMOVE", {"type": "Service"}, False),
        ("REMOVE", {"type": "User", "principalId": "dynamodb.amazonaws.com"}, False),
        ("REMOVE", "dynamodb.amazonaws.com", False),
        ("MODIFY", TTL_IDENTITY, False),
    ],
)
def test_a_ttl_delete_is_recognized_by_its_user_identity(event_name, identity, is_ttl):
    assert decode_change(record(event_name, KEYS, {}, {}, userIdentity=identity)).ttl_delete is is_ttl


def test_a_version_sorts_by_time_and_then_by_sequence_number():
    changes = [(SECOND, 99), (SECOND, 100), (SECOND + 1, 5), (4_000_000_000, 1)]
    versions = [decode_change(insert(KEYS, {}, second=second, sequence=number)).version for second, number in changes]
    assert versions == sorted(versions)
    assert versions[0] == "1719082124000-" + "99".zfill(40)


def test_an_image_without_its_keys_gets_them():
    raw = remove(KEYS, {"n": {"N": "1"}})
    del raw["dynamodb"]["OldImage"]["id"]
    assert decode_change(raw).old_image == {**KEYS, "n": {"N": "1"}}


def test_the_key_attributes_that_an_image_has_must_equal_the_keys():
    keys = {"id": {"S": "a"}, "sort": {"N": "1"}}
    raw = remove(keys, {"sort": {"N": "2"}})
    del raw["dynamodb"]["OldImage"]["id"]
    with pytest.raises(MalformedError) as caught:
        decode_change(raw)
    assert caught.value.path == "dynamodb.OldImage.sort"


def broken(path, value):
    raw = modify(KEYS, {"n": {"N": "2"}}, {"n": {"N": "1"}})
    *outer, last = path
    where = raw
    for step in outer:
        where = where[step]
    if value is ...:
        del where[last]
    else:
        where[last] = value
    return raw


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (["eventName"], ...),
        (["eventName"], "UPSERT"),
        (["eventName"], ["INSERT"]),
        (["eventSource"], "aws:sqs"),
        (["eventID"], 5),
        (["awsRegion"], {}),
        (["awsRegion"], "half \ud800"),
        (["eventID"], "half \ud800"),
        (["tableName"], "half \ud800"),
        (["tableName"], []),
        (["eventSourceARN"], 1),
        (["dynamodb"], ...),
        (["dynamodb"], []),
        (["dynamodb", "Keys"], ...),
        (["dynamodb", "Keys"], {}),
        (["dynamodb", "Keys"], []),
        (["dynamodb", "NewImage"], []),
        (["dynamodb", "OldImage"], "x"),
        (["dynamodb", "NewImage", "id"], {"S": "another"}),
        (["dynamodb", "OldImage", "id"], {"S": "another"}),
        (["dynamodb", "SequenceNumber"], ...),
        (["dynamodb", "SequenceNumber"], ""),
        (["dynamodb", "SequenceNumber"], 5),
        (["dynamodb", "SequenceNumber"], "12x"),
        (["dynamodb", "SequenceNumber"], "1" * 41),
        (["dynamodb", "SizeBytes"], "100"),
        (["dynamodb", "SizeBytes"], True),
        (["dynamodb", "StreamViewType"], 1),
    ],
)
def test_a_record_that_dynamodb_does_not_write_is_refused_with_its_path(path, value):
    with pytest.raises(MalformedError) as caught:
        decode_change(broken(path, value))
    assert caught.value.path == ".".join(path)


@pytest.mark.parametrize("junk", [None, 1, "record", [], True])
def test_a_record_that_is_not_an_object_is_refused(junk):
    with pytest.raises(MalformedError, match="must be an object"):
        decode_change(junk)


@pytest.mark.parametrize("arn", [None, "", "arn:aws:dynamodb", "arn:aws:sqs:us-east-1:1:queue"])
def test_an_unrecognizable_stream_arn_has_no_table(arn):
    raw = insert(KEYS, {})
    raw["eventSourceARN"] = arn
    assert decode_change(raw).table is None


def test_an_attribute_name_that_utf8_cannot_hold_is_refused():
    with pytest.raises(MalformedError) as caught:
        decode_change(insert(KEYS, {"half \ud800": {"S": "x"}}))
    assert caught.value.path == "dynamodb.NewImage"
