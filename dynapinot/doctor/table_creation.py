"""Settings without which Pinot refuses to create the table, and settings that are better.

The package ``pinot`` reports what makes rows wrong. This is about creating the table, which the function does not do.
Each refusal is one of Pinot 1.5.1's ``TableConfig``, ``StreamConfig`` and ``TableConfigUtils``, and was run on them.
"""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, Final

from botocore.session import get_session

from pinot.config import REGION  # another form is an error of the table config itself
from pinot.config_checks import at
from pinot.errors import Findings
from pinot.expression import names_read_by

FACTORY: Final = "stream.kinesis.consumer.factory.class.name"
KINESIS_FACTORY: Final = "org.apache.pinot.plugin.stream.kinesis.KinesisConsumerFactory"
FLUSH_TIME: Final = "realtime.segment.flush.threshold.time"
DEFAULT_FLUSH_MS: Final = 6 * 3_600_000  # StreamConfig.DEFAULT_FLUSH_THRESHOLD_TIME_MILLIS

_NEW_PLACE: Final = "ingestionConfig.streamIngestionConfig.streamConfigMaps"
_OLD_PLACE: Final = "tableIndexConfig.streamConfigs"
_SECTIONS: Final = ("segmentsConfig", "tenants", "tableIndexConfig")
_OBSOLETE: Final = ("schemaName", "timeType")
_UNCUT: Final = ("JSON", "BYTES")

# Of these Pinot takes one (TableConfigUtils.validateStreamConfig); the older names of each count as it.
_FLUSH_THRESHOLDS: Final = (
    ("realtime.segment.flush.threshold.rows", "realtime.segment.flush.threshold.size"),
    ("realtime.segment.flush.threshold.segment.rows",),
    ("realtime.segment.flush.threshold.segment.size", "realtime.segment.flush.desired.size"),
)
_PERIOD: Final = re.compile(r"(?:([0-9]+)d)?(?:([0-9]+)h)?(?:([0-9]+)m)?(?:([0-9]+)s)?")
_MS: Final = (86_400_000, 3_600_000, 60_000, 1_000)

# "Each shard can support up to 5 transactions per second for reads", API_GetRecords.html
READS_PER_SECOND: Final = 5


