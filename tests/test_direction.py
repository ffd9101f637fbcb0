"""The direction of imports between packages, and which modules may reach the outside."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

SRC = Path(__file__).parent.parent / "src"
FILES = sorted(SRC.rglob("*.py"))

# What each package may import of the project and from elsewhere. The pure parts of the standard library are allowed.
OWN = {
    "decoder": set(),
    "pinot": {"decoder"},
    "publisher": set(),
    "snapshot": {"decoder", "pinot"},
    "redrive": {"decoder", "pinot", "publisher", "snapshot"},
    "load": {"decoder", "pinot", "publisher", "snapshot", "redrive"},
    "heartbeat": {"decoder", "pinot", "publisher"},
    "handlers": {"decoder", "pinot", "publisher", "snapshot", "redrive", "load", "heartbeat"},
}
PURE_STANDARD = {
    *(
        "__future__",
        "abc",
        "base64",
        "binascii",
        "collections",
        "dataclasses",
        "datetime",
        "decimal",
        "fractions",
        "functools",
        "hashlib",
        "itertools",
        "json",
        "math",
        "operator",
        "re",
        "struct",
        "sys",
        "typing",
    ),
}
PURE_OUTSIDE = {"msgspec", "orjson"}
PURE = {"decoder", "pinot", "snapshot"}
ROOTS = {"handlers/stream.py", "handlers/heartbeat.py", "handlers/redrive.py", "handlers/load.py"}


def imports(file):
    """Return the full names of the modules that a file imports."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield node.module


def package(file):
    return file.relative_to(SRC).parts[0]


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(SRC)))
def test_a_package_imports_only_the_packages_below_it(file):
    own = {name.partition(".")[0] for name in imports(file)} & OWN.keys()
    assert own <= OWN[package(file)] | {package(file)}


@pytest.mark.parametrize(
    "file", [file for file in FILES if package(file) in PURE], ids=lambda file: str(file.relative_to(SRC))
)
def test_the_pure_packages_import_nothing_that_reaches_the_outside(file):
    others = {name.partition(".")[0] for name in imports(file)} - OWN.keys()
    assert others <= PURE_STANDARD | PURE_OUTSIDE


def users_of(attribute):
    """Return the files in which something with that name is called or read."""
    return {
        str(file.relative_to(SRC))
        for file in FILES
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Attribute) and node.attr == attribute
    }


@pytest.mark.parametrize(
    ("attribute", "files"),
    [
        ("put_records", {"publisher/kinesis.py"}),
        ("put_object", {"publisher/s3.py"}),
        ("put_item", {"heartbeat/aws.py"}),
        ("delete_object", {"redrive/bucket.py"}),
        ("get_item", {"redrive/item.py"}),
        ("environ", ROOTS),
        ("modules", {"handlers/parser.py"}),
        ("now", set()),
        ("getenv", set()),
    ],
)
def test_each_call_to_the_outside_is_in_one_module(attribute, files):
    assert users_of(attribute) == files


def importers_of(module):
    return {str(file.relative_to(SRC)) for file in FILES if module in set(imports(file))}


def test_only_the_stream_function_replaces_the_event_parser_and_nothing_imports_the_runtime():
    assert importers_of("handlers.parser") == {"handlers/settings.py", "handlers/stream.py"}
    assert users_of("marshaller") == {"handlers/parser.py"}
    assert importers_of("awslambdaric") == set()


def test_clients_are_made_in_one_module_and_only_composition_roots_use_the_time():
    assert importers_of("botocore.session") == {"handlers/clients.py"}
    assert importers_of("boto3") == set()
    assert importers_of("time") == {"handlers/clients.py", "handlers/deadline.py", *ROOTS}
