"""What samples show, one fault at a time."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from changes import insert, modify, remove
from dynapinot.doctor import samples
from dynapinot.doctor.finding import Diagnosis
from dynapinot.doctor.samples import REMEDIES, sample_findings
from dynapinot.errors import CommandError
from files import CONFIG, SCHEMA, table, with_column, with_setting

DOCS = Path(__file__).parents[3] / "docs"
KEY = {"id": {"S": "a"}}
FULL = {"name": {"S": "x"}, "price": {"N": "1.5"}}
MILLISECONDS = "Write milliseconds, or declare the column LONG"
MICROSECONDS = 1719082124026123


def found_in(records, *tables, **options):
    findings = list(sample_findings(records, tables or (table(),), **options))
    assert len({(each.code, each.about) for each in findings}) == len(findings)
    return [(each.level, each.code, each.where) for each in findings]


def in_view(view_type, record):
    return with_setting(record, "dynamodb.StreamViewType", view_type)


def at(time, record, **more):
    inner = {**record["dynamodb"], "ApproximateCreationDateTime": time, **more}
    return {**record, "dynamodb": inner, "recordFormat": "application/json"}


def read(tmp_path, document, *tables):
    (tmp_path / "items.json").write_text(json.dumps(document))
    diagnosis = Diagnosis()
    samples.look(diagnosis, [tmp_path / "items.json"], tables or [table()], now_ms=1719090000000)
    return diagnosis.findings


def test_dead_letters_name_the_first_items_by_key_or_place(tmp_path):
    keys = [{"id": {"S": str(number)}} for number in range(20)]
    (finding,) = read(tmp_path, [{**key, "name": {"S": "x"}, "price": {"S": "x"}} for key in keys])
    assert finding.problem.endswith(" (id=0; id=1; id=2 and 17 more)")
    (finding,) = read(tmp_path, {"Records": [insert(KEY, FULL), {"dynamodb": {}}]})
    assert finding.problem.endswith(f" ({tmp_path}/items.json: 2)")


def test_samples_without_a_change_are_an_error(tmp_path):
    with pytest.raises(CommandError, match="there is no change and no item, so nothing was looked at"):
        read(tmp_path, {"Items": []})


def test_a_table_of_which_no_sample_is_a_row_is_found():
    findings = list(sample_findings([insert(KEY, FULL)] * 2, [table(source={"when": {"name": "y"}})]))
    assert [(each.level, each.code, each.where) for each in findings] == [("warning", "no_rows", "items: when")]
    assert findings[0].problem == "none of 2 items is a row, so nothing of the table was looked at"
    malformed = table(source={"when": {"id": "a"}})
    assert [code for _, code, _ in found_in([insert({"id": {"S": 5}}, {})], malformed)] == [
        *("dead_letter.malformed", "no_rows")
    ]


def test_columns_that_no_sample_fills_are_found():
    schema = with_column("statuss", "STRING")
    path = table(schema, source={"columns": {"name": "address.cty"}})
    records = [insert(KEY, {"address": {"M": {"city": {"S": "Ulm"}}}, "price": {"NULL": True}}) for _ in range(2)]
    (finding,) = [each for each in sample_findings(records, [path]) if each.code == "columns_unfilled"]
    assert (finding.level, finding.where) == ("warning", "items: columns name, statuss, price")
    assert finding.problem == "no sample fills them, in 2 rows"
    assert found_in([insert(KEY, {"price": {"N": "1"}})]) == [("warning", "columns_unfilled", "items: column name")]


def test_a_value_that_does_not_fit_fills_its_column():
    findings = found_in([insert(KEY, {"name": {"S": "x"}, "price": {"S": "x"}})])
    assert [code for _, code, _ in findings] == ["dead_letter.type_mismatch"]


def test_plain_items_that_share_a_row_are_found(tmp_path):
    customers = [{"id": {"S": id_}, "name": {"S": name}, "price": {"N": "1"}} for id_, name in ("ax", "ay", "by", "by")]
    (finding,) = read(tmp_path, customers)
    assert (finding.level, finding.code) == ("error", "rows_shared")
    assert finding.problem == "2 of 3 items share 1 row, and each hides others"


@pytest.mark.parametrize(
    ("data_type", "value", "problem", "remedy"),
    [
        ("TIMESTAMP", {"N": "1719082124"}, "the number looks like seconds (id=a)", MILLISECONDS),
        ("TIMESTAMP", {"N": "1719082124000000"}, "Are they microseconds? (id=a)", MILLISECONDS),
        ("STRING", {"S": "x" * 600}, "maxLength of 512 (id=a)", "Raise maxLength in the schema"),
    ],
)
def test_what_to_do_is_said_once(data_type, value, problem, remedy):
    records = [insert(KEY, {**FULL, "extra": value})]
    (finding,) = sample_findings(records, [table(with_column("extra", data_type))])
    assert finding.problem.endswith(problem)
    assert finding.remedy == remedy


def test_the_advice_for_one_column_stands_in_for_that_for_all():
    schema = {**SCHEMA, "primaryKeyColumns": ["ID"], "dimensionFieldSpecs": [{"name": "ID", "dataType": "STRING"}]}
    schema["dimensionFieldSpecs"] += SCHEMA["dimensionFieldSpecs"][1:]
    findings = list(sample_findings([insert(KEY, FULL)], [table(schema)]))
    (finding,) = [each for each in findings if each.code == "dead_letter.missing_key"]
    assert finding.remedy == "The item has id: write ID = 'id' in source.toml, below [columns]"
    assert "source.toml" not in finding.problem


def test_good_changes_give_no_findings():
    assert found_in([insert(KEY, FULL), modify(KEY, FULL, FULL), remove(KEY, FULL)]) == []


def test_changes_that_would_be_dead_letters_are_counted_by_reason_and_path():
    records = [insert(KEY, {"price": {"S": "1"}}), insert(KEY, {"price": {"S": "2"}}), insert(KEY, FULL)]
    (finding,) = sample_findings(records, [table()])
    assert (finding.level, finding.code, finding.where) == ("error", "dead_letter.type_mismatch", "items: price")
    assert finding.problem.startswith("2 of 3 changes would be dead letters (type_mismatch): ")
    assert finding.remedy == "Change the column's type, or the item, or let Pinot convert it"


def test_a_record_that_cannot_be_read_is_a_dead_letter_of_no_table():
    assert found_in([{"dynamodb": {}}]) == [("error", "dead_letter.malformed", "the record: eventName")]


def test_the_remedy_of_each_dead_letter_is_that_of_the_page_on_the_mapping():
    section = (DOCS / "mapping.md").read_text().partition("## Why a change becomes a dead letter")[2]
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in section.splitlines() if line.startswith("| `")]
    assert [row[0].strip("`") for row in rows] == list(REMEDIES)
    for reason, _, remedy in rows:
        shown = REMEDIES[reason.strip("`")]
        assert shown.lower() == remedy.replace("`", "").lower() or reason == "`no_table`"


def test_kept_deletes_of_a_global_tables_items_are_warned_of():
    replica = {**FULL, "aws:rep:deleting": {"BOOL": True}, "aws:rep:updateregion": {"S": "us-east-1"}}
    keeping = table(source={"ttl_deletes": "keep", "leave_out": ["aws:rep:deleting", "aws:rep:updateregion"]})
    assert found_in([remove(KEY, replica)], keeping) == [("warning", "ttl_replicas", "items: ttl_deletes")]
    assert found_in([remove(KEY, FULL)], keeping) == []


def test_a_key_that_the_primary_key_leaves_out_is_reported_once():
    records = [insert({**KEY, "sort": {"N": "1"}}, FULL), remove({**KEY, "sort": {"N": "2"}}, FULL)]
    schema = with_column("sort", "LONG")
    assert found_in(records, table(schema)) == [("warning", "rows_shared", "items: primaryKeyColumns")]


def test_plain_items_show_nothing_about_a_key_that_they_do_not_name(tmp_path):
    (tmp_path / "items.json").write_text(json.dumps([{**KEY, **FULL, "sort": {"N": "1"}}]))
    diagnosis = Diagnosis()
    samples.look(diagnosis, [tmp_path / "items.json"], [table(with_column("sort", "LONG"))], now_ms=1719090000000)
    assert (diagnosis.findings, diagnosis.looked_at) == ([], [str(tmp_path / "items.json")])


def test_a_file_that_is_no_sample_is_refused(tmp_path):
    (tmp_path / "x.json").write_text("{")
    with pytest.raises(CommandError, match=r"x\.json: line 1, column 2: it is not JSON"):
        samples.look(Diagnosis(), [tmp_path / "x.json"], [table()], now_ms=0)


def test_attributes_that_nothing_uses_are_a_note_for_each_table():
    (finding,) = sample_findings([insert(KEY, {**FULL, "b": {"S": "x"}, "a": {"NULL": True}})], [table()])
    assert (finding.level, finding.code, finding.where) == ("note", "unmapped", "items: attributes a, b")


def test_attributes_that_are_left_out_on_purpose_or_go_to_rest_are_not_reported():
    record = insert(KEY, {**FULL, "a": {"S": "x"}})
    assert found_in([record], table(source={"leave_out": ["a"]})) == []
    assert found_in([record], table(with_column("rest", "JSON"), source={"columns": {"rest": "$rest"}})) == []


def test_an_attribute_of_a_computed_columns_name_is_reported():
    transforms = [{"columnName": "name", "transformFunction": "upper(id)"}]
    computing = with_setting(CONFIG, "ingestionConfig.transformConfigs", transforms)
    record = insert(KEY, FULL)
    assert found_in([record], table(config=computing)) == [("note", "computed_attribute", "items: attribute name")]
    mapped = {"columns": {"title": "name"}}
    assert found_in([record], table(with_column("title", "STRING"), computing, mapped)) == []
    assert found_in([record], table(config=computing, source={"leave_out": ["name"]})) == []


def test_last_values_that_do_not_fit_are_a_note():
    assert found_in([remove(KEY, {"price": {"S": "x"}})]) == [("note", "last_value", "items: column price")]


def test_declared_microseconds_are_a_note_and_are_floored():
    record = at(MICROSECONDS, insert(KEY, FULL), ApproximateCreationDateTimePrecision="MICROSECOND")
    assert found_in([record]) == [("note", "microseconds", "the record: dynamodb.ApproximateCreationDateTime")]


def test_undeclared_microseconds_are_an_error_and_hide_no_other():
    records = [at(MICROSECONDS, insert(KEY, {"price": {"S": "x"}})), at(1719082124026, insert(KEY, FULL))]
    assert found_in(records) == [
        ("error", "microseconds_untold", "the record: dynamodb.ApproximateCreationDateTime"),
        ("error", "dead_letter.type_mismatch", "items: price"),
    ]


@pytest.mark.parametrize("view_type", ["KEYS_ONLY", "OLD_IMAGE"])
def test_a_stream_without_new_images_is_one_error(view_type):
    records = [in_view(view_type, insert(KEY, {})), in_view(view_type, remove(KEY, FULL))]
    del records[0]["dynamodb"]["NewImage"]
    assert found_in(records) == [("error", "view_type", "table meetups: stream")]


def test_a_stream_without_old_images_is_a_note_where_the_key_suffices():
    assert found_in([in_view("NEW_IMAGE", insert(KEY, FULL)), in_view("NEW_IMAGE", remove(KEY))]) == [
        ("note", "old_images", "table meetups: stream")
    ]


def test_a_stream_without_old_images_is_an_error_if_only_they_show_which_row_to_delete():
    by_name = table(with_setting(SCHEMA, "primaryKeyColumns", ["name"]))
    changed = in_view("NEW_IMAGE", modify(KEY, FULL))
    assert found_in([changed], by_name) == [("error", "old_images", "table meetups: stream")]
    filtered = table(source={"when": {"name": "x"}})
    assert found_in([changed], filtered) == [("error", "old_images", "table meetups: stream")]
    by_key = table(source={"when": {"id": {"begins_with": "a"}}})
    assert found_in([changed], by_key) == [("note", "old_images", "table meetups: stream")]


def test_a_row_over_the_streams_limit_is_a_dead_letter():
    assert found_in([insert(KEY, FULL)], max_record_bytes=20) == [("error", "dead_letter.row_too_large", "items")]


def test_changes_of_a_table_that_nobody_replicates_are_reported():
    assert found_in([insert(KEY, FULL)], table(source={"dynamodb_table": "other"})) == [
        ("error", "dead_letter.no_table", "the record: eventSourceARN")
    ]
