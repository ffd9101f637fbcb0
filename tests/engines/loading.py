"""A DynamoDB table that is loaded while it is written to: DynamoDB Local, the function, kinesalite, Pinot's own code.

The load is a process of its own, which is killed and resumed by its files. The changes come by the local poller and
the function, as they do without a load.
"""

from __future__ import annotations

import io
import json
import logging
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, redirect_stdout
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from http.client import HTTPConnection
from pathlib import Path
from random import Random
from urllib.parse import urlsplit

import orjson

import export_writer
import function
from dynapinot.local.dynamodb_streams import Poller
from dynapinot.local.event_source import EventSource, Settings
from dynapinot.local.function import Context
from dynapinot.local.services import embedded_services
from engines.dynamodb_local import REGION
from engines.faulty_kinesis import FaultyKinesis
from engines.feed import COMPLETE, INDEXED
from engines.load_writers import StampedStreams, Writers, first_item
from engines.replication import ROUGH
from engines.source_kinds import STREAM
from files import with_column, with_setting
from handlers.catalog import hashes
from load.files import LoadFiles
from load.plan import Control, ExportReader, Plan, PlannedTable, Total
from snapshot.version import read_second

HANDLER = "handlers.stream"
TABLE = "items"
BUCKET = "loads"
SHARDS = 4
SCHEMA = with_column("version", "LONG")
STREAM_NAME = ("ingestionConfig", "streamIngestionConfig", "streamConfigMaps", "0", STREAM)
PROCESS = Path(__file__).with_name("load_process.py")

BATCH = 25  # items of a BatchWriteItem
FILLERS = 4
SCAN_SEGMENTS = 16
EXPORT_FILES = 6
SLICE = 2_000  # rows of a shard that are read at a time
LOADED = re.compile(rb'"changed":[0-9]+999\b')  # a load's rows have the last millisecond of a second
TIMEOUT_S = 60.0
PROGRESS_S = 30.0
LONGEST_REST_S = 1.0  # of the live path between two looks at the stream
SHOWN = 20  # differences

logger = logging.getLogger(__name__)  # a large table takes a while


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How a load runs: ``save_seconds`` lie between two states of a unit that are kept."""

    workers: int
    rows_per_second: int
    save_seconds: float


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """What a load did: its units' sum, the time of its processes, and the most memory of one of them, in bytes."""

    total: Total
    seconds: float
    max_rss: int


