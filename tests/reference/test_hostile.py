"""Files made to hurt a reader: refused by rule, in bounded work, whichever way the elements are asked for."""

from __future__ import annotations

import os
import pickle
import zipfile
from collections import OrderedDict

import pytest

from endianproof.reference import SpecViolation, load
from endianproof.vectors import load_vectors

VECTORS = {vector.id: vector for vector in load_vectors()}


def with_pickle(tmp_path, data):
    """The plain archive with another data.pkl."""
    path = tmp_path / "made.pt"
    with zipfile.ZipFile(VECTORS["pt-plain"].path) as old, zipfile.ZipFile(path, "w") as new:
        for name in old.namelist():
            new.writestr(name, data if name.endswith("data.pkl") else old.read(name))
    return path


def plain_pickle(tmp_path):
    with zipfile.ZipFile(VECTORS["pt-plain"].path) as archive:
        return archive.read("archive/data.pkl")


def doubling(levels):
    value = []
    for _ in range(levels):
        value = [value, value]
    return value


def nested(depth):
    value = {}
    for _ in range(depth):
        value = {"a": value}
    return value


def itself():
    value = {}
    value["a"] = value
    return value


@pytest.mark.parametrize(
    "make", [lambda: doubling(60), lambda: nested(200), itself], ids=["doubling", "deep", "cyclic"]
)
def test_containers_without_end_are_refused(tmp_path, make):
    path = with_pickle(tmp_path, pickle.dumps(make(), protocol=2))
    with pytest.raises(SpecViolation, match=r"PT-PKL-13 .* containers without end"):
        load(path)


@pytest.mark.parametrize("opcode", [b"]", b"\x85"], ids=["lists", "tuples"])
def test_a_hundred_thousand_levels_in_a_persistent_id_are_refused(tmp_path, opcode):
    start = b"\x80\x02" + (b")" if opcode == b"\x85" else b"]") + opcode * 100_000
    closing = b"a" * 100_000 if opcode == b"]" else b""
    with pytest.raises(SpecViolation, match="PT-PKL-02"):
        load(with_pickle(tmp_path, start + closing + b"Q."))


def doubled_tuples(levels):
    """Each tuple twice in the next: its hash takes 2^levels steps."""
    return b")q\x00" + b"".join(b"0h%ch%c\x86q%c" % (i, i, i + 1) for i in range(levels))


@pytest.mark.parametrize(
    "key",
    [b")" + b"\x85" * 300_000, doubled_tuples(60), b"(" + b"N" * 65 + b"t"],
    ids=["deep", "doubled", "long"],
)
@pytest.mark.parametrize(
    "around",
    [(b"}", b"Ns"), (b"ccollections\nOrderedDict\n(]]", b"aNaatR")],
    ids=["dict", "ordered-dict"],
)
def test_a_key_whose_hash_would_take_the_stack_or_the_time_is_refused(tmp_path, key, around):
    before, behind = around
    with pytest.raises(SpecViolation, match=r"PT-PKL-13 .* a key without end"):
        load(with_pickle(tmp_path, b"\x80\x02" + before + key + behind + b"."))


def test_a_key_of_64_items_is_read(tmp_path):
    assert load(with_pickle(tmp_path, b"\x80\x02}(" + b"N" * 64 + b"tNs.")) == {}


def test_half_of_a_surrogate_pair_which_nothing_could_print_is_refused(tmp_path):
    with pytest.raises(SpecViolation, match="PT-PKL-03"):
        load(with_pickle(tmp_path, b"V\\ud800\n."))


def test_two_tensors_of_one_dotted_name_are_refused(tmp_path):
    tensor = plain_pickle(tmp_path)
    call = tensor[tensor.index(b"ctorch._utils") : tensor.rindex(b"s.")]
    both = b"\x80\x02}(X\x03\x00\x00\x00a.b" + call + b"X\x01\x00\x00\x00a}X\x01\x00\x00\x00b" + call + b"su."
    with pytest.raises(SpecViolation, match=r"PT-PKL-05 .* two tensors called 'a\.b'"):
        load(with_pickle(tmp_path, both))


