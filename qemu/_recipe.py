"""Recipes: what a guest is made of, as `guests/*.yaml` says it. Anything unexpected in one is an error."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from packaging.requirements import InvalidRequirement, Requirement

from endianproof.qemu._error import GuestError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["Recipe", "is_package", "is_pin", "make_recipe", "read_recipe", "read_recipes"]

RECIPES = Path(__file__).resolve().parent / "guests"

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")

LAYOUT = 2
"""Raised when set-up lays trees out differently, so that older trees are not taken for new ones."""


@dataclass(frozen=True)
class Recipe:
    """One guest: a Debian suite, its packages, and PyPI wheels (exact pins) for what Debian lacks.

    `imports` are modules imported once at set-up. `disk_mb` is the space that a set-up takes at its peak, in
    units of 10**6 bytes, downloads included.
    """

    name: str
    suite: str
    aliases: tuple[str, ...]
    packages: tuple[str, ...]
    wheels: tuple[str, ...]
    imports: tuple[str, ...]
    disk_mb: int

    @property
    def digest(self) -> str:
        """Twelve hex digits that change with whatever changes the tree, and with nothing else."""
        content = [LAYOUT, self.suite, self.packages, self.wheels, self.imports]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:12]


def _is_names(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) and item for item in value)


def is_pin(text: str) -> bool:
    """Whether a text is NAME==VERSION, which means the same wheel every time."""
    try:
        specifiers = list(Requirement(text).specifier)
    except InvalidRequirement:
        return False
    return len(specifiers) == 1 and specifiers[0].operator == "==" and "*" not in specifiers[0].version


def is_package(text: str) -> bool:
    """Whether a text can be a Debian package's name (Debian policy 5.6.7)."""
    return re.fullmatch(r"[a-z0-9][a-z0-9+.-]+", text) is not None


def _is_packages(value: Any) -> bool:
    return _is_names(value) and all(map(is_package, value))


def _is_pins(value: Any) -> bool:
    return _is_names(value) and all(map(is_pin, value))


FIELDS: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "suite": (lambda value: isinstance(value, str) and NAME.fullmatch(value) is not None, "a Debian suite's name"),
    "aliases": (_is_names, "a list of names"),
    "packages": (lambda value: _is_packages(value) and value != [], "a list of Debian packages, at least one"),
    "wheels": (_is_pins, "a list of NAME==VERSION"),
    "imports": (_is_names, "a list of Python modules"),
    "disk_mb": (lambda value: type(value) is int and value > 0, "a whole number of megabytes"),
}


def _complaint(document: Any) -> str:
    """Say what is wrong with a recipe's document; nothing, if nothing is."""
    if not isinstance(document, dict):
        return f"a mapping was expected, {type(document).__name__} was found"
    for key in sorted(document.keys() ^ FIELDS.keys(), key=str):
        return f"{key!r} is missing" if key in FIELDS else f"{key!r} is no field of a recipe: {', '.join(FIELDS)}"
    for key, (accepts, expected) in FIELDS.items():
        if not accepts(document[key]):
            return f"{key} is {document[key]!r}, {expected} was expected"
    return ""


def make_recipe(name: str, document: Any, where: str) -> Recipe:
    """Make a recipe of what a document says; `where` tells people which. Raises GuestError where it is none."""
    if not NAME.fullmatch(name):
        raise GuestError(f"{where}: {name!r} is no name for a guest: letters, digits, '.', '_' and '-'")
    if complaint := _complaint(document):
        raise GuestError(f"{where}: {complaint}")
    lists = {key: tuple(document[key]) for key in ("aliases", "packages", "wheels", "imports")}
    return Recipe(name=name, suite=document["suite"], disk_mb=document["disk_mb"], **lists)


def read_recipe(path: Path) -> Recipe:
    """Read one recipe; the file's name is the guest's. Raises GuestError where it is not one."""
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise GuestError(f"guest recipe {path} cannot be read: {error}") from error
    return make_recipe(path.stem, document, f"guest recipe {path}")


def read_recipes(folder: Path = RECIPES) -> tuple[Recipe, ...]:
    """Every recipe in a folder, by name. Raises GuestError."""
    return tuple(read_recipe(path) for path in sorted(folder.glob("*.yaml")))
