"""The first part of both demos: a table that has items gets its stream, and is loaded while it is being changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from threading import RLock
from typing import TYPE_CHECKING, Final

from dynapinot.aws import Aws
from dynapinot.defaults import EXISTING_MEETUPS
from dynapinot.demo.meetups import delete, enable_stream, publish, update
from dynapinot.demo.screen import ID_LENGTH
from dynapinot.demo.walk import Replication, items
from dynapinot.errors import OK
from dynapinot.load.place import Named
from dynapinot.load.planning import Choices
from dynapinot.load.run import Options, run
from dynapinot.local.function import BUCKET
from handlers import clients

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.service_resource import Table

COLUMNS: Final = ("meetup_id", "ApproximateCreationDateTime", "eventName", "venue_name")  # of the history

_PUT_RECORDS: Final = "before-call.kinesis.PutRecords"


def begin(client: DynamoDBClient, table: Table) -> str:
    """Fill a table that has no stream, then enable it; return the stream's ARN."""
    publish(table, EXISTING_MEETUPS, lambda _: None)
    return enable_stream(client, table.name)


def load(
    replication: Replication,
    table: Table,
    show_history: Callable[[Sequence[str]], object],
    compare: Callable[[], bool],
) -> bool:
    """Load the table as ``dynapinot load`` does, and change it meanwhile; return whether all was equal at the end.

    All items are read in one page by one worker. Before it sends their rows an item is updated and another one deleted,
    and both changes are replicated: the loaded rows of these two are older, and arrive later.
    ``show_history`` shows all rows of some meetups, by their ids, where all is equal.
    """
    screen = replication.screen
    updated, deleted = ({"meetup_id": item["meetup_id"], "mtime": item["mtime"]} for item in islice(items(table), 2))
    screen.title(f"$ dynapinot load --table {table.name} --here --workers 1 --trust-live-path --yes")
    screen.say(f"({EXISTING_MEETUPS} items were there before the stream was enabled: Pinot has no row of them.)")
    names = [f"{key['meetup_id'][:ID_LENGTH]}…" for key in (updated, deleted)]

    def change() -> None:
        screen.say("(All items are read, and none of their rows is sent.")
        update(table, **updated, say=lambda _: None)
        delete(table, **deleted, say=lambda _: None)
        replication.run()
        screen.say(f"Meanwhile {names[0]} is updated and {names[1]} deleted, and these rows are sent.")
        screen.say("Now the load sends its own rows, which are older.)")

    options = Options(
        named=Named(aws=Aws(), bucket=BUCKET, trusts_live_path=True, tables=replication.files.folder),
        is_here=True,
        table=table.name,
        choices=Choices(workers=1),
        is_agreed=True,
    )
    screen.shows_changes = False
    with _before_rows(change):
        code = run(screen.of_command(), options)
    replication.read_rows()
    screen.shows_changes = True
    is_equal = compare() and code == OK
    if is_equal:
        show_history([updated["meetup_id"], deleted["meetup_id"]])
    return is_equal


@contextmanager
def _before_rows(action: Callable[[], None]) -> Iterator[None]:
    """Do something once before rows are sent, by clients of the function's code that are made inside of the block.

    Requests of other threads wait for it; those that the action itself makes do not.
    """
    lock, is_done = RLock(), False

    def act(**_: object) -> None:
        nonlocal is_done
        with lock:
            if not is_done:
                is_done = True
                action()

    clients.session().register(_PUT_RECORDS, act)
    try:
        yield
    finally:
        clients.session().unregister(_PUT_RECORDS, act)
