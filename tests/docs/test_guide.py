"""docs/guide.md is walked: every command of it runs, in order, and prints what the page shows below it."""

from __future__ import annotations

import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import boto3
import pytest

from docs.guide import orders, project, terminal
from docs.guide.page import Step, is_as_shown, steps_of
from docs.guide.pinot import QueriedPinot
from dynapinot.doctor.function import HANDLER
from dynapinot.local.services import embedded_services
from pinot_fake import running

PAGE = project.ROOT / "docs" / "guide.md"
FUNCTION = Path(__file__).parent / "guide" / "function.py"

# Before these, what has changed has reached Pinot: a reader waits a second or two.
LOOKING = tuple(
    f"dynapinot {command}" for command in ("query", "drift --log-group", "redrive", "doctor --stack", "verify")
)


@contextmanager
def account(monkeypatch):
    """An AWS of moto's, with the table of the guide in it. Its Lambda is told of changes and leaves them alone."""
    from moto.awslambda.models import LambdaBackend, LambdaFunction  # noqa: PLC0415  # takes a second

    # It would look for Docker; and what it says were taken would be gone from the stream.
    monkeypatch.setattr(LambdaBackend, "send_dynamodb_items", lambda *_, **__: "")
    with embedded_services() as services:
        # AWS gives a signed address of its own, from which the code can be downloaded; so does this.
        code = services.s3.generate_presigned_url("get_object", Params={"Bucket": "bucket", "Key": "key"})
        get_code = LambdaFunction.get_code
        monkeypatch.setattr(LambdaFunction, "get_code", lambda self: {**get_code(self), "Code": {"Location": code}})
        orders.make_table(services.dynamodb)
        yield services


class Function:
    """The function of the stack that was deployed, in a process of its own; none before."""

    def __init__(self, environment):
        self._environment = environment
        self._process = None

    def start(self, name):
        self._process = subprocess.Popen(
            [sys.executable, "-P", FUNCTION, name],
            env=self._environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def catch_up(self):
        """Bring to the function what has changed."""
        if self._process:
            self._process.stdin.write("\n")
            self._process.stdin.flush()
            assert self._process.stdout.readline() == "0\n", "the function failed: its error is on stderr"

    def stop(self):
        if self._process:
            self._process.communicate()


@contextmanager
def opened(folder, monkeypatch):
    """Set up everything: the project's copy, AWS, Pinot and a shell. Give the shell, the function and Pinot."""
    project.copy_to(folder)
    with account(monkeypatch) as services, running(QueriedPinot(kinesis=services.kinesis)) as pinot:
        environment = project.environment_in(folder, services.environment)
        function = Function(environment)
        with terminal.opened(folder, environment) as shell, closing_by(function.stop):
            yield shell, function, pinot


@contextmanager
def closing_by(stop):
    try:
        yield
    finally:
        stop()


def walk(steps, shell, function, pinot):
    """Type every command; give what each printed, up to the first that ends in another way than it is to."""
    for step in steps:
        if step.command.startswith(LOOKING):
            function.catch_up()
            pinot.consume()
        code, printed = shell.run(step.command, step.answer)
        yield step, code, printed
        if code != step.exit_code:
            return
        if "sam deploy" in step.command:
            (name,) = [
                each["FunctionName"]
                for each in boto3.client("lambda").list_functions()["Functions"]
                if each["Handler"] == HANDLER
            ]
            function.start(name)
        if step.command.startswith("export CONTROLLER="):  # where the reader's Pinot is, here is this one
            shell.run(f"export CONTROLLER={pinot.url} BROKER={pinot.url}")


@pytest.mark.template
@pytest.mark.filterwarnings("ignore:Tried to parse AWS:UserWarning")  # moto's CloudFormation has no alarms
def test_every_command_of_the_guide_does_what_the_page_shows(tmp_path, monkeypatch):
    steps = steps_of(PAGE.read_text())
    tables = sorted((project.ROOT / "src" / "tables").rglob("*"))
    with opened(tmp_path, monkeypatch) as parts:
        walked = list(walk(steps, *parts))
    different = [
        f"$ {step.command}\n{printed}\nexit code {code}; the page shows {step.exit_code} and\n" + "\n".join(step.shown)
        for step, code, printed in walked
        if code != step.exit_code or (step.shown and not is_as_shown(step.shown, printed))
    ]
    assert not different, "\n\n".join(different)
    assert [step for step, _, _ in walked] == steps
    assert sorted((project.ROOT / "src" / "tables").rglob("*")) == tables, "the walk wrote into the project"


def test_the_page_takes_each_command_with_its_exit_code_and_what_is_shown():
    page = "```console\n$ a \\\n  b  # exit code 1: so\nout\n…\n$ c '{\n  }'\n```\n```text\n$ no\n```\n"
    assert steps_of(page) == [
        Step(command="a \\\n  b", exit_code=1, shown=("out", "…")),
        Step(command="c '{\n  }'", exit_code=0, shown=()),
    ]


@pytest.mark.parametrize(
    ("shown", "printed", "same"),
    [
        (["a", "b"], "a\n\nb  \n", True),
        (["a"], "a\nb\n", False),
        (["a", "…"], "a\nb\nc\n", True),
        (["…", "c"], "a\nb\nc\n", True),
        (["…", "b"], "a\nb\nc\n", False),
        (["a … c"], "a b c\n", True),
        (["a … c"], "a b\nc\n", False),
        (["a.c"], "abc\n", False),
    ],
)
def test_an_ellipsis_stands_for_the_text_of_a_line_or_for_lines_and_for_nothing_else(shown, printed, same):
    assert is_as_shown(shown, printed) is same
