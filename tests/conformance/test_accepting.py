"""What a loader gives in another type is accepted where the user says so, shown, and judged bit by bit as ever."""

from __future__ import annotations

import struct
from dataclasses import replace

import pytest
from planted import canonical, loaded, outcome, plant, vector_of

from endianproof.conformance.accepting import AcceptError, read_accepted
from endianproof.conformance.finding import Finding
from endianproof.conformance.judge import judge

CODES = [0x3F80, 0xC020, 0x0001, 0x7FC1, 0x7F81, 0x8000]
PLANTED = plant(CODES, "bfloat16")
AS_FLOAT32 = [code << 16 for code in CODES]


def came(dtype, codes, given=None):
    """A load that gave these codes; the second load's digests are the same."""
    first = outcome(loaded("w", dtype, (len(CODES),), given if given is not None else canonical(codes, dtype)))
    return first, replace(first, tensors=tuple(replace(tensor, data=None) for tensor in first.tensors))


def judged(tmp_path, loads, *accepted, planted=PLANTED):
    vector = vector_of(tmp_path, planted)
    return judge(vector, *loads, True, {}, accepted=read_accepted(accepted), machine_order="little")


@pytest.mark.parametrize(
    ("given", "codes"),
    [("uint16", CODES), ("int16", CODES), ("float32", AS_FLOAT32)],
    ids=["uint16", "int16", "wide"],
)
def test_what_is_stated_passes_with_a_note_and_fails_unsaid(tmp_path, given, codes):
    judgement = judged(tmp_path, came(given, codes), f"bfloat16={given}")
    assert judgement.finding is Finding.PASSED
    assert judgement.note == f"accepted, as you said: bfloat16 as {given}"
    unsaid = judged(tmp_path, came(given, codes))
    assert unsaid.finding is Finding.WRONG_FORM
    assert not unsaid.note
    assert f"say --accept=bfloat16={given}" in dict(unsaid.lines)["what to do"]


def test_what_is_accepted_need_not_be_given(tmp_path):
    judgement = judged(tmp_path, came("bfloat16", CODES), "bfloat16=uint16")
    assert (judgement.finding, judgement.note) == (Finding.PASSED, "")


def test_another_type_than_the_stated_one_fails(tmp_path):
    assert judged(tmp_path, came("float32", AS_FLOAT32), "bfloat16=uint16").finding is Finding.WRONG_FORM


def test_swapped_bits_under_an_integers_name_are_diagnosed(tmp_path):
    swapped = [(code >> 8) | (code & 0xFF) << 8 for code in CODES]
    judgement = judged(tmp_path, came("uint16", swapped), "bfloat16=uint16")
    assert judgement.finding is Finding.WRONG_VALUES
    assert "swapped" in judgement.headline


def test_a_nan_that_was_rewritten_by_widening_is_found(tmp_path):
    quieted = [code | 0x00400000 if code == 0x7F810000 else code for code in AS_FLOAT32]
    judgement = judged(tmp_path, came("float32", quieted), "bfloat16=float32")
    assert judgement.finding is Finding.WRONG_VALUES
    assert "[4]" in dict(judgement.lines)["first"]


def test_a_widening_with_bits_that_the_narrow_type_has_not_is_wrong(tmp_path):
    judgement = judged(
        tmp_path, came("float32", [*AS_FLOAT32[:1], 0xC0200001, *AS_FLOAT32[2:]]), "bfloat16=float32"
    )
    assert judgement.finding is Finding.WRONG_VALUES
    assert judgement.headline == (
        "float32 with bits that no bfloat16 has: 'w', number 1 is -2.50000024 (0xC0200001)"
    )


def test_two_loads_that_differ_are_found_whatever_is_accepted(tmp_path):
    first, second = came("uint16", CODES)[0], came("uint16", CODES[::-1])[1]
    assert judged(tmp_path, (first, second), "bfloat16=uint16").finding is Finding.LOADS_DIFFER


@pytest.mark.parametrize(("codes", "finding"), [(CODES, Finding.PASSED), (CODES[::-1], Finding.WRONG_VALUES)])
def test_digests_alone_are_judged_too(tmp_path, codes, finding):
    wide, raw = came("float32", [code << 16 for code in codes])[1], came("uint16", codes)[1]
    assert judged(tmp_path, (wide, wide), "bfloat16=float32").finding is finding
    assert judged(tmp_path, (raw, raw), "bfloat16=uint16").finding is finding


