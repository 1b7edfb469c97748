"""Reads torch.save's tar format: storages, tensors over them, and a pickle that names tensors by their keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from endianproof.reference._machine import Global, Machine, StorageId, TensorCall, shown
from endianproof.reference._structs import Truncated, read_integer
from endianproof.reference._tar import is_tar, read_members
from endianproof.reference._tensor import Storage, Tensor
from endianproof.reference._torch_tensors import build_tensors
from endianproof.reference._unpickle import read_pickle
from endianproof.reference._violation import SpecViolation
from endianproof.spec import load_spec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from endianproof.spec import Format

__all__ = ["read", "recognizes"]


def recognizes(data: memoryview, form: Format) -> bool:
    """Whether the file begins with a tar header."""
    return is_tar(data, form.layout["tar"])


class _Part:
    """A member that is read from its beginning on: pickles, numbers, bytes."""

    def __init__(self, archive: _Archive, what: str) -> None:
        self.form, self.named, self.name = archive.form, archive.named, archive.form.layout["members"][what]
        if self.name not in archive.members:
            raise SpecViolation("PTL-TAR-02", 0, f"no member {self.name}", "one")
        self.member = archive.members[self.name]
        self.position = 0

    @property
    def at(self) -> int:
        return self.member.at + self.position

    def refuse(self, found: str, expected: str, rule: str = "PTL-TAR-04") -> SpecViolation:
        return SpecViolation(rule, self.at, found, expected)

    def pickle(self) -> Any:
        layout = self.form.layout
        if self.position >= len(self.member.data):
            raise self.refuse(f"the end of {self.name}", "a pickle")
        names = {**self.form.element_types, **layout["tensor_classes"]}
        found = read_pickle(self.member.data[self.position :], self.at, layout["pickle"], names, self.named)
        self.position = found.end - self.member.at
        return found.value

    def integer(self, kind: str) -> int:
        try:
            value, self.position = read_integer(kind, self.member.data, self.position)
        except Truncated as error:
            raise self.refuse(f"{error}", "a number") from None
        return value

    def take(self, size: int) -> memoryview:
        data = self.member.data[self.position : self.position + size]
        if len(data) < size:
            raise self.refuse(f"{len(data)} bytes", f"{size}")
        self.position += size
        return data

    def count(self) -> int:
        found = self.pickle()
        if type(found) is not int or found < 0:
            raise self.refuse(f"{shown(found)} in {self.name}", "a number of entries", "PTL-TAR-09")
        return found

    def entry(self, *kinds: type) -> tuple[Any, ...]:
        """A pickled tuple of items of these kinds."""
        found = self.pickle()
        if not isinstance(found, tuple) or tuple(type(item) for item in found) != kinds:
            expected = f"a tuple of {', '.join(kind.__name__ for kind in kinds)}"
            raise self.refuse(f"{shown(found)} in {self.name}", expected, "PTL-TAR-09")
        return found


class _Archive:
    """The storages and tensors of an archive by their keys in digits, as far as they are read."""

    def __init__(self, data: memoryview, form: Format) -> None:
        self.form = form
        self.members = read_members(data, form.layout["tar"])
        self.data: dict[str, memoryview] = {}
        self.storages: dict[str, StorageId] = {}
        self.tensors: dict[str, TensorCall] = {}
        self.read_storages(_Part(self, "storages"))
        self.read_tensors(_Part(self, "tensors"))

    def item_size(self, part: _Part, role: str) -> int:
        name = self.form.layout["pickle"]["storage_classes"].get(role)
        if name is None:
            raise part.refuse(f"a storage of class {role}", "a storage class that the format names", "PT-DT-01")
        return load_spec().element_types[name].itemsize

    def read_storages(self, part: _Part) -> None:
        for _ in range(part.count()):
            at = part.at
            key, _, kind = part.entry(int, str, Global)
            count = part.integer(self.form.layout["count"])
            if count < 0:
                raise part.refuse(f"{count} elements", "none or more", "PTL-TAR-09")
            self.data[str(key)] = part.take(count * self.item_size(part, kind.role))
            self.storages[str(key)] = StorageId(kind.role, str(key), count, at)
        views = part.pickle()
        for view in views if isinstance(views, list) else [views]:
            if not isinstance(view, tuple) or [type(item) for item in view] != [int] * 4:
                raise part.refuse(f"the view {shown(view)}", "two keys, an offset and a size", "PTL-TAR-09")
            self.add_view(part, *view)

    def add_view(self, part: _Part, key: int, root: int, offset: int, size: int) -> None:
        whole = self.storages.get(str(root))
        if whole is None:
            raise part.refuse(f"a view of storage {root}", "a storage that is there", "PTL-TAR-06")
        if min(offset, size) < 0 or offset + size > whole.numel:
            found = f"a view of {size} elements from {offset}"
            raise part.refuse(found, f"one inside the storage's {whole.numel}", "PTL-TAR-08")
        view = str(key), offset, size
        self.storages[str(key)] = StorageId(whole.storage_class, whole.key, whole.numel, whole.at, view)

    def read_tensors(self, part: _Part) -> None:
        kinds = self.form.layout["tensor"]
        for _ in range(part.count()):
            at = part.at
            key, storage, _ = part.entry(int, int, Global)
            rank = part.integer(kinds["rank"])
            part.integer(kinds["unused"])
            if rank < 0:
                raise part.refuse(f"a rank of {rank}", "none or more", "PTL-TAR-09")
            size = tuple(part.integer(kinds["size"]) for _ in range(rank))
            stride = tuple(part.integer(kinds["stride"]) for _ in range(rank))
            offset = part.integer(kinds["offset"])
            where = self.storages.get(str(storage))
            if where is None:
                raise part.refuse(f"a tensor of storage {storage}", "a storage that is there", "PTL-TAR-06")
            self.tensors[str(key)] = TensorCall("rebuild_v1", (where, offset, size, stride), at)

    def named(self, machine: Machine, value: Any) -> TensorCall | StorageId:
        """What a persistent id names: digits, the key of a tensor or a storage."""
        found = (self.tensors.get(value) or self.storages.get(value)) if isinstance(value, str) else None
        if found is None:
            expected = "the key of a tensor or a storage that is there"
            raise machine.refuse(f"the persistent id {shown(value)}", expected, "PTL-TAR-06")
        return found

    def open_storage(self, where: StorageId, size: int) -> Storage:
        _, offset, count = where.view or ("", 0, where.numel)
        part = self.data[where.key][offset * size : (offset + count) * size]
        return Storage(part, self.form.layout["byte_order"])


def read(data: memoryview, form: Format) -> Mapping[str, Tensor]:
    """The tensors of a tar archive of torch.save, in the pickle's order. Raises SpecViolation."""
    archive = _Archive(data, form)
    objects = _Part(archive, "objects")
    start = objects.at
    return build_tensors(objects.pickle(), start, form, archive.open_storage)
