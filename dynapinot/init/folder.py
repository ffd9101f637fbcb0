"""The folder of a table's files: nothing in it is overwritten unasked, and all files are written or none."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from dynapinot.errors import CommandError


def refuse_to_overwrite(folder: Path, names: Mapping[str, str]) -> None:
    """Raise CommandError if any of the files is there already."""
    there = [str(folder / name) for name in names if (folder / name).exists()]
    if there:
        raise CommandError(f"{', '.join(there)}: there already; give --force to overwrite, or another --name")


def write_files(folder: Path, texts: Mapping[str, str]) -> None:
    """Write the files, by name, into a folder that may be there, with others in it that stay. Raises CommandError.

    The new folder is made beside the old one and takes its place, so that there is never one with some of the files.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        place = folder.resolve()
        with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=place.parent) as beside:
            new, old = Path(beside) / "new", Path(beside) / "old"
            if place.exists():
                shutil.copytree(place, new, symlinks=True)
            else:
                new.mkdir()
            for name, text in texts.items():
                (new / name).write_text(text, encoding="utf-8", newline="\n")
            _exchange(place, new, old)
    except OSError as error:
        what = error.filename or folder
        raise CommandError(
            f"{what}: it cannot be written: {error.strerror or error}; give another folder by --tables"
        ) from None


def _exchange(place: Path, new: Path, old: Path) -> None:
    if not place.exists():
        new.rename(place)
        return
    place.rename(old)
    try:
        new.rename(place)
    except OSError:
        old.rename(place)
        raise
