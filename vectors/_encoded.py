"""What every format's encoder returns, and the changes that all formats share."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from endianproof.spec import load_spec
from endianproof.vectors._codes import ByteOrder, special_codes
from endianproof.vectors._patterns import encode_all
from endianproof.vectors._sparse import plain

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from endianproof.spec import ElementType
    from endianproof.vectors._sparse import Data

__all__ = ["Encoded", "Placed", "apply_file_change", "c_strides", "refuse_unknown", "shape_of"]


@dataclass(frozen=True)
class Placed:
    """A tensor as the file holds it. `at` and `storage_nbytes` are bytes, the rest elements.

    `codes` are the logical elements in C order; `pattern` names them where the specification does, and `skip` says
    how many codes of the pattern were left out before them.
    """

    name: str
    element: ElementType
    shape: tuple[int, ...]
    codes: Sequence[int]
    byte_order: ByteOrder
    at: int = 0
    storage_nbytes: int = 0
    storage_offset: int = 0
    stride: tuple[int, ...] = ()
    pattern: str | None = None
    skip: int = 0

    def contents(self) -> Data:
        """The canonical bytes of the logical elements, very many zeros among them as a run."""
        return encode_all(self.element, self.codes, _canonical_order())

    def canonical(self) -> bytes:
        """The canonical bytes of the logical elements. Raises ValueError where they are too many."""
        return plain(self.contents())

    def moved(self, at: int) -> Placed:
        """The same, its storage at another byte of the file."""
        return replace(self, at=at)


@dataclass(frozen=True)
class Encoded:
    """A file's bytes, and the tensors that a conforming loader finds in it."""

    contents: Data
    tensors: tuple[Placed, ...] = field(default_factory=tuple)

    @property
    def data(self) -> bytes:
        """The bytes of a file that is not large. Raises ValueError for one that is."""
        return plain(self.contents)


def _canonical_order() -> ByteOrder:
    return "little" if load_spec().canonical_byte_order == "little" else "big"


def shape_of(sizes: Sequence[int | str], element: ElementType) -> tuple[int, ...]:
    """A shape in elements; `bits` and `special` stand for the numbers that the element type gives them."""
    named = {"bits": lambda: element.bits, "special": lambda: len(special_codes(element))}
    return tuple(named[size]() if isinstance(size, str) else size for size in sizes)


def c_strides(shape: Sequence[int]) -> tuple[int, ...]:
    """Strides, in elements, of a C-contiguous tensor."""
    return tuple(math.prod(shape[axis + 1 :]) for axis in range(len(shape)))


def refuse_unknown(entry: Mapping[str, Any], known: Sequence[str], what: str) -> None:
    """Refuse a key that an encoder would silently leave out. Raises ValueError."""
    for key in entry:
        if key not in known:
            raise ValueError(f"{what}: {key!r} is not known here; there are {', '.join(known)}")


_FILE_CHANGES: Mapping[str, Callable[[Data, Any], Data]] = {
    "keep": lambda data, count: data[:count],
    "cut": lambda data, count: data[: len(data) - count],
    "append": lambda data, digits: data + bytes.fromhex(digits),
    "prepend": lambda data, digits: bytes.fromhex(digits) + data,
}


def apply_file_change(data: Data, change: Mapping[str, Any] | None) -> Data:
    """Apply a change of the finished file: keep the first bytes, cut off the last, append or prepend some."""
    for kind, value in (change or {}).get("file", {}).items():
        data = _FILE_CHANGES[kind](data, value)
    return data
