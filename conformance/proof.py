"""Proves a testee's conversion to canonical bytes from the specification's bit fields.

A testee sends samples: the values [1, 2] (bool: [false, true], complex: [1+2i]) as made by each framework it uses
and then converted as its results are. Here the same values are put together from the specification alone. A sample
that differs means that the testee's side is broken, and that nothing it says counts against the library.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from endianproof.spec import load_spec

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from endianproof.spec import ElementType

__all__ = ["expected_bytes", "false_samples"]


def _code(element: ElementType, value: int) -> int:
    """The bits of 1 or 2 (bool: of false or true, in that order)."""
    if element.kind == "bool":
        return value - 1
    if element.float_fields is None:
        return value
    # 1 and 2 are powers of two: fraction zero, and the exponent alone makes the difference.
    return (element.float_fields.bias + value - 1) << element.float_fields.fraction


def expected_bytes(element: ElementType, types: Mapping[str, ElementType]) -> bytes:
    """Canonical bytes of [1, 2] in this element type (bool: [false, true]; complex: [1+2i], two codes too)."""
    scalar = types[element.component] if element.component else element
    packed = _code(scalar, 1) | _code(scalar, 2) << scalar.bits
    return packed.to_bytes((2 * scalar.bits + 7) // 8, "little")


def false_samples(samples: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return a sentence per sample that is wrong; samples of types that the specification lacks prove nothing."""
    types = load_spec().element_types
    complaints = []
    for sample in samples:
        if sample["dtype"] not in types:
            continue
        found = base64.b64decode(sample["data"])
        expected = expected_bytes(types[sample["dtype"]], types)
        if found != expected:
            complaints.append(
                f"{sample['dtype']} made by {sample['via']} became {found.hex(' ')}; "
                f"the specification's bit fields give {expected.hex(' ')}"
            )
    return complaints
