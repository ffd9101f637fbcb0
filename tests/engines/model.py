"""Compares the Python model of Pinot with Pinot itself: both must show the same."""

from __future__ import annotations

from collections import Counter
from decimal import MAX_PREC, Context, Decimal

from dynapinot.local.readback import read_value
from dynapinot.local.replica import Replica, upsert_table
from pinot.config import read_config
from pinot.errors import Findings
from pinot.schema import read_schema

EXACT = Context(prec=MAX_PREC)


def model_of(schema, config):
    return Replica(upsert_table(read_schema(schema, Findings("schema")), read_config(config, Findings("config"))))


def read(model, row):
    """Return a row's values as the model reads them, null if absent, without the columns that Pinot computes."""
    types = model.table.columns
    values = {name: row.get(name) for name in types if name not in model.table.computed}
    return {name: None if value is None else read_value(types[name], value) for name, value in values.items()}


def as_read(model, row):
    """Return the same of a row that Pinot shows."""
    types = model.table.columns
    values = {name: value for name, value in row.items() if name not in model.table.computed}
    return {
        name: read_value("JSON", value) if types[name] == "JSON" and value is not None else value
        for name, value in values.items()
    }


def agree(consumer, model):
    """Check that Pinot and the model show the same live rows and the same history, in any order."""
    for shown, modelled in ((consumer.live(), model.live()), (consumer.history(), model.history())):
        pinots = Counter(_text(as_read(model, row)) for row in shown)
        models = Counter(_text(read(model, row)) for row in modelled)
        assert pinots == models


def _text(row):
    """Return a row as text that is the same for equal rows: a number has several texts."""
    return repr(sorted((name, _plain(value)) for name, value in row.items()))


def _plain(value):
    if isinstance(value, Decimal):
        return value.normalize(EXACT)
    return value + 0.0 if isinstance(value, float) else value  # -0.0 is 0.0
