"""The demo against a Pinot that runs: the seed's walk, and what Pinot itself shows of it.

Pinot has to reach the Kinesis in its table config. Everything else is between this command and the services. Facts
about Pinot are of 1.5.1: only queries show a Kinesis table's health (consumingSegmentsInfo and /debug call every one
unhealthy), so the demo asks until Pinot shows what DynamoDB holds, or until the timeout.
"""

from __future__ import annotations

import io
import os
import re
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, redirect_stdout
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from dynapinot.aws import refusals
from dynapinot.demo import loading
from dynapinot.demo.comparison import differences
from dynapinot.demo.embedded import LoadHandler
from dynapinot.demo.meetups import meetups_table
from dynapinot.demo.options import Options
from dynapinot.demo.pinot_table import seed_tables
from dynapinot.demo.resources import Resources
from dynapinot.demo.screen import Screen
from dynapinot.demo.walk import HISTORY, LATEST, LIVE, Replication, history_query, items, walk
from dynapinot.errors import FOUND, OK, CommandError
from dynapinot.local.function import BUCKET, load_handler
from dynapinot.local.readback import RowError
from dynapinot.local.replica import Row, UpsertTable
from dynapinot.local.services import LOOPBACK, embedded_services
from dynapinot.pinot_server import Broker, Controller

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table
    from rich.console import Console

POLL_SECONDS: Final = 0.5

_SUFFIX: Final = re.compile(r"[A-Za-z0-9_]{1,40}")
_MOST_ROWS: Final = 1000  # Pinot's own limit is 10


def run(console: Console, options: Options, load_handler: LoadHandler = load_handler) -> int:
    """Walk, and return the exit code: OK only if Pinot showed, after every step, what the table holds.

    Created resources stay, unless the options say otherwise or not all of them could be created. Raises CommandError
    if Pinot cannot be reached or refuses the table, if a table or stream exists already, and for an emulator's errors.
    """
    if options.table_suffix and not _SUFFIX.fullmatch(options.table_suffix):
        raise CommandError("--table-suffix takes up to 40 letters, digits and underscores")
    if options.kinesis_endpoint_of_pinot and not options.kinesis_endpoint:
        raise CommandError("--kinesis-endpoint-of-pinot says what Pinot calls a Kinesis: give --kinesis-endpoint too")
    screen = Screen(console)
    controller = Controller(options.controller, options.secret)
    broker = Broker(options.broker, options.secret)
    screen.title(f"DynamoDB to Apache Pinot: the Pinot at {controller.url}")
    controller.check_health()
    broker.check_health()
    left: list[str] = []
    with ExitStack() as parts:
        files = parts.enter_context(seed_tables(suffix=options.table_suffix))
        parts.enter_context(refusals())
        services = parts.enter_context(embedded_services(files.region, _elsewhere(options)))
        made = parts.enter_context(ExitStack())
        setting = Resources(
            screen=screen, options=options, controller=controller, services=services, files=files, made=made, left=left
        )
        log = io.StringIO()
        with redirect_stdout(log):
            handler = load_handler(files.folder)
        services.s3.create_bucket(Bucket=BUCKET)
        with screen.waiting("Making the tables and the stream"):
            setting.make()
        if not options.clean:
            made.pop_all()
            parts.callback(setting.say_what_stays)
        table = parts.enter_context(meetups_table(setting.dynamodb_table))
        with screen.waiting("Filling the table"):
            stream_arn = loading.begin(services.dynamodb, table)
        replication = Replication(
            screen=screen, handler=handler, services=services, files=files, stream_arn=stream_arn, log=log
        )
        pinot = _PinotTable(
            screen=screen,
            replication=replication,
            table=table,
            controller=controller,
            broker=broker,
            timeout=options.timeout,
        )
        is_loaded = loading.load(
            replication, table, lambda ids: pinot.show_history(loading.COLUMNS, ids), pinot.compare
        )
        key, is_equal = walk(screen, table, replication.run, pinot.compare)
        is_equal = is_equal and is_loaded
        if is_equal:
            is_equal = pinot.show(key)
        else:
            screen.title("What the function logged")
            screen.say(log.getvalue())
    return OK if is_equal and not left else FOUND


def _elsewhere(options: Options) -> dict[str, str]:
    """Give the SDK's variables for what is not embedded; a proxy is not between this machine and itself."""
    variables = {"NO_PROXY": ",".join(filter(None, (LOOPBACK, "localhost", os.environ.get("NO_PROXY"))))}
    variables["no_proxy"] = variables["NO_PROXY"]
    if options.dynamodb_endpoint:
        variables["AWS_ENDPOINT_URL_DYNAMODB"] = options.dynamodb_endpoint
        variables["AWS_ENDPOINT_URL_DYNAMODB_STREAMS"] = options.dynamodb_endpoint
    if options.kinesis_endpoint:
        variables["AWS_ENDPOINT_URL_KINESIS"] = options.kinesis_endpoint
    return variables


@dataclass(frozen=True, slots=True, kw_only=True)
class _State:
    """The state of both sides: ``rows`` is None if Pinot did not answer."""

    items: int
    rows: int | None
    different: Sequence[str]


