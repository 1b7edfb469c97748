"""Mistakes of value: elements went through arithmetic on their way, which loading never does."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from endianproof.conformance.diagnosis._case import Candidate, Case, Mistake
from endianproof.conformance.diagnosis._encode import ENCODE
from endianproof.conformance.elements import (
    is_nan,
    is_subnormal,
    is_zero,
    sign_bit,
    values_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

    from endianproof.spec import ElementType

__all__ = ["VALUES"]


# Fraction bits and exponent bits: passing through a type with as many of both changes nothing.
NARROWNESS = {"float16": (10, 5), "bfloat16": (7, 8), "float32": (23, 8), "float64": (52, 11)}


def _round_to(values: npt.NDArray[Any], name: str) -> npt.NDArray[Any]:
    """The values after a passage through another float type."""
    codes = ENCODE[name](values)
    if name == "bfloat16":
        codes = codes.astype(np.uint32) << np.uint32(16)
    floats: npt.NDArray[Any] = codes.view(f"<f{codes.dtype.itemsize}")
    return floats


def _through(case: Case, *, name: str) -> Iterator[Candidate]:
    """Converted to a float type by value, and back."""
    scalar = case.scalar
    if scalar.name in ENCODE and scalar.name != name and _loses(scalar, name):
        passed = _round_to(values_of(case.expected, scalar), name)
        yield Candidate(ENCODE[scalar.name](passed), unspecified=is_nan(case.expected, scalar))
    elif scalar.kind in {"int", "uint"} and scalar.bits > NARROWNESS[name][0] + 1:
        yield _integers_through(case, name)


def _loses(scalar: ElementType, name: str) -> bool:
    own, other = NARROWNESS[scalar.name], NARROWNESS[name]
    return own[0] > other[0] or own[1] > other[1]


def _integers_through(case: Case, name: str) -> Candidate:
    values = values_of(case.expected, case.scalar)
    passed = _round_to(values, name).astype(np.float64)
    limits = np.iinfo(values.dtype)
    # A float outside the integer's range has no defined conversion: CPUs differ.
    outside = ~(passed >= float(limits.min)) | ~(passed < float(limits.max))
    back = np.where(outside, 0.0, passed).astype(values.dtype)
    return Candidate(back.view(case.expected.dtype), unspecified=outside)


def _read_as(case: Case, *, name: str) -> Iterator[Candidate]:
    """The 16 bits taken as another 16-bit float, and its value converted."""
    if case.scalar.name not in {"float16", "bfloat16"} or case.scalar.name == name:
        return
    floats = (
        case.expected.view("<f2")
        if name == "float16"
        else (case.expected.astype(np.uint32) << np.uint32(16)).view(np.float32)
    )
    yield Candidate(ENCODE[case.scalar.name](floats), unspecified=np.isnan(floats))


def _subnormals_flushed(case: Case) -> Iterator[Candidate]:
    small = is_subnormal(case.expected, case.scalar)
    if small.any():
        sign = case.expected & case.expected.dtype.type(sign_bit(case.scalar))
        yield Candidate(np.where(small, sign, case.expected), "zero")
        yield Candidate(np.where(small, sign.dtype.type(0), case.expected), "zero without their sign")


def _nan_rewritten(case: Case) -> Iterator[Candidate]:
    """Every NaN is still one, with other bits: which ones depends on the library, so they are taken as found."""
    both = is_nan(case.expected, case.scalar) & is_nan(case.found, case.scalar)
    if both.any():
        yield Candidate(np.where(both, case.found, case.expected))


def _nan_became_infinity(case: Case) -> Iterator[Candidate]:
    fields = case.scalar.float_fields
    nan = is_nan(case.expected, case.scalar)
    if fields is not None and fields.specials == "ieee" and nan.any():
        top = case.expected.dtype.type(((1 << fields.exponent) - 1) << fields.fraction)
        sign = case.expected & case.expected.dtype.type(sign_bit(case.scalar))
        yield Candidate(np.where(nan, sign | top, case.expected))


def _zero_sign_lost(case: Case) -> Iterator[Candidate]:
    zeros = is_zero(case.expected, case.scalar)
    if zeros.any():
        yield Candidate(np.where(zeros, case.expected.dtype.type(0), case.expected))


def _bool_made_plain(case: Case) -> Iterator[Candidate]:
    if case.element.kind == "bool":
        yield Candidate((case.expected != 0).astype(case.expected.dtype))


def _turned_sign(case: Case, *, conjugate: bool) -> Iterator[Candidate]:
    """What lies in the storage, where the file says that its sign is turned."""
    stored = case.from_file(
        case.tensor.at + case.tensor.storage_offset * case.element.bits // 8, case.tensor.stride
    )
    if stored is None or (conjugate and case.parts == 1):
        return
    turned = (case.expected ^ case.expected.dtype.type(sign_bit(case.scalar))).reshape(-1, case.parts)
    if conjugate:
        turned = np.column_stack((case.expected.reshape(-1, 2)[:, 0], turned[:, 1]))
    if np.array_equal(stored, turned.ravel()):
        yield Candidate(stored)


BITS = "copy the bits: view the data as unsigned integers of the element's width, and never convert by value"

BIT = "apply the bits that the tensor's metadata carry (torch's conj and neg) to what the storage holds"

VALUES = (
    Mistake("conjugate-bit-ignored", "the conj bit was ignored", BIT, partial(_turned_sign, conjugate=True)),
    Mistake("negative-bit-ignored", "the neg bit was ignored", BIT, partial(_turned_sign, conjugate=False)),
    Mistake("bool-made-plain", "bytes of bool were made 0 or 1", BITS, _bool_made_plain),
    Mistake("nan-rewritten", "the bits of NaNs were rewritten", BITS, _nan_rewritten),
    Mistake("nan-became-infinity", "NaNs became infinities", BITS, _nan_became_infinity),
    Mistake("zero-sign-lost", "zeros lost their sign", BITS, _zero_sign_lost),
    Mistake(
        "subnormals-flushed",
        "subnormals were flushed to {detail}",
        f"{BITS}, and without flush-to-zero mode",
        _subnormals_flushed,
    ),
    Mistake("read-as-float16", "bits were read as float16", BITS, partial(_read_as, name="float16")),
    Mistake("read-as-bfloat16", "bits were read as bfloat16", BITS, partial(_read_as, name="bfloat16")),
    *(
        Mistake(f"through-{name}", f"values were rounded to {name} and back", BITS, partial(_through, name=name))
        for name in ("float16", "bfloat16", "float32", "float64")
    ),
)
