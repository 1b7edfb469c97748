"""Tensors that a small file states and no array holds: a documented error, whatever was asked for."""

from __future__ import annotations

import numpy as np
import pytest

from endianproof.reference import SpecViolation
from endianproof.reference._tensor import Storage, Tensor
from endianproof.spec import load_spec

FLOAT32 = load_spec().element_types["float32"]
FOUR = bytes.fromhex("3f80000040000000")  # 1.0 and 2.0, big-endian


def tensor(shape, stride):
    return Tensor("x", FLOAT32, shape, Storage(memoryview(FOUR), "big"), 0, stride)


def test_a_hundred_axes_of_size_one_have_canonical_bytes():
    many = tensor((1,) * 99 + (2,), (7,) * 99 + (1,))
    assert bytes(many.canonical) == bytes.fromhex("0000803f00000040")
    with pytest.raises(TypeError, match=r"numpy has no array of shape .*; `canonical` has its bytes"):
        many.numpy()


def test_thirty_axes_of_size_one_are_kept_by_numpy():
    some = tensor((1,) * 29 + (2,), (1 << 62,) * 29 + (1,))
    assert some.numpy().shape == some.shape
    assert some.numpy().ravel().tolist() == [1.0, 2.0]


def test_no_elements_are_no_bytes_however_large_the_other_sizes():
    none = tensor((1 << 62, 1 << 62, 0), (0, 0, 0))
    assert bytes(none.canonical) == b""


@pytest.mark.parametrize("shape", [(1 << 62,), (1 << 40, 1 << 40), (2,) * 80])
def test_more_elements_than_any_memory_holds_are_a_memory_error(shape):
    huge = tensor(shape, (0,) * len(shape))
    for ask in (lambda: huge.canonical, huge.numpy):
        with pytest.raises(MemoryError):
            ask()


@pytest.mark.parametrize("size", [8, 1 << 21])
@pytest.mark.parametrize("order", ["little", "big"])
@pytest.mark.parametrize("ask", [lambda t: t.canonical, lambda t: t.numpy(), lambda t: t.torch()])
def test_bytes_that_are_not_the_stated_ones_are_never_handed_out(ask, order, size):
    def refuse():
        raise SpecViolation("PT-ZIP-05", 0, "another CRC-32", "the stated one")

    storage = Storage(memoryview(bytes(size)), order, refuse)
    damaged = Tensor("x", FLOAT32, (size // 4,), storage)
    with pytest.raises(SpecViolation, match="another CRC-32"):
        ask(damaged)


def test_a_long_storage_of_the_other_byte_order_has_its_values():
    values = np.arange(1 << 19, dtype=">f4")
    long = Tensor("x", FLOAT32, values.shape, Storage(memoryview(values.tobytes()), "big"))
    assert bytes(long.canonical) == values.astype("<f4").tobytes()
    assert long.torch().tolist() == values.tolist()


def test_an_expanded_view_is_no_copy_for_numpy():
    wide = tensor((1 << 40,), (0,))
    assert wide.numpy().shape == (1 << 40,)
    assert wide.numpy()[12345] == np.float32(1.0)
