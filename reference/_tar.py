"""Reads a tar archive's members. Only what torch's format needs: ustar's headers, pax's passed over."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from endianproof.reference._structs import Truncated, read_fields
from endianproof.reference._violation import SpecViolation

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["TarMember", "is_tar", "read_members"]


@dataclass(frozen=True)
class TarMember:
    """A member's bytes, a view of the file, and where they begin in it."""

    data: memoryview
    at: int


def _number(text: memoryview, base: int) -> int:
    """A number of a header. Raises ValueError for one that is not written in digits of the base."""
    digits = bytes(text).rstrip(b" \0").lstrip(b" ").decode("ascii")
    if not digits.isalnum():
        raise ValueError(f"{bytes(text)!r}")
    return int(digits, base)


def _header(data: memoryview, at: int, layout: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of the header at a byte. Raises Truncated or ValueError for none."""
    values, end = read_fields(layout["header"], data, at)
    stated = _number(values["checksum"], layout["number_base"])
    total = sum(data[at:end]) - sum(values["checksum"]) + len(values["checksum"]) * ord(" ")
    if stated != total:
        raise ValueError(f"a checksum of {stated} where the bytes have {total}")
    return {**values, "size": _number(values["size"], layout["number_base"])}


def is_tar(data: memoryview, layout: Mapping[str, Any]) -> bool:
    """Whether the file begins with a header whose checksum is right."""
    try:
        _header(data, 0, layout)
    except ValueError:
        return False
    return True


def _members(data: memoryview, layout: Mapping[str, Any]) -> Iterator[tuple[str, TarMember]]:
    at, block, kinds = 0, layout["block"], layout["kinds"]
    while bytes(data[at : at + block]).strip(b"\0"):
        try:
            header = _header(data, at, layout)
        except Truncated as error:
            raise SpecViolation("PTL-TAR-03", error.offset, str(error), "a whole header") from None
        except ValueError as error:
            raise SpecViolation("PTL-TAR-03", at, str(error), "a header with its checksum") from None
        start, size = at + block, header["size"]
        name = bytes(header["name"]).rstrip(b"\0").decode("utf-8", "replace")
        end = start + size + -size % block
        if end > len(data):
            expected = f"{size}, in whole blocks of {block}"
            raise SpecViolation("PTL-TAR-04", start, f"{len(data) - start} bytes of {name!r}", expected)
        if bytes(header["kind"]).decode("latin-1").strip("\0") in ("", kinds["file"]):
            yield name, TarMember(data[start : start + size], start)
        at = end


def read_members(data: memoryview, layout: Mapping[str, Any]) -> dict[str, TarMember]:
    """Every file of the archive by its name, of several the last, as tar means it. Raises SpecViolation."""
    return dict(_members(data, layout))
