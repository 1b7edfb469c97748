"""Mistakes of byte order, planted and diagnosed."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from planted import plant

BUG_448 = plant([0x3F80, 0xC020, 0x0001, 0x7FC1], "bfloat16")
MULTI_BYTE = ["uint16", "int32", "uint64", "float16", "bfloat16", "float32", "float64"]


def counting(dtype, count=7):
    width = {"uint16": 2, "float16": 2, "bfloat16": 2, "int32": 4, "float32": 4, "complex64": 4}.get(dtype, 8)
    return [int.from_bytes(bytes(range(i + 1, i + 1 + width)), "big") for i in range(count)]


def swapped(codes):
    return np.asarray(codes).byteswap()


def test_the_bug_that_started_the_project_reads_as_the_readme_says():
    difference = BUG_448.difference([0x3700, 0x0000, 0x0000, 0xC719])
    assert difference.headline == ("values went through float16: 1.0 (0x3F80) came back as 7.6294e-06 (0x3700)")
    assert difference.explanation.name == "through-float16-around-swap"


def test_the_bug_that_started_the_project_is_found_whatever_became_of_a_nan_on_the_way():
    # 0x807F in the file reads as the NaN 0x7F80... swapped: what a NaN becomes in float16 is the library's choice.
    planted = plant([0x3F80, 0x817F], "bfloat16")
    for nan in (0x7FC0, 0x0000, 0x1234):
        assert planted.name([0x3700, nan]) == "through-float16-around-swap"


def test_a_tensor_that_the_float16_bug_turns_to_zeros_is_still_named_by_it():
    explanation = plant([0xC020, 0x0001], "bfloat16").explain([0, 0])
    assert explanation.name == "through-float16-around-swap"
    assert "zeroed" in explanation.also


@pytest.mark.parametrize("dtype", MULTI_BYTE)
@pytest.mark.parametrize(("order", "machine"), [("little", "big"), ("big", "little")])
def test_a_missed_swap_is_named(dtype, order, machine):
    planted = plant(counting(dtype), dtype, order=order)
    explanation = planted.explain(swapped(planted.expected), machine)
    assert explanation.name == "not-swapped"
    assert "shifted-and-not-swapped" not in explanation.also


@pytest.mark.parametrize("order", ["little", "big"])
def test_a_swap_where_file_and_machine_agree_is_named(order):
    planted = plant(counting("float32"), "float32", order=order)
    assert planted.name(swapped(planted.expected), order) == "swapped-needlessly"


def test_a_testee_of_unknown_byte_order_is_told_of_the_missed_swap():
    planted = plant(counting("float32"), "float32")
    assert planted.name(swapped(planted.expected), "") == "not-swapped"


@pytest.mark.parametrize("dtype", ["complex64", "complex128"])
def test_complex_swapped_as_one_unit_is_named(dtype):
    planted = plant(counting(dtype, 6), dtype)
    exchanged = planted.expected.reshape(-1, 2)[:, ::-1].ravel()
    assert planted.name(exchanged) == "complex-swapped-as-one-unit"


@pytest.mark.parametrize(("dtype", "unit", "right"), [("bfloat16", 4, 2), ("float32", 2, 4), ("uint8", 4, 1)])
def test_a_swap_by_another_unit_is_named_with_both_units(dtype, unit, right):
    codes = list(range(1, 17)) if dtype == "uint8" else counting(dtype, 8)
    planted = plant(codes, dtype)
    # A big-endian machine reverses the file's bytes in blocks of `unit`; its own order makes the codes.
    blocks = np.frombuffer(planted.file[13:], np.uint8).reshape(-1, unit)[:, ::-1]
    found = np.frombuffer(blocks.tobytes(), planted.expected.dtype.newbyteorder(">"))
    explanation = planted.explain(found)
    assert explanation.name == "swapped-by-wrong-unit"
    assert explanation.sentence == f"bytes were swapped in groups of {unit} instead of {right}"


def test_a_swap_loop_that_forgets_its_tail_is_named_with_how_many_elements():
    planted = plant(counting("bfloat16", 67), "bfloat16")
    found = planted.expected.copy()
    found[64:] = swapped(found[64:])
    difference = planted.difference(found)
    assert difference.explanation.name == "tail-not-swapped"
    assert difference.headline.startswith(
        "the last 3 elements were not swapped, the tail of a loop by 16 or 32 or 64 bytes: "
    )
    assert ("differing", "3 of 67 elements, numbers 64 to 66 in C order") in difference.lines()


@pytest.mark.parametrize(("width", "right"), [(16, 56), (32, 48), (64, 32)])
def test_the_width_of_a_swap_loop_is_told_by_where_its_tail_begins(width, right):
    planted = plant(counting("bfloat16", 63), "bfloat16")
    found = planted.expected.copy()
    found[right:] = swapped(found[right:])
    sentence = f"the last {63 - right} elements were not swapped, the tail of a loop by {width} bytes"
    assert planted.explain(found).sentence == sentence


def test_elements_in_the_middle_that_were_not_swapped_are_no_tail():
    planted = plant(counting("bfloat16", 67), "bfloat16")
    found = planted.expected.copy()
    found[8:10] = swapped(found[8:10])
    assert planted.difference(found).headline.startswith("elements were not swapped (2 of 67 elements): ")


def test_a_storage_swapped_once_per_view_is_named_beside_one_that_was_not_swapped():
    planted = plant(counting("float32", 8), "float32", shape=(5,))
    other = dataclasses.replace(planted.tensor, name="other", storage_offset=3)
    explanation = type(planted)(planted.tensor, planted.file, (other,)).explain(swapped(planted.expected))
    assert explanation.name == "swapped-per-view"
    assert explanation.sentence == "elements were not swapped, or once for each of the 2 views of their storage"


def test_half_bytes_read_in_the_other_order_are_named():
    from planted import TYPES, expected_tensor

    from endianproof.conformance.difference import compare

    tensor = expected_tensor("w", "float4_e2m1fn", (4,), bytes([0x21, 0x43]), at=0)
    difference = compare(tensor, bytes([0x12, 0x34]), TYPES, file=bytes([0x21, 0x43]))
    assert difference.explanation.name == "half-bytes-exchanged"
