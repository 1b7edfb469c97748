"""What no schema can say of one format: tables turn round, policies choose, placeholders stand for something.

The other half of `endianproof.spec._checks`: nothing here looks beyond one format.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from endianproof.spec._model import Format, Policy, SaveTemplate, VectorTemplate

__all__ = ["complaints"]

_PLACEHOLDER = re.compile(r"\{(\w+)(?:\.\w+)?\}")
_OWN = ("i", "brackets")  # what encoders put in: the number of a copy, so many brackets
# Tables of names by the element type that each means.
_CLASSES = ("storage_classes", "tensor_classes", "quantized_classes")


def complaints(form: Format, types: Iterable[str]) -> Iterator[str]:
    """What is wrong with a format, in words: the first is enough to refuse it."""
    layout = f"{form.name}: layout"
    yield from _twice(f"{form.name}: element_types", form.element_types, "two names of one element type")
    for path, key, table in _tables(form.layout, layout):
        if key in _CLASSES:
            unknown = [f"{path}: {name} names {kind!r}, which is no element type" for name, kind in table.items()]
            yield from (line for line, kind in zip(unknown, table.values(), strict=True) if kind not in types)
            yield from _twice(path, table, "two classes of one element type")
        if key == "pickle":
            yield from _opcodes(path, table)
    for policy in form.policies.values():
        yield from _policy(f"{form.name}: policy {policy.name}", policy)
    for what, entries in (("vector", form.templates), ("save", form.saves)):
        for entry in entries:
            yield from _placeholders(f"{form.name}: {what} {entry.id}", entry)


def _tables(layout: Mapping[str, Any], path: str) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    for key, value in layout.items():
        if isinstance(value, Mapping):
            yield f"{path}/{key}", key, value
            yield from _tables(value, f"{path}/{key}")


def _twice(path: str, table: Mapping[str, Any], what: str) -> Iterator[str]:
    """A writer looks for the name of a type: there must be one."""
    first: dict[Any, str] = {}
    for name, value in table.items():
        if value in first:
            yield f"{path}: {first[value]} and {name} are {what}"
        first.setdefault(value, name)


def _opcodes(path: str, pickle: Mapping[str, Any]) -> Iterator[str]:
    tables = (pickle.get("opcodes", {}), pickle.get("other_opcodes", {}))
    codes = [(name, opcode["code"]) for table in tables for name, opcode in table.items()]
    first: dict[int, str] = {}
    for name, code in codes:
        if code in first:
            yield f"{path}: the opcodes {first[code]} and {name} have one code, 0x{code:02X}"
        first.setdefault(code, name)


def _policy(where: str, policy: Policy) -> Iterator[str]:
    if policy.accept == policy.reject:
        yield f"{where}: one choice, {policy.accept!r}, both accepts and refuses"
    if policy.recommended not in (None, policy.accept, policy.reject):
        yield f"{where}: what is recommended, {policy.recommended!r}, is no choice of it"


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from (*_texts(key), *_texts(item))
    if isinstance(value, tuple):
        for item in value:
            yield from _texts(item)


def _inner(value: Any) -> Iterator[str]:
    """The variables that a tensor of a `write` has for itself."""
    if isinstance(value, Mapping):
        yield from value["each"] if isinstance(value.get("each"), Mapping) else ()
    for item in value.values() if isinstance(value, Mapping) else value if isinstance(value, tuple) else ():
        yield from _inner(item)


def _placeholders(where: str, entry: VectorTemplate | SaveTemplate) -> Iterator[str]:
    derived = (getattr(entry, "derived_from", None), getattr(entry, "change", None))
    said = (entry.id, entry.description, entry.write, *derived)
    used = {name for part in said for text in _texts(part) for name in _PLACEHOLDER.findall(text)}
    known = {*entry.each, *_inner(entry.write), *_OWN}
    for name in sorted(used - known):
        yield f"{where}: {{{name}}} stands for nothing: no variable of `each` has this name"
    for name in sorted(set(entry.each) - used):
        yield f"{where}: nothing says {{{name}}}, so `each` would give one file several times"
