"""Interprets the opcodes that the specification names. No pickle is executed: a global is only ever a name."""

from __future__ import annotations

import functools
import re
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from endianproof.reference._globals import call, resolve, storage_id
from endianproof.reference._machine import Attributes, Global, Machine, Persistent, StorageId, shown
from endianproof.reference._structs import Truncated, read_integer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["Unpickled", "read_pickle", "unpickle"]

# As protocols 0 and 1 write them; a number of 2^64 has 20 digits.
_NUMBER = re.compile("(-?[0-9]{1,100})L?")
_LINE_END = 0x0A


@dataclass(frozen=True)
class Unpickled:
    """The object of a pickle, the byte of the file behind it, and every storage that it names."""

    value: Any
    end: int
    storages: tuple[StorageId, ...]


def _line(data: memoryview, at: int, encoding: str = "utf-8") -> tuple[str, int]:
    """The line that begins at a position, and the position behind its end."""
    end = next((position for position in range(at, len(data)) if data[position] == _LINE_END), None)
    if end is None:
        raise Truncated(at, "a line without an end")
    return bytes(data[at:end]).decode(encoding), end + 1


def _lines(data: memoryview, at: int) -> tuple[str, int]:
    module, at = _line(data, at)
    name, at = _line(data, at)
    return f"{module} {name}", at


def _escaped(data: memoryview, at: int) -> tuple[str, int]:
    text, at = _line(data, at, "raw-unicode-escape")
    text.encode()  # half of a surrogate pair is no text
    return text, at


def _float(data: memoryview, at: int) -> tuple[float, int]:
    bits, at = read_integer("u8be", data, at)
    return struct.unpack(">d", bits.to_bytes(8, "big"))[0], at


def _counted(kind: str, data: memoryview, at: int) -> tuple[bytes, int]:
    """The bytes behind their number, and the position behind them."""
    number, at = read_integer(kind, data, at)
    piece = bytes(data[at : at + number])
    if len(piece) < number:
        raise Truncated(at, f"{len(piece)} bytes where {number} are announced")
    return piece, at + number


def _text(kind: str, data: memoryview, at: int) -> tuple[str, int]:
    piece, at = _counted(kind, data, at)
    return piece.decode("utf-8"), at


def _long(data: memoryview, at: int) -> tuple[int, int]:
    piece, at = _counted("u1", data, at)
    return int.from_bytes(piece, "little", signed=True), at


# Arguments that are no plain numbers. Each reader gives the argument and the position behind it, or raises
# Truncated or UnicodeError.
_ARGUMENTS: Mapping[str, Callable[[memoryview, int], tuple[Any, int]]] = {
    "escaped": _escaped,
    "f8be": _float,
    "line": _line,
    "lines2": _lines,
    "long1": _long,
    "text1": functools.partial(_text, "u1"),
    "text4": functools.partial(_text, "u4le"),
}


def _persistent(machine: Machine, _: Any) -> None:
    found = machine.persistent(machine, machine.pop())
    machine.stack.append(found)
    if isinstance(found, StorageId):
        machine.storages.append(found)


def _reduce(machine: Machine, _: Any) -> None:
    arguments, function = machine.pop(), machine.pop()
    machine.stack.append(call(machine, function, arguments))


def _tuple(count: int) -> Callable[[Machine, Any], None]:
    def build(machine: Machine, _: Any) -> None:
        items = [machine.pop() for _ in range(count)]
        machine.stack.append(tuple(reversed(items)))

    return build


def _tuple_from_mark(machine: Machine, _: Any) -> None:
    items = machine.pop_to_mark()  # this changes the stack: it comes before the push
    machine.stack.append(tuple(items))


def _stack_global(machine: Machine, _: Any) -> None:
    name, module = machine.pop(), machine.pop()
    if not isinstance(name, str) or not isinstance(module, str):
        raise machine.refuse(f"a global of {shown(module)} and {shown(name)}", "two strings")
    machine.stack.append(resolve(machine, f"{module} {name}"))


def _number(machine: Machine, text: str) -> int | bool:
    """A whole number in decimal; protocols 0 and 1 write the two truth values as 00 and 01."""
    found = _NUMBER.fullmatch(text)
    if found is None:
        raise machine.refuse(f"the number {shown(text)}", "decimal digits")
    return bool(int(text)) if text in ("00", "01") else int(found[1])


def _push(value: Any) -> Callable[[Machine, Any], None]:
    return lambda machine, _: machine.stack.append(value)


def _push_argument(machine: Machine, argument: Any) -> None:
    machine.stack.append(argument)


def _mark(machine: Machine, _: Any) -> None:
    machine.marks.append(machine.stack)
    machine.stack = []


def _put(machine: Machine, index: int) -> None:
    machine.memo[index] = machine.top(object)


def _get(machine: Machine, index: int) -> None:
    if index not in machine.memo:
        raise machine.refuse(f"memo {index}, which nothing was put in", "a memo that was put before")
    machine.stack.append(machine.memo[index])


def _set_items(machine: Machine, items: list[Any]) -> None:
    target = machine.top(dict)
    if len(items) % 2:
        raise machine.refuse("a key without a value", "pairs")
    machine.fill(target, zip(items[::2], items[1::2], strict=True))


