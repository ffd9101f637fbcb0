"""orjson parses an event into the same objects as the runtime's own parser, which parses everything else."""

from __future__ import annotations

import json
import re
import sys
from types import ModuleType, SimpleNamespace

import orjson
import pytest
import simplejson
from hypothesis import given
from hypothesis import strategies as st

from changes import insert
from decoder.records import Records
from handlers.parser import LARGEST_EVENT, ORJSON, PARSERS, RUNTIME, Marshaller, set_parser
from strategies import encode, values

CLIENT = "awslambdaric.lambda_runtime_client"


class UnmarshalError(Exception):
    """The runtime's error for an event that it cannot parse."""


class RuntimesMarshaller:
    """Parses and serializes as awslambdaric 4.2.2 does, and keeps its requests."""

    def __init__(self):
        self.requests = []
        self.jsonEncoder = simplejson.JSONEncoder()

    def unmarshal_request(self, request, content_type="application/json"):
        self.requests.append((request, content_type))
        if content_type != "application/json":
            return request
        try:
            return simplejson.loads(request)
        except Exception as error:  # noqa: BLE001  # as the runtime does
            raise UnmarshalError(f"Unable to unmarshal input: {error}") from None

    def marshal_response(self, response):
        return self.jsonEncoder.encode(response), "application/json"


@pytest.fixture
def client(monkeypatch):
    """The runtime's client: its class has the marshaller, in newer versions a base class has it."""
    base = type("BaseLambdaRuntimeClient", (), {"marshaller": RuntimesMarshaller()})
    module = ModuleType(CLIENT)
    module.LambdaRuntimeClient = type("LambdaRuntimeClient", (base,), {})
    monkeypatch.setitem(sys.modules, CLIENT, module)
    return module.LambdaRuntimeClient


def outcome(parse, request):
    """The outcome of a request: the object, exact in types, signs and the order of names, or the error."""
    try:
        made = parse(request)
        if isinstance(made, dict) and isinstance(made.get("Records"), Records):
            made = {**made, "Records": list(made["Records"])}
        return repr(made)
    except UnmarshalError as error:
        return re.sub("in position [0-9]+", "", str(error))  # of the event, or of one of its records


def test_the_runtimes_parser_is_kept_unless_another_is_configured(client):
    own = client.marshaller
    assert set_parser(RUNTIME) == RUNTIME
    assert client.marshaller is own


def test_orjson_replaces_the_parser_of_an_existing_client(client):
    running = client()
    own = client.marshaller
    assert set_parser(ORJSON) == ORJSON
    made = running.marshaller.unmarshal_request(b'{"Records": [{}]}', "application/json")
    assert list(made["Records"]) == [{}]
    assert own.requests == []


def test_replacing_the_parser_twice_is_the_same_as_once(client):
    assert set_parser(ORJSON) == ORJSON
    first = client.marshaller
    assert set_parser(ORJSON) == ORJSON
    assert client.marshaller is first


def test_responses_and_all_other_attributes_are_the_runtimes(client):
    own = client.marshaller
    set_parser(ORJSON)
    assert client.marshaller.marshal_response == own.marshal_response
    assert client.marshaller.marshal_response({"batchItemFailures": []}) == (
        '{"batchItemFailures": []}',
        "application/json",
    )
    assert client.marshaller.jsonEncoder is own.jsonEncoder
    with pytest.raises(AttributeError, match="'RuntimesMarshaller' object has no attribute 'compress'"):
        _ = client.marshaller.compress


@pytest.mark.parametrize("configured", PARSERS)
def test_without_the_runtime_nothing_is_replaced_or_imported(configured, monkeypatch):
    monkeypatch.delitem(sys.modules, CLIENT, raising=False)
    assert set_parser(configured) == RUNTIME
    assert CLIENT not in sys.modules


class Sealed(type):
    """Lets no attribute be set, like a class written in C."""

    def __setattr__(cls, name, value):
        raise TypeError(f"cannot set '{name}' attribute of immutable type '{cls.__name__}'")


def with_method(function):
    return type("Client", (), {"marshaller": type("Its", (), {"unmarshal_request": function})()})


