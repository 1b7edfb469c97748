"""bfloat16: the specification's cases and rounding, against torch and ml_dtypes."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

from endianproof.spec import load_spec
from endianproof.vectors._codes import is_finite, narrow

SPEC = load_spec()
F32, BF16 = SPEC.element_types["float32"], SPEC.element_types["bfloat16"]
CASES = [case for case in SPEC.conversions if (case.source, case.target) == ("float32", "bfloat16")]


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


def test_widening_is_exact_for_all_codes_in_both_libraries():
    import torch

    codes = np.arange(1 << 16, dtype="u2")
    wide = codes.astype("u4") << 16
    assert np.array_equal(
        torch.from_numpy(codes.view("i2")).view(torch.bfloat16).float().view(torch.int32).numpy().view("u4"), wide
    )
    finite = np.array([is_finite(BF16, int(code)) for code in codes])
    ours = codes.view(ml_dtypes.bfloat16).astype("f4").view("u4")
    assert np.array_equal(ours[finite], wide[finite])
    assert [narrow(int(code), F32, BF16) for code in wide[finite]] == codes[finite].tolist()


def test_cases_of_widening_hold():
    for case in SPEC.conversions:
        if (case.source, case.target) == ("bfloat16", "float32"):
            wide = narrow(case.code, BF16, F32)
            assert wide == case.code << 16
            assert case.result in (None, wide)
