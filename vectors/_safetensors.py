"""Encodes safetensors files: a length, a JSON header, a buffer."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from endianproof.vectors._encoded import (
    Encoded,
    Placed,
    apply_file_change,
    c_strides,
    refuse_unknown,
    shape_of,
)
from endianproof.vectors._expand import put_in
from endianproof.vectors._patterns import codes_for, encode_all
from endianproof.vectors._sparse import join, plain, run
from endianproof.vectors._structs import pack_data

if TYPE_CHECKING:
    from endianproof.spec import Format, Spec
    from endianproof.vectors._sparse import Data

__all__ = ["encode"]

_WRITE = ("tensors", "metadata", "header_order", "padding", "length_modulo_8", "header_length")
_CHANGES = ("file", "header_bytes", "header_length", "header_text", "shift")
_TENSOR = (
    "name",
    "name_times",
    "spelt",
    "dtype",
    "shape",
    "shape_times",
    "values",
    "leading_zeros",
    "each",
    "residue",
)
_RESIDUES = 16  # the widest vector of bytes whose alignment a swap loop may ask for without masks


def _series(tensor: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The tensors that one entry describes: with `each`, one for each value of its variable."""
    if "each" not in tensor:
        return [tensor]
    [(variable, values)] = tensor["each"].items()
    if isinstance(values, Mapping):
        values = range(values["first"], values["last"] + 1)
    single = {key: value for key, value in tensor.items() if key != "each"}
    return [put_in(single, {variable: value}) for value in values]


def _place(tensor: Mapping[str, Any], start: int, skip: int, form: Format, spec: Spec) -> Placed:
    refuse_unknown(tensor, _TENSOR, "tensor")
    element = spec.element_types[tensor["dtype"]]
    shape = shape_of(tensor["shape"], element) * tensor.get("shape_times", 1)
    count = math.prod(shape)
    nbytes = element.nbytes(count)
    if nbytes is None:
        raise ValueError(f"{count} elements of {element.name} do not fill whole bytes")
    values = tensor["values"] if count else tensor.get("values", ())
    return Placed(
        name=tensor["name"] * tensor.get("name_times", 1),
        element=element,
        shape=shape,
        codes=codes_for(element, values, count, tensor.get("leading_zeros", 0), skip),
        byte_order=form.layout["byte_order"],
        at=start,
        storage_nbytes=nbytes,
        stride=c_strides(shape),
        pattern=values if isinstance(values, str) else None,
        skip=skip,
    )


def _place_all(write: Mapping[str, Any], form: Format, spec: Spec) -> list[Placed]:
    """The tensors one behind the other; within a series of one dtype, the values run on."""
    placed: list[Placed] = []
    at = 0
    for entry in write["tensors"]:
        skips: dict[str, int] = {}
        for tensor in _series(entry):
            at += _fill(placed, at, tensor, form, spec)
            placed.append(_place(tensor, at, skips.get(tensor["dtype"], 0), form, spec))
            skips[tensor["dtype"]] = placed[-1].skip + len(placed[-1].codes)
            at += placed[-1].storage_nbytes
    return placed


def _fill(placed: list[Placed], at: int, tensor: Mapping[str, Any], form: Format, spec: Spec) -> int:
    """Where a tensor asks for a residue, put bytes before it so that its offset leaves that over 16."""
    size = (tensor["residue"] - at) % _RESIDUES if "residue" in tensor else 0
    if size:
        filler = {"name": f"before-{tensor['name']}", "dtype": "uint8", "shape": [size], "values": "distinct"}
        placed.append(_place(filler, at, 0, form, spec))
    return size


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
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":"))
    for tensor in write["tensors"]:
        if "spelt" in tensor:
            text = text.replace(json.dumps(tensor["name"], ensure_ascii=False), f'"{tensor["spelt"]}"')
    return text


def _replaced(text: str, change: Mapping[str, Any]) -> str:
    if "replace" not in change:
        return text
    found = text.count(change["replace"])
    if found != 1:
        raise ValueError(f"{change['replace']!r} occurs {found} times in the header, once is needed: {text}")
    levels = change.get("brackets", 0)
    new = change["with"].replace("{brackets}", "[" * levels + "]" * levels)
    return text.replace(change["replace"], new * change.get("times", 1))


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


def _length(header: Data, how: Mapping[str, Any]) -> int:
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
    values: dict[str, Any] = {"header": header, "buffer": buffer}
    if "header_length" in change:
        values["header_length"] = _length(header, change["header_length"])
    data = pack_data(form.layout["seq"], values)
    start = len(data) - len(buffer)
    return Encoded(apply_file_change(data, change), tuple(tensor.moved(start + tensor.at) for tensor in placed))
