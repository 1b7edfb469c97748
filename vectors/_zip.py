"""Writes zip archives as torch does, field by field from the specification.

Not with Python's zipfile module: it cannot write what the vectors need (descriptors behind stored data, wrong
checksums, repeated names, chosen alignment), and its defaults differ between releases.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from endianproof.vectors._sparse import crc32, join, plain
from endianproof.vectors._structs import pack, size_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from endianproof.vectors._sparse import Data

__all__ = ["Archive", "Record", "Written", "write_zip"]

_FILLED = {2: 0xFFFF, 4: 0xFFFFFFFF}
# What is in the zip64 extra fields of the directory though it is small, and whether those fields are there at all.
_SIZES, _OFFSET = ("size", "compressed_size"), ("local_header_offset",)
_WIDE = {"fields": (*_SIZES, *_OFFSET), "local": (*_SIZES, *_OFFSET), "offset": _OFFSET, "sizes": _SIZES}


@dataclass(frozen=True)
class Record:
    """One record: its full name, its bytes, its method; and a checksum to state in place of the right one.

    `packed` are the bytes to store in place of the compressed ones.
    """

    name: str
    data: Data
    method: str = "stored"
    state_crc: int | None = None
    packed: bytes | None = None

    @property
    def crc32(self) -> int:
        """The checksum that the archive states."""
        return crc32(self.data) if self.state_crc is None else self.state_crc

    @property
    def stored(self) -> Data:
        """The bytes in the archive."""
        if self.packed is not None:
            return self.packed
        return _deflated(plain(self.data)) if self.method == "deflated" else self.data


@dataclass(frozen=True)
class Archive:
    """How the archive is written.

    `zip64` is `always` (as torch does: the end of the directory only), `none`, `fields` (sizes and offsets in
    the directory too), `offset` (of them the offsets alone), `sizes` (the sizes alone) or `local` (in the
    local headers as well); sizes and offsets past 4 GiB are in zip64 extra fields, whichever it is.
    `descriptors` are `signed` (as torch's), `bare` (no signature), `wide` (sizes of eight bytes), or `none`:
    sizes in the local header. Data begin `beyond` bytes after a multiple of `alignment`; 0 leaves the padding
    out. `padding` is the tag of the extra field that pads. `prefix` stands before the first record. `lie`
    states a wrong field in one structure: see `_Writer.pack`.
    """

    alignment: int
    zip64: str = "always"
    descriptors: str = "signed"
    comment: bytes = b""
    beyond: int = 0
    padding: int | None = None
    prefix: bytes = b""
    lie: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Written:
    """The file; where each record's data begin in it (of a repeated name, the last); and where structures do."""

    data: Data
    places: Mapping[str, int]
    structures: Mapping[str, int]


def _deflated(data: bytes) -> bytes:
    """DEFLATE with fixed Huffman codes and literals only (RFC 1951, 3.2.6): the same bytes from every machine.

    zlib's output depends on its version, and on s390x on the CPU's own compressor.
    """
    bits, count = 0b011, 3  # final block, fixed codes; least significant bit first
    for byte in data:
        code, width = (0b00110000 + byte, 8) if byte < 144 else (0b110010000 + byte - 144, 9)
        bits |= int(f"{code:0{width}b}"[::-1], 2) << count
        count += width
    count += 7  # the end of the block is code 0000000
    return bits.to_bytes((count + 7) // 8, "little")


def _is_text(name: str) -> bool:
    return _encoded(name) == name.encode("utf-8", "ignore")


def _encoded(name: str) -> bytes:
    """A record's name as UTF-8; what stands for bytes that are none becomes those bytes again."""
    return name.encode("utf-8", "surrogateescape")


def _sizes(record: Record) -> dict[str, int]:
    return {"crc32": record.crc32, "compressed_size": len(record.stored), "size": len(record.data)}


class _Writer:
    def __init__(self, archive: Archive, layout: Mapping[str, Any]) -> None:
        self.archive, self.layout = archive, layout
        self.parts: list[Data] = [archive.prefix]
        self.at = len(archive.prefix)
        self.headers: dict[str, int] = {}
        self.places: dict[str, int] = {}
        self.structures: dict[str, int] = {}
        self.lied = False

    def add(self, data: Data) -> None:
        self.parts.append(data)
        self.at += len(data)

    def pack(self, structure: str, values: Mapping[str, Any], record: str = "") -> bytes:
        """One structure; those that the archive lies in have fields `set`, or changed by what `add` says.

        A lie is `in` structures of one record, or of all. A field that is set to a record's name is the place of
        that record's local header.
        """
        lie = self.archive.lie
        if structure in lie.get("in", ()) and record.endswith(lie.get("record", "")):
            self.lied = True
            places = {name.partition("/")[2]: at for name, at in self.headers.items()}
            new = {key: places.get(value, value) for key, value in lie.get("set", {}).items()}
            new |= {key: values.get(key, 0) + number for key, number in lie.get("add", {}).items()}
            values = {**values, **{key: v.encode() if isinstance(v, str) else v for key, v in new.items()}}
        return pack(self.layout[structure], values)

    def extra_field(self, tag: int, body: bytes) -> bytes:
        return pack(self.layout["extra_field"], {"tag": tag, "body": body})

    def zip64_extra(self, values: dict[str, Any], always: Sequence[str]) -> bytes:
        """The extra field with the numbers that need it, and `always` some; they become all ones in the header."""
        fields = [entry for entry in self.layout["zip64_extra"] if entry["id"] in values]
        fields = [entry for entry in fields if entry["id"] in always or values[entry["id"]] >= _FILLED[4]]
        wide = {entry["id"]: values[entry["id"]] for entry in fields}
        values.update(dict.fromkeys(wide, _FILLED[4]))
        return self.extra_field(self.layout["extra_tags"]["zip64"], pack(fields, wide)) if wide else b""

    def padding(self, header: int) -> bytes:
        """The extra field that moves a record's data to the alignment; `header` is the header's length without."""
        alignment, tag = self.archive.alignment, self.archive.padding
        if not alignment:
            return b""
        empty = size_of(self.layout["extra_field"])
        fill = (self.archive.beyond - self.at - header - empty) % alignment
        body = bytes([self.layout["padding_byte"]]) * fill
        return self.extra_field(self.layout["extra_tags"]["padding"] if tag is None else tag, body)

    def common(self, record: Record) -> dict[str, Any]:
        flags = self.layout["flags"]
        described = self.archive.descriptors != "none"
        return {
            "flags": (flags["utf8"] if _is_text(record.name) else 0)
            | (flags["data_descriptor"] if described else 0),
            "method": self.layout["methods"][record.method],
            "name": _encoded(record.name),
        }

    def descriptor(self, record: Record, *, wide: bool) -> bytes:
        kind = self.archive.descriptors
        structure = "zip64_data_descriptor" if wide or kind == "wide" else "data_descriptor"
        made = b"" if kind == "none" else self.pack(structure, _sizes(record), record.name)
        return made[len(self.layout[structure][0]["contents"]) :] if kind == "bare" else made

    def local(self, record: Record) -> None:
        """The local header with the data and what follows it."""
        self.headers.setdefault(record.name, self.at)
        self.structures.setdefault(f"header of {record.name}", self.at)
        sizes: dict[str, Any] = _sizes(record)
        wide = self.zip64_extra(sizes, _SIZES if self.archive.zip64 == "local" else ())
        bare = size_of(self.layout["local_file_header"]) + len(_encoded(record.name)) + len(wide)
        stated = sizes if self.archive.descriptors == "none" else dict.fromkeys(sizes, 0)
        values = {**self.common(record), **stated, "extra": wide + self.padding(bare)}
        self.add(self.pack("local_file_header", values, record.name))
        self.places[record.name] = self.at
        self.structures.setdefault(f"data of {record.name}", self.at)
        self.add(record.stored)
        self.structures.setdefault(f"descriptor of {record.name}", self.at)
        self.add(self.descriptor(record, wide=bool(wide)))

    def central(self, record: Record, at: int) -> None:
        values: dict[str, Any] = {**_sizes(record), "local_header_offset": at}
        extra = self.zip64_extra(values, _WIDE.get(self.archive.zip64, ()))
        self.structures.setdefault(f"entry of {record.name}", self.at)
        values = {**self.common(record), **values, "extra": extra}
        self.add(self.pack("central_directory_header", values, record.name))

    def ending(self, start: int, count: int) -> None:
        end = self.at
        disks = {"disk": 0, "directory_disk": 0}
        where = {
            "disk_entries": count,
            "entries": count,
            "directory_size": end - start,
            "directory_offset": start,
        }
        if self.archive.zip64 != "none":
            # APPNOTE 4.3.14.1: without signature and this field
            body = {**where, **disks, "record_size": size_of(self.layout["zip64_end_of_central_directory"]) - 12}
            self.structures["zip64 end"] = self.at
            self.add(self.pack("zip64_end_of_central_directory", body))
            self.structures["zip64 locator"] = self.at
            self.add(self.pack("zip64_locator", {"end_offset": end}))
        if self.archive.zip64 in _WIDE:
            where = {"disk_entries": _FILLED[2], "entries": _FILLED[2]} | dict.fromkeys(
                ("directory_size", "directory_offset"), _FILLED[4]
            )
        where["directory_offset"] = min(where["directory_offset"], _FILLED[4])
        self.structures["end"] = self.at
        self.add(self.pack("end_of_central_directory", {**where, **disks, "comment": self.archive.comment}))


def write_zip(records: Sequence[Record], archive: Archive, layout: Mapping[str, Any]) -> Written:
    """The archive of these records, in this order. Raises ValueError where a lie finds nothing to lie about."""
    writer = _Writer(archive, layout)
    starts = []
    for record in records:
        starts.append(writer.at)
        writer.local(record)
    start = writer.structures["directory"] = writer.at
    for record, at in zip(records, starts, strict=True):
        writer.central(record, at)
    writer.ending(start, len(records))
    if archive.lie and not writer.lied:
        raise ValueError(f"there is nothing that {dict(archive.lie)} would change")
    return Written(join(writer.parts), writer.places, writer.structures)