@pytest.mark.parametrize(
    "client",
    [
        None,
        SimpleNamespace(),
        type("Client", (), {}),
        type("Client", (), {"marshaller": None}),
        type("Client", (), {"marshaller": simplejson}),
        type("Client", (), {"marshaller": SimpleNamespace(unmarshal_request="application/json")}),
        type("Client", (), {"marshaller": SimpleNamespace(unmarshal_request=dict)}),
        with_method(lambda self: {}),
        with_method(lambda self, request: {}),
        with_method(lambda self, request, content_type: {}),
        with_method(lambda self, request, content_type=None: {}),
        with_method(lambda self, body, content_type="application/json": {}),
        with_method(lambda self, request, content_type="application/json", charset="utf-8": {}),
        with_method(lambda self, *arguments: {}),
        Sealed("Client", (), {"marshaller": RuntimesMarshaller()}),
    ],
)
def test_a_runtime_with_an_unknown_interface_keeps_its_parser(client, monkeypatch):
    own = getattr(client, "marshaller", None)
    monkeypatch.setitem(sys.modules, CLIENT, SimpleNamespace(LambdaRuntimeClient=client))
    assert set_parser(ORJSON) == RUNTIME
    assert getattr(client, "marshaller", None) is own


def test_a_module_without_the_runtimes_client_is_ignored(monkeypatch):
    monkeypatch.setitem(sys.modules, CLIENT, ModuleType(CLIENT))
    assert set_parser(ORJSON) == RUNTIME


def event(inside):
    return b'{"Records":[' + inside + b"]}"


@pytest.mark.parametrize(
    "request_",
    [
        pytest.param(event(b"18446744073709551616"), id="an integer beyond 64 bits"),
        pytest.param(event(b"-9223372036854775809"), id="a negative one"),
        pytest.param(event(b'1, {"a" :\t-123456789012345678901234567890 }'), id="one after blanks"),
        pytest.param(event(b"1" + b"0" * 400), id="one beyond a float"),
        pytest.param(event(b"1" + b"0" * 5000), id="one beyond Python"),
        pytest.param(event(b"1e400"), id="a float beyond a float"),
        pytest.param(event(b"NaN"), id="NaN"),
        pytest.param(event(b"-Infinity"), id="infinity"),
        pytest.param(event(rb'"\ud800"'), id="half a surrogate pair"),
        pytest.param(event(rb'{"\udc00": 1}'), id="half a surrogate pair in a name"),
        pytest.param(event(b'"\xff"'), id="not UTF-8"),
        pytest.param(event(b'"\xed\xa0\x80"'), id="a surrogate in UTF-8"),
        pytest.param(b"\xef\xbb\xbf" + event(b"1"), id="a byte order mark"),
        pytest.param(event(b"1").decode().encode("utf-16"), id="UTF-16"),
        pytest.param(event(b"[" * 1100 + b"]" * 1100), id="1,100 levels"),
        pytest.param(event(b"[" * 200_000 + b"]" * 200_000), id="200,000 levels"),
        pytest.param(event(b'"a\tb"'), id="a control character"),
        pytest.param(event(b"1,"), id="not JSON"),
        pytest.param(b"", id="nothing"),
        pytest.param(b"null", id="not an object"),
        pytest.param(b"18446744073709551616", id="an integer and nothing else"),
        pytest.param(b" " + event(b"1"), id="a blank first"),
        pytest.param(event(b"1").decode(), id="text"),
        pytest.param(bytearray(event(b"1")), id="other bytes"),
    ],
)
def test_the_runtime_parses_what_orjson_would_refuse_or_read_differently(request_):
    own = RuntimesMarshaller()
    expected = outcome(RuntimesMarshaller().unmarshal_request, request_)
    assert outcome(Marshaller(own).unmarshal_request, request_) == expected
    assert own.requests
    for request, content_type in own.requests:
        assert content_type == "application/json"
        assert request == request_ or request in request_, "the event, or one of its records"


@pytest.mark.parametrize("content_type", ["text/plain", "application/json; charset=utf-8", "", None])
def test_the_runtime_parses_requests_whose_content_type_is_not_json(content_type):
    own = RuntimesMarshaller()
    assert Marshaller(own).unmarshal_request(event(b"1"), content_type) == event(b"1")
    assert own.requests == [(event(b"1"), content_type)]


