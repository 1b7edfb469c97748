"""Writes pages as Markdown, a file each, or as one HTML page. No template engine: blocks are of four kinds."""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING

from endianproof.conformance.rendered._blocks import Heading, Items, Text, anchor_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from endianproof.conformance.rendered._blocks import Block, Page

__all__ = ["as_html", "as_markdown"]

_STYLE = """
body{max-width:60rem;margin:2rem auto;padding:0 1rem;font:16px/1.5 system-ui,sans-serif}
table{border-collapse:collapse;margin:1rem 0;font-size:.9rem}td,th{border:1px solid #bbb;padding:.2rem .5rem;
text-align:left;vertical-align:top}th{background:#eee}h3{margin-top:2rem}h2{border-bottom:1px solid #bbb}
"""


def _marked(text: str) -> str:
    """Text in which Markdown finds nothing to read otherwise; what the YAML has between backquotes stays code."""
    parts = re.split(r"(`[^`]*`)", text)
    return "".join(part if part.startswith("`") else re.sub(r"([\\*_<>\[\]|#])", r"\\\1", part) for part in parts)


def _cells(row: Sequence[str]) -> str:
    return "| " + " | ".join(_marked(cell).replace("\n", " ") for cell in row) + " |"


def _markdown_block(block: Block) -> str:
    if isinstance(block, Heading):
        anchor = f'<a id="{block.anchor}"></a>\n\n' if block.anchor else ""
        return f"{anchor}{'#' * block.level} {_marked(block.text)}"
    if isinstance(block, Text):
        return (f"**{block.label}:** " if block.label else "") + _marked(block.text.strip())
    if isinstance(block, Items):
        return "\n".join(f"- {_marked(item)}" for item in block.items)
    rows = [_cells(row) for row in block.rows]
    if block.of_rules:
        rows = [
            f"| [{row[0]}](#{anchor_of(row[0])}) {cells.removeprefix(f'| {row[0]} ')}"
            for row, cells in zip(block.rows, rows, strict=True)
        ]
    return "\n".join([_cells(block.head), "|" + " --- |" * len(block.head), *rows])


def as_markdown(page: Page, made_from: str = "spec/ by `endianproof spec render`") -> str:
    """One page as Markdown."""
    note = f"<!-- Made from {made_from}: change the YAML, not this. -->"
    return "\n\n".join([note, f"# {_marked(page.title)}", *map(_markdown_block, page.blocks)]) + "\n"


def _plain(text: str) -> str:
    return re.sub(r"`([^`]*)`", r"<code>\1</code>", html.escape(text))


def _html_row(row: Sequence[str], tag: str, *, of_rules: bool = False) -> str:
    cells = [_plain(cell) for cell in row]
    if of_rules:
        cells[0] = f'<a href="#{anchor_of(row[0])}">{cells[0]}</a>'
    return "<tr>" + "".join(f"<{tag}>{cell}</{tag}>" for cell in cells) + "</tr>"


def _html_block(block: Block) -> str:
    if isinstance(block, Heading):
        anchor = f' id="{html.escape(block.anchor)}"' if block.anchor else ""
        return f"<h{block.level}{anchor}>{_plain(block.text)}</h{block.level}>"
    if isinstance(block, Text):
        return "<p>" + (f"<b>{_plain(block.label)}:</b> " if block.label else "") + _plain(block.text) + "</p>"
    if isinstance(block, Items):
        return "<ul>" + "".join(f"<li>{_plain(item)}</li>" for item in block.items) + "</ul>"
    rows = (_html_row(row, "td", of_rules=block.of_rules) for row in block.rows)
    return "<table>" + _html_row(block.head, "th") + "".join(rows) + "</table>"


def as_html(pages: Sequence[Page]) -> str:
    """All pages as one, with a table of contents."""
    contents = "".join(f'<li><a href="#{page.name}">{_plain(page.title)}</a></li>' for page in pages)
    body = "\n".join(
        f'<section><h1 id="{page.name}">{_plain(page.title)}</h1>'
        + "\n".join(map(_html_block, page.blocks))
        + "</section>"
        for page in pages
    )
    return (
        f'<!doctype html>\n<html lang="en"><meta charset="utf-8"><title>endianproof: the specification</title>'
        f"<style>{_STYLE}</style>\n<nav><ul>{contents}</ul></nav>\n{body}\n</html>\n"
    )