def stream_settings(config: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    """Find the settings of the stream that a table consumes, and where they stand; none is an empty mapping."""
    maps = at(config, _NEW_PLACE)
    if isinstance(maps, list) and maps and isinstance(maps[0], dict):
        return _NEW_PLACE, maps[0]
    old = at(config, _OLD_PLACE)
    return _OLD_PLACE, old if isinstance(old, dict) else {}


def flush_ms(stream: Mapping[str, Any]) -> int | None:
    """Return how long Pinot gathers rows before it commits them, None if the setting cannot be read.

    A restarted server reads everything since then again.
    """
    text = stream.get(FLUSH_TIME, stream.get(f"{FLUSH_TIME}.llc"))
    if text is None:
        return DEFAULT_FLUSH_MS
    if str(text).isdecimal():
        return int(text)
    match = _PERIOD.fullmatch(str(text))
    if match is None or not any(match.groups()):
        return None
    return sum(int(number or 0) * unit for number, unit in zip(match.groups(), _MS, strict=True))


@cache
def regions() -> tuple[str, ...]:
    """List the regions of all partitions in which there is Kinesis, as the installed botocore has them."""
    session = get_session()
    partitions = session.get_available_partitions()
    return tuple(name for each in partitions for name in session.get_available_regions("kinesis", each))


def look_at_config(config: Mapping[str, Any], findings: Findings) -> None:
    """Warn of what Pinot refuses in a table config, of whatever kind the table is."""
    for section in _SECTIONS:
        if not isinstance(config.get(section), dict):
            findings.warning(section, "it is missing, and Pinot refuses the table", f'Write "{section}": {{}}')
    name = str(config.get("tableName", ""))
    if "__" in name or name.count(".") > 1 or any(character.isspace() for character in name):
        problem = "Pinot refuses a table's name with two underscores in a row, two dots or a blank"
        findings.warning("tableName", problem, "Choose another")
    if at(config, "streamIngestionConfig"):
        problem = "Pinot does not read it there"
        findings.warning("streamIngestionConfig", problem, 'Move it into "ingestionConfig"')
    if at(config, "ingestionConfig.streamIngestionConfig") and at(config, _OLD_PLACE):
        problem = "there is a stream in ingestionConfig too, and Pinot refuses two places"
        findings.warning(_OLD_PLACE, problem, "Remove this one")
    where, stream = stream_settings(config)
    _look_at_stream(where, stream, _replication(config), findings)
    _look_at_transforms(config, findings)


def notes(schema: Mapping[str, Any], config: Mapping[str, Any]) -> Iterator[tuple[str, str, str, str]]:
    """Give what is nothing wrong and could be better: the file's name, where in it, what, and the remedy."""
    if at(config, _OLD_PLACE) and not at(config, "ingestionConfig.streamIngestionConfig"):
        remedy = "Move it to ingestionConfig.streamIngestionConfig.streamConfigMaps, in a list"
        yield "table.json", _OLD_PLACE, "the place is deprecated", remedy
    for name in _OBSOLETE:
        if at(config, f"segmentsConfig.{name}"):
            yield "table.json", f"segmentsConfig.{name}", "Pinot does not need it any more", "Remove it"
    upsert = config.get("upsertConfig")
    if isinstance(upsert, dict):
        lacking = [name for name in ("snapshot", "preload") if not _is_on(upsert, name)]
        if lacking and upsert.get("enableDeletedKeysCompactionConsistency") is not True:  # which forbids preload
            where = " and ".join(f"upsertConfig.{name}" for name in lacking)
            problem = "a restarted server gets its upsert state back by reading every segment"
            yield "table.json", where, problem, 'Write "ENABLE"'
    deleted = at(config, "upsertConfig.deleteRecordColumn")  # of which the package pinot warns
    for spec in _columns(schema):
        where = f"column {spec.get('name')}"
        if spec.get("transformFunction") and spec.get("name") != deleted:
            remedy = "Move the expression to ingestionConfig.transformConfigs of the table config"
            yield "schema.json", where, "transformFunction in a schema is deprecated", remedy
        if spec.get("dataType") in _UNCUT and spec.get("maxLengthExceedStrategy") == "TRIM_LENGTH":
            problem = f"a cut {spec['dataType']} is none, so a longer one is a dead letter"
            yield "schema.json", where, problem, "Remove maxLengthExceedStrategy, and it has no limit"


def _columns(schema: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for kind in ("dimensionFieldSpecs", "metricFieldSpecs", "dateTimeFieldSpecs"):
        specs = schema.get(kind)
        if isinstance(specs, list):
            yield from (spec for spec in specs if isinstance(spec, dict))


def _look_at_stream(where: str, stream: Mapping[str, Any], replication: int, findings: Findings) -> None:
    if not stream:
        return
    if str(stream.get(FACTORY)).rpartition(".")[2] != KINESIS_FACTORY.rpartition(".")[2]:
        problem = "it is not that of Kinesis, and where nothing is said Pinot takes Kafka's"
        findings.warning(f"{where}.{FACTORY}", problem, f"Write {KINESIS_FACTORY}")
    region = stream.get("region")
    if isinstance(region, str) and REGION.fullmatch(region) and region not in (known := regions()):
        similar = difflib.get_close_matches(region, known, n=1)
        remedy = f"Write {similar[0]}, if it is meant" if similar else "Correct it"
        findings.warning(f"{where}.region", "the AWS SDK that is installed here knows no such region", remedy)
    given = [names[0] for names in _FLUSH_THRESHOLDS if any(_is_positive(stream.get(name)) for name in names)]
    if len(given) > 1:
        problem = f"Pinot takes one of {' and '.join(given)}"
        findings.warning(f"{where}.{given[1]}", problem, "Keep one")
    if not flush_ms(stream):
        findings.warning(f"{where}.{FLUSH_TIME}", "it is no length of time, and Pinot refuses it", "Write 6h, or 1h30m")
    limit = stream.get("requests_per_second_limit", 1)
    if str(limit).isdecimal() and int(limit) * replication > READS_PER_SECOND:
        problem = (
            f"{replication} servers read each shard that often, and Kinesis allows 5 reads a second by all readers"
        )
        findings.warning(f"{where}.requests_per_second_limit", problem, f"Write {READS_PER_SECOND // replication or 1}")


def _look_at_transforms(config: Mapping[str, Any], findings: Findings) -> None:
    where = "ingestionConfig.transformConfigs"
    transforms = at(config, where)
    given = [each for each in transforms if isinstance(each, dict)] if isinstance(transforms, list) else []
    for name, count in Counter(each.get("columnName") for each in given).items():
        if count > 1:
            findings.warning(where, f"it computes {name} twice, and Pinot refuses that", "Keep one of the two")
    for each in given:
        name, expression = each.get("columnName"), each.get("transformFunction")
        if isinstance(expression, str) and name in names_read_by(expression):
            problem = f"the expression for {name} reads {name} itself, and Pinot refuses that"
            findings.warning(where, problem, "Compute another column")


def _replication(config: Mapping[str, Any]) -> int:
    replication = str(at(config, "segmentsConfig.replication"))
    return int(replication) if replication.isdecimal() else 1


def _is_on(upsert: Mapping[str, Any], name: str) -> bool:
    return upsert.get(name) == "ENABLE" or upsert.get(f"enable{name.capitalize()}") is True


def _is_positive(value: object) -> bool:
    return value is not None and str(value) not in ("0", "-1", "")
