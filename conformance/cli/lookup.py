"""Finds what a person names on the command line: exactly, in other capitals, by a glob, or nearly."""

from __future__ import annotations

import difflib
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

__all__ = ["matching", "matching_any"]


def matching(
    name: str, known: Collection[str], what: str, shown_by: str = "`endianproof vectors list`"
) -> list[str]:
    """The known ids that `name` means: one that is written so, else all that it matches as a glob; never none.

    Capitals do not matter. Raises click.UsageError with the nearest ids where nothing matches, or else with the
    command that shows all of them.
    """
    lower = name.lower()
    exact = [one for one in known if one.lower() == lower]
    found = exact or [one for one in known if fnmatchcase(one.lower(), lower)]
    if found:
        return found
    by_lower = {one.lower(): one for one in known}
    near = [by_lower[one] for one in difflib.get_close_matches(lower, by_lower, n=3, cutoff=0.5)]
    hint = f"did you mean {' or '.join(near)}?" if near else f"{shown_by} shows all there are"
    raise click.UsageError(f"there is no {what} {name!r}; {hint}")


def matching_any(values: Iterable[str], known: Collection[str], what: str) -> set[str]:
    """The known ids that any of the values means, each one or several with commas between; all for no values.

    Raises click.UsageError as `matching` does.
    """
    names = [part.strip() for value in values for part in value.split(",") if part.strip()]
    return {found for name in names or ("*",) for found in matching(name, known, what)}
