"""Reads safetensors files as numpy arrays."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np

__all__ = ["FormatError", "load"]

MAX_HEADER = 100_000_000
MAX_INTEGER = 2**64 - 1

DTYPES = {
    "BOOL": np.bool_,
    "U8": np.uint8,
    "I8": np.int8,
    "U16": np.uint16,
    "I16": np.int16,
    "F16": np.float16,
    "U32": np.uint32,
    "I32": np.int32,
    "F32": np.float32,
    "U64": np.uint64,
    "I64": np.int64,
    "F64": np.float64,
    "C64": np.complex64,
}
NOT_IN_NUMPY = {
    "BF16",
    "F4",
    "F6_E2M3",
    "F6_E3M2",
    "F8_E4M3",
    "F8_E4M3FNUZ",
    "F8_E5M2",
    "F8_E5M2FNUZ",
    "F8_E8M0",
}


class FormatError(ValueError):
    """The file is no safetensors file."""


def _need(fact: bool, otherwise: str) -> None:
    if not fact:
        raise FormatError(otherwise)


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    _need(len(found) == len(pairs), "a key occurs twice")
    return found


def _no_constant(name: str) -> None:
    raise FormatError(f"{name} is no JSON")


def _header(data: bytes) -> tuple[dict, bytes]:
    _need(len(data) >= 8, "the file is shorter than 8 bytes")
    length = int.from_bytes(data[:8], "little")
    _need(length <= MAX_HEADER, "the header is too long")
    _need(8 + length <= len(data), "the file ends before its header does")
    text = data[8 : 8 + length].decode("utf-8")
    _need(text.startswith("{"), "the header does not begin with {")
    header = json.loads(text.rstrip(" "), object_pairs_hook=_object, parse_constant=_no_constant)
    metadata = header.pop("__metadata__", {})
    _need(isinstance(metadata, dict), "the metadata is no map")
    _need(all(isinstance(value, str) for value in metadata.values()), "the metadata is no map of strings")
    return header, data[8 + length :]


def _integers(value: object) -> list[int]:
    _need(isinstance(value, list), "an array of integers was expected")
    _need(all(type(item) is int and 0 <= item <= MAX_INTEGER for item in value), "no size or offset")
    return value


def _tensor(entry: dict, buffer: bytes) -> tuple[int, int, np.ndarray]:
    _need(isinstance(entry, dict), "a tensor's entry is no object")
    dtype, shape = entry["dtype"], _integers(entry["shape"])
    begin, end = _integers(entry["data_offsets"])
    if dtype in NOT_IN_NUMPY:
        raise NotImplementedError(f"numpy has no {dtype}")
    _need(dtype in DTYPES, "unknown dtype")
    data = buffer[begin:end]
    array = np.frombuffer(data, DTYPES[dtype])
    _need(end - begin == len(data) == math.prod(shape) * array.itemsize, "offsets and shape disagree")
    return begin, end, array.reshape(shape)


def load(path: str | Path) -> dict[str, np.ndarray]:
    """The tensors of a file, by name. Raises FormatError, or another ValueError, for what is no safetensors file."""
    header, buffer = _header(Path(path).read_bytes())
    found = {name: _tensor(entry, buffer) for name, entry in header.items()}
    reached = 0
    for begin, end in sorted((begin, end) for begin, end, _ in found.values()):
        _need(begin == reached, "tensors overlap, or leave a gap")
        reached = end
    return {name: array for name, (_, _, array) in found.items()}
