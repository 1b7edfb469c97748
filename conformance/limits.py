"""What a testee may take: time, memory, files. One value, for a testee here and for one in a guest.

In a guest the kernel's limits hold for QEMU, which the kernel cannot tell from the program that it emulates. QEMU
keeps some tens of MB and a handful of files for itself; everything else is the program's.
"""

from __future__ import annotations

import errno
import os
import re
import signal
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from endianproof.conformance.options import LIMITS
from endianproof.conformance.outcome import OutcomeKind

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from endianproof.conformance.outcome import Outcome

__all__ = ["Allowance", "LimitError", "Limits", "parse_bytes", "parse_seconds", "read_limits"]

HELLO_BYTES = 1 << 20  # of the longest reply to hello
REPLY_FLOOR, REPLY_PER_BYTE = (
    256 << 20,
    16,
)  # bytes of the longest reply, whatever it is about, and per byte of that
PER_FILE_BYTE = 8  # memory that a request may add per byte of its file
LARGE = 256 << 20  # bytes of a file, from which on three times the rest has to be enough: read, converted, swapped
PER_LARGE_BYTE = 3
WRITTEN_PER_BYTE = 2
SLOWEST = 8 << 20  # bytes a second that an emulated testee gets through, all in all, on a busy machine
START_MEMORY = 4  # times Limits.memory_bytes: frameworks are large

