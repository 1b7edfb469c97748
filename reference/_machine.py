"""The state of the interpreter of pickles, and the values that it builds.

It has a stack, and a stack of stacks for MARK, as pickletools describes it.
"""

from __future__ import annotations

import itertools
import reprlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from endianproof.reference._violation import SpecViolation

__all__ = ["Attributes", "Global", "Machine", "Made", "Persistent", "StorageId", "TensorCall", "shown"]


@dataclass(frozen=True)
class Global:
    """A name that the specification lists: `role` says what it is for."""

    role: str


@dataclass(frozen=True, eq=False)
class Made:
    """What a call of a harmless function would give: nothing but itself, and no two are the same."""

    role: str


class Attributes(dict[Any, Any]):
    """An object of a class whose source the file has: its attributes by their names."""


@dataclass(frozen=True)
class StorageId:
    """A persistent id: the storage class's role, the key, the number of elements; and the byte where it stands.

    `view` is the part of the storage that is meant, where it is not all: its own key, offset and size in elements.
    """

    storage_class: str
    key: str
    numel: int
    at: int
    view: tuple[str, int, int] | None = None

    @property
    def count(self) -> int:
        """How many elements of its class a tensor finds in it."""
        return self.view[2] if self.view else self.numel


@dataclass(frozen=True)
class TensorCall:
    """A call that rebuilds a tensor, its arguments unchecked; and the byte where it stands."""

    role: str
    arguments: tuple[Any, ...] = field(repr=False)
    at: int


# What can be a key, beside tuples of such; and of how many items, those of tuples inside each other among them.
_KEYS = (str, int, float, Global, Made, type(None))
_LONGEST_KEY = 64

# What a persistent id stands for, given the machine, which can refuse it, and the id.
Persistent = Callable[["Machine", Any], Any]


@dataclass
class Machine:
    """The state between opcodes. `at` is the byte of the file of the opcode at work."""

    data: memoryview
    start: int
    layout: Mapping[str, Any]
    dtypes: Mapping[str, str]
    persistent: Persistent
    position: int = 0
    stack: list[Any] = field(default_factory=list)
    marks: list[list[Any]] = field(default_factory=list)
    memo: dict[int, Any] = field(default_factory=dict)
    storages: list[StorageId] = field(default_factory=list)

    @property
    def at(self) -> int:
        return self.start + self.position

    def refuse(self, found: str, expected: str, rule: str = "PT-PKL-03") -> SpecViolation:
        return SpecViolation(rule, self.at, found, expected)

    def pop(self) -> Any:
        if not self.stack:
            raise self.refuse("an opcode that takes a value from an empty stack", "a value before it")
        return self.stack.pop()

    def pop_to_mark(self) -> list[Any]:
        if not self.marks:
            raise self.refuse("an opcode that needs a MARK", "a MARK before it")
        items, self.stack = self.stack, self.marks.pop()
        return items

    def top(self, kind: type) -> Any:
        if not self.stack or not isinstance(self.stack[-1], kind):
            what = type(self.stack[-1]).__name__ if self.stack else "nothing"
            raise self.refuse(f"{what} on the stack", f"a {kind.__name__}")
        return self.stack[-1]

    def fill(self, target: dict[Any, Any], pairs: Iterable[tuple[Any, Any]]) -> None:
        """Put keys and their values into a dict."""
        for key, value in pairs:
            self.check_key(key, itertools.count())
            target[key] = value

    def check_key(self, value: Any, visits: Iterator[int]) -> None:
        """Not by its hash: that of tuples inside each other takes any time, or all of the stack."""
        if next(visits) > _LONGEST_KEY:
            raise self.refuse("a key without end", f"one of {_LONGEST_KEY} items at most", "PT-PKL-13")
        if isinstance(value, tuple):
            for item in value:
                self.check_key(item, visits)
        elif not isinstance(value, _KEYS):
            raise self.refuse(f"{shown(value)} as a key", "a string, a number or a tuple")


def shown(value: Any) -> str:
    """A value of a pickle in few words: it may be deep, or hold itself a million times over."""
    return reprlib.repr(value)
