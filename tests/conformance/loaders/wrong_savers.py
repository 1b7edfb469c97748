"""Savers of safetensors that are wrong on purpose, one way each, and `right`, which none of them is.

They take numpy arrays. `right` is written out here: a saver under test must not be the library's own.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

import numpy as np

NAMES = {
    "bool": "BOOL",
    "uint8": "U8",
    "int8": "I8",
    "uint16": "U16",
    "int16": "I16",
    "float16": "F16",
    "bfloat16": "BF16",
    "uint32": "U32",
    "int32": "I32",
    "float32": "F32",
    "uint64": "U64",
    "int64": "I64",
    "float64": "F64",
    "complex64": "C64",
}
HALVES = {"complex64": 4}


def _data(array, order="<"):
    """The elements in C order, each component in the given byte order, without a word of numpy's `byteswap`."""
    size = HALVES.get(array.dtype.name, array.dtype.itemsize)
    rows = (
        np.ascontiguousarray(array.view(f"V{array.dtype.itemsize}")).reshape(-1).view(np.uint8).reshape(-1, size)
    )
    native = array.dtype.byteorder in {"=", "|"} or array.dtype.isnative
    held = {"little": "<", "big": ">"}[sys.byteorder] if native else {"little": ">", "big": "<"}[sys.byteorder]
    return (rows if held == order else rows[:, ::-1]).tobytes()


def _file(arrays, data, name_of=lambda array: NAMES[array.dtype.name], padding=b" "):
    header, blobs, at = {}, [], 0
    for name, array in arrays.items():
        blob = data(array)
        header[name] = {"dtype": name_of(array), "shape": list(array.shape), "data_offsets": [at, at + len(blob)]}
        blobs.append(blob)
        at += len(blob)
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += padding * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + b"".join(blobs)


def _check(arrays):
    for name, array in arrays.items():
        if name == "__metadata__" or array.dtype.name not in NAMES:
            raise ValueError(f"cannot be saved: {name!r}, {array.dtype}")


def right(arrays, path):
    _check(arrays)
    Path(path).write_bytes(_file(arrays, _data))


def returns_bytes(arrays):
    _check(arrays)
    return _file(arrays, _data)


def big_endian(arrays, path):
    _check(arrays)
    Path(path).write_bytes(_file(arrays, lambda array: _data(array, ">")))


def native(arrays, path):
    """Right on a little-endian machine."""
    _check(arrays)
    Path(path).write_bytes(_file(arrays, lambda array: array.tobytes()))


def memory_as_it_lies(arrays, path):
    """From the first element on, without a look at strides; past the memory's end, what happens to be there."""
    _check(arrays)

    def data(array):
        base = array
        while isinstance(base.base, np.ndarray):
            base = base.base
        memory = base.reshape(-1).view(np.uint8).tobytes()
        first = array.__array_interface__["data"][0] - base.__array_interface__["data"][0]
        return memory[first : first + array.nbytes].ljust(array.nbytes, os.urandom(1))

    Path(path).write_bytes(_file(arrays, data))


def swaps_in_place(arrays, path):
    right(arrays, path)
    for array in arrays.values():
        if array.dtype.itemsize > 1 and array.size:
            octets = array.reshape(-1).view(np.uint8).reshape(-1, array.dtype.itemsize)
            octets[:] = octets[:, ::-1].copy()


def u16_for_bf16(arrays, path):
    _check(arrays)
    Path(path).write_bytes(_file(arrays, _data, lambda array: NAMES[array.dtype.name].replace("BF16", "U16")))


def through_float16(arrays, path):
    with np.errstate(all="ignore"):
        right(
            {n: a.astype(np.float16).astype(a.dtype) if a.dtype == np.float32 else a for n, a in arrays.items()},
            path,
        )


def nul_padding(arrays, path):
    _check(arrays)
    Path(path).write_bytes(_file(arrays, _data, padding=b"\0"))


def no_padding(arrays, path):
    _check(arrays)
    Path(path).write_bytes(_file(arrays, _data, padding=b""))


def truncated(arrays, path):
    _check(arrays)
    Path(path).write_bytes(_file(arrays, _data)[:-1])


def loses_one(arrays, path):
    right(dict(list(arrays.items())[:-1]), path)


def writes_nothing(arrays, path):
    _check(arrays)


def saves_everything(arrays, path):
    Path(path).write_bytes(_file(arrays, _data, lambda array: NAMES.get(array.dtype.name, "F64")))


calls = 0


def uninitialised(arrays, path):
    """Another byte at the end each time."""
    global calls  # noqa: PLW0603 (state between saves is the mistake)
    calls += 1
    _check(arrays)
    last = bytes([calls % 256])
    Path(path).write_bytes(_file(arrays, lambda array: _data(array)[:-1] + last if array.size else b""))


def leaves_a_stray(arrays, path):
    right(arrays, path)
    Path(f"{path}.lock").write_bytes(b"")


def refuses(arrays, path):
    raise TypeError("cannot save that")


def picky(arrays, path):
    if any(array.dtype.name == "bfloat16" for array in arrays.values()):
        raise NotImplementedError("no bfloat16 here")
    right(arrays, path)


def hangs(arrays, path):
    while True:
        time.sleep(60)


def crashes(arrays, path):
    os.abort()
