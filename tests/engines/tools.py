"""Tools that engines need on this machine, files that are made once for all test processes, and servers."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from engines.pinot_engine import ROOT, MissingToolError

CACHE: Final = ROOT / ".cache"

MIN_JAVA: Final = 17
MIN_NODE: Final = 18
MAKING_TIMEOUT_S: Final = 900  # the first time everything is downloaded from the package registries
END_TIMEOUT_S: Final = 30


def java(engine: str) -> str:
    """Find Java. Raises MissingToolError with the remedy."""
    home = os.environ.get("JAVA_HOME")
    requirement = f"{engine} needs Java {MIN_JAVA} or newer: install a JDK (its java on PATH, or JAVA_HOME set)"
    found = shutil.which(str(Path(home) / "bin" / "java") if home else "java")
    return _new_enough(found, "-version", r'version "([0-9]+)', MIN_JAVA, requirement)


def maven(engine: str) -> str:
    """Find Maven. Raises MissingToolError with the remedy."""
    found = shutil.which("mvn")
    if found is None:
        raise MissingToolError(f"{engine} is fetched by Apache Maven: install it, so that mvn is on PATH")
    return found


def node(engine: str) -> str:
    """Find Node.js. Raises MissingToolError with the remedy."""
    requirement = f"{engine} needs Node.js {MIN_NODE} or newer: install it, so that node is on PATH"
    return _new_enough(shutil.which("node"), "--version", r"v([0-9]+)", MIN_NODE, requirement)


def npm(engine: str) -> str:
    """Find npm. Raises MissingToolError with the remedy."""
    found = shutil.which("npm")
    if found is None:
        raise MissingToolError(f"{engine} is fetched by npm: install it beside Node.js, so that npm is on PATH")
    return found


def _new_enough(program: str | None, option: str, pattern: str, least: int, requirement: str) -> str:
    if program is None:
        raise MissingToolError(f"{requirement}; there is none")
    done = subprocess.run([program, option], capture_output=True, text=True, check=False)
    output = (done.stdout + done.stderr).strip()
    version = re.search(pattern, output)
    if version is None or int(version[1]) < least:
        raise MissingToolError(f"{requirement}; {program} says: {output[:200]}")
    return program


def made_once(name: str, project: Path, make: Callable[[Path], None], cache: Path | None = None) -> Path:
    """Return a folder that ``make`` filled from a project's files. It is filled again whenever they change.

    Other test processes wait for the first one. Errors of ``make`` propagate, and then the next process tries again.
    """
    cache = cache or CACHE
    cache.mkdir(exist_ok=True)
    folder, stamp = cache / name, cache / name / "made-from"
    with (cache / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        sources = _fingerprint(project)
        if not (stamp.exists() and stamp.read_text() == sources):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            make(folder)
            stamp.write_text(sources)
    return folder


def run(command: Sequence[str], project: Path, folder: Path | None = None) -> None:
    """Run a build tool on a project's files. Raises MissingToolError with its output."""
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        timeout=MAKING_TIMEOUT_S,
        cwd=folder,
        stdin=subprocess.DEVNULL,
    )
    if done.returncode:
        said = (done.stdout + done.stderr)[-3000:].strip()
        raise MissingToolError(f"{Path(command[0]).name} could not make {project.relative_to(ROOT)}:\n{said}")


def _fingerprint(project: Path) -> str:
    files = sorted(path for path in project.rglob("*") if path.is_file())
    parts = (str(path.relative_to(project)).encode() + b"\0" + path.read_bytes() for path in files)
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


class Server:
    """A program that serves on a local port, prints ``port <number>``, and ends when its stdin does."""

    def __init__(self, name: str, command: Sequence[str], variables: Mapping[str, str] | None = None) -> None:
        self._listener: threading.Thread | None = None
        self._log = tempfile.TemporaryFile("w+")  # noqa: SIM115  # closed with the server
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            env={**os.environ, **(variables or {})},
        )
        assert self._process.stdout
        for line in self._process.stdout:
            if said := re.fullmatch(r"port ([0-9]+)\n", line):
                self.endpoint = f"http://127.0.0.1:{said[1]}"
                # Its further output would fill the pipe, and then it would wait forever.
                self._listener = threading.Thread(target=self._process.stdout.read, daemon=True)
                self._listener.start()
                return
        self._log.seek(0)
        output = self._log.read()[-3000:].strip()
        self.close()
        raise RuntimeError(f"{name} did not start: {output}")

    def close(self) -> None:
        """End the program."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        self._process.wait(timeout=END_TIMEOUT_S)
        if self._listener:
            self._listener.join()
        self._process.stdout.close()
        self._log.close()
