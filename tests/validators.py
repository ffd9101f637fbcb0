"""Tables that break one rule of Pinot 1.5.1's validators, and right ones beside them.

Doctor's words on them are tested without Pinot; ``tests/engines`` runs them on Pinot's own code.
"""

from __future__ import annotations

from files import CONFIG, SCHEMA, with_column, with_setting

COMPLETE = {**CONFIG, "tenants": {}, "metadata": {}}
INDEX = "tableIndexConfig."
LISTS = (
    *("invertedIndexColumns", "rangeIndexColumns", "jsonIndexColumns", "noDictionaryColumns", "bloomFilterColumns"),
    *("onHeapDictionaryColumns", "varLengthDictionaryColumns", "sortedColumn"),
)


def date_time(data_type="LONG", pattern="EPOCH|SECONDS", granularity="1:DAYS", **spec):
    return with_column("v", data_type, format=pattern, granularity=granularity, **spec)


def metric(data_type, **spec):
    return with_setting(
        SCHEMA, "metricFieldSpecs", [*SCHEMA["metricFieldSpecs"], {"name": "v", "dataType": data_type, **spec}]
    )


def configured(**settings):
    config = COMPLETE
    for path, value in settings.items():
        config = with_setting(config, path.replace("__", "."), value)
    return config


BAD_FORMATS = (
    *("yyyy-MM-dd", "1:SECONDS", "1:SECONDS:NIX", "EPOCH|seconds", "EPOCH|SECONDS|x", " EPOCH|SECONDS"),
    *(
        "SIMPLE_DATE_FORMAT|nix",
        "SIMPLE_DATE_FORMAT|dd-MM-yyyy",
        "SIMPLE_DATE_FORMAT|MM/yyyy",
        "SIMPLE_DATE_FORMAT|HH yyyy",
    ),
    "1:DAYS:SIMPLE_DATE_FORMAT:dd-MM-yyyy",
)
GOOD_FORMATS = (
    *("EPOCH", "EPOCH|SECONDS", "EPOCH|SECONDS|5", "1:SECONDS:EPOCH", "TIMESTAMP", "1:MILLISECONDS:TIMESTAMP"),
    *(
        "SIMPLE_DATE_FORMAT",
        "SIMPLE_DATE_FORMAT|yyyy-MM-dd",
        "SIMPLE_DATE_FORMAT|yyyy-MM-dd|UTC",
        "1:DAYS:SIMPLE_DATE_FORMAT",
    ),
    *(
        "SIMPLE_DATE_FORMAT|yyyy-MM-dd'T'HH:mm:ss.SSSZ",
        "1:DAYS:SIMPLE_DATE_FORMAT:yyyyMMdd",
        "SIMPLE_DATE_FORMAT|yyyyMMddHH",
    ),
    "1:DAYS:SIMPLE_DATE_FORMAT:yyyyMMdd tz(UTC)",
)
BAD_DEFAULTS = (
    *(("INT", value) for value in ("x", "1.5", "", True, "0a", 2**31)),
    *(("LONG", value) for value in ("1.5", 2**63, "2024-06-22T10:00:00Z")),
    *(("DOUBLE", "x"), ("FLOAT", ""), ("BIG_DECIMAL", "{}"), ("TIMESTAMP", "1.5"), ("TIMESTAMP", "x")),
    *(("BYTES", "x"), ("BYTES", "1")),
)
GOOD_DEFAULTS = (
    *(("INT", "1"), ("INT", 5), ("LONG", -1), ("DOUBLE", "1.5"), ("FLOAT", 5), ("BIG_DECIMAL", "1.5"), ("BYTES", "0a")),
    *(("TIMESTAMP", "1"), ("TIMESTAMP", "2024-06-22T10:00:00Z"), ("BOOLEAN", "x"), ("STRING", 5), ("JSON", "{}")),
)
PARTITIONED = {"columnPartitionMap": {"nix": {"functionName": "Murmur", "numPartitions": 2}}}

SCHEMAS_REFUSED = (
    *(
        with_column("v", "LONG", format="EPOCH|SECONDS"),
        *(
            date_time(granularity=each)
            for each in (*("1:FORTNIGHTS", "1", "0:DAYS", "-1:DAYS", "1:days", "x:DAYS", "1:DAYS:3"),)
        ),
    ),
    *(date_time("STRING", each) for each in BAD_FORMATS),
    date_time(singleValueField=False),
    *(metric(each) for each in ("BOOLEAN", "TIMESTAMP", "STRING", "JSON")),
    metric("LONG", singleValueField=False),
    *(with_column("v", data_type, defaultNullValue=value) for data_type, value in BAD_DEFAULTS),
)
CONFIGS_REFUSED = (
    *(configured(**{INDEX + name: ["nix"]}) for name in LISTS),
    *(configured(**{INDEX + name: {"nix": {}}}) for name in ("jsonIndexConfigs", "bloomFilterConfigs")),
    configured(**{f"{INDEX}noDictionaryConfig": {"nix": "SNAPPY"}}),
    configured(**{f"{INDEX}segmentPartitionConfig": PARTITIONED}),
    configured(**{f"{INDEX}jsonIndexColumns": ["price"]}),
    configured(**{f"{INDEX}bloomFilterColumns": ["deleted"]}),
    configured(**{f"{INDEX}rangeIndexColumns": ["name"], f"{INDEX}noDictionaryColumns": ["name"]}),
    configured(fieldConfigList=[{"name": "nix", "encodingType": "RAW"}]),
    configured(fieldConfigList=[{"name": "price", "indexTypes": ["TEXT"]}]),
    configured(fieldConfigList=[{"name": "price", "indexes": {"json": {}}}]),
    *(configured(quota__maxQueriesPerSecond=each) for each in ("-5", "x", "0")),
    *(configured(quota__storage=each) for each in ("-5G", "many")),
    configured(upsertConfig__outOfOrderRecordColumn="name", upsertConfig__consistencyMode="NONE"),
    configured(segmentsConfig__peerSegmentDownloadScheme="ftp"),
)
REFUSED_BY_VALIDATORS = [
    *((schema, COMPLETE) for schema in SCHEMAS_REFUSED),
    *((SCHEMA, config) for config in CONFIGS_REFUSED),
]
TAKEN_BY_VALIDATORS = [
    *((date_time(granularity=each), COMPLETE) for each in ("1:DAYS", "DAYS|1", "DAYS", "15:MINUTES")),
    *((date_time("STRING", each), COMPLETE) for each in GOOD_FORMATS),
    *((metric(each), COMPLETE) for each in ("INT", "LONG", "FLOAT", "DOUBLE", "BIG_DECIMAL", "BYTES")),
    *((with_column("v", data_type, defaultNullValue=value), COMPLETE) for data_type, value in GOOD_DEFAULTS),
    *((SCHEMA, configured(**{INDEX + name: ["name"]})) for name in LISTS),
    (SCHEMA, configured(fieldConfigList=[{"name": "name", "encodingType": "RAW", "indexTypes": ["TEXT"]}])),
    (SCHEMA, configured(fieldConfigList=[{"name": "name", "indexes": {"json": {}}}])),
    *((SCHEMA, configured(quota=each)) for each in ({"maxQueriesPerSecond": "5"}, {"storage": "5"}, {"storage": "5G"})),
    (SCHEMA, configured(upsertConfig__outOfOrderRecordColumn="deleted", upsertConfig__consistencyMode="NONE")),
]
