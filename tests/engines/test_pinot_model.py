"""The model of Pinot (``replica``, ``readback`` of ``dynapinot.local``) shows what Pinot shows, row for row."""

from __future__ import annotations

import json
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engines.feed import COMPLETE, INDEXED, MAX_RECORD_BYTES, consume, read_folder, shard_of
from engines.model import agree, as_read, model_of, read
from engines.pinot_engine import ROOT
from engines.roundtrip import EVERY_COLUMN, sent_rows
from engines.test_pinot_values import SCALARS, anything, in_lists
from faults.history import write_history
from files import table, with_column, with_setting
from handlers.planner import plan

pytestmark = pytest.mark.engines


# --- upsert -----------------------------------------------------------------------------------------------------

# Pinot compares texts by their UTF-16 units and numbers by value: the samples show the difference.
COMPARISONS = {
    "LONG": st.integers(0, 3),
    "TIMESTAMP": st.integers(2**40, 2**40 + 3),
    "STRING": st.sampled_from(["", "0", "00", "1", "10", "9", "a", "é", "\uffff", "\U0001f600"]),
    "DOUBLE": st.sampled_from([-1.5, -0.0, 0.0, 1e300]),
    "BIG_DECIMAL": st.sampled_from(["-1", "0", "0.0", "1", "1.0", "10"]),
}


def steps(comparisons):
    """Rows of few keys on two partitions, in any order of their times, with commits between them."""
    row = st.fixed_dictionaries(
        {"id": st.sampled_from("ab"), "v": comparisons, "deleted": st.booleans(), "price": st.integers(0, 99)}
    )
    return st.lists(st.tuples(st.integers(0, 1), row | st.just("commit")), min_size=1, max_size=20)


@pytest.mark.parametrize("data_type", COMPARISONS)
@settings(max_examples=25)
@given(drawn=st.data())
def test_the_model_agrees_with_pinot_for_rows_in_any_order_of_their_times(pinot, data_type, drawn):
    schema = with_column("v", data_type)
    config = with_setting(COMPLETE, "upsertConfig.comparisonColumns", ["v"])
    model = model_of(schema, config)
    with pinot.table(schema, config, partitions=2) as consumer:
        for partition, step in drawn.draw(steps(COMPARISONS[data_type])):
            if step == "commit":
                consumer.commit(partition)
            else:
                row = {"changed": 1719082124000, **step}
                model.take(partition, row)
                assert consumer.ingest([json.dumps(row).encode()], partition) == [INDEXED]
        agree(consumer, model)


KINDS = {
    "by time": (with_column("notes", "JSON"), COMPLETE, {}),
    "by version": (
        with_setting(
            with_column("notes", "JSON"),
            "dimensionFieldSpecs",
            [*with_column("notes", "JSON")["dimensionFieldSpecs"], {"name": "version", "dataType": "STRING"}],
        ),
        with_setting(COMPLETE, "upsertConfig.comparisonColumns", ["version"]),
        {"columns": {"version": "$version", "changed": "$timestamp"}},
    ),
    "by city": (with_setting(with_column("city", "STRING"), "primaryKeyColumns", ["id", "city"]), COMPLETE, {}),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(15))
def test_the_model_agrees_with_pinot_for_histories_with_retried_batches(pinot, kind, seed):
    schema, config, source = KINDS[kind]
    random = Random(seed)
    records = [step.record for step in write_history(random, poison=0.1, moves=kind == "by city")]
    made = table(schema, config, source)
    rows = list(plan(records, [made], max_record_bytes=MAX_RECORD_BYTES).rows.get(made.target, []))
    if random.random() < 0.5:
        rows += rows[random.randrange(len(rows) + 1) :]
    if random.random() < 0.5:
        random.shuffle(rows)  # never on a stream, but the model must agree with Pinot anyway
    shards = random.choice((1, 2))
    model = model_of(schema, config)
    with pinot.table(schema, config, partitions=shards) as consumer:
        for row in rows:
            model.ingest(shard_of(row.key, shards), row.data)
            consume(consumer, [row])
            if random.random() < 0.1:
                consumer.commit(random.randrange(shards))
        agree(consumer, model)


# --- values -----------------------------------------------------------------------------------------------------


def disagreements(pinot, values):
    model, sent = model_of(EVERY_COLUMN, COMPLETE), sent_rows(values)
    with pinot.table(EVERY_COLUMN, COMPLETE) as consumer:
        consumer.ingest(each.data for each in sent)
        shown = {row["id"]: row for row in consumer.live()}
    for each in sent:
        row = model.ingest(0, each.data)
        modelled, pinots = read(model, row), as_read(model, shown[row["id"]])
        if modelled != pinots:
            yield f"{each}: {modelled[each.spec['name']]!r:.200} and in Pinot {pinots[each.spec['name']]!r:.200}"


def test_the_model_reads_sent_values_as_pinot_does(pinot):
    assert list(disagreements(pinot, [*SCALARS, *in_lists(SCALARS)])) == []


@settings(max_examples=15)
@given(st.lists(anything, min_size=1, max_size=12))
def test_the_model_reads_any_sent_value_as_pinot_does(pinot, drawn):
    assert list(disagreements(pinot, drawn)) == []


# --- the repository's tables and events -------------------------------------------------------------------------

# The model has only the mode FULL; for the seed's table see test_pinot_upsert.py.
FOLDERS = sorted(
    path.parent
    for pattern in ("tests/tables/every_type/*", "examples/*/tables/*")
    for path in ROOT.glob(f"{pattern}/schema.json")
)
EVENTS = sorted([*ROOT.glob("events/*.json"), *ROOT.glob("examples/*/events/*.json")])


def _parameter(folder):
    return pytest.param(folder, id=str(folder.relative_to(ROOT)))


@pytest.mark.parametrize("folder", [_parameter(folder) for folder in FOLDERS])
def test_the_model_agrees_with_pinot_for_the_sample_events_in_every_table_of_the_repository(pinot, folder):
    schema, config, made = read_folder(folder)
    model = model_of(schema, config)
    with pinot.table(schema, config, partitions=2) as consumer:
        for event in EVENTS:
            batch = plan(json.loads(event.read_text())["Records"], [made], max_record_bytes=MAX_RECORD_BYTES)
            rows = batch.rows.get(made.target, [])
            consume(consumer, rows)
            for row in rows:
                model.ingest(shard_of(row.key, 2), row.data)
        agree(consumer, model)
