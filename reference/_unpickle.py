"""Interprets the opcodes that the specification names. No pickle is executed: a global is only ever a name."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from endianproof.reference._globals import call, resolve, storage_id
from endianproof.reference._machine import Attributes, Global, Machine, Persistent, StorageId, shown
from endianproof.reference._structs import Truncated, read_integer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["Unpickled", "read_pickle", "unpickle"]

_MOST_DIGITS = 100  # a number of 2^64 has 20


@dataclass(frozen=True)
class Unpickled:
    """The object of a pickle, the byte of the file behind it, and every storage that it names."""

    value: Any
    end: int
    storages: tuple[StorageId, ...]


def _argument(machine: Machine, kind: str, at: int) -> tuple[Any, int]:
    """An opcode's argument and the position after it. Raises Truncated, ValueError."""
    data = machine.data
    if kind in ("line", "lines2"):
        count = 1 if kind == "line" else 2
        lines = bytes(data[at : at + 1024]).split(b"\n", count)[:count]
        end = at + sum(len(line) + 1 for line in lines)
        if bytes(data[end - 1 : end]) != b"\n" or len(lines) < count:
            raise Truncated(at, "a line without an end")
        return b" ".join(lines).decode("utf-8"), end
    if kind == "f8be":
        if at + 8 > len(data):
            raise Truncated(at, "a number without an end")
        return struct.unpack_from(">d", data, at)[0], at + 8
    counted = {"long1": "u1", "text1": "u1", "text4": "u4le"}
    number, at = read_integer(counted.get(kind, kind), data, at)
    if kind not in counted:
        return number, at
    piece = bytes(data[at : at + number])
    if len(piece) < number:
        raise Truncated(at, f"{len(piece)} bytes where {number} are announced")
    if kind == "long1":
        return int.from_bytes(piece, "little", signed=True), at + number
    return piece.decode("utf-8"), at + number


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


def _number(machine: Machine, text: Any) -> int | bool:
    """A whole number in decimal; protocols 0 and 1 write the two truth values as 00 and 01."""
    digits = str(text).removesuffix("L")
    if not digits.removeprefix("-").isdecimal() or not digits.isascii() or len(digits) > _MOST_DIGITS:
        raise machine.refuse(f"the number {shown(text)}", "decimal digits")
    return bool(int(digits)) if text in ("00", "01") else int(digits)


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
    try:
        target.update(zip(items[::2], items[1::2], strict=True))
    except (TypeError, RecursionError):
        raise machine.refuse("a key that cannot be one", "a string or a number") from None


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


def _protocol(machine: Machine, number: int) -> None:
    """The opcodes decide what can be read; the number alone does not."""
    if machine.position or number < machine.layout["protocol"]:
        raise machine.refuse(f"PROTO {number}", "PROTO at the beginning, of protocol 2 or later", "PT-PKL-04")


_ACTIONS: Mapping[str, Callable[[Machine, Any], None]] = {
    "PROTO": _protocol,
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
                argument, following = _argument(machine, kind, following)
        except (Truncated, UnicodeDecodeError) as error:
            raise machine.refuse(f"{name} with a broken argument ({error})", "a whole one") from None
        _ACTIONS[name](machine, argument)
        machine.position = following
    raise machine.refuse("the end of the record", "STOP")


def unpickle(data: memoryview, start: int, layout: Mapping[str, Any], dtypes: Mapping[str, str]) -> Any:
    """The object of a pickle that fills a record at byte `start` of the file. Raises SpecViolation only."""
    return read_pickle(data, start, layout, dtypes).value
