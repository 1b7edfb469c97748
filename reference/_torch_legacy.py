"""Reads torch.save's legacy stream: five pickles one after another, then the bytes of the storages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from endianproof.reference._globals import storage_id
from endianproof.reference._machine import Machine, StorageId, shown
from endianproof.reference._structs import Truncated, read_integer
from endianproof.reference._tensor import Storage, Tensor
from endianproof.reference._torch_tensors import build_tensors
from endianproof.reference._unpickle import Unpickled, read_pickle
from endianproof.reference._violation import SpecViolation
from endianproof.spec import load_spec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from endianproof.reference._machine import Persistent
    from endianproof.spec import Format

__all__ = ["read", "recognizes"]

_LONGEST_NUMBER = 128  # bytes of a pickle that holds one number, in any protocol


def recognizes(data: memoryview, form: Format) -> bool:
    """Whether the file begins with the magic number, in whichever protocol it was pickled."""
    try:
        found = read_pickle(data[:_LONGEST_NUMBER], 0, form.layout["pickle"], {}, _no_storage)
    except SpecViolation:
        return False
    return bool(found.value == form.layout["magic"])


def _no_storage(machine: Machine, value: Any) -> Any:
    raise machine.refuse(f"the persistent id {shown(value)}", "none in this pickle", "PTL-HDR-04")


def _view_of(value: Any) -> tuple[str, int, int] | None:
    """The last item of a persistent id: a key, an offset and a size in elements. Raises ValueError for another."""
    if value is None:
        return None
    kinds = (str, int, int)
    if not isinstance(value, tuple) or tuple(type(item) for item in value) != kinds or min(value[1:]) < 0:
        raise ValueError(shown(value))
    key, offset, size = value
    return key, offset, size


def _viewed_storage(machine: Machine, value: Any) -> StorageId:
    """A persistent id of a legacy stream: a storage's, as every format has it, and which part of it is meant."""
    if not isinstance(value, tuple):
        raise machine.refuse(f"the persistent id {shown(value)}", "a tuple", "PT-PKL-02")
    whole = storage_id(machine, value[:-1])
    try:
        view = _view_of(value[-1])
    except ValueError as error:
        expected = "None, or a key, an offset and a size"
        raise machine.refuse(f"the view {error}", expected, "PT-PKL-02") from None
    if view and view[1] + view[2] > whole.numel:
        found = f"a view of {view[2]} elements from {view[1]}"
        raise machine.refuse(found, f"one inside the storage's {whole.numel}", "PTL-VIEW-02")
    return StorageId(whole.storage_class, whole.key, whole.numel, whole.at, view)


class _Stream:
    """The file, and how far it is read."""

    def __init__(self, data: memoryview, form: Format) -> None:
        self.data, self.form, self.at = data, form, 0

    def pickle(self, what: str, persistent: Persistent = _no_storage) -> Unpickled:
        """The object of the next pickle."""
        if self.at >= len(self.data):
            raise SpecViolation("PTL-HDR-03", self.at, "the end of the file", f"the pickle of {what}")
        layout = self.form.layout["pickle"]
        found = read_pickle(self.data[self.at :], self.at, layout, self.form.element_types, persistent)
        self.at = found.end
        return found

    def number(self, what: str, expected: int) -> None:
        start, found = self.at, self.pickle(what).value
        if found != expected:
            raise SpecViolation("PTL-HDR-01", start, f"{what} {shown(found)}", f"{expected}")

    def keys(self) -> list[str]:
        start, found = self.at, self.pickle("the list of keys").value
        if not isinstance(found, list) or any(not isinstance(key, str) for key in found):
            raise SpecViolation("PTL-HDR-03", start, f"{shown(found)}", "a list of keys")
        for key in found:
            if found.count(key) > 1:
                raise SpecViolation("PTL-DAT-07", start, f"the key {key!r} twice", "each key once")
        return found

    def storage(self, where: StorageId, size: int) -> memoryview:
        """The next storage's bytes, of `size` bytes to an element."""
        start = self.at
        try:
            count, self.at = read_integer(self.form.layout["count"], self.data, start)
        except Truncated as error:
            raise SpecViolation("PTL-DAT-05", start, f"{error}", "the number of elements") from None
        if count != where.numel:
            found = f"{count} elements for {where.key!r}"
            raise SpecViolation("PTL-DAT-02", start, found, f"{where.numel}, as its persistent id says")
        data = self.data[self.at : self.at + count * size]
        if len(data) < count * size:
            found = f"{len(data)} bytes for {where.key!r}"
            raise SpecViolation("PTL-DAT-05", self.at, found, f"{count} elements of {size} bytes: {count * size}")
        self.at += len(data)
        return data


def _element_size(where: StorageId, form: Format) -> int:
    """Bytes of what the storage's number of elements counts; of an untyped one, bytes."""
    pickle = form.layout["pickle"]
    name = {**pickle["storage_classes"], **pickle["quantized_classes"]}.get(where.storage_class)
    return load_spec().element_types[name].itemsize if name else 1


def _named_storages(found: Unpickled) -> dict[str, StorageId]:
    """Every storage of the pickle by its key; what persistent ids of one key say must agree."""
    storages: dict[str, StorageId] = {}
    for where in found.storages:
        first = storages.setdefault(where.key, where)
        if (first.storage_class, first.numel) != (where.storage_class, where.numel):
            said = f"{where.numel} elements of {where.storage_class} for {where.key!r}"
            expected = f"{first.numel} of {first.storage_class}, as before"
            raise SpecViolation("PT-TEN-13", where.at, said, expected)
    return storages


def read(data: memoryview, form: Format) -> Mapping[str, Tensor]:
    """The tensors of a legacy stream, in the pickle's order. Raises SpecViolation."""
    layout, stream = form.layout, _Stream(data, form)
    stream.number("magic", layout["magic"])
    stream.number("protocol version", layout["protocol_version"])
    stream.pickle("the system's properties")
    start = stream.at
    objects = stream.pickle("the objects", _viewed_storage)
    named = _named_storages(objects)
    keys_at, keys = stream.at, stream.keys()
    for key, where in named.items():
        if key not in keys:
            raise SpecViolation("PTL-DAT-01", where.at, f"the storage {key!r}", "one of the list of keys")
    places: dict[str, memoryview] = {}
    for key in keys:
        if key not in named:
            raise SpecViolation("PTL-DAT-06", keys_at, f"the key {key!r}", "the key of a storage of the objects")
        places[key] = stream.storage(named[key], _element_size(named[key], form))

    def open_storage(where: StorageId, size: int) -> Storage:
        _, offset, count = where.view or (where.key, 0, where.numel)
        part = places[where.key][offset * size : (offset + count) * size]
        return Storage(part, layout["byte_order"])

    return build_tensors(objects.value, start, form, open_storage)