def _build(machine: Machine, _: Any) -> None:
    """Attributes are what an object holds; those of a dict, such as its versions, are no part of the tensors."""
    state = machine.pop()
    target = machine.top(dict)
    if isinstance(target, Attributes):
        if not isinstance(state, dict):
            raise machine.refuse(f"the attributes {shown(state)}", "a dict", "PTJ-OBJ-01")
        target.update(state)


def _new_object(machine: Machine, _: Any) -> None:
    """An object of a class of the archive, not made by calling anything."""
    arguments, kind = machine.pop(), machine.pop()
    if arguments != () or not isinstance(kind, Global) or " " not in kind.role:
        raise machine.refuse(f"a new object of {shown(kind)}", "one of a class of the archive", "PTJ-OBJ-01")
    machine.stack.append(Attributes())


_ACTIONS: Mapping[str, Callable[[Machine, Any], None]] = {
    "PROTO": lambda _machine, _number: None,  # the opcodes decide what can be read; the number does not
    "MARK": _mark,
    "POP": lambda machine, _: machine.pop(),
    "NONE": _push(None),
    "NEWTRUE": _push(True),
    "NEWFALSE": _push(False),
    "BININT": _push_argument,
    "BININT1": _push_argument,
    "BININT2": _push_argument,
    "LONG1": _push_argument,
    "BINFLOAT": _push_argument,
    "BINUNICODE": _push_argument,
    "SHORT_BINSTRING": _push_argument,
    "EMPTY_TUPLE": _push(()),
    "TUPLE": _tuple_from_mark,
    "TUPLE1": _tuple(1),
    "TUPLE2": _tuple(2),
    "TUPLE3": _tuple(3),
    "EMPTY_LIST": lambda machine, _: machine.stack.append([]),
    "APPEND": lambda machine, _: _append(machine, [machine.pop()]),
    "APPENDS": lambda machine, _: _append(machine, machine.pop_to_mark()),
    "EMPTY_DICT": lambda machine, _: machine.stack.append({}),
    "SETITEM": lambda machine, _: _set_items(machine, [machine.pop(), machine.pop()][::-1]),
    "SETITEMS": lambda machine, _: _set_items(machine, machine.pop_to_mark()),
    "GLOBAL": lambda machine, path: machine.stack.append(resolve(machine, path)),
    "REDUCE": _reduce,
    "NEWOBJ": _new_object,
    "BUILD": _build,
    "BINPERSID": _persistent,
    "BINPUT": _put,
    "LONG_BINPUT": _put,
    "BINGET": _get,
    "LONG_BINGET": _get,
    "INT": lambda machine, text: machine.stack.append(_number(machine, text)),
    "LONG": lambda machine, text: machine.stack.append(_number(machine, text)),
    "UNICODE": _push_argument,
    "DICT": lambda machine, _: _container(machine, {}, _set_items),
    "LIST": lambda machine, _: _container(machine, [], _append),
    "PUT": lambda machine, text: _put(machine, _number(machine, text)),
    "GET": lambda machine, text: _get(machine, _number(machine, text)),
    "FRAME": lambda _machine, _length: None,  # only tells how much to read at once
    "MEMOIZE": lambda machine, _: _put(machine, len(machine.memo)),
    "SHORT_BINUNICODE": _push_argument,
    "STACK_GLOBAL": _stack_global,
}


def _append(machine: Machine, items: list[Any]) -> None:
    machine.top(list).extend(items)


def _container(machine: Machine, empty: Any, fill: Callable[[Machine, list[Any]], None]) -> None:
    items = machine.pop_to_mark()
    machine.stack.append(empty)
    fill(machine, items)


def read_pickle(
    data: memoryview,
    start: int,
    layout: Mapping[str, Any],
    dtypes: Mapping[str, str],
    persistent: Persistent = storage_id,
) -> Unpickled:
    """What a pickle holds that begins with `data` and at byte `start` of the file. Raises SpecViolation only.

    Containers are dict, list and tuple; tensors are TensorCall, globals Global, persistent ids what `persistent`
    makes of them.
    """
    machine = Machine(data, start, layout, dtypes, persistent)
    opcodes = {entry["code"]: (name, entry.get("argument")) for name, entry in layout["opcodes"].items()}
    others = {entry["code"]: name for name, entry in layout["other_opcodes"].items()}
    while machine.position < len(data):
        code = data[machine.position]
        if code in others and code not in opcodes:
            raise machine.refuse(others[code], "an opcode that torch.save writes", "PT-PKL-04")
        if code not in opcodes:
            raise machine.refuse(f"opcode 0x{code:02X}", "an opcode that the format names")
        name, kind = opcodes[code]
        if name == "STOP":
            return Unpickled(machine.pop(), machine.at + 1, tuple(machine.storages))
        argument, following = None, machine.position + 1
        try:
            if kind:
                read = _ARGUMENTS.get(kind) or functools.partial(read_integer, kind)
                argument, following = read(data, following)
        except (Truncated, UnicodeError) as error:
            raise machine.refuse(f"{name} with a broken argument ({error})", "a whole one") from None
        _ACTIONS[name](machine, argument)
        machine.position = following
    raise machine.refuse("the end of the record", "STOP")


def unpickle(data: memoryview, start: int, layout: Mapping[str, Any], dtypes: Mapping[str, str]) -> Any:
    """The object of a pickle that fills a record at byte `start` of the file. Raises SpecViolation only."""
    return read_pickle(data, start, layout, dtypes).value
