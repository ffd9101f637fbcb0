"""What Pinot's validators refuse is found in the files alone; tests/engines holds this to the validators."""

from __future__ import annotations

import pytest

from dynapinot.doctor import tables
from dynapinot.doctor.finding import Diagnosis
from dynapinot.doctor.pinot_validators import look_at_config, look_at_schema
from files import CONFIG, SCHEMA, with_column, with_setting
from pinot.errors import Findings
from validators import REFUSED_BY_VALIDATORS, TAKEN_BY_VALIDATORS


def found_in(schema, config):
    in_schema, in_config = Findings("schema.json"), Findings("table.json")
    look_at_schema(schema, in_schema)
    look_at_config(schema, config, in_config)
    found = [*in_schema.found, *in_config.found]
    assert all(each.level == "warning" and each.problem and each.remedy for each in found)
    return [(each.file, each.where) for each in found]


@pytest.mark.parametrize(("schema", "config"), REFUSED_BY_VALIDATORS)
def test_what_pinot_refuses_is_one_finding(schema, config):
    assert len(found_in(schema, config)) == 1


@pytest.mark.parametrize(("schema", "config"), TAKEN_BY_VALIDATORS)
def test_what_pinot_takes_is_none(schema, config):
    assert found_in(schema, config) == []


@pytest.mark.parametrize(
    ("schema", "setting", "value", "where"),
    [
        (with_column("v", "LONG", format="EPOCH|SECONDS"), "tableIndexConfig.loadMode", "MMAP", "column v"),
        (SCHEMA, "tableIndexConfig.invertedIndexColumns", ["nix"], "tableIndexConfig.invertedIndexColumns"),
        (SCHEMA, "quota.storage", "many", "quota.storage"),
        (SCHEMA, "fieldConfigList", [{"name": "nix"}], "fieldConfigList[0]"),
    ],
)
def test_doctor_reports_it_of_a_folder(folder, whole_config, schema, setting, value, where):
    diagnosis = Diagnosis()
    tables.look(diagnosis, folder(schema=schema, config=with_setting(whole_config, setting, value)))
    assert [(each.level, each.code) for each in diagnosis.findings] == [("warning", where)]


@pytest.mark.parametrize(
    ("region", "found"),
    [
        ("eu-west-1", []),
        ("us-gov-west-1", []),
        ("cn-north-1", []),
        ("eu-wset-1", ["Write eu-west-1, if it is meant"]),
        ("eu-west1", ["Write the region's name, as eu-west-1"]),
    ],
)
def test_a_region_that_is_none_is_reported_once(folder, whole_config, region, found):
    stream = "ingestionConfig.streamIngestionConfig.streamConfigMaps.0.region"
    diagnosis = Diagnosis()
    tables.look(diagnosis, folder(config=with_setting(whole_config, stream, region)))
    assert [each.remedy for each in diagnosis.findings] == found


OUT_OF_ORDER = [
    {"dropOutOfOrderRecord": True},
    {"dropOutOfOrderRecord": "true"},
    {"dropOutOfOrderRecord": True, "outOfOrderRecordColumn": "name"},
    {"dropOutOfOrderRecord": True, "outOfOrderRecordColumn": "deleted", "consistencyMode": "NONE"},
]


@pytest.mark.parametrize(
    ("schema", "config"),
    [
        *REFUSED_BY_VALIDATORS,
        *((SCHEMA, {**CONFIG, "upsertConfig": {**CONFIG["upsertConfig"], **settings}}) for settings in OUT_OF_ORDER),
    ],
)
def test_doctor_says_once_that_pinot_refuses_a_setting(folder, whole_config, schema, config):
    diagnosis = Diagnosis()
    tables.look(diagnosis, folder(schema=schema, config={**whole_config, **config}))
    refused = [each.where for each in diagnosis.findings if "refuses" in each.problem]
    assert refused
    assert len(refused) == len(set(refused))
