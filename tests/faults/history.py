"""A model of a DynamoDB table: the changes of its items, the records of its stream, and what Pinot must show."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from changes import TTL_IDENTITY, insert, modify, record, remove
from dynapinot.local.replica import read_upsert_table
from files import CONFIG, SCHEMA, table, with_setting
from pinot.table import Table

MAX_RECORD_BYTES = 2_000  # small, so that a row over it is small as well
FIRST_SECOND = 1_719_082_124
FIRST_NUMBER = 100_000_000_003_498_069_978


def _columns(*more):
    schema = with_setting(SCHEMA, "metricFieldSpecs", SCHEMA["metricFieldSpecs"])
    for name, data_type in more:
        schema["dimensionFieldSpecs"].append({"name": name, "dataType": data_type})
    return schema


def _config(name, **settings):
    config = with_setting(CONFIG, "tableName", name)
    stream = ("ingestionConfig", "streamIngestionConfig", "streamConfigMaps", "0", "stream.kinesis.topic.name")
    config = with_setting(config, stream, f"{name}-stream")
    for setting, value in settings.items():
        config = with_setting(config, f"upsertConfig.{setting}", value)
    return config


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A Pinot table that a history is replicated to: the real one, and the model that ingests its rows."""

    table: Table
    upsert: Any
    comparison: str

    @property
    def name(self):
        return self.table.name

    def row(self, step):
        """The row that Pinot must show for an item after a change, None if it must show none."""
        if step.item is None:
            return None
        row = {"id": step.key, "deleted": False, "changed": step.second * 1000, **step.item}
        if self.comparison == "version":
            row["version"] = f"{step.second * 1000:013d}-{step.number:040d}"
        if "city" not in self.upsert.columns:
            row.pop("city", None)
        return row


def _kind(name, comparison, *columns, key=("id",)):
    schema = with_setting(_columns(("notes", "JSON"), *columns), "primaryKeyColumns", list(key))
    config = _config(name, comparisonColumns=[comparison])
    source = {"columns": {"version": "$version", "changed": "$timestamp"}} if comparison == "version" else {}
    return Kind(table=table(schema, config, source), upsert=read_upsert_table(schema, config), comparison=comparison)


BY_TIME = _kind("times", "changed")
BY_VERSION = _kind("versions", "version", ("version", "STRING"))
BY_CITY = _kind("cities", "changed", ("city", "STRING"), key=("id", "city"))  # the primary keys of its items change


@dataclass(frozen=True, kw_only=True)
class Step:
    """One change: its record, and the item's row values after it (None: gone).

    ``poison`` says that the change can never become a row. None means that a row and a dead letter are both right.
    """

    record: dict[str, Any]
    number: int
    key: str
    second: int
    item: dict[str, Any] | None
    poison: bool | None = False

    @property
    def moves(self):
        """Say whether the item's city changed."""
        images = self.record["dynamodb"]
        if self.record["eventName"] != "MODIFY":
            return False
        return images["NewImage"].get("city") != images["OldImage"].get("city")

    @property
    def sequence_number(self):
        return self.record["dynamodb"]["SequenceNumber"]


def _spoil_price(new):
    new["price"] = {"S": "cheap"}


def _spoil_name(new):
    new["name"] = {"S": "x" * 600}


def _spoil_number(new):
    new["price"] = {"N": "12.5.1"}


def _spoil_type(new):
    new["odd"] = {"Q": "?"}


def _spoil_size(new):
    new["notes"] = {"S": "x" * 3_000}


def _spoil_text(new):
    new["name"] = {"S": "half \ud800"}


MISFITS = (_spoil_price, _spoil_name)  # valid in DynamoDB
SPOILERS = (*MISFITS, _spoil_number, _spoil_type, _spoil_size, _spoil_text)


def write_history(random, *, poison, moves, longest=22):
    """Make the changes of one stream shard, in order: few hot items, many changes of one second."""
    keys = "abcd"[: random.choice((1, 2, 2, 3, 4))]
    alive = {}  # key -> (attributes besides the key, whether some of its values are invalid)
    second, number = FIRST_SECOND, FIRST_NUMBER + random.randrange(10)
    pace = random.choice((0.0, 0.1, 0.5))
    steps = []
    for _ in range(random.randint(1, longest)):
        if random.random() < pace:
            second += random.choice((1, 1, 2, 60))
        number += random.choice((1, 1, 7, 10**6))
        key = keys[0] if random.random() < 0.5 else random.choice(keys)
        common = {"second": second, "sequence": number}
        old, spoilt = alive.get(key, (None, False))
        if old is not None and random.random() < 0.35:
            steps.append(_removal(random, key, old, spoilt, 0.0 if moves else poison, common))
            del alive[key]
            continue
        values, new = _values(random, number, moves)
        is_poison = random.random() < poison
        if is_poison:
            entry, spoilt = _poisoned(random, key, new, old, common, only_misfits=moves), not moves
            steps.append(Step(record=entry, number=number, key=key, second=second, item=values, poison=True))
        else:
            keys_of = {"id": {"S": key}}
            entry = insert(keys_of, new, **common) if old is None else modify(keys_of, new, old, **common)
            steps.append(Step(record=entry, number=number, key=key, second=second, item=values))
            spoilt = False
        alive[key] = (new, spoilt)
    return steps


def _values(random, number, moves):
    """An item's values in Pinot's row and in the stream. Each change has another name."""
    values = {"name": f"name {number}"}
    new = {"name": {"S": values["name"]}}
    if random.random() < 0.6:
        values["price"] = random.randrange(1000) / 4
        new["price"] = {"N": str(values["price"])}
    if random.random() < 0.3:
        values["notes"] = '{"a":[1,null]}'
        new["notes"] = {"M": {"a": {"L": [{"N": "1.0"}, {"NULL": True}]}}}
    if moves:
        values["city"] = random.choice(("Rome", "Oslo"))
        new["city"] = {"S": values["city"]}
    return values, new


def _poisoned(random, key, new, old, common, *, only_misfits):
    keys_of = {"id": {"S": key}}
    name = "INSERT" if old is None else "MODIFY"
    if only_misfits:
        random.choice(MISFITS)(new)
        return record(name, keys_of, new, old, **common)
    shape = random.randrange(8)
    if shape == 0:
        return record(name, keys_of, None, old, **common)  # without its new image
    if shape == 1:
        return record("UPSERT", keys_of, new, old, **common)
    random.choice(SPOILERS)(new)
    return record(name, keys_of, new, old, **common)


def _removal(random, key, old, spoilt, poison, common):
    keys_of = {"id": {"S": key}}
    outer = {"userIdentity": TTL_IDENTITY} if random.random() < 0.2 else {}
    entry = remove(keys_of, old, **common, **outer)
    is_poison = (
        None if spoilt else False
    )  # old values that do not fit are left out; those without a valid type may not be
    if random.random() < poison / 3:
        entry["eventName"], is_poison = "DELETE", True
    return Step(record=entry, number=common["sequence"], key=key, second=common["second"], item=None, poison=is_poison)
