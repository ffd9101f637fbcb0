"""The engine reports missing tools, and survives every request."""

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
    """A PATH that is empty at first."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    return tmp_path


def test_without_java_the_error_says_what_to_install(tools):
    with pytest.raises(MissingToolError, match="needs Java 17 or newer: install a JDK"):
        build()


def test_java_that_is_too_old_is_reported(tools):
    executable(tools, "java", 'openjdk version "11.0.2" 2019-01-15')
    with pytest.raises(MissingToolError, match=r'needs Java 17 or newer.* says: openjdk version "11\.0\.2"'):
        build()


def test_without_maven_the_error_says_what_to_install(tools):
    executable(tools, "java", 'openjdk version "21" 2023-09-19')
    with pytest.raises(MissingToolError, match="Apache Maven: install it"):
        build()


def test_a_failed_build_is_reported_with_mavens_output_and_retried(tools, monkeypatch):
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
def test_an_invalid_request_is_an_error_and_the_next_one_succeeds(pinot, op, request_of):
    with pytest.raises(EngineError):
        pinot.ask(op, **request_of)
    pinot.validate(SCHEMA, COMPLETE)


def test_tables_are_isolated_from_each_other(pinot):
    row = b'{"id":"a","deleted":false,"changed":1719082124000}'
    with pinot.table(SCHEMA, COMPLETE) as one, pinot.table(SCHEMA, with_setting(COMPLETE, "tableName", "b")) as other:
        one.ingest([row])
        assert (len(one.live()), other.live()) == (1, [])
