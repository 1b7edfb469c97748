"""Elements anywhere in memory, by address, shape and strides in bytes, gathered in C order without numpy."""

from __future__ import annotations

import ctypes
import itertools
import math
from typing import Any

__all__ = ["gathered"]


def _at(address: int, size: int, owner: Any) -> memoryview:
    octets = (ctypes.c_ubyte * size).from_address(address)
    octets.owner = owner  # type: ignore[attr-defined]  # the view keeps the octets, and they the memory
    return memoryview(octets).cast("B")


def gathered(
    address: int, shape: tuple[int, ...], strides: tuple[int, ...], itemsize: int, owner: Any
) -> memoryview:
    """The bytes of the elements; a view of the memory itself where they follow each other already."""
    if 0 in shape:
        return memoryview(b"")
    packed, run = len(shape), itemsize
    while packed and (strides[packed - 1] == run or shape[packed - 1] == 1):
        packed -= 1
        run *= shape[packed]
    if not packed:
        return _at(address, math.prod(shape) * itemsize, owner)
    places = itertools.product(*map(range, shape[:packed]))
    starts = (sum(index * step for index, step in zip(place, strides)) for place in places)  # noqa: B905 (Python 3.9)
    return memoryview(b"".join(ctypes.string_at(address + start, run) for start in starts))
