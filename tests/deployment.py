"""An AWS, as moto plays it, in which everything is deployed as template.yaml does: to break in one place."""

from __future__ import annotations

import io
import json
import zipfile

import boto3

NOW_MS = 1719090000000
FUNCTION, STREAM, BUCKET, REGION = "replicator", "items-stream", "letters", "eu-west-1"
TRUST = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
MAPPING = {
    "StartingPosition": "TRIM_HORIZON",
    "BatchSize": 1000,
    "FunctionResponseTypes": ["ReportBatchItemFailures"],
    "BisectBatchOnFunctionError": True,
    "MaximumRetryAttempts": 10000,
    "MaximumRecordAgeInSeconds": 72000,
    "DestinationConfig": {"OnFailure": {"Destination": f"arn:aws:s3:::{BUCKET}"}},
    "MetricsConfig": {"Metrics": ["EventCount"]},
}


# One for all tests: reading the services' models is what takes the time.
SESSION = boto3.Session(aws_access_key_id="testing", aws_secret_access_key="testing", region_name=REGION)


class Deployment:
    """Clients of the mocked services, and what was made with them."""

    def __init__(self):
        services = ("cloudwatch", "dynamodb", "iam", "kinesis", "lambda", "s3")
        self.clients = {service: SESSION.client(service) for service in services}
        self["s3"].create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
        self["kinesis"].create_stream(StreamName=STREAM, ShardCount=2, StreamModeDetails={"StreamMode": "PROVISIONED"})
        self["kinesis"].increase_stream_retention_period(StreamName=STREAM, RetentionPeriodHours=168)
        self.make_table("app")
        self.source = self["dynamodb"].describe_table(TableName="app")["Table"]["LatestStreamArn"]
        role = self["iam"].create_role(
            RoleName="role", AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [TRUST]})
        )
        with io.BytesIO() as code:
            with zipfile.ZipFile(code, "w") as archive:
                archive.writestr("handlers.py", "")
            self["lambda"].create_function(
                FunctionName=FUNCTION,
                Runtime="python3.13",
                Role=role["Role"]["Arn"],
                Handler="handlers.stream.handler",
                Code={"ZipFile": code.getvalue()},
                Timeout=60,
                MemorySize=512,
            )
        self.set_variables(DEAD_LETTER_BUCKET=BUCKET)
        self.mapping = self.connect(self.source)

    def __getitem__(self, service):
        return self.clients[service]

    def make_table(self, name):
        self["dynamodb"].create_table(
            TableName=name,
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
            StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
        )
        recovery = {"PointInTimeRecoveryEnabled": True}
        self["dynamodb"].update_continuous_backups(TableName=name, PointInTimeRecoverySpecification=recovery)

    def set_variables(self, **variables):
        self["lambda"].update_function_configuration(FunctionName=FUNCTION, Environment={"Variables": variables})

    def connect(self, source, **changes):
        settings = {**MAPPING, **changes}
        made = self["lambda"].create_event_source_mapping(FunctionName=FUNCTION, EventSourceArn=source, **settings)
        return made["UUID"]

    def count(self, namespace, name, dimension, value, number):
        dimensions = [{"Name": dimension, "Value": value}]
        datum = {"MetricName": name, "Dimensions": dimensions, "Value": number, "Timestamp": NOW_MS / 1_000 - 60}
        self["cloudwatch"].put_metric_data(Namespace=namespace, MetricData=[datum])
