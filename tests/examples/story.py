"""The single-table example: its files, its history of changes, and the rows that Pinot shows."""

from __future__ import annotations

import json
from pathlib import Path

from dynapinot.local.replica import Replica, read_upsert_table
from handlers.catalog import load_tables

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "single-table"
TABLES = EXAMPLE / "tables"
EVENTS = sorted((EXAMPLE / "events").glob("*.json"))
NAMES = ("users", "orders", "order_lines")

ADA, BOB = "USER#1815", "USER#1912"
FIRST, SECOND = "01KJQ04V51FX4M7QE2T5YB8ZC3", "01KJWBH56H9V3N6R8W2K5TQ7HD"  # Ada's orders


def load():
    """The example's tables. They must have no findings."""
    tables, warnings = load_tables(TABLES)
    assert warnings == ()
    return tables


def records_of(event):
    """The records of one event file."""
    return json.loads(event.read_text())["Records"]


def golden(event):
    """The golden lines of an event file, in the format of ``explain``."""
    return (ROOT / "tests" / "golden" / f"single-table.{event.stem}.jsonl").read_text().splitlines()


def replica(name):
    """An empty Pinot table for one of the example's tables."""
    files = (json.loads((TABLES / name / file).read_text()) for file in ("schema.json", "table.json"))
    return Replica(read_upsert_table(*files))


def live(replicas):
    """The rows that queries show, by table and primary key."""
    return {name: {(row["pk"], row["sk"]): row for row in each.live()} for name, each in replicas.items()}


# The rows that Pinot shows at the end.
AT_THE_END = {
    "users": {
        (ADA, "PROFILE"): {
            "pk": "USER#1815",
            "sk": "PROFILE",
            "email": "ada@example.com",
            "name": "Ada King",  # no phone: she removed it
            "city": "Paris",
            "country": "FR",
            "tags": ["beta", "newsletter", "vip"],
            "other": (
                '{"address":{"city":"Paris","country":"FR","street":"4 Place Vendôme","zip":"75001"},'
                '"preferences":{"currency":"GBP","theme":"dark"}}'
            ),
            "last_event": "MODIFY",
            "lapsed": False,
            "deleted": False,
            "loyalty_points": 38,
            "created_at": 1772445604000,  # 2026-03-02T10:00:04Z
            "changed_at": 1772476200000,  # 2026-03-02T18:30:00Z
        },
    },
    "orders": {
        (ADA, f"ORDER#{FIRST}"): {  # Time to Live has deleted it from DynamoDB
            "pk": "USER#1815",
            "sk": "ORDER#01KJQ04V51FX4M7QE2T5YB8ZC3",
            "status": "DELIVERED",
            "currency": "GBP",
            "city": "London",
            "country": "GB",
            "paid_by": "card",
            "version": "1772806200000-0000000000000000000300000000004711000978",
            "deleted": False,
            "total": "28.8",
            "placed_at": 1772446032000,  # 2026-03-02T10:07:12Z
            "delivered_at": 1772806200000,  # 2026-03-06T14:10:00Z
            "changed_at": 1772806200000,
        },
    },
    "order_lines": {
        (f"ORDER#{FIRST}", "LINE#001"): {
            "pk": "ORDER#01KJQ04V51FX4M7QE2T5YB8ZC3",
            "sk": "LINE#001",
            "sku": "TEA-100",
            "title": "Darjeeling, 100 g",
            "deleted": False,
            "quantity": 2,
            "unit_price": "12.4",
            "changed_at": 1772806200000,
        },
        (f"ORDER#{FIRST}", "LINE#003"): {
            "pk": "ORDER#01KJQ04V51FX4M7QE2T5YB8ZC3",
            "sk": "LINE#003",
            "sku": "TIN-3",
            "title": "Tin",
            "deleted": False,
            "quantity": 1,
            "unit_price": "4",
            "changed_at": 1772806200000,
        },
    },
}
