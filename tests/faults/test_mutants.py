"""The fault tests can fail: a few hundred histories detect each of these defects."""

from __future__ import annotations

from dataclasses import replace

import pytest

from faults.history import BY_CITY
from faults.world import World
from handlers import relay
from handlers.planner import Planner
from pinot.table import Table
from pinot.typed.row import TypedRows
from publisher import concurrency, order, s3

HISTORIES = 600


def never_sends_overtaken_entries_again(monkeypatch):
    unsettled_of = order._Publisher._unsettled_of

    def failed_only(self, key, sent):
        return [] if all(isinstance(outcome, int) for _, outcome in sent) else unsettled_of(self, key, sent)

    monkeypatch.setattr(order._Publisher, "_unsettled_of", failed_only)


def sends_only_the_failed_entries_again(monkeypatch):
    def failed_only(self, _, sent):
        return [entry for entry, outcome in sent if isinstance(outcome, str)]

    monkeypatch.setattr(order._Publisher, "_unsettled_of", failed_only)


def treats_a_lost_response_as_an_accepted_request(monkeypatch):
    unsettled_of = order._Publisher._unsettled_of

    def trusting(self, key, sent):
        if all(outcome == "ReadTimeoutError" for _, outcome in sent):
            return []
        return unsettled_of(self, key, sent)

    monkeypatch.setattr(order._Publisher, "_unsettled_of", trusting)


def sends_later_entries_of_a_blocked_key(monkeypatch):
    def send_all(self, pending):
        unsettled = []
        for start in range(0, len(pending), self._limits.records):
            unsettled.extend(self._send_request(pending[start : start + self._limits.records]))
        return unsettled

    monkeypatch.setattr(order._Publisher, "send_all", send_all)


def treats_a_refused_stream_as_done(monkeypatch):
    publish = concurrency.publish

    def cheerful(*arguments, **options):
        published = publish(*arguments, **options)
        refused = "AccessDeniedException" in published.errors
        return replace(published, first_unpublished=None) if refused else published

    monkeypatch.setattr(concurrency, "publish", cheerful)


def reports_the_second_failure(monkeypatch):
    response = relay.Report.response

    def second(self):
        first = self.first_unpublished
        if first is None or first + 1 >= len(self.account.records):
            return response(self)
        return response(replace(self, first_unpublished=first + 1))

    monkeypatch.setattr(relay.Report, "response", second)


def reports_the_later_of_two_failures(monkeypatch):
    monkeypatch.setattr(relay, "min", max, raising=False)


def reports_no_failure(monkeypatch):
    monkeypatch.setattr(relay.Report, "response", lambda _: {"batchItemFailures": []})


def drops_the_last_dead_letter(monkeypatch):
    store = s3.store
    monkeypatch.setattr(s3, "store", lambda entries, put, **options: store(entries[:-1], put, **options))


def ignores_that_dead_letters_were_not_stored(monkeypatch):
    def store(entries, put, *, remaining):
        for entry in entries:
            put(entry)
        return None, None

    monkeypatch.setattr(s3, "store", store)


def stops_the_batch_at_a_poison_change(monkeypatch):
    rows_of = Planner.rows

    def cut_short(planner, account):
        rows = list(rows_of(planner, account))
        end = min((dead_letter.position for dead_letter in account.dead_letters), default=len(account.records))
        yield from ((target, entry) for target, entry in rows if entry.position < end)

    monkeypatch.setattr(Planner, "rows", cut_short)


def publishes_the_batch_backwards(monkeypatch):
    publish = concurrency.publish
    monkeypatch.setattr(
        concurrency, "publish", lambda entries, *rest, **options: publish(entries[::-1], *rest, **options)
    )


class NeverContains(dict):
    """A dict whose keys are not found."""

    def __contains__(self, _):
        return False


def allows_a_key_in_two_chunks_at_once(monkeypatch):
    begin = concurrency._Batch.__init__

    def careless(self, *arguments):
        begin(self, *arguments)
        self._blocked = NeverContains()

    monkeypatch.setattr(concurrency._Batch, "__init__", careless)


def spreads_a_key_over_shards(monkeypatch):
    rows = Table.rows

    def spread(self, change, max_bytes):
        return (row._replace(key=f"{row.key}{change.sequence_number}") for row in rows(self, change, max_bytes))

    monkeypatch.setattr(Table, "rows", spread)
    monkeypatch.setattr(TypedRows, "row", lambda *_: None)


def loses_deletes(monkeypatch):
    rows = Table.rows

    def forgetful(self, change, max_bytes):
        return () if change.event_name == "REMOVE" else rows(self, change, max_bytes)

    monkeypatch.setattr(Table, "rows", forgetful)
    monkeypatch.setattr(TypedRows, "row", lambda *_: None)


MUTANTS = (
    drops_the_last_dead_letter,
    ignores_that_dead_letters_were_not_stored,
    allows_a_key_in_two_chunks_at_once,
    sends_later_entries_of_a_blocked_key,
    loses_deletes,
    never_sends_overtaken_entries_again,
    publishes_the_batch_backwards,
    reports_no_failure,
    reports_the_later_of_two_failures,
    reports_the_second_failure,
    sends_only_the_failed_entries_again,
    spreads_a_key_over_shards,
    stops_the_batch_at_a_poison_change,
    treats_a_lost_response_as_an_accepted_request,
    treats_a_refused_stream_as_done,
)


def histories_until_detected(**options):
    for seed in range(HISTORIES):
        try:
            World(seed, **options).run()
        except AssertionError as error:
            assert f"seed {seed}" in str(error)
            return seed + 1
    return None


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.__name__)
def test_the_histories_detect_a_defect(mutant, monkeypatch):
    mutant(monkeypatch)
    assert histories_until_detected() is not None


def test_the_histories_detect_a_row_that_is_left_under_a_former_primary_key(monkeypatch):
    monkeypatch.setattr(Table, "_tombstone_of_moved", lambda *_: ())
    assert histories_until_detected(kinds=(BY_CITY,)) is not None


def test_the_function_without_a_defect_passes_the_same_histories():
    assert histories_until_detected() is None
