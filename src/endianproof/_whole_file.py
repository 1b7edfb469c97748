"""Files that are written whole or not at all: for the rooms that write any, which do not all know each other.

Text is UTF-8. Half a surrogate pair, which a testee can say and UTF-8 cannot, is written as JSON escapes it.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

__all__ = ["unwritable", "write_new", "write_over"]


def unwritable(path: Path, *, new: bool = False) -> str:
    """Why a file, or a `new` one, could not be written there, as far as can be told beforehand; "" for nothing."""
    folder = Path(os.path.realpath(path)).parent
    try:
        if new and (path.exists() or path.is_symlink()):
            return f"{path} exists: remove it, or name another file"
        if not folder.is_dir():
            return f"there is no folder {folder}"
    except OSError as error:  # a folder above it that may not be searched, a name that is too long
        return f"{path} cannot be looked up: {error.strerror}"
    return "" if os.access(folder, os.W_OK) else f"the folder {folder} may not be written to"


def _scratch(target: Path, text: str) -> Path:
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.", suffix=".new")
    scratch = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace") as stream:
            stream.write(text)
        scratch.chmod(target.stat().st_mode & 0o777 if target.exists() else 0o644)
    except BaseException:  # whatever happens, no half-made file stays
        scratch.unlink(missing_ok=True)
        raise
    return scratch


def write_over(path: Path, text: str) -> None:
    """Write a file in the place of what is there: the old one or the new one is. Raises OSError."""
    target = Path(os.path.realpath(path))  # a link stays one
    scratch = _scratch(target, text)
    try:
        scratch.replace(target)
    finally:
        scratch.unlink(missing_ok=True)


def write_new(path: Path, text: str) -> None:
    """Write a file where there is none. Raises FileExistsError where there is one, OSError."""
    scratch = _scratch(path, text)
    try:
        _name(scratch, path)
    finally:
        scratch.unlink(missing_ok=True)


def _name(scratch: Path, path: Path) -> None:
    """Give the file its name, if nothing has it."""
    try:
        os.link(scratch, path)
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links: FAT, and what virtual machines share with their host
        path.touch(exist_ok=False)
        scratch.replace(path)
