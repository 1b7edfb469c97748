"""Opens a file, finds its format, and hands it to that format's reader."""

from __future__ import annotations

import errno
import importlib
import mmap
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from endianproof.spec import load_spec

if TYPE_CHECKING:
    from endianproof.reference._tensor import Tensor
    from endianproof.spec import Format

__all__ = ["load", "recognize"]


def _map(path: Path) -> memoryview:
    if path.exists() and not path.is_file():
        # Opening a pipe would wait for ever, and a device has no end.
        raise OSError(errno.EINVAL, "not a regular file", os.fspath(path))
    with path.open("rb") as file:
        if not os.fstat(file.fileno()).st_size:
            return memoryview(b"")  # an empty file cannot be mapped
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))


def _reader(form: Format) -> Any:
    """The reader of format `a-b` is the module `_a_b` of this room."""
    return importlib.import_module(f"endianproof.reference._{form.name.replace('-', '_')}")


def _format_of(path: Path, data: memoryview) -> Format:
    """By the file's contents, for one extension can mean several formats; by it where they say nothing.

    Of the formats that recognize the file, the one that is surest: `recognizes` says how sure it is.
    """
    formats = load_spec().formats.values()
    return max(
        formats, key=lambda form: (_reader(form).recognizes(data, form), path.suffix == f".{form.extension}")
    )


def recognize(path: str | os.PathLike[str]) -> str | None:
    """The name of the format that a file's contents are of, as far as they can be told by their beginning.

    None where no format recognizes them. Raises OSError where the file cannot be opened.
    """
    path = Path(path)
    data = _map(path)
    form = _format_of(path, data)
    return form.name if _reader(form).recognizes(data, form) else None


def load(path: str | os.PathLike[str], *, format_name: str | None = None) -> dict[str, Tensor]:
    """The tensors of a file by name, over a memory map of it.

    `format_name` says which format it has to be; without it, the file does.

    Nested dicts and lists of a pickle give names joined by dots; a tensor that stands alone has the empty name.
    Raises SpecViolation where the file breaks a rule, OSError where it cannot be opened.
    """
    path = Path(path)
    data = _map(path)
    form = load_spec().formats[format_name] if format_name else _format_of(path, data)
    tensors: dict[str, Tensor] = _reader(form).read(data, form)
    return tensors
