"""Named patterns of values: tensors that cannot look right when they are read wrong."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, overload

from endianproof.spec import load_spec
from endianproof.vectors._codes import ByteOrder, code_of, component_of, encode, is_finite, narrow, special_codes
from endianproof.vectors._sparse import run

if TYPE_CHECKING:
    from collections.abc import Iterator

    from endianproof.spec import ElementType
    from endianproof.vectors._sparse import Data

__all__ = ["ZerosFirst", "canonical_pattern", "codes_for", "encode_all"]

# No file has as many elements one by one: a slip in a shape is told before it takes all memory.
_MOST = 1 << 24


def _is_telling(element: ElementType, code: int) -> bool:
    """Finite, not zero, and another code when its bytes are swapped by any unit."""
    if code == 0 or (element.float_fields and not is_finite(element, code)):
        return False
    if element.bits <= 8:
        return True
    data = code.to_bytes(element.itemsize, "big")
    units = [unit for unit in (2, 4, 8) if unit <= len(data)]
    return all(b"".join(data[at : at + unit][::-1] for at in range(0, len(data), unit)) != data for unit in units)


def _count_up(element: ElementType) -> Iterator[int]:
    settings = load_spec().patterns["distinct"].settings
    modulus, step = 1 << element.bits, settings["step"][element.bits]
    code = code_of(element, 1) if element.kind == "float" else settings["first"][element.bits]
    while True:
        if _is_telling(element, code):
            yield code
        code = (code + step) % modulus


def _distinct(element: ElementType, count: int) -> list[int]:
    if element.kind == "bool":
        # Only two codes: the parity of the index's bits never repeats a block, so that a shift shows.
        return [(index.bit_count() + 1) % 2 for index in range(count)]
    part = component_of(element)
    source = _count_up(part)
    if not element.component:
        return [next(source) for _ in range(count)]
    return [next(source) | next(source) << part.bits for _ in range(count)]


def _all(element: ElementType, count: int) -> list[int]:
    first = load_spec().patterns["all"].settings["first"]
    return [(first + index) % (1 << element.bits) for index in range(count)]


def _walking(element: ElementType, count: int) -> list[int]:
    first = load_spec().patterns["walking"].settings["first_bit"]
    return [1 << (first + index) % element.bits for index in range(count)]


def _special(element: ElementType, count: int) -> list[int]:
    codes = special_codes(element)
    return [codes[index % len(codes)] for index in range(count)]


_PATTERNS = {"all": _all, "distinct": _distinct, "special": _special, "walking": _walking}


@dataclass(frozen=True)
class ZerosFirst(Sequence[int]):
    """Codes that begin with more zeros than one would write out."""

    zeros: int
    rest: tuple[int, ...]

    def __len__(self) -> int:
        return self.zeros + len(self.rest)

    @overload
    def __getitem__(self, index: int) -> int: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[int, ...]: ...
    def __getitem__(self, index: int | slice) -> int | tuple[int, ...]:
        places = range(len(self))[index]
        if isinstance(places, range):
            return tuple(self[place] for place in places)
        return 0 if places < self.zeros else self.rest[places - self.zeros]


def _converted(element: ElementType, source: str, target: str) -> list[int]:
    """The codes of a conversion's cases, or for its target what they become, in the specification's order."""
    types = load_spec().element_types
    cases = [case for case in load_spec().conversions if (case.source, case.target) == (source, target)]
    if not cases or element.name not in (source, target):
        raise ValueError(f"there is no conversion from {source} to {target} with values of {element.name}")
    if element.name == source:
        return [case.code for case in cases]
    nans = (narrow(case.code, types[source], types[target]) for case in cases)
    return [nan if case.result is None else case.result for case, nan in zip(cases, nans, strict=True)]


@functools.lru_cache(maxsize=64)
def _beginning(element: ElementType, name: str, count: int) -> tuple[int, ...]:
    """The first codes of a pattern, kept: tensors that share a pattern ask for it piece by piece."""
    return tuple(_PATTERNS[name](element, count))


def codes_for(
    element: ElementType,
    values: str | Mapping[str, str] | Sequence[int],
    count: int,
    zeros: int = 0,
    skip: int = 0,
) -> Sequence[int]:
    """`count` codes: of the named pattern, of a conversion's cases (`{from, to}`), or the given ones, repeated.

    The first `zeros` of them are 0; `skip` codes of the pattern are left out before the first. Raises ValueError
    for a name or a conversion that does not exist, and for more codes than memory is for.
    """
    if count - zeros > _MOST:
        raise ValueError(f"{count} elements are too many to write out: say how many of them are `leading_zeros`")
    if zeros:
        return ZerosFirst(zeros, tuple(codes_for(element, values, count - zeros, skip=skip)))
    if isinstance(values, Mapping):
        values = _converted(element, values["from"], values["to"])
    if isinstance(values, str):
        if values not in _PATTERNS or values not in load_spec().patterns:
            raise ValueError(f"{values!r} is no pattern; there are {', '.join(load_spec().patterns)}")
        # Made up to the next power of two, so that the pieces of one sequence are cut from one tuple.
        return _beginning(element, values, 1 << (skip + count).bit_length())[skip : skip + count]
    return tuple(values[index % len(values)] for index in range(skip, skip + count))


def encode_all(element: ElementType, codes: Sequence[int], order: ByteOrder) -> Data:
    """The bytes of codes, the many zeros before them as a run. Raises ValueError where those end within a byte."""
    if not isinstance(codes, ZerosFirst):
        return encode(element, codes, order)
    zeros = element.nbytes(codes.zeros)
    if zeros is None:
        raise ValueError(f"{codes.zeros} elements of {element.name} do not fill whole bytes")
    return run(0, zeros) + encode(element, codes.rest, order)


@functools.lru_cache(maxsize=32)
def canonical_pattern(element: ElementType, name: str, count: int, skip: int = 0) -> bytes:
    """The canonical bytes of `count` elements of the named pattern, after `skip` that are left out."""
    return encode(element, codes_for(element, name, count, skip=skip), "little")
