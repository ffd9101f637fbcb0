"""The README's event becomes the README's row, and its commands and names exist."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import pytest

from bench.prices import PRICES
from dynapinot.defaults import DEMO_TABLES
from dynapinot.explain.run import explain
from handlers.catalog import load_tables
from handlers.settings import Settings
from pinot.errors import Findings
from pinot.source import read_source

ROOT = Path(__file__).parent.parent.parent
README = (ROOT / "README.md").read_text()
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def test_the_readmes_event_becomes_the_readmes_row():
    event, row = (json.loads(block) for block in blocks("json"))
    (line,) = explain(event["Records"], load_tables(DEMO_TABLES)[0])
    got = json.loads(line)
    assert list(got["row"].items()) == list(row.items())
    assert f"under the partition key `{got['partition_key']}`" in README


def test_the_readmes_source_toml_can_be_read():
    (text,) = blocks("toml")
    source = read_source(tomllib.loads(text), Findings("source.toml"))
    assert (source.dynamodb_table, source.ttl_deletes) == ("app", "keep")
    assert source.when({"PK": {"S": "USER#1"}, "plan": {"M": {"status": {"S": "new"}}}}, True)
    assert source.columns == {"city": ("address", "city"), "order_version": "$version", "rest": "$rest"}


def test_the_price_of_an_idle_stack_is_that_of_its_shards():
    parameters = re.findall(
        r"^  (\w+):\n    Type: Number\n    Default: (\d+)", (ROOT / "template.yaml").read_text(), re.MULTILINE
    )
    shards, hours = (int(dict(parameters)[name]) for name in ("KinesisShardCount", "KinesisRetentionHours"))
    extended = shards * 730 * (PRICES.shard_hour + PRICES.extended_shard_hour)
    price = f"${extended:.0f} a month for two shards that keep rows for 7 days"
    assert (shards, hours) == (2, 7 * 24)
    assert price in README.replace("\n   ", " ")
    assert price in (ROOT / "docs" / "operations.md").read_text()
    assert f"`KinesisRetentionHours=24` makes the shards ${shards * 730 * PRICES.shard_hour:.0f}" in README


def test_the_readmes_make_targets_exist():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {
        target for page in PAGES for target in re.findall(r"(?:^|`)make ([a-z-]+)", page.read_text(), re.MULTILINE)
    }
    assert named
    assert named <= targets


def test_the_readmes_variables_are_the_functions_own():
    section = README[README.index("## The function's environment") :].split("\n## ")[0]
    named = {name for name in re.findall(r"`([A-Z_]+)`", section) if not name.startswith("AWS_")}
    assert named == {name.upper() for name in Settings.__annotations__}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_between_the_pages_leads_somewhere(page):
    for target, anchor in re.findall(r"\]\((?!http)([^)#]*)(?:#([^)]*))?\)", page.read_text()):
        there = (page.parent / target).resolve() if target else page
        assert there.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.*)$", there.read_text(), re.MULTILINE)
            slugs = {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
            assert anchor in slugs, anchor


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_file_a_page_names_is_there(page):
    for name in re.findall(r"`((?:src|tests|docs|events|scripts|requirements|dynapinot)/[\w./-]+)`", page.read_text()):
        matches = [name, f"{name}.py"]
        assert any((ROOT / match).exists() for match in matches) or name.endswith("/"), name
