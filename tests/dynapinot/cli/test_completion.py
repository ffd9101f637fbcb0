"""Promises of completion: shells can ask for commands, and install the script that does."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from dynapinot.cli.app import app

COMMAND = [sys.executable, "-c", "from dynapinot.cli.app import app; app(prog_name='dynapinot')"]
SCRIPTS = {
    "bash": ".bash_completions/dynapinot.sh",
    "zsh": ".zfunc/_dynapinot",
    "fish": ".config/fish/completions/dynapinot.fish",
}


def run(**variables):
    environment = {**os.environ, **variables}
    done = subprocess.run(COMMAND, env=environment, capture_output=True, text=True, check=True, timeout=60)
    return done.stdout


@pytest.mark.parametrize("shell", SCRIPTS)
def test_shells_can_complete(shell):
    assert "_DYNAPINOT_COMPLETE" in run(_DYNAPINOT_COMPLETE=f"{shell}_source")
    asked = {
        "bash": {"COMP_WORDS": "dynapinot re", "COMP_CWORD": "1"},
        "zsh": {"COMP_WORDS": "dynapinot re", "COMP_CWORD": "1"},
        "fish": {"COMP_WORDS": "dynapinot re", "COMP_CWORD": "re"},
    }[shell]
    assert "redrive" in run(_DYNAPINOT_COMPLETE=f"{shell}_complete", **asked)


@pytest.mark.parametrize("shell", SCRIPTS)
def test_the_script_is_shown_and_installed_for_the_current_shell_and_installing_again_changes_nothing(
    shell, tmp_path, monkeypatch
):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SHELL", f"/bin/{shell}")
    startup = tmp_path / f".{shell}rc"
    if shell != "fish":
        startup.write_text("export EDITOR=vi")
    shown = CliRunner().invoke(app, ["--show-completion"])
    assert (shown.exit_code, "_DYNAPINOT_COMPLETE" in shown.stdout) == (0, True)
    files = []
    for _ in range(2):
        assert CliRunner().invoke(app, ["--install-completion"]).exit_code == 0
        files.append({file: file.read_text() for file in tmp_path.rglob("*") if file.is_file()})
    assert files[0] == files[1]
    assert files[0].pop(tmp_path / SCRIPTS[shell]).strip() == shown.stdout.strip()
    line = {
        "bash": "source ~/.bash_completions/dynapinot.sh",
        "zsh": "fpath+=~/.zfunc; autoload -Uz compinit; compinit",
    }
    assert files[0] == ({} if shell == "fish" else {startup: f"export EDITOR=vi\n\n{line[shell]}\n"})


@pytest.mark.skipif(not Path("/bin/bash").exists(), reason="there is no bash")
def test_bash_reads_the_installed_script(tmp_path):
    environment = {**os.environ, "HOME": str(tmp_path), "SHELL": "/bin/bash"}
    subprocess.run([*COMMAND, "--install-completion"], env=environment, check=True, capture_output=True, timeout=60)
    script = "shopt -s expand_aliases; source ~/.bashrc; complete -p dynapinot"
    done = subprocess.run(["/bin/bash", "-c", script], env=environment, check=True, capture_output=True, text=True)
    assert "_dynapinot_completion" in done.stdout


@pytest.mark.parametrize(("shell", "shown"), [("", "not set"), ("/bin/tcsh", "tcsh")])
def test_an_unknown_shell_is_named(shell, shown, monkeypatch):
    monkeypatch.setenv("SHELL", shell)
    result = CliRunner().invoke(app, ["--install-completion"])
    assert result.exit_code == 2
    assert result.stderr.endswith(f"Error: Completion is for bash, zsh, fish, and SHELL is {shown}\n")
