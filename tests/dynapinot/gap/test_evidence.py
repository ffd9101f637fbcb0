"""``dynapinot gap --find``: who is asked, what is made of the answers, and what is said of those there are not."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime

import pytest
from botocore.exceptions import ClientError
from click.testing import CliRunner

from deployment import BUCKET, FUNCTION
from dynapinot.aws import Aws
from dynapinot.cli.app import app
from dynapinot.errors import FAILED, FOUND, OK, CommandError
from dynapinot.gap.evidence import Options, look
from dynapinot.gap.finding import GivenUp
from dynapinot.load.place import Named
from dynapinot.pinot_server import Broker
from files import CONFIG, SCHEMA, with_setting
from pinot_fake import Pinot, result, running

NOW = int(time.time())
DAY = 86_400
KEY = "aws/lambda/mapping/shard-1/2026/03/01/2026-03-01T08.00.00-5a3b"
BATCH = {
    "DDBStreamBatchInfo": {
        "approximateArrivalOfFirstRecord": "2026-03-01T07:00:00Z",
        "approximateArrivalOfLastRecord": "2026-03-01T07:30:00Z",
    },
    "payload": {},
}
FIRST, LAST = (int(datetime(2026, 3, 1, 7, minute, tzinfo=UTC).timestamp()) for minute in (0, 30))


@pytest.fixture
def tables(tmp_path):
    folder = tmp_path / "tables" / "items"
    folder.mkdir(parents=True)
    (folder / "schema.json").write_text(json.dumps(SCHEMA))
    (folder / "table.json").write_text(json.dumps(CONFIG))
    return folder.parent


@pytest.fixture
def metrics(aws, answer_instead):
    """Let CloudWatch answer, in two pages; keep what it is asked."""
    asked = []

    def install(**series):
        def answer(arguments):
            asked.append(arguments)
            is_first = "NextToken" not in arguments
            results = [
                {
                    "Id": name,
                    "Timestamps": [datetime.fromtimestamp(at, UTC) for at in values][:: 1 if is_first else 2],
                    "Values": list(values.values())[:: 1 if is_first else 2],
                }
                for name, values in series.items()
            ]
            return {"MetricDataResults": results, **({"NextToken": "more"} if is_first else {})}

        answer_instead("GetMetricData", answer)
        return asked

    return install


def evidence(tables, *, broker=None, table=None, function=FUNCTION, days=35):
    named = Named(aws=Aws(), bucket=BUCKET, function=function, tables=tables)
    return look(Options(named=named, table=table, broker=broker, days=days, as_json=False), now=NOW)


def test_cloudwatch_is_asked_for_ages_failures_and_polls_of_all_days(aws, tables, metrics):
    asked = metrics(ages={NOW - 600: 5_000.0}, undelivered={NOW - 600: 0.0, NOW - 300: 2.0}, polls={NOW - 900: 1.0})
    seen = evidence(tables)
    assert (seen.ages, seen.polls, seen.undelivered) == ({NOW - 600: 5.0}, [NOW - 900], [NOW - 300])
    assert (seen.kept, seen.period, seen.unseen, seen.newest) == (DAY, 300, [], {})
    assert seen.mapping[0] == "Enabled"
    assert asked[0]["EndTime"].timestamp() - asked[0]["StartTime"].timestamp() == 35 * DAY
    queried = {each["MetricStat"]["Metric"]["MetricName"] for each in asked[0]["MetricDataQueries"]}
    assert queried == {"IteratorAge", "DestinationDeliveryFailures", "PolledEventCount"}


def test_a_mapping_without_metrics_has_no_polls(aws, tables, metrics):
    metrics(ages={NOW - 600: 5_000.0}, undelivered={}, polls={})
    assert evidence(tables).polls is None


def test_a_function_without_a_mapping_is_looked_at_without_one(aws, tables, metrics):
    aws["lambda"].delete_event_source_mapping(UUID=aws.mapping)
    metrics(ages={}, undelivered={})
    seen = evidence(tables)
    assert (seen.mapping, seen.polls) == (None, None)


def test_the_batches_that_lambda_gave_up_are_those_of_the_bucket_and_those_that_were_deleted(aws, tables, metrics):
    metrics(ages={}, undelivered={}, polls={})
    s3 = aws["s3"]
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    for name in ("there", "again", "gone", "redriven"):
        s3.put_object(Bucket=BUCKET, Key=f"{KEY}-{name}", Body=json.dumps(BATCH))
    for name in ("again", "gone", "redriven"):
        s3.delete_object(Bucket=BUCKET, Key=f"{KEY}-{name}")
    s3.put_object(Bucket=BUCKET, Key=f"{KEY}-again", Body=json.dumps(BATCH))
    s3.put_object(Bucket=BUCKET, Key=f"redriven/{KEY}-redriven", Body=b"")
    version = s3.put_object(Bucket=BUCKET, Key=f"{KEY}-expired", Body=b"")["VersionId"]
    s3.delete_object(Bucket=BUCKET, Key=f"{KEY}-expired")
    s3.delete_object(Bucket=BUCKET, Key=f"{KEY}-expired", VersionId=version)  # only the marker is left
    s3.put_object(Bucket=BUCKET, Key="aws/lambda/other", Body=b"[]")
    given_up = int(datetime(2026, 3, 1, 8, tzinfo=UTC).timestamp())
    assert evidence(tables).given_up == [
        GivenUp(f"{KEY}-again", FIRST, LAST, True),
        GivenUp(f"{KEY}-expired", given_up - DAY, given_up, False),
        GivenUp(f"{KEY}-gone", FIRST, LAST, False),
        GivenUp(f"{KEY}-there", FIRST, LAST, True),
    ]


@pytest.mark.parametrize(("form", "unit"), [("1:MILLISECONDS:EPOCH", 1), ("EPOCH|SECONDS", 1000)])
def test_pinots_newest_change_is_that_of_each_partition(aws, tables, metrics, form, unit):
    metrics(ages={}, undelivered={}, polls={})
    schema = with_setting(SCHEMA, "dateTimeFieldSpecs.0.format", form)
    (tables / "items" / "schema.json").write_text(json.dumps(schema))
    rows = [[f"items__{partition}__{n}__x", (NOW - n) * 1000 / unit] for partition in (0, 1) for n in (9, 5)]
    answer = result(["$segmentName", "max"], ["STRING", "DOUBLE"], [*rows, ["uploaded", 1]])
    with running(Pinot(answers={"$segmentName": answer})) as pinot:
        seen = evidence(tables, broker=Broker(pinot.url))
    assert seen.newest == {"items": {0: NOW - 5, 1: NOW - 5}}
    assert seen.unseen == []


def test_what_cannot_be_asked_is_said(aws, tables, answer_instead):
    def refuse(_):
        raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "GetMetricData")

    answer_instead("GetMetricData", refuse)
    (tables / "items" / "source.toml").write_text('[columns]\nchanged = "updated_at"\n')
    with running(Pinot()) as pinot:
        seen = evidence(tables, broker=Broker(pinot.url))
    assert seen.ages is None
    assert seen.unseen == [
        "CloudWatch could not be looked at: AWS refused GetMetricData: AccessDenied: no",
        "Pinot's table items could not be looked at: no column has the time of a change as a number",
    ]


def test_a_stream_of_kinesis_keeps_changes_as_long_as_it_is_set_to(aws, tables, metrics):
    metrics(ages={}, undelivered={}, polls={})
    stream = aws["kinesis"].describe_stream_summary(StreamName="items-stream")["StreamDescriptionSummary"]["StreamARN"]
    aws["lambda"].delete_event_source_mapping(UUID=aws.mapping)
    aws.connect(stream)
    assert evidence(tables).kept == 7 * DAY


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"function": None}, "Give --stack, or the --function"),
        ({"function": "other"}, "The function other is not there"),
    ],
)
def test_what_is_named_wrong_is_refused(aws, tables, options, message):
    with pytest.raises(CommandError, match=message):
        evidence(tables, **options)


def test_of_several_streams_the_tables_own_is_looked_at(aws, tables, metrics):
    metrics(ages={}, undelivered={}, polls={})
    aws.make_table("other")
    aws.connect(aws["dynamodb"].describe_table(TableName="other")["Table"]["LatestStreamArn"])
    assert evidence(tables, table="app").mapping[0] == "Enabled"
    with pytest.raises(CommandError, match="reads several streams: give the DynamoDB --table"):
        evidence(tables)


def find(tables, *words):
    given = ["gap", "--find", "--bucket", BUCKET, "--function", FUNCTION, "--tables", str(tables), *words]
    return CliRunner().invoke(app, given, catch_exceptions=False)


PERIODS = dict.fromkeys(range(NOW - 3 * DAY, NOW, 300), 1.0)


def test_a_gap_is_proposed_with_the_command_that_repairs_it(aws, tables, metrics):
    silent = {at: 1.0 for at in PERIODS if not NOW - 2 * DAY <= at < NOW - DAY // 2}
    metrics(ages={}, undelivered={}, polls=silent)
    found = find(tables)
    assert found.exit_code == FOUND
    first, second, *_ = found.output.splitlines()
    assert first.startswith("Changes from ")
    assert " may be lost: Lambda did not read the stream for 1 d 12 h from " in first
    assert second.startswith("  dynapinot gap --from ")
    assert second.endswith(f" --bucket {BUCKET} --function {FUNCTION} --here --broker …")
    (gap,) = json.loads(find(tables, "--json").output)["gaps"]
    assert f"--from {gap['from']} --to {gap['to']} " in second


def test_where_nothing_is_missing_it_says_so(aws, tables, metrics):
    metrics(ages={}, undelivered={}, polls=PERIODS)
    found = find(tables)
    assert (found.exit_code, found.output) == (OK, "Nothing is missing, by what was seen\n")


def test_where_nothing_can_be_known_a_load_is_proposed(aws, tables, metrics):
    metrics(ages={}, undelivered={}, polls={})
    found = find(tables)
    assert found.exit_code == FOUND
    assert found.output.startswith("It cannot be known whether changes were lost\n")
    assert found.output.endswith("To be sure, load the whole table and sweep: dynapinot load\n")


def test_a_gap_that_goes_on_has_no_command_yet(aws, tables, metrics):
    aws["lambda"].update_event_source_mapping(UUID=aws.mapping, Enabled=False)
    metrics(ages={}, undelivered={}, polls={NOW - 3 * DAY: 1.0})
    found = find(tables)
    assert "Enable the mapping, and look again" in found.output
    assert "dynapinot gap --from" not in found.output


def test_a_bucket_is_needed(aws, tables):
    refused = CliRunner().invoke(app, ["gap", "--find", "--tables", str(tables)])
    assert refused.exit_code == FAILED
    assert "Give --stack, or the stack's dead letter --bucket" in refused.output
