"""The reference's tensors in pieces: canonical bytes of any part of a tensor, however large, in bounded memory."""

from __future__ import annotations

import hashlib
import math
import mmap
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from endianproof.reference import Tensor

__all__ = ["PIECE", "count_of", "digest_of", "mapped_file", "place_in_file", "read_part"]

PIECE = 4 << 20  # bytes


def count_of(tensor: Tensor) -> int:
    """How many elements a tensor has."""
    return math.prod(tensor.shape)


def _most(tensor: Tensor) -> int:
    """Elements of a piece: whole bytes, however narrow they are."""
    return max(PIECE // tensor.element.bits, 1) * 8


def _flat(tensor: Tensor, start: int, stop: int) -> Tensor:
    return replace(tensor, shape=(stop - start,), stride=(1,), storage_offset=tensor.storage_offset + start)


def _rows(tensor: Tensor, start: int, stop: int) -> Tensor:
    assert tensor.stride is not None, "without strides it would be contiguous"
    at = tensor.storage_offset + start * tensor.stride[0]
    if stop - start == 1:
        return replace(tensor, shape=tensor.shape[1:], stride=tensor.stride[1:], storage_offset=at)
    return replace(tensor, shape=(stop - start, *tensor.shape[1:]), storage_offset=at)


def _split(tensor: Tensor, start: int, stop: int) -> Iterator[memoryview]:
    most = _most(tensor)
    if tensor.contiguous:
        for at in range(start, stop, most):
            yield _flat(tensor, at, min(at + most, stop)).canonical
    elif count_of(tensor) <= most:
        bits = tensor.element.bits
        yield tensor.canonical[start * bits // 8 : stop * bits // 8]
    else:
        row = math.prod(tensor.shape[1:])
        step = max(most // row, 1)
        for at in range(start // row, -(-stop // row), step):
            end = min(at + step, tensor.shape[0])
            inside = max(start - at * row, 0), min(stop, end * row) - at * row
            yield from _split(_rows(tensor, at, end), *inside)


def _base(mapped: mmap.mmap) -> int:
    address: int = np.frombuffer(mapped, np.uint8).__array_interface__["data"][0]
    return address


def _place(view: memoryview) -> tuple[mmap.mmap, int] | None:
    """The memory map that a view is of, and the byte of the file where it begins; None where it is of none."""
    if not isinstance(view.obj, mmap.mmap) or not view.nbytes:
        return None
    address: int = np.frombuffer(view, np.uint8).__array_interface__["data"][0]
    return view.obj, address - _base(view.obj)


def _release(view: memoryview) -> None:
    """Let go of the pages of a file that were read: they stay in the system's cache, and are no memory of ours."""
    found = _place(view)
    if found is not None:
        mapped, at = found
        first = at // mmap.PAGESIZE * mmap.PAGESIZE
        mapped.madvise(mmap.MADV_DONTNEED, first, at + view.nbytes - first)


def place_in_file(tensor: Tensor) -> int | None:
    """The byte of the file where a tensor's storage begins; None where the file has it compressed, or empty."""
    found = _place(tensor.storage.data)
    return found[1] if found else None


def mapped_file(tensors: Iterable[Tensor]) -> memoryview:
    """The bytes of the file that tensors lie in; none where none lies in it as it is."""
    places = (_place(tensor.storage.data) for tensor in tensors)
    return next((memoryview(found[0]) for found in places if found), memoryview(b""))


def _pieces(tensor: Tensor, start: int, stop: int) -> Iterator[memoryview]:
    """Canonical bytes of the elements from `start` to `stop`. Raises SpecViolation as `Tensor.canonical` does."""
    if 0 in tensor.shape or start == stop:
        return
    tensor.storage.verify()
    checked = replace(tensor, storage=replace(tensor.storage, verify=lambda: None))
    for piece in _split(checked, start, stop):
        yield piece
        _release(piece)


def digest_of(
    tensor: Tensor, start: int = 0, stop: int | None = None, tell: Callable[[int], None] = lambda _bytes: None
) -> str:
    """The hex SHA-256 of a tensor's canonical bytes, or of a part's. `tell` is told the bytes of each piece.

    `start` and `stop` are elements in C order, multiples of 8 or the end. Raises SpecViolation.
    """
    digest = hashlib.sha256()
    for piece in _pieces(tensor, start, count_of(tensor) if stop is None else stop):
        digest.update(piece)
        tell(piece.nbytes)
    return digest.hexdigest()


def read_part(tensor: Tensor, start: int, stop: int) -> bytes:
    """The canonical bytes of a part, likewise."""
    return b"".join(_pieces(tensor, start, stop))
