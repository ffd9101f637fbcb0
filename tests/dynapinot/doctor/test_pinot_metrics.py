"""What Pinot's servers count, as the JMX exporter writes it by Pinot's own server.yml."""

from __future__ import annotations

import pytest

from dynapinot.doctor import pinot_metrics
from dynapinot.doctor.finding import Diagnosis
from dynapinot.doctor.pinot_metrics import meter_findings
from pinot_fake import Pinot, running

LABELS = 'partition="0",table="items",tableType="REALTIME",topic="items-stream",'
TEXT = f"""# HELP pinot_server_rowsWithErrors_Count Attribute exposed for management
# TYPE pinot_server_rowsWithErrors_Count untyped
pinot_server_rowsWithErrors_Count{{{LABELS}}} 0.0
pinot_server_realtimeRowsConsumed_Count{{{LABELS}}} 12.0
pinot_server_llcPartitionConsuming_Value{{{LABELS}}} 1.0
jvm_threads_current 55.0
"""


def found_in(text):
    return [(each.level, each.code, each.where) for each in meter_findings("http://server:8008", text, ["items"])]


def with_sample(name, value, labels=LABELS):
    return f"{TEXT}pinot_server_{name}{{{labels}}} {value}\n"


def test_a_server_that_dropped_nothing_has_nothing_wrong():
    assert found_in(TEXT) == []


@pytest.mark.parametrize(
    "meter",
    [
        "rowsWithErrors",
        "invalidRealtimeRowsDropped",
        "incompleteRealtimeRowsConsumed",
        "realtimeRowsSanitized",
        "realtimeRowsFiltered",
    ],
)
def test_each_kind_of_lost_row_is_reported(meter):
    name = f"pinot_server_{meter}_Count"
    assert found_in(with_sample(f"{meter}_Count", 2.0)) == [("warning", "pinot_rows_lost", f"table items: {name}")]


def test_a_row_that_cannot_be_read_counts_as_one_with_an_error_and_is_one_fault():
    text = with_sample("invalidRealtimeRowsDropped_Count", 2.0) + with_sample("rowsWithErrors_Count", 3.0)
    (finding,) = meter_findings("http://server:8008", text, ["items"])
    assert finding.problem.startswith("3 rows were dropped")


def test_partitions_are_added_up_and_other_tables_left_out():
    text = with_sample("rowsWithErrors_Count", 2.0) + with_sample(
        "rowsWithErrors_Count", 1.0, LABELS.replace('"0"', '"1"')
    )
    text += with_sample("rowsWithErrors_Count", 5.0, LABELS.replace("items", "others", 1))
    (finding,) = meter_findings("http://server:8008", text, ["items"])
    assert finding.problem.startswith("3 rows were dropped")


def test_a_partition_that_is_not_being_consumed_is_reported():
    text = TEXT.replace(" 1.0\n", " 0.0\n")
    assert found_in(text) == [("warning", "pinot_consuming", "table items: partition 0")]


def test_lines_that_are_no_samples_are_passed_over():
    assert found_in('pinot_server_rowsWithErrors_Count{table="items"} many\n\nnonsense{') == []


def test_rows_that_are_not_counted_yet_are_named_as_not_looked_at():
    diagnosis = Diagnosis()
    with running(Pinot(metrics=TEXT)) as pinot:
        pinot_metrics.look(diagnosis, f"{pinot.url}/metrics", ["items"])
    (missed,) = diagnosis.missed
    assert missed.what == "Pinot: rows with errors since the last commit"
    assert diagnosis.exit_code == 0


def test_metrics_are_read_from_where_they_are_or_else_missed():
    diagnosis = Diagnosis()
    with running(Pinot(metrics=with_sample("rowsWithErrors_Count", 1.0))) as pinot:
        pinot_metrics.look(diagnosis, f"{pinot.url}/metrics", ["items"])
        pinot_metrics.look(diagnosis, f"{pinot.url}/nix", ["items"])
        pinot_metrics.look(diagnosis, "nowhere", ["items"])
    assert [each.code for each in diagnosis.findings] == ["pinot_rows_lost"]
    assert diagnosis.looked_at == [f"Pinot: metrics at {pinot.url}/metrics"]
    assert [tuple(each) for each in diagnosis.refused] == [
        (f"Pinot: metrics at {pinot.url}/nix", f"{pinot.url}/nix answers with 404"),
        ("Pinot: metrics at nowhere", "nowhere cannot be read (MissingSchema)"),
    ]
