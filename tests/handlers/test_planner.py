"""The planner makes rows by the typed path where it can, by the exact path otherwise, and compares the two."""

from __future__ import annotations

import json

import pytest

from changes import insert, modify, remove
from decoder.records import ParsedRecords, RawRecords
from files import CONFIG, table, with_setting
from handlers.planner import CHECKED_EVERY, MAX_ROUTES, Account, Planner, plan
from pinot.table import Table
from pinot.typed.row import TypedRows

KEY = {"id": {"S": "a"}}
ENOUGH = 10**6


def others(name="others", **source):
    """Another Pinot table, on a stream of its own."""
    topic = "ingestionConfig.streamIngestionConfig.streamConfigMaps.0".split(".")
    config = with_setting(CONFIG, "tableName", name)
    return table(config=with_setting(config, (*topic, "stream.kinesis.topic.name"), f"{name}-stream"), source=source)


def unparsed(records):
    return RawRecords.of(json.dumps({"Records": records}, separators=(",", ":")).encode(), json.loads)


def made(planner, records):
    account = Account(records=records)
    rows = list(planner.rows(account))
    return rows, account


def counting(monkeypatch):
    """Count the changes that take the exact path."""
    calls, rows = [], Table.rows

    def counted(self, change, max_bytes):
        calls.append(change.event_name)
        return rows(self, change, max_bytes)

    monkeypatch.setattr(Table, "rows", counted)
    return calls


def batch(count=20):
    images = [{"price": {"N": str(number)}, "more": {"S": "x"}} for number in range(count)]
    records = [insert({"id": {"S": str(number)}}, image) for number, image in enumerate(images)]
    records += [modify({"id": {"S": str(number)}}, image, image) for number, image in enumerate(images)]
    return [*records, *(remove({"id": {"S": str(number)}}, image) for number, image in enumerate(images))]


@pytest.mark.parametrize("form", [unparsed, ParsedRecords])
def test_rows_and_accounts_are_those_of_the_exact_path(form, monkeypatch):
    tables = [table(), others(when={"price": 3})]
    planner, records = Planner(tables, max_record_bytes=ENOUGH), batch()
    exact = plan(records, tables, max_record_bytes=ENOUGH)
    for _ in range(3):
        rows, account = made(planner, form(records))
        by_target = {each.target: [entry for target, entry in rows if target == each.target] for each in tables}
        assert by_target == dict(exact.rows)
        assert (account.times_ms, account.row_counts, account.ignored) == (
            exact.times_ms,
            exact.row_counts,
            exact.ignored,
        )
        assert (account.unmapped, account.dead_letters, account.differences) == (exact.unmapped, [], [])
    calls = counting(monkeypatch)
    made(planner, form(records))
    assert calls == [], "every kind of change is known by now"


def test_changes_of_several_sources_in_turn_take_the_typed_path(monkeypatch):
    planner = Planner([table(), others()], max_record_bytes=ENOUGH)
    one, two = ([insert(KEY, {"name": {"S": "x"}}, table=name)] * 3 for name in ("meetups", "venues"))
    for records in (one, two):
        made(planner, unparsed(records))
    calls = counting(monkeypatch)
    for records in (one, two, [*one, *two, *one], [each for pair in zip(one, two, strict=True) for each in pair]):
        rows, account = made(planner, unparsed(records))
        assert len(rows) == 2 * len(records)
        assert account.row_counts.tolist() == [2] * len(records)
    assert calls == []


def test_sources_are_not_remembered_without_end():
    planner = Planner([table()], max_record_bytes=ENOUGH)
    for number in range(MAX_ROUTES + 5):
        made(planner, unparsed([insert(KEY, {}, table=f"table-{number}")] * 2))
        assert len(planner._routes) <= MAX_ROUTES


def test_one_change_in_many_takes_both_paths_and_the_exact_paths_row_is_sent(monkeypatch):
    planner = Planner([table()], max_record_bytes=ENOUGH)
    records = unparsed([insert(KEY, {"name": {"S": "x"}})] * (2 * CHECKED_EVERY + 1))
    calls = counting(monkeypatch)
    rows, account = made(planner, records)
    assert len(calls) == 1 + 2, "the first change, and two that are compared"
    assert account.differences == []
    assert len({entry.data for _, entry in rows}) == 1

    def wrong(self, text, max_bytes):
        return "1:a", b"wrong", 1719082124000, ()

    monkeypatch.setattr(TypedRows, "row", wrong)
    rows, account = made(planner, records)
    assert account.differences == [position for position in range(len(records)) if rows[position][1].data != b"wrong"]
    assert len(account.differences) == 2
    assert json.loads(rows[account.differences[0]][1].data)["name"] == "x"


def test_the_command_line_takes_the_exact_path_alone(monkeypatch):
    monkeypatch.setattr(TypedRows, "row", lambda *_: pytest.fail("this is the typed path"))
    assert len(plan(batch(), [table()], max_record_bytes=ENOUGH).row_counts) == 60


def test_a_change_that_one_table_leaves_to_the_exact_path_is_reported_once():
    """The other table's row was made by the typed path already; nothing of it may be kept."""
    tables = [table(), others(columns={"name": "nick"})]
    like = insert(KEY, {"price": {"N": "1"}, "nick": {"S": "x"}, "more": {"S": "x"}})
    bad = insert(KEY, {"price": {"N": "1"}, "nick": {"S": "x" * 600}, "more": {"N": "no number"}})
    planner = Planner(tables, max_record_bytes=ENOUGH)
    made(planner, unparsed([like, like]))
    _, account = made(planner, unparsed([bad]))
    exact = plan([bad], tables, max_record_bytes=ENOUGH)
    assert (account.unmapped, account.row_counts) == (exact.unmapped, exact.row_counts)
    assert [str(each.error) for each in account.dead_letters] == [str(each.error) for each in exact.dead_letters]
