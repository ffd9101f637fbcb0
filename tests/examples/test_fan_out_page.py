"""docs/fan-out.md shows the single-table example: its blocks, tables and commands agree with the code."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import tomllib
from decimal import Decimal

import pytest
import yaml
from click.testing import CliRunner

from dynapinot.cli.app import app
from dynapinot.local.kinesis_stream import StreamReader
from dynapinot.local.services import embedded_services
from examples.story import EVENTS, NAMES, ROOT, TABLES, golden, load, records_of
from handlers.catalog import load_tables
from pinot.errors import Findings, TableError
from pinot.filter import CONNECTIVES, OPERATORS, read_when

PAGE = (ROOT / "docs" / "fan-out.md").read_text()
BLOCK = re.compile(r"^( *)```(\w+)\n(.*?)^\1```$", re.DOTALL | re.MULTILINE)


def section(title):
    """The text below a heading, up to the next of its level or above. A # in a block is not a heading."""
    blanked = BLOCK.sub(lambda block: re.sub(r"[^\n]", " ", block[0]), PAGE)
    heading = re.search(rf"^(#+) {re.escape(title)}\n", blanked, re.MULTILINE)
    end = re.compile(rf"^#{{1,{len(heading[1])}}} ", re.MULTILINE).search(blanked, heading.end())
    return PAGE[heading.end() : end.start() if end else None]


def blocks(text, *languages):
    """The code of some languages, without the indent it has in a list."""
    return [
        "".join(line.removeprefix(indent) for line in code.splitlines(keepends=True))
        for indent, language, code in BLOCK.findall(text)
        if language in languages
    ]


def table(text):
    """The rows of the one table in a text, each as its cells."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split(" |")] for line in (lines[0], *lines[2:])]


def event(name):
    """The records and the golden lines of an event."""
    (file,) = (each for each in EVENTS if each.stem.startswith(name))
    return records_of(file), [json.loads(line) for line in golden(file)]


def same(block, document):
    """Return whether a block equals a document, with its keys in the same order."""
    return json.dumps(json.loads(block)) == json.dumps(document)


MISTAKES = section("Mistakes are found at the start")


def test_each_source_toml_is_shown_unchanged():
    for name in NAMES:
        assert blocks(section(f"`{name}`"), "toml") == [(TABLES / name / "source.toml").read_text()]


def test_each_json_block_is_what_the_page_says():
    item, transforms, row, delete = blocks(PAGE, "json")
    records, lines = event("03")
    assert same(item, records[-1]["dynamodb"]["NewImage"])
    assert same(row, lines[-1]["row"])
    assert same(delete, event("09")[1][1]["row"])
    config = json.loads((TABLES / "orders" / "table.json").read_text())
    assert same(transforms, config["ingestionConfig"]["transformConfigs"])


def test_each_kind_of_block_is_tested():
    languages = [language for _, language, _ in BLOCK.findall(PAGE)]
    mistakes = len(blocks(MISTAKES, "text"))
    assert {language: languages.count(language) for language in languages} == {
        "toml": len(NAMES) + mistakes,
        "text": mistakes,
        "json": 4,
        "console": len(SHOWN) + len(blocks(section("Try it"), "console")) + len(DEPLOYS) + len(LOADS),
    }


LOADS = blocks(section("Add a table to a running deployment"), "console")
SHOWN = [block for block in blocks(PAGE, "console") if block.startswith("$ ")]


def explain(command, monkeypatch):
    """Run a command of the page as a shell would, in the project's folder."""
    monkeypatch.chdir(ROOT)
    program, *arguments = shlex.split(command)
    assert program == ".venv/bin/dynapinot"
    paths = [
        str(path.relative_to(ROOT)) for argument in arguments if "*" in argument for path in sorted(ROOT.glob(argument))
    ]
    at = next((place for place, argument in enumerate(arguments) if "*" in argument), None)
    if at is not None:
        arguments[at : at + 1] = paths
    return CliRunner().invoke(app, arguments, env={"NO_COLOR": "1", "TERM": "dumb"}, catch_exceptions=False)


@pytest.mark.parametrize("block", SHOWN, ids=lambda block: block.split("/events/")[1].split(".")[0])
def test_each_command_gives_the_output_on_the_page(block, monkeypatch):
    command, output = block.removeprefix("$ ").split("\n", 1)
    assert explain(command, monkeypatch).output == output


def test_the_command_for_the_whole_story_runs(monkeypatch):
    (command,) = blocks(section("Try it"), "console")
    result = explain(command.strip(), monkeypatch)
    assert result.exit_code == 1, "there is a dead letter among them"
    assert len(re.findall(r"^\d+\. (?:INSERT|MODIFY|REMOVE)", result.output, re.MULTILINE)) == sum(
        len(records_of(each)) for each in EVENTS
    )


def images_of_events():
    return [
        image
        for each in EVENTS
        for record in records_of(each)
        for name, image in record["dynamodb"].items()
        if name == "NewImage"
    ]


