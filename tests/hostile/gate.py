"""The permitted outcomes of any record, for several tables: a correct row, a dead letter, or ignored by a rule."""

from __future__ import annotations

import json
from decimal import Context, Decimal

from decoder.change import decode_change
from decoder.records import ParsedRecords, RawRecords
from dynapinot.defaults import DEMO_TABLES
from dynapinot.demo.comparison import expected
from dynapinot.local.readback import read_value
from dynapinot.local.replica import Replica, upsert_table
from files import CONFIG, with_setting
from files import table as make_table
from handlers.catalog import load_tables
from handlers.planner import Plan, Planner, plan
from hostile.mutation import MULTIPLE, ROOT, SAMPLES
from pinot.config import read_config
from pinot.errors import Findings
from pinot.metadata import DYNAMODB_NAMES
from pinot.schema import read_schema

MAX_RECORD_BYTES = 200_000
KNOWN = json.dumps(SAMPLES[1], separators=(",", ":"))

WIDE_SCHEMA = {
    "schemaName": "wide",
    "primaryKeyColumns": ["meetup_id"],
    "dimensionFieldSpecs": [
        {"name": "meetup_id", "dataType": "STRING", "maxLength": 100_000},
        {"name": "deleted", "dataType": "STRING"},
        {"name": "rest", "dataType": "STRING", "maxLength": 100_000},
        {"name": "city", "dataType": "STRING", "maxLengthExceedStrategy": "NO_ACTION"},
        {"name": "first", "dataType": "DOUBLE"},
        {"name": "document", "dataType": "JSON"},
        {"name": "text_document", "dataType": "JSON"},
        {"name": "by_ttl", "dataType": "BOOLEAN"},
        {"name": "version", "dataType": "STRING"},
        *(
            {"name": name, "dataType": "LONG" if of == "$size_bytes" else "STRING"}
            for name, of in DYNAMODB_NAMES.items()
            if of != "$timestamp"
        ),
        *({"name": f"{kind}s", "dataType": kind, "singleValueField": False} for kind in MULTIPLE),
    ],
    "dateTimeFieldSpecs": [
        {"name": "changed", "dataType": "LONG", "format": "EPOCH|MILLISECONDS", "granularity": "1:MILLISECONDS"}
    ],
}
WIDE_COLUMNS = {
    "rest": "$rest",
    "city": "a_map.city",
    "first": "a_list[1]",
    "document": "a_map.coordinates",
    "text_document": "a_text",
    "by_ttl": "$ttl_delete",
    "version": "$version",
}


def _wide(name, **source):
    config = with_setting(CONFIG, "tableName", name)
    stream = ("ingestionConfig", "streamIngestionConfig", "streamConfigMaps", "0", "stream.kinesis.topic.name")
    config = with_setting(config, stream, f"{name}-stream")
    return make_table(WIDE_SCHEMA, config, {"columns": WIDE_COLUMNS, **source}), model(WIDE_SCHEMA, config)


def model(schema_document, config_document):
    """The model's view of a table; unlike ``read_upsert_table`` for PARTIAL upserts too, of which only rows matter."""
    return upsert_table(
        read_schema(schema_document, Findings("schema")), read_config(config_document, Findings("config"))
    )


def _folder(folder):
    (table,), _ = load_tables(folder)
    files = folder / table.name
    return table, model(json.loads((files / "schema.json").read_text()), json.loads((files / "table.json").read_text()))


SHIPPED = _folder(DEMO_TABLES)
SEED = _folder(ROOT / "tests" / "tables" / "seed")
EVERY_TYPE = _folder(ROOT / "tests" / "tables" / "every_type")
WIDE = _wide("wide")
KEEPING = _wide("keeping", ttl_deletes="keep")
GROUPS = ([SHIPPED, EVERY_TYPE, WIDE, KEEPING], [SEED])  # the seed's stream is the shipped table's too


def outcome(made):
    """All that becomes of records."""
    dead_letters = [(dead_letter.entry(), dead_letter.table) for dead_letter in made.dead_letters]
    return dead_letters, list(made.times_ms), list(made.row_counts), made.left_out, made.ignored, made.unmapped


PLANNERS = {}  # by the ids of their tables; kept, since the typed path learns


def plan_unparsed(event, tables):
    """Plan an event that nobody has parsed, as the function does."""
    key = tuple(id(table) for table, _ in tables)
    if key not in PLANNERS:
        PLANNERS[key] = Planner([table for table, _ in tables], max_record_bytes=MAX_RECORD_BYTES)
    # What msgspec takes for no JSON, NaN for example, has the event parsed as a whole.
    made = Plan(records=RawRecords.of(event, json.loads) or ParsedRecords(json.loads(event)["Records"]))
    for target, entry in PLANNERS[key].rows(made):
        made.rows[target].append(entry)
    return made


