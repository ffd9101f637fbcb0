"""Promises of the event source mapping's model, each as AWS documents it (or says where it does not)."""

from __future__ import annotations

import json
from collections import Counter, defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynapinot.local import event_source
from dynapinot.local.event_source import EventSource, ResponseError, Settings, first_failure
from dynapinot.local.failure import Names

NOW = 1_719_082_200.0
CREATED = 1_719_082_124


def record(number, key="a", created=CREATED, size=0):
    return {
        "eventName": "MODIFY",
        "dynamodb": {
            "SequenceNumber": str(number),
            "Keys": {"id": {"S": key}},
            "ApproximateCreationDateTime": created,
            "Pad": "x" * size,
        },
    }


def numbers(records):
    return [int(each["dynamodb"]["SequenceNumber"]) for each in records]


def failures(*identifiers):
    return {"batchItemFailures": [{"itemIdentifier": each} for each in identifiers]}


class Clock:
    """Goes on only while somebody sleeps."""

    def __init__(self):
        self.now = NOW
        self.slept = []

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        assert seconds > 0
        self.slept.append(seconds)
        self.now += seconds


class Shard:
    """A list of records that is read like a shard; ``grow`` adds some just before a later reading."""

    def __init__(self, *records, grow=()):
        self.records = list(records)
        self.reads = []
        self._grow = list(grow)

    def read(self, after, limit):
        if self.reads and self._grow:
            self.records += self._grow.pop(0)
        self.reads.append((after, limit))
        start = 0 if after is None else numbers(self.records).index(int(after)) + 1
        return self.records[start : start + limit]


class Function:
    """Answers by script, then with success, and keeps what it was given."""

    def __init__(self, *script, answer=None):
        self.batches = []
        self._script = list(script)
        self._answer = answer

    def __call__(self, event):
        assert list(event) == ["Records"]
        json.dumps(event)
        batch = numbers(event["Records"])
        self.batches.append(batch)
        answer = self._script.pop(0) if self._script else self._answer
        if callable(answer):
            answer = answer(batch)
        if isinstance(answer, Exception):
            raise answer
        return answer


ERROR = RuntimeError("the function failed")


def mapping(shard, function, *, clock=None, on_failure=None, pick=lambda _: 0, checkpoint=None, **settings):
    clock = clock or Clock()
    return EventSource(
        shard.read,
        function,
        clock=clock,
        sleep=clock.sleep,
        on_failure=on_failure,
        settings=Settings(**{"report_batch_item_failures": True, **settings}),
        pick=pick,
        checkpoint=checkpoint,
    )


def rejecting(*bad):
    """Answer with an error whenever a batch holds one of these."""
    return lambda batch: ERROR if set(bad) & set(batch) else None


def test_records_come_in_order_in_batches_of_the_batch_size():
    function = Function()
    source = mapping(Shard(*map(record, range(1, 8))), function, batch_size=3)
    source.drain()
    assert function.batches == [[1, 2, 3], [4, 5, 6], [7]]
    assert (source.checkpoint, source.position, source.pending) == ("7", "7", ())


def test_defaults_are_those_of_aws():
    assert Settings() == Settings(
        batch_size=100,
        maximum_batching_window=0,
        parallelization_factor=1,
        bisect_batch_on_function_error=False,
        maximum_retry_attempts=-1,
        maximum_record_age=-1,
        report_batch_item_failures=False,
    )


def test_an_empty_shard_calls_nothing():
    function = Function()
    source = mapping(Shard(), function)
    assert source.step() is False
    assert (function.batches, source.checkpoint, source.position) == ([], None, None)


def test_a_new_poller_goes_on_behind_the_checkpoint_of_the_old_one():
    shard, function = Shard(*map(record, range(1, 7))), Function(failures("3"))
    crashed = mapping(shard, function, batch_size=4)
    assert crashed.step()
    assert crashed.step()
    assert (crashed.checkpoint, crashed.position, crashed.pending) == ("2", "4", ("3", "4"))
    mapping(shard, function, batch_size=4, checkpoint=crashed.checkpoint).drain()
    assert function.batches == [[1, 2, 3, 4], [3, 4, 5, 6]]


