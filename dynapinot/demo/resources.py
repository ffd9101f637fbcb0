"""The resources that the demo creates in Pinot, DynamoDB and Kinesis, and removes again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Final

from dynapinot.aws import refusals
from dynapinot.defaults import MEETUPS_TABLE
from dynapinot.demo.meetups import create_meetups_table
from dynapinot.demo.options import Options
from dynapinot.demo.pinot_table import PINOT_TABLE, SHARDS, PinotFiles, stream_config
from dynapinot.demo.screen import Screen
from dynapinot.errors import CommandError
from dynapinot.folders import read_documents
from dynapinot.local.services import Services
from dynapinot.pinot_server import Controller, Document

POLLS_OF_PINOT: Final = 10  # requests a second and shard, rather than one: an emulator allows more than Kinesis' five


def pinot_documents(files: PinotFiles, endpoint: str, secret: tuple[str, str]) -> tuple[Document, Document]:
    """Give the schema and the config for Pinot: with the Kinesis as Pinot calls it, and an emulator's made-up keys."""
    schema, config = read_documents(files.folder / PINOT_TABLE)
    stream_config(config).update(
        endpoint=endpoint,
        region=files.region,
        accessKey=secret[0],
        secretKey=secret[1],
        requests_per_second_limit=str(POLLS_OF_PINOT),
    )
    return schema, config


@dataclass(kw_only=True)
class Resources:
    """The two tables and the stream: all of them made here, or none. ``left`` names what could not be removed."""

    screen: Screen
    options: Options
    controller: Controller
    services: Services
    files: PinotFiles
    made: ExitStack
    left: list[str]

    @property
    def dynamodb_table(self) -> str:
        """The name of the DynamoDB table."""
        return "-".join(filter(None, (MEETUPS_TABLE, self.options.table_suffix)))

    @property
    def _pinot_table(self) -> str:
        return self.files.upsert_table.name

    def make(self) -> None:
        """Make everything, Pinot's table at last, since it reads the stream at once. The DynamoDB table has none."""
        if found := list(self._existing()):
            raise CommandError(
                f"There is already {', and '.join(found)}; the demo makes its own and touches no other: "
                "give --table-suffix for other names, or remove it"
            )
        dynamodb, kinesis = self.services.dynamodb, self.services.kinesis
        create_meetups_table(dynamodb, self.dynamodb_table, has_stream=False)
        self._own(
            f"the DynamoDB table {self.dynamodb_table}", lambda: dynamodb.delete_table(TableName=self.dynamodb_table)
        )
        kinesis.create_stream(StreamName=self.files.stream, ShardCount=SHARDS)
        self._own(
            f"the Kinesis stream {self.files.stream}", lambda: kinesis.delete_stream(StreamName=self.files.stream)
        )
        waiting = {"Delay": 1, "MaxAttempts": 60}
        dynamodb.get_waiter("table_exists").wait(TableName=self.dynamodb_table, WaiterConfig=waiting)  # type: ignore[arg-type]
        kinesis.get_waiter("stream_exists").wait(StreamName=self.files.stream, WaiterConfig=waiting)  # type: ignore[arg-type]
        self._add_to_pinot(kinesis.meta.endpoint_url)

    def say_what_stays(self) -> None:
        """Say what stays, and how to remove it."""
        self.screen.title("What stays")
        self.screen.say(f"Pinot's table {self._pinot_table}: {self.controller.url}/#/query")
        if not self.options.kinesis_endpoint:
            self.screen.say(
                "Its Kinesis was embedded and is gone now: Pinot keeps the rows for a while and reads no more."
            )
        remove = f"curl -X DELETE {self.controller.url}/tableConfigs/{self._pinot_table}"
        self.screen.say(f"To remove it: {remove}; or run the demo with --clean, which removes what it created.")

    def _existing(self) -> Iterator[str]:
        name = self._pinot_table
        if self.controller.table(name) is not None or self.controller.schema(name) is not None:
            yield f"a table or schema {name} in the Pinot at {self.controller.url}"
        dynamodb, kinesis = self.services.dynamodb, self.services.kinesis
        try:
            dynamodb.describe_table(TableName=self.dynamodb_table)
            yield f"a DynamoDB table {self.dynamodb_table} at {dynamodb.meta.endpoint_url}"
        except dynamodb.exceptions.ResourceNotFoundException:
            pass
        try:
            kinesis.describe_stream_summary(StreamName=self.files.stream)
            yield f"a Kinesis stream {self.files.stream} at {kinesis.meta.endpoint_url}"
        except kinesis.exceptions.ResourceNotFoundException:
            pass

    def _add_to_pinot(self, endpoint: str) -> None:
        endpoint = self.options.kinesis_endpoint_of_pinot or endpoint
        environment = self.services.environment
        secret = environment["AWS_ACCESS_KEY_ID"], environment["AWS_SECRET_ACCESS_KEY"]
        schema, config = pinot_documents(self.files, endpoint, secret)
        try:
            unknown = self.controller.add_table(schema, config)
        except CommandError as error:  # it looks at the stream's shards before it answers
            raise CommandError(f"{error}. Can Pinot reach the Kinesis at {endpoint}?") from None
        self._own(f"Pinot's table {self._pinot_table}", lambda: self.controller.remove_table(self._pinot_table))
        self.screen.say(
            f"Made Pinot's table {self._pinot_table}, which reads the stream {self.files.stream} at {endpoint}"
        )
        for each in unknown:
            self.screen.say(f"Pinot does not know {each}")

    def _own(self, what: str, remove: Callable[[], object]) -> None:
        def try_to_remove() -> None:
            try:
                with refusals():
                    remove()
            except CommandError as error:  # the other resources are removed all the same
                self.left.append(what)
                self.screen.say(f"Not removed: {what}: {error}")

        self.made.callback(try_to_remove)
