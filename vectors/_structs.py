"""Writes the sequences of fields that the specification describes in Kaitai Struct's words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from endianproof.vectors._sparse import Sparse, join, plain

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from endianproof.vectors._sparse import Data

__all__ = ["pack", "pack_data", "pack_integer", "size_of"]


def pack_integer(kind: str, value: int) -> bytes:
    """An integer of a Kaitai type: u or s, its size in bytes, le or be (u1 and s1 have none)."""
    size = int(kind[1])
    return (value % (1 << 8 * size)).to_bytes(size, "big" if kind.endswith("be") else "little")


def size_of(fields: Sequence[Mapping[str, Any]]) -> int:
    """The bytes that fields take without those whose size another field says."""
    sizes = [len(entry["contents"]) for entry in fields if "contents" in entry]
    sizes += [int(entry["type"][1]) for entry in fields if "type" in entry]
    sizes += [entry["size"] for entry in fields if isinstance(entry.get("size"), int)]
    return sum(sizes)


def _field(entry: Mapping[str, Any], values: Mapping[str, Any]) -> Data:
    if "contents" in entry:
        return bytes(entry["contents"])
    if "type" in entry:
        return pack_integer(entry["type"], entry["value"] if "value" in entry else values[entry["id"]])
    value, size = values[entry["id"]] if "id" in entry else b"", entry.get("size")
    if not isinstance(size, int):
        return value if isinstance(value, Sparse) else bytes(value)
    if len(value) > size:
        raise ValueError(f"{len(value)} bytes are more than the {size} of {entry['id']}")
    return bytes(value).ljust(size, b"\0")


def pack_data(fields: Sequence[Mapping[str, Any]], values: Mapping[str, Any]) -> Data:
    """The bytes of all fields: of those with an id the values, of the others what they always hold.

    Lengths follow from what they count; a field of a fixed size is filled with zeros. Raises ValueError for a
    field without a value, for a value that no field takes, and for one that is too long for its field.
    """
    sized = [entry for entry in fields if isinstance(entry.get("size"), str)]
    counted = {entry["size"]: len(values.get(entry.get("id", ""), b"")) for entry in sized}
    known = {entry["id"] for entry in fields if "id" in entry}
    given = {**counted, **values}
    if given.keys() != known:
        missing, extra = sorted(known - given.keys()), sorted(given.keys() - known)
        raise ValueError(f"no field for {extra}, no value for {missing}")
    return join(_field(entry, given) for entry in fields)


def pack(fields: Sequence[Mapping[str, Any]], values: Mapping[str, Any]) -> bytes:
    """The same, of fields that hold plain bytes."""
    return plain(pack_data(fields, values))
