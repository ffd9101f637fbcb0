"""``dynapinot redrive``: count or redrive the dead letter bucket, with a progress bar."""

from __future__ import annotations

import json
import math
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table as Grid
from rich.text import Text

from dynapinot.aws import check_answers, refusals
from dynapinot.errors import FOUND, OK
from dynapinot.folders import read_tables
from dynapinot.publishing import publisher_of
from dynapinot.samples import key_text
from dynapinot.wording import counted, first_of, say
from handlers import clients
from publisher.order import Limits
from redrive.bucket import PREFIXES, open_bucket
from redrive.failed_change import FailedChange
from redrive.item import item_reader
from redrive.run import Bucket, Summary, redrive, summarize

MOST_ITEMS: Final = 100  # that are named of each reason


def run(
    console: Console,
    bucket_name: str,
    tables_dir: Path,
    *,
    only: Sequence[str] = (),
    prefix: str | None,
    items_per_second: int,
    max_record_bytes: int,
    dry_run: bool,
    as_json: bool = False,
) -> int:
    """Redrive, or with ``dry_run`` count; return the exit code: 0 if nothing is left to redrive, else 1.

    Raises CommandError.
    """
    tables, _ = read_tables(tables_dir, only)
    failing = _Failing()
    with refusals():
        check_answers(clients.session().get_component("event_emitter"))
        bucket = open_bucket(clients.s3(), bucket_name, PREFIXES if prefix is None else (prefix,))
        if dry_run:
            done = _with_progress(console, bucket, "Counting", lambda seen: summarize(bucket, seen, failing.add))
            title = "In the bucket"
        else:
            read = item_reader(clients.dynamodb(), sleep=time.sleep, clock=time.monotonic, pause=1 / items_per_second)
            publish = publisher_of(tables, Limits())
            done = _with_progress(
                console,
                bucket,
                "Redriving",
                lambda seen: redrive(
                    bucket,
                    tables,
                    read_item=read,
                    publish=publish,
                    max_record_bytes=max_record_bytes,
                    remaining=lambda: math.inf,
                    on_object=seen,
                    on_failure=failing.add,
                ),
            )
            title = "Still failing"
    if as_json:
        console.out(json.dumps(_document(done, failing)), highlight=False)
        return FOUND if done.failing else OK
    if not dry_run:
        changes, rows, objects = counted(done.redriven, "change"), counted(done.rows, "row"), done.objects
        say(console, Text(f"{changes} redriven by {rows}, of {counted(objects, 'object')}"))
    if done.objects:
        _show(console, title, done, failing)
    else:
        places = " and ".join(PREFIXES if prefix is None else (prefix,))
        say(console, Text(f"There is no object below {places} in {bucket_name}, so nothing was looked at"))
    return FOUND if done.failing else OK


class _Failing:
    """The items that fail, by Pinot table and reason: the first :data:`MOST_ITEMS` of each."""

    def __init__(self) -> None:
        self.items: defaultdict[tuple[str, str], list[str]] = defaultdict(list)

    def add(self, key: str, failed: FailedChange | None, failures: Sequence[tuple[str, str]]) -> None:
        """Name an item by its key, or else by the object in the bucket."""
        change = failed.change if failed else None
        name = key if change is None else key_text(change.keys)
        for each in failures:
            if len(self.items[each]) < MOST_ITEMS:
                self.items[each].append(name)


def _with_progress(
    console: Console, bucket: Bucket, what: str, work: Callable[[Callable[[str], None]], Summary]
) -> Summary:
    columns = (SpinnerColumn(), TextColumn("{task.description}"), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        total = sum(1 for _ in bucket.list_keys()) if console.is_terminal else None
        task = progress.add_task(what, total=total)
        return work(lambda _: progress.advance(task))


def _document(done: Summary, failing: _Failing) -> dict[str, object]:
    failures = [
        {"table": table, "reason": reason, "changes": count, "items": failing.items[table, reason]}
        for (table, reason), count in done.failing.most_common()
    ]
    return {"objects": done.objects, "good": done.redriven, "rows": done.rows, "failing": failures}


def _show(console: Console, title: str, summary: Summary, failing: _Failing) -> None:
    if not summary.failing:
        console.print(f"{title}: nothing")
        return
    grid = Grid(title=title, title_justify="left")
    for column in ("Pinot table", "reason", "items"):
        grid.add_column(column, overflow="fold")
    grid.add_column("changes", justify="right")
    for each, count in summary.failing.most_common():
        grid.add_row(*map(Text, (*each, first_of(failing.items[each], count))), str(count))
    console.print(grid)
