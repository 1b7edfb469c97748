"""One tinygrad tensor to its elements, viewed as integers of its swap unit.

tinygrad is lazy: a tensor of a file is read when it is looked at, and what fails then is its refusal of the file.
"""

from __future__ import annotations

import math
import sys
from typing import Any

from endianproof.conformance.testee.canonical import SWAP_UNITS, ConversionError, Elements

__all__ = ["elements_of_tinygrad", "own_name"]

_OWN_NAMES = {
    "float8_e4m3fn": "fp8e4m3",
    "float8_e5m2": "fp8e5m2",
    "float8_e4m3fnuz": "fp8e4m3fnuz",
    "float8_e5m2fnuz": "fp8e5m2fnuz",
}


def own_name(name: str) -> str:
    """What tinygrad calls an element type of the protocol."""
    return _OWN_NAMES.get(name, name)


def elements_of_tinygrad(tinygrad: Any, tensor: Any) -> Elements:
    """Return a tensor's elements. Raises ConversionError for an unknown dtype, and what reading the file raises.

    A tensor that is still a part of its file is read there: that needs no device that can compute.
    """
    dtypes = tinygrad.dtypes
    known = {name: getattr(dtypes, own_name(name), None) for name in SWAP_UNITS}
    name = next((name for name, dtype in known.items() if dtype is not None and dtype == tensor.dtype), None)
    if name is None:
        raise ConversionError(
            f"a tinygrad tensor of dtype {tensor.dtype}, which is no element type of this protocol"
        )
    unit = SWAP_UNITS[name]
    shape = tuple(int(length) for length in tensor.shape)
    whole = tensor if str(tensor.device).startswith("DISK") else tensor.contiguous().realize()
    items = whole.reshape(-1).bitcast(getattr(dtypes, f"uint{8 * unit}"))
    octets = bytes(items.data()) if math.prod(shape) else b""
    return Elements(name, shape, memoryview(octets), unit, sys.byteorder, owner=octets)
