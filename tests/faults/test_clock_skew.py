"""Clock skew: of the function's clock, which only its metrics use. And ties of DynamoDB's whole seconds."""

from __future__ import annotations

import json
from collections import Counter
from itertools import product
from random import Random

import pytest
from aws_lambda_powertools.metrics import Metrics

from changes import insert, modify, remove
from dynapinot.local.event_source import Settings
from faults.history import BY_TIME, BY_VERSION, FIRST_NUMBER, FIRST_SECOND, Step
from faults.world import World
from handlers.settings import SERVICE
from handlers.telemetry import NAMESPACE, measure

DAY_MS = 86_400_000


class SkewedWorld(World):
    """A world whose function measures each batch with a clock of its own, hours ahead or behind."""

    def __init__(self, seed, metrics, skew_ms):
        super().__init__(seed)
        self.metrics = metrics
        self.skew_ms = skew_ms

    def _invoke(self, event):
        response = super()._invoke(event)
        measure(self.metrics, self.report, now_ms=int(self.now * 1000) + self.skew_ms)
        self.metrics.flush_metrics()
        return response


@pytest.mark.parametrize("skew_ms", [-DAY_MS, -1, 0, 1, DAY_MS, 80 * 365 * DAY_MS])
def test_clock_skew_of_the_function_changes_the_measured_lags_and_no_rows(skew_ms, capsys):
    metrics = Metrics(namespace=NAMESPACE, service=SERVICE)
    for seed in range(60):
        world = SkewedWorld(seed, metrics, skew_ms).run()
        plain = World(seed).run()
        streams = ({name: each.shards for name, each in those.streams.items()} for those in (world, plain))
        assert next(streams) == next(streams)
    lags = [lag for line in capsys.readouterr().out.splitlines() for lag in json.loads(line).get("ReplicationLag", ())]
    assert lags
    assert min(lags) >= skew_ms, "apart from the skew, no lag is negative"


SECONDS = list(product((0, 1, 60), repeat=3))


@pytest.mark.parametrize("kind", [BY_TIME, BY_VERSION], ids=lambda kind: kind.name)
@pytest.mark.parametrize("last", ["insert", "modify", "remove"])
def test_changes_of_one_item_in_the_same_or_in_later_seconds_keep_their_order(kind, last):
    counts = Counter()
    for gaps, seed in product(SECONDS, range(5)):
        second = FIRST_SECOND
        seconds = [second := second + gap for gap in gaps]
        calls = [(insert, "a"), (modify, "b"), (remove, None)]
        if last == "insert":
            calls = [(insert, "a"), (remove, None), (insert, "c")]
        elif last == "modify":
            calls = [(insert, "a"), (modify, "b"), (modify, "c")]
        steps = [
            _step(place, make, name, at) for place, ((make, name), at) in enumerate(zip(calls, seconds, strict=True))
        ]
        settings = Settings(report_batch_item_failures=True, batch_size=Random(seed).choice((1, 2, 100)))
        world = World(seed, counts, kinds=(kind,), steps=steps, settings=settings)
        world.run()
        assert world.discarded == set()
    assert counts["requests shuffled"]
    assert counts["responses lost"]


def _step(place, make, name, second):
    number = FIRST_NUMBER + place
    item = None if name is None else {"name": name}
    image = {} if name is None else {"new": {"name": {"S": name}}}
    record = make({"id": {"S": "a"}}, second=second, sequence=number, **image)
    return Step(record=record, number=number, key="a", second=second, item=item)
