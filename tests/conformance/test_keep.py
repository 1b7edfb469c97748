"""What was loaded is kept, and read in parts: digests first, without a copy of a whole tensor on either side."""

from __future__ import annotations

import base64
import hashlib
import json
import math
import threading
from pathlib import Path

import numpy as np
import pytest
import torch

from endianproof.conformance.client import TesteeProcess
from endianproof.conformance.launch import program_testee, python_testee
from endianproof.conformance.limits import Limits
from endianproof.conformance.messages import schema_error
from endianproof.conformance.outcome import OutcomeKind
from endianproof.conformance.testee import canonical
from endianproof.conformance.testee.canonical import Blocks
from endianproof.conformance.testee.convert import elements_of
from endianproof.conformance.testee.digesting import Digests
from endianproof.conformance.testee.nested import named_values, value_named
from endianproof.vectors import load_vectors

LOADERS = Path(__file__).parent / "loaders"
VECTORS = {vector.id: vector for vector in load_vectors()}


def serving(loader, takes="path"):
    return TesteeProcess(python_testee(loader, takes, [LOADERS], None, None))


LONG = np.arange(6 << 20, dtype=np.uint32).reshape(6, 1024, 1024)  # 24 MB
VIEWS = {
    "transposed": lambda a: a.swapaxes(0, 2),
    "every other": lambda a: a[:, :, ::2],
    "rows of 4 MB, transposed": lambda a: a.swapaxes(1, 2),
}


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("framework", ["numpy", "torch"])
def test_a_long_view_is_copied_in_parts(framework, view, monkeypatch):
    monkeypatch.setattr(canonical, "CHUNK", 48 << 10)
    expected = np.ascontiguousarray(VIEWS[view](LONG)).tobytes()
    whole = LONG if framework == "numpy" else torch.from_numpy(LONG.view(np.int32).copy())
    elements = elements_of(VIEWS[view](whole))
    assert isinstance(elements.memory, Blocks)
    chunks = list(elements.chunks())
    assert max(map(len, chunks)) <= 48 << 10
    assert b"".join(chunks) == expected
    for start, stop in ((0, 4), (100_000, 300_004), (len(expected) - 4, len(expected)), (12, 12)):
        assert base64.b64decode(elements.base64(start, stop)) == expected[start:stop]


def test_lazy_bits_are_flipped_in_every_part(monkeypatch):
    monkeypatch.setattr(canonical, "CHUNK", 48 << 10)
    tensor = torch.arange(1 << 20, dtype=torch.float32).view(torch.complex64).reshape(512, 1024).T.conj()
    elements = elements_of(tensor)
    assert isinstance(elements.memory, Blocks)
    assert b"".join(elements.chunks()) == tensor.resolve_conj().contiguous().numpy().tobytes()


def test_what_cannot_be_copied_in_parts_is_no_refusal_of_the_loader():
    def broken(_index):
        raise RuntimeError("no kernel")

    with pytest.raises(canonical.ConversionError, match="RuntimeError: no kernel"):
        list(Blocks((2, 2), 1, broken).pieces(0, 4))


class Lazy(dict):
    """A mapping that makes a tensor when it is asked for one, and counts."""

    made = 0

    def __getitem__(self, key):
        self.made += 1
        return np.full(2, super().__getitem__(key), dtype=np.uint8)


def test_a_lazy_mapping_is_asked_for_one_tensor_at_a_time():
    lazy = Lazy(a=1, b=2, c=3)
    for number, _ in enumerate(named_values(lazy), 1):
        assert lazy.made == number


def test_of_a_lazy_mapping_only_the_tensor_that_is_read_is_made():
    lazy = Lazy(a=1, b=2, c=3)
    assert value_named(lazy, "b").tolist() == [2, 2]
    assert lazy.made == 1
    assert value_named({"x": {"y": [np.zeros(1), np.ones(1)]}}, "x.y.1").tolist() == [1.0]
    with pytest.raises(KeyError):
        value_named({"x": {"y": np.zeros(1)}}, "x")


def test_digests_come_in_order_and_tell_how_far_they_are(monkeypatch):
    monkeypatch.setattr("endianproof.conformance.testee.digesting.INTERVAL", 0.0)
    said = []
    arrays = [np.full(count, count % 251, dtype=np.uint8) for count in (5 << 20, 0, 1, 3 << 20, 7)]
    named = [(str(number), elements_of(array)) for number, array in enumerate(arrays)]
    found = Digests(lambda tensors, size: said.append((tensors, size))).of(named)
    assert [one["name"] for one in found] == list("01234")
    assert [one["sha256"] for one in found] == [hashlib.sha256(array.tobytes()).hexdigest() for array in arrays]
    assert said[-1] == (5, sum(array.nbytes for array in arrays))
    assert said == sorted(said)


