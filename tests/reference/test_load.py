"""The reference's promises beside the rules: lazy, without copies, located errors, no code run."""

from __future__ import annotations

import pickle
import shutil
import sys
import tracemalloc

import ml_dtypes
import numpy as np
import pytest

from endianproof.reference import SpecViolation, load, recognize
from endianproof.spec import load_spec
from endianproof.vectors import load_vectors

VECTORS = {vector.id: vector for vector in load_vectors()}
NATIVE = sys.byteorder


def first(vector_id):
    return next(iter(load(VECTORS[vector_id].path).values()))


def test_loading_a_large_file_allocates_next_to_nothing(tmp_path):
    path = tmp_path / "large.safetensors"
    header = b'{"x":{"dtype":"BF16","shape":[134217728],"data_offsets":[0,268435456]}}'
    with path.open("wb") as file:
        file.write(len(header).to_bytes(8, "little") + header)
        file.truncate(8 + len(header) + 268435456)
    load(path)  # imports are not what is measured
    tracemalloc.start()
    tensor = load(path)["x"]
    last = tensor.canonical[-2:]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert bytes(last) == b"\0\0"
    assert peak < 200_000


@pytest.mark.parametrize("vector_id", ["pt-dtype-float32-little", "pt-dtype-float32-big", "pt-strided-int16-big"])
def test_numpy_is_a_view_of_the_file_in_either_byte_order(vector_id):
    tensor = first(vector_id)
    array = tensor.numpy()
    assert np.shares_memory(array, np.frombuffer(tensor.storage.data, "u1"))
    assert not array.flags.writeable


def test_canonical_bytes_of_a_contiguous_little_endian_tensor_are_a_view():
    tensor = first("st-dtype-float64")
    assert np.shares_memory(np.frombuffer(tensor.canonical, "u1"), np.frombuffer(tensor.storage.data, "u1"))


def numpy_name(dtype):
    return getattr(ml_dtypes, dtype) if hasattr(ml_dtypes, dtype) else dtype


@pytest.mark.parametrize(
    "vector",
    [v for v in VECTORS.values() if v.id.startswith(("pt-dtype-", "pt-conj-", "pt-neg-"))],
    ids=lambda v: v.id,
)
def test_numpy_gives_the_same_elements_as_the_canonical_bytes(vector):
    tensor = next(iter(load(vector.path).values()))
    if tensor.dtype in ("complex32", "float4_e2m1fn"):
        with pytest.raises(TypeError, match=f"numpy has no {tensor.dtype}"):
            tensor.numpy()
        return
    unit = load_spec().element_types[tensor.dtype].swap_unit
    array = tensor.numpy()
    assert array.dtype.newbyteorder("=") == np.dtype(numpy_name(tensor.dtype))
    native = array.astype(array.dtype.newbyteorder("="), order="C")
    assert native.view(f"u{unit}").astype(f"<u{unit}").tobytes() == vector.tensors[0].canonical


@pytest.mark.filterwarnings("ignore:ComplexHalf")
@pytest.mark.parametrize(
    "vector",
    [v for v in VECTORS.values() if v.id.startswith("pt-dtype-") and v.tensors[0].dtype != "float4_e2m1fn"],
    ids=lambda v: v.id,
)
def test_torch_gives_the_same_elements_as_the_canonical_bytes(vector):
    import torch

    tensor = next(iter(load(vector.path).values())).torch()
    assert str(tensor.dtype) == f"torch.{vector.tensors[0].dtype}"
    assert tuple(tensor.shape) == vector.tensors[0].shape
    raw = tensor.view(torch.uint8).numpy().tobytes()
    unit = load_spec().element_types[vector.tensors[0].dtype].swap_unit
    little = np.frombuffer(raw, f"={'u'}{unit}").astype(f"<u{unit}").tobytes()
    assert little == vector.tensors[0].canonical


@pytest.mark.parametrize(
    "vector_id", ["st-scalar-bfloat16", "pt-scalar-float32-big", "st-empty-float32", "pt-empty-int64"]
)
def test_shapes_survive_numpy_and_torch(vector_id):
    for tensor in load(VECTORS[vector_id].path).values():
        assert tensor.numpy().shape == tensor.shape
        assert tuple(tensor.torch().shape) == tensor.shape