class Loading:
    """A table with ``items`` items and writers that make ``rate`` changes a second, and a Pinot table of its rows.

    ``segment_rows`` is the number of rows after which a shard's segment is committed. ``counts`` is what happened.
    """

    def __init__(self, engines, items, *, rate, segment_rows, seed, folder):
        self.counts = Counter()
        self._items = items
        self._random = Random(seed)
        self._segment_rows = segment_rows
        self._folder = folder
        self._rate = rate
        self._seed = seed
        self._parts = ExitStack()
        self._pinot = engines.pinot
        self._account = engines.dynamodb.empty()
        self._kinesis = engines.kinesis
        self._dead_letters = []
        self._log = io.StringIO()  # the function's
        self._uncommitted = Counter()  # rows, by partition
        self._client = engines.kinesis.client()
        self._stream = f"{TABLE}-{next(engines.numbers)}"

    def close(self):
        """Stop everything, as far as it was started."""
        self._parts.close()

    def start(self):
        """Fill the table, begin to write, turn the stream on, and connect the function and Pinot."""
        self._create_stream()
        self._iterators = self._iterate("TRIM_HORIZON")
        self._write_files()
        self._consumer = self._parts.enter_context(self._pinot.table(SCHEMA, COMPLETE, partitions=SHARDS))
        edge = self._parts.enter_context(FaultyKinesis(self._kinesis.endpoint, seed=self._seed, faults=ROUGH))
        services = self._parts.enter_context(embedded_services(elsewhere=self._variables(edge.endpoint)))
        self.s3 = services.s3
        self.s3.create_bucket(Bucket=BUCKET)
        self._dynamodb = services.dynamodb
        self._create_table()
        self.writers = Writers(
            lambda: self._account.client("dynamodb"), TABLE, self._items, rate=self._rate, seed=self._seed
        )
        self._parts.callback(self.writers.stop)
        self._poller = self._connect(services.streams)
        self._stopped = threading.Event()
        pool = self._parts.enter_context(ThreadPoolExecutor(2))
        self._parts.callback(self._stopped.set)
        self._running = [pool.submit(self._replicate), pool.submit(self._consume_on)]

    def plan(self, name, reader, pace):
        """Write the files of a load that begins now."""
        plan = Plan(
            id=name,
            table=TABLE,
            region=REGION,
            keys=("id",),
            began=self._second(),
            tables={TABLE: PlannedTable(files=hashes(self._folder)[TABLE], shards=SHARDS)},
            reader=reader,
            workers=pace.workers,
        )
        files = LoadFiles(client=self.s3, bucket=BUCKET, id=name)
        files.save(plan)
        files.save(Control(share=pace.rows_per_second / SHARDS / 1000))
        return files

    def export(self, skew):
        """Write an export of the table to S3; return its reader.

        It has each item as it was at any time that differs from the export's by at most ``skew`` seconds, and a load of
        it has just that margin. A minute, and a margin of five, are AWS's.
        """
        export_time = self._second() + skew
        self._wait_until(export_time + skew + 1)
        items = self.writers.items_at(lambda _: export_time + self._random.uniform(-skew, skew))
        written = export_writer.full_export(
            export_writer.spread(map(export_writer.item_line, items), EXPORT_FILES),
            export_ms=export_time * 1000,
            bucket=BUCKET,
        )
        export_writer.put(self.s3, BUCKET, written.objects)
        return ExportReader(
            bucket=BUCKET, folder=written.folder, files=EXPORT_FILES, second=read_second(export_time, skew)
        )

    def load(self, files, pace, *, kills):
        """Load. The process is killed at random moments after its first row and started again."""
        plan, began, sizes = files.plan(), time.monotonic(), []
        said = began
        kill_within = self._items / pace.rows_per_second / (kills + 2)  # the load cannot end before the last kill
        for _ in range(kills):
            is_loading = self._watch()
            process = self._run(files, pace)
            while not is_loading():
                assert process.poll() is None, process.said()
            time.sleep(self._random.uniform(0, kill_within))
            assert process.kill() == -signal.SIGKILL, process.said()
            sizes.append(process.max_rss)
            self.counts["kills"] += 1
            logger.info("killed %d times, %s", self.counts["kills"], self._progress())
        process = self._run(files, pace)
        while process.poll() is None:
            time.sleep(0.1)
            if time.monotonic() - said > PROGRESS_S:
                said = time.monotonic()
                logger.info("loading, %s", self._progress())
        assert process.poll() == 0, process.said()
        seconds = time.monotonic() - began
        total = Total.of(files.units(plan.units))
        return Loaded(total=total, seconds=seconds, max_rss=max([*sizes, process.max_rss]))

    def _run(self, files, pace):
        process = _Process(files.id, self._folder, pace, self._kinesis.endpoint)
        self._parts.callback(process.kill)
        return process

    def finish(self):
        """Stop the writers, and let the last changes come."""
        self.writers.stop()
        self._stopped.set()
        for each in self._running:
            each.result()
        self._poller.drain()
        self.catch_up()
        assert self._dead_letters == []

    def catch_up(self):
        """Let Pinot consume the rest of the stream."""
        while self._consume():
            pass

    def _consume(self):
        """Let Pinot consume a page of each shard. It must index every row unchanged. Return whether there was any."""
        was_any = False
        for partition, iterator in enumerate(self._iterators):
            page = self._client.get_records(ShardIterator=iterator, Limit=SLICE)
            self._iterators[partition] = page["NextShardIterator"]
            rows = [record["Data"] for record in page["Records"]]
            was_any |= bool(rows or page["MillisBehindLatest"])
            assert self._consumer.ingest(rows, partition) == [INDEXED] * len(rows)
            self.counts["rows on the stream"] += len(rows)
            self.counts["rows of loads"] += sum(map(_is_loaded, rows))
            self._uncommitted[partition] += len(rows)
            if self._uncommitted[partition] >= self._segment_rows:
                self._consumer.commit(partition)
                self.counts["segments"] += 1
                self._uncommitted[partition] = 0
        return was_any

    def _iterate(self, kind):
        """Return an iterator of each shard."""
        return [
            self._client.get_shard_iterator(StreamName=self._stream, ShardId=shard["ShardId"], ShardIteratorType=kind)[
                "ShardIterator"
            ]
            for shard in self._client.list_shards(StreamName=self._stream)["Shards"]
        ]

    def _progress(self):
        return f"{self.counts['rows of loads']} rows of loads and {self.counts['rows on the stream']} rows consumed"

    def _watch(self):
        """Return a function that tells whether a row of a load came since now."""
        iterators = self._iterate("LATEST")

        def is_loading():
            time.sleep(0.1)
            pages = [self._client.get_records(ShardIterator=iterator, Limit=SLICE) for iterator in iterators]
            iterators[:] = [page["NextShardIterator"] for page in pages]
            return any(_is_loaded(record["Data"]) for page in pages for record in page["Records"])

        return is_loading

    def differences(self):
        """Compare what a query would show with DynamoDB's items, in every value; return some differences, or none."""
        logger.info("comparing, %s", self._progress())
        expected, last_seconds = self._expected(), self.writers.last_seconds()
        found = []
        self.counts["items at the end"] = len(expected)
        for partition in range(SHARDS):
            for row in self._consumer.live(partition):
                key, changed = row.pop("id"), row.pop("changed")
                item = expected.pop(key, None)
                if row != item:
                    found.append(f"{key}: Pinot has {row}, DynamoDB {item}")
                elif changed < last_seconds.get(key, 0) * 1000:
                    found.append(f"{key}: its row is of {changed}, its last change of {last_seconds[key]}000")
        found += [f"{key}: Pinot has no row, DynamoDB {item}" for key, item in expected.items()]
        return found[:SHOWN]

    def _expected(self):
        """Return the rows of DynamoDB's items by their keys."""
        with closing(_Raw(self._account)) as ask:
            return dict(self._rows(ask))

    def _rows(self, ask):
        for segment in range(SCAN_SEGMENTS):
            request = {
                "TableName": TABLE,
                "ConsistentRead": True,
                "Segment": segment,
                "TotalSegments": SCAN_SEGMENTS,
            }
            while True:
                page = ask("Scan", orjson.dumps(request))
                for item in page["Items"]:
                    row = {"name": item["name"]["S"], "version": int(item["version"]["N"]), "deleted": False}
                    yield item["id"]["S"], row | {"price": float(item["price"]["N"]) if "price" in item else None}
                if "LastEvaluatedKey" not in page:
                    break
                request["ExclusiveStartKey"] = page["LastEvaluatedKey"]

    def _variables(self, kinesis):
        return {
            "AWS_ACCESS_KEY_ID": self._account.access_key,
            "AWS_ENDPOINT_URL_DYNAMODB": self._account.endpoint,
            "AWS_ENDPOINT_URL_DYNAMODB_STREAMS": self._account.endpoint,
            "AWS_ENDPOINT_URL_KINESIS": kinesis,
            "DEAD_LETTER_BUCKET": BUCKET,
            "TABLES_DIR": str(self._folder),
        }

    def _create_stream(self):
        self._client.create_stream(StreamName=self._stream, ShardCount=SHARDS)
        self._client.get_waiter("stream_exists").wait(StreamName=self._stream, WaiterConfig={"Delay": 0.01})
        self._parts.callback(self._client.delete_stream, StreamName=self._stream)

    def _write_files(self):
        folder = self._folder / TABLE
        folder.mkdir()
        (folder / "schema.json").write_text(json.dumps(SCHEMA))
        (folder / "table.json").write_text(json.dumps(with_setting(COMPLETE, STREAM_NAME, self._stream)))

    def _create_table(self):
        """Create the table with its first items and no stream."""
        self._dynamodb.create_table(
            TableName=TABLE,
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            BillingMode="PAY_PER_REQUEST",
        )
        began = time.monotonic()
        with ThreadPoolExecutor(FILLERS) as pool:
            list(pool.map(self._fill, range(FILLERS)))
        self.counts["seconds to fill the table"] = round(time.monotonic() - began)
        logger.info("the table has %d items", self._items)

    def _fill(self, place):
        with closing(_Raw(self._account)) as ask:
            for start in range(place * BATCH, self._items, FILLERS * BATCH):
                numbers = range(start, min(start + BATCH, self._items))
                requests = [{"PutRequest": {"Item": first_item(number)}} for number in numbers]
                answer = ask("BatchWriteItem", orjson.dumps({"RequestItems": {TABLE: requests}}))
                assert not answer["UnprocessedItems"]

    def _connect(self, streams):
        """Turn the table's stream on and connect the function, as one does before a load."""
        described = self._dynamodb.update_table(
            TableName=TABLE, StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}
        )
        stream_arn = described["TableDescription"]["LatestStreamArn"]
        # The first rows of a load are of the end of the second before the last one: it must be over by then.
        self._wait_until(self._second() + 2)
        with redirect_stdout(self._log):
            module = function.load(HANDLER)
        self._parts.callback(function.forget, HANDLER)
        module._put = self._dead_letters.append

        def invoke(event):
            self.counts["invocations"] += 1
            with redirect_stdout(self._log):
                answer = module.handler(event, Context(deadline=time.monotonic() + TIMEOUT_S))
            self._log.truncate(0)
            return answer

        def connect(_, read):
            settings = Settings(bisect_batch_on_function_error=True, report_batch_item_failures=True)
            return EventSource(
                read, invoke, clock=time.time, sleep=time.sleep, settings=settings, pick=self._random.randrange
            )

        return Poller(StampedStreams(streams, self.writers.second_of), stream_arn, connect)

    def _replicate(self):
        while not self._stopped.wait(self._random.uniform(0, LONGEST_REST_S)):
            self._poller.drain()

    def _consume_on(self):
        while not self._stopped.wait(0.0 if self._consume() else 0.1):
            pass

    def _second(self):
        """Return the second by DynamoDB's clock."""
        answer = self._dynamodb.describe_table(TableName=TABLE)
        return int(parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"]).timestamp())

    def _wait_until(self, second):
        while self._second() < second:
            time.sleep(0.1)


def _is_loaded(row):
    return LOADED.search(row) is not None


def _peak_bytes(pid):
    """The peak memory of a process, 0 once it has ended. Not by getrusage, which starts with the parent's memory."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM:")), 0)


class _Process:
    """A process that loads."""

    def __init__(self, load, folder, pace, kinesis):
        self.max_rss = 0
        self._log = folder / ".load.log"
        with self._log.open("w") as log:
            self._process = subprocess.Popen(
                [sys.executable, str(PROCESS), BUCKET, load, str(folder), str(pace.save_seconds)],
                env={**os.environ, "AWS_ENDPOINT_URL_KINESIS": kinesis},
                stdout=log,
                stderr=log,
            )

    def poll(self):
        """Return how the process ended, None if it did not, and note its memory so far."""
        self.max_rss = max(self.max_rss, _peak_bytes(self._process.pid))
        return self._process.poll()

    def kill(self):
        """Kill it at once, if it still runs; return how it ended."""
        if self.poll() is None:
            self._process.kill()
        return self._process.wait()

    def said(self):
        return f"it ended with {self._process.returncode}: {self._log.read_text()[-3000:]}"


class _Raw:
    """Requests to DynamoDB Local without the SDK, which would take most of the time of a million items.

    It wants an access key, which says whose tables they are, and does not look at the signature.
    """

    def __init__(self, account):
        self._connection = HTTPConnection(urlsplit(account.endpoint).netloc, timeout=TIMEOUT_S)
        self._headers = {
            "Content-Type": "application/x-amz-json-1.0",
            "Authorization": f"AWS4-HMAC-SHA256 Credential={account.access_key}/20240622/{REGION}/dynamodb/aws4_request"
            ", SignedHeaders=host, Signature=0",
        }
        self.close = self._connection.close

    def __call__(self, operation, body):
        headers = {**self._headers, "X-Amz-Target": f"DynamoDB_20120810.{operation}"}
        self._connection.request("POST", "/", body, headers)
        response = self._connection.getresponse()
        content = response.read()
        assert response.status == 200, content
        return orjson.loads(content)
