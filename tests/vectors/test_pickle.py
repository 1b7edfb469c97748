"""The pickles that the encoder writes are those of Python's own pickler, protocol by protocol."""

from __future__ import annotations

import collections
import io
import pickle
import pickletools

import pytest

from endianproof.spec import load_spec
from endianproof.vectors._pickle import Call, Global, PersistentId, Style, write_pickle

OPCODES = load_spec().formats["torch-zip"].layout["pickle"]["opcodes"]
VALUE = {
    "none": None,
    "truth": (True, False),
    "numbers": [0, 255, 256, 65535, 65536, -1, 2**31 - 1, -(2**31), 2**31, 0x1950A86A20F9469CFC6C],
    "tuples": ((), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4)),
    "one": {"key": ["item"]},
    "empty": [{}, []],
}


@pytest.mark.parametrize("protocol", range(6))
def test_plain_values_are_written_as_python_writes_them(protocol):
    assert write_pickle(VALUE, protocol, OPCODES, Style(protocol)) == pickle.dumps(VALUE, protocol)


@pytest.mark.parametrize("protocol", range(6))
def test_a_call_of_a_global_is_understood_by_python(protocol):
    call = Call(Global("collections OrderedDict"), (), {"a": 1, "b": 2})
    found = pickle.loads(write_pickle([call, call], protocol, OPCODES, Style(protocol)))
    assert found == [collections.OrderedDict(a=1, b=2)] * 2


@pytest.mark.parametrize("protocol", [1, 2, 4])
def test_a_persistent_id_is_handed_to_its_reader(protocol):
    class Reader(pickle.Unpickler):
        def persistent_load(self, pid):
            return ["found", pid]

    data = write_pickle({"x": PersistentId(("storage", "0", 3))}, protocol, OPCODES, Style(protocol))
    assert Reader(io.BytesIO(data)).load() == {"x": ["found", ("storage", "0", 3)]}


def test_a_style_writes_strings_and_numbers_by_other_opcodes():
    data = write_pickle({"key": 1001}, 2, OPCODES, Style(strings="SHORT_BINSTRING", numbers="LONG1"))
    names = [opcode.name for opcode, _, _ in pickletools.genops(data)]
    assert names == ["PROTO", "EMPTY_DICT", "BINPUT", "SHORT_BINSTRING", "BINPUT", "LONG1", "SETITEM", "STOP"]
    assert pickle.loads(data) == {"key": 1001}
