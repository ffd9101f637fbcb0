"""The defaults of the options.

This module imports nothing that takes time, because every ``--help`` needs it. A test compares the values that the
function has too.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from dynapinot import FUNCTION

TABLES: Final = Path("src/tables")  # of a checkout, where a command runs
DEMO_TABLES: Final = (FUNCTION.parent if FUNCTION.is_dir() else FUNCTION.parents[1]) / "examples" / "meetups" / "tables"
REDRIVE_ITEMS_PER_SECOND: Final = 50  # handlers.settings.REDRIVE_ITEMS_PER_SECOND
MAX_RECORD_BYTES: Final = 1024 * 1024  # publisher.order.MAX_RECORD_BYTES

SAMPLE_ITEMS: Final = 10_000  # that init reads

CONTROLLER: Final = "http://localhost:9000"  # where a Pinot listens that was not configured otherwise
BROKER: Final = "http://localhost:8099"
AUTH_VARIABLE: Final = "PINOT_AUTH"

MEETUPS_TABLE: Final = "pinot-ingestion-demo"  # the tableName of the seed's records
EXISTING_MEETUPS: Final = 40  # that the demo's table has before its stream is enabled
MEETUPS: Final = 10  # that the demo publishes
DEMO_TIMEOUT_SECONDS: Final = 120.0
UPDATE_SECONDS: Final = 120  # update-table waits so long for Pinot

VERIFY_SAMPLE: Final = 3_000
VERIFY_WAIT_SECONDS: Final = 60.0
VERIFY_ITEMS_PER_SECOND: Final = 100

LOAD_SHARE: Final = 0.5  # load.plan.Control
LOAD_MAX_LAG_SECONDS: Final = 60.0
