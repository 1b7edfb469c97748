"""From elements as they lie in memory to canonical bytes: C order, each element little-endian.

Bytes are only moved, never read as numbers: a conversion by value is the kind of mistake this project looks for.
"""

from __future__ import annotations

import base64
import hashlib
import math
from array import array
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["BITS", "CHUNK", "SWAP_UNITS", "Blocks", "ConversionError", "Elements"]

# Swap units in bytes of the element types that frameworks share by name. Written out here, because the testee's
# side has no YAML reader; the runner proves them from the specification (`endianproof.conformance.proof`).
SWAP_UNITS = {
    **dict.fromkeys(("bool", "uint8", "int8"), 1),
    **dict.fromkeys(("uint16", "int16", "float16", "bfloat16", "complex32", "bcomplex32"), 2),
    **dict.fromkeys(("uint32", "int32", "float32", "complex64"), 4),
    **dict.fromkeys(("uint64", "int64", "float64", "complex128"), 8),
    **dict.fromkeys(("float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "float8_e5m2fnuz", "float8_e8m0fnu"), 1),
    **dict.fromkeys(("float8_e3m4", "float8_e4m3", "float8_e4m3b11fnuz"), 1),
    **dict.fromkeys(("float6_e2m3fn", "float6_e3m2fn", "float4_e2m1fn"), 1),
    **dict.fromkeys(("int1", "uint1", "int2", "uint2", "int4", "uint4"), 1),
}

# Widths in bits of the types narrower than a byte. Canonical bytes pack them without gaps, from the least
# significant bit of the first byte up.
BITS = {
    **dict.fromkeys(("float6_e2m3fn", "float6_e3m2fn"), 6),
    **dict.fromkeys(("float4_e2m1fn", "int4", "uint4"), 4),
    **dict.fromkeys(("int2", "uint2"), 2),
    **dict.fromkeys(("int1", "uint1"), 1),
}

# Bytes handled at a time: whole base64 groups (3) of whole elements (up to 16).
CHUNK = 3 << 20

# `array` reverses the bytes of its items whatever they mean.
_ITEM_CODES = {2: "H", 4: "I", 8: "Q"}


class ConversionError(Exception):
    """What the loader returned cannot be read as tensors. The message says what was found and expected."""


def _swapped(piece: memoryview, unit: int) -> memoryview:
    items = array(_ITEM_CODES[unit])
    items.frombytes(piece)
    items.byteswap()
    return memoryview(items).cast("B")


def _flipped(piece: memoryview, mask: bytes) -> bytes:
    masks = int.from_bytes(mask * (len(piece) // len(mask)), "little")
    return (int.from_bytes(piece, "little") ^ masks).to_bytes(len(piece), "little")


def _cut(shape: tuple[int, ...], itemsize: int) -> Iterator[tuple[tuple[Any, ...], int]]:
    """Indexes that cut an array, in C order, into parts of at most CHUNK bytes; and the bytes of each."""
    row = itemsize * math.prod(shape[1:])
    if not shape or row * shape[0] <= CHUNK:
        yield (), itemsize * math.prod(shape)
    elif row <= CHUNK:
        step = CHUNK // row
        for start in range(0, shape[0], step):
            yield (slice(start, start + step),), row * min(step, shape[0] - start)
    else:
        for number in range(shape[0]):
            for index, size in _cut(shape[1:], itemsize):
                yield (number, *index), size


@dataclass(frozen=True)
class Blocks:
    """Memory whose elements do not follow each other, as a view of an array of `shape`, of `itemsize` bytes each.

    `copied` returns the bytes of a part of it, given its index: so no more than a part is ever copied at once.
    """

    shape: tuple[int, ...]
    itemsize: int
    copied: Callable[[tuple[Any, ...]], memoryview]

    @property
    def nbytes(self) -> int:
        """How many bytes the elements are."""
        return self.itemsize * math.prod(self.shape)

    def pieces(self, start: int, stop: int) -> Iterator[memoryview]:
        """Yield the bytes from `start` to `stop`, in parts. Raises ConversionError where one cannot be copied."""
        at = 0
        for index, size in _cut(self.shape, self.itemsize):
            if at < stop and at + size > start:
                yield self._part(index)[max(start - at, 0) : stop - at]
            at += size

    def _part(self, index: tuple[Any, ...]) -> memoryview:
        try:
            return self.copied(index)
        except MemoryError:
            raise
        except Exception as error:  # whatever a framework raises for a view: no fault of the loader's
            message = f"a part could not be read bit by bit: {type(error).__name__}: {error}"
            raise ConversionError(message) from error


@dataclass(frozen=True)
class Elements:
    """One tensor: what it is, and its elements in C order as they lie in memory.

    `memory` is bytes, `shape` elements, `unit` the swap unit in bytes, `byte_order` that of `memory`. `flip` is
    XORed onto each element's canonical bytes (the sign bits of a lazy conjugate or negative; its length divides
    theirs); `owner` keeps `memory` alive.
    """

    dtype: str
    shape: tuple[int, ...]
    memory: memoryview | Blocks
    unit: int
    byte_order: str
    flip: bytes = b""
    owner: Any = None

    def __post_init__(self) -> None:
        if self.dtype in BITS and self.memory.nbytes != -(-math.prod(self.shape) * BITS[self.dtype] // 8):
            raise ConversionError(f"{self.memory.nbytes} bytes for {self.dtype} of shape {list(self.shape)}")

    @property
    def nbytes(self) -> int:
        """How many canonical bytes there are."""
        return self.memory.nbytes

    def _pieces(self, start: int, stop: int) -> Iterator[memoryview]:
        if isinstance(self.memory, Blocks):
            yield from self.memory.pieces(start, stop)
            return
        for at in range(start, stop, CHUNK):
            yield self.memory[at : min(at + CHUNK, stop)]

    def chunks(self, start: int = 0, stop: int | None = None) -> Iterator[bytes | memoryview]:
        """Yield the canonical bytes, at most CHUNK at a time; those from `start` to `stop`, between elements."""
        for piece in self._pieces(start, self.nbytes if stop is None else stop):
            swapped = _swapped(piece, self.unit) if self.byte_order == "big" and self.unit > 1 else piece
            yield _flipped(swapped, self.flip) if self.flip else swapped

    def base64(self, start: int = 0, stop: int | None = None) -> str:
        """The canonical bytes as base64, or those from `start` to `stop`."""
        return base64.b64encode(b"".join(self.chunks(start, stop))).decode("ascii")

    def sha256(self, start: int = 0, stop: int | None = None) -> str:
        """The hex digest of the canonical bytes, or of those from `start` to `stop`, in memory of CHUNK bytes."""
        digest = hashlib.sha256()
        for chunk in self.chunks(start, stop):
            digest.update(chunk)
        return digest.hexdigest()
