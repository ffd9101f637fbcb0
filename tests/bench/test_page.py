"""docs/performance.md agrees with the result beside it, and its generated parts have no text written by hand."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bench import __main__ as commands
from bench import page
from bench.__main__ import main
from bench.measured import works
from bench.model import (
    EVENT_BYTES,
    PARTITION_WRITE_UNITS,
    REQUEST_BYTES,
    REQUEST_RECORDS,
    TABLE_WRITE_UNITS_QUOTA,
    VCPU_MEGABYTES,
)
from bench.page import PAGE, PICTURE, RESULT, filled, parts
from bench.result import read
from bench.sizing import SCALES, grids
from bench.targets import TARGETS, judge
from dynapinot.errors import FAILED, OK, CommandError
from dynapinot.init.capacity import HEADROOM, MAX_SHARDS
from publisher.order import Limits

TEXT = PAGE.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def result():
    return read(RESULT)


@pytest.fixture(scope="module", autouse=True)
def made(result):
    """The tables of the page's result, which take seconds to make: here whoever asks for them again gets the same."""
    tables = list(grids(result))

    def made_already(asked):
        return tables if asked == result else grids(asked)

    with pytest.MonkeyPatch.context() as patch:
        for module in (page, commands):
            patch.setattr(module, "grids", made_already)
        yield tables


@pytest.fixture(scope="module")
def tables(made):
    return {grid.name: grid for grid in made}


def cells(grid, column):
    return [row[list(grid.columns).index(column)] for row in grid.rows]


def test_the_pages_generated_parts_are_up_to_date_with_its_result(result):
    assert filled(TEXT, result) == TEXT


def test_the_pages_result_is_of_a_full_run(result):
    assert not result.quick
    assert result.package is not None
    assert len(works(result)) > 0
    assert {race.name.partition("/")[0] for race in result.races} == {
        *("decode", "text", "client", "invocation", "handler", "batch", "start", "memory", "throughput", "load"),
    }


def test_a_target_that_is_missed_is_shown_as_missed(result, tables):
    assert cells(tables["targets"], "verdict") == [each.verdict for each in judge(result.races)]
    assert len(tables["targets"].rows) == len(TARGETS)


def test_a_page_without_one_of_the_parts_is_refused(result):
    without = TEXT.replace("<!-- generated: costs -->", "")
    with pytest.raises(CommandError, match=r"^performance\.md has the generated parts at-once, by-shape, knobs"):
        filled(without, result)


def test_text_written_by_hand_between_the_markers_is_replaced(result):
    typed = TEXT.replace("<!-- generated: line -->\n", "<!-- generated: line -->\nmuch faster than you think\n")
    assert typed != TEXT
    assert filled(typed, result) == TEXT


def test_the_page_has_every_generated_part(result):
    assert sorted(parts(result)) == sorted(re.findall(r"<!-- generated: ([a-z-]+) -->", TEXT))


# The page's own statements


def test_kinesis_is_most_of_the_cost_for_every_shape(tables):
    def dollars(column):
        return [float(cell.strip("$").replace(",", "")) for cell in cells(tables["costs"], column)]

    computing, kinesis = dollars("Lambda"), zip(dollars("PUT units"), dollars("their hours"), strict=True)
    assert all(of_lambda < sum(of_kinesis) / 2 for of_lambda, of_kinesis in zip(computing, kinesis, strict=True))


def test_kinesis_shards_are_the_bottleneck_at_every_scale(tables):
    assert {cell.partition(":")[0] for cell in cells(tables["scale"], "full first")} == {"Kinesis"}
    assert {cell.partition(":")[0] for cell in cells(tables["by-shape"], "full first")} == {"Kinesis"}
    assert sorted(set(cells(tables["scale"], "changes a second"))) == sorted(f"{rate:,}" for rate in SCALES)


def knob(grid, name, column):
    (row,) = (row for row in grid.rows if row[0] == name)
    return float(row[list(grid.columns).index(column)].strip("$%").replace(",", ""))


def test_the_window_is_most_of_the_lag_besides_pinots_poll(tables):
    knobs, usual = tables["knobs"], "as the template sets it"
    others = [knob(knobs, usual, column) for column in ("poll", "invocation")]
    assert knob(knobs, usual, "window, ms") > max(others)
    assert knob(knobs, "window 0 s", "lag, ms") < knob(knobs, usual, "lag, ms")
    assert knob(knobs, "window 0 s", "changes an invocation") < knob(knobs, usual, "changes an invocation")


def test_settings_that_do_not_help_according_to_the_page_do_not_help(tables):
    knobs, usual, price = tables["knobs"], "as the template sets it", "a million but for shards"
    assert knob(knobs, "batch 10,000, window 10 s", price) > 0.95 * knob(knobs, usual, price)
    assert knob(knobs, "batch 10,000, window 10 s", "lag, ms") > 2 * knob(knobs, usual, "lag, ms")
    assert knob(knobs, "memory 3,008 MB", price) > knob(knobs, "memory 1,769 MB", price)
    assert knob(knobs, "memory 3,008 MB", "lag, ms") == knob(knobs, "memory 1,769 MB", "lag, ms")


def test_the_first_row_of_the_scale_table_has_the_templates_shards(tables):
    first = {row[0]: row for row in reversed(tables["scale"].rows)}
    assert {row[2] for row in first.values()} == {"2"}
    assert [first["10,000"][3], first["100,000"][3]] == ["grows", "grows"]


def test_the_limits_on_the_page_are_the_models():
    for limit in (
        f"{VCPU_MEGABYTES:,} MB",
        f"{EVENT_BYTES // 2**20} MB",
        f"{PARTITION_WRITE_UNITS:,} write units",
        f"{TABLE_WRITE_UNITS_QUOTA:,} write units",
        f"more than {MAX_SHARDS} shards",
    ):
        assert limit in " ".join(TEXT.split()), limit
    assert HEADROOM == 4, "the page says four times the traffic"
    assert Limits() == Limits(records=REQUEST_RECORDS, bytes=REQUEST_BYTES)


# The commands


def test_the_tables_of_the_pages_result_can_be_printed(capsys):
    assert main(["model"]) == OK
    output = capsys.readouterr().out
    assert "by traffic, of the shape seed" in output
    assert "what was to be reached" in output


def test_a_file_that_is_not_a_result_is_reported(tmp_path, capsys):
    assert main(["model", str(tmp_path / "none.json")]) == FAILED
    assert "cannot be read" in capsys.readouterr().err


@pytest.mark.bench
def test_a_quick_run_cannot_be_published_on_the_page(quick_result, run_bench):
    done = run_bench("page", quick_result)
    assert done.returncode == FAILED
    assert "is of a quick run" in done.stderr
    assert PAGE.read_text(encoding="utf-8") == TEXT


@pytest.mark.bench
def test_generating_the_page_again_changes_nothing(run_bench):
    files = [PAGE, RESULT, PICTURE]
    before = [file.read_bytes() for file in files]
    done = run_bench("page", RESULT)
    try:
        assert done.returncode == OK, done.stderr
        assert [file.read_bytes() for file in files] == before
    finally:
        for file, content in zip(files, before, strict=True):
            Path(file).write_bytes(content)