@pytest.mark.parametrize("response", [None, {}, {"batchItemFailures": []}, {"batchItemFailures": None}, ""])
def test_empty_and_null_responses_are_a_success(response):
    assert first_failure(response, [record(1), record(2)]) is None


@pytest.mark.parametrize(
    "response",
    [
        failures(""),
        failures(None),
        failures("999"),
        failures("2", "999"),
        failures(2),
        {"batchItemFailures": [{"identifier": "2"}]},
        {"batchItemFailures": ["2"]},
        {"batchItemFailures": {"itemIdentifier": "2"}},
        "no object",
    ],
)
def test_a_response_that_reports_no_record_of_the_batch_fails_all_of_it(response):
    with pytest.raises(ResponseError):
        first_failure(response, [record(1), record(2)])
    function = Function(response)
    mapping(Shard(record(1), record(2)), function).drain()
    assert function.batches == [[1, 2], [1, 2]]


def test_everything_from_the_reported_record_on_is_retried():
    function = Function(failures("3"))
    source = mapping(Shard(*map(record, range(1, 6))), function)
    source.drain()
    assert function.batches == [[1, 2, 3, 4, 5], [3, 4, 5]]


def test_the_lowest_of_several_reported_numbers_counts_and_numbers_are_no_text():
    function = Function(failures("11", "9", "10"))
    mapping(Shard(*map(record, range(8, 12))), function).drain()
    assert function.batches == [[8, 9, 10, 11], [9, 10, 11]]


def test_a_report_is_not_looked_at_unless_that_is_configured():
    function = Function(failures("1"))
    source = mapping(Shard(record(1), record(2)), function, report_batch_item_failures=False)
    source.drain()
    assert function.batches == [[1, 2]]
    assert source.checkpoint == "2"


def test_nothing_later_is_read_while_a_batch_fails():
    function = Function(ERROR, failures("2"), ERROR)
    shard = Shard(*map(record, range(1, 5)))
    mapping(shard, function, batch_size=2).drain()
    assert function.batches == [[1, 2], [1, 2], [2], [2], [3, 4]]


def test_an_exception_fails_the_whole_batch_and_moves_no_checkpoint():
    clock, function = Clock(), Function(ERROR)
    source = mapping(Shard(record(1), record(2)), function, clock=clock)
    assert source.step()
    assert source.step()
    assert (source.checkpoint, source.pending) == (None, ("1", "2"))
    assert clock.slept == [event_source.RETRY_SECONDS]
    source.drain()
    assert function.batches == [[1, 2], [1, 2]]


def test_retries_have_no_end_by_default():
    function = Function(*[ERROR] * 500)
    source = mapping(Shard(record(1)), function)
    source.drain()
    assert len(function.batches) == 501


def test_records_are_given_up_after_the_last_retry_and_the_next_batch_follows():
    given_up = []
    function = Function(answer=rejecting(1))
    source = mapping(
        Shard(*map(record, range(1, 5))), function, batch_size=2, maximum_retry_attempts=2, on_failure=given_up.append
    )
    source.drain()
    assert function.batches == [[1, 2], [1, 2], [1, 2], [3, 4]]
    assert [numbers(json.loads(each["payload"])["Records"]) for each in given_up] == [[1, 2]]
    assert source.checkpoint == "4"


def test_no_retry_at_all_can_be_configured():
    given_up = []
    function = Function(ERROR)
    mapping(Shard(record(1)), function, maximum_retry_attempts=0, on_failure=given_up.append).drain()
    assert function.batches == [[1]]
    assert len(given_up) == 1


