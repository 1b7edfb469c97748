"""Loaders with one planted fault each, which no plain file shows. The reference does the reading."""

from __future__ import annotations

import math
from dataclasses import replace

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


def accepts_broken_json(path):
    """Take a header that is no JSON for an empty one."""
    try:
        return load(path)
    except SpecViolation as violation:
        if violation.rule != "ST-JSON-01":
            raise
        return {}


def refuses_everything(path):
    raise ValueError("no")
