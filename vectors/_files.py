"""A drawn file, and how it comes about: encoded from a drawn `write`, or damaged after that.

What a format adds is the module `_draw_a_b` for format `a-b`: `write` draws a description in the words of the
specification, and `edit` (of the bytes) or `change` (for the encoder) damages what only this format has; `dtypes`
are the element types that it writes, where those are not all. A format without such a module is drawn from the
vectors that its specification writes.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import importlib
import importlib.util
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from endianproof.spec import load_spec
from endianproof.vectors._damage import damage
from endianproof.vectors._expand import recipes
from endianproof.vectors._manifest import ExpectedTensor

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from hypothesis.strategies import DrawFn, SearchStrategy

    from endianproof.spec import ElementType, Format
    from endianproof.vectors._encoded import Encoded, Placed
    from endianproof.vectors._expand import Recipe

__all__ = ["File", "damaged_file", "elements_of", "valid_file"]

_MOST_ELEMENTS = 1024  # of a vector that a drawn file is made from


@dataclass(frozen=True)
class File:
    """One drawn file: its bytes and its format, wherever it will be written.

    `tensors` are what a conforming loader returns, or None for a damaged file: nobody has said yet whether it is
    still valid. `damages` says in words what was done to a valid file, in order.
    """

    format: str
    data: bytes
    tensors: tuple[ExpectedTensor, ...] | None = None
    damages: tuple[str, ...] = field(default=())

    @property
    def extension(self) -> str:
        """What files of this format end in, without the dot."""
        return load_spec().formats[self.format].extension

    def write_to(self, folder: Path) -> Path:
        """Write the bytes into `folder`, as `drawn.` and the format's extension, and return the path."""
        path = folder / f"drawn.{self.extension}"
        path.write_bytes(self.data)
        return path


def _expected(tensor: Placed) -> ExpectedTensor:
    canonical = tensor.canonical()
    return ExpectedTensor(
        name=tensor.name,
        dtype=tensor.element.name,
        shape=tuple(tensor.shape),
        sha256=hashlib.sha256(canonical).hexdigest(),
        at=tensor.at,
        storage_nbytes=tensor.storage_nbytes,
        byte_order=tensor.byte_order,
        storage_offset=tensor.storage_offset,
        stride=tuple(tensor.stride),
        source=MappingProxyType({"data": base64.b64encode(canonical).decode("ascii")}),
    )


@functools.cache
def _module(kind: str, form_name: str) -> Any:
    """The module of this room for a format; None where there is none."""
    name = f"endianproof.vectors._{kind}{form_name.replace('-', '_')}"
    return importlib.import_module(name) if importlib.util.find_spec(name) else None


def _encode(write: Mapping[str, Any], change: Mapping[str, Any] | None, form: Format) -> Encoded:
    encoded: Encoded = _module("", form.name).encode(write, change, form, load_spec())
    return encoded


def elements_of(form: Format, dtypes: Sequence[str] | None) -> list[ElementType]:
    """The format's element types, or those of them that are named. Raises ValueError where none is left."""
    types, drawer = load_spec().element_types, _module("draw_", form.name)
    written = drawer.dtypes(form) if hasattr(drawer, "dtypes") else form.element_types.values()
    own = dict.fromkeys(written)
    chosen = [types[name] for name in own if dtypes is None or name in dtypes]
    if not chosen:
        raise ValueError(f"{form.name} has none of {', '.join(dtypes or ())}; it has {', '.join(own)}")
    return chosen


def _is_small(write: Mapping[str, Any]) -> bool:
    sizes = [size for tensor in write.get("tensors", ()) for size in tensor.get("shape", ())]
    return all(type(size) is not int or size <= _MOST_ELEMENTS for size in sizes)


