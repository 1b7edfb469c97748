"""bfloat16: the specification's cases and rounding, against torch and ml_dtypes."""

from __future__ import annotations

import importlib.util
import math
import struct
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest

from endianproof.spec import load_spec
from endianproof.vectors._codes import narrow

SPEC = load_spec()
F32, BF16 = SPEC.element_types["float32"], SPEC.element_types["bfloat16"]
CASES = [case for case in SPEC.conversions if (case.source, case.target) == ("float32", "bfloat16")]


def _tool(name):
    """A script of tests/tools, as a module."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).parents[1] / "tools" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


exhaustive = _tool("narrow_all")


def is_nan(code):
    return code & 0x7F80 == 0x7F80 and code & 0x7F != 0


@pytest.fixture(scope="module")
def inputs():
    """Every exponent and sign, with fractions around every tie and carry; no NaN."""
    fractions = [
        0,
        1,
        0x7FFF,
        0x8000,
        0x8001,
        0xFFFF,
        0x10000,
        0x17FFF,
        0x18000,
        0x18001,
        0x7F7FFF,
        0x7F8000,
        0x7FFFFF,
    ]
    codes = [s << 31 | e << 23 | f for s in (0, 1) for e in range(255) for f in fractions]
    return [*codes, 0x7F800000, 0xFF800000]


# Signalling NaNs raise the invalid flag when they are converted: that is what the cases are about.
@np.errstate(invalid="ignore")
@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.rule}-{case.code:08X}")
def test_a_case_holds_in_the_encoder_and_in_both_libraries(case):
    import torch

    number = np.array([case.code], "u4").view("f4")
    # One element: torch's scalar and vectorised paths differ in the NaN that they make, not in whether it is one.
    results = [
        narrow(case.code, F32, BF16),
        int(number.astype(ml_dtypes.bfloat16).view("u2")[0]),
        int(torch.from_numpy(number).bfloat16().view(torch.int16)[0]) & 0xFFFF,
    ]
    if case.result is None:
        assert all(is_nan(result) for result in results)
    else:
        assert results == [case.result] * 3


def test_rounding_agrees_with_both_libraries_at_every_exponent(inputs):
    import torch

    ours = [narrow(code, F32, BF16) for code in inputs]
    numbers = np.array(inputs, "u4").view("f4")
    assert numbers.astype(ml_dtypes.bfloat16).view("u2").tolist() == ours
    assert (torch.from_numpy(numbers).bfloat16().view(torch.int16).numpy().view("u2")).tolist() == ours


def test_the_conversion_of_the_exhaustive_run_is_the_encoders(inputs):
    """`tox -e exhaustive` compares this one with both libraries over all 2^32 inputs."""
    nans = [0x7F800001, 0xFF800001, 0x7F80FFFF, 0x7FC00000, 0xFFFFFFFF, 0x7FBFFFFF]
    codes = [*inputs, *nans, *range(0x3F7FFFF0, 0x3F820010, 7)]
    narrowed = exhaustive.narrow_all(np.array(codes, "u4"))
    assert narrowed.tolist() == [narrow(code, F32, BF16) for code in codes]


def test_the_exhaustive_run_notices_one_wrong_result(monkeypatch):
    right = exhaustive.by_torch
    monkeypatch.setitem(
        exhaustive.OTHERS, "torch", lambda codes: right(codes) ^ (codes == 0x3F818000).astype("u2")
    )
    monkeypatch.setattr(exhaustive, "CHUNK", 1 << 17)
    numbers, nans, lost, *others = exhaustive.compare(0x3F810000)
    assert (numbers, nans, lost) == (1 << 17, 0, 0)
    assert others == [0, 0, 1, 0]


@pytest.fixture(scope="module")
def widened():
    """What the encoder makes of all 65,536 codes, as float32."""
    return np.array([narrow(code, BF16, F32) for code in range(1 << 16)], "u4")


def test_widening_gives_every_code_the_number_that_its_bit_fields_say(widened):
    """BF-FMT-01, put together from sign, exponent and fraction, and no shift."""
    fields = BF16.float_fields
    for code, wide in enumerate(widened.tolist()):
        sign, exponent, fraction = code >> 15, code >> 7 & 0xFF, code & 0x7F
        value = struct.unpack(">f", wide.to_bytes(4, "big"))[0]
        if exponent == 0xFF:
            assert math.isnan(value) if fraction else value == (-1) ** sign * math.inf, hex(code)
        else:
            ones = fraction / 2**fields.fraction + (1 if exponent else 0)
            expected = math.copysign(math.ldexp(ones, max(exponent, 1) - fields.bias), -1 if sign else 1)
            assert (value, math.copysign(1, value)) == (expected, math.copysign(1, expected)), hex(code)


def test_widening_is_that_of_torch_for_every_code(widened):
    import torch

    codes = np.arange(1 << 16, dtype="u2").view("i2")
    theirs = torch.from_numpy(codes).view(torch.bfloat16).float().view(torch.int32).numpy().view("u4")
    assert np.array_equal(theirs, widened)


def test_widening_is_that_of_ml_dtypes_for_every_code(widened):
    theirs = np.arange(1 << 16, dtype="u2").view(ml_dtypes.bfloat16).astype("f4").view("u4")
    assert np.array_equal(theirs, widened)


def test_narrowing_brings_every_widened_code_but_signalling_nans_back(widened):
    """The quiet bit of a NaN is set on the way: BF-NAN-01."""
    for code, wide in enumerate(widened.tolist()):
        assert narrow(wide, F32, BF16) == (code | 0x40 if is_nan(code) else code), hex(code)


def test_cases_of_widening_hold(widened):
    cases = [case for case in SPEC.conversions if (case.source, case.target) == ("bfloat16", "float32")]
    assert cases
    for case in cases:
        assert case.result in (None, widened[case.code])
