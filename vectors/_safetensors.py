"""Encodes safetensors files: a length, a JSON header, a buffer."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

from endianproof.vectors._encoded import (
    Encoded,
    Placed,
    apply_file_change,
    c_strides,
    refuse_unknown,
    shape_of,
)
from endianproof.vectors._patterns import codes_for, encode_all
from endianproof.vectors._sparse import join, plain, run
from endianproof.vectors._structs import pack_data

if TYPE_CHECKING:
    from collections.abc import Mapping

    from endianproof.spec import Format, Spec
    from endianproof.vectors._sparse import Data

__all__ = ["encode"]

_WRITE = ("tensors", "metadata", "header_order", "padding", "length_modulo_8", "header_length")
_CHANGES = ("file", "header_bytes", "header_length", "header_text", "shift")


def _place(tensor: Mapping[str, Any], start: int, form: Format, spec: Spec) -> Placed:
    refuse_unknown(tensor, ("name", "dtype", "shape", "values", "leading_zeros"), "tensor")
    element = spec.element_types[tensor["dtype"]]
    shape = shape_of(tensor["shape"], element)
    count = math.prod(shape)
    nbytes = element.nbytes(count)
    if nbytes is None:
        raise ValueError(f"{count} elements of {element.name} do not fill whole bytes")
    return Placed(
        name=tensor["name"],
        element=element,
        shape=shape,
        codes=codes_for(element, tensor["values"], count, tensor.get("leading_zeros", 0)),
        byte_order=form.layout["byte_order"],
        at=start,
        storage_nbytes=nbytes,
        stride=c_strides(shape),
        pattern=tensor["values"] if isinstance(tensor["values"], str) else None,
    )


def _place_all(write: Mapping[str, Any], form: Format, spec: Spec) -> list[Placed]:
    placed: list[Placed] = []
    for tensor in write["tensors"]:
        start = placed[-1].at + placed[-1].storage_nbytes if placed else 0
        placed.append(_place(tensor, start, form, spec))
    return placed


def _shifted(offsets: dict[str, list[int]], buffer: Data, change: Mapping[str, Any]) -> Data:
    """Move tensors, and keep the buffer's length right: bytes that nobody owns, or the last ones gone."""
    by = change["by"]
    start = offsets[change["tensors"][0]][0]
    for name in change["tensors"]:
        offsets[name] = [offset + by for offset in offsets[name]]
    return buffer[:start] + b"\xee" * by + buffer[start:] if by > 0 else buffer[:by]


def _header_text(
    write: Mapping[str, Any], placed: list[Placed], offsets: Mapping[str, list[int]], form: Format
) -> str:
    names = {element: name for name, element in form.element_types.items()}
    keys = form.layout["entry_keys"]
    entries = {
        tensor.name: {
            keys["dtype"]: names[tensor.element.name],
            keys["shape"]: list(tensor.shape),
            keys["offsets"]: offsets[tensor.name],
        }
        for tensor in placed
    }
    header: dict[str, Any] = {}
    if "metadata" in write:
        header[form.layout["metadata_key"]] = dict(write["metadata"])
    for name in write.get("header_order", list(entries)):
        header[name] = entries[name]
    return json.dumps(header, ensure_ascii=False, separators=(",", ":"))


def _replaced(text: str, change: Mapping[str, Any]) -> str:
    if "replace" not in change:
        return text
    found = text.count(change["replace"])
    if found != 1:
        raise ValueError(f"{change['replace']!r} occurs {found} times in the header, once is needed: {text}")
    return text.replace(change["replace"], change["with"] * change.get("times", 1))


def _padded(header: bytes, write: Mapping[str, Any], form: Format) -> Data:
    layout = form.layout
    padding: int = -len(header) % layout["alignment"]
    if "padding" in write:
        padding = write["padding"]
    elif "length_modulo_8" in write:
        padding = (write["length_modulo_8"] - len(header)) % 8
    elif "header_length" in write:
        padding = write["header_length"] - len(header)
    return header + run(layout["padding_byte"], padding)


def _changed_bytes(header: Data, change: Mapping[str, Any]) -> Data:
    text, raw = change.get("header_text", {}), change.get("header_bytes", {})
    if "replace" in raw:
        header = plain(header).replace(bytes.fromhex(raw["replace"]), bytes.fromhex(raw["with"]), raw["count"])
    prefix: bytes = text.get("prefix", "").encode() + bytes.fromhex(raw.get("prefix", ""))
    suffix: bytes = text.get("suffix", "").encode() + bytes.fromhex(raw.get("suffix", ""))
    return prefix + header + suffix


def _length(header: Data, change: Mapping[str, Any]) -> int:
    how = change.get("header_length", {})
    length = int(how.get("set", len(header) + how.get("add", 0)))
    return int.from_bytes(length.to_bytes(8, "little"), "big") if how.get("byte_order") == "big" else length


def encode(write: Mapping[str, Any], change: Mapping[str, Any] | None, form: Format, spec: Spec) -> Encoded:
    """The file that `write` describes, with at most one change. Raises ValueError for what it does not know."""
    change = change or {}
    refuse_unknown(write, _WRITE, "write")
    refuse_unknown(change, _CHANGES, "change")
    placed = _place_all(write, form, spec)
    buffer = join(encode_all(t.element, t.codes, t.byte_order) for t in placed)
    offsets = {tensor.name: [tensor.at, tensor.at + tensor.storage_nbytes] for tensor in placed}
    if "shift" in change:
        buffer = _shifted(offsets, buffer, change["shift"])
    text = _replaced(_header_text(write, placed, offsets, form), change.get("header_text", {}))
    header = _changed_bytes(_padded(text.encode(), write, form), change)
    values = {"header_length": _length(header, change), "header": header, "buffer": buffer}
    data = pack_data(form.layout["seq"], values)
    start = len(data) - len(buffer)
    return Encoded(apply_file_change(data, change), tuple(tensor.moved(start + tensor.at) for tensor in placed))
