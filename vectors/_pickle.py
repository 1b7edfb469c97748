"""Writes pickles opcode by opcode, from the specification's table, as torch.save's pickler would.

Not with Python's pickle module: its output changes with the interpreter, and the classes that these pickles name
need not exist.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from endianproof.vectors._structs import pack_integer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = ["Built", "Call", "Global", "PersistentId", "write_pickle"]


@dataclass(frozen=True)
class Global:
    """A name in a module, as `module name`."""

    path: str


@dataclass(frozen=True)
class PersistentId:
    """An object that is not in the pickle: what tells where it is."""

    parts: tuple[Any, ...]


@dataclass(frozen=True)
class Call:
    """The result of calling a global; then items set in it, and a state given to it."""

    function: Global
    arguments: tuple[Any, ...]
    items: Mapping[Any, Any] | None = None
    state: Mapping[Any, Any] | None = None


@dataclass(frozen=True)
class Built:
    """An object that a state is given to."""

    value: Any
    state: Any


def _long1(value: int) -> bytes:
    size = value.bit_length() // 8 + 1
    return bytes([size]) + (value % (1 << 8 * size)).to_bytes(size, "little")


_ARGUMENTS: Mapping[str, Callable[[Any], bytes]] = {
    "f8be": lambda value: struct.pack(">d", value),
    "lines2": lambda path: path.replace(" ", "\n").encode() + b"\n",
    "long1": _long1,
    "text1": lambda text: bytes([len(text.encode())]) + text.encode(),
    "text4": lambda text: pack_integer("u4le", len(text.encode())) + text.encode(),
}

_SMALL_TUPLES = ("EMPTY_TUPLE", "TUPLE1", "TUPLE2", "TUPLE3")


class _Writer:
    """Opcodes in order. Strings and globals are written once, and fetched from the memo afterwards."""

    def __init__(self, opcodes: Mapping[str, Mapping[str, Any]]) -> None:
        self.opcodes = opcodes
        self.parts: list[bytes] = []
        self.memo: dict[str | Global, int] = {}
        self.puts = 0

    def emit(self, name: str, argument: Any = None) -> None:
        opcode = self.opcodes[name]
        self.parts.append(bytes([opcode["code"]]))
        if "argument" in opcode:
            kind = opcode["argument"]
            self.parts.append(_ARGUMENTS[kind](argument) if kind in _ARGUMENTS else pack_integer(kind, argument))

    def put(self) -> int:
        index = self.puts
        self.puts += 1
        self.emit("BINPUT" if index < 256 else "LONG_BINPUT", index)
        return index

    def named(self, value: str | Global, opcode: str, argument: str) -> None:
        if value in self.memo:
            index = self.memo[value]
            self.emit("BINGET" if index < 256 else "LONG_BINGET", index)
        else:
            self.emit(opcode, argument)
            self.memo[value] = self.put()

    def integer(self, value: int) -> None:
        sizes = (("BININT1", 0, 1 << 8), ("BININT2", 0, 1 << 16), ("BININT", -(1 << 31), 1 << 31))
        self.emit(next((name for name, low, high in sizes if low <= value < high), "LONG1"), value)

    def sequence(self, value: Sequence[Any]) -> None:
        small = len(value) < len(_SMALL_TUPLES)
        if not small:
            self.emit("MARK")
        for item in value:
            self.save(item)
        self.emit(_SMALL_TUPLES[len(value)] if small else "TUPLE")
        if value:
            self.put()

    def items(self, value: Mapping[Any, Any]) -> None:
        if len(value) > 1:
            self.emit("MARK")
        for key, item in value.items():
            self.save(key)
            self.save(item)
        if value:
            self.emit("SETITEMS" if len(value) > 1 else "SETITEM")

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
        self.emit("EMPTY_DICT")
        self.put()
        self.items(value)

    def save(self, value: Any) -> None:
        if value is None or isinstance(value, bool):
            self.emit({None: "NONE", True: "NEWTRUE", False: "NEWFALSE"}[value])
        elif isinstance(value, int):
            self.integer(value)
        elif isinstance(value, float):
            self.emit("BINFLOAT", value)
        elif isinstance(value, str):
            self.named(value, "BINUNICODE", value)
        elif isinstance(value, Global):
            self.named(value, "GLOBAL", value.path)
        elif isinstance(value, tuple):
            self.sequence(value)
        elif isinstance(value, PersistentId):
            self.save(value.parts)
            self.emit("BINPERSID")
        elif isinstance(value, Call):
            self.call(value)
        elif isinstance(value, Built):
            self.save(value.value)
            self.save(value.state)
            self.emit("BUILD")
        else:
            self.mapping(value)


def write_pickle(value: Any, protocol: int, opcodes: Mapping[str, Mapping[str, Any]]) -> bytes:
    """The pickle of dicts, tuples, strings, numbers, globals, calls and persistent ids."""
    writer = _Writer(opcodes)
    writer.emit("PROTO", protocol)
    writer.save(value)
    writer.emit("STOP")
    return b"".join(writer.parts)
