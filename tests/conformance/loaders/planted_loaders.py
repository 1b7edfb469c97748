"""Loaders with one planted fault each, which no plain file shows. The reference does the reading."""

from __future__ import annotations

import json
import math
import os
import tempfile
from dataclasses import replace
from pathlib import Path

from endianproof.reference import SpecViolation, load


class Words:
    """A tensor in the form of the reference's own."""

    def __init__(self, tensor, data):
        self.dtype, self.shape, self.canonical = tensor.dtype, tensor.shape, bytes(data)


def good(path):
    return load(path)


def swaps_the_tail(path):
    """Read one element more than 8, 16, ... in the other byte order, as a loop of 8 with a wrong tail does."""
    found = {}
    for name, tensor in load(path).items():
        data, unit = bytes(tensor.canonical), tensor.element.swap_unit
        numel = math.prod(tensor.shape)
        if numel > 8 and numel % 8 == 1:
            data = data[:-unit] + data[-unit:][::-1]
        found[name] = Words(tensor, data)
    return found


def ignores_strides(path):
    """Take the elements one after another, wherever the strides lead; behind the storage's end are zeros."""
    found = {}
    for name, tensor in load(path).items():
        tensor.storage.verify()
        start = tensor.storage_offset * tensor.element.bits // 8
        stored = bytes(tensor.storage.data[start : start + tensor.nbytes]).ljust(tensor.nbytes, b"\0")
        storage = replace(tensor.storage, data=memoryview(stored))
        flat = replace(tensor, storage=storage, storage_offset=0, stride=None)
        found[name] = Words(tensor, flat.canonical)
    return found


def accepts_trailing_bytes(path):
    """Ignore what stands behind the last tensor."""
    try:
        return load(path)
    except SpecViolation as violation:
        if violation.rule != "ST-OFF-02":
            raise
        data = Path(path).read_bytes()
        length = int.from_bytes(data[:8], "little")
        entries = json.loads(data[8 : 8 + length])
        end = max((e["data_offsets"][1] for n, e in entries.items() if n != "__metadata__"), default=0)
        if len(data) < 8 + length + end:
            raise
    with tempfile.NamedTemporaryFile(suffix=".safetensors") as file:
        file.write(data[: 8 + length + end])
        file.flush()
        return {name: Words(tensor, tensor.canonical) for name, tensor in load(file.name).items()}


def crashes_on_empty_tensors(path):
    tensors = load(path)
    if any(0 in tensor.shape for tensor in tensors.values()):
        os.abort()
    return tensors


def refuses_everything(path):
    raise ValueError("no")