@pytest.mark.parametrize(
    "inside",
    [
        *(
            b"0",
            b"-0",
            b"-0.0",
            b"1.5",
            b"1E3",
            b"1e-400",
            b"2.2250738585072011e-308",
            b"1719082124.123456789012345678",
        ),
        *(b"999999999999999999", b"-99999999999999999", b"0.1", b"123456789.12345678901234567890e5"),
        *(
            b'{"a":1,"b":2,"a":3}',
            b'{"":{}}',
            b'{"a":1},{"a":2}',
            b'{"a":1},{"b":2},3',
            b'"\x7f"',
            rb'"\u0000\/\ud83d\ude00"',
            b'"\xf0\x9f\x9a\x80"',
            b"[ ]\n",
        ),
        *(b'"100000000003498070007"', b'{"N":"-123456789012345678901234567890"}', b"true,false,null"),
        b"[" * 500 + b"]" * 500,
    ],
)
def test_orjson_parses_all_other_events_into_the_same_objects(inside):
    own = RuntimesMarshaller()
    request = event(b'{"a":[' + inside + b"]}")
    got = outcome(Marshaller(own).unmarshal_request, request)
    assert own.requests == []
    assert got == outcome(own.unmarshal_request, request)


def test_orjson_parses_changes_up_to_a_size_and_the_runtime_larger_ones():
    def of(size):
        body = json.dumps(insert({"id": {"S": "a"}}, {"name": {"S": "x"}})).encode()
        return body.replace(b'"x"', b'"' + b"x" * (size - len(body) + 1) + b'"')

    own = RuntimesMarshaller()
    marshaller = Marshaller(own)
    for size in (LARGEST_EVENT, LARGEST_EVENT + 1):
        record = of(size)
        assert len(record) == size
        assert list(marshaller.unmarshal_request(event(record))["Records"]) == [json.loads(record)]
    assert [len(request) for request, _ in own.requests] == [LARGEST_EVENT + 1]


# Numbers in JSON's notation, in or out of any range.
digits = st.text("0123456789", min_size=1, max_size=45)
whole = st.builds("{}{}".format, st.sampled_from(["", "-"]), digits.map(lambda each: each.lstrip("0") or "0"))
numbers = st.builds(
    "{}{}{}".format,
    whole,
    st.just("") | digits.map(".{}".format),
    st.just("")
    | st.builds("{}{}{}".format, st.sampled_from("eE"), st.sampled_from(["", "+", "-"]), st.integers(0, 400)),
)
strings = st.text(max_size=30).map(json.dumps) | st.text(max_size=30).map(
    lambda each: json.dumps(each, ensure_ascii=False)
)
blanks = st.text(" \t\n\r", max_size=2)


def lists(inner):
    return st.builds(
        lambda items, blank: f"[{blank}" + f"{blank},".join(items) + f"{blank}]", st.lists(inner, max_size=4), blanks
    )


def objects(inner):
    """Objects, some with a name twice."""
    pairs = st.lists(st.tuples(strings, inner), max_size=4)
    return st.builds(
        lambda items, blank: "{" + f",{blank}".join(f"{name}{blank}:{blank}{each}" for name, each in items) + "}",
        pairs,
        blanks,
    )


documents = objects(
    st.recursive(
        numbers | strings | st.sampled_from(["true", "false", "null", "NaN", "-Infinity", "01", "1.", ""]),
        lambda inner: lists(inner) | objects(inner),
        max_leaves=12,
    )
)


@given(documents)
def test_both_parsers_give_the_same_object_or_error_for_any_text(text):
    request = text.encode(errors="surrogatepass")
    expected = outcome(RuntimesMarshaller().unmarshal_request, request)
    assert outcome(Marshaller(RuntimesMarshaller()).unmarshal_request, request) == expected


@given(
    st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), values, max_size=5), st.booleans()
)
def test_both_parsers_give_the_same_object_for_any_change(item, ascii_only):
    change = insert({"id": {"S": "a"}}, {name: encode(value) for name, value in item.items()})
    request = json.dumps({"Records": [change]}, ensure_ascii=ascii_only, separators=(",", ":")).encode()
    expected = outcome(RuntimesMarshaller().unmarshal_request, request)
    assert outcome(Marshaller(RuntimesMarshaller()).unmarshal_request, request) == expected


@given(
    st.integers(min_value=2**64, max_value=10**45) | st.integers(min_value=-(10**45), max_value=-(2**63) - 1),
    blanks,
    st.sampled_from(['{{"a":{}{}}}', '{{"a":[{}{}]}}', '{{"a":[1,{}{}]}}']),
)
def test_integers_beyond_64_bits_stay_exact(number, blank, form):
    text = form.format(blank, number)
    assert isinstance(orjson.loads(str(number)), float)
    assert outcome(Marshaller(RuntimesMarshaller()).unmarshal_request, text.encode()) == repr(json.loads(text))