@dataclass(kw_only=True)
class _PinotTable:
    """The table in Pinot, read until it equals the DynamoDB table or the timeout (seconds) is over."""

    screen: Screen
    replication: Replication
    table: Table
    controller: Controller
    broker: Broker
    timeout: float

    @property
    def _upsert_table(self) -> UpsertTable:
        return self.replication.replica.table

    def compare(self) -> bool:
        """Ask until both sides are equal, or the time is over; what did not come once is not waited for again."""
        began = time.monotonic()
        with self.screen.waiting("Waiting for Pinot"):
            look = self._look()
            while look.different and not self.replication.problems and time.monotonic() - began < self.timeout:
                time.sleep(POLL_SECONDS)
                look = self._look()
        seconds = time.monotonic() - began
        has = f"DynamoDB has {look.items} items"
        if not look.different:
            equal = (
                f"{has}, Pinot shows {look.rows} rows, equal in every value that has a column, after {seconds:.1f} s"
            )
            self.screen.verdict(equal, ())
            return True
        self.timeout = 0
        shows = "Pinot gives no answer" if look.rows is None else f"Pinot shows {look.rows} rows"
        last = f"{has}, {shows}, not equal after {seconds:.1f} s; what was seen last:"
        self.screen.verdict(last, [*look.different, *self._segments()])
        return False

    def show(self, deleted: dict[str, Any]) -> bool:
        """Show the seed's queries with their results; return whether the history has every row that was sent."""
        name = self._upsert_table.name
        self.screen.title("What Pinot shows")
        for column, expression in self._upsert_table.computed.items():
            self.screen.say(f"Column {column} is in no row: Pinot computes it, {expression}")
        columns = (*LIVE, "ST_AsText(location)")
        self._table(f"SELECT {', '.join(columns)} FROM {name} ORDER BY mtime DESC LIMIT {LATEST}", columns)  # noqa: S608
        seen = Counter(row["eventName"] for row in self.show_history(HISTORY, [deleted["meetup_id"]]))
        replica = self.replication.replica
        sent = Counter(row["eventName"] for row in replica.history(replica.table.key(deleted)))
        different = [] if seen == sent else [f"sent were {_count(sent)}, Pinot has {_count(seen)}"]
        self.screen.verdict(f"The history of {deleted['meetup_id']} in Pinot: {_count(seen)}", different)
        return not different

    def show_history(self, columns: Sequence[str], ids: Sequence[str]) -> list[Row]:
        """Show and return all rows of some meetups, of each the newest first; of equal times that of the later $docId,
        which Pinot read later.
        """
        order = f"{self._upsert_table.comparison} DESC, $docId DESC LIMIT {_MOST_ROWS}"
        query = history_query(self._upsert_table, columns, ids, order)
        return self._table(f"SET enableNullHandling=true; {query}", columns)

    def _table(self, query: str, columns: Sequence[str]) -> list[Row]:
        rows: list[Row] = [dict(zip(columns, row, strict=True)) for row in self.broker.query(query).rows]
        self.screen.table(query, columns, rows)
        return rows

    def _look(self) -> _State:
        self.replication.run()
        held = list(items(self.table))
        try:
            rows = self._rows()
        except CommandError as error:  # until its segments are assigned a new table is no table to the broker
            return _State(items=len(held), rows=None, different=[*self.replication.problems, str(error)])
        try:
            different = [*differences(held, rows, self._upsert_table), *self._not_computed(rows)]
        except RowError as error:
            different = [f"a row of Pinot cannot be read: {error}"]
        return _State(items=len(held), rows=len(rows), different=[*self.replication.problems, *different])

    def _rows(self) -> list[Row]:
        """Ask for every row; TIMESTAMP as a number, since Pinot writes it as text in its own time zone."""
        columns = self._upsert_table.columns
        selected = ", ".join(
            f'CAST("{name}" AS LONG)' if kind == "TIMESTAMP" else f'"{name}"' for name, kind in columns.items()
        )
        query = f"SET enableNullHandling=true; SELECT {selected} FROM {self._upsert_table.name} LIMIT {_MOST_ROWS}"  # noqa: S608
        return [dict(zip(columns, row, strict=True)) for row in self.broker.query(query).rows]

    def _not_computed(self, rows: Sequence[Row]) -> Iterator[str]:
        for row in rows:
            for name in self._upsert_table.computed:
                if not row[name]:
                    yield f"{' / '.join(map(str, self._upsert_table.key(row)))}: Pinot computed nothing for {name}"

    def _segments(self) -> list[str]:
        """Count the states of the table's segments: ERROR and OFFLINE say that Pinot cannot read the stream."""
        try:
            view = self.controller.external_view(self._upsert_table.name)
        except CommandError as error:
            return [str(error)]
        states = Counter(state for servers in view.values() for state in servers.values())
        return [f"Pinot's segments of the table: {_count(states) or 'none yet'}"]


def _count(what: Counter[str]) -> str:
    return ", ".join(f"{number} {name}" for name, number in sorted(what.items()))
