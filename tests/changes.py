"""Makes change records in the format of a Lambda event from DynamoDB Streams."""

from __future__ import annotations

from itertools import count

ARN = "arn:aws:dynamodb:us-east-1:123456789012:table/{}/stream/2024-06-22T18:00:00.000"
TTL_IDENTITY = {"type": "Service", "principalId": "dynamodb.amazonaws.com"}
SECOND = 1719082124

_numbers = count(1)


def record(name, keys, new=None, old=None, *, second=SECOND, sequence=None, table="meetups", **outer):
    """Make one record. ``new`` and ``old`` are the attributes besides the keys, None for no image."""
    number = next(_numbers) if sequence is None else sequence
    inner = {"ApproximateCreationDateTime": second, "Keys": keys, "SequenceNumber": f"{number:021d}", "SizeBytes": 100}
    inner["StreamViewType"] = "NEW_AND_OLD_IMAGES"
    if new is not None:
        inner["NewImage"] = {**keys, **new}
    if old is not None:
        inner["OldImage"] = {**keys, **old}
    return {
        "eventID": f"{number:032x}",
        "eventName": name,
        "eventVersion": "1.1",
        "eventSource": "aws:dynamodb",
        "awsRegion": "us-east-1",
        "dynamodb": inner,
        "eventSourceARN": ARN.format(table),
        **outer,
    }


def insert(keys, new, **options):
    return record("INSERT", keys, new=new, **options)


def modify(keys, new, old=None, **options):
    return record("MODIFY", keys, new=new, old=old, **options)


def remove(keys, old=None, **options):
    return record("REMOVE", keys, old=old, **options)
