"""Element types agree with the libraries that have them: widths, names, and the numbers that codes mean."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

from endianproof.spec import load_spec
from endianproof.vectors._codes import is_finite, special_codes

TYPES = load_spec().element_types
FLOATS = [name for name, element in TYPES.items() if element.kind == "float"]
HALVES_AND_LESS = [name for name in FLOATS if TYPES[name].bits <= 16]


def numpy_type(name):
    return np.dtype(getattr(ml_dtypes, name) if hasattr(ml_dtypes, name) else name)


def as_numbers(element, codes):
    container = f"<u{max(1, element.bits // 8)}"
    with np.errstate(invalid="ignore"):  # signalling NaNs are among the codes
        return np.array(codes, container).view(numpy_type(element.name)).astype(np.float64)


def by_fields(element, code):
    """The number that sign, exponent, fraction and bias give to a finite code."""
    fields = element.float_fields
    fraction = code & ((1 << fields.fraction) - 1)
    exponent = (code >> fields.fraction) & ((1 << fields.exponent) - 1)
    sign = -1.0 if fields.sign and code >> (element.bits - 1) else 1.0
    if fields.specials == "e8m0":
        return 2.0 ** (exponent - fields.bias)
    if exponent == 0:
        return sign * fraction * 2.0 ** (1 - fields.bias - fields.fraction)
    return sign * (1 + fraction / (1 << fields.fraction)) * 2.0 ** (exponent - fields.bias)


@pytest.mark.parametrize("name", HALVES_AND_LESS)
def test_the_bit_fields_give_every_code_the_number_that_the_library_gives(name):
    element = TYPES[name]
    codes = list(range(1 << element.bits))
    numbers = as_numbers(element, codes)
    finite = [is_finite(element, code) for code in codes]
    assert np.array_equal(np.isfinite(numbers), finite)
    ours = [by_fields(element, code) for code in codes if finite[code]]
    assert np.array_equal(numbers[finite], ours)
    assert np.array_equal(np.signbit(numbers[finite]), np.signbit(ours))


@pytest.mark.parametrize("name", ["float32", "float64"])
def test_special_codes_of_the_wide_floats_are_what_their_names_say(name):
    info = np.finfo(name)
    numbers = as_numbers(TYPES[name], special_codes(TYPES[name]))
    expected = [
        0.0, -0.0, 1.0, -1.0, info.smallest_subnormal, -info.smallest_subnormal,
        info.smallest_normal - info.smallest_subnormal, info.smallest_normal, info.max, -info.max, np.inf, -np.inf,
    ]  # fmt: skip
    assert np.array_equal(numbers[:12], np.array(expected, name))
    assert np.array_equal(np.signbit(numbers[:12]), np.signbit(expected))
    assert np.isnan(numbers[12:]).all()


@pytest.mark.parametrize("name", TYPES)
def test_the_swap_unit_is_the_width_of_what_swaps(name):
    element = TYPES[name]
    part = TYPES[element.component] if element.component else element
    assert element.swap_unit == max(1, part.bits // 8)
    assert element.bits == part.bits * (2 if element.component else 1)


def test_every_dense_dtype_of_torch_has_an_element_type():
    import torch

    # Shells without operations or storage, packed bits, and quantized types, which carry more than elements.
    shells = {f"{sign}int{bits}" for sign in ("", "u") for bits in range(1, 8)} | {"bit"}
    left_out = shells | {"bits8", "bits16", "bits1x8", "bits2x4", "bits4x2"}
    left_out |= {"qint8", "qint32", "quint8", "quint4x2", "quint2x4"}
    renamed = {"float4_e2m1fn_x2": "float4_e2m1fn"}
    dtypes = {str(v).removeprefix("torch.") for v in vars(torch).values() if isinstance(v, torch.dtype)}
    assert {renamed.get(name, name) for name in dtypes - left_out} <= TYPES.keys()
