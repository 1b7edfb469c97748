"""`endianproof vectors`: list the golden files, write them anew, or compare them with the specification."""

from __future__ import annotations

from pathlib import Path

import click

from endianproof.conformance.cli.lookup import matching_any
from endianproof.conformance.counting import counted
from endianproof.spec import load_spec
from endianproof.vectors import check as drifts_of
from endianproof.vectors import generate as write_all
from endianproof.vectors import load_large, load_vectors

__all__ = ["command"]

_Folder = click.Path(file_okay=False, path_type=Path)


@click.group(name="vectors")
def command() -> None:
    """List, write and check the golden vectors."""


@command.command()
@click.option("--into", type=_Folder, help="Write below this folder instead of where the shipped vectors lie.")
def generate(into: Path | None) -> None:
    """Write every golden file and manifest anew from the specification: the same bytes on every machine."""
    try:
        count = write_all(into)
    except OSError as error:
        raise click.ClickException(
            f"the vectors cannot be written: {error.strerror}: {error.filename}\n"
            "name a folder that can be written with --into"
        ) from error
    click.echo(f"wrote {counted(count, 'file')}")


@command.command()
@click.option(
    "--in", "folder", type=_Folder, help="Look below this folder instead of where the shipped vectors lie."
)
def check(folder: Path | None) -> None:
    """Compare the files with what the specification makes, byte for byte; exit code 1 where they differ."""
    found = drifts_of(folder)
    for drift in found:
        click.echo(f"{drift.kind}: {drift.path}")
    if found:
        raise click.ClickException(
            f"{len(found)} files are not what the specification makes; `generate` writes them"
        )
    click.echo("every file is what the specification makes")


@command.command(name="list")
@click.argument("ids", nargs=-1)
@click.option("--format", "formats", multiple=True, help="Only these formats: names or globs, by commas.")
@click.option("--rule", "rules", multiple=True, help="Only vectors of these rules: ids or globs, likewise.")
def list_vectors(ids: tuple[str, ...], formats: tuple[str, ...], rules: tuple[str, ...]) -> None:
    """List the vectors: id, verdict, rules, description; with IDS (globs too), those alone."""
    spec, vectors = load_spec(), load_vectors() + load_large()
    named = matching_any(ids, [vector.id for vector in vectors], "vector")
    of_formats = matching_any(formats, spec.formats, "format")
    of_rules = matching_any(rules, spec.rules, "rule")
    for vector in vectors:
        if vector.id in named and vector.format in of_formats and not of_rules.isdisjoint(vector.rules):
            click.echo(f"{vector.id:<34} {vector.verdict:<7} {','.join(vector.rules):<34} {vector.description}")
