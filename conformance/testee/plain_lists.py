"""Plain lists of Python's numbers, where the user says that they are tensors (`--accept=lists=values`).

They have no element type and keep no NaN's payload, so they travel under names of their own, and are judged by
value. A lone number is a tensor without dimensions.
"""

from __future__ import annotations

import struct
from typing import Any

from endianproof.conformance.testee.canonical import ConversionError, Elements

__all__ = ["elements_of_list", "is_numbers"]

LARGEST = 1 << 127

# What they travel as, and the bytes of one of them: little-endian.
KINDS: dict[type, Any] = {
    bool: ("python_bool", lambda number: bytes([number])),
    int: ("python_int", lambda number: number.to_bytes(16, "little", signed=True)),
    float: ("python_float", lambda number: struct.pack("<d", number)),
    complex: ("python_complex", lambda number: struct.pack("<dd", number.real, number.imag)),
}


def is_numbers(value: Any) -> bool:
    """Whether a value is a number, or nothing but numbers in lists and tuples, or an empty list."""
    if type(value) in (list, tuple):
        return all(map(is_numbers, value))
    return type(value) in KINDS


def _shape(value: Any) -> tuple[int, ...]:
    if type(value) not in (list, tuple):
        return ()
    inner = {_shape(item) for item in value}
    if len(inner) > 1:
        raise ConversionError(f"a list of {len(value)} items of different shapes, {' and '.join(map(str, inner))}")
    return (len(value), *(inner.pop() if inner else ()))


def _numbers(value: Any) -> list[Any]:
    if type(value) not in (list, tuple):
        return [value]
    return [number for item in value for number in _numbers(item)]


def elements_of_list(value: Any) -> Elements:
    """Return the elements of numbers, or of nested lists of them. Raises ConversionError for a mixture."""
    shape, numbers = _shape(value), _numbers(value)
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
