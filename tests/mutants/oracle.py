"""What every vector says, as a question to a loader: does it make of the file what the vector says?

`first_wrong` asks vector by vector and stops at the first that a loader gets wrong: the loader is then known to be
wrong by the vectors alone. Mutation testing of the reference asks nothing else.
"""

from __future__ import annotations

import atexit
import functools
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from endianproof.spec import load_spec
from endianproof.vectors import load_vectors

__all__ = ["questions", "wrong"]


@dataclass(frozen=True)
class Question:
    """One vector's file, and what may come of it: tensors, or the rule that refuses it."""

    id: str
    path: Path
    answers: tuple
    size: int


def _expected(vector):
    return {t.name: (t.dtype, t.shape, t.canonical) for t in vector.tensors}


def _answers(vector):
    tensors, rule = _expected(vector), vector.rules[0]
    if vector.verdict == "may":
        ways = {vector.policy.accept: tensors, vector.policy.reject: rule}
        recommended = vector.policy.recommended
        return tuple(ways.values()) if recommended is None else (ways[recommended],)
    return (tensors,) if vector.verdict == "accept" else (rule,)


@functools.cache
def questions():
    """One per vector, in the manifests' order."""
    return (*(Question(v.id, v.path, _answers(v), v.size) for v in load_vectors()), *_misnamed())


def _misnamed():
    """The smallest vector of each format with a tensor, under a name that does not say the format: its bytes must.

    Once the name has no extension, and once that of another format.
    """
    folder = Path(tempfile.mkdtemp(prefix="endianproof-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    names = list(load_spec().formats)
    for name, other in zip(names, [*names[-1:], *names], strict=False):
        vectors = (v for v in load_vectors() if v.format == name and v.verdict != "reject" and v.tensors)
        vector = min(vectors, key=lambda v: v.size)
        for called in (name, f"{name}.{load_spec().formats[other].extension}"):
            shutil.copy(vector.path, folder / called)
            yield Question(f"{vector.id} as {called}", folder / called, _answers(vector), vector.size)


def _numpy_bytes(tensor):
    """The bytes of the numpy array as canonical ones: what `numpy()` gives must be the same elements."""
    array = np.ascontiguousarray(tensor.numpy())
    unit = load_spec().element_types[tensor.dtype].swap_unit
    swap = unit > 1 and not array.dtype.isnative
    codes = array.view(f"u{unit}") if array.size else array
    return (codes.byteswap() if swap else codes).tobytes()


def _answer(question, reference):
    """What a reference makes of a file: its tensors, or the rule by which it refuses, at a byte of the file."""
    try:
        tensors = reference.load(question.path)
        found = {name: (t.dtype, t.shape, bytes(t.canonical)) for name, t in tensors.items()}
    except reference.SpecViolation as violation:
        return violation.rule if 0 <= violation.offset <= question.size else "a byte outside the file"
    for name, tensor in tensors.items():
        if tensor.name != name:
            return f"{name!r} is called {tensor.name!r}"
        canonical = found[name][2]
        # numpy ends at 32 or 64 sizes, and cannot hold every shape that has no elements.
        in_numpy = (
            canonical and len(tensor.shape) < 32 and tensor.element.bits % 8 == 0 and tensor.dtype != "complex32"
        )
        if in_numpy and _numpy_bytes(tensor) != canonical:
            return f"numpy() of {name!r} has other elements"
    return found


def wrong(question, reference):
    """Whether a reference answers a question wrong; whatever else it raises is wrong."""
    try:
        return _answer(question, reference) not in question.answers
    except Exception:  # noqa: BLE001 (a loader made wrong on purpose may raise anything)
        return True
