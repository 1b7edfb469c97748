"""The schema decides what a message is; the quick recognition of plain replies never accepts more than it does."""

from __future__ import annotations

import hashlib
import json
import sys

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from endianproof.conformance.malformed import PROTOCOL_SCHEMA, mismatch
from endianproof.conformance.messages import (
    MessageError,
    _is_plain,
    encode,
    read_hello,
    read_load,
    schema_error,
)
from endianproof.conformance.outcome import OutcomeKind

SHA = "0123456789abcdef" * 4
TENSOR = {"name": "w", "dtype": "bfloat16", "shape": [2], "data": "gD8AQA=="}
DIGEST = {"name": "w", "dtype": "bfloat16", "shape": [2], "sha256": SHA}
LOADED = {"id": "v1", "outcome": "loaded", "tensors": [TENSOR]}


def test_the_schema_is_one():
    jsonschema.Draft202012Validator.check_schema(json.loads(PROTOCOL_SCHEMA.read_text()))


def test_the_protocols_own_examples_are_messages():
    """Those of the architecture's section on the protocol."""
    for name, message in (
        ("request", {"op": "hello", "protocol": 1}),
        ("request", {"op": "load", "id": "v1", "path": "/a", "format": "safetensors", "reply": "data"}),
        ("request", {"op": "save", "id": "v2", "path": "/a", "format": "safetensors", "tensors": [TENSOR]}),
        ("request", {"op": "bye"}),
        ("reply", LOADED),
        ("reply", {"id": "v1", "outcome": "rejected", "error": {"type": "SafetensorError", "message": "..."}}),
        ("reply", {"id": "v1", "outcome": "unsupported", "reason": "dtype float8_e4m3fn"}),
        ("reply", {"id": "v1", "outcome": "unknown-result", "reason": "NoneType"}),
        ("reply", {"id": "v2", "outcome": "saved"}),
        ("reply", {"id": "v2", "outcome": "saved", "tensors": [TENSOR]}),
    ):
        assert schema_error(message, name) == "", message


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("\x1b[2Jgone", r"\x1b[2Jgone"),
        ("a\x00b\x7f\x9b", r"a\x00b\x7f\x9b"),
        ("\u202ecba", r"\u202ecba"),
        ("\ud800", r"\ud800"),
        ("größer, 大\n\tbold", "größer, 大\n\tbold"),
    ],
)
def test_what_a_testee_says_cannot_steer_the_terminal(said, shown):
    reply = {"id": "v1", "outcome": "rejected", "error": {"type": said, "message": said}}
    outcome, _ = read_load(encode(reply), "v1", "sha256")
    assert (outcome.error_type, outcome.message) == (shown, shown)


def test_what_a_testee_says_of_itself_cannot_steer_the_terminal():
    odd = "a\x1b[2J\ud800"
    hello = {"protocol": 1, "name": odd, "version": odd, "byteorder": "big", "machine": odd, "runtime": odd}
    info, _ = read_hello(encode({**hello, "packages": {odd: odd}, "formats": [odd], "dtypes": [odd]}))
    shown = r"a\x1b[2J\ud800"
    assert (info.name, info.version, info.machine, info.runtime) == (shown,) * 4
    assert (info.packages, info.formats, info.dtypes) == ({shown: shown}, (shown,), (shown,))


@pytest.mark.parametrize("key", ["id", "outcome", "error"])
def test_brackets_too_deep_to_be_quoted_are_a_malformed_reply(key):
    """How deep that is depends on how many calls deep the reply is read."""
    for depth in range(sys.getrecursionlimit() - 400, sys.getrecursionlimit()):
        reply = {"id": "v1", "outcome": "rejected", "error": {"type": "E", "message": ""}, key: "?"}
        line = encode(reply).replace(b'"?"', b"[" * depth + b"]" * depth)
        with pytest.raises(MessageError):
            read_load(line, "v1", "data")


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-2, 3)
    | st.floats(allow_nan=False)
    | st.sampled_from(["", "w", SHA, "F8"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["name", "x"]), inner, max_size=2),
    max_leaves=4,
)


