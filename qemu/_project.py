"""A project's own guests: `[tool.endianproof.guests.NAME]` in the nearest pyproject.toml, here or above."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from endianproof.qemu._error import GuestError
from endianproof.qemu._recipe import make_recipe

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from pathlib import Path

    from endianproof.qemu._recipe import Recipe

__all__ = ["project_file", "project_recipes"]

# What a project need not say. Guests that it describes cannot be larger than the suite's own by much.
DEFAULTS = {"aliases": [], "packages": [], "wheels": [], "imports": [], "disk_mb": 1500}
# What these words mean where a guest's name is expected: --guest=none, `guests: [host]` in a matrix.
THIS_MACHINE = ("host", "none")
# It says of itself what was set up.
ALWAYS = "python3"


def _table(path: Path) -> Any:
    try:
        document: Any = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:  # undecodable text and bad TOML are ValueErrors
        raise GuestError(f"{path} cannot be read: {error}") from error
    for key in ("tool", "endianproof", "guests"):
        document = document.get(key, {}) if isinstance(document, dict) else document
    return document


def _whole(document: Any) -> Any:
    if not isinstance(document, dict):
        return document
    whole = {**DEFAULTS, **document}
    if isinstance(whole["packages"], list) and ALWAYS not in whole["packages"]:
        whole["packages"] = [ALWAYS, *whole["packages"]]
    return whole


def project_file(folder: Path) -> Path | None:
    """The pyproject.toml of the project that a folder belongs to: the nearest one, here or above."""
    places = (here / "pyproject.toml" for here in (folder, *folder.parents))
    return next((place for place in places if place.is_file()), None)


def _recipe(name: str, document: Any, path: Path) -> Recipe:
    where = f"[tool.endianproof.guests.{name}] in {path}"
    recipe = make_recipe(name, _whole(document), where)
    if taken := [one for one in (name, *recipe.aliases) if one in THIS_MACHINE]:
        raise GuestError(
            f"{where}: no guest can be called {taken[0]!r}, which means this machine without a guest",
            "give it another name",
        )
    return recipe


def project_recipes(folder: Path) -> tuple[Recipe, ...]:
    """The recipes of the project that a folder belongs to; none without one. Raises GuestError."""
    path = project_file(folder)
    if path is None:
        return ()
    table = _table(path)
    if not isinstance(table, dict):
        raise GuestError(f"{path}: tool.endianproof.guests is {table!r}, a table for each guest was expected")
    return tuple(_recipe(name, document, path) for name, document in table.items())
