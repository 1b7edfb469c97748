"""Reads torch.save's zip format: an archive, a pickle over storages, a byte order."""

from __future__ import annotations

import functools
import itertools
import math
from typing import TYPE_CHECKING, Any

from endianproof.reference._tensor import Storage, Tensor
from endianproof.reference._unpickle import Global, StorageId, TensorCall, shown, unpickle
from endianproof.reference._violation import SpecViolation
from endianproof.reference._zip import Record, read_directory
from endianproof.spec import load_spec

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from endianproof.spec import ElementType, Format

__all__ = ["read", "recognizes"]

_DEEPEST = 64  # containers inside each other; state dicts of models have two or three
_MOST_VISITS = 1_000_000


def recognizes(data: memoryview, form: Format) -> bool:
    """Whether the file begins with a record of a zip archive."""
    signature = bytes(form.layout["zip"]["local_file_header"][0]["contents"])
    return bytes(data[: len(signature)]) == signature


class _Archive:
    """The records of the archive's one folder, by their names in it."""

    def __init__(self, data: memoryview, form: Format) -> None:
        self.layout = form.layout
        records = read_directory(data, form.layout["zip"])
        first = next(iter(records), "")
        folder, slash, _ = first.partition("/")
        if not slash:
            raise SpecViolation("PT-ZIP-01", 0, f"the record {first!r} in no folder", "records in one folder")
        self.records = {
            name.removeprefix(folder + slash): record
            for name, record in records.items()
            if name.startswith(folder + slash)
        }

    def small(self, name: str, rule: str = "", longest: int = 0) -> tuple[Record, bytes] | None:
        """A record that is read as a whole, its checksum checked; None where there is none.

        With `rule`, one of more than `longest` bytes is refused before it is read.
        """
        record = self.records.get(name)
        if record is None:
            return None
        if rule and record.size > longest:
            raise SpecViolation(rule, record.at, f"{record.size} bytes in {name}", f"at most {longest}")
        record.verify()
        return record, bytes(record.data())


def _check_version(archive: _Archive) -> None:
    names, limits = archive.layout["records"], archive.layout["version"]
    found = archive.small(names["version"], "PT-ZIP-03", 64)
    found = found or archive.small(names["version_fallback"], "PT-ZIP-03", 64)
    if found is None:
        raise SpecViolation("PT-ZIP-03", 0, "no version", f"a record {names['version']}")
    record, text = found
    number = text.strip()
    if not number.isdigit() or len(number) > 9 or not limits["oldest"] <= int(number) <= limits["newest"]:
        expected = f"a number from {limits['oldest']} to {limits['newest']}"
        raise SpecViolation("PT-ZIP-03", record.at, f"version {text!r:.40}", expected)


def _byte_order(archive: _Archive) -> str:
    found = archive.small(archive.layout["records"]["byte_order"], "PT-END-01", 64)
    if found is None:
        return str(archive.layout["default_byte_order"])
    record, text = found
    for order, written in archive.layout["byte_orders"].items():
        if text == written.encode():
            return str(order)
    raise SpecViolation("PT-END-01", record.at, f"byteorder {text!r:.40}", "'little' or 'big'")


def _storage(where: StorageId, size: int, archive: _Archive, byte_order: str) -> Storage:
    """A storage's bytes, which must be as many as the pickle says."""
    name = archive.layout["records"]["storages"] + where.key
    record = archive.records.get(name)
    if record is None:
        alike = [other for other in archive.records if other.lower() == name.lower()]
        if alike:
            raise SpecViolation("PT-ZIP-16", where.at, f"no record {name}, but {alike[0]}", "the exact name")
        raise SpecViolation("PT-ZIP-13", where.at, f"no record {name}", "one")
    needed = where.numel * size
    if record.size != needed:
        rule = "PT-ZIP-06" if record.size < needed else "PT-ZIP-07"
        found = f"{record.size} bytes in {record.name}"
        raise SpecViolation(rule, record.at, found, f"{where.numel} elements of {size} bytes: {needed}")
    return Storage(record.data(), byte_order, functools.cache(record.verify))


def _refuse_argument(call: TensorCall, found: str, expected: str, rule: str = "PT-TEN-03") -> SpecViolation:
    return SpecViolation(rule, call.at, found, expected)


def _integers(call: TensorCall, value: Any, what: str) -> tuple[int, ...]:
    if not isinstance(value, tuple) or any(type(item) is not int or item < 0 for item in value):
        raise _refuse_argument(call, f"{what} {shown(value)}", "a tuple of non-negative integers")
    return value