@st.composite
def nearly_plain(draw):
    """A plain reply with up to two things wrong."""
    reply = json.loads(json.dumps({**LOADED, "tensors": [TENSOR, DIGEST]}))
    for _ in range(draw(st.integers(0, 2))):
        tensors = reply.get("tensors")
        inner = tensors if isinstance(tensors, list) else []
        target = draw(st.sampled_from([reply, *(t for t in inner if isinstance(t, dict))]))
        key = draw(st.sampled_from([*target, "data", "sha256", "more"]))
        if draw(st.booleans()):
            target[key] = draw(values)
        else:
            target.pop(key, None)
    return reply


@given(nearly_plain())
def test_what_is_plain_is_what_the_schema_accepts(reply):
    if _is_plain(reply, "loaded"):
        assert schema_error(reply, "load_reply") == ""


@given(nearly_plain())
def test_what_is_plain_of_a_save_is_what_the_schema_accepts(reply):
    reply = {**reply, "outcome": "saved"} if reply.get("outcome") == "loaded" else reply
    if _is_plain(reply, "saved"):
        assert schema_error(reply, "save_reply") == ""


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("name", 1),
        ("dtype", "F32"),
        ("dtype", "f32\n"),
        ("dtype", 1),
        ("shape", [-1]),
        ("shape", [True]),
        ("shape", "2"),
        ("shape", [2.5]),
        ("sha256", SHA + "\n"),
        ("sha256", SHA[1:]),
        ("sha256", SHA.upper()),
        ("sha256", 1),
        ("data", 1),
        ("extra", 1),
    ],
)
def test_a_wrong_tensor_is_neither_plain_nor_valid(key, value):
    tensor = {**(DIGEST if key == "sha256" else TENSOR), key: value}
    reply = {**LOADED, "tensors": [tensor]}
    assert not _is_plain(reply, "loaded")
    if value not in (
        "f32\n",
        SHA + "\n",
    ):  # in JSON Schema's regular expressions as Python has them, $ allows these
        assert schema_error(reply, "load_reply") != ""


def test_plain_replies_are_recognised():
    assert _is_plain(LOADED, "loaded")
    assert _is_plain({**LOADED, "tensors": [DIGEST, TENSOR]}, "loaded")
    assert _is_plain({**LOADED, "tensors": []}, "loaded")
    assert not _is_plain({**LOADED, "conversion": []}, "loaded")


def test_plain_replies_cost_no_validator(monkeypatch):
    monkeypatch.setattr("endianproof.conformance.messages.schema_error", lambda *_: pytest.fail("validated"))
    outcome, samples = read_load(encode(LOADED), "v1", "data")
    assert outcome.tensors[0].data == bytes.fromhex("803f0040")
    assert samples == []


def test_a_shape_of_whole_floats_is_valid_json_schema():
    outcome, _ = read_load(encode({**LOADED, "tensors": [{**TENSOR, "shape": [2.0]}]}), "v1", "data")
    assert outcome.tensors[0].shape == (2,)
    assert type(outcome.tensors[0].shape[0]) is int


def test_data_where_a_digest_was_asked_for_is_digested():
    outcome, _ = read_load(encode(LOADED), "v1", "sha256")
    assert outcome.tensors[0].data is None
    assert outcome.tensors[0].sha256 == hashlib.sha256(bytes.fromhex("803f0040")).hexdigest()


def test_memory_errors_are_an_outcome_of_their_own():
    reply = {"id": "v1", "outcome": "rejected", "error": {"type": "MemoryError", "message": "m"}}
    assert read_load(encode(reply), "v1", "data")[0].kind is OutcomeKind.OUT_OF_MEMORY


def test_refusals_keep_class_and_text():
    reply = {
        "id": "v1",
        "outcome": "rejected",
        "error": {"type": "SafetensorError", "message": "header too large"},
    }
    outcome = read_load(encode(reply), "v1", "data")[0]
    assert (outcome.error_type, outcome.message) == ("SafetensorError", "header too large")


