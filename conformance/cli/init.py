"""`endianproof init`: a first `[tool.endianproof]` for this project's pyproject.toml."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from endianproof._whole_file import write_new, write_over
from endianproof.conformance.cli.guess import guessed
from endianproof.conformance.project import ProjectError, settings_table
from endianproof.qemu import project_file

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from endianproof.conformance.cli.guess import Guess

__all__ = ["command"]

HEAD = """\
[tool.endianproof] # what holds for every testee below
# formats = ["safetensors"]           # all that there are, where this is left out
# unsupported = ["float8_e4m3fnuz"]   # element types that it does not have, and refuses
# policies = { duplicate-names = "refuse" } # what a format leaves open: endianproof explain --help
# baseline = "endianproof-baseline.yaml"    # known failures: endianproof run --testee=NAME --update-baseline
# limits = { timeout = 60, memory = "2GiB" }
"""
NOTHING_FOUND = """
# [tool.endianproof.testees.load]
# loader = "{package}.load"           # a function: path -> {{name: tensor}}
"""
NEXT = (
    ("endianproof doctor", "what would run, and what is missing"),
    ("endianproof run", "every testee, on this machine"),
    ("endianproof run --guest=s390x", "the same on an emulated big-endian machine"),
)


def _table(package: str, found: list[Guess]) -> str:
    tables = [
        "\n".join(("", f"[tool.endianproof.testees.{one.name}]", f'{one.kind} = "{one.path}"', *one.more, ""))
        for one in found
    ]
    return HEAD + ("".join(tables) or NOTHING_FOUND.format(package=package))


def _refuse_existing(path: Path) -> None:
    """A table of guests alone is not in the way: the settings go beside it."""
    try:
        table = settings_table(path)
    except ProjectError as error:
        raise click.UsageError(str(error)) from error
    if table is not None and not (isinstance(table, dict) and table.keys() <= {"guests"}):
        raise click.UsageError(f"{os.path.relpath(path)} has a table [tool.endianproof]: it is left as it is")


def _appended(before: str, table: str, path: Path) -> str:
    """The file's text with the table at its end; all that was there is kept as it is."""
    newline = "\r\n" if "\r\n" in before else "\n"
    gap = "" if not before else newline if before.endswith("\n") else 2 * newline
    after = before + gap + table.replace("\n", newline)
    try:
        tomllib.loads(after)
    except tomllib.TOMLDecodeError as error:
        raise click.UsageError(
            f"no table can be added at the end of {os.path.relpath(path)} ({error}); add it by hand:\n\n{table}"
        ) from error
    return after


def _package(folder: Path, path: Path | None) -> str:
    """What the project calls itself, as it is imported."""
    document = tomllib.loads(path.read_text(encoding="utf-8")) if path else {}
    project = document.get("project", {})
    name = project.get("name") if isinstance(project, dict) else None
    return str(name or folder.name).replace("-", "_").replace(".", "_")


@click.command(name="init")
def command() -> None:
    """Write a first [tool.endianproof] into the project's pyproject.toml.

    It goes to the end of the nearest pyproject.toml, here or above, and nothing else in that file changes; where
    there is none, one is made here. What the project loads and saves is guessed from its source, which is not
    imported: look the result over.
    """
    path = project_file(Path.cwd())
    if path is not None:
        _refuse_existing(path)
    target = path or Path.cwd() / "pyproject.toml"
    package = _package(target.parent, path)
    found = guessed(target.parent, package)
    try:
        if path is None:
            write_new(target, _table(package, found))
        else:
            with path.open(encoding="utf-8", newline="") as file:  # line ends are the user's
                before = file.read()
            write_over(path, _appended(before, _table(package, found), path))
    except OSError as error:
        raise click.UsageError(f"{target} cannot be written: {error}") from error
    _tell(target, found)


def _tell(target: Path, found: list[Guess]) -> None:
    click.echo(f"{os.path.relpath(target)}: [tool.endianproof] added")
    for one in found:
        click.echo(f"  {one.name}: {one.kind} {one.path}, guessed from its name in {one.source}")
    if not found:
        click.echo("  no function that loads or saves was found: name yours there")
    click.echo("next:")
    width = max(len(line) for line, _ in NEXT)
    for line, what in NEXT:
        click.echo(f"  {line:<{width}}  {what}")
