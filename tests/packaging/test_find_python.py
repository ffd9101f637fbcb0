"""scripts/find-python prints a Python that the locks have packages for, or says what is missing."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(Path("/opt/python").exists(), reason="the script finds this machine's there as well")


@pytest.fixture
def find(tmp_path):
    """Run the script where there are only these Pythons, each a stand-in that answers with its version."""

    def run(*versions, asked=()):
        for version in versions:
            python = tmp_path / f"python{version}"
            python.write_text(f"""#!/bin/sh
case "$2" in
  *version_info*) case "$2" in *"'{version}'"*) ;; *) exit 1 ;; esac ;;
  *) echo {version} ;;
esac
""")
            python.chmod(0o755)
        environment = {"PATH": str(tmp_path), "HOME": str(tmp_path), "PYENV_ROOT": str(tmp_path)}
        command = ["/bin/sh", ROOT / "scripts" / "find-python", *asked]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    return run


@pytest.mark.parametrize(
    ("versions", "found"), [(["3.11", "3.14", "3.13"], "3.13"), (["3.14", "3.11"], "3.11"), (["3.14"], "3.14")]
)
def test_the_functions_python_is_preferred_and_the_untried_one_is_the_last(find, versions, found):
    assert find(*versions).stdout == f"{found}\n"


def test_the_python_that_is_asked_for_is_the_only_one(find):
    found = find("3.11", asked=["3.13"])
    assert (found.returncode, found.stdout) == (1, "")
    assert found.stderr.startswith("No Python of 3.13 was found on PATH")


def test_where_there_is_none_the_versions_are_named_with_the_reason(find):
    found = find("3.10")
    assert found.returncode == 1
    assert found.stderr.startswith("No Python of 3.13 3.12 3.11 3.14 was found")
    assert "the locks have no packages for other versions" in found.stderr
