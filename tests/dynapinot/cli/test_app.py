"""Promises of every command: help that teaches, one name for one thing, plain text where there is no terminal."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from itertools import groupby

import click
import pytest
from click.testing import CliRunner

from dynapinot.cli.app import app
from dynapinot.defaults import DEMO_TABLES
from handlers.version import VERSION

DEMO = app.commands["demo"]
COMMANDS = {**app.commands, **{f"demo {name}": command for name, command in DEMO.commands.items()}}
PARENT = click.Context(app, **app.context_settings)  # a command remembers the names of its help option
OPTIONS = {
    (command, option): parameter
    for command, group in COMMANDS.items()
    for parameter in group.params
    for option in parameter.opts
}

# What takes long to import, and what only a command that runs has to import.
HEAVY = {
    *("aws_lambda_powertools", "boto3", "botocore", "cryptography", "flask", "jinja2", "moto", "msgspec", "orjson"),
    *("pydantic", "requests", "rich", "urllib3", "werkzeug", "yaml"),
    *("decoder", "heartbeat", "pinot", "publisher", "redrive"),
}


def help_of(command, option="--help"):
    result = CliRunner().invoke(app, [*command.split(), option])
    assert result.exit_code == 0
    return re.sub(r"\s+", " ", result.stdout)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example_of_itself(command):
    assert "Examples:" in help_of(command)
    assert f"dynapinot {command}" in help_of(command).split("Examples:")[1]


@pytest.mark.parametrize("name", COMMANDS["load"].commands)
def test_every_command_for_a_load_has_help_with_an_example_of_itself(name):
    result = CliRunner().invoke(app, ["load", name, "--help"])
    assert result.exit_code == 0
    assert f"dynapinot load {name} " in result.stdout.split("Examples:")[1]
    command = COMMANDS["load"].commands[name]
    assert all(option.help for option in command.params if option.param_type_name == "option")
    (example,) = (line.split() for line in command.epilog.partition("Examples:\n")[2].splitlines())
    command.make_context(name, example[3:], parent=PARENT)


@pytest.mark.parametrize("command", COMMANDS)
def test_h_is_short_for_help(command):
    assert help_of(command, "-h") == help_of(command)


def test_the_help_lists_every_command_under_a_heading_with_its_first_paragraph():
    result = CliRunner().invoke(app, ["--help"])
    assert result.exit_code == 0
    headings = re.findall(r"^(\S.*):$", result.stdout, re.MULTILINE)
    assert headings == [
        *("Options", "Set up a table", "Load existing items", "Inspect changes and rows", "Operate", "Try the demo")
    ]
    assert re.findall(r"^  ([a-z][a-z-]*)  ", result.stdout, re.MULTILINE) == list(app.commands)
    text = re.sub(r"\s+", " ", result.stdout)
    for command in app.commands.values():
        assert " ".join(command.help.partition("\n\n")[0].split()) in text


def test_the_help_of_the_demo_lists_the_seeds_commands():
    assert "Change the demo's DynamoDB table: publish Put random meetups" in help_of("demo")


def test_an_option_of_the_demo_is_not_ignored_before_one_of_its_commands():
    result = CliRunner().invoke(app, ["demo", "--clean", "publish"])
    assert (result.exit_code, result.stderr.splitlines()[-1]) == (
        2,
        "Error: Give the options of publish after its name",
    )


def test_the_version_is_printed():
    result = CliRunner().invoke(app, ["--version"])
    assert (result.exit_code, result.stdout) == (0, f"{VERSION}\n")


def example_lines():
    for command, group in COMMANDS.items():
        for line in group.epilog.partition("Examples:\n")[2].splitlines():
            words = shlex.shlex(line, posix=True, punctuation_chars=True)
            words.whitespace_split = True
            for is_operator, part in groupby(words, lambda word: word in (";", "|")):
                if not is_operator and (argument := list(part))[0] == "dynapinot":
                    yield command, argument


@pytest.mark.parametrize(
    ("command", "words"),
    list(example_lines()),
    ids=lambda value: value if isinstance(value, str) else " ".join(value)[:60],
)
def test_every_example_can_be_parsed(command, words):
    assert words[0] == "dynapinot"
    name = next(name for name in sorted(COMMANDS, reverse=True) if words[1:][: len(name.split())] == name.split())
    assert name.startswith(command)
    COMMANDS[name].make_context(name, words[1 + len(name.split()) :], parent=PARENT)


@pytest.mark.parametrize(("command", "option"), [each for each in OPTIONS if each[1].startswith("--")])
def test_every_option_has_help_and_the_same_in_each_command(command, option):
    text = OPTIONS[command, option].help
    assert text
    assert text.endswith((".", "…"))
    if option in ("--region", "--endpoint-url", "--tables", "--json"):
        assert {each.help for (_, name), each in OPTIONS.items() if name == option} == {text}


def test_commands_that_call_aws_take_a_region_and_an_endpoint():
    with_region = {command for command, option in OPTIONS if option == "--region"}
    assert with_region == {command for command, option in OPTIONS if option == "--endpoint-url"}
    assert with_region == COMMANDS.keys() - {"demo", "explain", "add-table", "update-table", "query"}


def test_commands_that_find_something_can_write_json():
    assert {command for command, option in OPTIONS if option == "--json"} == COMMANDS.keys() - {
        *("demo", "demo publish", "demo update", "demo delete", "add-table", "update-table")
    }


@pytest.mark.parametrize(
    ("command", "shown"),
    [("init", "The Kinesis stream; by default <name>-stream."), ("drift", "instead of files: /aws/lambda/<stack>.")],
)
def test_words_in_angle_brackets_are_shown(command, shown):
    assert shown in help_of(command)


def test_the_exit_codes_say_what_nothing_looked_at_is():
    assert "2 if there is no change" in help_of("explain")
    assert "2 if nothing was looked at" in help_of("drift")


def test_files_are_shown_as_one_argument_that_repeats():
    assert "Usage: dynapinot explain [OPTIONS] FILE… " in CliRunner().invoke(
        app, ["explain", "--help"], prog_name="dynapinot"
    ).stdout.replace("\n", " ")


RUN = """
import atexit, sys
atexit.register(lambda: print(*{name.partition('.')[0] for name in sys.modules}, sep=",", file=sys.stderr))
from dynapinot.cli.app import app
app(prog_name="dynapinot")
"""


def imported_by(*arguments, **variables):
    done = subprocess.run(
        [sys.executable, "-c", RUN, *arguments], capture_output=True, text=True, check=True, timeout=60, env=variables
    )
    assert done.stdout
    return set(done.stderr.strip().split(","))


@pytest.mark.parametrize(
    "arguments",
    [("--version",), ("--help",), ("-h",), *((*command.split(), "--help") for command in COMMANDS)],
    ids=" ".join,
)
def test_the_version_and_the_help_import_nothing_that_takes_long(arguments):
    assert imported_by(*arguments) & HEAVY == set()


@pytest.mark.parametrize("words", ["dynapinot re", "dynapinot explain --sh", "dynapinot demo --"])
def test_completion_imports_nothing_that_takes_long(words):
    asked = {"COMP_WORDS": words, "COMP_CWORD": str(words.count(" ")), "_DYNAPINOT_COMPLETE": "bash_complete"}
    assert imported_by(**asked) & HEAVY == set()


def test_a_command_that_runs_imports_what_it_needs():
    assert imported_by("explain", "events/insert.json", "--tables", str(DEMO_TABLES)) >= {
        "decoder",
        "pinot",
        "publisher",
        "rich",
    }


def test_nothing_is_coloured_where_there_is_no_terminal():
    result = CliRunner().invoke(app, ["explain", "events/insert.json", "--tables", str(DEMO_TABLES), "--verbose"])
    assert result.exit_code == 0
    assert "\x1b" not in result.output
