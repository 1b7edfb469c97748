"""One object with Python's buffer protocol to its elements: array.array, memoryview, ctypes arrays.

The format says the type, as the `struct` module writes it, and the byte order. There is none for bfloat16 and its
like: who has only this protocol gives their bits as integers, and the user says so (`--accept=bfloat16=uint16`).
"""

from __future__ import annotations

import sys
from typing import Any

from endianproof.conformance.testee.canonical import SWAP_UNITS, ConversionError, Elements

__all__ = ["elements_of_buffer", "is_buffer"]

ORDERS = {"<": "little", ">": "big", "!": "big", "=": sys.byteorder, "@": sys.byteorder}
# Kinds by their letters; the size says which of them it is, because that of `l` depends on the machine.
KINDS = {
    **dict.fromkeys("bhilqn", "int"),
    **dict.fromkeys("BHILQN", "uint"),
    **dict.fromkeys("efd", "float"),
    **dict.fromkeys(("Ze", "Zf", "Zd", "F", "D"), "complex"),
}
NAMES = {"?": "bool", "bfloat16": "bfloat16"}  # MLX writes its own type out, though struct has none


def is_buffer(value: Any) -> bool:
    """Whether a value has elements that it shows by the buffer protocol."""
    if isinstance(value, (bytes, bytearray)):
        return False  # they say nothing of elements
    try:
        memoryview(value).release()
    except (TypeError, ValueError, BufferError):
        return False
    return True


def elements_of_buffer(value: Any) -> Elements:
    """Return the elements of a buffer of any shape and strides. Raises ConversionError for other formats."""
    view = memoryview(value)
    shape = tuple(view.shape or ())
    order, letters = (view.format[0], view.format[1:]) if view.format[:1] in ORDERS else ("@", view.format)
    name = NAMES.get(letters) or f"{KINDS.get(letters, '')}{8 * view.itemsize}"
    if name not in SWAP_UNITS:
        raise ConversionError(
            f"a buffer of format {view.format!r}, which is no element type; expected one of struct's letters"
        )
    memory = view.cast("B") if view.c_contiguous and shape and 0 not in shape else None
    octets = memory if memory is not None else memoryview(view.tobytes())
    return Elements(name, shape, octets, SWAP_UNITS[name], ORDERS[order], owner=view)
