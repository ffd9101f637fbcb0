"""The table of the guide: some hundred orders that were there before anybody thought of Pinot."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

TABLE = "orders"
ORDERS = 600

_CUSTOMERS = ("ana", "ben", "chloe", "dev", "eli", "fay", "gus", "hana")
_STATUSES = ("new", "paid", "shipped", "delivered")
_CITIES = ("Lyon", "Oslo", "Porto", "Turin")
_TAGS = ("bike", "gift", "indoor", "repair", "sale")
_FIRST = datetime(2026, 3, 1, 8, tzinfo=UTC)


def order(number):
    """An order in DynamoDB's JSON. Each 150th has its weight as text: an importer of old wrote it so."""
    placed = _FIRST + timedelta(hours=3 * number)
    weight = str(200 + number % 90 * 50)
    item = {
        "customer": {"S": _CUSTOMERS[number % len(_CUSTOMERS)]},
        "order_no": {"N": str(1000 + number)},
        "placed_at": {"S": f"{placed:%Y-%m-%dT%H:%M:%SZ}"},
        "status": {"S": _STATUSES[number % 7 % len(_STATUSES)]},
        "price": {"N": f"{5 + number % 40}.{number % 10}5"},
        "address": {
            "M": {"city": {"S": _CITIES[number % len(_CITIES)]}, "street": {"S": f"Main Street {number % 120 + 1}"}}
        },
        "weight": {"S": weight} if number % 150 == 149 else {"N": weight},
        "card_token": {"S": f"tok_{number:06d}"},
    }
    if number % 3 == 0:
        item["tags"] = {"SS": [_TAGS[number % 5], _TAGS[(number + 2) % 5]]}
    return item


def make_table(client):
    """Make the table, as it is before it has a stream."""
    client.create_table(
        TableName=TABLE,
        AttributeDefinitions=[
            {"AttributeName": "customer", "AttributeType": "S"},
            {"AttributeName": "order_no", "AttributeType": "N"},
        ],
        KeySchema=[
            {"AttributeName": "customer", "KeyType": "HASH"},
            {"AttributeName": "order_no", "KeyType": "RANGE"},
        ],
        BillingMode="PAY_PER_REQUEST",
    )
    for start in range(0, ORDERS, 25):  # of BatchWriteItem
        puts = [{"PutRequest": {"Item": order(number)}} for number in range(start, min(start + 25, ORDERS))]
        client.batch_write_item(RequestItems={TABLE: puts})
