"""What `endianproof guest install` added to guests: kept beside their trees, part of their recipes from then on.

    ROOT/guests/NAME.added.json    {"packages": [...], "wheels": [...]}

Trees never change. A guest with one more package is another tree, made beside the old one from the packages that
are downloaded already; whatever goes wrong meanwhile, the old one stays.
"""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from endianproof._whole_file import write_over
from endianproof.qemu._error import GuestError
from endianproof.qemu._recipe import is_package, is_pin

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from endianproof.qemu._recipe import Recipe

__all__ = ["Added", "read_added", "write_added"]


def _path(root: Path, name: str) -> Path:
    return root / "guests" / f"{name}.added.json"


def _project(wheel: str) -> str:
    return canonicalize_name(Requirement(wheel).name)


@dataclasses.dataclass(frozen=True)
class Added:
    """Debian packages, and wheels as NAME==VERSION."""

    packages: tuple[str, ...] = ()
    wheels: tuple[str, ...] = ()

    def and_these(self, wanted: Sequence[str]) -> Added:
        """These and more: Debian packages by their names, wheels by NAME==VERSION. Raises GuestError."""
        for text in wanted:
            if not is_pin(text) and not is_package(text):
                raise GuestError(
                    f"{text!r} is neither a Debian package's name nor a wheel as NAME==VERSION",
                    "for example: endianproof guest install trixie nodejs safetensors==0.7.0",
                )
        wheels = [text for text in wanted if is_pin(text)]
        replaced = {_project(wheel) for wheel in wheels}
        kept = [wheel for wheel in self.wheels if _project(wheel) not in replaced]
        packages = dict.fromkeys([*self.packages, *(text for text in wanted if not is_pin(text))])
        return Added(tuple(packages), (*kept, *wheels))

    def to(self, recipe: Recipe) -> Recipe:
        """Return the recipe with what was added; a wheel takes the place of the recipe's own of that name."""
        whole = Added(recipe.packages, recipe.wheels).and_these((*self.packages, *self.wheels))
        return dataclasses.replace(recipe, packages=whole.packages, wheels=whole.wheels)


def read_added(root: Path, name: str) -> Added:
    """What was added to a guest; nothing, where nothing was. Raises GuestError for a file that is damaged."""
    path = _path(root, name)
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return Added().and_these((*found["packages"], *found["wheels"]))
    except (FileNotFoundError, NotADirectoryError):
        return Added()
    except (OSError, ValueError, KeyError, TypeError, GuestError) as error:
        raise GuestError(
            f"{path}, what was added to guest {name}, is damaged: {error}", f"remove {path}"
        ) from error


def write_added(root: Path, name: str, added: Added | None) -> None:
    """Keep what was added to a guest; None forgets it. Raises OSError."""
    path = _path(root, name)
    if added is None:
        path.unlink(missing_ok=True)
        return
    write_over(path, json.dumps(dataclasses.asdict(added)) + "\n")
