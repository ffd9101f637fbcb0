"""Promises of ``dynapinot query``."""

from __future__ import annotations

import io
import json
import time

import pytest
from rich.console import Console

from dynapinot.pinot_server import Answer, Broker
from dynapinot.query import has_no_limit, query
from pinot_fake import Pinot, result, running

LATER_MS = time.time_ns() // 1_000_000 + 5_000


@pytest.fixture
def pinot():
    with running(Pinot()) as fake:
        yield fake


@pytest.fixture
def console():
    return Console(file=io.StringIO(), width=100)


@pytest.fixture
def ask(pinot, console):
    """Ask, and give the exit code, the lines of the output and what was warned of."""

    def run(sql="SELECT name, n FROM t", **options):
        warnings = []
        code = query(console, Broker(pinot.url), sql, warnings.append, **{"now_ms": LATER_MS, **options})
        return code, [line.rstrip() for line in console.file.getvalue().splitlines()], warnings

    return run


def test_rows_are_shown_as_a_table_and_null_is_seen(pinot, ask):
    pinot.answers["SELECT"] = result(["name", "n"], ["STRING", "LONG"], [["[red]:smile:", None]])
    code, (header, _, row, count), warnings = ask()
    assert (code, warnings) == (0, [])
    assert (header.split(), row.split(), count) == (["name", "┃", "n"], ["[red]:smile:", "│", "null"], "1 row")


def test_rows_are_lines_of_json_for_scripts_to_the_letter(pinot, console, ask):
    rows = [["[red]:smile: " + "x" * 200, 1], ["ü", None]]
    pinot.answers["SELECT"] = result(["name", "n"], ["STRING", "LONG"], rows)
    assert ask(as_json=True)[::2] == (0, [])
    lines = [json.loads(line) for line in console.file.getvalue().splitlines()]
    assert lines == [{"name": name, "n": number} for name, number in rows]


def test_many_rows_of_json_cost_little(console):
    rows = [[f"user-{number}", number] for number in range(100_000)]
    answer = Answer(columns=["pk", "sk"], types=["STRING", "LONG"], rows=rows, statistics={})
    begun = time.process_time()
    assert query(console, Answering(answer), "SELECT", pytest.fail, now_ms=LATER_MS, as_json=True) == 0
    assert time.process_time() - begun < 2  # by rich it was 10 s and more
    assert console.file.getvalue().count("\n") == len(rows)


class Answering:
    """A broker with one answer."""

    def __init__(self, answer):
        self.answer = answer

    def query(self, _):
        return self.answer


def test_a_row_can_be_shown_with_a_line_for_each_column(pinot, ask):
    pinot.answers["SELECT"] = result(["name", "n"], ["STRING", "LONG"], [["a", None], ["[red]", 2]])
    code, lines, _ = ask(vertical=True)
    assert code == 0
    assert lines == ["row 1", "  name  a", "  n     null", "row 2", "  name  [red]", "  n     2", "2 rows"]


def test_rows_too_wide_for_the_terminal_are_shown_with_a_line_for_each_column(pinot, ask):
    names = [f"column_{number}" for number in range(10)]
    pinot.answers["SELECT"] = result(names, ["STRING"] * 10, [["x" * 9] * 10])
    _, lines, _ = ask()
    assert lines == ["row 1", *(f"  {name}  {'x' * 9}" for name in names), "1 row"]


def test_one_long_text_is_folded_in_a_table(pinot, ask):
    pinot.answers["SELECT"] = result(["id", "text"], ["STRING"] * 2, [["1", "x" * 300]])
    assert "┃" in ask()[1][0]


@pytest.mark.parametrize("flag", ["partialResult", "numGroupsLimitReached", "groupsTrimmed"])
@pytest.mark.parametrize("as_json", [False, True])
def test_an_incomplete_answer_is_shown_and_called_so(pinot, ask, flag, as_json):
    pinot.answers["SELECT"] = result(["n"], ["LONG"], [[12345]])
    pinot.statistics = {flag: True, "partialResult": True}
    code, lines, (warning,) = ask(as_json=as_json)
    assert code == 1
    assert "12345" in " ".join(lines)
    assert warning.startswith("The answer is incomplete: ")


def test_an_answer_of_pinots_default_limit_is_called_so(pinot, ask):
    pinot.answers["SELECT"] = result(["n"], ["LONG"], [[number] for number in range(10)])
    code, _, warnings = ask("SELECT n FROM t")
    assert code == 0
    assert warnings == [
        "Pinot gives 10 rows where a query has no LIMIT. There may be more: write LIMIT 1000, say",
    ]
    assert ask("SELECT n FROM t LIMIT 10")[2] == []
    pinot.answers["SELECT"] = result(["n"], ["LONG"], [[number] for number in range(9)])
    assert ask("SELECT n FROM t")[2] == []


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT a FROM t", True),
        ("SELECT a FROM t WHERE b = 'limit 5'", True),
        ('SELECT "limit" FROM t', True),
        ("SELECT credit_limit FROM t -- limit 5", True),
        ("SELECT a FROM t /* limit\n5 */", True),
        ("SELECT a FROM t limit 5", False),
        ("SELECT a FROM t\nLIMIT 5", False),
        ("SELECT a FROM t OFFSET 5 FETCH NEXT 5 ROWS ONLY", False),
        ("SET useMultistageEngine=true; SELECT a FROM t", False),
    ],
)
def test_a_limit_is_seen_where_it_is_one(sql, expected):
    assert has_no_limit(sql) is expected


def test_a_pinot_that_is_behind_is_called_so(pinot, ask):
    pinot.answers["SELECT"] = result(["n"], ["LONG"], [[1]])
    pinot.statistics = {"minConsumingFreshnessTimeMs": LATER_MS - 41_000}
    code, _, warnings = ask()
    assert (code, warnings) == (
        0,
        ["Pinot has consumed the stream up to 41 s ago: newer changes may be missing"],
    )


@pytest.mark.parametrize("value", [0, -1, 2**63 - 1, None])
def test_a_table_without_a_consuming_segment_is_not_behind(pinot, ask, value):
    pinot.answers["SELECT"] = result(["n"], ["LONG"], [[1]])
    pinot.statistics = {"minConsumingFreshnessTimeMs": value}
    assert ask()[::2] == (0, [])
