"""What a testee may take, in time and in memory: one value, which is passed to whatever starts it."""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["Limits", "parse_bytes", "parse_seconds"]

PER_FILE_BYTE = 8  # memory that a request may add per byte of its file
LARGE = 256 << 20  # bytes of a file, from which on three times the rest has to be enough: read, converted, swapped
PER_LARGE_BYTE = 3
SLOWEST = 8 << 20  # bytes a second that an emulated testee gets through, all in all, on a busy machine
START_MEMORY = 4  # times Limits.memory_bytes: frameworks are large

UNITS = {"": 1, "B": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
UNITS |= {f"{unit}B": count for unit, count in UNITS.items() if len(unit) == 1 and unit != "B"}
UNITS |= {f"{unit}IB": 1 << 10 * power for power, unit in enumerate("KMGT", 1)}
TIMES = {"": 1, "S": 1, "M": 60, "H": 3600}
QUANTITY = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*")


@dataclass(frozen=True)
class Limits:
    """What a testee may take: seconds to start and per request; bytes of memory that one request may add.

    `seconds_by_size` and `memory_by_size` say whether the size of its file adds to what a request may take.
    Starting, a testee may take four times `memory_bytes`.
    """

    start_seconds: float = 300.0
    request_seconds: float = 60.0
    memory_bytes: int = 2 << 30
    seconds_by_size: bool = True
    memory_by_size: bool = True

    def seconds(self, size: int) -> float:
        """Seconds that a request about a file of `size` bytes may take."""
        return self.request_seconds + (size / SLOWEST if self.seconds_by_size else 0.0)

    def memory(self, size: int) -> int:
        """Bytes of memory that such a request may add."""
        by_size = PER_FILE_BYTE * min(size, LARGE) + PER_LARGE_BYTE * max(size - LARGE, 0)
        return self.memory_bytes + (by_size if self.memory_by_size else 0)

    @property
    def start_memory(self) -> int:
        """Bytes of memory that a testee may have when it has started."""
        return START_MEMORY * self.memory_bytes


def _parse(text: str, units: dict[str, int], example: str) -> float:
    found = QUANTITY.fullmatch(text)
    if found is None or found[2].upper() not in units or not float(found[1]):
        raise ValueError(f"{text!r} found, something like {example} expected")
    return float(found[1]) * units[found[2].upper()]


def parse_bytes(text: str) -> int:
    """An amount of memory as a person writes it: 500MB, 8GiB, or a number of bytes. Raises ValueError."""
    return int(_parse(text, UNITS, "500MB or 8GiB"))


def parse_seconds(text: str) -> float:
    """A length of time as a person writes it: 90, 90s, 15m, 2h. Raises ValueError."""
    return _parse(text, TIMES, "90, 15m or 2h")
