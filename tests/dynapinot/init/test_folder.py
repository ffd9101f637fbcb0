"""Files are written all or none, and never over others unasked."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from dynapinot.errors import CommandError
from dynapinot.init.folder import refuse_to_overwrite, write_files

TEXTS = {"schema.json": "{}\n", "table.json": "[]\n", "source.toml": 'a = "é"\n'}


def held(folder):
    return {str(path.relative_to(folder)): path.read_bytes().decode() for path in folder.rglob("*") if path.is_file()}


def test_a_new_folder_has_the_files_and_nothing_else(tmp_path):
    write_files(tmp_path / "tables" / "app", TEXTS)
    assert held(tmp_path) == {f"tables/app/{name}": text for name, text in TEXTS.items()}
    assert [path.name for path in (tmp_path / "tables").iterdir()] == ["app"]


def test_a_folder_that_is_there_keeps_its_other_files(tmp_path):
    folder = tmp_path / "app"
    (folder / "notes").mkdir(parents=True)
    (folder / "notes" / "why.md").write_text("because")
    (folder / "schema.json").write_text("old")
    write_files(folder, TEXTS)
    assert held(folder) == {**TEXTS, "notes/why.md": "because"}
    assert [path.name for path in tmp_path.iterdir()] == ["app"]


@pytest.mark.parametrize("there", [["schema.json"], ["table.json", "source.toml"]])
def test_files_that_are_there_are_named_and_kept(tmp_path, there):
    for name in there:
        (tmp_path / name).write_text("old")
    names = ", ".join(str(tmp_path / name) for name in TEXTS if name in there)
    message = f"{names}: there already; give --force to overwrite, or another --name"
    with pytest.raises(CommandError, match=f"^{re.escape(message)}$"):
        refuse_to_overwrite(tmp_path, TEXTS)


def test_a_folder_without_such_files_may_be_written_to(tmp_path):
    (tmp_path / "README.md").write_text("mine")
    refuse_to_overwrite(tmp_path, TEXTS)
    refuse_to_overwrite(tmp_path / "not there", TEXTS)


@pytest.mark.parametrize("failing", ["write", "rename"])
def test_when_a_file_cannot_be_written_all_is_as_it_was(tmp_path, monkeypatch, failing):
    folder = tmp_path / "app"
    write_files(folder, dict.fromkeys(TEXTS, "old"))
    write_text, rename = Path.write_text, Path.rename

    def failing_write(path, text, **options):
        if failing == "write" and path.name == "source.toml":
            raise OSError(28, "No space left on device", str(path))
        return write_text(path, text, **options)

    def failing_rename(path, target):
        if failing == "rename" and path.name == "new":
            raise OSError(5, "Input/output error", str(path))
        return rename(path, target)

    monkeypatch.setattr(Path, "write_text", failing_write)
    monkeypatch.setattr(Path, "rename", failing_rename)
    with pytest.raises(CommandError, match=r"it cannot be written: (No space|Input/output)"):
        write_files(folder, TEXTS)
    assert held(tmp_path) == {f"app/{name}": "old" for name in TEXTS}


def test_a_file_where_the_folder_should_be_is_reported(tmp_path):
    (tmp_path / "app").write_text("a file")
    with pytest.raises(CommandError, match="it cannot be written: Not a directory"):
        write_files(tmp_path / "app", TEXTS)
    assert held(tmp_path) == {"app": "a file"}
