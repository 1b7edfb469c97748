"""Another element type or shape than the file's, planted and diagnosed."""

from __future__ import annotations

import numpy as np
import pytest
from planted import TYPES, loaded, plant

from endianproof.conformance.diagnosis import explain_form

BFLOATS = plant([0x3F80, 0xC020, 0x0001, 0x7FC1], "bfloat16")


def form(planted, dtype, shape, data):
    return explain_form(planted.tensor, loaded("w", dtype, shape, data), TYPES)


def widened(codes):
    return (np.asarray(codes, dtype="<u4") << 16).astype("<u4")


def test_a_tensor_of_the_right_type_and_shape_has_no_mistake_of_form():
    assert form(BFLOATS, "bfloat16", (4,), b"\0" * 8) is None


def test_uint16_in_place_of_bfloat16_with_the_same_bits_is_named():
    mistake = form(BFLOATS, "uint16", (4,), BFLOATS.tensor.canonical)
    assert mistake.name == "wrong-dtype-same-bits"
    assert mistake.headline == (
        "uint16 in place of bfloat16, with the same bits: 1.0 (0x3F80) came back as 16256 (0x3F80)"
    )


@pytest.mark.parametrize("nan", [0x7FC10000, 0x7FC00000, 0xFFFFFFFF])
def test_widening_to_float32_is_named_whatever_became_of_nan_bits(nan):
    wide = widened(BFLOATS.expected)
    wide[3] = nan
    mistake = form(BFLOATS, "float32", (4,), wide.tobytes())
    assert mistake.name == "widened"
    assert mistake.headline.startswith(
        "bfloat16 was widened to float32: 1.0 (0x3F80) came back as 1.0 (0x3F800000)"
    )


def test_a_wider_type_with_other_values_is_no_widening():
    wide = widened(BFLOATS.expected)
    wide[0] += 1
    assert form(BFLOATS, "float32", (4,), wide.tobytes()).name == "wrong-dtype"


def test_a_type_that_the_specification_does_not_know_is_named():
    mistake = form(BFLOATS, "float128", (4,), b"\0" * 64)
    assert mistake.headline == "float128 in place of bfloat16: tensor 'w'"


def test_a_tensor_that_is_cut_short_is_named():
    mistake = form(BFLOATS, "bfloat16", (3,), BFLOATS.tensor.canonical[:6])
    assert mistake.name == "cut-short"
    assert mistake.headline == "only 3 of 4 elements came back: shape [3] instead of [4]"


def test_the_same_elements_in_another_shape_are_named():
    assert form(BFLOATS, "bfloat16", (2, 2), BFLOATS.tensor.canonical).name == "wrong-shape"


def test_a_tensor_with_its_sizes_and_elements_in_reverse_order_is_named():
    planted = plant([1, 2, 3, 4, 5, 6], "uint16", shape=(2, 3))
    mistake = form(planted, "uint16", (3, 2), np.array([1, 4, 2, 5, 3, 6], "<u2").tobytes())
    assert mistake.name == "transposed"
    assert mistake.headline == "the tensor came back transposed: shape [3, 2] instead of [2, 3]"
