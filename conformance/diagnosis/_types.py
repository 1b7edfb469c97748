"""Mistakes of type and shape: another element type than the file's, or the right elements in another form."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from endianproof.conformance.elements import codes_of, is_nan, scalar_of, show, values_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from endianproof.conformance.outcome import LoadedTensor
    from endianproof.spec import ElementType
    from endianproof.vectors import ExpectedTensor

__all__ = ["FormMistake", "explain_form"]


MOST_SIZES = 32  # of one array, in any numpy


@dataclass(frozen=True)
class FormMistake:
    """A tensor of another type or shape than expected: a permanent name, the report's first line, what to do."""

    name: str
    headline: str
    advice: str


def _example(expected: ExpectedTensor, found: LoadedTensor, types: Mapping[str, ElementType]) -> str:
    """The first element before and after, where both are known types with at least one element."""
    ours, theirs = types[expected.dtype], types.get(found.dtype)
    if theirs is None or found.data is None or not math.prod(expected.shape) or not found.data:
        return f"tensor {expected.name!r}"
    sides = ((expected.canonical, ours), (found.data, theirs))
    texts = [show(codes_of(data, t)[: 2 if t.component else 1], scalar_of(t, types)) for data, t in sides]
    return f"{texts[0]} came back as {texts[1]}"


def _same_bits(
    expected: ExpectedTensor, found: LoadedTensor, types: Mapping[str, ElementType]
) -> FormMistake | None:
    if found.dtype == expected.dtype or found.data is None or found.data != expected.canonical:
        return None
    return FormMistake(
        "wrong-dtype-same-bits",
        f"{found.dtype} in place of {expected.dtype}, with the same bits: {_example(expected, found, types)}",
        f"give the bits their type: view the data as {expected.dtype}",
    )


def _widened(
    expected: ExpectedTensor, found: LoadedTensor, types: Mapping[str, ElementType]
) -> FormMistake | None:
    ours, theirs = types[expected.dtype], types.get(found.dtype)
    if theirs is None or found.data is None or theirs.bits <= ours.bits or found.shape != expected.shape:
        return None
    scalars = scalar_of(ours, types), scalar_of(theirs, types)
    codes = codes_of(expected.canonical, ours), codes_of(found.data, theirs)
    if len(codes[0]) != len(codes[1]):
        return None
    values = [values_of(c, scalar) for c, scalar in zip(codes, scalars, strict=True)]
    skipped = is_nan(codes[0], scalars[0]) & is_nan(codes[1], scalars[1])
    if not np.array_equal(values[0][~skipped], values[1][~skipped]):
        return None
    return FormMistake(
        "widened",
        f"{expected.dtype} was widened to {found.dtype}: {_example(expected, found, types)}",
        f"keep the file's element type: as {found.dtype} the tensor takes {theirs.bits / ours.bits:g} times the "
        "memory, and NaN bits may be lost",
    )


def _other_type(
    expected: ExpectedTensor, found: LoadedTensor, types: Mapping[str, ElementType]
) -> FormMistake | None:
    if found.dtype == expected.dtype:
        return None
    return FormMistake(
        "wrong-dtype",
        f"{found.dtype} in place of {expected.dtype}: {_example(expected, found, types)}",
        f"take the element type from the file: it says {expected.dtype}",
    )


def _cut_short(
    expected: ExpectedTensor, found: LoadedTensor, types: Mapping[str, ElementType]
) -> FormMistake | None:
    del types
    counts = math.prod(expected.shape), math.prod(found.shape)
    if found.data is None or counts[1] >= counts[0] or not expected.canonical.startswith(found.data):
        return None
    return FormMistake(
        "cut-short",
        f"only {counts[1]} of {counts[0]} elements came back: shape {list(found.shape)} instead of "
        f"{list(expected.shape)}",
        "take the number of elements from the shape, and read them all",
    )


def _transposed(
    expected: ExpectedTensor, found: LoadedTensor, types: Mapping[str, ElementType]
) -> FormMistake | None:
    element = types[expected.dtype]
    if found.shape != expected.shape[::-1] or found.shape == expected.shape or not found.data or element.bits % 8:
        return None
    if len(found.shape) > MOST_SIZES:
        return None
    size = element.itemsize
    rows = np.frombuffer(expected.canonical, f"V{size}").reshape(expected.shape)
    if np.ascontiguousarray(rows.T).tobytes() != found.data:
        return None
    return FormMistake(
        "transposed",
        f"the tensor came back transposed: shape {list(found.shape)} instead of {list(expected.shape)}",
        "keep the file's order of sizes: the last index varies fastest",
    )


def _other_shape(
    expected: ExpectedTensor, found: LoadedTensor, types: Mapping[str, ElementType]
) -> FormMistake | None:
    del types
    if found.shape == expected.shape:
        return None
    return FormMistake(
        "wrong-shape",
        f"shape {list(found.shape)} instead of {list(expected.shape)}: tensor {expected.name!r}",
        "give the tensor the shape that the file says, [] for a single element without dimensions",
    )


FORMS: tuple[
    Callable[[ExpectedTensor, LoadedTensor, Mapping[str, ElementType]], FormMistake | None],
    ...,
] = (_same_bits, _widened, _other_type, _cut_short, _transposed, _other_shape)


def explain_form(
    expected: ExpectedTensor, found: LoadedTensor, types: Mapping[str, ElementType]
) -> FormMistake | None:
    """What is wrong with the tensor's element type or shape, the most telling answer first; None if nothing is.

    `types` are the specification's element types; a type found that is not among them is only named.
    """
    answers = (form(expected, found, types) for form in FORMS)
    return next((answer for answer in answers if answer), None)
