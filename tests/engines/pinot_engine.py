"""Apache Pinot 1.5.1's own ingestion and upsert code, as a process that consumes rows and shows what queries would see.

The process is ``tests/engines/pinot`` (Java); the protocol is in its ``Harness.java``.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import tempfile
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[2]
PROJECT: Final = ROOT / "tests" / "engines" / "pinot"
BUILD: Final = ROOT / ".cache" / "pinot-engine"  # the output folder of the project's pom.xml

MIN_JAVA: Final = 17
HEAP_MB: Final = int(os.environ.get("ENGINES_HEAP_MB", "512"))
BUILD_TIMEOUT_S: Final = 900  # the first time everything is downloaded from Maven Central

# Pinot's own options for Java 17 (its parent pom.xml).
_OPENED: Final = ("java.nio", "sun.nio.ch", "java.lang", "java.util", "java.lang.reflect", "jdk.internal.misc")
# A zone whose offset is not whole hours: a time that is read in the server's own zone would be noticed.
_ZONE: Final = "Pacific/Chatham"


class EngineError(RuntimeError):
    """Pinot threw an exception (the names and messages of it and its causes), or the process ended."""


class MissingToolError(RuntimeError):
    """This machine cannot run the engine."""


def build() -> list[str]:
    """Compile the harness if necessary; return the command that starts it.

    Raises MissingToolError with the remedy.
    """
    java, maven = _java(), _maven()
    BUILD.parent.mkdir(exist_ok=True)
    stamp, classpath = BUILD / "built-from", BUILD / "classpath.txt"
    with (BUILD.parent / "pinot-engine.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # pytest-xdist has several workers
        sources = _fingerprint()
        if not (stamp.exists() and stamp.read_text() == sources and _all_there(classpath)):
            stamp.unlink(missing_ok=True)
            _compile(maven)
            stamp.write_text(sources)
    return [
        java,
        f"-Xmx{HEAP_MB}m",
        "-XX:+UseSerialGC",
        "-XX:TieredStopAtLevel=1",  # starts in half the time; no test is long enough to need the other compiler
        f"-Duser.timezone={_ZONE}",
        f"-Dengine.log={os.environ.get('PINOT_ENGINE_LOG', 'off')}",
        *(f"--add-opens=java.base/{package}=ALL-UNNAMED" for package in _OPENED),
        "-cp",
        os.pathsep.join((str(BUILD / "classes"), classpath.read_text().strip())),
        "dynapinot.engine.Harness",
    ]


def _java() -> str:
    home = os.environ.get("JAVA_HOME")
    java = shutil.which(str(Path(home) / "bin" / "java") if home else "java")
    requirement = f"Pinot's own code needs Java {MIN_JAVA} or newer: install a JDK (its java on PATH, or JAVA_HOME set)"
    if java is None:
        raise MissingToolError(f"{requirement}; there is none")
    output = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr
    version = re.search(r'version "([0-9]+)', output)
    if version is None or int(version[1]) < MIN_JAVA:
        raise MissingToolError(f"{requirement}; {java} says: {output.strip()[:200]}")
    return java


def _maven() -> str:
    maven = shutil.which("mvn")
    if maven is None:
        raise MissingToolError("Pinot's own code is fetched by Apache Maven: install it, so that mvn is on PATH")
    return maven


def _fingerprint() -> str:
    files = sorted(path for path in PROJECT.rglob("*") if path.is_file())
    return hashlib.sha256(b"".join(str(path).encode() + b"\0" + path.read_bytes() for path in files)).hexdigest()


def _all_there(classpath: Path) -> bool:
    return classpath.exists() and all(Path(jar).exists() for jar in classpath.read_text().strip().split(os.pathsep))


def _compile(maven: str) -> None:
    command = [maven, "--quiet", "--batch-mode", "--file", str(PROJECT / "pom.xml"), "clean", "compile"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=BUILD_TIMEOUT_S)
    if done.returncode:
        said = (done.stdout + done.stderr)[-3000:].strip()
        raise MissingToolError(f"Maven could not build {PROJECT.relative_to(ROOT)}:\n{said}")


class Engine:
    """The process. It can have any number of tables at a time."""

    def __init__(self, command: Sequence[str]) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="pinot-engine-")
        self._log = (Path(self._folder.name) / "log").open("w+")
        self._process = subprocess.Popen(
            [command[0], f"-Djava.io.tmpdir={self._folder.name}", *command[1:]],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            encoding="utf-8",
        )
        self._ids = count()

    def close(self) -> None:
        """End the process and remove its files."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        self._process.wait(timeout=60)
        self._process.stdout.close()
        self._log.close()
        self._folder.cleanup()

    def ask(self, op: str, **request: object) -> Any:
        """Send one request and return its response. Raises EngineError."""
        assert self._process.stdin
        assert self._process.stdout
        try:
            self._process.stdin.write(json.dumps({"op": op, **request}) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            self._log.seek(0)
            raise EngineError(f"the engine is gone: {self._log.read()[-3000:]}")
        answer = json.loads(line)
        if "error" in answer:
            raise EngineError(answer["error"])
        return answer

    def validate(self, schema: object, config: object) -> None:
        """Let Pinot check a schema and a table config, as it does when a table is added. Raises EngineError."""
        self.ask("validate", schema=schema, config=config)

    @contextmanager
    def table(self, schema: Mapping[str, Any], config: Mapping[str, Any], partitions: int = 1) -> Iterator[EngineTable]:
        """Create a table for the length of the block. Raises EngineError."""
        name = str(next(self._ids))
        self.ask("create", id=name, schema=schema, config=config, partitions=partitions)
        try:
            yield EngineTable(self, name, schema, partitions)
        finally:
            self.ask("drop", id=name)


class EngineTable:
    """A realtime table that consumes as many shards as it has partitions."""

    def __init__(self, engine: Engine, name: str, schema: Mapping[str, Any], partitions: int) -> None:
        self._engine = engine
        self._name = name
        self._read = {spec["name"]: _reader(spec) for specs in _fields(schema) for spec in specs}
        self.partitions = partitions

    def ingest(self, rows: Iterable[bytes], partition: int = 0) -> list[dict[str, Any]]:
        """Let a partition consume records; return the outcome of each: ``{"indexed": 1}``, or another one.

        ``dropped`` has Pinot's exception. ``sanitized`` means that Pinot changed a value, ``incomplete`` that it could
        not read one, ``filtered`` that the table's filter dropped the row, ``values_not_indexed`` that an index failed.
        """
        encoded = [b64encode(row).decode() for row in rows]
        outcomes: list[dict[str, Any]] = self._ask("ingest", partition=partition, rows=encoded)["outcomes"]
        return outcomes

    def live(self, partition: int | None = None) -> list[dict[str, Any]]:
        """Return the rows that a query shows, or those of a partition: column -> value, None for null."""
        return [row for _, row in self.placed(partition=partition)]

    def history(self) -> list[dict[str, Any]]:
        """Return the rows that a query with ``skipUpsert`` shows, of each partition in the order of consumption."""
        return [row for _, row in self.placed(history=True)]

    def placed(self, *, history: bool = False, partition: int | None = None) -> list[tuple[int, dict[str, Any]]]:
        """Return the rows with the partition of each, or those of one partition."""
        return [
            (partition, {name: None if value is None else self._read[name](value) for name, value in row.items()})
            for partition, row in self._ask("rows", history=history, partition=partition)["rows"]
        ]

    def query(self, sql: str) -> list[list[Any]]:
        """Return the rows of a query of Pinot's single-stage engine; the table is called as its schema.

        Raises EngineError, also for exceptions in the broker's response.
        """
        response: dict[str, Any] = self._ask("query", sql=sql)["response"]
        if response.get("exceptions"):
            raise EngineError(response["exceptions"])
        rows: list[list[Any]] = response["resultTable"]["rows"]
        return rows

    def commit(self, partition: int = 0) -> None:
        """Seal the partition's consuming segment and start the next one. Raises EngineError."""
        self._ask("commit", partition=partition)

    def restart(self) -> None:
        """Restart: forget all rows that are not committed, and continue to read the shards from there."""
        self._ask("restart")

    def _ask(self, op: str, **request: object) -> Any:
        return self._engine.ask(op, id=self._name, **request)


def _fields(schema: Mapping[str, Any]) -> Iterator[list[dict[str, Any]]]:
    return (schema[kind] for kind in schema if kind.endswith("FieldSpecs"))


_READERS: Final[Mapping[str, Callable[[Any], object]]] = {
    "FLOAT": float,
    "DOUBLE": float,
    "BIG_DECIMAL": Decimal,
    "BYTES": bytes.fromhex,
}


def _reader(spec: Mapping[str, Any]) -> Callable[[Any], object]:
    read = _READERS.get(spec["dataType"], lambda value: value)
    return read if spec.get("singleValueField", True) else lambda values: [read(value) for value in values]
