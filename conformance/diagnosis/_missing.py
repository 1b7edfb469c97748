"""Mistakes of omission: what was not read came back as zero.

They stand last among the mistakes, because a zero can come of many others too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from endianproof.conformance.diagnosis._case import Candidate, Case, Mistake

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["MISSING"]


def _zeroed(case: Case) -> Iterator[Candidate]:
    yield Candidate(np.zeros_like(case.expected))


def _truncated(case: Case) -> Iterator[Candidate]:
    """Right up to the first difference, zero from there on."""
    first = int(np.argmax(case.differing)) // case.parts
    if first and case.differing.any():
        codes = case.expected.copy()
        codes[first * case.parts :] = 0
        yield Candidate(codes, f"{first} of {case.count}")


MISSING = (
    Mistake(
        "zeroed",
        "values came back as zero",
        "fill the buffer before it is returned; a type without an implementation must be refused, not zeroed",
        _zeroed,
    ),
    Mistake(
        "truncated",
        "values end after {detail} elements and the rest is zero",
        "read until the whole tensor has arrived, and refuse a file that ends before",
        _truncated,
    ),
)
