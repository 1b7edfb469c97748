"""The protocol's page is true: messages are the schema's, bytes the specification's, the testee runs."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shlex
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from endianproof.conformance.checking import check
from endianproof.conformance.cli import main
from endianproof.conformance.launch import program_testee
from endianproof.conformance.limits import Limits
from endianproof.conformance.malformed import PROTOCOL_SCHEMA, mismatch
from endianproof.spec import load_spec
from endianproof.vectors import code_of

PAGE = (PROTOCOL_SCHEMA.parent.parent / "protocol.md").read_text(encoding="utf-8")
# A continued message's further lines are indented.
MESSAGE = re.compile(r"^(->|<-) (\{.*(?:\n +.*)*)$", re.MULTILINE)
MESSAGES = [(arrow, json.loads(text)) for arrow, text in MESSAGE.findall(PAGE)]
ROW = re.compile(r"^\| (\w+),? .*?(\[.*?\])`? \| ([0-9A-F ]*?) ?\| `(.*)` \|$", re.MULTILINE)

MYPKG = """
from endianproof.reference import load as reference

def load(path):
    print("a library that prints", file=__import__("sys").stderr)
    return {name: (t.dtype, t.shape, bytes(t.canonical)) for name, t in reference(path).items()}
"""


@pytest.mark.parametrize(("arrow", "message"), MESSAGES)
def test_every_message_of_the_page_is_the_schemas(arrow, message):
    assert mismatch(message, "request" if arrow == "->" else "reply") is None


def test_the_page_has_every_message():
    definitions = ("hello_request", "load_request", "read_request", "save_request", "bye_request")
    definitions += ("hello_reply", "hello_error", "loaded", "rejected", "unsupported", "unknown_result", "failed")
    definitions += ("progress", "saved")
    shown = {name for name in definitions for _, message in MESSAGES if mismatch(message, name) is None}
    assert shown == set(definitions)


def test_digests_of_the_page_are_of_the_bytes_beside_them():
    by_path = [
        message["tensors"][0]
        for _, message in MESSAGES
        if message.get("id") in {"v1", "v2"} and message.get("tensors")
    ]
    data, digest = by_path[:2]
    assert digest["sha256"] == hashlib.sha256(base64.b64decode(data["data"])).hexdigest()


def values_of(text):
    return [
        json.loads(word) if "j" not in word else complex(word) for word in text.strip("[]").split(", ") if word
    ]


def packed(element, values):
    types = load_spec().element_types
    if element.component:
        part = types[element.component]
        return b"".join(packed(part, [value.real, value.imag]) for value in values)
    bits = 0
    for place, value in enumerate(values):
        bits |= code_of(element, int(value)) << place * element.bits
    return bits.to_bytes((len(values) * element.bits + 7) // 8, "little")


@pytest.mark.parametrize(("dtype", "values", "shown", "data"), ROW.findall(PAGE))
def test_canonical_bytes_of_the_page_are_the_specifications(dtype, values, shown, data):
    found = bytes.fromhex(shown)
    assert base64.b64encode(found).decode() == data
    if dtype != "float32" or values != "[0]":  # the row of an empty tensor shows its shape
        assert found == packed(load_spec().element_types[dtype], values_of(values))


def test_the_table_has_every_kind_of_element():
    rows = {dtype for dtype, *_ in ROW.findall(PAGE)}
    assert len(ROW.findall(PAGE)) == 11
    assert {"bool", "bfloat16", "complex64", "float4_e2m1fn", "float6_e3m2fn"} <= rows


def test_every_element_type_is_named():
    named = set(re.findall(r"`(\w+)`", PAGE[PAGE.index("- `dtype` is") : PAGE.index("Make them by shifts")]))
    between = {f"{kind}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64)}
    assert set(load_spec().element_types) <= named | between


def test_the_testee_of_the_page_keeps_the_protocol_and_is_short(tmp_path, monkeypatch):
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / "adapter.py").write_text(code)
    (tmp_path / "mypkg.py").write_text(MYPKG)
    monkeypatch.chdir(tmp_path)
    found = check(program_testee(shlex.join([sys.executable, "adapter.py"]), None), sys.byteorder, Limits())
    assert [(result.step.name, result.wrong) for result in found.results if result.wrong] == []
    assert {result.step.name for result in found.results if not result.said} == {"read", "save"}
    assert len(re.sub(r"\n\n+", "\n", code).splitlines()) <= 25


def test_the_command_prints_the_page_and_the_schema():
    assert CliRunner().invoke(main, ["protocol", "show"]).output == PAGE
    assert json.loads(CliRunner().invoke(main, ["protocol", "show", "--schema"]).output)["$id"].endswith(
        "protocol-1"
    )


def test_links_of_the_page_lead_somewhere():
    page = Path(__file__).resolve().parents[2] / "docs" / "protocol.md"
    if page.is_file():  # beside the tests, not in an installed package
        for target in re.findall(r"\]\((\.\.[^)#]+)\)", PAGE):
            assert (page.parent / target).exists(), target
