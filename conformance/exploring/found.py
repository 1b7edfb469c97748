"""Files that a search found: kept in a folder of the user's, each with a JSON that says all about it.

Nothing is ever overwritten. The files of the folder are tried again by every later search, before it draws others.
"""

from __future__ import annotations

import contextlib
import itertools
import json
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from endianproof._whole_file import write_new
from endianproof.vectors import ExpectedTensor

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from endianproof.vectors.strategies import File

__all__ = ["FoundFileError", "keep", "kept"]


class FoundFileError(Exception):
    """A file of the folder that cannot be read, or written; the message says which, and what to do."""


def _entry(tensor: ExpectedTensor) -> dict[str, Any]:
    """A tensor as a manifest has it."""
    entry = {**vars(tensor), "shape": list(tensor.shape), "stride": list(tensor.stride), **tensor.source}
    del entry["source"]
    return entry


def _tensor(entry: Mapping[str, Any]) -> ExpectedTensor:
    fields = {**entry, "shape": tuple(entry["shape"]), "stride": tuple(entry["stride"])}
    data = fields.pop("data")
    return ExpectedTensor(**fields, source=MappingProxyType({"data": data}))


def _same(file: File, folder: Path) -> Path | None:
    """The file of the folder that has these bytes already, and an account: without one no search tries it."""
    there = sorted(path for path in folder.glob(f"*.{file.extension}") if path.with_suffix(".json").exists())
    return next((path for path in there if path.read_bytes() == file.data), None)


@contextlib.contextmanager
def _gone_if_not_whole(path: Path) -> Iterator[None]:
    """Remove a file where what belongs to it cannot be written."""
    try:
        yield
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _fresh(folder: Path, stem: str, extension: str, data: bytes) -> Path:
    """Write `data` under the first free name. Created exclusively: two workers may save at the same time."""
    for number in itertools.count(1):
        path = folder / f"{stem}-{number}.{extension}"
        if path.with_suffix(".json").exists():
            continue
        with contextlib.suppress(FileExistsError), path.open("xb") as opened, _gone_if_not_whole(path):
            opened.write(data)
            opened.flush()
            return path
    raise AssertionError("there is always a free number")


def keep(file: File, folder: Path, stem: str, about: Mapping[str, Any]) -> Path:
    """Save `file` as `stem-N`, with `about` in a JSON beside it, and return its path.

    A file whose bytes the folder holds already is not written again. Raises FoundFileError.
    """
    expected = None if file.tensors is None else [_entry(tensor) for tensor in file.tensors]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if (known := _same(file, folder)) is not None:
            return known
        path = _fresh(folder, stem, file.extension, file.data)
        document = {"format": file.format, "file": path.name, **about, "expected": expected}
        with _gone_if_not_whole(path):  # the account is whole when it is there: other searches read it
            write_new(path.with_suffix(".json"), json.dumps(document, indent=1) + "\n")
    except OSError as error:
        raise FoundFileError(f"what was found cannot be saved in {folder}: {error}") from error
    return path


def kept(folder: Path, format_name: str, make: type[File]) -> Iterator[tuple[Path, File]]:
    """The files of one format that the folder holds, in the order of their names. Raises FoundFileError."""
    for path in sorted(folder.glob("*.json")):
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
            if document["format"] != format_name:
                continue
            expected = document["expected"]
            tensors = None if expected is None else tuple(_tensor(entry) for entry in expected)
            place = folder / document["file"]
            yield place, make(format_name, place.read_bytes(), tensors, tuple(document["damages"]))
        except (OSError, ValueError, LookupError, TypeError) as error:
            what = f"{type(error).__name__}: {error}"
            raise FoundFileError(
                f"{path} is no account of a found file ({what}): mend it, or remove it"
            ) from error
