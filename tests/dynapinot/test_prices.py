"""The file of prices: one for the command and the benchmark, dated, and refused where it is not one."""

from __future__ import annotations

import pytest

from bench import prices as of_bench
from dynapinot.errors import CommandError
from dynapinot.prices import FILE, read_prices


def test_the_prices_are_dated_have_their_pages_and_are_those_of_the_benchmark():
    found = read_prices()
    assert (found.region, found.as_of[:4].isdigit()) == ("us-east-1", True)
    assert all(
        getattr(found.pages, name).startswith("https://aws.amazon.com/") for name in found.pages.__struct_fields__
    )
    assert (found.prices, found.as_of) == (of_bench.PRICES, of_bench.AS_OF)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text.replace("exported_gb", "exported_tb"), "unknown field `exported_tb`"),
        (lambda text: text.replace("0.125", '"0.125"'), "Expected `float`"),
        (lambda text: text + "[", "it is no file of prices"),
    ],
)
def test_a_file_that_is_none_of_prices_is_refused_by_its_name(tmp_path, change, message):
    file = tmp_path / "mine.toml"
    file.write_text(change(FILE.read_text()))
    with pytest.raises(CommandError) as refused:
        read_prices(file)
    assert str(file) in str(refused.value)
    assert message in str(refused.value)


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(CommandError, match="No such file"):
        read_prices(tmp_path / "none.toml")
