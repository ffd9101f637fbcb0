"""A command that is cut off, by Ctrl-C or by a reader that stops, is quiet, and its exit code is no finding."""

from __future__ import annotations

import json
import signal
import subprocess
import sys

import pytest
from click.testing import CliRunner

from dynapinot import query
from dynapinot.cli.app import app
from dynapinot.cli.start import main
from dynapinot.defaults import DEMO_TABLES

# An interrupt at the moment in which a module is imported.
INTERRUPTED_BY_IMPORT = """
import os, signal, sys
class Interrupting:
    def find_spec(self, name, *_):
        if name == MODULE:
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Interrupting())
from dynapinot.cli.start import main
main()
"""
RUN = "from dynapinot.cli.start import main; main()"


def test_the_command_starts(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["dynapinot", "--version"])
    before = signal.getsignal(signal.SIGINT)
    try:
        with pytest.raises(SystemExit) as ended:
            main()
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)
    assert (ended.value.code, capsys.readouterr().err) == (0, "")


@pytest.mark.parametrize(
    ("module", "code"),
    [("dynapinot.cli.app", -signal.SIGINT), ("click", -signal.SIGINT), ("dynapinot.explain.run", 130)],
)
def test_an_interrupt_while_modules_are_imported_is_quiet(module, code):
    script = INTERRUPTED_BY_IMPORT.replace("MODULE", repr(module))
    arguments = [sys.executable, "-c", script, "explain", "events/insert.json"]
    done = subprocess.run(arguments, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (code, "", "")


def test_an_interrupt_of_a_command_is_quiet(monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(query, "query", interrupted)
    result = CliRunner().invoke(app, ["query", "SELECT 1"])
    assert (result.exit_code, result.output) == (130, "")


@pytest.mark.parametrize("options", [[], ["--json"], ["--verbose"]])
def test_a_reader_that_stops_is_no_finding(tmp_path, options):
    items = tmp_path / "items.json"
    items.write_text(json.dumps([{"meetup_id": {"S": str(number)}, "mtime": {"N": "1"}} for number in range(5_000)]))
    arguments = [sys.executable, "-c", RUN, "explain", str(items), "--tables", str(DEMO_TABLES), *options]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        running.stdout.readline()
        running.stdout.close()
        assert running.wait(timeout=60) == 141
        assert running.stderr.read() == ""


@pytest.mark.parametrize("by_rich", [True, False])
def test_output_that_nobody_reads_ends_a_command(monkeypatch, by_rich):
    class Closed:
        def write(self, _):
            raise BrokenPipeError

        def flush(self):
            pass

    def shows(console, *_, **__):
        monkeypatch.setattr(sys, "stdout", Closed())
        if by_rich:
            console.print("x")
        else:
            console.file.write("x")

    monkeypatch.setattr(query, "query", shows)
    assert CliRunner().invoke(app, ["query", "SELECT 1"]).exit_code == 141
