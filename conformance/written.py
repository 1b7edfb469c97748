"""What a saver wrote, read back by the reference: tensors, their places, and the choices that the file shows."""

from __future__ import annotations

import hashlib
import io
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from endianproof.conformance.difference import Place
from endianproof.conformance.outcome import LoadedTensor
from endianproof.reference import load
from endianproof.spec import load_spec

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from endianproof.reference import Tensor
    from endianproof.spec import Format
    from endianproof.vectors import Save

__all__ = ["LOOKS", "Written", "read_back"]


@dataclass(frozen=True)
class Written:
    """A file as the reference reads it: its tensors, and the place of each in the file where it has one."""

    tensors: tuple[LoadedTensor, ...]
    places: Mapping[str, Place]

    def byte_order(self, name: str) -> str:
        """The byte order in which the file holds a tensor; little-endian where it holds none of that name."""
        return self.places[name].byte_order if name in self.places else "little"


def _address(memory: Any) -> int:
    return int(np.frombuffer(memory, np.uint8).__array_interface__["data"][0])


def _place(tensor: Tensor) -> Place:
    """Where the tensor lies in the file; of bytes that were inflated, where it lies among them."""
    data = tensor.storage.data
    file = data.obj if len(data) else b""
    return Place(
        file=bytes(file),
        at=_address(data) - _address(file) if len(data) else 0,
        storage_offset=tensor.storage_offset,
        stride=tensor.stride if tensor.stride is not None else _c_strides(tensor.shape),
        byte_order=tensor.storage.byte_order,
    )


def _c_strides(shape: tuple[int, ...]) -> tuple[int, ...]:
    strides, step = [], 1
    for size in reversed(shape):
        strides.append(step)
        step *= size
    return tuple(reversed(strides))


def read_back(data: bytes, format_name: str) -> Written:
    """Read a file of this format. Raises SpecViolation where it breaks a rule."""
    with tempfile.TemporaryDirectory(prefix="endianproof-", ignore_cleanup_errors=True) as folder:
        path = Path(folder) / f"written.{load_spec().formats[format_name].extension}"
        path.write_bytes(data)
        found = load(path, format_name=format_name)
        contents = {name: bytes(tensor.canonical) for name, tensor in found.items()}
        places = {name: _place(tensor) for name, tensor in found.items()}
    tensors = tuple(
        LoadedTensor(name, found[name].dtype, found[name].shape, hashlib.sha256(content).hexdigest(), content)
        for name, content in contents.items()
    )
    return Written(tensors, places)


# What a format leaves its writers, as far as the file shows it: policy -> whether `accept` was chosen.


def _header_is_aligned(data: bytes, form: Format, _save: Save) -> bool:
    length = int.from_bytes(data[:8], "little")
    return (8 + length) % int(form.layout["alignment"]) == 0


def _wide_types_come_first(data: bytes, form: Format, _save: Save) -> bool:
    found = read_back(data, form.name)
    filled = [tensor for tensor in found.tensors if tensor.data]
    filled.sort(key=lambda tensor: found.places[tensor.name].at)
    widths = [load_spec().element_types[tensor.dtype].bits for tensor in filled]
    return widths == sorted(widths, reverse=True)


def _records(data: bytes) -> dict[str, zipfile.ZipInfo]:
    """The archive's records by their names in its folder."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {entry.filename.partition("/")[2]: entry for entry in archive.infolist()}


def _first_byte(data: bytes, record: zipfile.ZipInfo) -> int:
    """Where a record's bytes begin: its local header's own lengths say it."""
    at = record.header_offset
    name, extra = (int.from_bytes(data[at + place : at + place + 2], "little") for place in (26, 28))
    return at + 30 + name + extra


def _storages(data: bytes, form: Format) -> list[zipfile.ZipInfo]:
    prefix = form.layout["records"]["storages"]
    return [record for name, record in _records(data).items() if name.startswith(prefix) and record.file_size]


def _has_byte_order(data: bytes, form: Format, _save: Save) -> bool:
    return form.layout["records"]["byte_order"] in _records(data)


def _storages_are_aligned(data: bytes, form: Format, _save: Save) -> bool:
    alignment = int(form.layout["alignment"])
    return all(_first_byte(data, record) % alignment == 0 for record in _storages(data, form))


def _storages_are_shared(data: bytes, form: Format, save: Save) -> bool:
    return len(_storages(data, form)) < len(save.tensors)


LOOKS: Mapping[str, Callable[[bytes, Format, Save], bool]] = {
    "byteorder-record": _has_byte_order,
    "header-alignment": _header_is_aligned,
    "shared-storages": _storages_are_shared,
    "storage-alignment": _storages_are_aligned,
    "tensor-order": _wide_types_come_first,
}
