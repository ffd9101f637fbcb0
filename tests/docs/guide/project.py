"""A copy of the project to work in, with the environments that `make` would make there: the project's own.

The environments are folders of their own that link to single files, so that nothing `make` may do to a folder of the
copy reaches the project's.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[3]
ENVIRONMENTS = (".venv", ".venv-sam", ".venv-aws", ".venv-uv")

_COPIED = ("Makefile", "dynapinot", "events", "examples", "pyproject.toml", "requirements", "samconfig.toml")
_ALSO = ("scripts", "src", "statemachines", "template.yaml", "tests/template/translate.py")
_SAM = """#!/bin/sh
# In the place of sam: a deployment is a stand-in's, everything else is sam's.
[ "$1" = deploy ] || exec {sam} "$@"
shift
exec {python} -P {deploy} {sam} "$@"
"""


def copy_to(folder):
    """Copy the project. Fails when one of its environments is missing, or out of date."""
    for name in ENVIRONMENTS:
        assert (ROOT / name / "bin").is_dir(), (
            f"{name} is missing: run `make test`, which makes the tools' environments"
        )
    for name in (*_COPIED, *_ALSO):
        source, target = ROOT / name, folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source, target)
    for name in ENVIRONMENTS:
        _link(ROOT / name, folder / name)
    # A copy's files are as old as it pleases git or cp: to make, they are older than the environments.
    for locked in (folder / "pyproject.toml", *(folder / "requirements").iterdir()):
        os.utime(locked, (0, 0))
    for name in (".venv", ".venv-sam"):
        (folder / name / ".ready").touch()
    _stand_in_for_sam(folder / ".venv-sam" / "bin" / "sam")
    done = ["make", "--question", ".venv/.ready", ".venv-sam/.ready"]
    assert subprocess.run(done, cwd=folder, check=False).returncode == 0, "make would make the environments anew"


def _link(environment, copy):
    """Link an environment's commands one by one, and what makes them an environment."""
    (copy / "bin").mkdir(parents=True)
    for command in (environment / "bin").iterdir():
        (copy / "bin" / command.name).symlink_to(command)
    for name in ("lib", "pyvenv.cfg"):
        (copy / name).symlink_to(environment / name)


def _stand_in_for_sam(path):
    path.unlink()
    python, deploy = ROOT / ".venv/bin/python", Path(__file__).parent / "deploy.py"
    path.write_text(_SAM.format(python=python, deploy=deploy, sam=ROOT / ".venv-sam/bin/sam"))
    path.chmod(0o755)


def environment_in(folder, variables):
    """Give what a reader's shell has: this one's variables, those of AWS, and the copy's code before the project's."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("AWS_", "COVERAGE_", "COV_", "MAKE", "PYTEST_", "PINOT_", "TABLES"))
    }
    return kept | {
        **variables,
        "PATH": f"{folder / '.venv-aws/bin'}:{os.environ['PATH']}",
        "PYTHONPATH": f"{folder}:{folder / 'src'}",
        "PYTHONDONTWRITEBYTECODE": "1",
        "LC_ALL": "C.UTF-8",
        "COLUMNS": "120",
    }
