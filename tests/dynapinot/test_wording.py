"""Counts with their plurals, and lines that break between words."""

from __future__ import annotations

import io

import pytest
from rich.console import Console
from rich.text import Text

from dynapinot.init.report import method_of
from dynapinot.wording import counted, first_of, say


@pytest.mark.parametrize(("count", "text"), [(0, "0 rows"), (1, "1 row"), (2, "2 rows"), (20_000, "20,000 rows")])
def test_a_noun_has_the_number_of_its_count(count, text):
    assert counted(count, "row") == text


@pytest.mark.parametrize(("total", "text"), [(2, "a; b"), (3, "a; b and 1 more"), (2_000, "a; b and 1,998 more")])
def test_the_first_names_are_listed(total, text):
    assert first_of(["a", "b"], total) == text


@pytest.mark.parametrize(
    ("read", "whole", "text"),
    [
        (1, True, "The one item that a scan found was read."),
        (2, True, "All 2 items that a scan found were read."),
        (1, False, "1 was read, from 1 part of the table in turn, not from its beginning alone."),
    ],
)
def test_how_items_were_read_has_the_right_number(read, whole, text):
    assert method_of(read, whole=whole, segments=1) == text


def written(text, width, *, is_terminal):
    console = Console(file=io.StringIO(), width=width, force_terminal=is_terminal, color_system=None)
    say(console, text)
    return console.file.getvalue().splitlines()


def test_in_a_terminal_a_sentence_breaks_between_words_and_its_further_lines_are_indented():
    text = Text.assemble(("one two", "bold"), " three four five six")
    assert written(text, 10, is_terminal=True) == ["one two", "  three", "  four", "  five six"]
    assert written(Text("one two"), 10, is_terminal=True) == ["one two"]
    assert written(Text(""), 10, is_terminal=True) == [""]


def test_without_a_terminal_a_sentence_is_a_line():
    assert written(Text("one two three"), 5, is_terminal=False) == ["one two three"]
