"""The whole: where it looks and where not, how it is written, and with which exit code it ends."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner
from rich.console import Console

from changes import insert
from dynapinot import pinot_server
from dynapinot.cli.app import app
from dynapinot.defaults import DEMO_TABLES
from dynapinot.doctor.finding import AbsentError, Diagnosis, error, note, warning
from dynapinot.doctor.report import document, write
from dynapinot.doctor.run import Places, diagnose, run
from dynapinot.errors import CommandError
from files import REMOVED, SCHEMA, with_setting
from pinot_fake import Pinot, Table, result, running

ROOT = Path(__file__).parents[3]
NOW_MS = 1719090000000
PARTIAL = "PARTIAL keeps the old value of an attribute that was removed from the item"
OFFLINE = {
    "the template these tables are deployed with",
    "samples of changes or items",
    "AWS: the function, its source and the streams",
    "Pinot: the tables and their segments",
    "Pinot: what queries see",
    "Pinot: rows that servers dropped",
}


@pytest.fixture
def console():
    return Console(file=io.StringIO(), width=80)


def lines(console):
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


def test_only_the_files_are_checked_and_the_rest_is_listed_as_not_checked(folder):
    diagnosis = diagnose(folder(), Places(), now_ms=NOW_MS)
    assert (diagnosis.findings, diagnosis.exit_code) == ([], 0)
    assert {each.what for each in diagnosis.missed} == OFFLINE
    assert all(each.why for each in diagnosis.missed)


@pytest.mark.parametrize(
    ("setting", "value", "code"),
    [("upsertConfig.snapshot", REMOVED, 0), ("upsertConfig.mode", "PARTIAL", 1), ("upsertConfig.mode", "NONE", 2)],
)
def test_the_exit_code_is_the_worst_findings(folder, console, whole_config, setting, value, code):
    directory = folder(config=with_setting(whole_config, setting, value))
    assert run(console, directory, Places(), now_ms=NOW_MS) == code
    assert run(console, directory, Places(), now_ms=NOW_MS, as_json=True) == code


def test_a_finding_is_a_line_under_its_part_with_its_remedy(folder, console, whole_config, tmp_path):
    (tmp_path / "event.json").write_text(
        json.dumps({"Records": [insert({"id": {"S": "a"}}, {"name": {"S": "x"}, "price": {"S": "[b]:x:"}})]})
    )
    directory = folder(config=with_setting(whole_config, "upsertConfig.mode", "PARTIAL"))
    run(console, directory, Places(events=[tmp_path / "event.json"]), now_ms=NOW_MS)
    written = lines(console)
    assert (written[0], written[2:4], written[5]) == ("Tables' files", ["", "Samples"], "")
    where = f"{directory}/items/table.json: upsertConfig.mode"
    assert written[1] == f'warning {where}: {PARTIAL}. Write "mode": "FULL".'
    assert written[4].startswith("error   items: price: 1 of 1 change would be a dead letter (type_mismatch): ")
    assert written[4].endswith(" (id=a). Change the column's type, or the item, or let Pinot convert it.")
    assert written[-2:] == [f"Looked at: {directory}/items, {tmp_path}/event.json", "1 error, 1 warning"]
    assert "\x1b" not in console.file.getvalue()


def test_a_parameter_that_nothing_checks_is_refused(folder, console):
    directory = folder()
    with pytest.raises(CommandError, match="--parameter X: nothing checks it without the template: give --template"):
        run(console, directory, Places(parameters=["Tables=items", "X=y"]), now_ms=NOW_MS)
    assert run(console, directory, Places(parameters=["Tables=items"]), now_ms=NOW_MS) == 0


def test_lines_break_between_words_in_a_terminal_and_nowhere_else(folder, whole_config):
    directory = folder(config=with_setting(whole_config, "upsertConfig.mode", "PARTIAL"))
    for is_terminal in (True, False):
        shown = Console(file=io.StringIO(), width=60, force_terminal=is_terminal, color_system=None)
        run(shown, directory, Places(), now_ms=NOW_MS)
        written = shown.file.getvalue()
        assert (max(map(len, written.splitlines())) <= 60) == is_terminal
        assert PARTIAL in " ".join(written.split())


def test_a_question_ends_a_sentence_without_a_period(console):
    diagnosis = Diagnosis()
    diagnosis.add("Template", [error("x", "here", "is it running?", "Start it")])
    write(console, diagnosis)
    assert lines(console)[1] == "error   here: is it running? Start it."


def test_errors_come_before_warnings_and_notes_and_parts_in_the_way_a_change_goes(console):
    diagnosis = Diagnosis()
    diagnosis.add("Pinot", [note("n", "a", "b", "c"), error("e", "[red]:smile:", "b", "c")])
    diagnosis.add("DynamoDB", [warning("w", "a", "b", "c")])
    write(console, diagnosis)
    assert lines(console) == [
        "DynamoDB",
        "warning a: b. c.",
        "",
        "Pinot",
        "error   [red]:smile:: b. c.",
        "note    a: b. c.",
        "",
        "Looked at: nothing",
        "1 error, 1 warning, 1 note",
    ]


def test_the_summary_says_that_nothing_is_wrong_in_what_was_checked(console):
    diagnosis = Diagnosis()
    diagnosis.add("Pinot", [note("n", "a", "b", "c")])
    write(console, diagnosis)
    assert lines(console)[-1] == "nothing wrong in what was looked at, 1 note"


def test_a_terminal_gets_colours():
    console = Console(file=io.StringIO(), force_terminal=True, color_system="standard", width=80)
    diagnosis = Diagnosis()
    diagnosis.add("Pinot", [error("e", "a", "b", "c")])
    write(console, diagnosis)
    assert "\x1b[1;31merror   \x1b[0m" in console.file.getvalue()


def test_json_has_everything_and_is_json_whatever_the_width(folder, whole_config):
    console = Console(file=io.StringIO(), width=20)
    directory = folder(config=with_setting(whole_config, "upsertConfig.mode", "PARTIAL"))
    assert run(console, directory, Places(), now_ms=NOW_MS, as_json=True) == 1
    written = json.loads(console.file.getvalue())
    assert written["findings"] == [
        {
            "part": "Tables' files",
            "level": "warning",
            "code": "upsertConfig.mode",
            "about": f"{directory}/items/table.json: {PARTIAL}",
            "where": f"{directory}/items/table.json: upsertConfig.mode",
            "problem": PARTIAL,
            "remedy": 'Write "mode": "FULL"',
        }
    ]
    assert (written["looked_at"], written["exit_code"]) == ([f"{directory}/items"], 1)
    assert {each["what"] for each in written["not_looked_at"]} == OFFLINE
    assert set(written) == {"findings", "looked_at", "not_looked_at", "exit_code"}


def test_every_part_that_finds_something_is_written():
    diagnosis = Diagnosis()
    parts = (
        *("Tables' files", "Template", "Samples", "DynamoDB", "Event source mapping", "Function", "CloudWatch"),
        *("Kinesis", "Pinot"),
    )
    for part in reversed(parts):
        diagnosis.add(part, [note(part, "a", "b", "c")])
    assert [each["part"] for each in document(diagnosis)["findings"]] == list(parts)


def test_one_fault_is_reported_once_whichever_check_finds_it():
    diagnosis = Diagnosis()
    diagnosis.add("Samples", [warning("w", "a", "b", "c", about="t")])
    diagnosis.add("DynamoDB", [warning("w", "x", "y", "z", about="t"), warning("w", "x", "y", "z", about="u")])
    assert [(each.where, each.about) for each in diagnosis.findings] == [("a", "t"), ("x", "u")]


def test_a_check_that_is_not_possible_is_listed_once_with_the_reason():
    diagnosis = Diagnosis()

    def refuse():
        raise CommandError("no")

    assert (diagnosis.ask("x", refuse), diagnosis.ask("x", refuse)) == (None, None)
    assert ([tuple(each) for each in diagnosis.missed], diagnosis.looked_at) == ([("x", "no")], [])


def test_an_answer_is_looked_at_once():
    diagnosis = Diagnosis()
    assert (diagnosis.ask("x", lambda: 1), diagnosis.ask("x", lambda: 2)) == (1, 2)
    assert (diagnosis.looked_at, diagnosis.missed) == (["x"], [])


def test_a_defect_is_not_taken_for_a_refusal():
    with pytest.raises(ZeroDivisionError):
        Diagnosis().ask("x", lambda: 1 // 0)
    assert issubclass(AbsentError, Exception)


@pytest.mark.parametrize(
    ("places", "message"),
    [
        ({"events": ["nix.json"]}, "nix.json: it cannot be read"),
        ({"template": "nix.yaml"}, "nix.yaml: it cannot be read as a template"),
        ({"controller": "localhost:9000"}, "is no URL of a server"),
        ({"broker": "http://u:p@h"}, "take the password out of the URL"),
    ],
)
def test_an_unusable_option_is_refused(folder, tmp_path, places, message):
    files = {
        "events": lambda names: [tmp_path / name for name in names],
        "template": lambda name: tmp_path / name,
    }
    given = {name: files.get(name, lambda value: value)(value) for name, value in places.items()}
    with pytest.raises(CommandError, match=message):
        diagnose(folder(), Places(**given), now_ms=NOW_MS)


def test_parameters_that_are_given_win(folder, tmp_path):
    (tmp_path / "template.yaml").write_text("""
