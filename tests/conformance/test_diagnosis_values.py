"""Mistakes of value, planted and diagnosed."""

from __future__ import annotations

import base64
import dataclasses
import hashlib

import numpy as np
import pytest
from planted import plant

BFLOATS = plant([0x3F80, 0xC020, 0x42E9, 0x0001, 0x8000, 0x7FC1, 0xFF81, 0x7F80], "bfloat16")


def changed(planted, **codes):
    """What came back right but for the codes given as index=code."""
    found = planted.expected.copy()
    for index, code in codes.items():
        found[int(index[1:])] = code
    return found


@pytest.mark.parametrize(
    ("codes", "name"),
    [
        ({"i5": 0x7FC0, "i6": 0xFFC0}, "nan-rewritten"),
        ({"i6": 0xFFC1}, "nan-rewritten"),
        ({"i5": 0xFFFF, "i6": 0xFFFF}, "nan-rewritten"),
        ({"i5": 0x7F80, "i6": 0xFF80}, "nan-became-infinity"),
        ({"i4": 0x0000}, "zero-sign-lost"),
        ({"i3": 0x0000}, "subnormals-flushed"),
    ],
)
def test_the_class_of_codes_that_changed_names_the_mistake(codes, name):
    assert BFLOATS.name(changed(BFLOATS, **codes)) == name


def test_a_nan_that_became_a_number_is_no_rewritten_nan():
    assert BFLOATS.name(changed(BFLOATS, i5=0x3F80)) is None


def test_subnormals_flushed_with_their_sign_lost_are_told_apart():
    planted = plant([0x3F80, 0x8001], "bfloat16")
    assert planted.explain([0x3F80, 0x8000]).sentence == "subnormals were flushed to zero"
    assert planted.explain([0x3F80, 0x0000]).sentence == "subnormals were flushed to zero without their sign"


def test_bits_read_as_float16_are_named():
    assert plant([0x3F80, 0xC020], "bfloat16").name([0x3FF0, 0xC004]) == "read-as-float16"


def test_bits_read_as_bfloat16_are_named():
    # float16 1.0 is 0x3C00, which as a bfloat16 is 2^-7; as float16 again that is 0x2000.
    assert plant([0x3C00, 0x4248], "float16").name([0x2000, 0x5240]) == "read-as-bfloat16"


def test_bfloat16_through_float16_without_a_swap_is_named():
    planted = plant([0x3F80, 0x4B00, 0x3380, 0x3300], "bfloat16")  # 1, 2^23, 2^-24, 2^-25
    assert planted.name([0x3F80, 0x7F80, 0x3380, 0x0000]) == "through-float16"


@pytest.mark.parametrize("middle", ["float16", "float32"])
def test_doubles_through_a_narrower_float_are_named(middle):
    values = np.array([1.1, -2.3, 1e-3, 3.75], dtype="<f8")
    passed = values.astype(middle).astype("<f8")
    assert plant(values.view("<u8"), "float64").name(passed.view("<u8")) == f"through-{middle}"


def test_float32_through_bfloat16_is_named():
    values = np.array([1.1, -2.3, 1e-3], dtype="<f4").view("<u4")
    rounded = ((values + 0x7FFF + ((values >> 16) & 1)) >> 16) << 16
    assert plant(values, "float32").name(rounded) == "through-bfloat16"


@pytest.mark.parametrize(("dtype", "middle", "view"), [("int64", "float64", "<i8"), ("int32", "float32", "<i4")])
def test_integers_through_a_float_are_named(dtype, middle, view):
    values = np.array([0x01020305, -0x01020307, 9], dtype=view)
    if view == "<i8":
        values = values * 0x0100000001 + np.array([1, -1, 0])
    back = values.astype(middle).astype(view)
    unsigned = view.replace("i", "u")
    assert plant(values.view(unsigned), dtype).name(back.view(unsigned)) == f"through-{middle}"


def test_integers_that_no_float_reaches_are_left_open():
    # 2^63 - 1 rounds to 2^63, which no int64 holds: x86 gives the smallest int64, s390x the largest.
    planted = plant([2**63 - 1, 2**53 + 2**29 + 1], "int64")
    assert planted.name([2**63, 2**53 + 2**29]) == "through-float64"
    assert planted.name([2**63 - 1, 2**53 + 2**29]) == "through-float64"


def test_complex_parts_rounded_through_float16_are_named():
    values = np.array([1.1, -2.3, 3.3, 1e-3], dtype="<f4")
    passed = values.astype("<f2").astype("<f4")
    assert plant(values.view("<u4"), "complex64").name(passed.view("<u4")) == "through-float16"


def test_a_bool_byte_that_was_made_one_is_named():
    assert plant([0, 1, 2, 255], "bool").name([0, 1, 1, 1]) == "bool-made-plain"


@pytest.mark.parametrize("order", ["little", "big"])
@pytest.mark.parametrize(
    ("dtype", "turned", "name"),
    [
        ("float32", [True, True, True, True], "negative-bit-ignored"),
        ("complex64", [False, True, False, True], "conjugate-bit-ignored"),
        ("complex64", [True, True, True, True], "negative-bit-ignored"),
    ],
)
def test_a_bit_of_the_tensor_that_was_ignored_is_named(dtype, turned, name, order):
    stored = plant([0x3F800000, 0x40490FDB, 0xC0200000, 0x00000001], dtype, order=order)
    logical = stored.expected ^ (np.array(turned, "<u4") << np.uint32(31))
    data = logical.astype("<u4").tobytes()
    tensor = dataclasses.replace(
        stored.tensor, sha256=hashlib.sha256(data).hexdigest(), source={"data": base64.b64encode(data).decode()}
    )
    assert type(stored)(tensor, stored.file).name(stored.expected) == name
