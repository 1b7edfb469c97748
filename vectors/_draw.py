"""Draws the parts that files are made of: names, element types, codes, shapes, layouts; for Hypothesis.

What is simplest stands first, so that a found file shrinks to one tensor, contiguous, of a plain pattern. Sizes
stay small: a file that fails is read by a person.
"""

from __future__ import annotations

import functools
import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from hypothesis import strategies as st

from endianproof.vectors._codes import encode, special_codes
from endianproof.vectors._encoded import c_strides
from endianproof.vectors._patterns import codes_for

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from hypothesis.strategies import DrawFn, SearchStrategy

    from endianproof.spec import ElementType

__all__ = ["NAMES", "TEXTS", "DrawnTensor", "Layout", "drawn_tensors", "several", "slack", "values_of", "view"]

# Around the widths of swap loops: 2 to 16 elements of 16 to 64 bits to a register, unrolled up to eight times.
LENGTHS = (1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 129)
_MOST_ELEMENTS = 4096
_KEPT = st.integers(0, 9)  # 0: not kept
_Drawn = TypeVar("_Drawn")


@dataclass(frozen=True)
class Layout:
    """How a tensor lies in its storage, all in elements; `numel` is the storage that it needs at least."""

    shape: tuple[int, ...]
    stride: tuple[int, ...]
    offset: int = 0

    @property
    def numel(self) -> int:
        """Elements up to the last one that the tensor reaches."""
        if 0 in self.shape:
            return self.offset
        return self.offset + 1 + sum((size - 1) * step for size, step in zip(self.shape, self.stride, strict=True))


@dataclass(frozen=True)
class DrawnTensor:
    """A tensor over a storage of its own.

    `shape`, `storage_offset`, `stride` and `numel` (the storage's length) are in elements. `values` is a pattern
    of the specification, or codes that are repeated until the storage is full.
    """

    name: str
    element: ElementType
    shape: tuple[int, ...]
    values: str | tuple[int, ...]
    numel: int
    storage_offset: int
    stride: tuple[int, ...]

    @property
    def dtype(self) -> str:
        """The specification's name of the element type."""
        return self.element.name

    @property
    def storage(self) -> tuple[int, ...]:
        """The codes of the whole storage."""
        return tuple(codes_for(self.element, self.values, self.numel))

    @property
    def codes(self) -> tuple[int, ...]:
        """The codes of the logical elements in C order."""
        storage = self.storage
        indexes = itertools.product(*map(range, self.shape))
        steps = (sum(map(int.__mul__, index, self.stride)) for index in indexes)
        return tuple(storage[self.storage_offset + step] for step in steps)

    @property
    def canonical(self) -> bytes:
        """The canonical bytes: C order, each element little-endian."""
        return encode(self.element, self.codes, "little")


@st.composite
def _kept(draw: DrawFn, strategy: SearchStrategy[_Drawn]) -> _Drawn | None:
    return draw(strategy) if draw(_KEPT) else None


def _without_none(found: Sequence[_Drawn | None]) -> list[_Drawn]:
    return [one for one in found if one is not None]


def several(strategy: SearchStrategy[_Drawn], most: int) -> SearchStrategy[list[_Drawn]]:
    """Lists of at most so many. Any part can be left out, which is its simplest form.

    Hypothesis alone takes a part of many choices from the end of a list only, and files would keep tensors that
    have nothing to do with their failure.
    """
    return st.lists(_kept(strategy), max_size=most).map(_without_none)


def _fits(shape: Sequence[int]) -> bool:
    return math.prod(shape) <= _MOST_ELEMENTS


# Strategies are built once: Hypothesis reads the source of each lambda that it is given.