@pytest.mark.parametrize("command", LOADS)
def test_the_load_of_an_added_table_sends_rows_to_its_stream_only(command, monkeypatch):
    here = "--bucket dead-letters --trust-live-path --yes"
    items = {(image["PK"]["S"], image["SK"]["S"]): image for image in images_of_events()}
    lines = [key for key in items if key[0].startswith("ORDER#") and key[1].startswith("LINE#")]
    with embedded_services() as services:
        streams = {each.name: each.stream for each in load()}
        for stream in streams.values():
            services.kinesis.create_stream(StreamName=stream, ShardCount=2)
        services.s3.create_bucket(Bucket="dead-letters")
        services.dynamodb.create_table(
            TableName="app",
            KeySchema=[{"AttributeName": "PK", "KeyType": "HASH"}, {"AttributeName": "SK", "KeyType": "RANGE"}],
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("PK", "SK")],
            BillingMode="PAY_PER_REQUEST",
            StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
        )
        for item in items.values():
            services.dynamodb.put_item(TableName="app", Item=item)
        result = explain(command.strip().replace("--stack dynapinot", here), monkeypatch)
        rows = {name: StreamReader(services.kinesis, stream).read() for name, stream in streams.items()}
    assert result.exit_code == 0, result.output
    assert sorted(json.loads(row.data)["sk"] for row in rows.pop("order_lines")) == sorted(sk for _, sk in lines)
    assert lines
    assert rows == {"users": [], "orders": []}


def test_each_table_has_the_stream_on_the_page():
    got = table(section("A folder for each Pinot table").split("###")[0])[1:]
    assert {tuple(cells) for cells in got} == {(f"`{each.name}`", f"`{each.stream}`") for each in load()}


def test_each_access_pattern_matches_an_item():
    images = images_of_events()
    patterns = [cells[1] for cells in table(section("The DynamoDB table"))[1:]]
    for pattern in patterns:
        named = re.findall(r"`(PK|SK|GSI1PK) = ([A-Z]+#?)[^`]*`", pattern)
        named += [("SK", prefix) for prefix in re.findall(r"`SK` begins with `([A-Z]+#)`", pattern)]
        assert named, pattern
        assert any(
            all(image.get(name, {"S": ""})["S"].startswith(prefix) for name, prefix in named) for image in images
        ), pattern


def test_each_condition_selects_the_items_on_the_page():
    header, *conditions = table(section("Conditions"))
    images = {
        "Ada's profile": event("01")[0][0]["dynamodb"]["NewImage"],
        "the draft": event("02")[0][0]["dynamodb"]["NewImage"],
        "the order, paid": event("03")[0][-1]["dynamodb"]["NewImage"],
    }
    assert header[1:] == list(images)
    for condition, *expected in conditions:
        document = tomllib.loads(f"when = {{ {condition.strip('`')} }}", parse_float=Decimal)
        findings = Findings("source.toml")
        matches = read_when(document["when"], findings, set())
        assert findings.found == []
        assert [{True: "yes", False: ""}[matches(image, True)] for image in images.values()] == expected, condition


def test_the_conditions_have_every_operator_and_every_connective():
    text = " ".join(cells[0] for cells in table(section("Conditions"))[1:])
    for word in {*OPERATORS, *CONNECTIVES} - {"equals"}:
        assert re.search(rf"\b{word} = ", text), word
    assert "{ equals = " in PAGE


def test_each_event_becomes_the_rows_on_the_page():
    header, *events = table(section("What each change becomes"))
    assert header[2:] == [f"`{name}`" for name in NAMES]
    assert [cells[0].strip("`") for cells in events] == [each.stem for each in EVENTS]
    for name, _, *cells in events:
        _, lines = event(name.strip("`"))
        assert cells == [outcomes_of(table_name, lines) for table_name in NAMES], name


def outcomes_of(name, lines):
    """Return what a table gets from an event, as ``2 rows, 1 delete``."""
    kinds = [
        "dead letter" if "dead_letter" in line else "delete" if line["row"]["deleted"] else "row"
        for line in lines
        if name in (line.get("table"), line.get("dead_letter", {}).get("table"))
    ]
    counted = [(kind, kinds.count(kind)) for kind in ("row", "delete", "dead letter")]
    return ", ".join(f"{count} {kind}{'s' if count > 1 else ''}" for kind, count in counted if count)


# Deployment

DEPLOYS = blocks(section("Deploy it"), "console")


def test_the_deployment_commands_are_valid_shell_with_existing_parameters():
    class Loader(yaml.SafeLoader):
        """Ignores CloudFormation's tags."""

    Loader.add_multi_constructor("!", lambda *_: None)
    template = yaml.load((ROOT / "template.yaml").read_text(), Loader)
    for block in DEPLOYS:
        subprocess.run(["bash", "-n"], input=block, text=True, check=True)
        named = set(re.findall(r"\b([A-Z]\w+)=", block)) - {"StreamMode", "TABLES"}
        assert {"TableStreamArn", "Tables", "KinesisStreamName"} <= named
        assert named <= template["Parameters"].keys()


def test_the_deployment_commands_name_the_tables_and_their_streams():
    every, one = DEPLOYS
    (names,) = re.findall(r"\bTables=(\S+)", every)
    assert set(names.split(",")) == set(NAMES)
    streams = {each.name: each.stream for each in load()}
    made = re.search(r"KinesisStreamName=(\S+)", every)[1]
    others = re.search(r"OtherKinesis\w+=(\S+)", every)[1].split(",")
    assert {made, *(other.rpartition("/")[2] for other in others)} == set(streams.values())
    assert set(re.search(r"for stream in (.*);", every)[1].split()) == set(streams.values()) - {made}
    assert re.search(r"\bTables=(\S+) KinesisStreamName=(\S+)", one).groups() == ("orders", streams["orders"])


# Mistakes


@pytest.mark.parametrize(("source", "said"), list(zip(blocks(MISTAKES, "toml"), blocks(MISTAKES, "text"), strict=True)))
def test_each_mistake_is_reported_as_on_the_page(source, said, tmp_path):
    shutil.copytree(TABLES / "orders", tmp_path / "orders")
    (tmp_path / "orders" / "source.toml").write_text(source)
    with pytest.raises(TableError) as caught:
        load_tables(tmp_path)
    assert str(caught.value).replace(f"{tmp_path}/", "") == said.rstrip("\n")
