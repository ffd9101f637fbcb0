"""Promises of the function on this machine: it is called, and what is given up is kept, as by Lambda."""

from __future__ import annotations

import json

from dynapinot.local.function import BUCKET, Context, failure_keeper, invoke


def test_a_context_counts_down():
    context = Context()
    assert 59_000 < context.get_remaining_time_in_millis() <= 60_000
    assert Context(deadline=0).get_remaining_time_in_millis() == 0
    assert context.aws_request_id != Context().aws_request_id


def test_an_event_and_a_response_are_json_on_the_way():
    seen = []

    def handler(event, context):
        seen.append(event)
        return {"batchItemFailures": ()}

    event = {"Records": ({"a": 1},)}
    assert invoke(handler, event) == {"batchItemFailures": []}
    assert seen == [{"Records": [{"a": 1}]}]


def test_records_given_up_are_kept_where_lambda_keeps_them(services):
    services.s3.create_bucket(Bucket=BUCKET)
    document = {
        "timestamp": "2024-06-22T18:50:00.123Z",
        "requestContext": {"requestId": "316aa6d0-8154-4000-9af7-85d5f4a6bc81"},
        "DDBStreamBatchInfo": {"shardId": "shard-1"},
    }
    failure_keeper(services.s3)(document)
    (kept,) = services.s3.list_objects_v2(Bucket=BUCKET)["Contents"]
    prefix, uuid, rest = kept["Key"].split("/", 3)[0:2], kept["Key"].split("/")[2], kept["Key"].split("/", 3)[3]
    assert prefix == ["aws", "lambda"]
    assert len(uuid) == 36
    assert rest == "shard-1/2024/06/22/2024-06-22T18.50.00-316aa6d0-8154-4000-9af7-85d5f4a6bc81"
    body = services.s3.get_object(Bucket=BUCKET, Key=kept["Key"])["Body"].read()
    assert json.loads(body) == document
