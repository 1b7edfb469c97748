"""What a diagnosis works on: one tensor that came back wrong, and what a mistake would have made of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from endianproof.conformance.elements import Codes, Flags, codes_of, parts_of, swap_codes

if TYPE_CHECKING:
    import numpy.typing as npt

    from endianproof.spec import ElementType
    from endianproof.vectors import ExpectedTensor

__all__ = ["Candidate", "Case", "Mistake"]


@dataclass(frozen=True)
class Case:
    """One tensor whose values are not the expected ones.

    `expected` and `found` are codes (`endianproof.conformance.elements`), equally many. `scalar` is the type of
    one code: the element's own, or a complex element's component. `file` is the whole golden file, empty where it
    is too large to be looked through; `siblings` are the vector's other tensors; `machine_order` is the testee's
    byte order, "" where it is unknown.
    """

    tensor: ExpectedTensor
    element: ElementType
    scalar: ElementType
    expected: Codes
    found: Codes
    file: bytes = b""
    siblings: tuple[ExpectedTensor, ...] = ()
    machine_order: str = ""

    @property
    def parts(self) -> int:
        """Codes per element."""
        return parts_of(self.element)

    @property
    def count(self) -> int:
        """Elements in the tensor."""
        return len(self.expected) // self.parts

    @cached_property
    def differing(self) -> Flags:
        """Which codes differ."""
        differing: Flags = self.expected != self.found
        return differing

    @property
    def views(self) -> int:
        """How many of the file's tensors lie in this one's storage, itself among them."""
        mine = self.tensor.at, self.tensor.storage_nbytes
        return 1 + sum((other.at, other.storage_nbytes) == mine for other in self.siblings)

    def from_file(self, start: int, strides: tuple[int, ...]) -> Codes | None:
        """The codes of a tensor of this shape, read from byte `start` of the file with `strides` in elements.

        None where that leaves the file, or for elements narrower than a byte, which have no address.
        """
        if self.element.bits % 8 or not self.count:
            return None
        return self.at_places(np.int64(start) + element_places(self.tensor.shape, strides) * self.element.itemsize)

    def at_places(self, places: npt.NDArray[np.int64]) -> Codes | None:
        """The codes of elements that begin at these bytes of the file; None where one leaves it."""
        if places.min() < 0 or places.max() + self.element.itemsize > len(self.file):
            return None
        raw = np.frombuffer(self.file, dtype=np.uint8)
        rows = raw[places[:, None] + np.arange(self.element.itemsize)]
        codes = codes_of(rows.tobytes(), self.element)
        return swap_codes(codes) if self.tensor.byte_order == "big" else codes


def element_places(shape: tuple[int, ...], strides: tuple[int, ...]) -> npt.NDArray[np.int64]:
    """For every element in C order, how many elements after the first it lies in its storage."""
    places = np.zeros((1,), dtype=np.int64)
    for size, stride in zip(shape, strides, strict=True):
        places = (places[:, None] + np.arange(size, dtype=np.int64) * stride).ravel()
    return places


@dataclass(frozen=True)
class Candidate:
    """What one mistake would have made of a case.

    `detail` fills the place for it in the mistake's sentence. Codes flagged in `unspecified` may come out as
    anything (a NaN on its way through another type), so they neither speak for the mistake nor against it.
    """

    codes: Codes
    detail: str = ""
    unspecified: Flags = field(default_factory=lambda: np.zeros((), dtype=np.bool_))


Produce: TypeAlias = Callable[[Case], Iterator[Candidate]]


@dataclass(frozen=True)
class Mistake:
    """A known mistake. `name` is permanent (baselines hold it), `sentence` opens the report, `advice` ends it."""

    name: str
    sentence: str
    advice: str
    produce: Produce
