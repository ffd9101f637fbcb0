"""``--install-completion`` and ``--show-completion``: how the shell learns the commands and options."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import click
from click.shell_completion import get_completion_class

_VARIABLE: Final = "_DYNAPINOT_COMPLETE"

# For each shell, from the home directory: where the script goes, which file the shell starts with, and what that must
# have; fish reads its folder of completions by itself.
_PLACES: Final[dict[str, tuple[str, str, str]]] = {
    "bash": (".bash_completions/dynapinot.sh", ".bashrc", "source ~/.bash_completions/dynapinot.sh"),
    "zsh": (".zfunc/_dynapinot", ".zshrc", "fpath+=~/.zfunc; autoload -Uz compinit; compinit"),
    "fish": (".config/fish/completions/dynapinot.fish", "", ""),
}


def _show(context: click.Context, _: click.Parameter, requested: bool) -> None:  # noqa: FBT001  # click's callback
    if requested:
        click.echo(_script(context, _shell()))
        context.exit()


def _install(context: click.Context, _: click.Parameter, requested: bool) -> None:  # noqa: FBT001
    if requested:
        click.echo(f"Completion is installed in {_write(context, _shell())}. It works in a new shell.")
        context.exit()


install_completion = click.option(
    "--install-completion",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_install,
    help="Install completion for the current shell, and exit.",
)
show_completion = click.option(
    "--show-completion",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_show,
    help="Print the script that installs completion for the current shell, and exit.",
)


def _shell() -> str:
    name = Path(os.environ.get("SHELL", "")).name
    if name not in _PLACES:
        raise click.UsageError(f"Completion is for {', '.join(_PLACES)}, and SHELL is {name or 'not set'}")
    return name


def _script(context: click.Context, shell: str) -> str:
    completion = get_completion_class(shell)
    if completion is None:
        raise AssertionError
    return completion(context.command, {}, "dynapinot", _VARIABLE).source()


def _write(context: click.Context, shell: str) -> Path:
    place, startup, line = _PLACES[shell]
    script = Path.home() / place
    script.parent.mkdir(parents=True, exist_ok=True)
    script.write_text(_script(context, shell), encoding="utf-8")
    if startup:
        file = Path.home() / startup
        text = file.read_text(encoding="utf-8") if file.exists() else ""
        if line not in text.splitlines():
            file.write_text(f"{text.rstrip()}\n\n{line}\n".lstrip(), encoding="utf-8")
    return script
