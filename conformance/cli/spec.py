"""`endianproof spec`: write the specification as pages to read, and see whether the committed ones are current."""

from __future__ import annotations

from pathlib import Path

import click

from endianproof.conformance.rendered import as_html, as_markdown, pages
from endianproof.spec import load_spec

__all__ = ["command"]

_Folder = click.Path(file_okay=False, path_type=Path)
_DOCS = Path("docs/spec")


def _files(kind: str) -> dict[str, str]:
    found = pages(load_spec())
    if kind == "html":
        return {"specification.html": as_html(found)}
    return {f"{page.name}.md": as_markdown(page) for page in found}


@click.group(name="spec")
def command() -> None:
    """Write the specification as pages, and check the committed ones."""


@command.command()
@click.option("--to", "folder", type=_Folder, default=_DOCS, show_default=True, help="The folder to write into.")
@click.option("--format", "kind", type=click.Choice(["markdown", "html"]), default="markdown", show_default=True)
def render(folder: Path, kind: str) -> None:
    """Write the specification: a Markdown page for each part, or one HTML page."""
    files = _files(kind)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (folder / name).write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        raise click.ClickException(f"the pages cannot be written: {error.strerror}: {error.filename}") from error
    click.echo(f"wrote {len(files)} files into {folder}")


@command.command()
@click.option("--in", "folder", type=_Folder, default=_DOCS, show_default=True, help="The folder to look at.")
def check(folder: Path) -> None:
    """Compare the pages with the specification; exit code 1 where they differ."""
    made = _files("markdown")
    there = {path.name: path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.md"))}
    stale = sorted(name for name in made.keys() | there.keys() if made.get(name) != there.get(name))
    for name in stale:
        click.echo(f"not what the specification makes: {folder / name}")
    if stale:
        raise click.ClickException(f"{len(stale)} pages are stale; `endianproof spec render` writes them")
    click.echo("every page is what the specification makes")
