"""What holds for every command: help that teaches, one name for one thing, plain text where there is no terminal."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from itertools import groupby

import pytest
import typer.main
from typer.testing import CliRunner

from dynapinot.cli.app import app

COMMANDS = typer.main.get_command(app).commands
OPTIONS = {
    (command, option): parameter
    for command, group in COMMANDS.items()
    for parameter in group.params
    for option in parameter.opts
}


def help_of(command):
    result = CliRunner().invoke(app, [command, "--help"])
    assert result.exit_code == 0
    return re.sub(r"[\s│]+", " ", result.stdout)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example_of_itself(command):
    assert "Examples:" in help_of(command)
    assert f"dynapinot {command}" in help_of(command).split("Examples:")[1]


def example_lines():
    for command, group in COMMANDS.items():
        for line in re.findall(r"`([^`]+)`", group.epilog):
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
    assert words[:2] == ["dynapinot", command]
    COMMANDS[command].make_context(command, words[2:], resilient_parsing=False)


@pytest.mark.parametrize(("command", "option"), [each for each in OPTIONS if each[1].startswith("--")])
def test_every_option_says_what_it_is_and_the_same_in_each_command(command, option):
    text = OPTIONS[command, option].help
    assert text
    assert text.endswith((".", "…"))
    if option in ("--region", "--endpoint-url", "--tables", "--json"):
        assert {each.help for (_, name), each in OPTIONS.items() if name == option} == {text}


def test_commands_that_talk_to_aws_can_be_told_where_it_is():
    with_region = {command for command, option in OPTIONS if option == "--region"}
    assert with_region == {command for command, option in OPTIONS if option == "--endpoint-url"}
    assert with_region == COMMANDS.keys() - {"demo", "explain", "add-table", "query"}


def test_commands_that_find_something_can_say_it_in_json():
    assert {command for command, option in OPTIONS if option == "--json"} == COMMANDS.keys() - {
        *("demo", "publish", "update", "delete", "add-table")
    }


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_can_complete(shell):
    environment = {**os.environ, "_DYNAPINOT_COMPLETE": f"source_{shell}"}
    command = [sys.executable, "-c", "from dynapinot.cli.app import app; app(prog_name='dynapinot')"]
    script = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=60).stdout
    assert "_DYNAPINOT_COMPLETE" in script
    asked = {
        "bash": {"COMP_WORDS": "dynapinot re", "COMP_CWORD": "1"},
        "zsh": {"_TYPER_COMPLETE_ARGS": "dynapinot re"},
        "fish": {"_TYPER_COMPLETE_ARGS": "dynapinot re", "_TYPER_COMPLETE_FISH_ACTION": "get-args"},
    }[shell]
    environment |= {"_DYNAPINOT_COMPLETE": f"complete_{shell}", **asked}
    answer = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=60).stdout
    assert "redrive" in answer


def test_nothing_is_coloured_where_there_is_no_terminal():
    result = CliRunner().invoke(app, ["explain", "events/insert.json", "--verbose"])
    assert result.exit_code == 0
    assert "\x1b" not in result.output