def check_text(text, tables, counts):
    """Plan a record that nobody has parsed, among records of its source, as if it had been parsed.

    The typed path never makes another row. It may make one of what DynamoDB never writes, and the exact path calls
    malformed; docs/limits.md lists when.
    """
    known = KNOWN.encode()
    event = b'{"Records":[' + b",".join([known, known, text, known]) + b"]}"
    typed = plan_unparsed(event, tables)
    exact = plan(json.loads(event)["Records"], [table for table, _ in tables], max_record_bytes=MAX_RECORD_BYTES)
    if not typed.differences and (typed.rows, outcome(typed)) == (exact.rows, outcome(exact)):
        return
    assert typed.differences in ([], [2]), "the planner itself compares one change in many"
    reasons = {dead_letter.error.reason for dead_letter in exact.dead_letters if dead_letter.position == 2}
    assert reasons == {"malformed"}
    assert {dead_letter.error.reason for dead_letter in typed.dead_letters if dead_letter.position == 2} <= reasons
    for made in (typed, exact):
        made.rows = {target: [each for each in entries if each.position != 2] for target, entries in made.rows.items()}
    assert {target: rows for target, rows in typed.rows.items() if rows} == {
        target: rows for target, rows in exact.rows.items() if rows
    }
    counts["a row of what the exact path calls malformed"] += 1


def check(record, tables, counts):
    """Plan one record for several tables and check all that comes of it."""
    made = plan([record], [table for table, _ in tables], max_record_bytes=MAX_RECORD_BYTES)
    if isinstance(record, dict) and next(iter(record), None) == "eventID":
        escaped = json.dumps(record, separators=(",", ":")).encode()
        check_text(escaped, tables, counts)
        text = json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode(errors="surrogatepass")
        if text != escaped or len(tables) > 1:  # else it was checked just now
            check_text(text, [tables[len(text) % len(tables)]], counts)  # each in its turn
    for dead_letter in made.dead_letters:
        entry = dead_letter.entry()
        assert json.loads(entry.data)["reason"]
        entry.key.encode()
        assert dead_letter.error.path is not None
        str(dead_letter.error).encode("utf-8", "surrogatepass")
        counts[f"dead letter: {dead_letter.error.reason}"] += 1
    refused_by = {dead_letter.table for dead_letter in made.dead_letters}
    if None in refused_by:
        assert len(made.dead_letters) == 1
        assert not made.rows
        return
    for table, upsert in tables:
        entries = [entry for target, all_of in made.rows.items() for entry in all_of if target.stream == table.stream]
        if table.replicates(made.changes[0].table) and not entries and table.name not in refused_by:
            change = made.changes[0]
            assert change.ttl_delete, "a change is neither a row, nor a dead letter, nor ignored by a rule"
            assert table.keep_ttl_deletes
            counts["ignored"] += 1
        for entry in entries:
            _check_row(record, entry, upsert, counts)


def _check_row(record, entry, upsert, counts):
    counts["rows"] += 1
    assert 0 < len(entry.key) <= 256
    assert entry.size <= MAX_RECORD_BYTES
    replica = Replica(upsert)
    row = replica.ingest(0, entry.data)
    assert not row.keys() - upsert.columns.keys() - {"group_lon", "group_lat"}
    for name, value in row.items():
        if name in upsert.columns:
            read_value(upsert.columns[name], value)
            assert "\0" not in str(value) or upsert.columns[name] == "JSON"
    _check_values(record, row, upsert)


def _check_values(record, row, upsert):
    """Compare a row with the record by simpler rules than the function's: by the attributes with a column's name."""
    change = decode_change(record)
    image = change.old_image or change.keys if change.event_name == "REMOVE" else change.new_image
    if change.event_name == "MODIFY" and row.get(upsert.delete) in (True, "true"):
        return  # the tombstone of a former primary key has the old image's values
    for name, data_type in upsert.columns.items():
        attribute = image.get(name)
        if name in DYNAMODB_NAMES or name in (upsert.delete, upsert.comparison) or name in upsert.computed:
            continue
        if name in WIDE_COLUMNS or not isinstance(attribute, dict) or name == "changed_s":
            continue
        if name not in row and change.event_name == "REMOVE":
            continue  # a delete is sent without a value that does not fit, and without inputs of expressions
        value = _plain(attribute)
        if value is None or (data_type == "TIMESTAMP" and isinstance(value, str)) or data_type in ("JSON", "BYTES"):
            continue
        assert read_value(data_type, row[name]) == expected(data_type, value), name


def _plain(attribute):
    ((tag, payload),) = attribute.items()
    if tag == "N":
        value = Decimal(payload)
        return value.normalize(Context(prec=500)) if value else Decimal(0)
    return payload if tag in ("S", "BOOL") else None
