"""Plain lists of numbers: Python's own, which have no element type, by value.

A testee sends them under names of their own: a bool as a byte, an int as 16 bytes, a float as its 8, a complex
number as twice that; all little-endian.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from endianproof.conformance.elements import codes_of, is_nan, scalar_of, values_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from endianproof.conformance.elements import Codes, Flags
    from endianproof.conformance.outcome import LoadedTensor
    from endianproof.spec import ElementType
    from endianproof.vectors import ExpectedTensor

__all__ = ["PYTHON", "codes_of_list"]

Values: TypeAlias = npt.NDArray[np.float64]

# What a testee calls them: bytes of an element, and the kinds of element types that are given so.
PYTHON = {
    "python_bool": (1, ("bool",)),
    "python_int": (16, ("int", "uint")),
    "python_float": (8, ("float",)),
    "python_complex": (16, ("complex",)),
}
WIDEST_TABLE = 16  # bits of a float whose codes are looked up in a table of all its values


def codes_of_list(expected: ExpectedTensor, found: LoadedTensor, types: Mapping[str, ElementType]) -> Codes | str:
    """The codes that such numbers have in the expected element type, or what keeps one from having any.

    A NaN has the code of the NaN that is expected there, and else any NaN's.
    """
    element, data = types[expected.dtype], found.data or b""
    size, kinds = PYTHON[found.dtype]
    scalar = scalar_of(element, types)
    if not data:
        return np.zeros(0, _unsigned(scalar))
    if element.kind not in kinds or len(data) % size:
        return f"{found.dtype.replace('_', ' ')}s came"
    if element.kind in {"int", "uint"}:
        return _integers(data, size, scalar)
    if element.kind == "bool":
        return np.frombuffer(data, np.uint8)
    return _floats(np.frombuffer(data, "<f8"), codes_of(expected.canonical, element), scalar)


def _unsigned(scalar: ElementType) -> np.dtype[Any]:
    return np.dtype(f"<u{max(1, scalar.bits // 8)}")


def _integers(data: bytes, size: int, scalar: ElementType) -> Codes | str:
    numbers = [int.from_bytes(data[at : at + size], "little", signed=True) for at in range(0, len(data), size)]
    least = -(1 << (scalar.bits - 1)) if scalar.kind == "int" else 0
    beyond = next((number for number in numbers if not 0 <= number - least < 1 << scalar.bits), None)
    if beyond is not None:
        return f"{beyond} came, which it has not"
    return np.array([number % (1 << scalar.bits) for number in numbers], _unsigned(scalar))


def _floats(values: Values, wanted: Codes, scalar: ElementType) -> Codes | str:
    codes, has = _looked_up(values, scalar) if scalar.bits <= WIDEST_TABLE else _rounded(values, scalar)
    nan = np.isnan(values)
    if not (has | nan).all():
        return f"{values[~(has | nan)][0].item()!r} came, which it has not"
    if nan.any() and scalar.float_fields is not None and scalar.float_fields.specials == "none":
        return "NaN came, which it has not"
    same = wanted if len(wanted) == len(codes) else np.zeros_like(codes)
    return np.where(nan, np.where(is_nan(same, scalar), same, _any_nan(scalar)), codes).astype(codes.dtype)


def _any_nan(scalar: ElementType) -> int:
    """The NaN with the largest code: all ones, or in types of one NaN, that one."""
    fields = scalar.float_fields
    return 1 << (scalar.bits - 1) if fields is not None and fields.specials == "fnuz" else (1 << scalar.bits) - 1


def _looked_up(values: Values, scalar: ElementType) -> tuple[Codes, Flags]:
    """Each value's code, from a table of all codes; and whether there is one."""
    codes = np.arange(1 << scalar.bits, dtype=np.uint32).astype(_unsigned(scalar))
    table = values_of(codes, scalar).astype("<f8").view("<u8")
    order = np.argsort(table, kind="stable")
    bits = values.view("<u8")
    places = order[np.minimum(np.searchsorted(table, bits, sorter=order), len(order) - 1)]
    return codes[places], table[places] == bits


def _rounded(values: Values, scalar: ElementType) -> tuple[Codes, Flags]:
    """Each value's code in a type that machines have; and whether it kept the value."""
    kind = f"<f{scalar.bits // 8}"
    with np.errstate(all="ignore"):
        narrow = values.astype(kind)
        kept = narrow.astype("<f8").view("<u8") == values.view("<u8")
    return narrow.view(_unsigned(scalar)), kept
