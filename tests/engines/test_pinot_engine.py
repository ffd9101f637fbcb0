"""The engine tells what a machine lacks, and outlives whatever is asked of it."""

from __future__ import annotations

import pytest

from engines import pinot_engine
from engines.feed import COMPLETE
from engines.pinot_engine import EngineError, MissingToolError, build
from files import SCHEMA, with_setting

pytestmark = pytest.mark.engines


def executable(folder, name, says):
    file = folder / name
    file.write_text(f"#!/bin/sh\necho '{says}' >&2\nexit 1\n")
    file.chmod(0o755)


@pytest.fixture
def tools(tmp_path, monkeypatch):
    """A PATH with nothing on it yet."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    return tmp_path


def test_a_machine_without_java_is_told_what_to_install(tools):
    with pytest.raises(MissingToolError, match="needs Java 17 or newer: install a JDK"):
        build()


def test_java_that_is_too_old_is_told_of(tools):
    executable(tools, "java", 'openjdk version "11.0.2" 2019-01-15')
    with pytest.raises(MissingToolError, match=r'needs Java 17 or newer.* says: openjdk version "11\.0\.2"'):
        build()


def test_a_machine_without_maven_is_told_what_to_install(tools):
    executable(tools, "java", 'openjdk version "21" 2023-09-19')
    with pytest.raises(MissingToolError, match="Apache Maven: install it"):
        build()


def test_a_build_that_fails_is_told_with_mavens_own_words_and_tried_again(tools, monkeypatch):
    executable(tools, "java", 'openjdk version "21" 2023-09-19')
    executable(tools, "mvn", "BUILD FAILURE: no network")
    monkeypatch.setattr(pinot_engine, "BUILD", tools / "build")
    for _ in range(2):
        with pytest.raises(MissingToolError, match="could not build tests/engines/pinot:\nBUILD FAILURE: no network"):
            build()


@pytest.mark.parametrize(
    ("op", "request_of"),
    [
        ("nix", {}),
        ("drop", {"id": "nobody"}),
        ("validate", {}),
        ("validate", {"schema": [], "config": {}}),
        ("create", {"id": "x", "schema": SCHEMA, "config": {}, "partitions": 1}),
        ("ingest", {"id": "nobody", "partition": 0, "rows": ["?"]}),
    ],
)
def test_what_cannot_be_done_is_an_error_and_the_next_request_is_answered(pinot, op, request_of):
    with pytest.raises(EngineError):
        pinot.ask(op, **request_of)
    pinot.validate(SCHEMA, COMPLETE)


def test_tables_do_not_see_each_other(pinot):
    row = b'{"id":"a","deleted":false,"changed":1719082124000}'
    with pinot.table(SCHEMA, COMPLETE) as one, pinot.table(SCHEMA, with_setting(COMPLETE, "tableName", "b")) as other:
        one.ingest([row])
        assert (len(one.live()), other.live()) == (1, [])
