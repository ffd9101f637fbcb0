"""What a table config may say that Pinot refuses, or takes without a word, and that a replica should not have.

Pinot's refusals are those of ``TableConfigUtils.validateUpsertAndDedupConfig`` of Pinot 1.5.1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from pinot.errors import Findings
from pinot.schema import is_true

JSON_DECODERS: Final = ("JSONMessageDecoder", "KafkaJSONMessageDecoder")  # the second is an old name of the first
DECODER_PROPERTY: Final = "stream.kinesis.decoder.prop."

_ROUTING: Final = ("strictreplicagroup", "multistagereplicagroup")
_CONSISTENT: Final = ("SYNC", "SNAPSHOT")
_KEYS_OF_AWS: Final = ("accessKey", "secretKey")

# Every setting of a stream that Pinot 1.5.1 reads (StreamConfigProperties, StreamConfig, KinesisConfig); of others it
# says nothing. The consumer's type is not read any more, and stands in most examples.
_STREAM_SETTINGS: Final = frozenset(
    (
        "streamType",
        "region",
        "endpoint",
        *_KEYS_OF_AWS,
        "iamRoleBasedAccessEnabled",
        "roleArn",
        "roleSessionName",
        "externalId",
        "sessionDurationSeconds",
        "asyncSessionUpdateEnabled",
        "maxRecordsToFetch",
        "requests_per_second_limit",
        "shardIteratorType",
        "metadata.populate",
        "topic.consumption.rate.limit",
        "segment.completion.fsm.scheme",
        "stream.kinesis.topic.name",
        "stream.kinesis.consumer.type",
        "stream.kinesis.consumer.factory.class.name",
        "stream.kinesis.consumer.prop.auto.offset.reset",
        "stream.kinesis.fetch.timeout.millis",
        "stream.kinesis.connection.timeout.millis",
        "stream.kinesis.idle.timeout.millis",
        "stream.kinesis.decoder.class.name",
        "stream.kinesis.partition.offset.factory.class.name",
        "stream.kinesis.hlc.group.id",
        "realtime.segment.flush.threshold.time",
        "realtime.segment.flush.threshold.time.llc",
        "realtime.segment.flush.threshold.rows",
        "realtime.segment.flush.threshold.size",
        "realtime.segment.flush.threshold.size.llc",
        "realtime.segment.flush.threshold.segment.rows",
        "realtime.segment.flush.threshold.segment.size",
        "realtime.segment.flush.desired.size",
        "realtime.segment.flush.threshold.variance.fraction",
        "realtime.segment.flush.autotune.initialRows",
        "realtime.segment.commit.timeoutSeconds",
        "realtime.segment.serverUploadToDeepStore",
        "realtime.segment.pauseless.download.timeoutSeconds",
        "realtime.segment.offsetAutoReset.enable",
        "realtime.segment.offsetAutoReset.offsetThreshold",
        "realtime.segment.offsetAutoReset.timeThresholdSeconds",
        "realtime.segment.isBackfillTopic",
    )
)


def at(config: Mapping[str, Any], path: str) -> Any:  # noqa: ANN401  # whatever the file holds there
    """Find the setting at a dotted path, None where nothing stands."""
    here: Any = config
    for step in path.split("."):
        here = here.get(step) if isinstance(here, dict) else None
    return here


def _lower(text: object) -> str:
    return str(text).lower()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rule:
    """A setting that is wrong for a replica when ``wrong`` says so of its value (None where it is not set)."""

    setting: str
    wrong: Callable[[Any], bool]
    problem: str
    remedy: str = "Remove it"


_REFUSED: Final = "Pinot refuses it in an upsert table"
_PARTITIONS: Final = "Pinot takes the shard's number for the partition, and Kinesis chooses shards by MD5"

_RULES: Final = (
    _Rule(
        setting="upsertConfig.mode",
        wrong=lambda mode: mode == "PARTIAL",
        problem="PARTIAL keeps the old value of an attribute that was removed from the item",
        remedy='Write "mode": "FULL"',
    ),
    _Rule(
        # Updates alone, queried on Pinot 1.5.1: 35 of 1,361 counts were wrong, with SYNC 0 of 1,961. SNAPSHOT is right
        # too, and shows rows later, by upsertViewRefreshIntervalMs.
        setting="upsertConfig.consistencyMode",
        wrong=lambda mode: mode not in _CONSISTENT,
        problem="a query during updates may miss a row, or count it twice",
        remedy='Write "consistencyMode": "SYNC"',
    ),
    _Rule(
        setting="upsertConfig.metadataTTL",
        wrong=bool,
        problem="Pinot forgets keys, and then keeps old rows",
    ),
    _Rule(
        setting="segmentsConfig.retentionTimeValue",
        wrong=bool,
        problem="Pinot drops live rows whose time is older, though their items still exist",
        remedy="Remove retentionTimeUnit and retentionTimeValue",
    ),
    _Rule(
        setting="routing.instanceSelectorType",
        wrong=lambda selector: str(selector).lower() not in _ROUTING,
        problem="Pinot refuses an upsert table without it",
        remedy='Write "routing": {"instanceSelectorType": "strictReplicaGroup"}',
    ),
    _Rule(
        setting="ingestionConfig.filterConfig.filterFunction",
        wrong=bool,
        problem="a delete that the filter drops leaves its row, and so does an update",
        remedy="Remove it, or make sure that it tells an item the same in all its changes",
    ),
    _Rule(
        setting="ingestionConfig.complexTypeConfig.fieldsToUnnest",
        wrong=bool,
        problem="Pinot makes several rows of one, which have one primary key",
        remedy="Remove it: declare the column multi-value or JSON",
    ),
    _Rule(
        setting="tableIndexConfig.sortedColumn",
        wrong=bool,
        problem="sorting a segment may turn round two changes of one item that carry the same time",
        remedy="Remove it, or order changes by $version",
    ),
    _Rule(
        setting="tableIndexConfig.jsonIndexColumns",
        wrong=bool,
        problem="one value with two long lists makes Pinot fail to commit the segment, and so to consume",
        remedy=('Write "jsonIndexConfigs": {"<column>": {"disableCrossArrayUnnest": true, "skipInvalidJson": true}}'),
    ),
    _Rule(
        setting="tableIndexConfig.starTreeIndexConfigs",
        wrong=bool,
        problem=f"{_REFUSED}: it would count rows that were replaced",
    ),
    _Rule(
        setting="tableIndexConfig.enableDefaultStarTree",
        wrong=is_true,
        problem=f"{_REFUSED}: it would count rows that were replaced",
    ),
    _Rule(
        setting="tableIndexConfig.aggregateMetrics",
        wrong=is_true,
        problem=f"{_REFUSED}: it would add up the versions of a row",
    ),
    _Rule(
        setting="ingestionConfig.aggregationConfigs",
        wrong=bool,
        problem=f"{_REFUSED}: it would add up the versions of a row",
    ),
    _Rule(
        setting="tierConfigs",
        wrong=lambda tiers: tiers is not None,
        problem=f"{_REFUSED}, even an empty list: its segments cannot be moved",
    ),
    _Rule(
        setting="instanceAssignmentConfigMap.COMPLETED",
        wrong=lambda assignment: assignment is not None,
        problem=f"{_REFUSED}: a completed segment stays on the servers that know its keys",
    ),
    _Rule(
        setting="tenants.tagOverrideConfig",
        wrong=lambda tags: isinstance(tags, dict) and bool({"realtimeConsuming", "realtimeCompleted"} & tags.keys()),
        problem=f"{_REFUSED}: a completed segment stays on the servers that know its keys",
    ),
    _Rule(
        setting="ingestionConfig.rowTimeValueCheck",
        wrong=is_true,
        problem="Pinot drops a row, or a delete, whose time lies before 1971 or after 2070",
    ),
    _Rule(
        setting="upsertConfig.hashFunction",
        wrong=lambda function: function == "UUID",
        problem="primary keys that differ only in the case of letters become one row",
        remedy="Write NONE, or MURMUR3",
    ),
    _Rule(
        setting="routing.segmentPrunerTypes",
        wrong=lambda pruners: isinstance(pruners, list) and "partition" in map(_lower, pruners),
        problem=f"{_PARTITIONS}, so a query for a key leaves out segments that have it",
        remedy='Remove "partition"',
    ),
    _Rule(
        setting="tableIndexConfig.segmentPartitionConfig",
        wrong=bool,
        problem=_PARTITIONS,
    ),
    _Rule(
        setting="task.taskTypeConfigsMap.RealtimeToOfflineSegmentsTask",
        wrong=lambda task: task is not None,
        problem="Pinot does not generate this task for an upsert table",
    ),
    _Rule(
        setting="upsertConfig.outOfOrderRecordColumn",
        wrong=bool,
        problem="Pinot writes into this column itself, over what is sent",
        remedy="Remove it, or give it a column that nothing is sent for",
    ),
    _Rule(
        setting="upsertConfig.dropOutOfOrderRecord",
        wrong=is_true,
        problem="Pinot refuses it beside a consistencyMode or outOfOrderRecordColumn, and alone it refuses forceCommit",
    ),
    _Rule(
        setting="dedupConfig.dedupEnabled",
        wrong=is_true,
        problem="Pinot refuses it beside upsertConfig: it would drop every update and delete",
    ),
)


def check_config(config: Mapping[str, Any], findings: Findings) -> None:
    """Warn of what Pinot refuses or takes without a word and a replica should not have."""
    for rule in _RULES:
        if rule.wrong(at(config, rule.setting)):
            findings.warning(rule.setting, rule.problem, rule.remedy)


def check_stream(where: str, stream: Mapping[str, Any], findings: Findings) -> None:
    """Warn of the same in the settings of the stream, which stand at ``where``."""
    decoder = stream.get("stream.kinesis.decoder.class.name")
    if not isinstance(decoder, str) or decoder.rpartition(".")[2] not in JSON_DECODERS:
        findings.warning(
            f"{where}.stream.kinesis.decoder.class.name",
            "the rows on the stream are plain JSON objects, which this decoder does not read",
            "Use org.apache.pinot.plugin.inputformat.json.JSONMessageDecoder",
        )
    if "shardIteratorType" in stream:
        findings.warning(f"{where}.shardIteratorType", "Pinot reads this setting and never uses it", "Remove it")
    in_file = [key for key in _KEYS_OF_AWS if stream.get(key) and not str(stream[key]).startswith("${")]
    if in_file:
        findings.warning(
            f"{where}.{in_file[0]}",
            "the file holds AWS credentials, and goes to everybody who reads the repository, the function or Pinot",
            "Give Pinot's servers a role, and take the keys out (and out of use)",
        )
    if str(stream.get("realtime.segment.offsetAutoReset.enable")).lower() == "true":
        findings.warning(
            f"{where}.realtime.segment.offsetAutoReset.enable",
            "Pinot skips rows when it is behind, and what they replaced or deleted stays",
            "Remove it",
        )
    for key in sorted(stream.keys() - _STREAM_SETTINGS):
        if not key.startswith(DECODER_PROPERTY):
            findings.warning(
                f"{where}.{key}", "Pinot 1.5.1 has no such setting, and ignores it", "Correct its name, or remove it"
            )
