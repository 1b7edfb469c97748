"""Reads torch.save's zip format: an archive, a pickle over storages, a byte order."""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING

from endianproof.reference._tensor import Storage, Tensor
from endianproof.reference._torch_tensors import build_tensors
from endianproof.reference._unpickle import unpickle
from endianproof.reference._violation import SpecViolation
from endianproof.reference._zip import Record, read_directory

if TYPE_CHECKING:
    from collections.abc import Mapping

    from endianproof.reference._machine import StorageId
    from endianproof.spec import Format

__all__ = ["Archive", "read", "read_archive", "recognizes"]

_LONGEST_INFLATED = 1 << 26  # of what is read unasked; a thousandth of that is enough in a file


def recognizes(data: memoryview, form: Format) -> bool:
    """Whether the file begins with a record of a zip archive."""
    signature = bytes(form.layout["zip"]["local_file_header"][0]["contents"])
    return bytes(data[: len(signature)]) == signature


class Archive:
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
        pickle = form.layout["records"]["pickle"]
        others = [name for name in records if name.endswith(f"/{pickle}")]
        if pickle not in self.records and others:
            raise SpecViolation("PT-ZIP-01", records[others[0]].at, others[0], f"{folder}/{pickle}")

    def missing(self, name: str, at: int, rule: str) -> SpecViolation:
        """The violation of a record that is not there, or not by this name."""
        alike = [other for other in self.records if other.lower() == name.lower()]
        if alike:
            return SpecViolation("PT-ZIP-16", at, f"no record {name}, but {alike[0]}", "the exact name")
        return SpecViolation(rule, at, f"no record {name}", "one")

    def small(self, name: str) -> tuple[Record, bytes] | None:
        """A record that is read as a whole, its checksum checked; None where there is none."""
        record = self.records.get(name)
        if record is None:
            return None
        if record.deflated and record.size > _LONGEST_INFLATED:
            found = f"{record.size} bytes in {name}, compressed"
            raise SpecViolation("PT-ZIP-04", record.at, found, f"at most {_LONGEST_INFLATED}")
        record.verify()
        return record, bytes(record.data())


def _check_version(archive: Archive) -> None:
    names, limits = archive.layout["records"], archive.layout["version"]
    found = archive.small(names["version_fallback"]) or archive.small(names["version"])
    if found is None:
        raise SpecViolation("PT-ZIP-03", 0, "no version", f"a record {names['version']}")
    record, text = found
    number = re.match(rb"\s*\+?[0-9]{1,9}(?![0-9])", text)
    if number is None or not limits["oldest"] <= int(number[0]) <= limits["newest"]:
        expected = f"a number from {limits['oldest']} to {limits['newest']}"
        raise SpecViolation("PT-ZIP-03", record.at, f"version {text[:40]!r}", expected)
    if not re.fullmatch(rb"[1-9][0-9]?\n?", text):
        raise SpecViolation("PT-ZIP-29", record.at, f"version {text[:40]!r}", f"{int(number[0])} and a line end")


def _byte_order(archive: Archive) -> str:
    found = archive.small(archive.layout["records"]["byte_order"])
    if found is None:
        return str(archive.layout["default_byte_order"])
    record, text = found
    for order, written in archive.layout["byte_orders"].items():
        if text == written.encode():
            return str(order)
    raise SpecViolation("PT-END-01", record.at, f"byteorder {text[:40]!r}", "'little' or 'big'")


def _storage(where: StorageId, size: int, archive: Archive, byte_order: str) -> Storage:
    """A storage's bytes, which must be as many as the pickle says."""
    name = archive.layout["records"]["storages"] + where.key
    record = archive.records.get(name)
    if record is None:
        raise archive.missing(name, where.at, "PT-ZIP-13")
    needed = where.numel * size
    if record.size != needed:
        rule = "PT-ZIP-06" if record.size < needed else "PT-ZIP-07"
        found = f"{record.size} bytes in {record.name}"
        raise SpecViolation(rule, record.at, found, f"{where.numel} elements of {size} bytes: {needed}")
    return Storage(record.data(), byte_order, functools.cache(record.verify))


def read_archive(archive: Archive, form: Format) -> Mapping[str, Tensor]:
    """The tensors of an archive, in the pickle's order. Raises SpecViolation."""
    _check_version(archive)
    byte_order = _byte_order(archive)
    found = archive.small(form.layout["records"]["pickle"])
    if found is None:
        raise archive.missing(form.layout["records"]["pickle"], 0, "PT-ZIP-02")
    record, pickle = found
    root = unpickle(memoryview(pickle), record.at, form.layout["pickle"], form.element_types)

    def open_storage(where: StorageId, size: int) -> Storage:
        return _storage(where, size, archive, byte_order)

    return build_tensors(root, record.at, form, open_storage)


def read(data: memoryview, form: Format) -> Mapping[str, Tensor]:
    """The tensors of a file of torch.save, in the pickle's order. Raises SpecViolation."""
    return read_archive(Archive(data, form), form)
