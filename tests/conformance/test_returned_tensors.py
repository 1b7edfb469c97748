"""Tensors that loaders return, beside torch's and numpy's: each way to a tensor's bits.

Expected bytes are written out or come from codes by shifts, never from a framework.
"""

from __future__ import annotations

import array
import ctypes
import sys
import types

import numpy as np
import pytest
import torch

from endianproof.conformance.testee.canonical import ConversionError
from endianproof.conformance.testee.convert import elements_of, named_elements
from endianproof.conformance.testee.nested import named_values

ONE = bytes.fromhex("0000803f")


def read(value):
    elements = elements_of(value)
    return elements.dtype, elements.shape, b"".join(elements.chunks()).hex()


@pytest.fixture
def alone(monkeypatch):
    """A testee's side with neither numpy nor torch."""
    for name in ("numpy", "torch"):
        monkeypatch.setitem(sys.modules, name, None)


# Buffers


@pytest.mark.parametrize(
    ("value", "want"),
    [
        (array.array("f", [1.0, -2.0]), ("float32", (2,), "0000803f000000c0")),
        (array.array("q", [-2]), ("int64", (1,), "feffffffffffffff")),
        (memoryview(bytes(range(1, 5))), ("uint8", (4,), "01020304")),
        (memoryview(bytes(range(1, 5))).cast("B", (2, 2)), ("uint8", (2, 2), "01020304")),
        (memoryview(bytes(range(1, 7)))[::2], ("uint8", (3,), "010305")),
        (memoryview(bytes(8)).cast("d", ()), ("float64", (), "0000000000000000")),
        ((ctypes.c_float.__ctype_be__ * 2)(1.0, -2.0), ("float32", (2,), "0000803f000000c0")),
        ((ctypes.c_uint16.__ctype_le__ * 1)(0x0102), ("uint16", (1,), "0201")),
        ((ctypes.c_bool * 2)(True, False), ("bool", (2,), "0100")),
        ((ctypes.c_int32 * 2 * 0)(), ("int32", (0, 2), "")),
    ],
)
@pytest.mark.usefixtures("alone")
def test_buffers_are_read_without_numpy(value, want):
    assert read(value) == want


def test_a_buffer_of_complex_numbers_is_read():
    assert read(memoryview(np.array([1 - 2j], "c8")))[0::2] == ("complex64", "0000803f000000c0")


@pytest.mark.parametrize(
    "value", [memoryview(b"ab").cast("c"), (ctypes.c_void_p * 1)(), (ctypes.c_longdouble * 1)()]
)
def test_buffers_of_no_element_type_are_named(value):
    with pytest.raises(ConversionError, match="a buffer of format"):
        elements_of(value)


@pytest.mark.parametrize("value", [b"ab", bytearray(b"ab"), object()])
def test_what_says_nothing_of_elements_is_no_tensor(value):
    with pytest.raises(ConversionError, match="expected a tensor"):
        elements_of(value)


def test_a_buffer_of_mlxs_own_format_is_bfloat16(monkeypatch):
    """MLX writes its type out as the format, which memoryview itself takes from nobody else."""
    view = types.SimpleNamespace(format="bfloat16", itemsize=2, shape=(1,), c_contiguous=False, ndim=1)
    view.tobytes = lambda: (0x3F80).to_bytes(2, sys.byteorder)
    monkeypatch.setattr(
        "endianproof.conformance.testee.buffers.memoryview",
        lambda given: view if given is view else memoryview(given),
        raising=False,
    )
    from endianproof.conformance.testee.buffers import elements_of_buffer

    elements = elements_of_buffer(view)
    assert (elements.dtype, b"".join(elements.chunks())) == ("bfloat16", b"\x80\x3f")


# DLPack


class Producer:
    """Gives another's capsule, as a framework that nobody knows."""

    def __init__(self, tensor, **keywords):
        self._tensor, self._keywords = tensor, keywords

    def __dlpack__(self):
        return self._tensor.__dlpack__(**self._keywords)

    def __dlpack_device__(self):
        return 1, 0


