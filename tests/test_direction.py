"""Which room may know which: the direction of the imports, and who may talk to the outside."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

SRC = Path(__file__).parent.parent / "src"
FILES = sorted(SRC.rglob("*.py"))

# What each room may import of the project, and of everything else; the standard library's pure parts go without saying.
OWN = {
    "decoder": set(),
    "pinot": {"decoder"},
    "publisher": set(),
    "handlers": {"decoder", "pinot", "publisher"},
}
PURE_STANDARD = {
    *("__future__", "binascii", "collections", "dataclasses", "datetime", "decimal", "hashlib", "re", "typing"),
}
PURE_OUTSIDE = {"orjson"}
PURE = {"decoder", "pinot"}


def imports(file):
    """The modules that a file imports, whole."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield node.module


def room(file):
    return file.relative_to(SRC).parts[0]


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(SRC)))
def test_a_room_imports_only_the_rooms_below_it(file):
    own = {name.partition(".")[0] for name in imports(file)} & OWN.keys()
    assert own <= OWN[room(file)] | {room(file)}


@pytest.mark.parametrize(
    "file", [file for file in FILES if room(file) in PURE], ids=lambda file: str(file.relative_to(SRC))
)
def test_the_pure_rooms_know_nothing_of_the_outside(file):
    others = {name.partition(".")[0] for name in imports(file)} - OWN.keys()
    assert others <= PURE_STANDARD | PURE_OUTSIDE


def users_of(attribute):
    """The files in which something with that name is called or read."""
    return {
        str(file.relative_to(SRC))
        for file in FILES
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Attribute) and node.attr == attribute
    }


@pytest.mark.parametrize(
    ("attribute", "file"),
    [
        ("put_records", "publisher/kinesis.py"),
        ("put_object", "publisher/s3.py"),
        ("environ", "handlers/stream.py"),
        ("now", None),
        ("getenv", None),
    ],
)
def test_one_file_does_each_thing_that_reaches_outside(attribute, file):
    assert users_of(attribute) == ({file} if file else set())


def test_clients_are_made_and_time_is_told_in_the_composition_root_alone():
    assert {str(file.relative_to(SRC)) for file in FILES if "boto3" in set(imports(file))} == {"handlers/stream.py"}
    assert {str(file.relative_to(SRC)) for file in FILES if "time" in set(imports(file))} == {"handlers/stream.py"}
