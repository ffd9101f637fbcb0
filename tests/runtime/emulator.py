"""A function of the artefact under Lambda's runtime interface emulator, in its own process.

The emulator's behaviour, by its source (aws/aws-lambda-runtime-interface-emulator, ``internal/lambda``) and by trial:

* The first invocation initialises the function, and that counts against its timeout; Lambda gives it ten separate
  seconds. ``Init Duration`` of the REPORT line is the time to start the thread that does it; the emulator's own log
  has the real one.
* Every response is a plain 200 without the header ``X-Amz-Function-Error``; an error is recognized by its form. Only an
  error at init is a 502, and the next invocation starts again.
* A function that is out of time gets SIGKILL with all of its processes, and the response is a sentence.
* An event is cut, without a message, after 6 MB and 100 bytes.
* Memory is neither limited nor measured: ``Max Memory Used`` repeats ``Memory Size``.
"""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, Final

from runtime.artefact import Artefact

BOOTSTRAP: Final = Path(__file__).with_name("bootstrap.py")

PATH: Final = "/2015-03-31/functions/function/invocations"
START_TIMEOUT_S: Final = 10
END_TIMEOUT_S: Final = 10
GRACE_S: Final = 30  # beyond the function's timeout; then the emulator itself hangs
ATTEMPTS: Final = 5  # of free ports, which another process may take first, and of starts
TIMED_OUT: Final = "Sandbox.Timedout"  # in Lambda's words

_TIMED_OUT: Final = re.compile(r"Task timed out after \d+\.00 seconds")
_INIT: Final = re.compile(r"INIT REPORT\(durationMs: ([\d.]+)\)")
_START: Final = re.compile(r"START RequestId: (\S+)")


class FunctionError(RuntimeError):
    """The error that the event source gets for a failed invocation."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(f"{kind}: {message}")
        self.kind = kind
        self.message = message


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """The usage of the function's process so far: peak memory (MiB) and processor time (s)."""

    peak: float
    processor: float


def environment(name: str, memory: int, folder: Path) -> dict[str, str]:
    """Return the variables that Lambda sets for a function, except those that the emulator sets.

    https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html#configuration-envvars-runtime
    """
    return {
        "AWS_EXECUTION_ENV": "AWS_Lambda_python3.13",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(memory),
        "AWS_LAMBDA_FUNCTION_NAME": name,
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_FORMAT": "JSON",  # the template's LoggingConfig
        "LAMBDA_TASK_ROOT": str(folder),
        "LANG": "C.UTF-8",  # Lambda's is en_US.UTF-8, which a machine may not have
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "TZ": ":UTC",
    }


