"""Tensors that the testee builds for a saver: the very tensors that torch's and numpy's own operations give."""

from __future__ import annotations

import base64

import pytest

from endianproof.conformance.requests import save_request
from endianproof.conformance.testee.building import BuildError, CannotBuildError, build
from endianproof.conformance.testee.convert import elements_of
from endianproof.vectors import load_saves

SAVES = {save.id: save for save in load_saves()}


def built(save, framework, tmp_path):
    return build(save_request(SAVES[save], tmp_path / "x"), framework)


def flat(save, framework, tmp_path):
    """The storage of a save, as a tensor without any layout."""
    request = save_request(SAVES[save], tmp_path / "x")
    (storage, *_) = request["storages"]
    numel = len(SAVES[save].storages[0].codes)
    return build({"tensors": [{"name": "s", "shape": [numel], **storage}]}, framework)["s"]


def test_torch_views_are_those_of_torchs_own_operations(tmp_path):
    torch = pytest.importorskip("torch")
    own = {
        "transposed": lambda s: s[:12].view(4, 3).t(),
        "column": lambda s: s.view(6, 4)[:, 1],
        "expanded": lambda s: s[:4].expand(3, 4),
        "every-second": lambda s: s[::2],
        "block": lambda s: s.view(4, 6)[:3, 2:4],
        "windows": lambda s: s[:8].unfold(0, 3, 1),
    }
    for layout, make in own.items():
        name = f"st-save-{layout}-float32"
        found, expected = built(name, "torch", tmp_path)["x"], make(flat(name, "torch", tmp_path))
        assert torch.equal(found, expected), layout
        assert (found.stride(), found.storage_offset()) == (expected.stride(), expected.storage_offset()), layout


def test_numpy_views_are_those_of_numpys_own_operations(tmp_path):
    np = pytest.importorskip("numpy")
    own = {
        "transposed": lambda s: s[:12].reshape(4, 3).T,
        "reversed": lambda s: s[15:7:-1],
        "reversed-rows": lambda s: s[:12].reshape(3, 4)[::-1],
        "reversed-by-two": lambda s: s[20:10:-2],
        "column": lambda s: s.reshape(6, 4)[:, 1],
    }
    for layout, make in own.items():
        name = f"st-save-{layout}-float32"
        found, expected = built(name, "numpy", tmp_path)["x"], make(flat(name, "numpy", tmp_path))
        assert np.array_equal(found, expected), layout
        assert found.strides == expected.strides, layout


def test_tensors_of_one_storage_share_its_memory(tmp_path):
    for framework in ("torch", "numpy"):
        pytest.importorskip(framework)
        tensors = built("st-save-shared-overlapping", framework, tmp_path)
        tensors["a"][2] = 7.0
        assert float(tensors["b"][0]) == 7.0, framework


def test_lazy_bits_are_lazy_and_a_parameter_has_gradients(tmp_path):
    pytest.importorskip("torch")
    assert built("st-save-conjugate", "torch", tmp_path)["x"].is_conj()
    assert built("st-save-negative", "torch", tmp_path)["x"].is_neg()
    both = built("st-save-conjugate-negative", "torch", tmp_path)["x"]
    assert both.is_conj()
    assert both.is_neg()
    assert built("st-save-parameter", "torch", tmp_path)["w"].requires_grad


def test_a_foreign_byte_order_is_the_arrays_and_not_its_values(tmp_path):
    pytest.importorskip("numpy")
    big, little = (built(f"st-save-memory-{order}-float32", "numpy", tmp_path)["x"] for order in ("big", "little"))
    assert (big == little).all()
    assert big.dtype.newbyteorder(">") == big.dtype
    assert big.tobytes() != little.tobytes()


@pytest.mark.parametrize("framework", ["torch", "numpy"])
def test_every_save_is_built_as_asked_or_said_to_be_impossible(framework, tmp_path):
    pytest.importorskip(framework)
    impossible = {}
    for name, save in SAVES.items():
        try:
            tensors = built(name, framework, tmp_path)
        except CannotBuildError as error:
            impossible[name] = str(error)
            continue
        for given in save.tensors:
            assert elements_of(tensors[given.name]).base64() == base64.b64encode(given.canonical).decode(), name
    assert len(impossible) < len(SAVES) / 3, impossible


def test_a_tensor_built_wrong_is_this_testees_own_fault(tmp_path):
    pytest.importorskip("numpy")
    request = save_request(SAVES["st-save-transposed-float32"], tmp_path / "x")
    request["tensors"][0]["layout"]["stride"] = [4, 1]
    with pytest.raises(BuildError, match="tensor 'x' was built as float32"):
        build(request, "numpy")