TORCH = {
    "bfloat16": (torch.bfloat16, 0x3F81, 2),
    "float32": (torch.float32, 0x7F800001, 4),
    "bool": (torch.bool, 1, 1),
    "uint8": (torch.uint8, 200, 1),
    "int64": (torch.int64, 0x8000000000000001, 8),
    "float8_e4m3fn": (torch.float8_e4m3fn, 0x38, 1),
    "float8_e5m2": (torch.float8_e5m2, 0x7D, 1),
    "float8_e8m0fnu": (torch.float8_e8m0fnu, 0xFF, 1),
}


@pytest.mark.parametrize("version", [None, (1, 0)], ids=["old", "versioned"])
@pytest.mark.parametrize("name", TORCH)
def test_capsules_are_read_bit_by_bit(name, version):
    dtype, code, size = TORCH[name]
    octets = torch.tensor(list(code.to_bytes(size, sys.byteorder)), dtype=torch.uint8)
    keywords = {"max_version": version} if version else {}
    assert read(Producer(octets.view(dtype), **keywords)) == (name, (1,), code.to_bytes(size, "little").hex())


@pytest.mark.parametrize(
    "change",
    [lambda t: t, lambda t: t.T, lambda t: t[::2, 1:], lambda t: t[1], lambda t: t[1, 2], lambda t: t[:0]],
    ids=["plain", "transposed", "strided", "row", "0-d", "empty"],
)
def test_capsules_of_any_strides_are_gathered(change):
    tensor = change(torch.arange(12, dtype=torch.int16).reshape(3, 4))
    want = b"".join(int(number).to_bytes(2, "little") for number in tensor.flatten().tolist())
    assert read(Producer(tensor)) == ("int16", tuple(tensor.shape), want.hex())


def test_capsules_are_read_without_numpy_and_torch():
    producer = Producer(np.array([258], dtype="u2"))
    capsule = producer.__dlpack__()
    with pytest.MonkeyPatch.context() as patch:
        for name in ("numpy", "torch"):
            patch.setitem(sys.modules, name, None)
        patch.setattr(Producer, "__dlpack__", lambda _: capsule)
        assert read(producer) == ("uint16", (1,), "0201")


class OnDevice:
    def __init__(self, kind, copy=None):
        self._kind, self._copy = kind, copy

    def __dlpack_device__(self):
        return self._kind, 0

    def __dlpack__(self, dl_device=None):
        if self._copy is None:
            raise BufferError("no copies")
        assert dl_device == (1, 0)
        return self._copy.__dlpack__()


def test_another_device_is_asked_for_a_copy_and_else_named():
    assert read(OnDevice(2, torch.ones(1))) == ("float32", (1,), ONE.hex())
    for kind, name in ((2, "CUDA"), (99, "number 99 of DLPack")):
        with pytest.raises(ConversionError, match=f"on a device, {name}: return it on the CPU"):
            elements_of(OnDevice(kind))


def test_a_capsule_that_was_used_is_named():
    capsule = torch.ones(1).__dlpack__()
    torch.from_dlpack(capsule)

    class Used:
        def __dlpack__(self):
            return capsule

    with pytest.raises(ConversionError, match="no unused capsule"):
        elements_of(Used())


# The array interface


class Interface:
    def __init__(self, held):
        self._held = held
        self.__array_interface__ = held.__array_interface__


class Struct:
    def __init__(self, held):
        self._held = held

    @property
    def __array_struct__(self):
        return self._held.__array_struct__


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("kind", [Interface, Struct])
def test_the_array_interface_is_read_in_its_own_byte_order(kind, order):
    held = np.array([[0x0102, 0x0304], [0x0506, 0x0708]], dtype=f"{order}u2").T
    assert read(kind(held)) == ("uint16", (2, 2), "0201060504030807")


def test_the_array_interface_asks_for_numpy(monkeypatch):
    value = Interface(np.ones(1))
    monkeypatch.setitem(sys.modules, "numpy", None)
    with pytest.raises(ConversionError, match="has __array_interface__: install numpy"):
        elements_of(value)


def test_raw_bytes_without_a_type_are_told_what_to_do():
    with pytest.raises(ConversionError, match=r"dtype \|V2, .*raw bytes.*--accept=bfloat16=uint16"):
        elements_of(np.zeros(2, "V2"))


# Frameworks, as stand-ins with their surface: tests/frameworks has the real ones


