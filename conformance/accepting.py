"""`--accept`: how a loader gives an element type that its framework has not, where the user says so.

    bfloat16=uint16    the bits under the name of an integer of the same width
    bfloat16=float32   widened: the bits in front, zeros behind
    lists=values       plain lists of numbers, which have no element type

What is stated is undone, and the rest is judged as ever: bit by bit, NaN payloads too, except in lists, whose NaN
are all one. Nothing that came so passes without a note. A widening is known from the specification's bit fields:
the wide type begins with the narrow one's, so that no arithmetic is needed either way.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from endianproof.conformance.elements import codes_of, scalar_of, show, to_canonical
from endianproof.conformance.finding import Finding, Judgement
from endianproof.conformance.plain_lists import PYTHON, codes_of_list
from endianproof.spec import load_spec

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from endianproof.conformance.outcome import LoadedTensor, Outcome
    from endianproof.spec import ElementType
    from endianproof.vectors import ExpectedTensor

__all__ = ["LISTS", "AcceptError", "Stated", "acceptable", "as_stated", "read_accepted", "said_of", "way_of"]

LISTS, VALUES = "lists", "values"
BY_VALUE = "lists by value, which show no element type and no NaN's payload"
MOST = 64 << 20  # bytes of a tensor that is widened here to compare digests


class AcceptError(Exception):
    """What the user says is no way to give an element type. The message says what was found and expected."""


@dataclass(frozen=True)
class Stated:
    """Two loads with what was stated undone; `note` says what came so, `faults` what was not as stated.

    `unjudged` says why nothing can be said, "" where something can.
    """

    first: Outcome
    second: Outcome | None
    note: str = ""
    faults: tuple[Judgement, ...] = ()
    unjudged: str = ""


def _is_prefix(narrow: ElementType, wide: ElementType) -> bool:
    """Whether the wide type's bits begin with the narrow one's: same sign and exponent, and a longer fraction."""
    if narrow.float_fields is None or wide.float_fields is None:
        return False
    ours, theirs = narrow.float_fields, wide.float_fields
    longer = theirs.fraction > ours.fraction
    return longer and replace(theirs, fraction=ours.fraction) == ours and ours.specials == "ieee"


def _shift(narrow: ElementType, wide: ElementType) -> int | None:
    """By how many bits an element is moved up in the other type; None where it is not given as that."""
    if narrow.component or narrow.name == wide.name:
        return None
    if wide.kind in {"int", "uint"} and wide.bits == narrow.bits:
        return 0
    return wide.bits - narrow.bits if _is_prefix(narrow, wide) else None


def acceptable(dtype: str, given: str) -> bool:
    """Whether `--accept=dtype=given` means something."""
    types = load_spec().element_types
    return dtype in types and given in types and _shift(types[dtype], types[given]) is not None


def said_of(dtype: str, given: str) -> str:
    """How a report calls it."""
    return BY_VALUE if dtype == LISTS else f"{dtype} as {given}"


def way_of(dtype: str, given: str) -> str:
    """What would have to be said for a tensor that came so to be judged; "" where nothing helps."""
    if given in PYTHON:
        return f"--accept={LISTS}={VALUES}"
    return f"--accept={dtype}={given}" if acceptable(dtype, given) else ""


def _choices(dtype: str) -> str:
    types = load_spec().element_types
    return " or ".join(name for name in types if acceptable(dtype, name)) or "nothing else"


def read_accepted(texts: Iterable[str]) -> Mapping[str, str]:
    """Read `TYPE=GIVEN`, several times. Raises AcceptError."""
    types, accepted = load_spec().element_types, dict[str, str]()
    for text in texts:
        dtype, _, given = text.partition("=")
        if dtype == LISTS:
            if given != VALUES:
                raise AcceptError(f"{text!r}: {LISTS}={VALUES} is all that there is of lists")
        elif dtype not in types:
            raise AcceptError(f"{text!r}: TYPE=GIVEN is expected, where TYPE is {', '.join(types)}, or {LISTS}")
        elif not acceptable(dtype, given):
            raise AcceptError(f"{text!r}: {dtype} can be given as {_choices(dtype)}, not as {given!r}")
        if accepted.setdefault(dtype, given) != given:
            raise AcceptError(f"{dtype} is given twice, as {accepted[dtype]} and as {given}")
    return MappingProxyType(accepted)


def as_stated(
    wanted: Iterable[ExpectedTensor], first: Outcome, second: Outcome | None, accepted: Mapping[str, str]
) -> Stated:
    """Undo in two loads what the user says of how tensors come. The second, digests alone, follows the first."""
    expected = {tensor.name: tensor for tensor in wanted}
    came = [_Came.of(expected.get(tensor.name), tensor, accepted) for tensor in first.tensors]
    if not any(one.way for one in came):
        return Stated(first, second)
    known = {_identity(one.raw): one.undone for one in came}
    notes = sorted({f"accepted, as you said: {one.way}" for one in came if one.way and not one.fault})
    return Stated(
        replace(first, tensors=tuple(one.undone for one in came)),
        second and replace(second, tensors=tuple(_followed(known, tensor) for tensor in second.tensors)),
        "; ".join(notes),
        tuple(one.fault for one in came if one.fault),
        next((one.unjudged for one in came if one.unjudged), ""),
    )


def _identity(tensor: LoadedTensor) -> tuple[str, str, tuple[int, ...], str]:
    return tensor.name, tensor.dtype, tensor.shape, tensor.sha256


def _followed(
    known: Mapping[tuple[str, str, tuple[int, ...], str], LoadedTensor], tensor: LoadedTensor
) -> LoadedTensor:
    undone = known.get(_identity(tensor))
    return replace(undone, data=None) if undone else tensor


@dataclass(frozen=True)
class _Came:
    """One tensor as it came and with what was stated undone; `way` is "" where nothing was."""

    raw: LoadedTensor
    undone: LoadedTensor
    way: str = ""
    fault: Judgement | None = None
    unjudged: str = ""

    @classmethod
    def of(cls, expected: ExpectedTensor | None, found: LoadedTensor, accepted: Mapping[str, str]) -> _Came:
        if expected is None:
            return cls(found, found)
        if found.dtype in PYTHON and LISTS in accepted:
            return cls._listed(expected, found)
        if found.dtype == expected.dtype or accepted.get(expected.dtype) != found.dtype:
            return cls(found, found)
        types = load_spec().element_types
        narrow, wide = types[expected.dtype], types[found.dtype]
        way, shift = said_of(narrow.name, wide.name), _shift(narrow, wide)
        assert shift is not None, "read_accepted took no other"
        if shift == 0:
            return cls(found, replace(found, dtype=narrow.name), way)
        return cls._digested(expected, found, way) if found.data is None else cls._widened(expected, found, way)

    @classmethod
    def _widened(cls, expected: ExpectedTensor, found: LoadedTensor, way: str) -> _Came:
        types = load_spec().element_types
        narrow, wide = types[expected.dtype], types[found.dtype]
        assert found.data is not None, "digests go another way"
        if len(found.data) % wide.itemsize:
            return cls(found, found)  # a malformed reply, which the judge knows
        codes, behind = codes_of(found.data, wide), wide.bits - narrow.bits
        stray = np.flatnonzero(codes & codes.dtype.type((1 << behind) - 1))
        if len(stray):
            return cls(found, found, way, _inexact(expected, found, codes[stray[0] : stray[0] + 1], int(stray[0])))
        return cls(
            found, _with_data(found, narrow.name, to_canonical(codes >> codes.dtype.type(behind), narrow)), way
        )

    @classmethod
    def _digested(cls, expected: ExpectedTensor, found: LoadedTensor, way: str) -> _Came:
        """Where only the digest came: it is held against that of the expected tensor, widened here."""
        types = load_spec().element_types
        narrow, wide = types[expected.dtype], types[found.dtype]
        if expected.nbytes > MOST:
            long = f"{expected.name!r} is so long that only its digest came, which says nothing of {way}"
            return cls(found, found, way, unjudged=long)
        codes = codes_of(expected.canonical, narrow).astype(f"<u{wide.itemsize}")
        widened = to_canonical(codes << codes.dtype.type(wide.bits - narrow.bits), wide)
        right = hashlib.sha256(widened).hexdigest() == found.sha256
        sha256 = expected.sha256 if right else found.sha256
        return cls(found, replace(found, dtype=narrow.name, sha256=sha256), way)

    @classmethod
    def _listed(cls, expected: ExpectedTensor, found: LoadedTensor) -> _Came:
        types = load_spec().element_types
        element, way = types[expected.dtype], BY_VALUE
        if found.data is None:
            return cls(found, found, way, unjudged=f"{expected.name!r} came as a list too long to be looked at")
        codes = codes_of_list(expected, found, types)
        if isinstance(codes, str):
            return cls(found, found, way, _unlisted(expected, codes))
        undone = _with_data(found, element.name, to_canonical(codes, element))
        return cls(found, replace(undone, shape=_shape_of(expected, found)), way)


def _shape_of(expected: ExpectedTensor, found: LoadedTensor) -> tuple[int, ...]:
    """A list's shape ends at the first size of 0: what would follow it is not written."""
    upto = expected.shape[: expected.shape.index(0) + 1] if 0 in expected.shape else expected.shape
    return expected.shape if found.shape == upto else found.shape


def _with_data(found: LoadedTensor, dtype: str, data: bytes) -> LoadedTensor:
    return replace(found, dtype=dtype, data=data, sha256=hashlib.sha256(data).hexdigest())


def _inexact(expected: ExpectedTensor, found: LoadedTensor, code: np.ndarray, number: int) -> Judgement:
    types = load_spec().element_types
    shown = show(code, scalar_of(types[found.dtype], types), 9)
    return Judgement(
        Finding.WRONG_VALUES,
        f"{found.dtype} with bits that no {expected.dtype} has: {expected.name!r}, number {number} is {shown}",
        (("what to do", f"widen by moving the bits: {expected.dtype}'s in front, zeros behind"),),
        diagnosis="inexact-widening",
        group=f"{found.dtype} with bits that no {expected.dtype} has",
    )


def _unlisted(expected: ExpectedTensor, what: str) -> Judgement:
    return Judgement(
        Finding.WRONG_VALUES,
        f"a list whose numbers are not {expected.dtype}'s: {expected.name!r}: {what}",
        (("what to do", f"return the value that each {expected.dtype} stands for"),),
        diagnosis="inexact-list",
        group="a list whose numbers are not the element type's",
    )
