"""Conversions from float32 to bfloat16, by their bits, that are wrong on purpose."""

from __future__ import annotations


def right(code):
    """To the nearest, ties to even; a NaN stays one."""
    if code & 0x7FFFFFFF > 0x7F800000:
        return code >> 16 | 0x40
    return (code + 0x7FFF + (code >> 16 & 1)) >> 16


def truncated(code):
    return code >> 16


def nan_truncated(code):
    return code >> 16 if code & 0x7F800000 == 0x7F800000 else right(code)


def nan_rounded(code):
    """The bias is added without a look at NaN: the carry runs into the exponent and the sign."""
    return (code + 0x7FFF + (code >> 16 & 1)) >> 16 & 0xFFFF


def half_up(code):
    return right(code) if code & 0x7FFFFFFF > 0x7F800000 else (code + 0x8000) >> 16


def saturated(code):
    """What rounds past the largest finite number stays there."""
    result = right(code)
    return result - 1 if result & 0x7FFF == 0x7F80 and code & 0x7FFFFFFF < 0x7F800000 else result


def subnormals_flushed(code):
    return code >> 16 & 0x8000 if code & 0x7F800000 == 0 else right(code)


def sign_of_zero_lost(code):
    return 0 if code & 0x7FFFFFFF == 0 else right(code)
