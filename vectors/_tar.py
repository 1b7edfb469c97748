"""Writes tar archives header by header from the specification, as Python's tarfile would.

Not with tarfile itself: it cannot write the damages that the vectors need.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from endianproof.vectors._structs import pack

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["Member", "write_tar"]


@dataclass(frozen=True)
class Member:
    """A member: its name, its bytes, its kind; and header fields to state in place of the right ones, as text."""

    name: str
    data: bytes
    kind: str = "file"
    stated: Mapping[str, str] = field(default_factory=dict)


def _digits(value: int, size: int, base: int) -> bytes:
    """A number as tar writes it: as many digits as fit, and a NUL."""
    digits = ""
    while value:
        value, rest = divmod(value, base)
        digits = f"{rest:x}{digits}"
    return digits.rjust(size - 1, "0").encode() + b"\0"


def _header(member: Member, layout: Mapping[str, Any]) -> bytes:
    fields, base = layout["header"], layout["number_base"]
    sizes = {entry["id"]: entry["size"] for entry in fields if "id" in entry}
    numbers = {"mode": layout["mode"], "uid": 0, "gid": 0, "size": len(member.data), "mtime": 0}
    values = {name: _digits(number, sizes[name], base) for name, number in numbers.items()}
    values |= {"name": member.name.encode(), "kind": layout["kinds"][member.kind].encode()}
    values |= {name: text.encode() for name, text in member.stated.items()}
    if "checksum" not in values:
        # Of all bytes, those of the checksum itself taken as spaces; six digits, a NUL, a space.
        total = sum(pack(fields, {**values, "checksum": b" " * sizes["checksum"]}))
        values["checksum"] = _digits(total, sizes["checksum"] - 1, base) + b" "
    return pack(fields, values)


def write_tar(members: Sequence[Member], layout: Mapping[str, Any]) -> tuple[bytes, dict[str, int]]:
    """The archive's bytes, and where each member's data begin in it (of a repeated name, the last)."""
    block, data = layout["block"], b""
    places: dict[str, int] = {}
    for member in members:
        header = _header(member, layout)
        places[member.name] = len(data) + len(header)
        data += header + member.data
        data += bytes(-len(data) % block)
    return data + bytes(block * layout["end_blocks"]), places
