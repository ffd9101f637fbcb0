"""Promises of how the commands read a table's folder."""

from __future__ import annotations

import json

import pytest

from dynapinot.errors import CommandError
from dynapinot.folders import read_documents


@pytest.mark.parametrize("text", [None, "{", "[]"])
def test_a_folder_without_a_readable_table_is_refused(tmp_path, text):
    (tmp_path / "table.json").write_text("{}")
    if text is not None:
        (tmp_path / "schema.json").write_text(text)
    with pytest.raises(CommandError, match=r"schema\.json: it (cannot be read as JSON|is no JSON object)"):
        read_documents(tmp_path)


def test_the_wrappers_of_pinots_rest_api_are_removed(tmp_path):
    (tmp_path / "schema.json").write_text(json.dumps({"schema": {"schemaName": "t"}}))
    (tmp_path / "table.json").write_text(json.dumps({"REALTIME": {"tableName": "t_REALTIME"}}))
    assert read_documents(tmp_path) == ({"schemaName": "t"}, {"tableName": "t_REALTIME"})
