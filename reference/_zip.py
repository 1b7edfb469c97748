"""Reads a zip archive's directory, and records from it. Only what torch's format needs."""

from __future__ import annotations

import binascii
import itertools
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from endianproof.reference._structs import Truncated, read_fields
from endianproof.reference._violation import SpecViolation

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

__all__ = ["Record", "read_directory"]

# A field of four bytes that says: see the zip64 extra field.
_FILLED = 0xFFFFFFFF


@dataclass(frozen=True)
class Record:
    """One record: its full name, its bytes in the file (compressed or not), and what the directory says of it.

    `at` is the byte where they begin, `header` the one where the local header before them does.
    """

    name: str
    stored: memoryview
    at: int
    header: int
    size: int
    crc32: int
    deflated: bool

    def data(self) -> memoryview:
        """The record's bytes: a view of the file, or inflated. Raises SpecViolation."""
        if not self.deflated:
            return self.stored
        # One byte more than stated is enough to see that there is too much.
        try:
            inflated = zlib.decompressobj(-zlib.MAX_WBITS).decompress(self.stored, self.size + 1)
        except zlib.error as error:
            found = f"{self.name} damaged ({error})"
            raise SpecViolation("PT-ZIP-18", self.at, found, "DEFLATE data") from None
        if len(inflated) != self.size:
            found = f"{len(inflated)} bytes in {self.name}"
            raise SpecViolation("PT-ZIP-18", self.at, found, f"{self.size}")
        return memoryview(inflated)

    def verify(self) -> None:
        """Raise SpecViolation where the bytes do not have the checksum that the directory states."""
        crc = binascii.crc32(self.data())
        if crc != self.crc32:
            found = f"a CRC-32 of 0x{crc:08X} in {self.name}"
            raise SpecViolation("PT-ZIP-05", self.at, found, f"0x{self.crc32:08X}, as the directory states")


def _damaged(at: int, what: str) -> SpecViolation:
    return SpecViolation("PT-ZIP-12", at, what, "a zip archive with a whole central directory")


def _size_of(fields: Sequence[Mapping[str, Any]]) -> int:
    """Bytes of the fields whose size is fixed."""
    return sum(int(field["type"][1]) if "type" in field else len(field.get("contents", ())) for field in fields)


def _find_end(data: memoryview, layout: Mapping[str, Any]) -> tuple[dict[str, Any], int]:
    """The end of central directory whose comment ends where the file does."""
    fields = layout["end_of_central_directory"]
    tail = bytes(data[-(0xFFFF + 64) :])
    signature = bytes(fields[0]["contents"])
    position = tail.rfind(signature)
    behind = cut = None
    while position >= 0:
        at = len(data) - len(tail) + position
        try:
            values, end = read_fields(fields, data, at)
            if end == len(data):
                return values, at
            behind = end
        except Truncated:
            cut = at if len(data) - at >= _size_of(fields) else cut
        position = tail[:position].rfind(signature)
    if behind is not None:
        found = f"{len(data) - behind} bytes behind the archive"
        raise SpecViolation("PT-ZIP-23", behind, found, "the end of the file")
    if cut is not None:
        found = f"an archive comment that is longer than the {len(data) - cut - _size_of(fields)} bytes left"
        raise SpecViolation("PT-ZIP-28", cut, found, "a comment that ends where the file does")
    raise _damaged(len(data), f"no end of central directory in {len(data)} bytes")


def _find_directory(data: memoryview, layout: Mapping[str, Any]) -> tuple[dict[str, Any], int]:
    """The end of the central directory, the zip64 one where there is one; and the byte where that stands."""
    values, at = _find_end(data, layout)
    first = bytes(layout["local_file_header"][0]["contents"])
    if values["entries"] and data[: len(first)] != first:
        raise SpecViolation("PT-ZIP-23", 0, f"{bytes(data[: len(first)]).hex()} at the start", "the first record")
    locator = layout["zip64_locator"]
    size = _size_of(locator)
    try:
        where, _ = read_fields(locator, data, max(at - size, 0))
    except Truncated:
        return values, at
    try:
        values, _ = read_fields(layout["zip64_end_of_central_directory"], data, where["end_offset"])
    except Truncated as error:
        raise _damaged(at - size, f"{error}, at byte {where['end_offset']}") from None
    return values, where["end_offset"]


