"""Tensors are found in whatever a checkpoint is, by their place, whole or in parts, and nothing else is one."""

from __future__ import annotations

import pytest
import torch

from endianproof.conformance.testee.canonical import ConversionError
from endianproof.conformance.testee.convert import named_elements
from endianproof.conformance.testee.nested import named_values
from endianproof.vectors import load_vectors

ONE = torch.ones(1)


def names(result):
    return [name for name, _ in named_values(result)]


def test_names_are_the_keys_joined_by_dots():
    result = {"model": {"w": ONE}, "state": [{0: ONE}, (ONE, 5)], "": ONE}
    assert names(result) == ["model.w", "state.0.0", "state.1.0", ""]


def test_a_tensor_alone_has_the_empty_name():
    assert names(ONE) == [""]


def test_what_is_no_tensor_is_left_out():
    plain = [None, True, 3, 0.5, 1j, "text", b"bytes", {1, 2}, torch.float32, torch.device("cpu"), torch.Size([2])]
    assert names({"x": ONE, "plain": plain, "storage": torch.ones(2).untyped_storage()}) == ["x"]


def test_a_tensor_of_the_meta_device_is_left_out():
    assert names({"x": ONE, "m": torch.empty(3, device="meta")}) == ["x"]


def itself():
    result = {"x": ONE, "list": []}
    result["list"] += [result, result["list"], ONE]
    return result


def test_what_holds_itself_comes_to_an_end():
    assert names(itself()) == ["x", "list.2"]


def test_what_holds_no_tensors_is_looked_through_once():
    doubled = []
    for _ in range(60):
        doubled = [doubled, doubled]
    assert names({"x": ONE, "more": doubled}) == ["x"]


def test_what_holds_tensors_gives_them_under_each_of_its_names():
    pair = [ONE, ONE]
    assert names({"a": pair, "b": {"c": pair}}) == ["a.0", "a.1", "b.c.0", "b.c.1"]


@pytest.mark.parametrize("result", [None, 5, "text"])
def test_what_holds_no_tensors_at_all_is_no_result(result):
    with pytest.raises(ConversionError, match="expected a mapping of names to tensors"):
        names(result)


def test_containers_inside_each_other_end():
    result = {"x": ONE}
    for _ in range(100):
        result = {"a": result}
    with pytest.raises(ConversionError, match="64 deep"):
        names(result)


def test_what_is_neither_container_nor_tensor_is_named_with_its_place():
    with pytest.raises(ConversionError, match=r"under the name 'a\.0' the loader returned object"):
        list(named_elements({"a": [object()]}))


@pytest.mark.parametrize(
    ("make", "parts"),
    [
        (lambda: torch.eye(2).to_sparse(), {"indices": (2, 2), "values": (2,)}),
        (lambda: torch.eye(2).to_sparse_csr(), {"crow_indices": (3,), "col_indices": (2,), "values": (2,)}),
        (lambda: torch.eye(2).to_sparse_csc(), {"ccol_indices": (3,), "row_indices": (2,), "values": (2,)}),
        (
            lambda: torch.eye(4).to_sparse_bsr((2, 2)),
            {"crow_indices": (3,), "col_indices": (2,), "values": (2, 2, 2)},
        ),
    ],
)
@pytest.mark.filterwarnings("ignore:Sparse")
def test_a_sparse_tensor_is_given_as_its_parts(make, parts):
    found = {name: value.shape for name, value in named_elements({"x": make()})}
    assert found == {f"x.{name}": shape for name, shape in parts.items()}


@pytest.mark.filterwarnings("ignore")
def test_a_quantized_tensor_is_given_as_its_integers():
    one = torch.quantize_per_tensor(torch.tensor([1.0, 2.0]), 0.5, 1, torch.qint8)
    rows = torch.quantize_per_channel(
        torch.ones(2, 3), torch.tensor([0.5, 0.25]), torch.tensor([1, 2]), 0, torch.quint8
    )
    found = dict(named_elements({"a": one, "b": rows}))
    assert list(found) == ["a.int_repr", "b.int_repr", "b.scales", "b.zero_points"]
    assert b"".join(found["a.int_repr"].chunks()) == bytes([3, 5])


@pytest.mark.filterwarnings("ignore")
def test_a_nested_tensor_is_given_as_its_parts():
    nested = torch.nested.nested_tensor([torch.ones(2), torch.ones(3)])
    assert [(name, value.shape) for name, value in named_elements({"x": nested})] == [("x.0", (2,)), ("x.1", (3,))]


def test_a_module_is_its_parameters_and_buffers():
    class Model(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = torch.nn.Linear(1, 2)
            self.register_buffer("steps", ONE)

    assert names(Model()) == ["steps", "layer.weight", "layer.bias"]


@pytest.mark.filterwarnings("ignore:`torch.jit.load` is deprecated")
def test_a_module_with_code_is_so_too():
    vector = next(vector for vector in load_vectors() if vector.id == "ptj-modules")
    assert sorted(names(torch.jit.load(vector.path))) == sorted(tensor.name for tensor in vector.tensors)
