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
    from collections.abc import Iterator

__all__ = ["BITS", "SWAP_UNITS", "ConversionError", "Elements"]

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


def _swapped(piece: bytes, unit: int) -> bytes:
    items = array(_ITEM_CODES[unit])
    items.frombytes(piece)
    items.byteswap()
    return items.tobytes()


def _flipped(piece: bytes, mask: bytes) -> bytes:
    masks = int.from_bytes(mask * (len(piece) // len(mask)), "little")
    return (int.from_bytes(piece, "little") ^ masks).to_bytes(len(piece), "little")


@dataclass(frozen=True)
class Elements:
    """One tensor: what it is, and its elements in C order as they lie in memory.

    `memory` is bytes, `shape` elements, `unit` the swap unit in bytes, `byte_order` that of `memory`. `flip` is
    XORed onto each element's canonical bytes (the sign bits of a lazy conjugate or negative; its length divides
    theirs); `owner` keeps `memory` alive.
    """

    dtype: str
    shape: tuple[int, ...]
    memory: memoryview
    unit: int
    byte_order: str
    flip: bytes = b""
    owner: Any = None

    def __post_init__(self) -> None:
        if self.dtype in BITS and self.memory.nbytes != -(-math.prod(self.shape) * BITS[self.dtype] // 8):
            raise ConversionError(f"{self.memory.nbytes} bytes for {self.dtype} of shape {list(self.shape)}")

    def chunks(self) -> Iterator[bytes]:
        """Yield the canonical bytes, at most CHUNK at a time."""
        for start in range(0, self.memory.nbytes, CHUNK):
            piece = bytes(self.memory[start : start + CHUNK])
            if self.byte_order == "big" and self.unit > 1:
                piece = _swapped(piece, self.unit)
            yield _flipped(piece, self.flip) if self.flip else piece

    def base64(self) -> str:
        """The canonical bytes as base64."""
        return b"".join(base64.b64encode(chunk) for chunk in self.chunks()).decode("ascii")

    def sha256(self) -> str:
        """The hex digest of the canonical bytes, in memory bounded by CHUNK."""
        digest = hashlib.sha256()
        for chunk in self.chunks():
            digest.update(chunk)
        return digest.hexdigest()