def _widen(values: dict[str, Any], layout: Mapping[str, Any]) -> None:
    """Put the zip64 extra field's numbers where the header's own are all ones."""
    extra, at = values["extra"], 0
    while at < len(extra):
        field, at = read_fields(layout["extra_field"], extra, at)
        if field["tag"] == layout["extra_tags"]["zip64"]:
            wide = [entry for entry in layout["zip64_extra"] if values[entry["id"]] == _FILLED]
            values.update(read_fields(wide, field["body"], 0)[0])


def _check_method(values: Mapping[str, Any], name: str, at: int, layout: Mapping[str, Any]) -> None:
    if values["method"] not in layout["methods"].values():
        raise SpecViolation("PT-ZIP-17", at, f"method {values['method']} for {name}", "stored or deflated")
    if values["flags"] & layout["flags"]["encrypted"]:
        raise SpecViolation("PT-ZIP-17", at, f"{name} encrypted", "a record that is not")


def _record(values: Mapping[str, Any], data: memoryview, layout: Mapping[str, Any]) -> Record:
    header = values["local_header_offset"]
    _, start = read_fields(layout["local_file_header"], data, header)
    stored = data[start : start + values["compressed_size"]]
    name = bytes(values["name"]).decode("utf-8", "backslashreplace")  # names are only compared
    if len(stored) < values["compressed_size"]:
        raise _damaged(start, f"{len(stored)} bytes of {name}, where {values['compressed_size']} are stated")
    _check_method(values, name, start, layout)
    deflated = values["method"] == layout["methods"]["deflated"]
    if not deflated and values["size"] != values["compressed_size"]:
        raise _damaged(start, f"two sizes for {name}, which is not compressed")
    return Record(name, stored, start, header, values["size"], values["crc32"], deflated)


def _records(data: memoryview, layout: Mapping[str, Any]) -> Iterator[Record]:
    end, end_at = _find_directory(data, layout)
    if end["disk"] or end["directory_disk"]:
        raise SpecViolation("PT-ZIP-24", end_at, "an archive on several disks", "disk 0 only")
    at = end["directory_offset"]
    if at + end["directory_size"] > end_at:
        raise _damaged(end_at, f"a directory of {end['directory_size']} bytes at byte {at}")
    for _ in range(end["entries"]):
        try:
            values, following = read_fields(layout["central_directory_header"], data, at)
            _widen(values, layout)
            yield _record(values, data, layout)
        except Truncated as error:
            raise _damaged(min(at, len(data)), str(error)) from None
        at = following
    stated = end["directory_offset"] + end["directory_size"]
    if at != stated or end["entries"] != end["disk_entries"]:
        found = f"{end['entries']} entries up to byte {at}"
        raise SpecViolation("PT-ZIP-25", end_at, found, f"{end['disk_entries']}, up to byte {stated}")


def read_directory(data: memoryview, layout: Mapping[str, Any]) -> dict[str, Record]:
    """Every record by its full name, in the directory's order. Raises SpecViolation."""
    records: dict[str, Record] = {}
    for record in _records(data, layout):
        if record.name in records:
            raise SpecViolation("PT-ZIP-08", record.at, f"{record.name} twice", "each name once")
        records[record.name] = record
    in_file = sorted(records.values(), key=lambda record: record.header)
    for before, after in itertools.pairwise(in_file):
        if after.header < before.at + len(before.stored):
            raise SpecViolation("PT-ZIP-26", after.at, f"{after.name} in {before.name}", "bytes of its own")
    return records
