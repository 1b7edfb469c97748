"""Plain lists of Python's numbers, where the user says that they are tensors (`--accept=lists=values`).

They have no element type and keep no NaN's payload, so they travel under names of their own, and are judged by
value. A lone number is a tensor without dimensions.
"""

from __future__ import annotations

import math
import struct
from typing import Any

from endianproof.conformance.testee.canonical import ConversionError, Elements

__all__ = ["elements_of_list", "is_numbers"]

LARGEST = 1 << 127
LISTS = (list, tuple)
MOST_DIMENSIONS = 64
MOST_NUMBERS = 1 << 28  # of Python's, which take some ten GB

# What they travel as, and the bytes of one of them: little-endian.
KINDS: dict[type, Any] = {
    bool: ("python_bool", lambda number: bytes([number])),
    int: ("python_int", lambda number: number.to_bytes(16, "little", signed=True)),
    float: ("python_float", lambda number: struct.pack("<d", number)),
    complex: ("python_complex", lambda number: struct.pack("<dd", number.real, number.imag)),
}

MEMBERS = {*LISTS, *KINDS}


def is_numbers(value: Any) -> bool:
    """Whether a value is a number, or nothing but numbers in lists and tuples, or an empty list.

    A list that holds itself is none. One that is held in many places is looked at once: they may be 2 ** 40.
    """
    if type(value) not in LISTS:
        return type(value) in KINDS
    lists = {id(value): value}
    for _ in range(MOST_DIMENSIONS):
        inner: dict[int, Any] = {}
        for one in lists.values():
            if not MEMBERS.issuperset(map(type, one)):
                return False
            inner.update((id(item), item) for item in one if type(item) in LISTS)
        lists = inner
    return not lists


def _shape(value: Any, known: dict[int, tuple[int, ...]]) -> tuple[int, ...]:
    if type(value) not in LISTS:
        return ()
    if id(value) not in known:
        inner = {_shape(item, known) for item in value}
        if len(inner) > 1:
            shapes = " and ".join(map(str, inner))
            raise ConversionError(f"a list of {len(value)} items of different shapes, {shapes}")
        known[id(value)] = (len(value), *(inner.pop() if inner else ()))
    return known[id(value)]


def _numbers(value: Any) -> list[Any]:
    if type(value) not in LISTS:
        return [value]
    return [number for item in value for number in _numbers(item)]


def elements_of_list(value: Any) -> Elements:
    """Return the elements of numbers, or of nested lists of them. Raises ConversionError for a mixture."""
    shape = _shape(value, {})
    if math.prod(shape) > MOST_NUMBERS:
        raise ConversionError(f"a list that unfolds to {math.prod(shape)} numbers")
    numbers = _numbers(value) if math.prod(shape) else []
    kinds = {type(number) for number in numbers} or {float}
    if len(kinds) > 1:
        names = " and ".join(sorted(kind.__name__ for kind in kinds))
        raise ConversionError(f"a list of {names}; expected numbers of one kind")
    (kind,) = kinds
    if kind is int and any(not -LARGEST <= number < LARGEST for number in numbers):
        raise ConversionError("a list with an integer of more than 128 bits")
    name, octets = KINDS[kind]
    memory = b"".join(map(octets, numbers))
    return Elements(name, shape, memoryview(memory), 1, "little", owner=memory)
