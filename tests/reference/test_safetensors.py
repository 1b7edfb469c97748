"""The reference's reader of safetensors: where a violation points, and headers made to hurt it."""

from __future__ import annotations

import json

import pytest

from endianproof.reference import SpecViolation, load
from endianproof.spec import load_spec

LAYOUT = load_spec().formats["safetensors"].layout
ENTRY = '{"dtype":"F32","shape":[1],"data_offsets":[0,4]}'
MEGABYTE = 1_000_000


def made(tmp_path, header, data=b"\x00\x00\x80\x3f"):
    path = tmp_path / "made.safetensors"
    text = header.encode() if isinstance(header, str) else header
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)
    return path


def refused(tmp_path, header, **data):
    with pytest.raises(SpecViolation) as caught:
        load(made(tmp_path, header, **data))
    return caught.value


POINTS = {
    "a byte that is not UTF-8": (b'{"x\xff":1}', "ST-HDR-05", 8 + 3),
    "the first character that is not JSON": ('{"x":?}', "ST-JSON-01", 8 + 5),
    "the byte, not the character": ('{"\u4e2d":?}', "ST-JSON-01", 8 + 7),
    "what stands behind the object": ("{}   ;", "ST-HDR-09", 8 + 5),
    "the name of the entry": (f'{{"a":{ENTRY},"b":7}}', "ST-JSON-19", 8 + 6 + len(ENTRY)),
    "the header's length": ("", "ST-JSON-01", 8),
}


@pytest.mark.parametrize(("header", "rule", "offset"), POINTS.values(), ids=POINTS)
def test_a_violation_points_at(tmp_path, header, rule, offset):
    violation = refused(tmp_path, header)
    assert (violation.rule, violation.offset) == (rule, offset)


def test_the_buffer_s_end_is_where_bytes_are_missing(tmp_path):
    violation = refused(tmp_path, f'{{"x":{ENTRY}}}', data=b"\x00\x00\x80")
    assert (violation.rule, violation.offset) == ("ST-OFF-02", 8 + len(ENTRY) + 6 + 3)


HOSTILE = {
    "a name of a megabyte": lambda: f'{{"{"n" * MEGABYTE}":7}}',
    "a megabyte of quotes, escaped": lambda: '{"' + r"\"" * (MEGABYTE // 2),
    "a megabyte of backslashes": lambda: '{"' + "\\" * MEGABYTE,
    "a megabyte of open brackets": lambda: '{"x":' + "[" * MEGABYTE,
    "a megabyte of open braces": lambda: '{"x":' * (MEGABYTE // 5),
    "a megabyte of brackets that close": lambda: '{"x":' + "[" * (MEGABYTE // 2) + "]" * (MEGABYTE // 2) + "}",
    "a megabyte of closing brackets": lambda: '{"x":' + "]" * MEGABYTE,
    "a megabyte of spaces first": lambda: " " * MEGABYTE + "{}",
    "a number of a megabyte": lambda: f'{{"x":{"9" * MEGABYTE}}}',
    "a fraction of a megabyte": lambda: f'{{"x":0.{"9" * MEGABYTE}}}',
    "an exponent of a megabyte": lambda: f'{{"x":1e{"9" * MEGABYTE}}}',
    "one name over and over": lambda: "{" + '"x":1,' * (MEGABYTE // 6) + '"x":1}',
    "metadata over and over": lambda: "{" + '"__metadata__":{},' * (MEGABYTE // 18) + '"x":1}',
    "one key of the metadata over and over": lambda: (
        '{"__metadata__":{' + '"a":"",' * (MEGABYTE // 7) + '"a":""}}'
    ),
    "one key of an entry over and over": lambda: '{"x":{' + '"dtype":"F32",' * (MEGABYTE // 14) + '"shape":[]}}',
    "half pairs over and over": lambda: '{"x":{"n":["' + r"\ud800" * (MEGABYTE // 6) + '"]}}',
    "sizes over and over": lambda: (
        f'{{"x":{{"dtype":"U8","shape":[{"9," * (MEGABYTE // 2)}9],"data_offsets":[0,4]}}}}'
    ),
    "lists of lists": lambda: '{"x":{"n":[' + "[[]]," * (MEGABYTE // 5) + "[]]}}",
    "tensors over and over": lambda: "{" + ",".join(f'"{i}":{ENTRY}' for i in range(MEGABYTE // 60)) + "}",
}


@pytest.mark.parametrize("make", HOSTILE.values(), ids=HOSTILE)
def test_a_header_made_to_hurt_is_refused_in_few_words(tmp_path, make):
    """Quadratic work on a megabyte would not end while anybody waits; a message must not repeat the file."""
    path = made(tmp_path, make())
    with pytest.raises(SpecViolation) as caught:
        load(path)
    assert len(str(caught.value)) < 1000
    assert 0 <= caught.value.offset <= path.stat().st_size


def test_as_many_tensors_as_fit_a_megabyte_of_header_load(tmp_path):
    entries = {f"t{i}": {"dtype": "U8", "shape": [1], "data_offsets": [i, i + 1]} for i in range(MEGABYTE // 70)}
    path = made(tmp_path, json.dumps(entries), data=bytes(i % 251 for i in range(len(entries))))
    found = load(path)
    assert [bytes(found[f"t{i}"].canonical) for i in range(len(entries))] == [
        bytes([i % 251]) for i in range(len(entries))
    ]


@pytest.mark.parametrize("levels", [LAYOUT["max_nesting"], LAYOUT["max_nesting"] + 1])
def test_brackets_within_strings_are_no_levels(tmp_path, levels):
    note = "[" * (levels - 2) + "]" * (levels - 2)
    text = ENTRY.replace('"dtype"', f'"text":"\\"{"[" * 500}","note":{note},"dtype"')
    path = made(tmp_path, f'{{"x":{text}}}')
    if levels > LAYOUT["max_nesting"]:
        assert refused(tmp_path, f'{{"x":{text}}}').rule == "ST-JSON-17"
    else:
        assert list(load(path)) == ["x"]


def test_every_dtype_of_the_table_belongs_to_one_release():
    form = load_spec().formats["safetensors"]
    named = [name for names in form.layout["releases"].values() for name in names]
    assert sorted(named) == sorted(form.element_types)