def test_saved_does_not_answer_a_load():
    with pytest.raises(MessageError, match="malformed"):
        read_load(encode({"id": "v1", "outcome": "saved"}), "v1", "data")


def test_lone_surrogates_travel():
    reply = {**LOADED, "tensors": [{**TENSOR, "name": "\ud800"}]}
    assert read_load(encode(reply), "v1", "data")[0].tensors[0].name == "\ud800"


def test_hello_errors_are_returned():
    failure = {"type": "ImportError", "message": "m"}
    assert read_hello(encode({"protocol": 1, "error": failure})) == failure


def test_messages_name_the_place():
    reply = {**LOADED, "tensors": [TENSOR, {**TENSOR, "shape": [-1]}]}
    with pytest.raises(MessageError, match="malformed: at "):
        read_load(encode(reply), "v1", "data")


def without(message, key):
    return {name: value for name, value in message.items() if name != key}


@pytest.mark.parametrize(
    ("reply", "where", "said", "schema"),
    [
        (without(LOADED, "outcome"), "", "'outcome' is missing; required are id, outcome", "loaded/required"),
        (without(LOADED, "tensors"), "", "'tensors' is missing; required", "loaded/required"),
        (
            {**LOADED, "outcome": "fine"},
            "outcome",
            'found "fine", expected "loaded", "rejected", "unsupported" or "unknown-result"',
            "loaded/properties/outcome/const",
        ),
        (
            {"id": "v1", "outcome": "maybe"},
            "outcome",
            'found "maybe", expected "loaded", "rejected", "unsupported" or "unknown-result"',
            "loaded/properties/outcome/const",
        ),
        ({"id": "v1", "outcome": "rejected"}, "", "'error' is missing", "rejected/required"),
        (
            {"id": "v1", "outcome": "rejected", "error": {"type": "E"}},
            "error",
            "'message' is missing",
            "error/required",
        ),
        (
            {**LOADED, "tensors": [TENSOR, without(TENSOR, "shape")]},
            "tensors/1",
            "'shape' is missing",
            "tensor_data",
        ),
        ({**LOADED, "tensors": [without(DIGEST, "dtype")]}, "tensors/0", "'dtype' is missing", "tensor_digest"),
        (
            {**LOADED, "tensors": [without(TENSOR, "data")]},
            "tensors/0",
            "'data' or 'sha256' is missing",
            "tensor_data",
        ),
        (
            {**LOADED, "tensors": [{**without(TENSOR, "shape"), "shpae": [2]}]},
            "tensors/0",
            "'shape' is missing ('shpae' is there)",
            "tensor_data/required",
        ),
        (
            {**LOADED, "tensors": [{**TENSOR, "shpae": [2]}]},
            "tensors/0",
            "'shpae' is no key here (did you mean 'shape'?)",
            "tensor_data/additionalProperties",
        ),
        (
            {**LOADED, "tensors": [{**TENSOR, "shape": "2"}]},
            "tensors/0/shape",
            'found "2", expected the JSON type',
            "shape/type",
        ),
        ({**LOADED, "tensors": [{**TENSOR, "dtype": "F32"}]}, "tensors/0/dtype", 'found "F32"', "dtype/pattern"),
    ],
)
def test_what_is_wrong_with_a_reply_is_said_by_key_place_and_definition(reply, where, said, schema):
    wrong = mismatch(reply, "load_reply")
    assert (wrong.where, wrong.text[: len(said)]) == (where, said)
    assert wrong.schema.startswith(f"#/$defs/{schema}")
    assert schema_error(reply, "load_reply") == (f"at {where}: {wrong.text}" if where else wrong.text)


def test_a_hello_that_lacks_keys_names_all_of_them():
    wrong = mismatch({"protocol": 1, "name": "n", "version": "1", "byteorder": "little"}, "hello_reply")
    assert wrong.text.startswith("'machine' and 'runtime' is missing")


def test_nothing_is_wrong_with_a_message():
    assert mismatch(LOADED, "load_reply") is None