# All that UTF-8 can encode. Asked for by the codec, Hypothesis tries every code point, which takes so long that a
# user's first test fails its health check.
CHARACTERS = st.characters(exclude_categories=["Cs"])
TEXTS = st.text(CHARACTERS, max_size=8)
# Any characters that UTF-8 has, one at least: the empty name is a policy of its own.
NAMES = st.text(CHARACTERS, min_size=1, max_size=12)
# One dimension of a telling length, or up to five small ones, empty and none at all among them.
SHAPES: SearchStrategy[tuple[int, ...]] = st.one_of(
    st.sampled_from(LENGTHS).map(lambda length: (length,)),
    st.integers(0, 300).map(lambda length: (length,)),
    st.lists(st.integers(0, 6), max_size=5).map(tuple).filter(_fits),
)
_BOOLEANS, _OFFSETS, _SLACK = st.booleans(), st.integers(0, 9), st.integers(0, 5)


def contiguous(draw: DrawFn, element: ElementType) -> Layout:
    """A layout of C order without a gap, whose elements fill whole bytes."""
    shape = draw(SHAPES)
    per_byte = math.lcm(element.bits, 8) // element.bits
    if math.prod(shape) % per_byte:
        shape = (*shape[:-1], (shape[-1] if shape else 1) * per_byte)
    return Layout(shape, c_strides(shape))


def _transposed(draw: DrawFn, shape: tuple[int, ...]) -> tuple[int, ...]:
    order = draw(st.permutations(range(len(shape))))
    steps = c_strides([shape[axis] for axis in order])
    return tuple(steps[order.index(axis)] for axis in range(len(shape)))


def _expanded(draw: DrawFn, shape: tuple[int, ...]) -> tuple[int, ...]:
    kept = [draw(_BOOLEANS) for _ in shape]
    inner = c_strides([size if keep else 1 for size, keep in zip(shape, kept, strict=True)])
    return tuple(step if keep else 0 for step, keep in zip(inner, kept, strict=True))


def _stepped(draw: DrawFn, shape: tuple[int, ...]) -> tuple[int, ...]:
    by = 3 if draw(_BOOLEANS) else 2
    return tuple(step * by for step in c_strides(shape))


def _overlapping(draw: DrawFn, shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(draw(_OFFSETS) for _ in shape)


_STRIDES: Mapping[str, Callable[[DrawFn, tuple[int, ...]], tuple[int, ...]]] = {
    "contiguous": lambda _draw, shape: c_strides(shape),
    "transposed": _transposed,
    "expanded": _expanded,
    "stepped": _stepped,
    "overlapping": _overlapping,
}
_KINDS = st.sampled_from(tuple(_STRIDES))


def view(draw: DrawFn) -> Layout:
    """A view of any kind that torch makes: contiguous, transposed, expanded, stepped over, overlapping."""
    shape = draw(SHAPES)
    stride = _STRIDES[draw(_KINDS)](draw, shape)
    return Layout(shape, stride, draw(_OFFSETS))


def slack(draw: DrawFn) -> int:
    """Elements of a storage behind the last one that a tensor reaches."""
    return draw(_SLACK)


def _patterns(element: ElementType) -> tuple[str, ...]:
    if element.kind in ("bool", "complex"):
        return ("distinct",)
    return ("distinct", "special", "walking", "all") if element.bits <= 16 else ("distinct", "special", "walking")


@functools.cache
def values_of(element: ElementType) -> SearchStrategy[Any]:
    """What a vector's `values` may say: the name of a pattern, or up to six codes that are repeated."""
    largest = 1 if element.kind == "bool" else (1 << element.bits) - 1
    code: SearchStrategy[int] = st.integers(0, largest)
    if element.kind in ("float", "int", "uint"):
        code = st.one_of(code, st.sampled_from(special_codes(element)))
    patterns = st.sampled_from(_patterns(element))
    return st.one_of(patterns, st.lists(code, min_size=1, max_size=6).map(tuple))


@st.composite
def drawn_tensors(draw: DrawFn, elements: SearchStrategy[ElementType], views: bool) -> DrawnTensor:
    """One tensor of one of the element types; with `views`, in any layout that its storage allows."""
    element = draw(elements)
    free = views and element.bits % 8 == 0
    layout = view(draw) if free else contiguous(draw, element)
    return DrawnTensor(
        name=draw(NAMES),
        element=element,
        shape=layout.shape,
        values=draw(values_of(element)),
        numel=layout.numel + (slack(draw) if free else 0),
        storage_offset=layout.offset,
        stride=layout.stride,
    )
