"""The source of a package: a copy of a project without what earlier builds left in it, and how it is built."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

from packaging.requirements import InvalidRequirement, Requirement

from endianproof.qemu._error import GuestError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["BuildSystem", "build_system", "copy_source", "source_digest"]

LEFT_ANYWHERE = ("__pycache__", "*.egg-info", ".venv", ".tox", ".nox", ".*_cache", "node_modules")
LEFT_ON_TOP = ("build", "dist", "venv")

# Of a repository, what can be in a version that is made of it: git itself writes the rest whenever it looks.
GIT_STATE = ("HEAD", "packed-refs", "refs")


def copy_source(project: Path, copy: Path) -> None:
    """Copy what is source of a project: some build systems leave folders in it, and take them for source later.

    Raises GuestError where it cannot be copied.
    """
    itself = Path(os.path.realpath(copy))  # in the project where TMPDIR is

    def left_out(place: str, names: list[str]) -> set[str]:
        mine = {itself.name} if os.path.realpath(place) == str(itself.parent) else set[str]()
        return mine | _unbuilt(place, names, project)

    try:
        shutil.copytree(project, copy, symlinks=True, ignore=left_out)
    except shutil.Error as error:  # of a list of files: each with its copy, and why
        (file, _, why), *_ = error.args[0]
        raise _uncopied(project, f"{file}: {why}") from error
    except OSError as error:
        raise _uncopied(project, str(error)) from error


def _uncopied(project: Path, why: str) -> GuestError:
    return GuestError(
        f"{project} cannot be copied, and it is a copy that is built: {why}",
        "make all of the project readable, and see that there is room for it (TMPDIR names another folder)",
    )


def _unbuilt(place: str, names: Sequence[str], project: Path) -> set[str]:
    """What an earlier build, a tool or an environment left in a project, and is no source of it."""
    patterns = (*LEFT_ANYWHERE, *(LEFT_ON_TOP if Path(place) == project else ()))
    return {name for name in names if any(fnmatchcase(name, pattern) for pattern in patterns)}


def _counts(path: Path) -> bool:
    """Whether a file, by its path in the project, tells one source from another."""
    return path.parts[0] != ".git" or (len(path.parts) > 1 and path.parts[1] in GIT_STATE)


def source_digest(copy: Path) -> str:
    """Hex digits that tell one source from another: by names, modes and contents of its files. Raises OSError."""
    digest = hashlib.sha256()
    for path in sorted(copy.rglob("*")):
        inside = path.relative_to(copy)
        if (path.is_dir() and not path.is_symlink()) or not _counts(inside):
            continue
        content = os.fsencode(path.readlink()) if path.is_symlink() else path.read_bytes()
        mode = path.lstat().st_mode
        digest.update(os.fsencode(f"{inside}\0{mode}\0{hashlib.sha256(content).hexdigest()}\n"))
    return digest.hexdigest()


@dataclass(frozen=True)
class BuildSystem:
    """What `[build-system]` in a pyproject.toml says (PEP 518, PEP 517); `path` are folders of the project."""

    requires: tuple[Requirement, ...]
    backend: str
    path: tuple[str, ...]


# For projects that say nothing (PEP 517).
NO_PYPROJECT: dict[str, Any] = {"requires": ["setuptools>=40.8", "wheel"]}
LEGACY = "setuptools.build_meta:__legacy__"


def build_system(source: Path) -> BuildSystem:
    """Read how a source wants to be built. Raises GuestError where its pyproject.toml cannot be read."""
    path = source / "pyproject.toml"
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        table = document.get("build-system", NO_PYPROJECT)
        requires = tuple(Requirement(text) for text in table["requires"])
        return BuildSystem(requires, table.get("build-backend", LEGACY), tuple(table.get("backend-path", ())))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, InvalidRequirement) as error:
        reason = f"{error} is missing" if isinstance(error, KeyError) else error
        raise GuestError(f"{path.name} does not say how to build it: [build-system]: {reason}") from error
