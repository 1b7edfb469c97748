"""Why a tensor is wrong, of which the digest is known to be: its first element that differs, and those behind it.

A tensor may be longer than memory. The digests of halves, both sides', lead to the first difference; the elements
from there on are explained as those of a vector are.
"""

from __future__ import annotations

import base64
import hashlib
import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from endianproof.conformance.diagnosis import contiguous, explain_form
from endianproof.conformance.difference import Place, Window, compare
from endianproof.conformance.verifying._pieces import count_of, digest_of, place_in_file, read_part
from endianproof.spec import load_spec
from endianproof.vectors import ExpectedTensor

if TYPE_CHECKING:
    from endianproof.conformance.diagnosis import FormMistake
    from endianproof.conformance.difference import Difference
    from endianproof.conformance.outcome import LoadedTensor
    from endianproof.conformance.verifying._asking import Asking
    from endianproof.reference import Tensor

__all__ = ["Look", "look_at", "look_at_form"]

WHOLE = 1 << 18  # elements of a tensor that is looked at as a whole
WINDOW = 1 << 16  # elements that are looked at of a longer one
SEARCHED = 64 << 20  # bytes of a file that is searched for what came back instead


@dataclass(frozen=True)
class Look:
    """Where to look: the reference's tensor, the loader's side, the file's bytes, the testee's byte order."""

    asking: Asking
    file: memoryview
    machine_order: str

    @property
    def searched(self) -> bytes:
        """The file's bytes, where there are not too many."""
        return bytes(self.file) if len(self.file) <= SEARCHED else b""


def _first_difference(tensor: Tensor, found: LoadedTensor, asking: Asking) -> int:
    """An element, at most WINDOW before the first one that differs."""
    low, high = 0, count_of(tensor)
    while high - low > WINDOW:
        middle = low + (high - low) // 16 * 8
        if digest_of(tensor, low, middle) == asking.digest(found, low, middle):
            low = middle
        else:
            high = middle
    return low


def _expected(tensor: Tensor, start: int, stop: int, *, whole: bool) -> ExpectedTensor:
    """A tensor of the reference, or a part of it, in the form that a diagnosis takes."""
    data = read_part(tensor, start, stop)
    shape = tensor.shape if whole else (stop - start,)
    at = place_in_file(tensor)
    return ExpectedTensor(
        name=tensor.name,
        dtype=tensor.dtype,
        shape=shape,
        sha256=hashlib.sha256(data).hexdigest(),
        at=at or 0,
        storage_nbytes=tensor.storage.data.nbytes,
        byte_order=tensor.storage.byte_order,
        storage_offset=tensor.storage_offset if whole else 0,
        stride=(tensor.stride or contiguous(shape)) if whole else (1,),
        source={"data": base64.b64encode(data).decode("ascii")},
    )


def _place(tensor: Tensor, file: memoryview) -> Place:
    at = place_in_file(tensor)
    stride = tensor.stride or contiguous(tensor.shape)
    order = tensor.storage.byte_order
    if at is not None:
        return Place(file, at, tensor.storage_offset, stride, order)
    return Place(tensor.storage.data, 0, tensor.storage_offset, stride, order, "in the record, uncompressed")


def look_at(tensor: Tensor, found: LoadedTensor, look: Look) -> Difference | None:
    """The difference between a tensor and what came back of it, of the same dtype and shape.

    None where what is sent now does not differ. Raises LostError, ValueError for data of another length.
    """
    count = count_of(tensor)
    whole = count <= WHOLE
    start = 0 if whole else _first_difference(tensor, found, look.asking)
    stop = count if whole else min(start + WINDOW, count)
    return compare(
        _expected(tensor, start, stop, whole=whole),
        look.asking.data(found, start, stop),
        load_spec().element_types,
        file=look.searched if whole and place_in_file(tensor) is not None else b"",
        place=_place(tensor, look.file),
        machine_order=look.machine_order,
        window=None if whole else Window(start, tensor.shape),
    )


def look_at_form(tensor: Tensor, found: LoadedTensor, look: Look) -> FormMistake | None:
    """What is wrong with a tensor's dtype or shape, by its first elements where they can be had.

    Raises LostError.
    """
    count, came = count_of(tensor), math.prod(found.shape)
    known = found.dtype in load_spec().element_types and look.asking.can_show
    whole = max(count, came) <= WHOLE
    if not known or not (whole or found.shape == tensor.shape):
        expected = _expected(tensor, 0, 0, whole=False)
        return explain_form(replace(expected, shape=tensor.shape), found, load_spec().element_types)
    stop = came if whole else WINDOW
    data = look.asking.data(found, 0, stop)
    part = replace(found, data=data, shape=found.shape if whole else (stop,))
    return explain_form(
        _expected(tensor, 0, count if whole else stop, whole=whole), part, load_spec().element_types
    )
