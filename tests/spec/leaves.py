"""Every leaf of the specification's YAML, and every way to change it that ought to be noticed."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Path = tuple[Any, ...]


@dataclass(frozen=True)
class Mutation:
    """One change: where, what in words, the value that stands there then, and the document without the change."""

    file: str
    path: Path
    what: str
    value: Any
    original: Any

    @functools.cached_property
    def document(self):
        """The document with the change; the rest of it is shared with the original."""
        return with_value(self.original, self.path, self.value)

    @property
    def section(self):
        """The key of the document that it lies in; empty for the keys themselves."""
        return str(self.path[0]) if self.path else ""

    def __str__(self):
        return f"{self.file}: {'/'.join(map(str, self.path))}: {self.what}"


def is_prose(file: str, path: Path, prose: Mapping[str, Mapping[str, str]]) -> bool:
    """Whether the path, or what it lies in, is declared prose."""
    patterns = [
        pattern.split("/") for name, table in prose.items() if fnmatchcase(file, name) for pattern in table
    ]
    return any(
        len(path) >= len(pattern) and all(map(fnmatchcase, map(str, path), pattern)) for pattern in patterns
    )


def walk(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Every node below a value, and the value itself, by its path."""
    yield path, value
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from walk(item, (*path, key))


def with_value(document: Any, path: Path, value: Any) -> Any:
    """The document with another value at the path; only what lies on the way is copied."""
    if not path:
        return value
    copy = dict(document) if isinstance(document, dict) else list(document)
    copy[path[0]] = with_value(document[path[0]], path[1:], value)
    return copy


def _name(path: Path) -> Any:
    """What a leaf is called: its key, or the key of the list that it is in."""
    return next((part for part in reversed(path) if isinstance(part, str)), None)


def _other(path: Path, value: str, document: Any, namesakes: Mapping[Any, list[str]]) -> str | None:
    """Another string that might stand here: of a leaf of the same name, or of a neighbour."""
    parent = document
    for part in path[:-1]:
        parent = parent[part]
    neighbours = list(parent.values()) if isinstance(parent, dict) else []
    candidates = [*namesakes.get(_name(path), ()), *neighbours]
    # The next one in order, so that not every leaf is tried with the same.
    others = sorted({other for other in candidates if isinstance(other, str) and other != value})
    return next((other for other in others if other > value), others[0] if others else None)


def _changes(
    path: Path, value: Any, document: Any, namesakes: Mapping[Any, list[str]]
) -> Iterator[tuple[str, Any]]:
    if isinstance(value, bool):
        yield f"{value} -> {not value}", not value
    elif isinstance(value, (int, float)):
        yield f"{value} -> {value + 1}", value + 1
    elif isinstance(value, str):
        yield f"{value!r} -> {value + 'q'!r}", value + "q"
        other = _other(path, value, document, namesakes)
        if other is not None:
            yield f"{value!r} -> {other!r}", other
    elif isinstance(value, list) and value:
        yield "last item dropped", value[:-1]
        if value[::-1] != value:
            yield "reversed", value[::-1]
    elif isinstance(value, dict):
        for key in value:
            yield f"key {key!r} dropped", {k: v for k, v in value.items() if k != key}
            renamed = key + "q" if isinstance(key, str) else key + 1
            yield f"key {key!r} renamed", {renamed if k == key else k: v for k, v in value.items()}


def mutations(file: str, document: Any, prose: Mapping[str, Mapping[str, str]]) -> Iterator[Mutation]:
    """Every mutation of one file, prose left out."""
    nodes = [(path, value) for path, value in walk(document) if not is_prose(file, path, prose)]
    namesakes: dict[Any, list[str]] = {}
    for path, value in nodes:
        if isinstance(value, str):
            namesakes.setdefault(_name(path), []).append(value)
    for path, value in nodes:
        for what, changed in _changes(path, value, document, namesakes):
            if isinstance(value, dict) and _is_about_prose(file, path, value, changed, prose):
                continue
            yield Mutation(file, path, what, changed, document)


def _is_about_prose(file: str, path: Path, old: Any, new: Any, prose: Mapping[str, Mapping[str, str]]) -> bool:
    gone = [key for key in old if key not in new]
    return any(is_prose(file, (*path, key), prose) for key in gone)