def test_only_what_was_not_done_is_given_up_and_progress_restores_no_retry():
    given_up = []
    function = Function(failures("2"), failures("3"), failures("4"))
    mapping(Shard(*map(record, range(1, 6))), function, maximum_retry_attempts=2, on_failure=given_up.append).drain()
    assert function.batches == [[1, 2, 3, 4, 5], [2, 3, 4, 5], [3, 4, 5]]
    assert numbers(json.loads(given_up[0]["payload"])["Records"]) == [4, 5]


def test_a_failed_batch_is_split_in_two_and_its_halves_retried_in_order():
    given_up = []
    function = Function(answer=rejecting(6))
    mapping(
        Shard(*map(record, range(1, 9))),
        function,
        bisect_batch_on_function_error=True,
        maximum_retry_attempts=1,
        on_failure=given_up.append,
    ).drain()
    assert function.batches == [
        [1, 2, 3, 4, 5, 6, 7, 8],
        [1, 2, 3, 4],
        [5, 6, 7, 8],
        [5, 6],
        [5],
        [6],
        [6],
        [7, 8],
    ]
    assert numbers(json.loads(given_up[0]["payload"])["Records"]) == [6]


def test_splitting_costs_no_retry():
    given_up = []
    function = Function(answer=rejecting(1))
    mapping(
        Shard(*map(record, range(1, 5))),
        function,
        bisect_batch_on_function_error=True,
        maximum_retry_attempts=0,
        on_failure=given_up.append,
    ).drain()
    assert function.batches == [[1, 2, 3, 4], [1, 2], [1], [2], [3, 4]]
    assert len(given_up) == 1


def test_a_partial_success_is_split_where_it_says_and_that_costs_no_retry_either():
    function = Function(failures("2"), failures("3"), None)
    given_up = []
    mapping(
        Shard(*map(record, range(1, 5))),
        function,
        bisect_batch_on_function_error=True,
        maximum_retry_attempts=0,
        on_failure=given_up.append,
    ).drain()
    assert function.batches == [[1, 2, 3, 4], [2, 3, 4], [3, 4]]
    assert given_up == []


def test_a_report_of_the_first_record_is_a_retry_even_with_splitting():
    function = Function(failures("1"))
    given_up = []
    mapping(
        Shard(record(1), record(2)),
        function,
        bisect_batch_on_function_error=True,
        maximum_retry_attempts=0,
        on_failure=given_up.append,
    ).drain()
    assert function.batches == [[1, 2]]
    assert numbers(json.loads(given_up[0]["payload"])["Records"]) == [1, 2]


def test_a_senseless_response_splits_the_batch_like_an_exception():
    function = Function(failures("999"))
    mapping(Shard(record(1), record(2)), function, bisect_batch_on_function_error=True).drain()
    assert function.batches == [[1, 2], [1], [2]]


def test_records_that_are_too_old_are_given_up_without_being_sent():
    given_up = []
    function = Function()
    shard = Shard(record(1, created=NOW - 61), record(2, created=NOW - 60), record(3, created=NOW))
    source = mapping(shard, function, maximum_record_age=60, on_failure=given_up.append)
    source.drain()
    assert function.batches == [[2, 3]]
    assert source.checkpoint == "3"
    assert given_up[0]["requestContext"]["condition"] == "RecordAgeExceeded"
    assert given_up[0]["requestContext"]["approximateInvokeCount"] == 0


def test_a_failing_record_is_given_up_when_it_gets_too_old():
    given_up = []
    function = Function(answer=rejecting(1))
    shard = Shard(record(1, created=NOW), record(2, created=NOW + 3600))
    mapping(shard, function, batch_size=1, maximum_record_age=1, on_failure=given_up.append).drain()
    assert function.batches == [[1]] * 5 + [[2]]
    assert len(given_up) == 1
    assert given_up[0]["requestContext"]["approximateInvokeCount"] == 5