class Emulator:
    """A running emulator of one function. It has the given variables and Lambda's, and no others.

    ``timeout`` is in whole seconds, by default the template's. ``layer`` is a folder for the path.
    """

    def __init__(
        self,
        artefact: Artefact,
        name: str,
        folder: Path,
        variables: Mapping[str, str],
        *,
        timeout: int | None = None,
        handler: str | None = None,
        layer: Path | None = None,
    ) -> None:
        function = artefact.functions[name]
        self.timeout = timeout or function.timeout
        self._said, self._own, self._own_log = (folder / each for each in ("function", "emulator", "emulator-log"))
        self._said.touch()
        self._variables = {
            **environment(name, function.memory, function.folder),
            "AWS_LAMBDA_FUNCTION_TIMEOUT": str(self.timeout),
            **({"LAYER": str(layer)} if layer else {}),
            **variables,
        }
        runtime = [str(artefact.python), "-I", "-B", str(BOOTSTRAP), str(self._said), handler or function.handler]
        self._process, self._address = self._start(artefact.emulator, runtime, function.folder)

    @property
    def variables(self) -> Mapping[str, str]:
        """The environment of the emulator's process."""
        return self._variables

    @property
    def init_seconds(self) -> list[float]:
        """The duration of each start of the function."""
        return [float(ms) / 1000 for ms in _INIT.findall(self._own_log.read_text())]

    @property
    def request_ids(self) -> list[str]:
        """The ids of the invocations, in order."""
        return _START.findall(self._own.read_text())

    def log(self) -> list[str]:
        """Return the lines that the function logged."""
        return self._said.read_text(encoding="utf-8").splitlines()

    def invoke(self, event: object) -> Any:
        """Invoke the function with an event, as JSON or as bytes; return its response. Raises FunctionError."""
        body = event if isinstance(event, bytes) else json.dumps(event).encode()
        connection = HTTPConnection(*self._address, timeout=self.timeout + GRACE_S)
        try:
            connection.request("POST", PATH, body, {"Content-Type": "application/json"})
            response = connection.getresponse()
            text = response.read().decode()
        finally:
            connection.close()
        if _TIMED_OUT.fullmatch(text):
            raise FunctionError(TIMED_OUT, text)
        answer = json.loads(text)
        if isinstance(answer, dict) and "errorType" in answer:
            raise FunctionError(answer["errorType"], answer["errorMessage"])
        assert response.status == 200, (response.status, text)
        return answer

    def warm_up(self) -> None:
        """Start the function, and retry a timeout of a busy machine. Raises FunctionError."""
        for attempts_left in reversed(range(ATTEMPTS)):
            try:
                self.invoke({"Records": []})
            except FunctionError as error:
                if error.kind != TIMED_OUT or not attempts_left:
                    raise
            else:
                return

    def process_id(self) -> int:
        """Return the id of the function's process, which exists from its first invocation on."""
        [child] = [
            int(child)
            for task in Path(f"/proc/{self._process.pid}/task").iterdir()
            for child in (task / "children").read_text().split()
        ]
        return child

    def usage(self) -> Usage:
        """Measure the function's process, after its first invocation."""
        process = Path(f"/proc/{self.process_id()}")
        [peak] = re.findall(r"VmHWM:\s+(\d+) kB", (process / "status").read_text())
        user, system = (process / "stat").read_text().rpartition(")")[2].split()[11:13]
        return Usage(peak=int(peak) / 1024, processor=(int(user) + int(system)) / os.sysconf("SC_CLK_TCK"))

    def close(self) -> None:
        """End the emulator, and with it the function."""
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(END_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise

    def _start(self, emulator: Path, runtime: list[str], folder: Path) -> tuple[subprocess.Popen[bytes], Any]:
        for _ in range(ATTEMPTS):
            invocations, api = _free_addresses()
            with self._own.open("w") as own, self._own_log.open("w") as own_log:
                process = subprocess.Popen(
                    [
                        emulator,
                        *("--log-level", "info"),
                        *("--runtime-interface-emulator-address", "{}:{}".format(*invocations)),
                        *("--runtime-api-address", "{}:{}".format(*api)),
                        *runtime,
                    ],
                    env=self._variables,
                    cwd=folder,
                    stdin=subprocess.DEVNULL,
                    stdout=own,
                    stderr=own_log,
                )
            if _listens(process, invocations):
                return process, invocations
        raise RuntimeError(f"the emulator does not start: {self._own_log.read_text()[-3000:].strip()}")


def _free_addresses() -> list[tuple[str, int]]:
    """Find two unused addresses. All of 127/8 is this machine, and each process has its own part of it."""
    host = ".".join(map(str, (127, *(os.getpid() % 2**22).to_bytes(3, "big"))))
    sockets = [socket.socket() for _ in range(2)]
    try:
        for each in sockets:
            each.bind((host, 0))
        return [each.getsockname() for each in sockets]
    finally:
        for each in sockets:
            each.close()


def _listens(process: subprocess.Popen[bytes], address: tuple[str, int]) -> bool:
    end = time.monotonic() + START_TIMEOUT_S
    while process.poll() is None:
        try:
            socket.create_connection(address, timeout=START_TIMEOUT_S).close()
        except OSError:
            if time.monotonic() > end:
                process.kill()
                process.wait()
                return False
            time.sleep(0.01)
        else:
            return True
    return False