@pytest.mark.parametrize("extension", [".bin", ".pt", ".safetensors", ""])
@pytest.mark.parametrize(
    "vector_id", ["st-plain", "pt-plain", "ptl-plain", "ptl-header-protocol-4", "ptt-plain", "ptj-plain"]
)
def test_the_format_is_found_by_content_whatever_the_name(tmp_path, vector_id, extension):
    path = tmp_path / f"{vector_id}{extension}"
    shutil.copy(VECTORS[vector_id].path, path)
    assert bytes(load(path)["x"].canonical) == VECTORS[vector_id].tensors[0].canonical


@pytest.mark.parametrize(
    ("vector_id", "rule"),
    [
        ("pt-file-empty", "PT-ZIP-12"),
        ("ptl-end-after-nothing", "PTL-HDR-03"),
        ("ptj-constants-missing", "PTJ-REC-01"),
    ],
)
def test_the_extension_decides_where_the_content_says_nothing(vector_id, rule):
    with pytest.raises(SpecViolation, match=rule):
        load(VECTORS[vector_id].path)


def test_a_violation_explains_itself_and_survives_pickling():
    with pytest.raises(SpecViolation) as caught:
        load(VECTORS["st-length-past-end"].path)
    text = caught.value.explain()
    assert text.startswith("ST-HDR-04 at byte 0: found a header length of")
    for word in ("MUST", "Why:", "Sources:"):
        assert word in text
    again = pickle.loads(pickle.dumps(caught.value))
    assert (again.rule, again.offset, str(again)) == (caught.value.rule, caught.value.offset, str(caught.value))


def test_a_violation_in_an_entry_points_at_the_entry():
    vector = VECTORS["st-overlap"]
    with pytest.raises(SpecViolation) as caught:
        load(vector.path)
    assert vector.path.read_bytes()[caught.value.offset :].startswith(b'"y"')


def test_a_missing_file_is_an_oserror(tmp_path):
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "none.safetensors")


@pytest.mark.parametrize("vector_id", ["st-pair", "pt-every-class-big", "ptl-every-class"])
def test_every_truncation_is_refused_and_nothing_else_raised(vector_id, tmp_path):
    data = VECTORS[vector_id].path.read_bytes()
    path = tmp_path / VECTORS[vector_id].path.name
    for length in range(0, len(data), max(1, len(data) // 400)):
        path.write_bytes(data[:length])
        with pytest.raises(SpecViolation):
            load(path)


@pytest.mark.parametrize(
    "vector_id",
    [
        "st-pair",
        "pt-plain-big",
        "pt-state-dict",
        "pt-zip64-fields",
        "ptl-pair",
        "ptl-view-float32",
        "ptt-view-float32",
    ],
)
def test_every_flipped_byte_loads_or_is_refused_and_nothing_else(vector_id, tmp_path):
    data = VECTORS[vector_id].path.read_bytes()
    path = tmp_path / VECTORS[vector_id].path.name
    refused = 0
    for position in range(len(data)):
        path.write_bytes(data[:position] + bytes([data[position] ^ 0x15]) + data[position + 1 :])
        try:
            for tensor in load(path).values():
                if tensor.nbytes < 1 << 20:
                    bytes(tensor.canonical)
        except SpecViolation:
            refused += 1
    assert refused > len(data) // 4


def test_a_format_is_recognized_by_the_contents(tmp_path):
    known = {vector.format: vector for vector in reversed(load_vectors()) if vector.verdict == "accept"}
    for name, vector in known.items():
        path = tmp_path / "model.bin"
        path.write_bytes(vector.path.read_bytes())
        assert recognize(path) == name, vector.id
    (tmp_path / "none").write_bytes(b"GGUF" + bytes(60))
    (tmp_path / "empty").write_bytes(b"")
    assert recognize(tmp_path / "none") is None
    assert recognize(tmp_path / "empty") is None