UNITS = {"": 1, "B": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
UNITS |= {f"{unit}B": count for unit, count in UNITS.items() if len(unit) == 1 and unit != "B"}
UNITS |= {f"{unit}IB": 1 << 10 * power for power, unit in enumerate("KMGT", 1)}
SHOWN = ("GiB", "GB", "MiB", "MB", "KiB", "KB", "B")
TIMES = {"": 1, "S": 1, "M": 60, "H": 3600}
QUANTITY = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*")
MOST = 1 << 56  # bytes or seconds: what is made of them stays below the 2^63 that systems count to
# How a program says that it gets no memory, or does not.
OF_MEMORY = re.compile(r"MemoryError|\bmemory\b|allocat|failed to map segment|killed by", re.IGNORECASE)
LEAST_OPEN_FILES = 16  # an interpreter alone needs so many to start


class LimitError(Exception):
    """A limit cannot be read. `key` says which, the message what was expected."""

    def __init__(self, key: str, message: str) -> None:
        super().__init__(message)
        self.key = key


@dataclass(frozen=True)
class Allowance:
    """What one request may take: seconds; bytes of memory that it adds, of its reply, of a file that it writes."""

    seconds: float
    memory: int
    reply: int
    file: int


@dataclass(frozen=True)
class Limits:
    """What a testee may take.

    Seconds to start and for each request; bytes of memory that one request may add; files that may be open at a
    time (None: what this machine allows); bytes of each file that it may write. `seconds_by_size` and
    `memory_by_size` say whether the size of what a request is about adds to these; to what may be written it
    always does. Starting, a testee may take four times `memory_bytes`. `places` says of some, by their options'
    keys, where else than on the command line they were written.
    """

    start_seconds: float = 300.0
    request_seconds: float = 60.0
    memory_bytes: int = 2 << 30
    seconds_by_size: bool = True
    memory_by_size: bool = True
    open_files: int | None = None
    file_bytes: int = 1 << 30
    places: Mapping[str, str] = field(default_factory=dict, compare=False)

    def seconds(self, size: int) -> float:
        """Seconds that a request about a file of `size` bytes may take."""
        return self.request_seconds + (size / SLOWEST if self.seconds_by_size else 0.0)

    def memory(self, size: int) -> int:
        """Bytes of memory that such a request may add."""
        by_size = PER_FILE_BYTE * min(size, LARGE) + PER_LARGE_BYTE * max(size - LARGE, 0)
        return self.memory_bytes + (by_size if self.memory_by_size else 0)

    def to_start(self) -> Allowance:
        """What a testee may take until it has answered hello."""
        return Allowance(self.start_seconds, START_MEMORY * self.memory_bytes, HELLO_BYTES, self.file_bytes)

    def for_request(self, size: int) -> Allowance:
        """What a request about `size` bytes may take."""
        reply = REPLY_FLOOR + REPLY_PER_BYTE * min(size, LARGE)
        return Allowance(self.seconds(size), self.memory(size), reply, self.file_bytes + WRITTEN_PER_BYTE * size)

    def met_by(self, outcome: Outcome) -> str:
        """Say which limit an outcome speaks of, and what raises it; "" for none.

        By its kind, or by the operating system's own words, which libraries pass on. It decides nothing.
        """
        said = outcome.message.lower()
        key = ENDINGS.get(outcome.kind) or next((key for words, key in WORDS.items() if words in said), None)
        if key is None or getattr(self, READ[key][0]) is None:
            return ""
        return f"{self._shown(key)}; {self.twice(key)}"

    def _shown(self, key: str) -> str:
        field, _, show = READ[key]
        return f"{FLAGS[key]}={show(getattr(self, field))}"

    def twice(self, key: str) -> str:
        """How the user gives twice as much of one limit, by its option's key."""
        field, _, show = READ[key]
        return f"raise it with {FLAGS[key]}={show(2 * getattr(self, field))}"

    def to_start_in(self, said: str, hint: str, *, answered: bool) -> str:
        """What to do about a testee that did not start and `said` this, where it has less memory than by default.

        `hint` is what to do otherwise, and is left out where memory is what the words are about. One that
        `answered` what kept it from starting had memory enough, unless it speaks of memory.
        """
        of_memory = OF_MEMORY.search(said) is not None
        if self.memory_bytes >= Limits.memory_bytes or (answered and not of_memory):
            return hint
        raised = (
            f"perhaps it has too little memory to start in, which is {START_MEMORY} times what "
            f"{self.places.get('memory', FLAGS['memory'])} says: {_show_bytes(self.memory_bytes)} there, "
            f"{_show_bytes(Limits.memory_bytes)} by default; raise it"
        )
        return raised if of_memory else "\n".join(filter(None, (raised, hint)))

    def changed(self) -> list[str]:
        """The limits that are not the default ones, as a user would write them."""
        usual = Limits()
        return [
            self._shown(key) for key, (name, *_) in READ.items() if getattr(self, name) != getattr(usual, name)
        ]


def _parse(text: str, units: Mapping[str, int], example: str) -> float:
    found = QUANTITY.fullmatch(text)
    amount = float(found[1]) * units.get(found[2].upper(), 0) if found else 0.0
    if not 0 < amount < MOST:
        raise ValueError(f"{text!r} found, something like {example} expected")
    return amount


def parse_bytes(text: str) -> int:
    """An amount of memory as a person writes it: 500MB, 8GiB, or a number of bytes. Raises ValueError."""
    return int(_parse(text, UNITS, "500MB or 8GiB"))


def parse_seconds(text: str) -> float:
    """A length of time as a person writes it: 90, 90s, 15m, 2h. Raises ValueError."""
    return _parse(text, TIMES, "90, 15m or 2h")


def _parse_files(text: str) -> int:
    count = int(text) if text.strip().isdecimal() and len(text) < len(str(MOST)) else 0
    if count < LEAST_OPEN_FILES:
        raise ValueError(f"{text!r} found, a number of files expected, {LEAST_OPEN_FILES} or more")
    return count


def _show_bytes(count: int) -> str:
    """A number of bytes in the largest unit that says it exactly."""
    unit = next(unit for unit in SHOWN if count % UNITS[unit.upper()] == 0)
    return f"{count // UNITS[unit.upper()]}{unit}"


# By the option's key: the field of Limits, how its text is read (ValueError), how its value is shown.
READ: Mapping[str, tuple[str, Callable[[str], Any], Callable[[Any], str]]] = {
    "timeout": ("request_seconds", parse_seconds, "{:g}".format),
    "start_timeout": ("start_seconds", parse_seconds, "{:g}".format),
    "memory": ("memory_bytes", parse_bytes, _show_bytes),
    "open_files": ("open_files", _parse_files, str),
    "file_size": ("file_bytes", parse_bytes, _show_bytes),
}
FLAGS = {option.key: option.flag for option in LIMITS}

ENDINGS = {OutcomeKind.TIMED_OUT: "timeout", OutcomeKind.OUT_OF_MEMORY: "memory"}
WORDS = {
    os.strerror(errno.EMFILE).lower(): "open_files",
    os.strerror(errno.EFBIG).lower(): "file_size",
    signal.SIGXFSZ.name.lower(): "file_size",  # what ends a program that does not heed EFBIG
}


def read_limits(given: Mapping[str, str | None], places: Mapping[str, str] | None = None) -> Limits:
    """Read limits as the user wrote them, by their options' keys; others stay as they are.

    `places` says where else than on the command line some stand. Raises LimitError.
    """
    limits = Limits(places=places or {})
    for key, (name, read, _) in READ.items():
        if (text := given.get(key)) is not None:
            try:
                limits = replace(limits, **{name: read(text)})
            except ValueError as error:
                raise LimitError(key, str(error)) from error
    return limits
