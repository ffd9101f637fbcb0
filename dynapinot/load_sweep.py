"""``dynapinot load --sweep``: after a reload, bring up to date what Pinot still shows from before it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Final

from dynapinot.aws import refusals
from dynapinot.consumed import CLOCK_SECONDS, POLL_SECONDS, rows_after
from dynapinot.errors import CommandError
from dynapinot.pinot_server import Broker
from handlers import clients
from handlers.deadline import seconds_from_now
from load.plan import Plan
from load.sweep import SweepError, Swept, sweep, sweep_of
from pinot.table import Table, Target
from publisher.entry import Entry
from publisher.order import Limits, Published
from redrive.item import item_reader
from snapshot.version import CONSISTENT_READ, GLOBAL_TABLE_READ

SECONDS_FOR_ROWS: Final = 60.0  # of one portion
WAIT_SECONDS: Final = 600.0  # for Pinot to consume what the load wrote


def sweep_table(
    broker: Broker,
    plan: Plan,
    table: Table,
    tables: Sequence[Table],
    *,
    loaded: float,
    lag: Callable[[], float | None],
    items_per_second: int,
    max_record_bytes: int,
    state: Swept | None = None,
    save: Callable[[Swept], None] = lambda _: None,
    wait_seconds: float = WAIT_SECONDS,
) -> Swept:
    """Sweep a Pinot table after the load of a plan is complete, and after all others are; return the counts.

    ``tables`` are all that the plan loaded. ``loaded`` is when the load's last row was published, in epoch seconds;
    ``lag`` returns the age in seconds of the live path's oldest change, None where it is not known. The sweep waits
    until the live path has delivered what is older than the load, and then until Pinot has consumed that. ``save`` gets
    each state from which a later call may go on, by ``state``. Raises CommandError.
    """
    with refusals():
        streams = clients.streams([table], Limits())

        def publish(target: Target, entries: Sequence[Entry]) -> Published:
            return streams.publish_within(seconds_from_now(SECONDS_FOR_ROWS))(target, entries)

        dynamodb = clients.dynamodb()
        described = dynamodb.describe_table(TableName=plan.table)["Table"]
        types = {each["AttributeName"]: each["AttributeType"] for each in described["AttributeDefinitions"]}
        try:
            task = sweep_of(plan, table, tables, {name: types[name] for name in plan.keys}, max_record_bytes)
            began = _wait_for_live(plan, lag, wait_seconds)
            return sweep(
                task,
                state or Swept(),
                query=lambda sql: rows_after(broker, table.name, sql, max(loaded, began), wait_seconds),
                read_item=item_reader(
                    dynamodb,
                    sleep=time.sleep,
                    clock=time.monotonic,
                    pause=1 / items_per_second,
                    margin=GLOBAL_TABLE_READ if described.get("Replicas") else CONSISTENT_READ,
                ),
                publish=publish,
                save=save,
            )
        except SweepError as error:
            raise CommandError(str(error)) from None


def _wait_for_live(plan: Plan, lag: Callable[[], float | None], wait_seconds: float) -> float:
    """Wait until the live path has delivered what is older than the load; return when that was, in epoch seconds."""
    remaining = seconds_from_now(wait_seconds)
    while True:
        now, age = time.time(), lag()
        if age is None or now - age > plan.began + CLOCK_SECONDS:
            return now
        if remaining() <= 0:
            raise CommandError(
                f"the function has changes of {plan.table} left that are older than the load, the oldest of {age:.0f} "
                "s ago, and a sweep before them could miss rows: wait until it has caught up, and sweep again"
            )
        time.sleep(POLL_SECONDS)
