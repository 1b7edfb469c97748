"""Where a tensor came back wrong: the elements that differ, and the bytes of the file they came from."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from endianproof.conformance.diagnosis import Case, Explanation, explain
from endianproof.conformance.elements import codes_of, scalar_of, show, values_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt

    from endianproof.conformance.elements import Codes
    from endianproof.spec import ElementType
    from endianproof.vectors import ExpectedTensor

__all__ = ["Difference", "Place", "Window", "compare"]

PLAIN_DIGITS, EXACT_DIGITS = 5, 17
SHOWN_BYTES = 16


def _index(place: int, shape: tuple[int, ...]) -> list[int]:
    """The index of an element by its place in C order; numpy's own way ends at 64 dimensions."""
    index = []
    for size in reversed(shape):
        place, along = divmod(place, size)
        index.append(along)
    return index[::-1]


@dataclass(frozen=True)
class Place:
    """Where a tensor's elements lie in a file or in memory: storage's first byte; offset, strides in elements."""

    file: bytes | memoryview
    at: int
    storage_offset: int
    stride: tuple[int, ...]
    byte_order: str
    label: str = "in file"


@dataclass(frozen=True)
class Window:
    """The part of a long tensor that was looked at: from which element on, in C order, of what shape."""

    start: int
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Difference:
    """One tensor whose values are wrong. `indexes` are the differing elements' numbers in C order, ascending.

    `place` is what the report points at. `window` is there where the case is only a part of the tensor.
    """

    case: Case
    indexes: tuple[int, ...]
    place: Place
    window: Window | None = None

    @cached_property
    def explanation(self) -> Explanation | None:
        """The known mistake that gives these values; sought when it is asked for."""
        return explain(self.case)

    @property
    def headline(self) -> str:
        """What happened, shown on the most telling element: `elements were not swapped: 1.0 (0x3F80) came ...`."""
        index = self._telling()
        return f"{self._sentence()}: {self._expected(index)} came back as {self._found(index)}"

    def _sentence(self) -> str:
        if self.explanation is None:
            return f"values differ in a way that no known mistake explains ({self._how_many()})"
        partly = f" ({self._how_many()})" if self.explanation.spared else ""
        return f"{self.explanation.sentence}{partly}"

    def _how_many(self) -> str:
        return f"{len(self.indexes)} of {self.case.count} elements"

    def _pick(self, codes: Codes, index: int) -> Codes:
        return codes[index * self.case.parts : (index + 1) * self.case.parts]

    def _expected(self, index: int, digits: int = PLAIN_DIGITS) -> str:
        return show(self._pick(self.case.expected, index), self.case.scalar, digits)

    def _found(self, index: int, digits: int = PLAIN_DIGITS) -> str:
        return show(self._pick(self.case.found, index), self.case.scalar, digits)

    def _telling(self) -> int:
        """1.0 if it differs, else the first element whose values are both ordinary numbers, else the first."""
        indexes = np.asarray(self.indexes)
        expected, found = (self._rows(codes)[indexes] for codes in (self.case.expected, self.case.found))
        ones = (expected[:, 0] == 1) & (found[:, 0] != 1)
        numbers = (np.isfinite(values).all(axis=1) & values.any(axis=1) for values in (expected, found))
        ordinary = np.logical_and(*numbers)
        return int(next((indexes[flags][0] for flags in (ones, ordinary) if flags.any()), indexes[0]))

    def _rows(self, codes: Codes) -> npt.NDArray[np.float64]:
        """The values, a row per element, to look at and not to judge by: 64-bit integers lose their last bits."""
        return values_of(codes, self.case.scalar).astype(np.float64).reshape(-1, self.case.parts)

    def lines(self) -> tuple[tuple[str, str], ...]:
        """The evidence, as (label, text) pairs."""
        tensor, first = self.case.tensor, self.indexes[0]
        window = self.window or Window(0, tensor.shape)
        where = _index(window.start + int(first), window.shape)
        return (
            ("tensor", f"{tensor.name!r}, {tensor.dtype}, shape {list(window.shape)}"),
            (
                "first",
                (
                    f"element {where}: expected {self._expected(first, EXACT_DIGITS)}, "
                    f"found {self._found(first, EXACT_DIGITS)}"
                ),
            ),
            ("differing", self._how_many() + self._range()),
            (self.place.label, self._bytes_at(where, self.place)),
            *(
                (("or else", ", ".join(self.explanation.also)),)
                if self.explanation and self.explanation.also
                else ()
            ),
        )

    def _range(self) -> str:
        if self.window is not None:
            return f" that were looked at, from number {self.window.start} of the tensor on"
        if len(self.indexes) in {1, self.case.count}:
            return ""
        return f", numbers {self.indexes[0]} to {self.indexes[-1]} in C order"

    def _bytes_at(self, where: Sequence[int], place: Place) -> str:
        bits = self.case.element.bits
        number = place.storage_offset + sum(i * step for i, step in zip(where, place.stride, strict=True))
        byte = place.at + number * bits // 8
        order = f", {place.byte_order}-endian" if self.case.element.swap_unit > 1 else ""
        if not place.file:  # it is too large to be looked through
            return f"byte {byte} (0x{byte:X}){order}"
        held = place.file[byte : byte + min(max(1, bits // 8), SHOWN_BYTES)]
        return f"byte {byte} (0x{byte:X}) of {len(place.file)}: {held.hex(' ').upper()}{order}"


def compare(
    expected: ExpectedTensor,
    found: bytes,
    types: Mapping[str, ElementType],
    *,
    file: bytes,
    place: Place | None = None,
    siblings: tuple[ExpectedTensor, ...] = (),
    machine_order: str = "",
    window: Window | None = None,
) -> Difference | None:
    """Compare canonical bytes of equal length, bit by bit. None where they are the same.

    `file` is what the elements were taken from: the file that was loaded, or the memory that was saved. `place`
    is where the report is to point, if elsewhere; `window` says which part of a tensor it is, if not all. Raises
    ValueError where `found` is not as long as the expected canonical bytes.
    """
    canonical = expected.canonical
    if found == canonical:
        return None
    if len(found) != len(canonical):
        raise ValueError(f"{len(found)} canonical bytes found, {len(canonical)} expected")
    element = types[expected.dtype]
    case = Case(
        tensor=expected,
        element=element,
        scalar=scalar_of(element, types),
        expected=codes_of(canonical, element),
        found=codes_of(found, element),
        file=file,
        siblings=siblings,
        machine_order=machine_order,
    )
    taken_from = Place(file, expected.at, expected.storage_offset, expected.stride, expected.byte_order)
    differing = np.flatnonzero(case.differing.reshape(-1, case.parts).any(axis=1))
    return Difference(case, tuple(int(index) for index in differing), place or taken_from, window)
