"""Random operations on a real DynamoDB table: single writes, batches, transactions, conditions, bursts on one key."""

from __future__ import annotations

from collections import Counter

MAX_BATCH = 25
CANCELLED = "TransactionCanceledException"
CONDITION = "ConditionalCheckFailedException"


class Writer:
    """Writes randomly to a table.

    ``keys`` are the keys it uses; the first ones are hot. ``attributes`` gives, for a key, the attributes that its item
    may have: name -> a function that makes an attribute value from a random source. ``counters`` names those with
    numbers small enough to add to. Operations are counted by their names; refused ones are counted separately.
    """

    def __init__(self, client, table, keys, attributes, counters, random):
        self.counts = Counter()
        self._client = client
        self._table = table
        self._keys = keys
        self._attributes = attributes
        self._counters = counters
        self._random = random
        self._last = {}
        self._operations = {
            self.put: 6,
            self.put_again: 1,
            self.update: 8,
            self.delete: 3,
            self.delete_and_insert: 2,
            self.put_if_absent: 1,
            self.delete_if_present: 1,
            self.batch: 2,
            self.transaction: 3,
            self.burst: 1,
        }

    def write(self):
        """Do one operation."""
        (operation,) = self._random.choices(list(self._operations), list(self._operations.values()))
        operation()

    def put(self):
        self._count("put")
        self._put(self._key())

    def put_again(self):
        """Put the same item again: no change, and nothing on the stream."""
        if self._last:
            self._count("put again")
            self._client.put_item(TableName=self._table, Item=self._random.choice(list(self._last.values())))

    def update(self):
        self._count("update")
        self._client.update_item(TableName=self._table, **self._update(self._key()))

    def delete(self):
        self._count("delete")
        self._client.delete_item(TableName=self._table, Key=self._key())

    def delete_and_insert(self):
        self._count("delete and insert")
        key = self._key()
        self._client.delete_item(TableName=self._table, Key=key)
        self._put(key)

    def put_if_absent(self):
        key = self._key()
        name = next(iter(key))
        self._conditionally(
            "put if absent",
            lambda: self._client.put_item(
                TableName=self._table,
                Item=self._item(key),
                ConditionExpression="attribute_not_exists(#key)",
                ExpressionAttributeNames={"#key": name},
            ),
        )

    def delete_if_present(self):
        key = self._key()
        name = next(iter(key))
        self._conditionally(
            "delete if present",
            lambda: self._client.delete_item(
                TableName=self._table,
                Key=key,
                ConditionExpression="attribute_exists(#key)",
                ExpressionAttributeNames={"#key": name},
            ),
        )

    def batch(self):
        self._count("batch")
        requests = [
            {"DeleteRequest": {"Key": key}}
            if self._random.random() < 0.3
            else {"PutRequest": {"Item": self._item(key)}}
            for key in self._several_keys(MAX_BATCH)
        ]
        answer = self._client.batch_write_item(RequestItems={self._table: requests})
        assert not answer["UnprocessedItems"]

    def transaction(self):
        """Write all or nothing: all items change together, or a condition is not met and none does."""
        self._conditionally(
            "transaction",
            lambda: self._client.transact_write_items(
                TransactItems=[self._part_of_transaction(key) for key in self._several_keys(6)]
            ),
        )

    def burst(self):
        """Make dozens of changes of one key, in well under a second."""
        self._count("burst")
        key = self._keys[0]
        for _ in range(self._random.randint(10, 40)):
            choice = self._random.random()
            if choice < 0.5:
                self._client.update_item(TableName=self._table, **self._update(key))
            elif choice < 0.85:
                self._put(key)
            else:
                self._client.delete_item(TableName=self._table, Key=key)

    def _key(self):
        hot = self._keys[:2]
        return self._random.choice(hot if self._random.random() < 0.4 else self._keys)

    def _several_keys(self, most):
        return self._random.sample(self._keys, self._random.randint(1, min(most, len(self._keys))))

    def _values(self, key, share):
        attributes = self._attributes(key)
        return {name: make(self._random) for name, make in attributes.items() if self._random.random() < share}

    def _item(self, key):
        return {**self._values(key, self._random.choice((0.1, 0.6, 0.9, 1.0))), **key}

    def _put(self, key):
        item = self._item(key)
        self._last[repr(key)] = item
        self._client.put_item(TableName=self._table, Item=item)

    def _update(self, key):
        """Update: set some attributes, remove others and add to one. An absent item is created."""
        values = self._values(key, 0.3)
        removed = [name for name in self._attributes(key) if name not in values and self._random.random() < 0.2]
        added = [
            name
            for name in self._counters
            if name in self._attributes(key) and name not in values and name not in removed
        ][:1]
        names = {f"#{place}": name for place, name in enumerate((*values, *removed, *added))}
        place_of = {name: place for place, name in names.items()}
        given = {f":{place_of[name][1:]}": value for name, value in values.items()}
        parts = []
        if values:
            parts.append("SET " + ", ".join(f"{place_of[name]} = :{place_of[name][1:]}" for name in values))
        if removed:
            parts.append("REMOVE " + ", ".join(place_of[name] for name in removed))
        if added:
            parts.append(f"ADD {place_of[added[0]]} :one")
            given[":one"] = {"N": "1"}
        return {
            "Key": key,
            **({"UpdateExpression": " ".join(parts)} if parts else {}),
            **({"ExpressionAttributeNames": names} if names else {}),
            **({"ExpressionAttributeValues": given} if given else {}),
        }

    def _part_of_transaction(self, key):
        choice = self._random.random()
        if choice < 0.4:
            return {"Put": {"TableName": self._table, "Item": self._item(key)}}
        if choice < 0.7:
            update = self._update(key)
            if "UpdateExpression" in update:  # required in a transaction
                return {"Update": {"TableName": self._table, **update}}
        if choice < 0.95:
            return {"Delete": {"TableName": self._table, "Key": key}}
        name = next(iter(key))
        return {
            "ConditionCheck": {
                "TableName": self._table,
                "Key": key,
                "ConditionExpression": "attribute_exists(#key)",
                "ExpressionAttributeNames": {"#key": name},
            }
        }

    def _conditionally(self, name, operation):
        try:
            operation()
        except self._client.exceptions.ClientError as error:
            code = error.response["Error"]["Code"]
            assert code in (CANCELLED, CONDITION), error
            self._count(f"{name}, refused")
        else:
            self._count(name)

    def _count(self, name):
        self.counts[name] += 1
