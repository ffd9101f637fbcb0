"""Promises of the defaults: those that the function has too are the function's."""

from __future__ import annotations

from dynapinot import defaults
from handlers import settings
from load.plan import Control
from publisher import order


def test_the_defaults_that_the_function_has_too_are_equal():
    assert (defaults.REDRIVE_ITEMS_PER_SECOND, defaults.MAX_RECORD_BYTES) == (
        settings.REDRIVE_ITEMS_PER_SECOND,
        order.MAX_RECORD_BYTES,
    )


def test_the_defaults_of_a_load_are_those_of_its_control():
    assert (Control().share, Control().max_lag) == (defaults.LOAD_SHARE, defaults.LOAD_MAX_LAG_SECONDS)
