"""Named patterns of values: tensors that cannot look right when they are read wrong."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from endianproof.spec import load_spec
from endianproof.vectors._codes import code_of, component_of, encode, is_finite, special_codes

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from endianproof.spec import ElementType

__all__ = ["canonical_pattern", "codes_for"]


def _is_telling(element: ElementType, code: int) -> bool:
    """Finite, not zero, and another code when its bytes are swapped by any unit."""
    if code == 0 or (element.float_fields and not is_finite(element, code)):
        return False
    if element.bits <= 8:
        return True
    data = code.to_bytes(element.itemsize, "big")
    units = [unit for unit in (2, 4, 8) if unit <= len(data)]
    return all(b"".join(data[at : at + unit][::-1] for at in range(0, len(data), unit)) != data for unit in units)


def _count_up(element: ElementType) -> Iterator[int]:
    settings = load_spec().patterns["distinct"].settings
    modulus, step = 1 << element.bits, settings["step"][element.bits]
    code = code_of(element, 1) if element.kind == "float" else settings["first"][element.bits]
    while True:
        if _is_telling(element, code):
            yield code
        code = (code + step) % modulus


def _distinct(element: ElementType, count: int) -> list[int]:
    if element.kind == "bool":
        # Only two codes: the parity of the index's bits never repeats a block, so that a shift shows.
        return [(index.bit_count() + 1) % 2 for index in range(count)]
    part = component_of(element)
    source = _count_up(part)
    if not element.component:
        return [next(source) for _ in range(count)]
    return [next(source) | next(source) << part.bits for _ in range(count)]


def _all(element: ElementType, count: int) -> list[int]:
    first = load_spec().patterns["all"].settings["first"]
    return [(first + index) % (1 << element.bits) for index in range(count)]


def _walking(element: ElementType, count: int) -> list[int]:
    first = load_spec().patterns["walking"].settings["first_bit"]
    return [1 << (first + index) % element.bits for index in range(count)]


def _special(element: ElementType, count: int) -> list[int]:
    codes = special_codes(element)
    return [codes[index % len(codes)] for index in range(count)]


_PATTERNS = {"all": _all, "distinct": _distinct, "special": _special, "walking": _walking}


def codes_for(element: ElementType, values: str | Sequence[int], count: int) -> list[int]:
    """`count` codes: of the named pattern, or the given ones, repeated. Raises ValueError for an unknown name."""
    if isinstance(values, str):
        if values not in _PATTERNS or values not in load_spec().patterns:
            raise ValueError(f"{values!r} is no pattern; there are {', '.join(load_spec().patterns)}")
        return _PATTERNS[values](element, count)
    return [values[index % len(values)] for index in range(count)]


@functools.lru_cache(maxsize=32)
def canonical_pattern(element: ElementType, name: str, count: int) -> bytes:
    """The canonical bytes of `count` elements of the named pattern."""
    return encode(element, codes_for(element, name, count), "little")
