"""Events that no stream would send: the samples, with a part replaced, moved, nested, duplicated or removed.

A mutation knows the structure of an event (type tags, images, keys, numbers as text), so that it gets far into the
function before an error is found.
"""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path
from random import Random

from decoder.attribute import TAGS

ROOT = Path(__file__).parent.parent.parent
EVENTS = sorted(each for each in (ROOT / "events").glob("*.json") if not each.stem.startswith("kinesis-"))
SAMPLES = [record for event in EVENTS for record in json.loads(event.read_text())["Records"]]
MULTIPLE = {
    "INT": {"L": [{"N": "3"}, {"N": "-1"}]},
    "LONG": {"NS": ["9007199254740993", "1", "2.0"]},
    "FLOAT": {"NS": ["0.1", "1E-10"]},
    "DOUBLE": {"L": [{"N": "2.5"}, {"N": "1E125"}]},
    "BOOLEAN": {"L": [{"BOOL": True}, {"BOOL": False}]},
    "TIMESTAMP": {"L": [{"N": "1719082124026"}, {"S": "2024-06-22T18:48:44.026651Z"}, {"N": "0"}]},
    "STRING": {"SS": ["red", "Gr\u00fcn"]},
}  # a value for a multi-value column of each type, in the column named after it


def _with_lists(record):
    record = deepcopy(record)
    record["dynamodb"]["NewImage"] |= {f"{kind}s": deepcopy(value) for kind, value in MULTIPLE.items()}
    return record


# The hundred changes of the batch are similar; the record with all types counts more than others.
SAMPLES = [*SAMPLES[:-100], *SAMPLES[-100::12], *[_with_lists(SAMPLES[0])] * 6]
VALUES = [
    *MULTIPLE.values(),
    *(value for record in SAMPLES[:12] for value in record["dynamodb"].get("NewImage", {}).values()),
    *({"N": number} for number in ("1.5", "2147483648", "9223372036854775808", "1719082124", "1E39", "1E-60")),
    *({"S": text} for text in ("\0", "x" * 600, "\U0001f600" * 300, '{"a":1}', '{"a":NaN}', "2024-06-22", "[" * 1500)),
    {"L": [{"N": "1"}] * 1001},
    {"NULL": True},
    {"M": {"x" * 50_001: {"N": "1"}}},
]  # what DynamoDB may hold, though not under that name

NUMBERS = (
    *("0", "-0", "1", "1.0", "1E0", "+1", ".5", "5.", "1e400", "1e999999999", "-1e-999999999", "1E125", "1E126"),
    *("1E-130", "1E-131", "9" * 38, "9" * 39, "0." + "0" * 300 + "1", "1_000", " 1", "1 ", "１", "٣", "NaN", "-NaN"),  # noqa: RUF001
    *("sNaN", "Infinity", "-inf", "0x10", "1e", "e1", "", "--1", "1.2.3", "2147483648", "-2147483649"),
    *("9223372036854775808", "1719082124026", "1719082124", "3.4028236e38", "1e-46", "\ud800", "1\n", "1\0"),
)
TEXTS = (
    *("", "\0", "a\0b", "\ud800", "a\udfff", "\ud83d\ude00", "\U0001f600" * 300, "\ufeff", "\u202e", "e\u0301", "\x85"),
    *("x" * 513, "\U0010ffff", "null", "true", "{}", "[]", '{"a":1}', '{"a":NaN}', "[" * 200, '{"a":' * 200, '"', "\\"),
    *("2024-06-22T18:48:44Z", "2024-13-99T99:99:99Z", "0000-01-01T00:00:00Z", "0001-01-01T00:00:00+23:59", "AAH+"),
    *("AAH", "A===", "arn:aws:dynamodb:::table/\ud800/stream/x", "../../x", "\r\n", "'; DROP TABLE items; --", "$rest"),
    *("arn:aws:dynamodb:us-east-1:1:table/" + "t" * 300 + "/stream/x", "INSERT", "MODIFY", "REMOVE", "1E5", "#REF!"),
)
ODD = (
    *(None, True, False, 0, -1, 1, 2**31, 2**63, 10**400, 1.5, -0.0, 1e308, float("inf"), float("nan"), 5e-324),
    *([], {}, [None], {"": None}, {"S": None}, {"N": 1}, {"B": 1}, {"BOOL": "true"}, {"NULL": False}, {"L": {}}),
    *({"M": []}, {"SS": []}, {"NS": ["1", "1.0"]}, {"BS": ["AA=="] * 2}, {"SS": ["a", "a"]}, {"S": "a", "N": "1"}),
    *({"X": "1"}, {"s": "x"}, {"NS": [1]}, {"SS": "ab"}, {"L": [1]}, {"M": {"a": 1}}, {"M": {"\ud800": {"S": "x"}}}),
    *({"L": [{"S": "x"}, {"N": "1"}]}, {"L": [{"NULL": True}]}, {"NS": [str(n) for n in range(1001)]}),
    *(1719082124, 1719082124026, 1719082124.026, -1719082124, 253402300800, 4102444800),
)
NAMES = (
    "",
    "\ud800",
    "S",
    "a.b",
    "a b",
    "constructor",
    "mtime",
    "meetup_id",
    "is_delete",
    "a\0b",
    "\u202e",
    "x" * 70_000,
)


