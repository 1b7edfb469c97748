"""A testee's conversion is proven from the specification's bit fields."""

from __future__ import annotations

import base64
import struct

import pytest

from endianproof.conformance.proof import expected_bytes, false_samples
from endianproof.spec import load_spec

TYPES = load_spec().element_types
KNOWN = {
    "bool": b"\x00\x01",
    "uint8": b"\x01\x02",
    "int64": struct.pack("<2q", 1, 2),
    "float16": struct.pack("<2e", 1, 2),
    "bfloat16": struct.pack("<2f", 1, 2)[2:4] + struct.pack("<2f", 1, 2)[6:8],
    "float32": struct.pack("<2f", 1, 2),
    "float64": struct.pack("<2d", 1, 2),
    "complex32": struct.pack("<2e", 1, 2),
    "complex128": struct.pack("<2d", 1, 2),
    "float8_e8m0fnu": b"\x7f\x80",
    "float8_e4m3fn": b"\x38\x40",
    "float4_e2m1fn": b"\x42",
    "float6_e2m3fn": b"\x08\x04",
}


@pytest.mark.parametrize("name", KNOWN)
def test_the_bit_fields_give_the_bytes_of_one_and_two(name):
    assert expected_bytes(TYPES[name], TYPES) == KNOWN[name]


@pytest.mark.parametrize("name", TYPES)
def test_swapped_bytes_are_seen_in_every_type_that_swaps(name):
    element = TYPES[name]
    right = expected_bytes(element, TYPES)
    unit = element.swap_unit
    swapped = b"".join(right[at : at + unit][::-1] for at in range(0, len(right), unit))
    assert false_samples([_sample(name, right)]) == []
    assert len(false_samples([_sample(name, swapped)])) == (unit > 1)


def _sample(name, data):
    return {"via": "torch", "dtype": name, "data": base64.b64encode(data).decode()}


def test_a_type_that_the_specification_lacks_proves_nothing():
    assert false_samples([_sample("float9", b"\x00")]) == []
