"""Writes pickles opcode by opcode, from the specification's table, as torch.save's pickler would.

Not with Python's pickle module: its output changes with the interpreter, and the classes that these pickles name
need not exist. A pickle is a list of opcodes until the last moment, so that a vector can take some away.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from endianproof.vectors._structs import pack_integer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = ["Built", "Call", "Global", "New", "PersistentId", "ShortString", "Style", "write_pickle"]


@dataclass(frozen=True)
class Style:
    """Which of the opcodes that mean the same are written: those of a protocol, 0 to 5, as Python's pickler does.

    `strings` and `numbers` name another opcode for every string and every whole number. Memo entries count from
    `first_memo`.
    """

    protocol: int = 2
    first_memo: int = 0
    strings: str | None = None
    numbers: str | None = None


@dataclass(frozen=True)
class Global:
    """A name in a module, as `module name`."""

    path: str


@dataclass(frozen=True)
class ShortString:
    """A string as Python 2 wrote it: bytes of no stated encoding."""

    text: str


@dataclass(frozen=True)
class PersistentId:
    """An object that is not in the pickle: what tells where it is, most often a tuple."""

    parts: Any


@dataclass(frozen=True)
class Call:
    """The result of calling a global; then items set in it, and a state given to it."""

    function: Global
    arguments: tuple[Any, ...]
    items: Mapping[Any, Any] | None = None
    state: Mapping[Any, Any] | None = None


@dataclass(frozen=True)
class New:
    """A new object of a class, without arguments."""

    kind: Global


@dataclass(frozen=True)
class Built:
    """An object that a state is given to."""

    value: Any
    state: Any


def _long(value: int, length: str) -> bytes:
    size = value.bit_length() // 8 + 1
    return pack_integer(length, size) + (value % (1 << 8 * size)).to_bytes(size, "little")


def _escaped(text: str) -> bytes:
    """A line of Latin-1; what that lacks, and what would end the line or escape something, is escaped itself."""
    kept = "".join(
        char
        if ord(char) < 256 and char not in "\\\0\n\r\x1a"
        else f"\\u{ord(char):04x}"
        if ord(char) < 65536
        else f"\\U{ord(char):08x}"
        for char in text
    )
    return kept.encode("latin-1") + b"\n"


_ARGUMENTS: Mapping[str, Callable[[Any], bytes]] = {
    "escaped": _escaped,
    "f8be": lambda value: struct.pack(">d", value),
    "line": lambda value: f"{value}\n".encode(),
    "lines2": lambda path: path.replace(" ", "\n").encode() + b"\n",
    "long1": lambda value: _long(value, "u1"),
    "long4": lambda value: _long(value, "u4le"),
    "text1": lambda text: bytes([len(text.encode())]) + text.encode(),
    "text4": lambda text: pack_integer("u4le", len(text.encode())) + text.encode(),
}

_SMALL_TUPLES = ("EMPTY_TUPLE", "TUPLE1", "TUPLE2", "TUPLE3")
_SMALLEST_FRAME = 4


class _Writer:
    """Opcodes in order. Strings and globals are written once, and fetched from the memo afterwards."""

    def __init__(self, opcodes: Mapping[str, Mapping[str, Any]], style: Style) -> None:
        self.opcodes, self.style, self.protocol = opcodes, style, style.protocol
        self.parts: list[tuple[str, bytes]] = []
        self.memo: dict[str | Global, int] = {}
        self.puts = style.first_memo

    def emit(self, name: str, argument: Any = None) -> None:
        opcode = self.opcodes[name]
        made = bytes([opcode["code"]])
        if "argument" in opcode:
            kind = opcode["argument"]
            made += _ARGUMENTS[kind](argument) if kind in _ARGUMENTS else pack_integer(kind, argument)
        self.parts.append((name, made))

    def size(self) -> int:
        return sum(len(made) for _, made in self.parts)

    def splice(self, change: Mapping[str, Any]) -> None:
        """At the first opcode of a name, `remove` so many, and `insert` others (RAW: bytes in hex digits)."""
        names = [name for name, _ in self.parts]
        if change["at"] not in names:
            raise ValueError(f"there is no {change['at']} in the pickle")
        at = names.index(change["at"])
        before, after = self.parts[:at], self.parts[at + change.get("remove", 0) :]
        self.parts = before
        for name, *argument in change.get("insert", ()):
            if name == "RAW":
                self.parts.append((name, bytes.fromhex(argument[0])))
            else:
                self.emit(name, *argument)
        self.parts += after

    def put(self) -> int:
        index = self.puts
        self.puts += 1
        if self.protocol == 0:
            self.emit("PUT", index)
        elif self.protocol >= 4:
            self.emit("MEMOIZE")
        else:
            self.emit("BINPUT" if index < 256 else "LONG_BINPUT", index)
        return index

    def get(self, index: int) -> None:
        if self.protocol == 0:
            self.emit("GET", index)
        else:
            self.emit("BINGET" if index < 256 else "LONG_BINGET", index)

    def text(self, value: str) -> None:
        if value in self.memo:
            self.get(self.memo[value])
            return
        usual = {0: "UNICODE", 1: "BINUNICODE", 2: "BINUNICODE", 3: "BINUNICODE"}
        self.emit(self.style.strings or usual.get(self.protocol, "SHORT_BINUNICODE"), value)
        self.memo[value] = self.put()

    def named(self, value: Global) -> None:
        if value in self.memo:
            self.get(self.memo[value])
            return
        if self.protocol >= 4:
            for part in value.path.split(" "):
                self.text(part)
            self.emit("STACK_GLOBAL")
        else:
            self.emit("GLOBAL", value.path)
        self.memo[value] = self.put()

    def boolean(self, value: bool) -> None:
        if self.protocol < 2:
            self.emit("INT", f"{value:02d}")
        else:
            self.emit("NEWTRUE" if value else "NEWFALSE")

    def integer(self, value: int) -> None:
        sizes = (("BININT1", 0, 1 << 8), ("BININT2", 0, 1 << 16), ("BININT", -(1 << 31), 1 << 31))
        name = next((name for name, low, high in sizes if low <= value < high), "LONG1")
        if self.protocol < 2 and name == "LONG1":
            self.emit("LONG", f"{value}L")
        elif self.protocol == 0:
            self.emit("INT", value)
        else:
            self.emit(self.style.numbers or name, value)

    def sequence(self, value: Sequence[Any]) -> None:
        small = len(value) < (len(_SMALL_TUPLES) if self.protocol >= 2 else self.protocol)
        if not small:
            self.emit("MARK")
        for item in value:
            self.save(item)
        self.emit(_SMALL_TUPLES[len(value)] if small else "TUPLE")
        if value:
            self.put()

    def begin(self, empty: str, old: str) -> None:
        """An empty container. Protocol 0 has no opcode for it, and ends a marked one."""
        if self.protocol == 0:
            self.emit("MARK")
            self.emit(old)
        else:
            self.emit(empty)
        self.put()

    def fill(self, entries: Sequence[Sequence[Any]], one: str, many: str) -> None:
        """Items of a list, or keys and values of a dict: together, or one by one as protocol 0 does."""
        together = len(entries) > 1 and self.protocol > 0
        if together:
            self.emit("MARK")
        for entry in entries:
            for value in entry:
                self.save(value)
            if not together:
                self.emit(one)
        if together:
            self.emit(many)

    def items(self, value: Mapping[Any, Any]) -> None:
        self.fill(list(value.items()), "SETITEM", "SETITEMS")

    def listed(self, value: list[Any]) -> None:
        self.begin("EMPTY_LIST", "LIST")
        self.fill([(item,) for item in value], "APPEND", "APPENDS")

    def call(self, value: Call) -> None:
        self.save(value.function)
        self.save(value.arguments)
        self.emit("REDUCE")
        self.put()
        self.items(value.items or {})
        if value.state is not None:
            self.save(value.state)
            self.emit("BUILD")

    def mapping(self, value: Mapping[Any, Any]) -> None:
        self.begin("EMPTY_DICT", "DICT")
        self.items(value)

    def persistent(self, value: PersistentId) -> None:
        self.save(value.parts)
        self.emit("BINPERSID")

    def new(self, value: New) -> None:
        self.save(value.kind)
        self.emit("EMPTY_TUPLE")
        self.emit("NEWOBJ")

    def built(self, value: Built) -> None:
        self.save(value.value)
        self.save(value.state)
        self.emit("BUILD")

    def save(self, value: Any) -> None:
        writers: Mapping[type, Callable[[Any], None]] = {
            type(None): lambda _: self.emit("NONE"),
            bool: self.boolean,
            int: self.integer,
            float: lambda number: self.emit("BINFLOAT", number),
            str: self.text,
            ShortString: lambda string: self.emit("SHORT_BINSTRING", string.text),
            tuple: self.sequence,
            list: self.listed,
            Global: self.named,
            PersistentId: self.persistent,
            Call: self.call,
            Built: self.built,
            New: self.new,
        }
        write: Callable[[Any], None] = writers.get(type(value), self.mapping)
        write(value)


def write_pickle(
    value: Any,
    protocol: int,
    opcodes: Mapping[str, Mapping[str, Any]],
    style: Style | None = None,
    splice: Mapping[str, Any] | None = None,
) -> bytes:
    """The pickle of dicts, lists, tuples, strings, numbers, globals, calls and persistent ids.

    `protocol` is the number that it declares, from 2 on; the opcodes are protocol 2's or those of `style`.
    `splice` changes them: see `_Writer.splice`.
    """
    writer = _Writer(opcodes, style or Style())
    writer.save(value)
    writer.emit("STOP")
    body, size, writer.parts = writer.parts, writer.size(), []
    if protocol >= 2:
        writer.emit("PROTO", protocol)
    if writer.protocol >= 4 and size >= _SMALLEST_FRAME:
        writer.emit("FRAME", size)
    writer.parts += body
    if splice:
        writer.splice(splice)
    return b"".join(made for _, made in writer.parts)
