"""What the user named, as files: a file, an index of shards (`*.index.json`), or a folder with such in it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from endianproof.reference import recognize
from endianproof.spec import load_spec

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

__all__ = ["FilesError", "NamedFile", "gather"]

INDEX = ".index.json"
# Of the files of a folder, those are looked into; what they are, their contents say.
SUFFIXES = {".bin", ".ckpt", ".pt", ".pth", ".safetensors", ".tar", ".ts"}


class FilesError(Exception):
    """What the user named cannot be had. The message says what was found and what to do."""


@dataclass(frozen=True)
class NamedFile:
    """One file. `format` is by its contents, or as the user said, None where neither tells.

    `indexed` are the names of the tensors that an index says are in it, None without an index.
    """

    path: Path
    format: str | None
    indexed: frozenset[str] | None = None


def _weight_map(path: Path) -> Mapping[str, str]:
    try:
        document: Any = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise FilesError(f"{path} cannot be read as an index: {error}") from error
    found = document.get("weight_map") if isinstance(document, dict) else None
    if not isinstance(found, dict) or not found or not all(isinstance(name, str) for name in found.values()):
        raise FilesError(f"{path} is no index: an object `weight_map` of tensors' names to files was expected")
    return found


def _shards(index: Path) -> Iterator[tuple[Path, frozenset[str]]]:
    weights = _weight_map(index)
    for name in dict.fromkeys(weights.values()):
        path = index.parent / name
        if not path.is_file():
            raise FilesError(f"{index} names {name}, and there is no such file beside it")
        yield path, frozenset(tensor for tensor, file in weights.items() if file == name)


def _in_folder(folder: Path, read: Sequence[str] | None) -> Iterator[tuple[Path, frozenset[str] | None]]:
    """The files of a folder, by its indexes where it has some. Of files of other formats than `read`, none."""
    indexes = sorted(path for path in folder.iterdir() if path.name.endswith(INDEX))
    indexed = {path: names for index in indexes for path, names in _shards(index)}
    others = sorted(path for path in folder.iterdir() if path.suffix in SUFFIXES and path.is_file())
    formats = read or tuple(load_spec().formats)
    for path in [*indexed, *(path for path in others if path not in indexed)]:
        if recognize(path) in formats:
            yield path, indexed.get(path)


def _all(path: Path, read: Sequence[str] | None) -> Iterable[tuple[Path, frozenset[str] | None]]:
    if path.is_dir():
        found = list(_in_folder(path, read))
        if not found:
            wanted = ", ".join(read or load_spec().formats)
            raise FilesError(f"in the folder {path} is no file of {wanted}; name the file itself, with --format")
        return found
    if not path.exists():
        raise FilesError(f"there is no file {path}")
    if not path.is_file():
        raise FilesError(f"{path} is neither a regular file nor a folder")
    return _shards(path) if path.name.endswith(INDEX) else [(path, None)]


def gather(names: Iterable[Path], format_name: str | None, read: Sequence[str] | None = None) -> list[NamedFile]:
    """The files that the user named, each once; `read` are the formats that a folder is searched for.

    Raises FilesError for what is not there, cannot be opened or is no index.
    """
    found: dict[Path, frozenset[str] | None] = {}
    try:
        for name in names:
            for path, indexed in _all(name, read):
                found[path] = found.get(path) if indexed is None else indexed  # named by itself, too
        return [NamedFile(path, format_name or recognize(path), indexed) for path, indexed in found.items()]
    except OSError as error:
        raise FilesError(f"{error.filename} cannot be read: {error.strerror}") from error
