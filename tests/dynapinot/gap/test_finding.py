"""What is proposed as a gap, by what was counted, and what is said where nothing can be."""

from __future__ import annotations

import pytest

from dynapinot.gap.finding import Evidence, Found, Gap, GivenUp, find

NOW = 1_764_000_000
HOUR, DAY, PERIOD = 3_600, 86_400, 300


def evidence(**more):
    return Evidence(**{"now": NOW, "period": PERIOD, "kept": DAY, "ages": {}, "polls": [], **more})


def every_period(begin, end):
    return range(begin, end, PERIOD)


def test_nothing_is_missing_where_lambda_read_the_stream_all_the_time():
    alive = evidence(ages={NOW - HOUR: 60.0}, polls=every_period(NOW - 10 * DAY, NOW))
    assert find(alive) == Found([], [], is_known=True)


def test_a_silence_that_is_shorter_than_what_the_stream_keeps_loses_nothing():
    polls = [*every_period(NOW - 2 * DAY, NOW - DAY), *every_period(NOW - PERIOD - HOUR, NOW)]
    assert find(evidence(polls=polls)).gaps == []


def test_what_the_stream_forgot_while_the_mapping_was_off_is_a_gap():
    off, on = NOW - 3 * DAY, NOW - DAY
    polls = [*every_period(off - DAY, off + 1), *every_period(on, NOW)]
    (gap,) = find(evidence(polls=polls, ages={off: 600.0})).gaps
    assert (gap.begin, gap.end) == (off - 600, on + PERIOD - DAY)
    assert gap.why == "Lambda did not read the stream for 2 d 0 h from 2025-11-21T16:00:00Z on (CloudWatch)"


def test_a_gap_goes_on_while_the_mapping_is_off_and_what_the_stream_still_has_is_none():
    last = NOW - 2 * DAY
    found = find(evidence(ages={last: 60.0}, mapping=("Disabled", last)))
    assert [(gap.begin, gap.end) for gap in found.gaps] == [(last - 60, None)]
    assert "The event source mapping is Disabled since 2025-11-22T16:00:00Z: enable it first" in found.notes
    assert find(evidence(polls=[NOW - HOUR], mapping=("Disabled", NOW - HOUR))).gaps == []


def test_changes_that_were_as_old_as_the_stream_keeps_them_are_gaps_that_grow_together():
    ages = {NOW - DAY: DAY - 60.0, NOW - DAY + PERIOD: float(DAY), NOW - HOUR: 60.0}
    (gap,) = find(evidence(ages=ages, polls=every_period(NOW - 2 * DAY, NOW))).gaps
    assert (gap.begin, gap.end) == (NOW - 2 * DAY + 60, NOW - 2 * DAY + 3 * PERIOD)
    assert gap.why == (
        "from 2025-11-23T16:00:00Z on changes were read when the stream was about to forget them (IteratorAge)"
    )


@pytest.mark.parametrize(("ages", "begin"), [({NOW - HOUR: 600.0}, NOW - HOUR - 600), ({}, NOW - HOUR - DAY)])
def test_changes_that_were_given_up_and_not_stored_are_a_gap_by_how_old_they_were(ages, begin):
    polls = every_period(NOW - 2 * DAY, NOW)
    (gap,) = find(evidence(ages=ages, polls=polls, undelivered=[NOW - HOUR])).gaps
    assert (gap.begin, gap.end) == (begin, NOW - HOUR + PERIOD)


def test_failures_at_different_times_are_gaps_of_their_own():
    ages = {NOW - 9 * HOUR: 60.0, NOW - HOUR: 60.0}
    polls = every_period(NOW - 2 * DAY, NOW)
    gaps = find(evidence(ages=ages, polls=polls, undelivered=list(ages))).gaps
    assert [gap[:2] for gap in gaps] == [(at - 60, at + PERIOD) for at in ages]


def test_a_gap_does_not_end_in_the_future():
    (gap,) = find(evidence(polls=[NOW - 60], undelivered=[NOW - 60])).gaps
    assert gap[:2] == (NOW - 60 - DAY, NOW)


def test_an_object_that_is_gone_is_a_gap_and_one_that_is_there_is_to_be_redriven():
    objects = [GivenUp("a", NOW - 100, NOW - 50, True), GivenUp("b", NOW - 90, NOW - 40, False)]
    found = find(evidence(polls=[NOW], given_up=objects))
    assert found.gaps == [Gap(NOW - 90, NOW - 39, "the object b is neither in the bucket nor was it redriven")]
    (note,) = found.notes
    assert note == (
        "1 object of changes that Lambda gave up, from 2025-11-24T15:58:20Z to 2025-11-24T15:59:10Z: they are not "
        "lost, dynapinot redrive replicates what is in the bucket"
    )


def test_gaps_that_overlap_are_one_and_one_that_goes_on_takes_in_what_follows():
    last = NOW - 3 * DAY
    objects = [GivenUp("a", last - HOUR, last, False), GivenUp("b", NOW - HOUR, NOW, False)]
    (gap,) = find(evidence(ages={last: 60.0}, mapping=("Disabled", last), given_up=objects)).gaps
    assert (gap.begin, gap.end) == (last - HOUR, None)
    assert gap.why.count("; ") == 2


def test_without_cloudwatch_a_gap_is_proposed_by_what_pinot_shows():
    newest = {"items": {0: NOW - 3 * DAY, 1: NOW - 2 * DAY}}
    off = find(evidence(newest=newest, mapping=("Disabled", NOW - 2 * DAY)))
    assert [gap[:2] for gap in off.gaps] == [(NOW - 3 * DAY, None)]
    assert off.is_known is False
    on = find(evidence(newest=newest, mapping=("Enabled", NOW - HOUR)))
    assert [gap[:2] for gap in on.gaps] == [(NOW - 3 * DAY, NOW - HOUR - DAY)]
    assert "Pinot's newest change in items, by partition: 0: 2025-11-21T16:00:00Z, 1: 2025-11-22T16:00:00Z" in on.notes


@pytest.mark.parametrize(
    "more",
    [
        {"newest": {"items": {0: NOW - 60}}, "mapping": ("Enabled", NOW - 9 * DAY)},
        {"newest": {"items": {0: NOW - 60}}, "mapping": ("Disabled", NOW - 30)},
        {"newest": {"items": {0: NOW - 60}}},
        {"newest": {"items": {}}, "mapping": ("Enabled", NOW)},
    ],
)
def test_where_nothing_tells_it_is_said_and_nothing_is_proposed(more):
    found = find(evidence(ages=None, polls=None, unseen=["CloudWatch: no"], **more))
    assert (found.gaps, found.is_known) == ([], False)
    assert found.notes[0] == "CloudWatch: no"
    assert found.notes[-1].startswith("CloudWatch has no sign of the function or its mapping")


def test_a_history_without_polls_is_said_to_tell_less():
    found = find(evidence(ages={NOW - HOUR: 60.0}, polls=None))
    assert found.notes == ["Without PolledEventCount, a table without changes looks like a mapping that was off"]