def test_an_ordered_dict_given_its_items_at_once_keeps_them(tmp_path):
    tensor = plain_pickle(tmp_path)
    call = tensor[tensor.index(b"ctorch._utils") : tensor.rindex(b"s.")]
    made = b"\x80\x02ccollections\nOrderedDict\n](]X\x01\x00\x00\x00xa" + call + b"ae\x85R."
    found = load(with_pickle(tmp_path, made))
    assert bytes(found["x"].canonical) == VECTORS["pt-plain"].tensors[0].canonical


@pytest.mark.parametrize("protocol", range(6))
def test_python_pickles_of_plain_containers_have_no_tensors(tmp_path, protocol):
    value = {"epoch": 3, "names": ["a", None, (1, 2, True)], "more": OrderedDict(a=1), "big": 1 << 70, "low": -5}
    if protocol:  # the oldest writes floats in decimal
        value["lr"] = 0.5
    assert load(with_pickle(tmp_path, pickle.dumps(value, protocol=protocol))) == {}


@pytest.mark.parametrize(
    "number", [b"I+1\n", b"I1_0\n", b"I\n", b"L1L", b"I" + b"9" * 5000 + b"\n", "I\u0661\n".encode()]
)
def test_a_number_that_is_not_decimal_is_refused(tmp_path, number):
    with pytest.raises(SpecViolation, match="PT-PKL-03"):
        load(with_pickle(tmp_path, number + b"."))


@pytest.mark.parametrize("ask", ["numpy", "torch", "canonical"])
def test_a_wrong_checksum_is_noticed_whichever_way_the_elements_are_asked_for(ask):
    tensor = load(VECTORS["pt-crc-storage"].path)["x"]
    with pytest.raises(SpecViolation, match="PT-ZIP-05"):
        getattr(tensor, ask)() if ask != "canonical" else tensor.canonical


def test_tensors_of_one_storage_share_its_bytes():
    found = list(load(VECTORS["pt-three-views-big"].path).values())
    assert len({id(tensor.storage) for tensor in found}) == 1


@pytest.mark.parametrize("offset", [65534, 65535, 65536])
def test_a_classic_archive_is_read_wherever_its_directory_begins(tmp_path, offset):
    path = tmp_path / "made.pt"
    with zipfile.ZipFile(VECTORS["pt-plain"].path) as old, zipfile.ZipFile(path, "w") as new:
        for name in old.namelist():
            new.writestr(name, old.read(name))
        filler = zipfile.ZipInfo("archive/filler")
        new.writestr(filler, b"\0" * (offset - new.fp.tell() - 30 - len(filler.filename)))
        assert new.fp.tell() == offset
    assert bytes(load(path)["x"].canonical) == VECTORS["pt-plain"].tensors[0].canonical


def safetensors(tmp_path, header, data=b""):
    path = tmp_path / "made.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header + data)
    return path


def test_thousands_of_huge_sizes_are_refused_without_multiplying_them_out(tmp_path):
    sizes = ",".join(["18446744073709551615"] * 5000)
    header = f'{{"x":{{"dtype":"U8","shape":[{sizes}],"data_offsets":[0,0]}}}}'
    with pytest.raises(SpecViolation, match="ST-OFF-04"):
        load(safetensors(tmp_path, header.encode()))


def test_half_a_surrogate_pair_is_refused_in_any_string_and_can_be_printed(tmp_path):
    for header in (rb'{"__metadata__":{"a":"\ud800"}}', rb'{"x":{"z":["\ud800"]}}', rb'{"\ud800":1}'):
        with pytest.raises(SpecViolation, match="ST-JSON-13") as caught:
            load(safetensors(tmp_path, header))
        str(caught.value).encode("utf-8")


def test_a_pipe_is_an_error_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.safetensors")
    with pytest.raises(OSError, match="not a regular file"):
        load(tmp_path / "pipe.safetensors")


@pytest.mark.parametrize("vector_id", ["st-overflow-wraps-to-its-bytes", "st-overflow-wraps-to-its-count"])
def test_the_overflow_vectors_would_fool_a_product_modulo_2_to_the_64(vector_id):
    """What makes these vectors bite: in 64 bits, their sizes are those of the data."""
    data = VECTORS[vector_id].path.read_bytes()
    sizes = [int(size) for size in data[data.index(b'"shape":[') + 9 : data.index(b"]")].split(b",")]
    product = 1
    for size in sizes:
        product = product * size % (1 << 64)
    assert product * 4 % (1 << 64) == 20