@pytest.mark.parametrize("takes", ["path", "bytes", "file"])
@pytest.mark.parametrize("vector", ["st-dtype-float4-e2m1fn", "st-dtype-complex64", "st-plain"])
def test_a_kept_tensor_is_read_in_parts(takes, vector):
    vector = VECTORS[vector]
    loader = {
        "path": "endianproof.reference:load",
        "bytes": "kept_loaders.from_bytes",
        "file": "kept_loaders.from_file",
    }[takes]
    with serving(loader, takes) as process:
        assert "read" in process.hello().ops
        loaded = process.keep(vector.path, vector.format, tell=lambda *_: None)
        assert [(t.name, t.sha256, t.data) for t in loaded.tensors] == [
            (t.name, t.sha256, None) for t in vector.tensors
        ]
        for tensor in vector.tensors:
            count = math.prod(tensor.shape)
            half = count // 2 // 8 * 8
            halves = [
                process.read(tensor.name, start, stop).tensors[0] for start, stop in ((0, half), (half, count))
            ]
            assert halves[0].data + halves[1].data == tensor.canonical
            assert [part.shape for part in halves] == [(half,), (count - half,)]
            assert {part.dtype for part in halves} == {tensor.dtype}
            digest = process.read(tensor.name, half, count, want="sha256").tensors[0]
            assert (digest.sha256, digest.data) == (halves[1].sha256, None)


def test_a_digest_that_hangs_is_not_told_of_again_and_again(monkeypatch):
    """The time limit begins anew with each word of progress."""
    monkeypatch.setattr("endianproof.conformance.testee.digesting.INTERVAL", 0.01)

    class Hanging:
        dtype, shape = "uint8", (2,)

        def chunks(self):
            yield b"1"
            threading.Event().wait(0.3)
            yield b"2"

    told = []
    Digests(lambda *far: told.append(far)).of([("w", Hanging())])
    assert told
    assert len(told) == len(set(told))


def test_what_was_not_kept_cannot_be_read():
    vector = VECTORS["st-plain"]
    with serving("endianproof.reference:load") as process:
        process.load(vector.path, vector.format)
        never = process.read(vector.tensors[0].name, 0, 1)
        assert (never.kind, "none was" in never.message) == (OutcomeKind.PROTOCOL_ERROR, True)
        process.keep(vector.path, vector.format, tell=lambda *_: None)
        unknown = process.read("no such", 0, 1)
        assert (unknown.kind, "no such" in unknown.message) == (OutcomeKind.PROTOCOL_ERROR, True)


def test_a_program_tells_progress_before_it_answers(tmp_path):
    hello = {
        "protocol": 1,
        "name": "told",
        "version": "",
        "byteorder": "little",
        "machine": "?",
        "runtime": "?",
        "ops": ["load", "read"],
    }
    adapter = tmp_path / "adapter.py"
    adapter.write_text(
        "import json, sys\n"
        "for line in sys.stdin:\n"
        "    said = json.loads(line)\n"
        "    if said['op'] == 'bye': break\n"
        f"    if said['op'] == 'hello': print('{json.dumps(hello)}', flush=True); continue\n"
        "    for n in (1, 2):\n"
        "        print(json.dumps({'id': said['id'], 'progress': {'tensors': n, 'bytes': 10 * n}}), flush=True)\n"
        "    print(json.dumps({'id': said['id'], 'outcome': 'loaded', 'tensors': []}), flush=True)\n",
        encoding="utf-8",
    )
    said = []
    with TesteeProcess(program_testee(f"python3 {adapter}", None)) as process:
        kept = process.keep(adapter, "safetensors", tell=lambda *done: said.append(done))
        assert (kept.kind, said) == (OutcomeKind.LOADED, [(1, 10), (2, 20)])
        assert process.load(adapter, "safetensors").kind is OutcomeKind.PROTOCOL_ERROR  # it was not asked to tell


SLOW = """
import json, sys, time
for line in sys.stdin:
    said = json.loads(line)
    if said["op"] == "bye":
        break
    if said["op"] == "hello":
        print(json.dumps({"protocol": 1, "name": "slow", "version": "", "byteorder": "little", "machine": "?",
                          "runtime": "?", "ops": ["load", "read"]}), flush=True)
        continue
    for _ in range(8):
        time.sleep(0.5)
        if said["id"] == "v1":
            print(json.dumps({"id": said["id"], "progress": {"tensors": 0, "bytes": 1}}), flush=True)
    print(json.dumps({"id": said["id"], "outcome": "loaded", "tensors": []}), flush=True)
"""


def test_what_says_how_far_it_is_has_time(tmp_path):
    adapter = tmp_path / "slow.py"
    adapter.write_text(SLOW, encoding="utf-8")
    limits = Limits(request_seconds=2.5, seconds_by_size=False)
    with TesteeProcess(program_testee(f"python3 {adapter}", None), limits) as process:
        assert process.keep(adapter, "safetensors", tell=lambda *_: None).kind is OutcomeKind.LOADED
        assert process.keep(adapter, "safetensors", tell=lambda *_: None).kind is OutcomeKind.TIMED_OUT


def test_the_schema_has_the_new_messages():
    read = {"op": "read", "id": "v1", "name": "w", "start": 0, "stop": 8, "reply": "sha256"}
    assert not schema_error(read, "request")
    assert not schema_error({"id": "v1", "progress": {"tensors": 1, "bytes": 2}}, "progress")
    assert schema_error({**read, "start": -1}, "read_request")
