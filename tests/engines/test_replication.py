"""After any writes to a DynamoDB table, Pinot shows the same items as a Scan. The engines are real from end to end.

``REPLICATION_HISTORIES`` is the number of random histories of each kind (1 by default), ``REPLICATION_SEED`` the first
seed. The seed determines a history, except for the time of day. A failure prints the seed and how to run it alone.
"""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from decimal import Decimal

import pytest

from engines.replication import ROUGH, Replication, last_change
from engines.source_kinds import ITEMS, KINDS, SHOP, python_item
from faults.test_mutants import (
    never_sends_overtaken_entries_again,
    sends_later_entries_of_a_blocked_key,
    sends_only_the_failed_entries_again,
)
from print_counts import print_counts

pytestmark = pytest.mark.engines

HISTORIES = int(os.environ.get("REPLICATION_HISTORIES", "1"))
FIRST_SEED = int(os.environ.get("REPLICATION_SEED", "20240622"))
SEEDS = range(FIRST_SEED, FIRST_SEED + HISTORIES)
OPERATIONS = 100
RERUN = "REPLICATION_SEED={} REPLICATION_HISTORIES=1 .venv/bin/pytest tests/engines/test_replication.py -k '{} and {}'"

FAULTS = ("answers lost", "records rejected", "requests failed", "requests shuffled")
KILLS = ("killed before", "killed after", "out of time")


@pytest.fixture
def replicated(engines, monkeypatch, tmp_path):
    """Makes a table of some kind, and its replication."""
    made = []

    def make(kind, seed=0, **options):
        folder = tmp_path / f"tables-{len(made)}"
        folder.mkdir()
        made.append(Replication(engines, kind, seed, monkeypatch=monkeypatch, folder=folder, **options))
        return made[-1]

    yield make
    for each in made:
        each.close()


@contextmanager
def named(seed, kind, name):
    """Add to a failure how to run its history alone."""
    try:
        yield
    except AssertionError as error:
        raise AssertionError(f"{error}\nseed {seed}; to run it alone:\n{RERUN.format(seed, kind, name)}") from error


def play(replication):
    """Write at random, and replicate from time to time and at the end."""
    writer = replication.writer()
    for _ in range(OPERATIONS):
        writer.write()
        if replication.random.random() < 0.04:
            replication.run()
    replication.run()
    return writer


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_after_any_history_pinot_shows_what_dynamodb_holds(replicated, kind, seed, capsys):
    with named(seed, kind, "any_history"):
        replication = replicated(kind, seed)
        writer = play(replication)
        replication.check()
        rows = [fed.rows() for fed in replication.fed]
        replication.run_again()
        replication.check()
        assert [fed.rows() for fed in replication.fed] == rows  # the same bytes
        for fed in replication.fed:
            fed.take(fed.records)  # like a server that reads its stream from the beginning
        replication.check()
    print_counts(capsys, f"{kind}, seed {seed}", replication.tally(writer))
    assert replication.counts["rows compared"]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_after_failures_of_every_kind_pinot_shows_what_dynamodb_holds(replicated, kind, seed, capsys):
    with named(seed, kind, "failures"):
        replication = replicated(kind, seed, faults=ROUGH, kills=0.1)
        writer = play(replication)
        replication.check()
        replication.run_again()
        replication.check()
    counts = replication.tally(writer)
    print_counts(capsys, f"{kind} with failures, seed {seed}", counts)
    assert [fault for fault in FAULTS if not counts[fault]] == []
    assert any(counts[kill] for kill in KILLS)
    assert counts["rows compared"]


def test_with_concurrent_writers_pinot_shows_what_dynamodb_holds(replicated, capsys):
    replication = replicated(ITEMS, faults=ROUGH)
    writers = [replication.writer(name) for name in "abcd"]

    def work(writer):
        for _ in range(40):
            writer.write()

    with ThreadPoolExecutor(len(writers)) as pool:
        working = [pool.submit(work, writer) for writer in writers]
        while not all(each.done() for each in working):
            replication.run()
    for each in working:
        each.result()
    replication.run()
    replication.check()
    counts = replication.tally(*writers)
    print_counts(capsys, "writers that race", counts)
    assert counts["invocations"] > len(writers)
    assert counts["rows compared"]


@pytest.mark.parametrize(
    "mutant",
    [
        sends_later_entries_of_a_blocked_key,
        never_sends_overtaken_entries_again,
        sends_only_the_failed_entries_again,
    ],
)
def test_a_publisher_that_resends_too_little_is_detected(replicated, mutant, monkeypatch):
    """The engines and the failures detect it: most changes of an item have the same time, so their order counts."""
    mutant(monkeypatch)
    for seed in range(30):  # one of the first few nearly always; how the engines' batches fall is not seeded
        replication = replicated(ITEMS, seed, faults=ROUGH, shards=1, largest_request=3)
        writer = replication.writer()
        for _ in range(25):
            writer.batch()
        replication.run()
        try:
            replication.check()
        except AssertionError as error:
            assert "Pinot" in str(error)  # it is one of several runs
            return
    pytest.fail("its order was never wrong")


def test_items_that_time_to_live_deletes_are_deleted_or_kept_as_the_table_says(replicated):
    replication = replicated(SHOP)
    client, table = replication.dynamodb, SHOP.dynamodb_table
    long_ago = {"expires_at": {"N": str(int(time.time()) - 60)}}
    order = {"PK": {"S": "USER#1815"}, "SK": {"S": "ORDER#01"}, "status": {"S": "DELIVERED"}, "total": {"N": "28.80"}}
    user = {"PK": {"S": "USER#1815"}, "SK": {"S": "PROFILE"}, "name": {"S": "Ada King"}}
    session = {"PK": {"S": "SESSION#f"}, "SK": {"S": "SESSION"}}
    for item in (order, user, session):
        client.put_item(TableName=table, Item={**item, **long_ago})
    client.update_time_to_live(
        TableName=table, TimeToLiveSpecification={"Enabled": True, "AttributeName": "expires_at"}
    )

    def everything_has_expired():
        return not replication.items()

    replication.wait_until(everything_has_expired)
    replication.run()
    users, orders, _ = replication.fed
    inserted = next(record for record in replication.changes() if record["dynamodb"]["Keys"] == _keys(order))
    assert orders.shown() == [orders.files.row(python_item(order), last_change(inserted))]
    assert users.shown() == []
    before, after = users.consumer.history()
    assert [(row["name"], row["deleted"], row["lapsed"]) for row in (before, after)] == [
        ("Ada King", False, False),
        ("Ada King", True, True),
    ]
    assert orders.shown()[0]["total"] == Decimal("28.8")


def _keys(item):
    return {name: item[name] for name in SHOP.key_types}
