"""Writes zip archives as torch does, field by field from the specification.

Not with Python's zipfile module: it cannot write what the vectors need (descriptors behind stored data, wrong
checksums, repeated names, chosen alignment), and its defaults differ between releases.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from endianproof.vectors._sparse import crc32, plain
from endianproof.vectors._structs import pack

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from endianproof.vectors._sparse import Data

__all__ = ["Archive", "Record", "write_zip"]

_VERSION_NEEDED = 45  # of the zip64 structures
_VERSION_MADE_BY = 0x031E
_FILLED = {2: 0xFFFF, 4: 0xFFFFFFFF}


@dataclass(frozen=True)
class Record:
    """One record: its full name, its bytes, its method; and a checksum to state in place of the right one."""

    name: str
    data: Data
    method: str = "stored"
    state_crc: int | None = None

    @property
    def crc32(self) -> int:
        """The checksum that the archive states."""
        return crc32(self.data) if self.state_crc is None else self.state_crc

    @property
    def stored(self) -> Data:
        """The bytes in the archive."""
        return _deflated(plain(self.data)) if self.method == "deflated" else self.data


@dataclass(frozen=True)
class Archive:
    """How the archive is written. `zip64` is `always` (as torch does), `none`, or `fields` (sizes there too).

    Sizes and offsets past 4 GiB are in zip64 extra fields, whichever it is.
    """

    alignment: int
    zip64: str = "always"
    descriptors: bool = True
    comment: bytes = b""


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


def _zip64(values: Mapping[str, int], layout: Mapping[str, Any]) -> bytes:
    """The extra field with those of its numbers that are given."""
    fields = [entry for entry in layout["zip64_extra"] if entry["id"] in values]
    if not values:
        return b""
    return pack(layout["extra_field"], {"tag": layout["extra_tags"]["zip64"], "body": pack(fields, values)})


def _wide(values: Mapping[str, int], layout: Mapping[str, Any]) -> dict[str, int]:
    """The numbers that a header's own fields cannot hold."""
    ids = [entry["id"] for entry in layout["zip64_extra"]]
    return {name: value for name, value in values.items() if name in ids and value >= _FILLED[4]}


def _padding(at: int, name: bytes, layout: Mapping[str, Any], archive: Archive) -> bytes:
    """The extra field that moves a record's data to the alignment; an alignment of 0 leaves it out."""
    if not archive.alignment:
        return b""
    header = len(pack(layout["local_file_header"], {"name": name})) + len(pack(layout["extra_field"], {}))
    fill = -(at + header) % archive.alignment
    body = bytes([layout["padding_byte"]]) * fill
    return pack(layout["extra_field"], {"tag": layout["extra_tags"]["padding"], "body": body})


def _common(record: Record, layout: Mapping[str, Any], archive: Archive) -> dict[str, Any]:
    flags = layout["flags"]
    return {
        "flags": flags["utf8"] | (flags["data_descriptor"] if archive.descriptors else 0),
        "method": layout["methods"][record.method],
        "name": record.name.encode(),
    }


def _sizes(record: Record) -> dict[str, int]:
    return {"crc32": record.crc32, "compressed_size": len(record.stored), "size": len(record.data)}


def _local(record: Record, at: int, layout: Mapping[str, Any], archive: Archive) -> tuple[Data, int]:
    """The local header with the data and what follows it; and the byte of the file where the data begin."""
    sizes = _sizes(record)
    wide = _wide(sizes, layout)
    extra = _zip64(wide, layout)
    extra += _padding(at + len(extra), record.name.encode(), layout, archive)
    stated = {} if archive.descriptors else sizes | dict.fromkeys(wide, _FILLED[4])
    header = pack(layout["local_file_header"], {**_common(record, layout, archive), **stated, "extra": extra})
    kind = "zip64_data_descriptor" if wide else "data_descriptor"
    descriptor = pack(layout[kind], sizes) if archive.descriptors else b""
    return header + record.stored + descriptor, at + len(header)


def _central(record: Record, at: int, layout: Mapping[str, Any], archive: Archive) -> bytes:
    values = {**_sizes(record), "local_header_offset": at}
    wide = _wide(values, layout)
    if archive.zip64 == "fields":
        wide = {entry["id"]: values[entry["id"]] for entry in layout["zip64_extra"]}
    values.update(dict.fromkeys(wide, _FILLED[4]))
    numbers = {**_common(record, layout, archive), **values, "extra": _zip64(wide, layout)}
    return pack(layout["central_directory_header"], numbers)


def _ending(directory: bytes, start: int, count: int, layout: Mapping[str, Any], archive: Archive) -> bytes:
    where = {
        "disk_entries": count,
        "entries": count,
        "directory_size": len(directory),
        "directory_offset": start,
    }
    wide = b""
    if archive.zip64 != "none":
        fields = layout["zip64_end_of_central_directory"]
        body = {
            **where,
            "version_made_by": _VERSION_MADE_BY,
            "version_needed": _VERSION_NEEDED,
            "record_size": len(pack(fields, {})) - 12,  # APPNOTE 4.3.14.1: without signature and this field
        }
        wide = pack(fields, body) + pack(
            layout["zip64_locator"], {"end_offset": start + len(directory), "disks": 1}
        )
    if archive.zip64 == "fields":
        where = {"disk_entries": _FILLED[2], "entries": _FILLED[2]} | dict.fromkeys(
            ("directory_size", "directory_offset"), _FILLED[4]
        )
    where["directory_offset"] = min(where["directory_offset"], _FILLED[4])
    return wide + pack(layout["end_of_central_directory"], {**where, "comment": archive.comment})


def write_zip(
    records: Sequence[Record], archive: Archive, layout: Mapping[str, Any]
) -> tuple[Data, dict[str, int]]:
    """The archive's bytes, and where each record's data begin in it (of a repeated name, the first)."""
    data: Data = b""
    central = b""
    places: dict[str, int] = {}
    for record in records:
        local, start = _local(record, len(data), layout, archive)
        central += _central(record, len(data), layout, archive)
        places.setdefault(record.name, start)
        data += local
    return data + central + _ending(central, len(data), len(records), layout, archive), places
