"""Finds what a person names on the command line: exactly, in other capitals, by a glob, or nearly."""

from __future__ import annotations

import difflib
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Collection

__all__ = ["matching"]


def matching(name: str, known: Collection[str], what: str) -> list[str]:
    """The known ids that `name` means: one that is written so, else all that it matches as a glob; never none.

    Capitals do not matter. Raises click.UsageError with the nearest ids where nothing matches.
    """
    lower = name.lower()
    exact = [one for one in known if one.lower() == lower]
    found = exact or [one for one in known if fnmatchcase(one.lower(), lower)]
    if found:
        return found
    by_lower = {one.lower(): one for one in known}
    near = [by_lower[one] for one in difflib.get_close_matches(lower, by_lower, n=3, cutoff=0.5)]
    hint = f"did you mean {' or '.join(near)}?" if near else "`endianproof vectors list` shows all vectors"
    raise click.UsageError(f"there is no {what} {name!r}; {hint}")