def test_a_widened_tensor_too_long_to_be_looked_at_is_not_counted_as_passed(tmp_path, monkeypatch):
    monkeypatch.setattr("endianproof.conformance.accepting.MOST", 4)
    wide = came("float32", AS_FLOAT32)[1]
    assert judged(tmp_path, (wide, wide), "bfloat16=float32").finding is Finding.UNSUPPORTED


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        (["bfloat16"], "can be given as uint16 or int16 or float32, not as ''"),
        (["bfloat16=float64"], "can be given as uint16 or int16 or float32, not as 'float64'"),
        (["float16=float32"], "float16 can be given as uint16 or int16, not as 'float32'"),
        (["complex64=float32"], "complex64 can be given as nothing else"),
        (["bf16=uint16"], "TYPE=GIVEN is expected, where TYPE is bool, "),
        (["lists=yes"], "lists=values is all that there is"),
        (["bfloat16=uint16", "bfloat16=float32"], "bfloat16 is given twice, as uint16 and as float32"),
    ],
)
def test_what_is_no_way_to_give_a_type_is_refused(texts, said):
    with pytest.raises(AcceptError, match="^.*" + said.replace("(", r"\(")):
        read_accepted(texts)


def test_one_byte_floats_can_be_given_as_integers_and_as_a_float_that_begins_like_them():
    assert dict(read_accepted(["float8_e5m2=float16", "float8_e4m3fn=uint8"])) == {
        "float8_e5m2": "float16",
        "float8_e4m3fn": "uint8",
    }


# Lists

VALUES = [1.0, -2.5, 2.0**-133, float("nan"), float("nan"), -0.0]


def listed(values, name="python_float", shape=(6,)):
    forms = {"python_float": "<d", "python_bool": "?"}
    if name == "python_int":
        data = b"".join(value.to_bytes(16, "little", signed=True) for value in values)
    else:
        data = b"".join(struct.pack(forms[name], value) for value in values)
    first = outcome(loaded("w", name, shape, data))
    return first, replace(first, tensors=tuple(replace(tensor, data=None) for tensor in first.tensors))


def test_lists_are_judged_by_value_and_every_nan_is_one(tmp_path):
    judgement = judged(tmp_path, listed(VALUES), "lists=values")
    assert judgement.finding is Finding.PASSED
    assert judgement.note.startswith("accepted, as you said: lists by value")
    assert "say --accept=lists=values" in dict(judged(tmp_path, listed(VALUES)).lines)["what to do"]


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        (5, 0.0, "-0.0 (0x8000)"),  # the sign of zero
        (0, float("nan"), "1.0 (0x3F80)"),
        (3, 1.0, "NaN (0x7FC1)"),
        (0, 1.1, "1.1 came, which it has not"),
        (0, 2.0, "1.0 (0x3F80) came back as 2.0 (0x4000)"),
    ],
)
def test_a_wrong_number_in_a_list_is_found(tmp_path, place, value, said):
    values = [*VALUES]
    values[place] = value
    judgement = judged(tmp_path, listed(values), "lists=values")
    assert judgement.finding is Finding.WRONG_VALUES
    assert said in judgement.text()


@pytest.mark.parametrize(
    ("dtype", "codes", "name", "values"),
    [
        ("float64", [0x3FF8000000000000, 1], "python_float", [1.5, 5e-324]),
        ("float32", [0x3FC00000, 1], "python_float", [1.5, 2.0**-149]),
        ("float8_e4m3fn", [0x38, 0x7F], "python_float", [1.0, float("nan")]),
        ("uint64", [(1 << 64) - 1, 0], "python_int", [(1 << 64) - 1, 0]),
        ("int8", [0xFF, 0x80], "python_int", [-1, -128]),
        ("bool", [1, 0], "python_bool", [True, False]),
    ],
)
def test_lists_of_every_kind_are_judged(tmp_path, dtype, codes, name, values):
    planted = plant(codes, dtype)
    loads = listed(values, name, (2,))
    assert judged(tmp_path, loads, "lists=values", planted=planted).finding is Finding.PASSED
    turned = listed(values[::-1], name, (2,))
    assert judged(tmp_path, turned, "lists=values", planted=planted).finding is Finding.WRONG_VALUES


@pytest.mark.parametrize(("dtype", "code", "value"), [("int8", 0, 128), ("uint8", 0, -1)])
def test_an_integer_beyond_its_type_is_found(tmp_path, dtype, code, value):
    judgement = judged(tmp_path, listed([value], "python_int", (1,)), "lists=values", planted=plant([code], dtype))
    assert f"{value} came, which it has not" in judgement.headline


def test_numbers_of_another_kind_are_found(tmp_path):
    judgement = judged(tmp_path, listed([1] * 6, "python_int"), "lists=values")
    assert "python ints came" in judgement.headline


def test_a_list_of_another_shape_is_found(tmp_path):
    judgement = judged(tmp_path, listed(VALUES, shape=(2, 3)), "lists=values")
    assert judgement.diagnosis == "wrong-shape"
