"""Mistakes of place and omission, planted and diagnosed."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from planted import expected_tensor, plant

from endianproof.conformance.difference import _index

CODES = [0x0102 + 0x0111 * step for step in range(24)]
ORDERS = ["little", "big"]


def codes_at(planted, byte, count):
    """`count` 16-bit codes from byte `byte` of the file, in the file's own byte order."""
    order = "<u2" if planted.tensor.byte_order == "little" else ">u2"
    return np.frombuffer(planted.file, order, count=count, offset=byte).astype("<u2")


@pytest.mark.parametrize("order", ORDERS)
def test_an_ignored_storage_offset_is_named(order):
    planted = plant(CODES, "bfloat16", order=order, shape=(5,), offset=3)
    assert planted.name(codes_at(planted, 13, 5)) == "storage-offset-ignored"


@pytest.mark.parametrize("order", ORDERS)
def test_a_storage_offset_taken_as_bytes_is_named(order):
    planted = plant(CODES, "bfloat16", order=order, shape=(5,), offset=3)
    assert planted.name(codes_at(planted, 13 + 3, 5)) == "storage-offset-in-bytes"


@pytest.mark.parametrize("order", ORDERS)
def test_ignored_strides_are_named(order):
    planted = plant(CODES, "uint16", order=order, shape=(3, 4), stride=(1, 3))
    assert planted.explain(codes_at(planted, 13, 12)).sentence == "strides were ignored"


def test_ignored_strides_and_offset_are_named_together():
    planted = plant(CODES, "uint16", shape=(3, 4), stride=(1, 3), offset=2)
    assert planted.explain(codes_at(planted, 13, 12)).sentence == "strides and storage offset were ignored"


def test_an_expanded_view_read_densely_and_padded_with_zeros_is_named():
    planted = plant([0x0102, 0x0304], "uint16", shape=(3, 2), stride=(0, 1))
    assert planted.name([0x0102, 0x0304, 0, 0, 0, 0]) == "strides-ignored"


@pytest.mark.parametrize("order", ORDERS)
def test_strides_taken_as_bytes_are_named(order):
    planted = plant(CODES, "bfloat16", order=order, shape=(3, 4), stride=(4, 1))
    found = [codes_at(planted, 13 + 4 * row + column, 1)[0] for row in range(3) for column in range(4)]
    assert planted.name(found) == "strides-in-bytes"


def test_elements_that_came_back_rotated_are_named_with_by_how_many():
    planted = plant(CODES, "uint16")
    assert planted.explain(np.roll(planted.expected, -5)).sentence == (
        "elements came back rotated: the first is number 5 of 24"
    )


def test_column_major_order_is_named():
    planted = plant(CODES[:12], "uint16", shape=(3, 4))
    assert planted.name(planted.expected.reshape(4, 3).T.ravel()) == "column-major"


def test_a_payload_whose_place_was_rounded_up_is_named_with_the_distance():
    # llama.cpp#18282: data at byte 13 read from byte 16.
    planted = plant(list(range(200, 230)), "uint8")
    found = np.frombuffer(planted.file, np.uint8, count=20, offset=16)
    shorter = plant(list(range(200, 220)), "uint8")
    whole = type(planted)(shorter.tensor, planted.file)
    assert whole.explain(found).sentence == "bytes were read 3 bytes after their place"


@pytest.mark.parametrize("order", ORDERS)
def test_a_payload_read_from_a_rounded_place_to_beyond_the_end_is_named_whatever_came_from_there(order):
    planted = plant(CODES, "uint16", order=order)
    for beyond in (0, 0xBEEF):
        found = np.append(codes_at(planted, 16, len(CODES) - 2), [beyond, beyond])
        sentence = planted.explain(found).sentence
        assert sentence == "bytes were read 3 bytes after their place, and past the end of the file"


@pytest.mark.parametrize("order", ORDERS)
def test_offsets_taken_from_the_start_of_the_file_are_named(order):
    planted = plant(CODES, "uint16", order=order, header=b"\x08" + bytes(range(50, 120)))
    explanation = planted.explain(codes_at(planted, 0, len(CODES)))
    assert explanation.sentence == "bytes were read 71 bytes before their place"


def test_a_shift_without_a_swap_is_told_apart():
    planted = plant(CODES, "uint16", header=bytes(range(50, 120)))
    found = codes_at(planted, 3, len(CODES)).byteswap()
    assert planted.name(found) == "shifted-and-not-swapped"


def test_another_tensors_values_are_named_by_its_name():
    other = expected_tensor("bias", "uint16", (3,), bytes([9, 8, 7, 6, 5, 4]), at=200)
    planted = plant(CODES[:3], "uint16", siblings=(other,))
    explanation = planted.explain([0x0809, 0x0607, 0x0405])
    assert explanation.sentence == "the values are those of the tensor 'bias'"


def test_zeros_are_named():
    assert plant(CODES, "uint16").name([0] * len(CODES)) == "zeroed"


def test_a_tail_of_zeros_is_named_with_where_it_begins():
    planted = plant(CODES, "uint16")
    explanation = planted.explain([*CODES[:10], *[0] * 14])
    assert explanation.name == "truncated"
    assert explanation.sentence == "values end after 10 of 24 elements and the rest is zero"


def test_the_place_in_the_file_follows_offset_and_strides():
    planted = plant(CODES, "uint16", shape=(3, 4), stride=(1, 3), offset=2)
    found = planted.expected.copy()
    found[6] = 0xBEEF  # element [1, 2]: storage element 2 + 1 + 2 * 3 = 9
    lines = dict(planted.difference(found).lines())
    byte = 13 + 9 * 2
    assert (
        lines["in file"]
        == f"byte {byte} (0x{byte:X}) of 61: {planted.file[byte : byte + 2].hex(' ').upper()}, little-endian"
    )
    assert lines["first"].startswith("element [1, 2]: expected ")


@pytest.mark.parametrize("shape", [(), (2, 3, 4), (1,) * 69 + (5,)], ids=["scalar", "three", "seventy"])
def test_the_place_of_an_element_is_told_in_any_number_of_dimensions(shape):
    count = math.prod(shape)
    assert [_index(place, shape) for place in range(count)] == [
        list(index) for index in itertools.product(*map(range, shape))
    ]