def framework(monkeypatch, name, **members):
    module = types.ModuleType(name)
    for member, value in members.items():
        setattr(module, member, value)
    monkeypatch.setitem(sys.modules, name, module)


class CupyArray:
    def __init__(self, held):
        self._held = held

    def __array__(self, dtype=None, copy=None):
        raise TypeError("Implicit conversion to a NumPy array is not allowed.")

    def get(self):
        return self._held


def test_cupys_arrays_are_copied_from_the_device(monkeypatch):
    framework(monkeypatch, "cupy", ndarray=CupyArray)
    assert read(CupyArray(np.ones(1, "f4"))) == ("float32", (1,), ONE.hex())


class PaddleTensor:
    def __init__(self, dtype, held):
        self.dtype, self._held = f"paddle.{dtype}", held

    def detach(self):
        return self

    def numpy(self):
        return self._held


@pytest.mark.parametrize(("dtype", "held"), [("bfloat16", "u2"), ("float8_e4m3fn", "i1"), ("int32", "i4")])
def test_paddles_own_types_are_not_taken_for_integers(monkeypatch, dtype, held):
    framework(monkeypatch, "paddle", Tensor=PaddleTensor)
    assert read(PaddleTensor(dtype, np.array([1], held)))[0] == dtype
    with pytest.raises(ConversionError, match="no element type"):
        elements_of(PaddleTensor("pstring", np.array([1], held)))


class TensorflowTensor:
    def __array__(self, dtype=None, copy=None):
        raise ValueError("object __array__ method not producing an array")

    def numpy(self):
        return np.float32(1)


def test_tensorflows_scalars_are_read_by_their_own_method(monkeypatch):
    framework(monkeypatch, "tensorflow", Tensor=TensorflowTensor, Variable=TensorflowTensor)
    assert read(TensorflowTensor()) == ("float32", (), ONE.hex())


# Plain lists


@pytest.mark.parametrize(
    ("value", "want"),
    [
        ([1.0, -0.0], ("python_float", (2,), "000000000000f03f0000000000000080")),
        ([[True], [False]], ("python_bool", (2, 1), "0100")),
        (-2, ("python_int", (), "fe" + 15 * "ff")),
        ((1j,), ("python_complex", (1,), "0000000000000000000000000000f03f")),
        ([[], []], ("python_float", (2, 0), "")),
    ],
)
def test_lists_are_tensors_where_they_are_to_be(value, want):
    ((name, elements),) = named_elements({"w": value, "note": "text"}, lists=True)
    assert (name, elements.dtype, elements.shape, b"".join(elements.chunks()).hex()) == ("w", *want)
    assert list(named_elements({"w": value})) == []


@pytest.mark.parametrize(
    ("value", "said"),
    [([1, 2.0], "a list of float and int"), ([[1], [1, 2]], "of different shapes"), ([1 << 130], "128 bits")],
)
def test_lists_that_are_no_tensor_are_named(value, said):
    with pytest.raises(ConversionError, match=said):
        list(named_elements({"w": value}, lists=True))


def test_lists_of_tensors_stay_containers():
    assert [name for name, _ in named_values({"a": [torch.ones(1), [1, 2]]}, lists=True)] == ["a.0", "a.1"]


def doubled(inmost, times):
    for _ in range(times):
        inmost = [inmost, inmost]
    return inmost


def test_a_list_that_holds_itself_is_no_tensor():
    endless = []
    endless.append(endless)
    assert list(named_values({"w": endless, "deep": doubled(endless, 2)}, lists=True)) == []


def test_a_list_that_is_held_in_many_places_comes_to_an_end():
    ((name, elements),) = named_elements({"w": doubled([], 40)}, lists=True)
    assert (name, elements.shape, elements.nbytes) == ("w", (*[2] * 40, 0), 0)
    with pytest.raises(ConversionError, match=f"unfolds to {1 << 40} numbers"):
        list(named_elements({"w": doubled(1.0, 40)}, lists=True))


def test_a_row_may_be_held_twice():
    ((_, elements),) = named_elements({"w": [[1, 2]] * 3}, lists=True)
    assert elements.shape == (3, 2)
    assert elements.nbytes == 6 * 16
