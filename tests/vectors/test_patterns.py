"""Patterns: values that cannot look right when they are read wrong."""

from __future__ import annotations

import pytest

from endianproof.spec import load_spec
from endianproof.vectors._codes import encode, is_finite, special_codes
from endianproof.vectors._patterns import codes_for

TYPES = load_spec().element_types
WIDE = [name for name, element in TYPES.items() if element.bits > 8]


def swapped(data, unit):
    return b"".join(data[at : at + unit][::-1] for at in range(0, len(data), unit))


@pytest.mark.parametrize("name", WIDE)
def test_no_element_of_distinct_survives_a_swap_of_any_unit(name):
    element = TYPES[name]
    codes = codes_for(element, "distinct", 130)
    for code in codes:
        data = encode(element, [code], "little")
        for unit in (2, 4, 8, 16):
            if unit <= len(data):
                assert swapped(data, unit) != data, hex(code)


@pytest.mark.parametrize("name", TYPES)
def test_the_pieces_of_a_pattern_join_to_the_whole(name):
    element = TYPES[name]
    pieces = [codes_for(element, "distinct", count, skip=count * (count - 1) // 2) for count in range(1, 20)]
    assert [code for piece in pieces for code in piece] == list(codes_for(element, "distinct", 190))


@pytest.mark.parametrize("name", [name for name in WIDE if TYPES[name].bits >= 16])
def test_no_two_elements_of_distinct_are_equal(name):
    codes = codes_for(TYPES[name], "distinct", 130)
    assert len(set(codes)) == 130


@pytest.mark.parametrize("name", [name for name, element in TYPES.items() if element.kind == "float"])
def test_distinct_floats_are_finite_and_not_zero(name):
    element = TYPES[name]
    assert all(is_finite(element, code) and code for code in codes_for(element, "distinct", 130))


def test_distinct_parts_of_a_complex_differ():
    for code in codes_for(TYPES["complex64"], "distinct", 130):
        assert code & 0xFFFFFFFF != code >> 32


def test_distinct_bools_have_no_short_period():
    codes = codes_for(TYPES["bool"], "distinct", 64)
    assert set(codes) == {0, 1}
    assert all(codes[shift:] != codes[:-shift] for shift in range(1, 33))


def test_all_has_every_code_once():
    assert codes_for(TYPES["bfloat16"], "all", 65536) == tuple(range(65536))


def test_special_bfloat16_codes_are_the_ones_that_the_rules_speak_of():
    expected = {
        0x0000,
        0x8000,
        0x0001,
        0x8001,
        0x007F,
        0x0080,
        0x7F7F,
        0xFF7F,
        0x7F80,
        0xFF80,
        0x7FC0,
        0xFFC0,
        0x7F81,
        0xFFFF,
    }
    assert expected <= set(special_codes(TYPES["bfloat16"]))


def test_an_unknown_pattern_is_refused():
    with pytest.raises(ValueError, match="'ramp' is no pattern"):
        codes_for(TYPES["uint8"], "ramp", 3)


@pytest.mark.parametrize(
    ("name", "codes", "order", "expected"),
    [
        ("bfloat16", [0x3F80], "little", "803f"),
        ("bfloat16", [0x3F80], "big", "3f80"),
        ("uint32", [0x01020304], "big", "01020304"),
        ("complex64", [0x40000000_3F800000], "little", "0000803f00000040"),
        ("complex64", [0x40000000_3F800000], "big", "3f80000040000000"),
        ("uint8", [1, 2], "big", "0102"),
        ("float4_e2m1fn", [0x1, 0x2, 0x3], "little", "2103"),
    ],
)
def test_bytes_are_made_in_the_order_asked_for(name, codes, order, expected):
    assert encode(TYPES[name], codes, order).hex() == expected
