"""Elements as whole numbers: canonical bytes to codes, codes to the values that a person reads.

A *code* is an element's bits as an unsigned integer. A complex element is two codes, real part first, so that
every code fits 64 bits. What a code means comes from the specification's bit fields alone, never from numpy's or a
library's idea of the type: numpy is used for its speed over 65,536 elements.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Mapping

    from endianproof.spec import ElementType, FloatFields

__all__ = [
    "Codes",
    "Flags",
    "codes_of",
    "is_nan",
    "is_subnormal",
    "is_zero",
    "parts_of",
    "scalar_of",
    "show",
    "show_code",
    "sign_bit",
    "swap_codes",
    "to_canonical",
    "values_of",
]

Codes: TypeAlias = npt.NDArray[np.unsignedinteger[Any]]
Flags: TypeAlias = npt.NDArray[np.bool_]


def scalar_of(element: ElementType, types: Mapping[str, ElementType]) -> ElementType:
    """The type of one code: an element's own, or that of a complex element's two components."""
    return types[element.component] if element.component else element


def parts_of(element: ElementType) -> int:
    """Codes per element: 2 for complex, else 1."""
    return 2 if element.component else 1


def codes_of(data: bytes, element: ElementType) -> Codes:
    """Canonical bytes as codes; elements narrower than a byte fill each byte from its least significant bit.

    Raises ValueError where `data` is no whole number of elements.
    """
    width = element.bits // parts_of(element)
    if width >= 8:
        return np.frombuffer(data, dtype=f"<u{width // 8}")
    bits = np.unpackbits(np.frombuffer(data, dtype=np.uint8), bitorder="little").reshape(-1, width)
    codes: Codes = (bits << np.arange(width, dtype=np.uint8)).sum(axis=1, dtype=np.uint8)
    return codes


def to_canonical(codes: Codes, element: ElementType) -> bytes:
    """The inverse of `codes_of`."""
    width = element.bits // parts_of(element)
    if width >= 8:
        return codes.astype(f"<u{width // 8}").tobytes()
    bits = (codes[:, None] >> np.arange(width, dtype=np.uint8)) & 1
    return np.packbits(bits.astype(np.uint8).ravel(), bitorder="little").tobytes()


def swap_codes(codes: Codes) -> Codes:
    """Each code with its bytes reversed."""
    swapped: Codes = codes.byteswap()
    return swapped


def _fields(codes: Codes, fields: FloatFields) -> tuple[Codes, Codes]:
    """The exponent and fraction fields, as 64-bit unsigned integers."""
    wide = codes.astype(np.uint64)
    exponent = (wide >> np.uint64(fields.fraction)) & np.uint64((1 << fields.exponent) - 1)
    return exponent, wide & np.uint64((1 << fields.fraction) - 1)


def _none(codes: Codes) -> Flags:
    return np.zeros(codes.shape, dtype=np.bool_)


def _not_a_number(codes: Codes, fields: FloatFields) -> Flags:
    exponent, fraction = _fields(codes, fields)
    top = np.uint64((1 << fields.exponent) - 1)
    full = np.uint64((1 << fields.fraction) - 1)
    kinds: dict[str, Flags] = {
        "ieee": (exponent == top) & (fraction != 0),
        "fn": (exponent == top) & (fraction == full),
        "fnuz": codes == (1 << (fields.exponent + fields.fraction)),
        "e8m0": exponent == top,
        "none": _none(codes),
    }
    return kinds[fields.specials]


def is_nan(codes: Codes, scalar: ElementType) -> Flags:
    """Which codes are NaN. Never any for a type that is no float."""
    return _not_a_number(codes, scalar.float_fields) if scalar.float_fields else _none(codes)


def is_zero(codes: Codes, scalar: ElementType) -> Flags:
    """Which codes are a zero of either sign; e8m0 has none."""
    fields = scalar.float_fields
    if fields is not None and fields.specials == "e8m0":
        return _none(codes)
    zero: Flags = (codes & codes.dtype.type(~sign_bit(scalar) & ((1 << scalar.bits) - 1))) == 0
    return zero & ~is_nan(codes, scalar)


def is_subnormal(codes: Codes, scalar: ElementType) -> Flags:
    """Which codes are subnormal: exponent field 0, fraction not 0."""
    if scalar.float_fields is None:
        return _none(codes)
    exponent, fraction = _fields(codes, scalar.float_fields)
    subnormal: Flags = (exponent == 0) & (fraction != 0)
    return subnormal


def sign_bit(scalar: ElementType) -> int:
    """The code with nothing but the sign set, or 0 for a type without one."""
    return 1 << (scalar.bits - 1) if scalar.float_fields and scalar.float_fields.sign else 0


def _float_values(codes: Codes, fields: FloatFields) -> npt.NDArray[np.float64]:
    exponent, fraction = _fields(codes, fields)
    hidden = np.where(exponent == 0, 0.0, float(1 << fields.fraction))
    power = np.maximum(exponent.astype(np.int64), 1) - fields.bias - fields.fraction
    if fields.specials == "e8m0":  # no zero and no subnormals: the code is the exponent
        hidden, power = np.ones(codes.shape), exponent.astype(np.int64) - fields.bias
    top = exponent == (1 << fields.exponent) - 1
    infinite = top if fields.specials == "ieee" else _none(codes)
    values = np.ldexp(fraction.astype(np.float64) + hidden, np.where(infinite, 0, power))
    values = np.where(infinite, np.inf, values)
    values = np.where(_not_a_number(codes, fields), np.nan, values)
    negative = (codes.astype(np.uint64) >> np.uint64(fields.exponent + fields.fraction)) & np.uint64(fields.sign)
    return np.where(negative != 0, -values, values)


def values_of(codes: Codes, scalar: ElementType) -> npt.NDArray[Any]:
    """What the codes mean: float64 for floats (exact for every type in the specification), else integers."""
    if scalar.float_fields is not None:
        return _float_values(codes, scalar.float_fields)
    if scalar.kind == "int":
        return codes.view(f"<i{scalar.bits // 8}")
    return codes


def _show_value(value: float, digits: int) -> str:
    if isinstance(value, float):
        if math.isnan(value):
            return "NaN"
        text = f"{value:.{digits}g}"
        return text if any(mark in text for mark in ".einf") else text + ".0"
    return str(value)


def show_code(code: int, scalar: ElementType) -> str:
    """A code in hexadecimal, as wide as the type: 0x3F80."""
    return f"0x{code:0{-(-scalar.bits // 4)}X}"


def show(codes: Codes, scalar: ElementType, digits: int = 5) -> str:
    """One element (one code, or a complex element's two) in decimal and hex: `1.0 (0x3F80)`."""
    values = [value.item() for value in values_of(codes, scalar)]
    if scalar.kind == "bool":
        values = [{0: False, 1: True}.get(value, value) for value in values]
    hexes = ", ".join(show_code(int(code), scalar) for code in codes)
    decimal = " + ".join(_show_value(value, digits) for value in values) + ("j" if len(values) == 2 else "")
    return f"{decimal} ({hexes})"
