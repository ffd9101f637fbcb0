"""A change of the schema as a use of load, from the old rows to the new ones, as docs/load.md says it."""

from __future__ import annotations

from click.testing import CliRunner

from changes import insert
from dynapinot.cli.app import app
from dynapinot.errors import OK


def key(name):
    return {"id": {"S": name}}


def add_city(schema):
    schema["dimensionFieldSpecs"].append({"name": "city", "dataType": "STRING"})
    return schema


def test_a_new_column_is_filled_for_the_items_that_have_it(world, pinot):
    rome, oslo = {"city": {"S": "Rome"}}, {"city": {"S": "Oslo"}}
    world.put({**key("a"), **rome}, {**key("b"), **oslo}, key("plain"))
    world.live(insert(key("a"), rome), insert(key("b"), oslo), insert(key("plain"), {}))
    assert pinot.shown("city") == {"a": None, "b": None, "plain": None}

    world.edit("schema.json", add_city)
    words = ["update-table", str(world.tables / "items"), "--controller", pinot.url]
    updated = CliRunner().invoke(app, words, catch_exceptions=False)
    assert updated.exit_code == OK, updated.output
    assert "Every partition consumes with the new schema: deploy the function now" in updated.output
    assert pinot.shown("city") == {"a": None, "b": None, "plain": None}

    done = world.load("--where", "attribute_exists(city)")
    assert done.exit_code == OK, done.output
    assert "Loaded app: 2 items, 2 rows" in done.output
    assert pinot.shown("city") == {"a": "Rome", "b": "Oslo", "plain": None}
    assert pinot.replica.table.columns["city"] == "STRING"


def test_a_change_that_came_meanwhile_keeps_its_value_of_the_new_column(world, pinot):
    world.put({**key("a"), "city": {"S": "Rome"}})
    world.edit("schema.json", add_city)
    world.live(insert(key("a"), {"city": {"S": "Oslo"}}, second=2_000_000_000))  # newer than what the load reads
    assert world.load("--where", "attribute_exists(city)").exit_code == OK
    assert pinot.shown("city") == {"a": "Oslo"}


def test_a_column_that_changes_its_meaning_is_loaded_and_swept(world, pinot):
    world.put({**key("a"), "name": {"S": "short"}, "title": {"S": "long"}})
    world.live(insert(key("a"), {"name": {"S": "short"}}), insert(key("gone"), {"name": {"S": "short"}}))
    assert pinot.shown() == {"a": "short", "gone": "short"}

    (world.tables / "items" / "source.toml").write_text('dynamodb_table = "app"\n[columns]\nname = "title"\n')
    done = world.load("--sweep", "--broker", pinot.url)
    assert done.exit_code == OK, done.output
    assert pinot.shown() == {"a": "long"}
