"""A running Pinot against the files, broken in one way after the other."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dynapinot.defaults import DEMO_TABLES
from dynapinot.doctor import pinot, tables
from dynapinot.doctor.finding import Diagnosis
from dynapinot.doctor.kinesis import PART as KINESIS
from dynapinot.errors import CommandError
from dynapinot.pinot_server import Answer, Broker, Controller
from files import REMOVED, with_setting
from pinot_fake import Pinot, Table, result, running

RECORDED = Path(__file__).parent / "recorded"
NAME = "pinot_dynamo_ingestion"
NOW_MS = 1719090000000
# What Pinot 1.5.1's own code makes of the shipped files, with every default: what GET gives back.
DEPLOYED = json.loads((RECORDED / "validated-shipped.json").read_text())
SEGMENTS = [f"{NAME}__{partition}__0__20240622T1848Z" for partition in (0, 1)]
IDEAL = {segment: {"Server_a": "CONSUMING", "Server_b": "CONSUMING"} for segment in SEGMENTS}
SHARDS = [{"ShardId": f"shardId-00000000000{number}", "SequenceNumberRange": {}} for number in (0, 1)]


def deployed(**changes):
    given = {"schema": DEPLOYED["schema"], "config": DEPLOYED["realtime"], "ideal": IDEAL, "actual": IDEAL, **changes}
    return Table(**given)


def found_in(fake, *, shards=SHARDS, query=False):
    diagnosis = Diagnosis()
    (folder,) = tables.look(Diagnosis(), DEMO_TABLES)
    with running(fake):
        pinot.look(diagnosis, Controller(fake.url), folder, shards=shards)
        if query:
            pinot.look_by_query(diagnosis, Broker(fake.url), folder, NOW_MS)
    assert all(each.problem and each.remedy for each in diagnosis.findings)
    assert set(diagnosis.parts) <= {pinot.PART}
    assert diagnosis.missed == []
    return [(each.level, each.code, each.where) for each in diagnosis.findings]


def found_with(**changes):
    return found_in(Pinot(tables={NAME: deployed(**changes)}))


def test_pinot_keeps_the_shipped_files_as_they_are():
    assert found_with() == []


def test_a_table_that_pinot_does_not_have_is_reported_with_how_to_create_it():
    assert found_in(Pinot()) == [("error", "pinot_absent", f"table {NAME}")]


def test_a_refusal_by_pinot_is_reported_in_its_own_words():
    fake = Pinot(tables={NAME: deployed()}, refusal="The upsert table cannot have star-tree index.")
    assert found_in(fake) == [("error", "pinot_refuses", str(DEMO_TABLES / NAME))]


def test_properties_that_pinot_does_not_know_are_reported_except_those_the_files_report():
    fake = Pinot(tables={NAME: deployed()})
    fake.unrecognized = {
        "/realtime/upsertConfig/snapshots": "ENABLE",
        "/realtime/segmentsConfig/schemaName": "x",
        "/schema/dimensionFieldSpecs/0/notNull": False,
    }
    file = DEMO_TABLES / NAME / "table.json"
    assert found_in(fake) == [("warning", "pinot_unrecognized", f"{file}: upsertConfig.snapshots")]


@pytest.mark.parametrize(
    ("path", "value", "code", "where"),
    [
        ("schema.metricFieldSpecs.0.dataType", "LONG", "pinot_schema", "column rsvp_count"),
        ("schema.dimensionFieldSpecs.0.maxLength", 10, "pinot_schema", "column eventName"),
        ("schema.dateTimeFieldSpecs.0.name", "other", "pinot_there", "primary key column mtime"),
        ("schema.primaryKeyColumns", ["meetup_id"], "pinot_schema", "primaryKeyColumns"),
        ("config.upsertConfig.mode", "PARTIAL", "pinot_there", "upsertConfig.mode"),
        ("config.upsertConfig", REMOVED, "pinot_there", "upsertConfig.mode"),
        ("config.segmentsConfig.retentionTimeValue", "7", "pinot_there", "segmentsConfig.retentionTimeValue"),
        ("config.upsertConfig.deletedKeysTTL", 864e6, "pinot_config", "upsertConfig.deletedKeysTTL"),
        ("config.ingestionConfig.transformConfigs", [], "pinot_config", "ingestionConfig.transformConfigs"),
    ],
)
def test_each_difference_that_matters_is_reported(path, value, code, where):
    document = with_setting({"schema": DEPLOYED["schema"], "config": DEPLOYED["realtime"]}, path, value)
    found = found_with(**document)
    assert (code, f"table {NAME}: {where}") in [each[1:] for each in found]
    assert len(found) == len(set(found))


def test_a_mode_that_is_wrong_in_pinot_is_one_fault_and_not_also_a_difference():
    config = with_setting(DEPLOYED["realtime"], "upsertConfig.mode", "PARTIAL")
    assert found_with(config=config) == [("warning", "pinot_there", f"table {NAME}: upsertConfig.mode")]


def test_a_difference_that_does_not_matter_is_not_reported():
    config = with_setting(DEPLOYED["realtime"], "tableIndexConfig.loadMode", "HEAP")
    assert found_with(config=config) == []


def test_a_column_that_one_side_lacks_is_reported():
    column = {"name": "extra", "dataType": "STRING", "fieldType": "DIMENSION"}
    specs = DEPLOYED["schema"]["dimensionFieldSpecs"]
    more = with_setting(DEPLOYED["schema"], "dimensionFieldSpecs", [*specs, column])
    less = with_setting(
        DEPLOYED["schema"], "dimensionFieldSpecs", [each for each in specs if each["name"] != "venue_name"]
    )
    assert found_with(schema=more) == [("error", "pinot_schema", f"table {NAME}: column extra")]
    assert found_with(schema=less) == [("error", "pinot_schema", f"table {NAME}: column venue_name")]


def test_a_disabled_table_is_reported_and_not_its_missing_consumers():
    assert found_with(enabled=False, actual={}) == [("error", "pinot_disabled", f"table {NAME}")]
    assert found_with(paused=True, actual={}) == [("error", "pinot_paused", f"table {NAME}")]


def test_a_disabled_table_is_one_fault_for_the_controller_and_the_broker():
    disabled = [{"errorCode": 191, "message": "TableIsDisabledError"}]
    fake = Pinot(tables={NAME: deployed(enabled=False, actual={})}, answers={"SELECT": disabled})
    assert found_in(fake, query=True) == [("error", "pinot_disabled", f"table {NAME}")]


@pytest.mark.parametrize(
    ("code", "finding", "remedy"),
    [
        (190, "pinot_absent", "Make it: dynapinot add-table"),
        (191, "pinot_disabled", f"Enable it: PUT /tables/{NAME}/state?type=realtime&state=enable"),
        (305, "pinot_query", "A server that was restarted loads its segments"),
        (200, "pinot_query", "Make sure that the broker is up"),
    ],
)
def test_a_query_that_fails_has_the_remedy_of_its_error(code, finding, remedy):
    diagnosis = Diagnosis()
    (folder,) = tables.look(Diagnosis(), DEMO_TABLES)
    with running(Pinot(answers={"SELECT": [{"errorCode": code, "message": "…"}]})) as fake:
        pinot.look_by_query(diagnosis, Broker(fake.url), folder, NOW_MS)
    (found,) = diagnosis.findings
    assert (found.level, found.code) == ("error", finding)
    assert found.remedy.startswith(remedy)


def test_a_pinot_that_is_still_catching_up_is_reported():
    answer = result(["count(*)", "max"], ["LONG", "DOUBLE"], [[12, NOW_MS - 1_000]])
    fake = Pinot(tables={NAME: deployed()}, answers={"SELECT COUNT(*)": answer})
    fake.statistics = {"minConsumingFreshnessTimeMs": NOW_MS - 3_600_000}
    assert found_in(fake, query=True) == [
        ("note", "pinot_rows", f"table {NAME}: rows"),
        ("warning", "pinot_behind", f"table {NAME}: freshness"),
    ]
    fake.statistics = {"minConsumingFreshnessTimeMs": NOW_MS - 2_000}
    assert found_in(fake, query=True) == [("note", "pinot_rows", f"table {NAME}: rows")]


def test_a_table_without_segments_is_reported():
    assert found_with(ideal={}, actual={}) == [("error", "pinot_segments", f"table {NAME}")]


def states(first, second="CONSUMING"):
    return {**IDEAL, SEGMENTS[0]: {"Server_a": first, "Server_b": second}}


@pytest.mark.parametrize(
    ("ideal", "actual", "level"),
    [
        (IDEAL, states("OFFLINE", "OFFLINE"), "error"),
        (IDEAL, {SEGMENTS[1]: IDEAL[SEGMENTS[1]]}, "error"),
        (states("OFFLINE", "OFFLINE"), states("OFFLINE", "OFFLINE"), "error"),
        (IDEAL, states("OFFLINE"), "warning"),
    ],
)
def test_a_partition_that_is_not_consumed_is_reported(ideal, actual, level):
    assert found_with(ideal=ideal, actual=actual) == [(level, "pinot_consuming", f"table {NAME}: partition 0")]


def test_committed_segments_and_uploaded_ones_do_not_matter():
    older = {f"{NAME}__0__1__20240622T1200Z": {"Server_a": "ONLINE"}, "uploaded": {"Server_a": "ONLINE"}}
    assert found_with(ideal={**IDEAL, **older}, actual={**IDEAL, **older}) == []


def test_a_segment_in_error_is_reported():
    older = f"{NAME}__0__1__20240622T1200Z"
    ideal, actual = {older: {"Server_a": "ONLINE"}}, {older: {"Server_a": "ERROR"}}
    assert found_with(ideal={**IDEAL, **ideal}, actual={**IDEAL, **actual}) == [
        ("error", "pinot_error", f"table {NAME}")
    ]


def test_shards_that_nobody_consumes_and_partitions_without_a_shard_are_reported():
    fake = Pinot(tables={NAME: deployed()})
    third = {"ShardId": "shardId-000000000002", "SequenceNumberRange": {}}
    closed = {"ShardId": "shardId-000000000003", "SequenceNumberRange": {"EndingSequenceNumber": "9"}}
    assert found_in(fake, shards=[*SHARDS, closed]) == []
    assert found_in(fake, shards=[*SHARDS, third]) == [("error", "pinot_shards", f"table {NAME}")]
    assert found_in(fake, shards=SHARDS[:1]) == [("error", "pinot_partitions", f"table {NAME}")]
    assert found_in(fake, shards=None) == []
    assert KINESIS not in [each[1] for each in found_in(fake)]


def test_another_table_on_the_same_stream_is_reported():
    other = with_setting(DEPLOYED["realtime"], "tableName", "other_REALTIME")
    place = "ingestionConfig.streamIngestionConfig.streamConfigMaps.0".split(".")
    elsewhere = with_setting(other, (*place, "region"), "eu-west-1")
    fake = Pinot(tables={NAME: deployed(), "other": deployed(config=other), "third": deployed(config=elsewhere)})
    fake.tables["no_replica"] = deployed(config={"tableName": "no_replica_REALTIME", "tableType": "REALTIME"})
    diagnosis = found_in(fake)
    assert diagnosis == [("error", "pinot_shared_stream", f"table {NAME}")]


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (result(["count(*)", "max"], ["LONG", "DOUBLE"], [[0, "-Infinity"]]), "there is none yet"),
        (
            result(["count(*)", "max"], ["LONG", "DOUBLE"], [[12, NOW_MS - 90_000]]),
            "12, deletes included; the newest change is 90 s old",
        ),
    ],
)
def test_the_rows_that_queries_see_are_a_note(answer, expected):
    fake = Pinot(tables={NAME: deployed()}, answers={"SELECT COUNT(*)": answer})
    diagnosis = Diagnosis()
    (folder,) = tables.look(Diagnosis(), DEMO_TABLES)
    with running(fake):
        pinot.look_by_query(diagnosis, Broker(fake.url), folder, NOW_MS)
    (finding,) = diagnosis.findings
    assert (finding.level, finding.problem) == ("note", expected)
    assert fake.requests[0][3]["sql"] == (
        f'SET skipUpsert=true; SELECT COUNT(*), MAX("ApproximateCreationDateTime") FROM "{NAME}"'
    )


@pytest.mark.parametrize(
    ("seconds", "age"),
    [(-5, "0 s"), (119, "119 s"), (120, "2 min"), (7_200, "2 h"), (172_800, "2 d")],
)
def test_an_age_is_shown_in_a_readable_unit(seconds, age):
    answer = Answer(columns=[], types=[], rows=[[1, (NOW_MS / 1_000 - seconds)]], statistics={})
    (finding,) = pinot.row_findings("items", answer, NOW_MS, unit_ms=1_000)
    assert finding.problem == f"1, deletes included; the newest change is {age} old"


def test_a_table_without_a_column_for_the_time_is_counted():
    answer = Answer(columns=[], types=[], rows=[[1]], statistics={})
    assert list(pinot.row_findings("items", answer, NOW_MS)) == []


def test_a_table_without_its_schema_is_reported():
    (folder,) = tables.look(Diagnosis(), DEMO_TABLES)
    (finding,) = pinot.deployed_findings(folder, None, DEPLOYED["realtime"])
    assert (finding.level, finding.code, finding.where) == ("error", "pinot_schema", f"table {NAME}")


def test_a_check_that_the_controller_does_not_answer_is_listed_and_hides_nothing_else(monkeypatch):
    diagnosis = Diagnosis()
    (folder,) = tables.look(Diagnosis(), DEMO_TABLES)
    monkeypatch.setattr(Controller, "validate", refuse)
    monkeypatch.setattr(Controller, "is_paused", refuse)
    with running(Pinot(tables={NAME: deployed(config={**DEPLOYED["realtime"], "tierConfigs": []})})) as fake:
        pinot.look(diagnosis, Controller(fake.url), folder, shards=None)
    assert [each.what for each in diagnosis.missed] == [
        f"Pinot: table {NAME}: validation",
        f"Pinot: table {NAME}: state",
    ]
    assert [each.where for each in diagnosis.findings] == [f"table {NAME}: tierConfigs"]


def refuse(*_):
    raise CommandError("not now")


def test_a_query_that_fails_is_reported():
    fake = Pinot(tables={NAME: deployed()})
    fake.answers = {"SELECT": [{"errorCode": 200, "message": "…"}]}
    assert found_in(fake, query=True) == [("error", "pinot_query", f"table {NAME}: a query")]
