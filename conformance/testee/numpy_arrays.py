"""One numpy array to its elements, bits as they are: any strides, either byte order, ml_dtypes' types among them.

The array is viewed as opaque items (`V2`) before it is copied: ml_dtypes has swapped bytes wrongly (issue 311).
"""

from __future__ import annotations

import sys
from typing import Any

from endianproof.conformance.testee.canonical import BITS, CHUNK, SWAP_UNITS, Blocks, ConversionError, Elements

__all__ = ["elements_of_numpy"]

OTHER = {"little": "big", "big": "little"}


def _packed(numpy: Any, octets: Any, width: int) -> Any:
    """One element per byte, as ml_dtypes keeps narrow types, to elements without gaps."""
    bits = numpy.unpackbits(octets.reshape(-1, 1), axis=1, bitorder="little")[:, :width]
    return numpy.packbits(bits.ravel(), bitorder="little")


def _octets(numpy: Any, items: Any) -> Any:
    return numpy.ascontiguousarray(items).reshape(-1).view(numpy.uint8)


def _memory(numpy: Any, items: Any, width: int | None) -> memoryview | Blocks:
    """The bytes; parts of them are copied when they are needed where they are many and not contiguous."""
    if width:
        return memoryview(_packed(numpy, _octets(numpy, items), width))
    if items.nbytes <= CHUNK or items.flags.c_contiguous:
        return memoryview(_octets(numpy, items))
    return Blocks(items.shape, items.itemsize, lambda index: memoryview(_octets(numpy, items[index])))


def _unknown(dtype: Any) -> ConversionError:
    """What to do where numpy has the bytes and no type for them, as where nobody imported ml_dtypes."""
    message = f"a numpy array of dtype {dtype}, which is no element type of this protocol"
    if dtype.kind == "V" and dtype.names is None:
        message += (
            ": raw bytes. View them as the type that they are (ml_dtypes has bfloat16 and its like), or as an "
            "integer of that width, and say so: --accept=bfloat16=uint16"
        )
    return ConversionError(message)


def elements_of_numpy(numpy: Any, value: Any) -> Elements:
    """Return the elements of an array or numpy scalar of any shape, strides, byte order and dtype of SWAP_UNITS.

    Raises ConversionError for other dtypes: objects, strings, structures, dates, extended floats.
    """
    plain = numpy.asarray(value)
    name = plain.dtype.name
    if name not in SWAP_UNITS:
        raise _unknown(plain.dtype)
    items = plain.view(f"V{plain.dtype.itemsize}")
    return Elements(
        dtype=name,
        shape=tuple(int(length) for length in plain.shape),
        memory=_memory(numpy, items, BITS.get(name)),
        unit=SWAP_UNITS[name],
        byte_order=sys.byteorder if plain.dtype.isnative else OTHER[sys.byteorder],
        owner=items,
    )
