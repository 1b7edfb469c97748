"""Damages: changes of a finished file's bytes, whatever its format. Each says what it did in a few words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hypothesis.strategies import DrawFn

__all__ = ["Damage", "damage"]

# Numbers that lengths and offsets go wrong by.
_TELLING = (0, 1, 7, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, (1 << 63) - 1, 1 << 63, (1 << 64) - 1)


@dataclass(frozen=True)
class Damage:
    """One change: its kind, the byte where it begins, and the bytes or the number of bytes that it is about."""

    kind: str
    at: int
    data: bytes = b""
    count: int = 0

    def apply(self, file: bytes) -> bytes:
        """The damaged file."""
        return _KINDS[self.kind](self, file)

    def __str__(self) -> str:
        what = self.data.hex() if self.data else f"{self.count} bytes" if self.count else ""
        return f"{self.kind} at byte {self.at}" + (f": {what}" if what else "")


def _flipped(damage: Damage, file: bytes) -> bytes:
    turned = bytes(a ^ b for a, b in zip(file[damage.at :], damage.data, strict=False))
    return file[: damage.at] + turned + file[damage.at + len(turned) :]


def _swapped(damage: Damage, file: bytes) -> bytes:
    """Exchange two neighbouring fields of `count` bytes."""
    at, middle, end = damage.at, damage.at + damage.count, damage.at + 2 * damage.count
    return file[:at] + file[middle:end] + file[at:middle] + file[end:]


_KINDS: Mapping[str, Callable[[Damage, bytes], bytes]] = {
    "flipped": _flipped,
    "overwritten": lambda d, file: file[: d.at] + d.data + file[d.at + len(d.data) :],
    "truncated": lambda damage, file: file[: damage.at],
    "appended": lambda damage, file: file + damage.data,
    "inserted": lambda damage, file: file[: damage.at] + damage.data + file[damage.at :],
    "removed": lambda damage, file: file[: damage.at] + file[damage.at + damage.count :],
    "swapped": _swapped,
    "repeated": lambda d, file: file[: d.at + d.count] + file[d.at : d.at + d.count] + file[d.at + d.count :],
}


_KIND, _SIZE, _BIG = st.sampled_from(tuple(_KINDS)), st.sampled_from((1, 2, 4, 8)), st.booleans()
_NUMBER, _NEAR = st.sampled_from(_TELLING), st.sampled_from((-9, -8, -1, 0, 1))
_BIT, _BYTES = st.integers(0, 7), st.binary(min_size=1, max_size=8)
_FIELD, _PIECE = st.sampled_from((1, 2, 4, 8)), st.sampled_from((1, 2, 3, 7, 8, 64))
_WHERE, _WHAT = st.sampled_from(("begin", "end", "anywhere")), st.sampled_from(("number", "near", "bytes"))


def _data(draw: DrawFn, length: int) -> bytes:
    """An integer of 1 to 8 bytes in either order, a telling one or close to the file's length; or any bytes."""
    what = draw(_WHAT)
    if what == "bytes":
        return draw(_BYTES)
    size = draw(_SIZE)
    value = draw(_NUMBER) if what == "number" else length + draw(_NEAR)
    return (value % (1 << 8 * size)).to_bytes(size, "big" if draw(_BIG) else "little")


def _place(draw: DrawFn, length: int) -> int:
    """A byte of the file, its end included: often near the beginning or the end, where the lengths stand."""
    where = draw(_WHERE)
    if where == "begin":
        return draw(st.integers(0, min(length, 64)))
    return length - draw(st.integers(0, min(length, 128) if where == "end" else length))


def damage(draw: DrawFn, length: int) -> Damage:
    """One damage of a file of so many bytes."""
    kind = draw(_KIND)
    if kind == "appended":
        return Damage(kind, length, _data(draw, length))
    at = _place(draw, length)
    if kind == "flipped":
        return Damage(kind, at, bytes([1 << draw(_BIT)]))
    if kind in ("overwritten", "inserted"):
        return Damage(kind, at, _data(draw, length))
    if kind == "truncated":
        return Damage(kind, at)
    return Damage(kind, at, count=draw(_FIELD if kind == "swapped" else _PIECE))
