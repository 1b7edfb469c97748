"""Codes: the bits of one element as a non-negative integer, made from the bit fields of its type by shifts.

A complex code holds the real part in its low half. Nothing here depends on the host's memory order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from endianproof.spec import load_spec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from endianproof.spec import ElementType, FloatFields

__all__ = ["ByteOrder", "code_of", "encode", "is_finite", "narrow", "negate", "special_codes"]

ByteOrder = Literal["little", "big"]


def component_of(element: ElementType) -> ElementType:
    """The element type whose bytes swap together: a complex type's component, else the type itself."""
    return load_spec().element_types[element.component] if element.component else element


def _fields(element: ElementType) -> FloatFields:
    if element.float_fields is None:
        raise ValueError(f"{element.name} has no exponent and no fraction")
    return element.float_fields


def _ones(bits: int) -> int:
    return (1 << bits) - 1


def _float(element: ElementType, *, sign: int = 0, exponent: int, fraction: int = 0) -> int:
    fields = _fields(element)
    return (sign << (fields.exponent + fields.fraction)) | (exponent << fields.fraction) | fraction


def _infinity(element: ElementType) -> int:
    return _float(element, exponent=_ones(_fields(element).exponent))


def code_of(element: ElementType, value: int) -> int:
    """The code of a small whole number: any for integers, powers of two for floats, 0 and 1 for bool."""
    if element.kind in ("uint", "int", "bool"):
        return value & _ones(element.bits)
    if element.kind == "complex":
        return code_of(component_of(element), value)
    if value == 0:
        return 0
    power = abs(value).bit_length() - 1
    if abs(value) != 1 << power:
        raise ValueError(f"{value} is no power of two")
    return _float(element, sign=int(value < 0), exponent=_fields(element).bias + power)


def is_finite(element: ElementType, code: int) -> bool:
    """Whether a float's code is a finite number, by the type's `specials`."""
    fields = _fields(element)
    exponent = (code >> fields.fraction) & _ones(fields.exponent)
    magnitude = code & _ones(fields.exponent + fields.fraction)
    all_ones = _ones(fields.exponent + fields.fraction)
    finite: Mapping[str, bool] = {
        "ieee": exponent != _ones(fields.exponent),
        "fn": magnitude != all_ones,
        "fnuz": code != 1 << (element.bits - 1),
        "e8m0": magnitude != all_ones,
        "none": True,
    }
    return finite[fields.specials]


def _is_nan(element: ElementType, code: int) -> bool:
    infinity = _infinity(element)
    return not is_finite(element, code) and (
        _fields(element).specials != "ieee" or code & infinity != code & _ones(element.bits - 1)
    )


def negate(element: ElementType, code: int) -> int:
    """The code of the number with the other sign: of a float, its sign bit turned; of a complex, in both parts."""
    if element.kind not in ("float", "complex"):
        return -code % (1 << element.bits)
    part = component_of(element)
    flipped = 1 << (part.bits - 1)
    return code ^ (flipped | flipped << part.bits if element.component else flipped)


def conjugate(element: ElementType, code: int) -> int:
    """The code with the sign of the imaginary part turned."""
    return code ^ 1 << (element.bits - 1)


_INTEGERS: Mapping[str, Callable[[ElementType], int]] = {
    "zero": lambda _: 0,
    "one": lambda _: 1,
    "minus_one": lambda t: _ones(t.bits),
    "largest": lambda t: _ones(t.bits - (t.kind == "int")),
    "smallest": lambda t: 1 << (t.bits - 1),
    "middle": lambda t: 1 << (t.bits - 1),
}

_FLOATS: Mapping[str, Callable[[ElementType], int]] = {
    "zero": lambda _: 0,
    "one": lambda t: code_of(t, 1),
    "smallest_subnormal": lambda _: 1,
    "largest_subnormal": lambda t: _ones(_fields(t).fraction),
    "smallest_normal": lambda t: _float(t, exponent=1),
    "largest_finite": lambda t: max(
        code for code in (_infinity(t) - 1, _ones(t.bits - 1) - 1, _ones(t.bits - 1)) if is_finite(t, code)
    ),
    "infinity": _infinity,
    "quiet_nan": lambda t: _infinity(t) | 1 << (_fields(t).fraction - 1),
    "signalling_nan": lambda t: _infinity(t) | 1,
    "payload_nan": lambda t: _ones(t.bits - 1),
}


def _special_float(element: ElementType, name: str) -> int | None:
    """The named code, or None where this type has no such number."""
    kind = _fields(element).specials
    has_infinities = kind == "ieee"
    bare = name.removeprefix("minus_")
    if bare in ("infinity", "quiet_nan", "signalling_nan") and not has_infinities:
        return None
    code = _FLOATS[bare](element)
    return negate(element, code) if name != bare else code


def special_codes(element: ElementType) -> list[int]:
    """The codes at the edges of the type, by the names that the specification lists for its kind, each once."""
    names = load_spec().patterns["special"].settings[element.kind]
    if element.kind != "float":
        codes: Iterable[int | None] = [_INTEGERS[name](element) for name in names]
    else:
        codes = [_special_float(element, name) for name in names]
    return list(dict.fromkeys(code for code in codes if code is not None))


def _packed(bits: int, codes: list[int]) -> bytes:
    packed = sum(code << (index * bits) for index, code in enumerate(codes))
    return packed.to_bytes((len(codes) * bits + 7) // 8, "little")


def encode(element: ElementType, codes: Iterable[int], order: ByteOrder) -> bytes:
    """The bytes of elements in C order, each swap unit in the given byte order.

    Types narrower than a byte are packed from the least significant bit of the first byte up.
    """
    if element.bits % 8:
        return _packed(element.bits, list(codes))
    part = component_of(element)
    size, mask = part.itemsize, _ones(part.bits)
    if not element.component:
        return b"".join([code.to_bytes(size, order) for code in codes])
    return b"".join([half.to_bytes(size, order) for code in codes for half in (code & mask, code >> part.bits)])


def narrow(code: int, source: ElementType, target: ElementType) -> int:
    """The code of `target` nearest to `code` of `source`, ties to even; both ieee floats of one exponent width.

    Follows BF-RND-01, BF-RND-02 and BF-NAN-01. A NaN keeps its sign and upper payload and becomes quiet.
    """
    shift = _fields(source).fraction - _fields(target).fraction
    if shift <= 0:
        return code << -shift
    if _is_nan(source, code):
        return (code >> shift) | 1 << (_fields(target).fraction - 1)
    half, rest = 1 << (shift - 1), code & _ones(shift)
    kept = code >> shift
    return kept + (rest > half or (rest == half and kept & 1 == 1))
