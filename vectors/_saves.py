"""Expands the specification's saves: the tensors that a caller hands to a saver, and what the file must then hold.

Written from the specification alone, like the golden files, and never stored: a save has no bytes of its own to be
held against, since a format leaves its writers choices. What counts is what the file says when it is read back.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import itertools
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import endianproof.spec
from endianproof.spec import load_spec
from endianproof.vectors._codes import ByteOrder, conjugate, encode, negate
from endianproof.vectors._encoded import c_strides, refuse_unknown, shape_of
from endianproof.vectors._expand import combinations, id_of, put_in
from endianproof.vectors._manifest import ExpectedTensor, PolicyChoice
from endianproof.vectors._patterns import codes_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from endianproof.spec import ElementType, Format, SaveTemplate

__all__ = ["GivenStorage", "GivenTensor", "Save", "load_saves"]

FORMATS = Path(endianproof.spec.__file__).resolve().parent / "formats"

_WRITE = ("storages", "tensors")
_STORAGE = ("dtype", "numel", "values")
_OWN = ("dtype", "values", "copies")
_VIEW = ("bits", "byte_order", "name", "offset", "parameter", "shape", "storage", "stride")
_RESOLVE: Mapping[str, Callable[[ElementType, int], int]] = {"conjugate": conjugate, "negative": negate}


@dataclass(frozen=True)
class GivenStorage:
    """Memory of the caller's that one or several tensors lie in. `codes` are its elements, one after another."""

    element: ElementType
    codes: tuple[int, ...]

    def data(self, order: ByteOrder = "little") -> bytes:
        """The elements' bytes; little-endian they are canonical."""
        return encode(self.element, self.codes, order)


@dataclass(frozen=True)
class GivenTensor:
    """One tensor of the caller's: a view of `storage`, the number of one of the save's storages.

    `shape`, `storage_offset` and `stride` are in elements; a stride may be zero or negative. `bits` are torch's
    lazy ones, `conjugate` and `negative`; `byte_order` is that of the memory where the case asks for one, and
    None where it is the machine's own. `canonical` holds the logical elements, bits resolved.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    storage: int
    storage_offset: int
    stride: tuple[int, ...]
    bits: tuple[str, ...]
    byte_order: ByteOrder | None
    parameter: bool
    is_plain: bool
    canonical: bytes

    @property
    def sha256(self) -> str:
        """The hex digest of the canonical bytes."""
        return hashlib.sha256(self.canonical).hexdigest()


@dataclass(frozen=True)
class Save:
    """One case for a saver and its verdict: `accept`, `reject` (it must refuse), or `may` (with a `policy`).

    `path` is the file that declares it; `seen_in` are ids of real bugs it would have caught. The tensors are made
    when they are first asked for.
    """

    id: str
    format: str
    path: Path
    rules: tuple[str, ...]
    verdict: str
    description: str
    policy: PolicyChoice | None
    seen_in: tuple[str, ...]
    write: Mapping[str, Any]

    @property
    def kind(self) -> str:
        """The word for it in reports."""
        return "save"

    @property
    def large(self) -> bool:
        """Whether it takes gigabytes: no save does."""
        return False

    @functools.cached_property
    def storages(self) -> tuple[GivenStorage, ...]:
        """The memory that the tensors lie in."""
        return self._made[0]

    @functools.cached_property
    def tensors(self) -> tuple[GivenTensor, ...]:
        """The tensors, in the order in which the caller's mapping has them."""
        return self._made[1]

    @functools.cached_property
    def _made(self) -> tuple[tuple[GivenStorage, ...], tuple[GivenTensor, ...]]:
        refuse_unknown(self.write, _WRITE, "write")
        named = {key: _storage(entry) for key, entry in self.write.get("storages", {}).items()}
        places = {key: number for number, key in enumerate(named)}
        storages = list(named.values())
        tensors: list[GivenTensor] = []
        for entry in self.write["tensors"]:
            for copy in range(entry.get("copies", 1)):
                one = _one(entry, copy)
                if "storage" not in one:
                    storages.append(_own_storage(one))
                number = places[one["storage"]] if "storage" in one else len(storages) - 1
                tensors.append(_tensor(one, number, storages[number]))
        return tuple(storages), tuple(tensors)

    def expected(self, tensor: GivenTensor, byte_order: ByteOrder) -> ExpectedTensor:
        """What a reader of the file must find, as it lies in the caller's memory, in that byte order."""
        return ExpectedTensor(
            name=tensor.name,
            dtype=tensor.dtype,
            shape=tensor.shape,
            sha256=tensor.sha256,
            at=0,
            storage_nbytes=len(self.memory(tensor, byte_order)),
            byte_order=byte_order,
            storage_offset=tensor.storage_offset,
            stride=tensor.stride,
            source={"data": base64.b64encode(tensor.canonical)},
        )

    def memory(self, tensor: GivenTensor, byte_order: ByteOrder) -> bytes:
        """The tensor's whole storage, in that byte order."""
        return self.storages[tensor.storage].data(byte_order)


