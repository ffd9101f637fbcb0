"""Events are parsed by orjson in the real runtime client, or by the client: only the log shows which."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from dynapinot.local.function import BUCKET
from handlers.parser import LARGEST_EVENT, PARSERS
from limits.events import PAYLOAD_BYTES, compact
from print_counts import print_counts
from runtime.artefact import TEMPLATE
from runtime.emulator import FunctionError
from runtime.meetups import UNICODE, meetup

pytestmark = pytest.mark.engines

LAYER = Path(__file__).with_name("layer")
DONE = {"batchItemFailures": []}
SMALLEST_FUNCTION_MIB = 256  # docs/limits.md
BEYOND_64_BITS = 123456789012345678901234567890


def logged_parser(function):
    [line] = [each for each in map(json.loads, function.log()) if each.get("message") == "event parser"]
    return {name: line[name] for name in ("level", "parser", "wanted")}


@pytest.mark.parametrize("parser", PARSERS)
def test_the_configured_parser_is_used_and_logged(parser, start, variables):
    function = start("Replicator", {**variables, "EVENT_PARSER": parser}, handler="witness.handler", layer=LAYER)
    events = [compact({"Records": [meetup(number)]}).encode() for number in (1, 2)]
    own = [len(event) for event in events] if parser == "runtime" else []
    assert [function.invoke(event) for event in events] == [
        {"answer": DONE, "given": own[:count], "writer": True} for count in (1, 2)
    ]
    assert logged_parser(function) == {"level": "INFO", "parser": parser, "wanted": parser}


def test_the_runtime_parses_by_default_and_the_template_configures_orjson(start, variables):
    bare = {name: value for name, value in variables.items() if name != "EVENT_PARSER"}
    function = start("Replicator", bare)
    assert function.invoke({"Records": []}) == DONE
    assert logged_parser(function) == {"level": "INFO", "parser": "runtime", "wanted": "runtime"}
    assert f"\n  EventParser:\n    Type: String\n    Default: {variables['EVENT_PARSER']}\n" in TEMPLATE.read_text()


# Each has something that orjson leaves to the runtime, or a change that becomes a dead letter, or both.
RECORDS = {
    "every character": meetup(1, meetup_name={"S": UNICODE}),
    "half a surrogate pair": meetup(2, meetup_name={"S": "\ud800"}),
    "an integer beyond 64 bits": meetup(3, rsvp_count={"N": BEYOND_64_BITS}),
    "a number that is text": meetup(4, rsvp_count={"N": str(BEYOND_64_BITS)}),
    "a size beyond 64 bits": meetup(5) | {"dynamodb": {**meetup(5)["dynamodb"], "SizeBytes": BEYOND_64_BITS}},
    "a time beyond 64 bits": meetup(6)
    | {"dynamodb": {**meetup(6)["dynamodb"], "ApproximateCreationDateTime": BEYOND_64_BITS}},
    "a fraction of a second": meetup(7)
    | {"dynamodb": {**meetup(7)["dynamodb"], "ApproximateCreationDateTime": 1719082124.75}},
    "more levels than orjson takes": meetup(8, extra=json.loads('{"L":[' * 600 + "]}" * 600)),
}


def outcomes(function):
    for record in RECORDS.values():
        yield function.invoke(compact({"Records": [record]}).encode())
    yield function.invoke(compact({"Records": list(RECORDS.values())}).encode())


def stored(services):
    """Return the dead letters, by their keys."""
    objects = services.s3.list_objects_v2(Bucket=BUCKET).get("Contents", [])
    return {each["Key"]: services.s3.get_object(Bucket=BUCKET, Key=each["Key"])["Body"].read() for each in objects}


def test_both_parsers_give_the_same_bytes_of_rows_dead_letters_and_responses(start, variables, services, path):
    seen = []
    for parser in PARSERS:
        function = start("Replicator", {**variables, "EVENT_PARSER": parser})
        answers = list(outcomes(function))
        path.live()
        seen.append((answers, sorted(path.records), stored(services)))
        path.records.clear()
        for key in seen[-1][2]:
            services.s3.delete_object(Bucket=BUCKET, Key=key)
    first, second = seen
    assert first == second
    answers, rows, dead_letters = first
    assert answers == [DONE] * (len(RECORDS) + 1)
    assert rows
    records = [json.loads(body)["record"] for body in dead_letters.values()]
    for name in ("half a surrogate pair", "an integer beyond 64 bits", "a time beyond 64 bits"):
        assert RECORDS[name] in records


@pytest.mark.parametrize(
    "event",
    [
        *(
            b"[1, 2",
            b"",
            b'{"Records": [NaN]}',
            b'{"Records": ["\xff"]}',
            b'{"Records": ["\t"]}',
            b'\xef\xbb\xbf{"Records": 1}',
        ),
        *(
            b"{}",
            b"18446744073709551616",
            b'{"Records": 1e400}',
            b'{"Records": ' + b"[" * 200_000 + b"]" * 200_000 + b"}",
        ),
    ],
)
def test_both_parsers_refuse_an_invalid_event_with_the_same_message(event, start, variables):
    errors = []
    for parser in PARSERS:
        function = start("Replicator", {**variables, "EVENT_PARSER": parser})
        with pytest.raises(FunctionError) as caught:
            function.invoke(event)
        assert function.invoke({"Records": [meetup(1)]}) == DONE
        # The place of a byte is counted in the event by one, in the record by the other.
        message = re.sub("in position [0-9]+", "", caught.value.message)
        errors.append((caught.value.kind, message))
    assert errors[0] == errors[1]


def shortest_numbers(size):
    """An event of as many values as fit the size. Its change is a dead letter: its values are not an attribute."""
    record = meetup(1, rsvp_count={"S": "many"}, extra={"L": []})
    room = size - len(compact({"Records": [record]}))
    record["dynamodb"]["NewImage"]["extra"]["L"] = [{"N": "1"}] * ((room + 1) // len('{"N":"1"},'))
    return compact({"Records": [record]}).encode()


def test_no_event_for_orjson_needs_more_memory_than_the_runtimes_largest_event(start, variables, capsys):
    peaks = {}
    for parser, size in (("runtime", PAYLOAD_BYTES), ("orjson", LARGEST_EVENT), ("orjson", PAYLOAD_BYTES)):
        function = start("Replicator", {**variables, "EVENT_PARSER": parser})
        assert function.invoke({"Records": []}) == DONE
        assert function.invoke(shortest_numbers(size)) == DONE
        peaks[f"{parser}, {size >> 20} MiB"] = round(function.usage().peak)
    print_counts(capsys, "events of the shortest numbers, peak MiB", peaks)
    runtimes, orjsons, largest = peaks.values()
    assert orjsons < runtimes < SMALLEST_FUNCTION_MIB
    assert largest < runtimes * 1.05


def test_many_changes_take_less_memory_if_each_is_parsed_on_access(start, variables, capsys):
    """There are ordinary changes and others, which are parsed one at a time."""
    peaks = {}
    one = len(compact({"Records": [meetup(10_000)]}))
    changes = [meetup(number, **({"extra": {"L": []}} if number % 2 else {})) for number in range(PAYLOAD_BYTES // one)]
    event = compact({"Records": changes}).encode()
    for parser in PARSERS:
        function = start("Replicator", {**variables, "EVENT_PARSER": parser})
        assert function.invoke({"Records": []}) == DONE
        assert function.invoke(event) == DONE
        peaks[parser] = round(function.usage().peak)
    print_counts(capsys, f"{len(changes)} changes, peak MiB", peaks)
    assert peaks["orjson"] < peaks["runtime"]
