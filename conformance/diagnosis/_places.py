"""Mistakes of place: the right kind of bytes, taken from elsewhere in the file, or not at all."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from endianproof.conformance.diagnosis._case import Candidate, Case, Mistake, element_places
from endianproof.conformance.elements import codes_of, swap_codes, to_canonical

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["PLACES", "contiguous"]

FURTHEST_SHIFT = 64  # bytes: what a place is rounded up to
MOST_ROLLS = 8  # beginnings that are tried
SHORTEST_FIND = 4  # bytes: shorter runs turn up anywhere in a file


def contiguous(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The strides of C order, in elements."""
    return tuple(math.prod(shape[axis + 1 :]) for axis in range(len(shape)))


def _at(case: Case, start: int, strides: tuple[int, ...], detail: str = "") -> Iterator[Candidate]:
    codes = case.from_file(start, strides)
    if codes is not None:
        yield Candidate(codes, detail)


def _first_byte(case: Case, *, offset: bool = True) -> int:
    """The byte at which the tensor's first element lies, or its storage begins."""
    return case.tensor.at + (case.tensor.storage_offset * case.element.bits // 8 if offset else 0)


def _offset_ignored(case: Case) -> Iterator[Candidate]:
    if case.tensor.storage_offset:
        yield from _at(case, case.tensor.at, case.tensor.stride)


def _offset_in_bytes(case: Case) -> Iterator[Candidate]:
    if case.tensor.storage_offset and case.element.bits > 8:
        yield from _at(case, case.tensor.at + case.tensor.storage_offset, case.tensor.stride)


def _strides_ignored(case: Case) -> Iterator[Candidate]:
    flat = contiguous(case.tensor.shape)
    if case.tensor.stride == flat:
        return
    yield from _at(case, _first_byte(case), flat, "strides")
    if case.tensor.storage_offset:
        yield from _at(case, _first_byte(case, offset=False), flat, "strides and storage offset")
    # A short storage read as if it were dense is padded with zeros by some readers (burn-store 0.21).
    storage = case.file[_first_byte(case) : case.tensor.at + case.tensor.storage_nbytes]
    size = len(case.expected) * case.expected.dtype.itemsize
    if case.element.bits % 8 == 0 and len(storage) < size:
        codes = codes_of(storage.ljust(size, b"\0"), case.element)
        codes = swap_codes(codes) if case.tensor.byte_order == "big" else codes
        yield Candidate(codes, "strides")
        # A writer that reads on past the caller's memory writes whatever lies there (safetensors.numpy 0.8).
        beyond = np.arange(len(codes)) >= len(storage) // case.expected.dtype.itemsize
        yield Candidate(codes, "strides, and the end of the memory,", beyond)


def _strides_in_bytes(case: Case) -> Iterator[Candidate]:
    if case.element.bits % 8 == 0 and case.element.itemsize > 1 and case.count:
        codes = case.at_places(_first_byte(case) + element_places(case.tensor.shape, case.tensor.stride))
        if codes is not None:
            yield Candidate(codes)


def _column_major(case: Case) -> Iterator[Candidate]:
    if sum(size > 1 for size in case.tensor.shape) > 1:
        strides = contiguous(case.tensor.shape[::-1])[::-1]
        rows = case.expected.reshape(-1, case.parts)
        yield Candidate(rows[element_places(case.tensor.shape, strides)].ravel())


def _other_tensor(case: Case) -> Iterator[Candidate]:
    size = len(to_canonical(case.expected, case.element))
    for sibling in case.siblings:
        data = sibling.canonical
        if len(data) == size:
            yield Candidate(codes_of(data, case.element), repr(sibling.name))


def _shifted(case: Case, *, swapped: bool) -> Iterator[Candidate]:
    """What was found lies in the file as it is, elsewhere than where the tensor lies."""
    if case.tensor.stride != contiguous(case.tensor.shape) or case.element.bits % 8:
        return
    on_disk = (case.tensor.byte_order == "big") is not swapped
    wanted = to_canonical(swap_codes(case.found) if on_disk else case.found, case.element)
    right = _first_byte(case)
    if len(wanted) < SHORTEST_FIND or len(set(wanted)) == 1:
        return
    places = [place for place in _occurrences(case.file, wanted) if place != right]
    if places:
        nearest = min(places, key=lambda place: abs(place - right))
        direction = "after" if nearest > right else "before"
        yield Candidate(case.found, f"{abs(nearest - right)} bytes {direction} their place")


def _shifted_past_the_end(case: Case) -> Iterator[Candidate]:
    """Read from a few bytes further on, so that the last elements come from behind the file's end."""
    if case.tensor.stride != contiguous(case.tensor.shape) or case.element.bits % 8:
        return
    first, length = _first_byte(case), case.count * case.element.itemsize
    on_disk = swap_codes(case.found) if case.tensor.byte_order == "big" else case.found
    wanted = to_canonical(on_disk, case.element)
    for by in range(1, FURTHEST_SHIFT):
        held = case.file[first + by : first + by + length]
        if SHORTEST_FIND <= len(held) < length and wanted.startswith(held[: len(held) // 2]):
            codes = codes_of(held.ljust(length, b"\0"), case.element)
            yield Candidate(
                swap_codes(codes) if case.tensor.byte_order == "big" else codes,
                f"{by} bytes after their place",
                np.arange(len(codes)) >= len(held) // case.element.itemsize * case.parts,
            )


def _rolled(case: Case) -> Iterator[Candidate]:
    """Every element is there, and begins somewhere in the middle."""
    if case.count < 3:
        return
    expected, found = (codes.reshape(-1, case.parts) for codes in (case.expected, case.found))
    for by in np.flatnonzero((expected == found[0]).all(axis=1))[:MOST_ROLLS]:
        if by:
            yield Candidate(np.roll(expected, -int(by), axis=0).ravel(), f"{by} of {case.count}")


def _occurrences(file: bytes, wanted: bytes) -> Iterator[int]:
    place = file.find(wanted)
    while place >= 0:
        yield place
        place = file.find(wanted, place + 1)


PLACES = (
    Mistake(
        "storage-offset-ignored",
        "the storage offset was ignored",
        "begin at storage_offset times the element's size in bytes after the storage's first byte",
        _offset_ignored,
    ),
    Mistake(
        "storage-offset-in-bytes",
        "the storage offset was taken as bytes instead of elements",
        "multiply the storage offset by the element's size: it counts elements",
        _offset_in_bytes,
    ),
    Mistake(
        "strides-ignored",
        "{detail} were ignored",
        "address each element by its index times the strides, or copy the view into C order",
        _strides_ignored,
    ),
    Mistake(
        "strides-in-bytes",
        "strides were taken as bytes instead of elements",
        "multiply each stride by the element's size: strides count elements",
        _strides_in_bytes,
    ),
    Mistake(
        "column-major",
        "elements were read in column-major order",
        "the last index varies fastest",
        _column_major,
    ),
    Mistake(
        "other-tensor",
        "the values are those of the tensor {detail}",
        "look up each tensor's own offsets or storage key, and do not reuse the buffer of the one before",
        _other_tensor,
    ),
    Mistake(
        "shifted",
        "bytes were read {detail}",
        "compute the first byte from the header's own length, without rounding it up to an alignment",
        partial(_shifted, swapped=False),
    ),
    Mistake(
        "shifted-past-the-end",
        "bytes were read {detail}, and past the end of the file",
        "compute the first byte from the header's own length, without rounding it up to an alignment",
        _shifted_past_the_end,
    ),
    Mistake(
        "shifted-and-not-swapped",
        "bytes were read {detail}, and not swapped",
        "compute the first byte from the header's own length, and swap what the file's byte order says",
        partial(_shifted, swapped=True),
    ),
    Mistake(
        "rolled",
        "elements came back rotated: the first is number {detail}",
        "begin with the first element, and look for an offset that is applied twice",
        _rolled,
    ),
)
