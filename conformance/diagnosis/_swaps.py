"""Mistakes of byte order: the bytes are all there, reversed in the wrong groups."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from endianproof.conformance.diagnosis._case import Candidate, Case, Mistake
from endianproof.conformance.diagnosis._encode import ENCODE, bfloat16_codes
from endianproof.conformance.elements import codes_of, is_nan, swap_codes, to_canonical, values_of

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["SWAPS"]

VECTOR_WIDTHS = (16, 32, 64)  # bytes that SSE and VX, AVX2, and AVX-512 swap at once


def _reversed(case: Case, *, machine_agrees: bool) -> Iterator[Candidate]:
    """Every swap unit reversed: a swap left out, or one made where file and machine agree."""
    if (case.tensor.byte_order == case.machine_order) is machine_agrees:
        yield Candidate(swap_codes(case.expected))


def _once_per_view(case: Case) -> Iterator[Candidate]:
    """A storage of several views, swapped an even number of times: it looks like one that was not swapped."""
    if case.views > 1 and case.tensor.byte_order != case.machine_order:
        yield Candidate(swap_codes(case.expected), f"{case.views}")


def _tail_left(case: Case) -> Iterator[Candidate]:
    """A swap loop by whole vectors, without a loop for what is left after the last of them."""
    if case.element.bits % 8 or case.tensor.byte_order == case.machine_order:
        return
    size = case.element.itemsize
    loops: dict[int, list[str]] = {}
    for width in VECTOR_WIDTHS:
        loops.setdefault(case.count * size // width * width // size, []).append(str(width))
    for first, widths in loops.items():
        codes = case.expected.copy()
        codes[first * case.parts :] = swap_codes(codes[first * case.parts :])
        if 0 < first < case.count:
            yield Candidate(
                codes,
                f"{case.count - first} elements were not swapped, the tail of a loop by {' or '.join(widths)}",
            )


def _as_one_unit(case: Case) -> Iterator[Candidate]:
    """Reversing a whole complex element puts each part's bytes right and exchanges the parts."""
    if case.parts == 2:
        yield Candidate(case.expected.reshape(-1, 2)[:, ::-1].ravel())


def _by_wrong_unit(case: Case) -> Iterator[Candidate]:
    """Reversed in blocks of another size: what a wrong unit leaves, seen through the right one.

    Block sizes are powers of two, and reversing a block of w bytes takes index i to i xor (w - 1): so the order in
    which two such reversals are applied does not matter.
    """
    right = case.element.swap_unit
    if case.element.bits % 8:
        return
    data = np.frombuffer(to_canonical(swap_codes(case.expected), case.element), dtype=np.uint8)
    for unit in (2, 4, 8, 16):
        if unit != right and data.size and data.size % unit == 0:
            blocks = data.reshape(-1, unit)[:, ::-1]
            yield Candidate(codes_of(blocks.tobytes(), case.element), f"{unit} instead of {right}")


def _through_float16_around_swap(case: Case) -> Iterator[Candidate]:
    """What safetensors 0.3.3 to 0.4.3 do on s390x (safetensors#448).

    The file's bytes are taken as native bfloat16, converted by value to float16, swapped as float16, and converted
    by value back: 0x3F80 becomes 0x3700. A NaN before or after the swap is not specified.
    """
    if case.element.name != "bfloat16":
        return
    native = swap_codes(case.expected)
    half = ENCODE["float16"](values_of(native, case.scalar))
    floats = swap_codes(half).view("<f2")
    unspecified = is_nan(native, case.scalar) | np.isnan(floats)
    yield Candidate(bfloat16_codes(floats), unspecified=unspecified)


def _other_end_first(case: Case) -> Iterator[Candidate]:
    """Elements of half a byte, each byte's two read in the other order."""
    if case.element.bits == 4 and case.count % 2 == 0:
        yield Candidate(case.expected.reshape(-1, 2)[:, ::-1].ravel())


# Where two mistakes explain a tensor equally well, the first in the table is named.
SWAPS = (
    Mistake(
        "through-float16-around-swap",
        "values went through float16",
        "swap bfloat16 as 16-bit integers (view as uint16, byteswap, view back): converting it to float16 by "
        "value before the swap and back after it destroys it, as in safetensors 0.3.3 to 0.4.3 on s390x "
        "(safetensors#448)",
        _through_float16_around_swap,
    ),
    Mistake(
        "swapped-per-view",
        "elements were not swapped, or once for each of the {detail} views of their storage",
        "swap a storage once, before the first view of it is made, and remember that it is swapped",
        _once_per_view,
    ),
    Mistake(
        "not-swapped",
        "elements were not swapped",
        "the file's byte order is not this machine's: reverse the bytes of each swap unit once, as integers, for "
        "every element type wider than a byte",
        partial(_reversed, machine_agrees=False),
    ),
    Mistake(
        "tail-not-swapped",
        "the last {detail} bytes",
        "swap what is left after the last whole vector element by element",
        _tail_left,
    ),
    Mistake(
        "swapped-needlessly",
        "elements were swapped although file and machine have the same byte order",
        "compare the file's byte order with the machine's, and swap only where they differ, once per storage",
        partial(_reversed, machine_agrees=True),
    ),
    Mistake(
        "complex-swapped-as-one-unit",
        "complex elements were swapped as one unit, so real and imaginary part changed places",
        "swap the bytes of the real part and of the imaginary part each for itself: the unit is half an element",
        _as_one_unit,
    ),
    Mistake(
        "swapped-by-wrong-unit",
        "bytes were swapped in groups of {detail}",
        "take the swap unit from the element type, not from a default, the container or an untyped storage",
        _by_wrong_unit,
    ),
    Mistake(
        "half-bytes-exchanged",
        "the two elements of each byte changed places",
        "the element with the lower index lies in the four less significant bits",
        _other_end_first,
    ),
)