def nodes(document):
    """Every place in a document, as a container and a key or index in it."""
    found = []
    todo = [document]
    while todo:
        container = todo.pop()
        places = container.keys() if isinstance(container, dict) else range(len(container))
        for place in places:
            found.append((container, place))
            if isinstance(container[place], dict | list):
                todo.append(container[place])
    return found


def nested(random, value, depth):
    for _ in range(depth):
        shape = random.randrange(4)
        if shape < 2:
            value = {"L": [value]} if shape else {"M": {"a": value}}
        else:
            value = [value] if shape == 2 else {"a": value}
    return value


def hostile(random):
    """A random value that does not belong there."""
    kind = random.randrange(4)
    if kind == 0:
        return random.choice(NUMBERS)
    if kind == 1:
        return random.choice(TEXTS)
    if kind == 2:
        return deepcopy(random.choice(ODD))
    tag = random.choice((*TAGS, "Q", ""))
    return {tag: random.choice((random.choice(NUMBERS), random.choice(TEXTS), deepcopy(random.choice(ODD))))}


def _replace(random, container, place, _):
    container[place] = hostile(random)


def _delete(_, container, place, __):
    del container[place]


def _duplicate(random, container, place, _):
    if isinstance(container, list):
        container.insert(random.randrange(len(container) + 1), deepcopy(container[place]))
    else:
        container[random.choice(NAMES)] = deepcopy(container[place])


def _wrap(random, container, place, _):
    value = container[place]
    container[place] = random.choice(([value], {"L": [value]}, {"M": {"a": value}}, {"S": value}, {"": value}))


def _swap_type(random, container, place, _):
    value = container[place]
    if isinstance(value, dict) and value:
        tag = next(iter(value))
        container[place] = {random.choice(TAGS): value[tag]}
    elif isinstance(value, str):
        container[place] = random.choice((value.encode("utf-8", "replace").hex(), [value], len(value), value.upper()))
    else:
        container[place] = str(value)


def _deepen(random, container, place, _):
    container[place] = nested(random, container[place], random.choice((1, 2, 16, 31, 32, 33, 34, 70, 200)))


def _other_value(random, container, place, _):
    container[place] = deepcopy(random.choice(VALUES))


def _number(random, container, place, _):
    value = container[place]
    if isinstance(value, dict) and value.keys() == {"N"}:
        value["N"] = random.choice(NUMBERS)
    else:
        container[place] = {"N": random.choice(NUMBERS)}


def _text(random, container, place, _):
    value = container[place]
    text = random.choice(TEXTS)
    if isinstance(value, dict) and value.keys() == {"S"}:
        value["S"] = random.choice((text, str(value["S"]) + text))
    elif isinstance(value, str):
        container[place] = random.choice((text, value + text, value[: len(value) // 2], value * 40))
    else:
        container[place] = {"S": text}


def _rename(random, container, place, _):
    if isinstance(container, dict):
        container[random.choice(NAMES)] = container.pop(place)


def _transplant(random, container, place, document):
    other, there = random.choice(nodes(document))
    container[place] = deepcopy(other[there])


OPERATIONS = (
    *(_replace, _delete, _duplicate, _wrap, _swap_type, _deepen, _number, _text, _rename, _transplant),
    *(
        _other_value,
        _other_value,
        _other_value,
        _number,
        _text,
    ),  # mutations after which a record often still becomes a row
)


def mutate(seed):
    """A sample record with one to four mutations, and often an image or a property that only some tables use."""
    random = Random(seed)
    record = deepcopy(random.choice(SAMPLES))
    if random.random() < 0.2:
        record["tableName"] = random.choice(TEXTS)
    if random.random() < 0.1:
        record["recordFormat"] = "application/json"
    if random.random() < 0.5 and (image := record["dynamodb"].get("NewImage")):  # a plausible item
        names = sorted(image.keys() - record["dynamodb"]["Keys"].keys())
        for name in random.sample(names, min(len(names), random.choice((1, 1, 2)))):
            image[name] = random.choice(
                (deepcopy(random.choice(VALUES)), {"N": random.choice(NUMBERS)}, {"S": random.choice(TEXTS)})
            )
        return record
    for _ in range(random.choice((1, 1, 2, 4))):
        places = nodes(record)
        if not places:
            break
        # Most mutations are at an attribute's value: elsewhere they soon make a record malformed.
        values = [each for each in places if isinstance(each[0][each[1]], dict) and each[0][each[1]].keys() & set(TAGS)]
        container, place = random.choice(values if values and random.random() < 0.6 else places)
        random.choice(OPERATIONS)(random, container, place, record)
    return record


def text_with_duplicate_keys(random, value):
    """Return JSON in which some keys of an object occur twice, as only an attacker would write it."""
    if isinstance(value, dict):
        pairs = []
        for key, item in value.items():
            text = f"{json.dumps(key)}:{text_with_duplicate_keys(random, item)}"
            if random.random() < 0.1:
                pairs.append(f"{json.dumps(key)}:{json.dumps(hostile(random))}")
            pairs.append(text)
            if random.random() < 0.02:
                pairs.append(f"{json.dumps(key)}:{json.dumps(hostile(random))}")
        return "{" + ",".join(pairs) + "}"
    if isinstance(value, list):
        return "[" + ",".join(text_with_duplicate_keys(random, item) for item in value) + "]"
    return json.dumps(value)