Parameters:
  StreamName: {Type: String, Default: other-stream}
Resources:
  Stream: {Type: AWS::Kinesis::Stream, Properties: {Name: !Ref StreamName, RetentionPeriodHours: 168}}
""")
    directory = folder()
    template = tmp_path / "template.yaml"

    def codes(*parameters):
        places = Places(template=template, parameters=parameters)
        return [each.code for each in diagnose(directory, places, now_ms=NOW_MS).findings]

    assert codes() == ["stream_unused"]
    assert codes("StreamName=items-stream") == []
    (tmp_path / "samconfig.toml").write_text(
        '[default.deploy.parameters]\nparameter_overrides = "StreamName=items-stream"'
    )
    assert codes() == []
    assert codes("StreamName=third") == ["stream_unused"]


def test_only_the_tables_that_the_deployment_names_are_looked_at(folder, whole_config):
    folder()
    directory = folder("broken", config=with_setting(whole_config, "tableName", ""))
    places = Places(parameters=["Tables=items"])
    assert diagnose(directory, places, now_ms=NOW_MS).findings == []


@pytest.fixture
def pinot(whole_config):
    ideal = {"items__0__0__20240622T1848Z": {"Server_a": "CONSUMING"}}
    schema = SCHEMA
    table = Table(schema, {**whole_config, "tableName": "items_REALTIME"}, ideal=ideal, actual=ideal)
    answers = {"SELECT COUNT(*)": result(["c", "m"], ["LONG", "LONG"], [[3, NOW_MS - 5_000]])}
    with running(Pinot(tables={"items": table}, answers=answers, secret="Bearer token")) as fake:
        yield fake


def test_a_running_pinot_is_looked_at_with_the_secret_of_the_environment(folder, pinot, monkeypatch):
    monkeypatch.setenv("PINOT_TOKEN", "token")
    places = Places(controller=pinot.url, broker=pinot.url, auth_variable="PINOT_TOKEN")
    diagnosis = diagnose(folder(), places, now_ms=NOW_MS)
    assert [(each.level, each.code, each.problem) for each in diagnosis.findings] == [
        ("note", "pinot_rows", "3, deletes included; the newest change is 5 s old")
    ]
    assert diagnosis.looked_at[1:] == [
        f"Pinot: controller {pinot.url}",
        "Pinot: table items: validation",
        "Pinot: table items",
        "Pinot: table items: schema",
        "Pinot: table items: state",
        "Pinot: table items: segments",
        "Pinot: table items: other tables",
        "Pinot: rows of items",
    ]


def test_a_pinot_that_needs_credentials_is_an_error_that_names_the_variable_to_set(folder, pinot):
    diagnosis = diagnose(folder(), Places(controller=pinot.url), now_ms=NOW_MS)
    (finding,) = diagnosis.findings
    assert (finding.level, finding.code) == ("error", "pinot_unwell")
    assert "set PINOT_AUTH to a token or user:password" in finding.problem


def test_a_controller_that_is_not_there_is_one_error(folder, monkeypatch):
    monkeypatch.setattr(pinot_server, "CONNECT_RETRIES", 0)
    with running(Pinot()) as fake:
        gone = fake.url
    diagnosis = diagnose(folder(), Places(controller=gone), now_ms=NOW_MS)
    assert [(each.level, each.code) for each in diagnosis.findings] == [("error", "pinot_unwell")]


def test_a_check_that_was_asked_for_and_not_possible_exits_1(monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    arguments = ["--function", "f", "--region", "us-east-1", "--endpoint-url", "http://127.0.0.1:9"]
    result = CliRunner().invoke(app, ["doctor", "--tables", str(DEMO_TABLES), *arguments])
    assert result.exit_code == 1
    assert "warning Lambda" in result.stdout.replace("  ", " ")
    assert "that could not be looked at" in result.stdout.splitlines()[-1]
    assert "nothing wrong" not in result.stdout


def test_the_template_of_a_checkout_is_looked_at_with_its_own_tables_only(folder, tmp_path, monkeypatch):
    directory = folder()
    checkout = tmp_path / "checkout"
    shutil.copytree(directory, checkout / "src" / "tables")
    shutil.copy(ROOT / "template.yaml", checkout)
    monkeypatch.chdir(checkout)
    own, other = (diagnose(tables, Places(), now_ms=NOW_MS) for tables in (Path("src/tables"), directory))
    assert own.looked_at == ["src/tables/items", "template.yaml"]
    assert other.looked_at == [str(directory / "items")]


def test_only_the_folders_that_are_named_are_looked_at(tmp_path):
    shutil.copytree(DEMO_TABLES, tmp_path / "tables")
    (tmp_path / "tables" / "broken").mkdir()
    tables = ["doctor", "--tables", str(tmp_path / "tables")]
    assert CliRunner().invoke(app, tables).exit_code == 2
    assert CliRunner().invoke(app, [*tables, "--only", "pinot_dynamo_ingestion"]).exit_code == 0


def test_the_table_of_plain_items_can_be_named(tmp_path):
    (tmp_path / "item.json").write_text('{"PK": {"S": "USER#1"}, "SK": {"S": "PROFILE"}}')
    tables = ROOT / "examples" / "single-table" / "tables"
    arguments = ["doctor", "--tables", str(tables), "--events", str(tmp_path / "item.json"), "--table"]
    assert "no_table" in CliRunner().invoke(app, [*arguments, "another"]).stdout
    assert "no_table" not in CliRunner().invoke(app, [*arguments, "app"]).stdout