def test_records_given_up_are_written_as_lambda_writes_them_to_a_bucket():
    given_up = []
    names = Names(stream_arn="arn:stream", shard_id="shard-1", function_arn="arn:function")
    clock = Clock()
    source = EventSource(
        Shard(record(1), record(2, created=CREATED + 1)).read,
        Function(ERROR),
        clock=clock,
        sleep=clock.sleep,
        on_failure=given_up.append,
        settings=Settings(maximum_retry_attempts=0),
        names=names,
    )
    source.drain()
    (document,) = given_up
    payload = json.loads(document.pop("payload"))
    request_id = document["requestContext"].pop("requestId")
    assert len(request_id) == 36
    assert payload == {"Records": [record(1), record(2, created=CREATED + 1)]}
    assert document == {
        "requestContext": {
            "functionArn": "arn:function",
            "condition": "RetryAttemptsExhausted",
            "approximateInvokeCount": 1,
        },
        "responseContext": {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"},
        "version": "1.0",
        "timestamp": "2024-06-22T18:50:00.000Z",
        "DDBStreamBatchInfo": {
            "shardId": "shard-1",
            "startSequenceNumber": "1",
            "endSequenceNumber": "2",
            "approximateArrivalOfFirstRecord": "2024-06-22T18:48:44Z",
            "approximateArrivalOfLastRecord": "2024-06-22T18:48:45Z",
            "batchSize": 2,
            "streamArn": "arn:stream",
        },
    }


def test_records_given_up_after_a_report_have_no_function_error():
    given_up = []
    mapping(Shard(record(1)), Function(failures("1")), maximum_retry_attempts=0, on_failure=given_up.append).drain()
    assert given_up[0]["responseContext"] == {"statusCode": 200, "executedVersion": "$LATEST"}


def test_records_given_up_without_a_destination_are_gone():
    source = mapping(Shard(record(1), record(2)), Function(ERROR), batch_size=1, maximum_retry_attempts=0)
    source.drain()
    assert source.checkpoint == "2"


def test_a_window_gathers_records_until_the_batch_is_full():
    clock, function = Clock(), Function()
    shard = Shard(record(1), grow=[[record(2)], [record(3), record(4)]])
    mapping(shard, function, clock=clock, batch_size=3, maximum_batching_window=10).drain()
    assert function.batches == [[1, 2, 3], [4]]


def test_a_window_ends_even_if_the_batch_is_not_full():
    clock, function = Clock(), Function()
    shard = Shard(record(1), grow=[[record(2)]])
    source = mapping(shard, function, clock=clock, maximum_batching_window=2)
    assert source.step()
    assert clock.now == NOW + 2
    source.drain()
    assert function.batches == [[1, 2]]


def test_without_a_window_the_first_record_goes_at_once():
    clock, function = Clock(), Function()
    mapping(Shard(record(1), grow=[[record(2)]]), function, clock=clock).drain()
    assert function.batches == [[1], [2]]
    assert clock.slept == []


def test_a_batch_ends_where_its_payload_would_be_over_6_mb(monkeypatch):
    monkeypatch.setattr(event_source, "PAYLOAD_LIMIT_BYTES", 1_000)
    function = Function()
    shard = Shard(record(1, size=300), record(2, size=300), record(3, size=5_000), record(4))
    source = mapping(shard, function)
    source.drain()
    assert function.batches == [[1, 2], [3], [4]]
    assert source.checkpoint == "4"


def test_a_full_payload_ends_the_window(monkeypatch):
    monkeypatch.setattr(event_source, "PAYLOAD_LIMIT_BYTES", 1_000)
    clock, function = Clock(), Function()
    mapping(Shard(record(1, size=1_000)), function, clock=clock, maximum_batching_window=60).step()
    assert clock.slept == []


def test_parallel_batches_keep_the_order_of_each_item():
    function = Function()
    keys = ["a", "b", "c", "d", "e"]
    records = [record(number, key=keys[number % 5]) for number in range(1, 41)]
    source = mapping(Shard(*records), function, batch_size=4, parallelization_factor=3)
    source.drain()
    key_of = {number: keys[number % 5] for number in range(1, 41)}
    seen = defaultdict(list)
    for batch in function.batches:
        assert len(batch) <= 4
        for number in batch:
            seen[key_of[number]].append(number)
    assert seen == {key: [n for n in range(1, 41) if key_of[n] == key] for key in keys}
    assert source.checkpoint == "40"


def test_a_parallel_batch_that_fails_holds_the_checkpoint_and_not_the_others():
    one, other = two_keys_of_different_lanes()
    function = Function(failures("3"))
    shard = Shard(record(1, one), record(2, other), record(3, one), record(4, other), record(5, one))
    source = mapping(shard, function, parallelization_factor=2)
    seen = []
    while source.step():
        seen.append((source.checkpoint, source.pending))
    assert function.batches == [[1, 3, 5], [2, 4], [3, 5]]
    assert seen == [(None, ("1", "2", "3", "4", "5")), ("1", ("2", "3", "4", "5")), ("2", ("3", "5")), ("5", ())]


def test_a_test_can_choose_which_parallel_batch_goes_first():
    one, other = two_keys_of_different_lanes()
    function = Function()
    mapping(
        Shard(record(1, one), record(2, other)), function, parallelization_factor=2, pick=lambda count: count - 1
    ).drain()
    assert function.batches == [[2], [1]]


def two_keys_of_different_lanes():
    keys = "abcdefgh"
    by_lane = {}
    for key in keys:
        by_lane.setdefault(event_source._hash_of_item(record(1, key)) % 2, key)
    return by_lane[0], by_lane[1]


outcomes = st.sampled_from(["success", "error", "report", "nonsense"])


@given(
    keys=st.lists(st.sampled_from("abcde"), min_size=1, max_size=30),
    script=st.lists(st.tuples(outcomes, st.integers(0, 29)), max_size=40),
    batch_size=st.integers(1, 10),
    factor=st.integers(1, 4),
    bisect=st.booleans(),
    retries=st.sampled_from([-1, 0, 1, 3]),
    picks=st.lists(st.integers(0, 3), max_size=40),
)
def test_whatever_fails_every_record_is_done_or_given_up_and_no_item_overtakes_itself(
    keys, script, batch_size, factor, bisect, retries, picks
):
    records = [record(number, key) for number, key in enumerate(keys, start=1)]
    key_of = dict(enumerate(keys, start=1))
    settled, given_up = [], []
    coming, turns = iter(script), iter(picks)

    def function(event):
        batch = numbers(event["Records"])
        kind, place = next(coming, ("success", 0))
        if kind == "error":
            raise ERROR
        if kind == "nonsense":
            return failures("999")
        done = batch[: place % len(batch)] if kind == "report" else batch
        settled.extend(done)
        return failures(str(batch[len(done)])) if kind == "report" else None

    def on_failure(document):
        lost = numbers(json.loads(document["payload"])["Records"])
        settled.extend(lost)
        given_up.extend(lost)

    source = mapping(
        Shard(*records),
        function,
        on_failure=on_failure,
        pick=lambda count: next(turns, 0) % count,
        batch_size=batch_size,
        parallelization_factor=factor,
        bisect_batch_on_function_error=bisect,
        maximum_retry_attempts=retries,
    )
    checkpoint = 0
    while source.step():
        reached = int(source.checkpoint or 0)
        assert reached >= checkpoint
        assert set(range(1, reached + 1)) <= set(settled)
        checkpoint = reached
    assert Counter(settled) == Counter(list(key_of))
    assert source.checkpoint == str(len(records))
    for key in set(keys):
        assert [n for n in settled if key_of[n] == key] == sorted(n for n in settled if key_of[n] == key)
    if retries == -1:
        assert given_up == []
