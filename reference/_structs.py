"""Reads the sequences of fields that the specification describes in Kaitai Struct's words."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["Truncated", "read_fields", "read_integer"]


class Truncated(ValueError):  # noqa: N818 (a state of the data, not a fault of the program)
    """The bytes end before the fields do, or a signature is another: `offset` is where."""

    def __init__(self, offset: int, what: str) -> None:
        super().__init__(what)
        self.offset = offset


@functools.cache
def _kind(kind: str) -> tuple[int, Literal["little", "big"], bool]:
    """The size in bytes, the byte order and the signedness that a Kaitai type says."""
    return int(kind[1]), "big" if kind.endswith("be") else "little", kind[0] == "s"


def read_integer(kind: str, data: memoryview, at: int) -> tuple[int, int]:
    """The integer of a Kaitai type (`u4le`, `s1`, ...) at a byte, and the byte after it. Raises Truncated."""
    size, order, signed = _kind(kind)
    end = at + size
    if end > len(data):
        raise Truncated(at, f"{len(data) - at} bytes where {kind} needs {size}")
    return int.from_bytes(data[at:end], order, signed=signed), end


def _read_field(
    field: Mapping[str, Any], values: Mapping[str, Any], data: memoryview, at: int
) -> tuple[int | memoryview, int]:
    """A field's value, and the byte after it; `values` are those of the fields before it."""
    if "type" in field:
        return read_integer(field["type"], data, at)
    contents = bytes(field["contents"]) if "contents" in field else None
    size = len(contents) if contents is not None else field["size"]
    size = values[size] if isinstance(size, str) else size
    piece = data[at : at + size]
    if len(piece) < size or (contents is not None and piece != contents):
        what = field.get("id", field.get("doc"))
        raise Truncated(at, f"{bytes(piece[:8]).hex() or 'nothing'} where {what} should be")
    return piece, at + size


def read_fields(fields: Sequence[Mapping[str, Any]], data: memoryview, at: int) -> tuple[dict[str, Any], int]:
    """The values of a sequence of fields by their ids, and the byte after the last. Raises Truncated.

    Of fields without an id, `contents` must be there; another writer may have another `value`.
    """
    values: dict[str, Any] = {}
    for field in fields:
        value, at = _read_field(field, values, data, at)
        if "id" in field:
            values[field["id"]] = value
    return values, at
