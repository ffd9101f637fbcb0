"""Counts of the rows that Pinot's servers dropped or changed, as Prometheus scrapes them.

``invalidRealtimeRowsDropped`` (rows that cannot be read) counts at once. ``rowsWithErrors`` (values that do not fit,
expressions that fail) counts only when a consuming segment ends. Seen on a running Pinot 1.5.1.

The names are those that the JMX exporter gives the meters of ``ServerMeter`` by Pinot's own configuration,
``docker/images/pinot/etc/jmx_prometheus_javaagent/configs/server.yml``.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator
from typing import Final, NamedTuple

import requests

from dynapinot.doctor.finding import Diagnosis, Finding, warning
from dynapinot.doctor.pinot import PART
from dynapinot.errors import CommandError
from dynapinot.pinot_server import CONNECT_SECONDS, READ_SECONDS

_LINE: Final = re.compile(r"([A-Za-z_:][\w:]*)\{(.*)\}\s+(\S+)(?:\s+\S+)?")
_LABEL: Final = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


class _Meter(NamedTuple):
    """Meters of one fault, the greatest of which counts: rows that cannot be read are also rows with errors."""

    names: tuple[str, ...]
    problem: str
    remedy: str


_LATE: Final = (
    "Pinot: rows with errors since the last commit",
    "servers count them when a segment is committed: POST /tables/<table>/forceCommit, and look again",
)

_METERS: Final = (
    _Meter(
        ("rowsWithErrors", "invalidRealtimeRowsDropped"),
        "were dropped, because they or a value or an expression could not be read",
        "See the servers' log, give Pinot and the function the same files, and write these items again",
    ),
    _Meter(
        ("incompleteRealtimeRowsConsumed",),
        "lost a value that did not fit, or whose expression failed",
        "See the servers' log, and give Pinot and the function the same files",
    ),
    _Meter(("realtimeRowsSanitized",), "had a text cut", "Give Pinot the function's schema: its maxLength is another"),
    _Meter(("realtimeRowsFiltered",), "were filtered out", "See ingestionConfig.filterConfig of the table config"),
)
_CONSUMING: Final = "pinot_server_llcPartitionConsuming_Value"


def look(diagnosis: Diagnosis, url: str, tables: Collection[str]) -> None:
    """Scrape a server's metrics."""
    text = diagnosis.ask(f"Pinot: metrics at {url}", lambda: scrape(url))
    if text is not None:
        diagnosis.add(PART, meter_findings(url, text, tables))
        diagnosis.miss(*_LATE)


def scrape(url: str) -> str:
    """Get the text of metrics. Raises CommandError."""
    try:
        response = requests.get(url, timeout=(CONNECT_SECONDS, READ_SECONDS))
    except (requests.RequestException, ValueError) as mistake:
        raise CommandError(f"{url} cannot be read ({type(mistake).__name__})") from None
    if not response.ok:
        raise CommandError(f"{url} answers with {response.status_code}")
    return response.text


def meter_findings(url: str, text: str, tables: Collection[str]) -> Iterator[Finding]:
    """Find what a server has counted since it was started; ``text`` is in Prometheus' format."""
    counts: Counter[tuple[str, str]] = Counter()
    for name, labels, value in _samples(text):
        table = labels.get("table", "")
        if table not in tables:
            continue
        counts[table, name] += int(value)
        if name == _CONSUMING and not value:
            partition = labels.get("partition", "?")
            where = f"table {table}: partition {partition}"
            problem = f"the server at {url} does not consume it at the moment"
            remedy = f"Look again; if it stays so: POST /tables/{table}/resumeConsumption, and see the server's log"
            yield warning("pinot_consuming", where, problem, remedy, about=f"{table} {partition}")
    for table in tables:
        for meter in _METERS:
            names = [f"pinot_server_{name}_Count" for name in meter.names]
            count, name = max((counts[table, name], name) for name in names)
            if count:
                problem = f"{count} rows {meter.problem}, since the server at {url} was started"
                about = f"{table} {meter.names[0]} {url}"
                yield warning("pinot_rows_lost", f"table {table}: {name}", problem, meter.remedy, about=about)


def _samples(text: str) -> Iterator[tuple[str, dict[str, str], float]]:
    for line in text.splitlines():
        match = _LINE.fullmatch(line.strip())
        if match:
            try:
                yield match[1], dict(_LABEL.findall(match[2])), float(match[3])
            except ValueError:  # no number: not a sample
                continue