def _one(entry: Mapping[str, Any], copy: int) -> dict[str, Any]:
    """One of the tensors that an entry stands for; `{i}` in name and shape is its number, from 0."""
    shape = tuple(copy if size == "{i}" else size for size in entry["shape"])
    return {**entry, "name": entry["name"].replace("{i}", str(copy)), "shape": shape}


def _storage(entry: Mapping[str, Any]) -> GivenStorage:
    refuse_unknown(entry, _STORAGE, "storage")
    element = load_spec().element_types[entry["dtype"]]
    return GivenStorage(element, tuple(codes_for(element, entry["values"], entry["numel"])))


def _own_storage(entry: Mapping[str, Any]) -> GivenStorage:
    """The storage of a tensor that names none: as many elements as it has. One without any needs no values."""
    element = load_spec().element_types[entry["dtype"]]
    count = math.prod(shape_of(entry["shape"], element))
    if not count:
        return GivenStorage(element, ())
    if "values" not in entry:
        raise ValueError(f"tensor {entry['name']!r} has {count} elements and no values")
    return GivenStorage(element, tuple(codes_for(element, entry["values"], count)))


def _logical(storage: GivenStorage, offset: int, shape: tuple[int, ...], stride: tuple[int, ...]) -> list[int]:
    """The codes of the elements in C order."""
    steps = (
        range(0, size * step, step) if step else (0,) * size for size, step in zip(shape, stride, strict=True)
    )
    return [storage.codes[offset + sum(index)] for index in itertools.product(*steps)]


def _tensor(entry: Mapping[str, Any], number: int, storage: GivenStorage) -> GivenTensor:
    refuse_unknown(entry, _VIEW + (() if "storage" in entry else _OWN), "tensor")
    shape = shape_of(entry["shape"], storage.element)
    stride = tuple(entry.get("stride", c_strides(shape)))
    offset, bits, byte_order = entry.get("offset", 0), tuple(entry.get("bits", ())), entry.get("byte_order")
    codes = _logical(storage, offset, shape, stride)
    for bit in bits:
        codes = [_RESOLVE[bit](storage.element, code) for code in codes]
    parameter = entry.get("parameter", False)
    return GivenTensor(
        name=entry["name"],
        dtype=storage.element.name,
        shape=shape,
        storage=number,
        storage_offset=offset,
        stride=stride,
        bits=bits,
        byte_order=byte_order,
        parameter=parameter,
        is_plain=not ({"storage", "stride", "offset"} & entry.keys() or bits or byte_order or parameter),
        canonical=encode(storage.element, codes, "little"),
    )


def _expand(template: SaveTemplate, form: Format) -> Iterator[Save]:
    policy = form.policies[template.policy] if template.policy else None
    for labels, values in combinations(template, form):
        yield Save(
            id=id_of(template, labels),
            format=form.name,
            path=FORMATS / f"{form.name}.yaml",
            rules=template.rules,
            verdict=template.verdict,
            description=put_in(template.description, labels),
            policy=PolicyChoice(policy.name, policy.accept, policy.reject, policy.recommended) if policy else None,
            seen_in=template.seen_in,
            write=put_in(template.write, values),
        )


def _saves(form: Format) -> list[Save]:
    found = [save for template in form.saves for save in _expand(template, form)]
    ids = [save.id for save in found]
    if repeated := {one for one in ids if ids.count(one) > 1}:
        raise ValueError(f"save id {min(repeated)} is used twice")
    return found


@functools.cache
def load_saves() -> tuple[Save, ...]:
    """Every save of every format, in the specification's order. Raises ValueError for an id used twice."""
    return tuple(save for form in load_spec().formats.values() for save in _saves(form))
