"""Whatever was written is read back."""

import json

import numpy as np
import pytest

from tinyload import load


def write(path, dtype, array):
    header = {"x": {"dtype": dtype, "shape": list(array.shape), "data_offsets": [0, array.nbytes]}}
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + array.tobytes())


@pytest.mark.parametrize(
    ("dtype", "type_"), [("F64", "f8"), ("F32", "f4"), ("F16", "f2"), ("I64", "i8"), ("U8", "u1")]
)
def test_an_array_comes_back(tmp_path, dtype, type_):
    array = np.arange(6, dtype=type_).reshape(2, 3)
    write(tmp_path / "x.safetensors", dtype, array)
    found = load(tmp_path / "x.safetensors")["x"]
    assert found.dtype == array.dtype
    assert np.array_equal(found, array)


def test_a_file_that_is_cut_short_is_refused(tmp_path):
    write(tmp_path / "x.safetensors", "F32", np.ones(4, np.float32))
    whole = (tmp_path / "x.safetensors").read_bytes()
    (tmp_path / "x.safetensors").write_bytes(whole[:-1])
    with pytest.raises(ValueError):
        load(tmp_path / "x.safetensors")
