"""Bytes with runs of one byte that are never built: a file past 4 GiB is a few kilobytes and its runs' lengths.

`Sparse` adds up, is measured and is cut as bytes are, as far as encoders do that; a file of it has holes.
"""

from __future__ import annotations

import binascii
import functools
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias, Union

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

__all__ = ["Data", "Run", "Sparse", "crc32", "join", "plain", "run", "sha256", "write"]

_SHORT = 1 << 20  # bytes; shorter runs are plain bytes
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Run:
    """One byte, `count` times."""

    byte: int
    count: int

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, cut: slice) -> Run:
        return Run(self.byte, len(range(self.count)[cut]))


@dataclass(frozen=True)
class Sparse:
    """Bytes and runs, one after another."""

    parts: tuple[bytes | Run, ...]

    def __len__(self) -> int:
        return sum(map(len, self.parts))

    def __add__(self, other: Data) -> Sparse:
        return Sparse(self.parts + _parts(other))

    def __radd__(self, other: bytes) -> Sparse:
        return Sparse(_parts(other) + self.parts)

    def __getitem__(self, cut: slice) -> Data:
        """A piece, its step 1."""
        start, stop, _ = cut.indices(len(self))
        pieces, at = [], 0
        for part in self.parts:
            pieces.append(part[max(start - at, 0) : max(stop - at, 0)])
            at += len(part)
        kept = tuple(piece for piece in pieces if len(piece))
        return Sparse(kept) if any(isinstance(piece, Run) for piece in kept) else join(kept)

    def chunks(self) -> Iterator[bytes]:
        """The bytes themselves, some at a time."""
        for part in self.parts:
            if isinstance(part, Run):
                whole, rest = divmod(part.count, _CHUNK)
                piece = bytes([part.byte]) * min(part.count, _CHUNK)
                yield from (piece for _ in range(whole))
                yield piece[:rest]
            else:
                yield part


Data: TypeAlias = Union[bytes, Sparse]  # noqa: UP007 (evaluated, with a class that is defined by now)


def _parts(data: Data | Run) -> tuple[bytes | Run, ...]:
    return data.parts if isinstance(data, Sparse) else (data,) if len(data) else ()


def plain(data: Data) -> bytes:
    """The same where it has no runs. Raises ValueError where it does."""
    if isinstance(data, Sparse):
        raise ValueError(f"{len(data)} bytes are too many to be built: a vector of that size has to be `large`")  # noqa: TRY004 (a fault of the specification's)
    return data


def run(byte: int, count: int) -> Data:
    """One byte, `count` times: bytes where they are few."""
    return bytes([byte]) * count if count < _SHORT else Sparse((Run(byte, count),))


def join(pieces: Iterable[Data | Run]) -> Data:
    """All of them, one after another: bytes where all are bytes."""
    parts = tuple(part for piece in pieces for part in _parts(piece))
    plain = [part for part in parts if isinstance(part, bytes)]
    return b"".join(plain) if len(plain) == len(parts) else Sparse(parts)


def _times(matrix: tuple[int, ...], vector: int) -> int:
    """The product over GF(2): the columns of `matrix` whose bits are set, added up."""
    product = 0
    for column in matrix:
        if vector & 1:
            product ^= column
        vector >>= 1
    return product


@functools.cache
def _after_zeros(power: int) -> tuple[int, ...]:
    """What 2**power zero bits make of a CRC-32's register, as the columns of a matrix."""
    if power == 0:
        return (0xEDB88320, *(1 << bit for bit in range(31)))
    half = _after_zeros(power - 1)
    return tuple(_times(half, column) for column in half)


def _crc32_of_zeros(crc: int, count: int) -> int:
    """The CRC-32 after `count` more zero bytes, without going through them."""
    register, bits = crc ^ 0xFFFFFFFF, 8 * count
    for power in range(bits.bit_length()):
        if bits >> power & 1:
            register = _times(_after_zeros(power), register)
    return register ^ 0xFFFFFFFF


def crc32(data: Data) -> int:
    """The CRC-32 of the bytes; of a hole, in no time."""
    crc = 0
    for part in _parts(data):
        if isinstance(part, Run) and part.byte == 0:
            crc = _crc32_of_zeros(crc, part.count)
        else:
            for chunk in [part] if isinstance(part, bytes) else Sparse((part,)).chunks():
                crc = binascii.crc32(chunk, crc)
    return crc


@functools.lru_cache(maxsize=64)
def sha256(data: Data) -> str:
    """The hex digest of the bytes: some seconds for 4 GiB."""
    digest = hashlib.sha256()
    for chunk in [data] if isinstance(data, bytes) else data.chunks():
        digest.update(chunk)
    return digest.hexdigest()


def write(data: Data, path: Path) -> int:
    """Write a new file, with a hole for each run of zeros; return how many bytes that were not in one."""
    written = 0
    with path.open("xb") as file:
        for part in _parts(data):
            if isinstance(part, Run) and part.byte == 0:
                file.seek(part.count, 1)
                continue
            for chunk in [part] if isinstance(part, bytes) else Sparse((part,)).chunks():
                written += file.write(chunk)
        file.truncate()
    return written
