"""What a page is made of. Text is plain: each writer escapes it in its own way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

__all__ = ["Block", "Heading", "Items", "Page", "Table", "Text", "anchor_of"]


@dataclass(frozen=True)
class Heading:
    """A heading below the page's own, `level` 2 or deeper; `anchor` is what links name."""

    level: int
    text: str
    anchor: str = ""


@dataclass(frozen=True)
class Text:
    """A paragraph; `label`, where there is one, stands before it."""

    text: str
    label: str = ""


@dataclass(frozen=True)
class Items:
    """A list."""

    items: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """A table: a head, and rows as wide; with `of_rules`, the first of a row is a rule's id, and a link to it."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    of_rules: bool = False


def anchor_of(rule_id: str) -> str:
    """What links to a rule name."""
    return rule_id.lower()


Block: TypeAlias = Heading | Text | Items | Table


@dataclass(frozen=True)
class Page:
    """One page: its file's name without a suffix, its title, its blocks."""

    name: str
    title: str
    blocks: tuple[Block, ...]