class _Tensors:
    """Makes tensors of the pickle's calls."""

    def __init__(self, archive: _Archive, form: Format, byte_order: str) -> None:
        self.archive, self.form, self.byte_order = archive, form, byte_order
        self.classes: Mapping[str, str] = form.layout["pickle"]["storage_classes"]
        self.storages: dict[tuple[str, int], Storage] = {}

    def element(self, call: TensorCall, storage: StorageId, extra: tuple[Any, ...]) -> tuple[ElementType, int]:
        """The tensor's element type, and the bytes that the storage's number of elements counts."""
        types = load_spec().element_types
        typed = self.classes.get(storage.storage_class)
        name = typed
        if call.role == "rebuild_v3" and extra and isinstance(extra[0], Global):
            name = self.form.element_types.get(extra[0].role)
        if name is None or (typed is None and storage.storage_class != "untyped_storage"):
            raise _refuse_argument(call, f"a {storage.storage_class} without a dtype", "a dtype", "PT-DT-01")
        return types[name], types[typed].itemsize if typed else 1

    def turned_signs(self, call: TensorCall, element: ElementType, metadata: Any) -> tuple[bool, ...]:
        words = self.form.layout["pickle"]["metadata"]
        if not isinstance(metadata, dict) or not metadata.keys() <= set(words.values()):
            raise _refuse_argument(call, f"metadata {shown(metadata)}", f"{sorted(words.values())}", "PT-TEN-04")
        negative, conjugate = bool(metadata.get(words["negative"])), bool(metadata.get(words["conjugate"]))
        return (negative, negative != conjugate) if element.component else (negative,)

    def build(self, name: str, call: TensorCall) -> Tensor:
        fixed = {"rebuild_v1": 4, "rebuild_v2": 6, "rebuild_v3": 7}[call.role]
        if len(call.arguments) < fixed or not isinstance(call.arguments[0], StorageId):
            raise _refuse_argument(call, f"{len(call.arguments)} arguments", f"a storage and {fixed - 1} more")
        where, offset, size, stride = call.arguments[:4]
        element, counted = self.element(call, where, call.arguments[6:7])
        (offset,) = _integers(call, (offset,), "offset")
        size, stride = _integers(call, size, "size"), _integers(call, stride, "stride")
        if len(size) != len(stride):
            raise _refuse_argument(call, f"{len(stride)} strides for {len(size)} sizes", "as many")
        capacity = where.numel * counted // element.itemsize
        last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
        if math.prod(size) and last >= capacity:
            found = f"element {last} of a storage of {capacity}"
            raise _refuse_argument(call, found, f"at most element {capacity - 1}", "PT-TEN-02")
        shared = where.key, where.numel * counted
        if shared not in self.storages:  # inflated and checked once, however many tensors share it
            self.storages[shared] = _storage(where, counted, self.archive, self.byte_order)
        storage = self.storages[shared]
        metadata = call.arguments[fixed] if len(call.arguments) > fixed else {}
        signs = self.turned_signs(call, element, metadata)
        return Tensor(name, element, size, storage, offset, stride, signs)


def _walk(value: Any, at: int, path: tuple[str, ...], visits: Iterator[int]) -> Iterator[tuple[str, TensorCall]]:
    """Every tensor of nested containers by its dotted name.

    A pickle of a few hundred bytes can hold itself, or a list of lists that unfolds to 2^60 items: there is an end
    to the depth and to the number of visits.
    """
    if len(path) > _DEEPEST or next(visits) > _MOST_VISITS:
        raise SpecViolation("PT-PKL-03", at, "containers without end", f"at most {_DEEPEST} inside each other")
    if isinstance(value, TensorCall):
        yield ".".join(path), value
    elif isinstance(value, (dict, list, tuple)):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _walk(item, at, (*path, key if isinstance(key, str) else shown(key)), visits)


def read(data: memoryview, form: Format) -> Mapping[str, Tensor]:
    """The tensors of a file of torch.save, in the pickle's order. Raises SpecViolation."""
    archive = _Archive(data, form)
    _check_version(archive)
    byte_order = _byte_order(archive)
    found = archive.small(form.layout["records"]["pickle"])
    if found is None:
        raise SpecViolation("PT-ZIP-02", 0, "no data.pkl", "a record data.pkl")
    record, pickle = found
    root = unpickle(memoryview(pickle), record.at, form.layout["pickle"], form.element_types)
    tensors = _Tensors(archive, form, byte_order)
    found_tensors: dict[str, Tensor] = {}
    for name, call in _walk(root, record.at, (), itertools.count()):
        if name in found_tensors:
            raise SpecViolation("PT-PKL-05", call.at, f"two tensors called {name!r}", "a name for each")
        found_tensors[name] = tensors.build(name, call)
    return found_tensors
