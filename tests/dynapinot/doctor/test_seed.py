"""The seed's own files and samples: each of their faults by its name, none twice; and none in what is shipped."""

from __future__ import annotations

from pathlib import Path

from dynapinot.defaults import DEMO_TABLES
from dynapinot.doctor.run import Places, diagnose

ROOT = Path(__file__).parents[3]
SEED_TABLES = ROOT / "tests" / "tables" / "seed"
SEED_RECORDS = sorted((ROOT / "tests" / "seed").glob("record-*.json"))
NOW_MS = 1719090000000

# The faults of the recipe: its mode, its primary key, the sample's microseconds, the two columns that the schema lacks,
# the retention, the attribute that stands in the way of a transform, and the setting that does nothing.
STREAM = "tableIndexConfig.streamConfigs"
KNOWN = {
    ("warning", "upsertConfig.mode"),
    ("warning", "rows_shared"),
    ("note", "microseconds"),
    ("warning", f"{STREAM}.stream.kinesis.decoder.prop.dynamodb.timeColumnName"),
    ("warning", f"{STREAM}.stream.kinesis.decoder.prop.dynamodb.deleteColumnName"),
    ("warning", "segmentsConfig.retentionTimeValue"),
    ("note", "computed_attribute"),
    ("warning", f"{STREAM}.shardIteratorType"),
}
# And what else there is to say of it.
FURTHER = {
    ("warning", f"{STREAM}.stream.kinesis.decoder.class.name"),
    ("warning", f"{STREAM}.accessKey"),
    ("warning", "upsertConfig.consistencyMode"),
    ("warning", "upsertConfig.deleteRecordColumn"),
    ("error", "dead_letter.missing_key"),  # the INSERT has event_id where the schema has meetup_id
    ("note", STREAM),
    ("note", "segmentsConfig.schemaName"),
    ("note", "segmentsConfig.timeType"),
    ("note", "upsertConfig.snapshot and upsertConfig.preload"),
    ("note", "column location"),
}
GOOD_EVENTS = (
    "insert",
    "modify",
    "remove",
    "ttl-remove",
    "batch-100",
    "kinesis-insert",
    "kinesis-modify",
    "kinesis-remove",
)


def test_the_seeds_files_have_each_of_their_faults_and_none_twice():
    found = [(each.level, each.code) for each in seed().findings]
    assert sorted(found) == sorted(KNOWN | FURTHER)
    assert seed().exit_code == 2


def test_the_seeds_key_is_one_fault_whether_samples_or_the_template_show_it():
    both = seed(template=ROOT / "template.yaml").findings
    assert [each.code for each in both].count("rows_shared") == 1


def seed(**places):
    return diagnose(SEED_TABLES, Places(events=SEED_RECORDS, **places), now_ms=NOW_MS)


def test_nothing_is_wrong_with_what_is_shipped_and_the_good_events():
    events = [ROOT / "events" / f"{name}.json" for name in GOOD_EVENTS]
    diagnosis = diagnose(DEMO_TABLES, Places(events=events, template=ROOT / "template.yaml"), now_ms=NOW_MS)
    notes = [(each.level, each.code) for each in diagnosis.findings]
    # The seed's own sample, sent through Kinesis: what becomes of its attribute and its time is right, and said.
    assert set(notes) <= {("note", "computed_attribute"), ("note", "microseconds")}
    assert diagnosis.exit_code == 0
    assert str(ROOT / "template.yaml") in diagnosis.looked_at


def test_nothing_is_wrong_with_the_worked_example():
    folder = ROOT / "examples" / "single-table" / "tables"
    assert diagnose(folder, Places(), now_ms=NOW_MS).findings == []
