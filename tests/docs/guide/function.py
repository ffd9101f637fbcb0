"""The deployed function at work: the copy's own code, fed with the table's stream in the way of its mapping.

Stands for Lambda, which moto only pretends. Takes the function's name; for each line on standard input it brings what
has changed to the function, what that prints to its log group, and answers with how many changes were given up.
"""

from __future__ import annotations

import importlib
import io
import os
import sys
import time

import boto3

from dynapinot.local.dynamodb_streams import Poller
from dynapinot.local.event_source import EventSource, Settings
from dynapinot.local.failure import Names
from dynapinot.local.function import invoke

_LOG_STREAM = "guide"


class Deployed:
    """A function as it was deployed, with the stream that its mapping reads, and its log group."""

    def __init__(self, name, printed):
        functions = boto3.client("lambda")
        configuration = functions.get_function_configuration(FunctionName=name)
        (mapping,) = functions.list_event_source_mappings(FunctionName=name)["EventSourceMappings"]
        self.given_up = []
        self._arn = configuration["FunctionArn"]
        self._stream_arn = mapping["EventSourceArn"]
        self._settings = Settings(
            batch_size=mapping["BatchSize"], maximum_retry_attempts=3, report_batch_item_failures=True
        )
        self._logs = boto3.client("logs")
        (group,) = self._logs.describe_log_groups(logGroupNamePrefix="/aws/lambda/")["logGroups"]
        self._log_group = group["logGroupName"]  # moto's Lambda forgets LoggingConfig
        self._logs.create_log_stream(logGroupName=self._log_group, logStreamName=_LOG_STREAM)
        self._printed = printed
        os.environ.update(configuration["Environment"]["Variables"])
        module, _, attribute = configuration["Handler"].rpartition(".")
        self._handler = getattr(importlib.import_module(module), attribute)
        self._poller = Poller(boto3.client("dynamodbstreams"), self._stream_arn, self._connect)

    def drain(self):
        """Bring everything that has changed to the function."""
        self._poller.drain()
        lines = self._printed.getvalue().splitlines()
        self._printed.seek(0)
        self._printed.truncate()
        now_ms = time.time_ns() // 1_000_000
        events = [{"timestamp": now_ms, "message": line} for line in lines if line]
        if events:
            self._logs.put_log_events(logGroupName=self._log_group, logStreamName=_LOG_STREAM, logEvents=events)

    def _connect(self, shard, read):
        return EventSource(
            read,
            lambda event: invoke(self._handler, event),
            clock=time.time,
            sleep=time.sleep,
            on_failure=self.given_up.append,
            settings=self._settings,
            names=Names(stream_arn=self._stream_arn, shard_id=shard.id, function_arn=self._arn),
        )


def main(name):
    answers, sys.stdout = sys.stdout, io.StringIO()  # what a function prints is its log
    deployed = Deployed(name, sys.stdout)
    for _ in sys.stdin:
        deployed.drain()
        answers.write(f"{len(deployed.given_up)}\n")
        answers.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
