"""``dynapinot update-table``: give Pinot a folder's schema and table config, and wait until it consumes with them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.text import Text

from dynapinot.errors import OK, CommandError
from dynapinot.folders import read_documents
from dynapinot.pinot_server import Controller, View, partition_of

CONSUMING: Final = "CONSUMING"
_POLL_SECONDS: Final = 1


def update_table(
    console: Console, controller: Controller, folder: Path, *, timeout: float, sleep: Callable[[float], object]
) -> int:
    """Update a folder's table in Pinot: ``dynapinot update-table``. Raises CommandError.

    A consuming segment keeps the schema it began with, and the values of a new column are lost in it. So the segments
    that consume when Pinot has the new schema are reloaded, which commits them, and others must have taken their place
    before the function sends the column. Seen on a running Pinot 1.5.1.
    """
    schema, config = read_documents(folder)
    name = str(config.get("tableName", "")).removesuffix("_REALTIME")
    refusal = controller.validate(schema, config).refusal
    if refusal is not None:
        raise CommandError(f"Pinot refuses the files: {refusal}")
    if controller.table(name) is None:
        raise CommandError(f"Pinot has no table {name}: make it with dynapinot add-table {folder}")
    if not controller.is_enabled(name) or controller.is_paused(name):
        raise CommandError(f"The table {name} is disabled or paused: nothing was changed. Let it consume first")
    controller.put_schema(schema)
    controller.put_table(config)
    old = _consuming(controller.ideal_state(name))
    controller.reload(name)
    console.print(Text(f"Updated {name} at {controller.url}. Waiting for {len(old)} partitions"), soft_wrap=True)
    _wait(controller, name, old, timeout, sleep)
    console.print(Text("Every partition consumes with the new schema: deploy the function now"), soft_wrap=True)
    return OK


def _wait(
    controller: Controller,
    name: str,
    old: Mapping[int, set[str]],
    timeout: float,
    sleep: Callable[[float], object],
) -> None:
    waited = 0.0
    while late := _not_renewed(old, controller.external_view(name)):
        if waited >= timeout:
            numbers = ", ".join(map(str, late))
            raise CommandError(
                f"Pinot has the new files, and the partitions {numbers} of {name} still consume with the old schema "
                f"after {timeout:g} s. Do not deploy the function yet: POST /tables/{name}/forceCommit, "
                "see the server's log, and run this again"
            )
        sleep(_POLL_SECONDS)
        waited += _POLL_SECONDS


def _not_renewed(old: Mapping[int, set[str]], view: View) -> list[int]:
    """List the partitions that consume no new segment, or still an old one."""
    now = _consuming(view)
    return sorted(
        partition
        for partition, segments in old.items()
        if not now.get(partition, set()) - segments or now[partition] & segments
    )


def _consuming(view: View) -> dict[int, set[str]]:
    """Return the segments that consume, by partition."""
    found: defaultdict[int, set[str]] = defaultdict(set)
    for segment, servers in view.items():
        partition = partition_of(segment)
        if partition is not None and CONSUMING in servers.values():
            found[partition].add(segment)
    return dict(found)
