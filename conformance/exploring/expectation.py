"""What a conforming loader must do with a file that is no vector: by its drawn tensors, or by the reference.

A drawn file must be loaded, or may be where a loader may refuse the format as a whole (torch-tar).

A damaged file has no verdict of its own, so the reference says what it is. Only a MUST decides:

- refused by a MUST rule: the loader must refuse it too;
- refused by a SHOULD or a MAY: the loader may do either, and what it makes of the file is its own business;
- loaded: what the loader loads must be the same, bit for bit. It may refuse, for the reference follows what the
  format recommends where there is a choice, and a loader may choose otherwise.

A crash, a hang, a second load that differs and a file that was changed are wrong whatever the file.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import mmap
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from endianproof.conformance.diagnosis import contiguous
from endianproof.reference import SpecViolation, load
from endianproof.spec import load_spec
from endianproof.vectors import ExpectedTensor

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from endianproof.conformance.outcome import LoadedTensor
    from endianproof.reference import Tensor
    from endianproof.vectors.strategies import File

__all__ = ["Expectation", "expectation_of", "own_account"]

LARGEST = 16 << 20  # bytes of elements that a file of a few hundred bytes may unfold to, and still be tried


@dataclass(frozen=True)
class Expectation:
    """A verdict as vectors have it: `accept`, `reject`, `may`; `open` where anything is right.

    For a refused file, `description` is what the reference found, and `rule` and `expected` are why it refuses.

    `too_large` says that the tensors, though the file is small, are not worth the memory: it is not tried.
    """

    verdict: str
    description: str
    tensors: tuple[ExpectedTensor, ...] = ()
    rule: str = ""
    expected: str = ""
    too_large: bool = False


def _place(data: memoryview) -> int | None:
    """The byte of the file at which a storage begins; None for one that does not lie there as it is: inflated."""
    if not isinstance(data.obj, mmap.mmap):
        return None
    return int(np.asarray(data).ctypes.data - np.asarray(memoryview(data.obj)).ctypes.data)


def _expected(name: str, tensor: Tensor, behind: int) -> ExpectedTensor:
    """What the reference loaded. What is nowhere in the file is said to lie at `behind`, where nobody can look."""
    canonical, place = bytes(tensor.canonical), _place(tensor.storage.data)
    return ExpectedTensor(
        name=name,
        dtype=tensor.dtype,
        shape=tensor.shape,
        sha256=hashlib.sha256(canonical).hexdigest(),
        at=behind if place is None else place,
        storage_nbytes=len(tensor.storage.data),
        byte_order=tensor.storage.byte_order,
        storage_offset=tensor.storage_offset,
        stride=tuple(contiguous(tensor.shape) if tensor.stride is None else tensor.stride),
        source=MappingProxyType({"data": base64.b64encode(canonical).decode("ascii")}),
    )


def own_account(tensors: Sequence[LoadedTensor]) -> tuple[ExpectedTensor, ...]:
    """What a loader returned, as if it had been expected: for a file of which the format says nothing."""
    return tuple(
        ExpectedTensor(
            name=tensor.name,
            dtype=tensor.dtype,
            shape=tensor.shape,
            sha256=tensor.sha256,
            at=0,
            storage_nbytes=0,
            byte_order="little",
            storage_offset=0,
            stride=(0,) * len(tensor.shape),
            source=MappingProxyType({"data": base64.b64encode(tensor.data or b"").decode("ascii")}),
        )
        for tensor in tensors
    )


def _contents(tensors: Sequence[ExpectedTensor]) -> str:
    listed = ", ".join(f"{t.name!r} {t.dtype} {list(t.shape)}" for t in tensors)
    return listed or "no tensors"


def _by_reference(path: Path) -> Expectation:
    try:
        found = load(path)
        if sum(tensor.nbytes for tensor in found.values()) > LARGEST:
            return Expectation("open", "more elements than memory is spent on", too_large=True)
        tensors = tuple(_expected(name, tensor, path.stat().st_size) for name, tensor in found.items())
    except SpecViolation as violation:
        level = load_spec().rules[violation.rule].level
        return Expectation(
            "reject" if level == "MUST" else "open",
            violation.found,
            rule=violation.rule,
            expected=f"{violation.expected}; look at byte {violation.offset}",
        )
    return Expectation("may", f"still valid: {_contents(tensors)}", tensors)


@functools.cache
def _must_be_read(form_name: str) -> bool:
    """Whether a conforming loader may not refuse the format as a whole: then a vector says so."""
    return any(template.verdict == "accept" for template in load_spec().formats[form_name].templates)


def expectation_of(file: File, path: Path) -> Expectation:
    """What a conforming loader must do with `file`, which lies at `path`. Raises OSError."""
    if file.tensors is None:
        return _by_reference(path)
    return Expectation("accept" if _must_be_read(file.format) else "may", _contents(file.tensors), file.tensors)