@functools.cache
def _siblings(form_name: str) -> tuple[Recipe, ...]:
    """The vectors that the specification writes and a conforming loader loads.

    Of a format that a loader may refuse as a whole, those that it loads if it reads the format.
    """
    found = [one for one in recipes(load_spec().formats[form_name]).values() if not one.template.large]
    written = [one for one in found if one.write and _is_small(one.write)]
    return tuple(one for one in written if one.template.verdict == "accept") or tuple(written)


@functools.cache
def _stated_changes(form_name: str) -> tuple[tuple[Recipe, Recipe], ...]:
    """The vectors that the specification makes by one change, each behind the sibling that it is made from."""
    found = recipes(load_spec().formats[form_name])
    derived = (one for one in found.values() if one.derived_from is not None and not one.template.large)
    return tuple((found[str(one.derived_from)], one) for one in derived)


@functools.cache
def _elements(form_name: str, dtypes: tuple[str, ...] | None) -> SearchStrategy[ElementType]:
    return st.sampled_from(elements_of(load_spec().formats[form_name], dtypes))


# Strategies are given names, not formats: Hypothesis shows them, and a format is sixty thousand characters.
def _write(draw: DrawFn, form: Format, dtypes: tuple[str, ...] | None) -> Mapping[str, Any]:
    drawer = _module("draw_", form.name)
    if drawer is not None:
        written: Mapping[str, Any] = drawer.write(draw, form, _elements(form.name, dtypes))
        return written
    siblings = _siblings(form.name)
    return siblings[draw(st.integers(0, len(siblings) - 1))].write or {}


@st.composite
def valid_file(draw: DrawFn, form_name: str, dtypes: tuple[str, ...] | None) -> File:
    """A file that every conforming loader of the format loads."""
    form = load_spec().formats[form_name]
    encoded = _encode(_write(draw, form, dtypes), None, form)
    return File(form_name, encoded.data, tuple(map(_expected, encoded.tensors)))


_Damaged = tuple[bytes, tuple[str, ...]]  # what a file became, and what was done to it


def _whole(_draw: DrawFn, write: Mapping[str, Any], form: Format) -> _Damaged:
    return _encode(write, None, form).data, ()


def _edited(draw: DrawFn, write: Mapping[str, Any], form: Format) -> _Damaged:
    """One edit of what only this format has: a token of a header, a record of an archive."""
    drawer = _module("draw_", form.name)
    if hasattr(drawer, "change"):
        change = drawer.change(draw, write, form)
        return _encode(write, change, form).data, (f"changed: {change}",)
    data = _encode(write, None, form).data
    if hasattr(drawer, "edit"):
        edited, said = drawer.edit(draw, data, form)
        return edited, (said,) if edited != data else ()
    return data, ()


def _changed(draw: DrawFn, write: Mapping[str, Any], form: Format) -> _Damaged:
    """A change that the specification states: of the drawn file where it fits, else of its own sibling."""
    stated = _stated_changes(form.name)
    sibling, derived = stated[draw(st.integers(0, len(stated) - 1))]
    said = (f"changed as in {derived.id}: {derived.description}",)
    try:
        return _encode(write, derived.change, form).data, said
    except (ValueError, LookupError, TypeError):  # it speaks of a tensor or a text that was not drawn
        assert sibling.write is not None, "siblings are written"
        return _encode(sibling.write, derived.change, form).data, said


# Two kinds of damage to what the format has for one to the bytes alone, which is noticed at the first look.
_WAYS = st.sampled_from((_whole, _edited, _changed))
_MORE, _FIRST = st.sampled_from((0, 0, 0, 1, 2)), st.integers(1, 2)


@st.composite
def damaged_file(draw: DrawFn, form_name: str, dtypes: tuple[str, ...] | None) -> File:
    """A valid file with one to three damages: of its bytes, of what only its format has, or as the spec states."""
    form = load_spec().formats[form_name]
    data, said = draw(_WAYS)(draw, _write(draw, form, dtypes), form)
    for _ in range(draw(_MORE if said else _FIRST)):
        one = damage(draw, len(data))
        data, said = one.apply(data), (*said, str(one))
    return File(form_name, data, None, said)
