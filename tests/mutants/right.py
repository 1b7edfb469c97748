"""What the right loader makes of every vector: each vector is loaded once, and every mutant begins from that."""

from __future__ import annotations

import functools
import hashlib

import endianproof.reference
from endianproof.conformance.examine import Observation
from endianproof.conformance.outcome import LoadedTensor, Outcome, OutcomeKind
from endianproof.vectors import load_saves, load_vectors

__all__ = ["RECOMMENDED", "loaded_tensor", "observe", "outcome", "right", "vector_of", "vectors_of"]

# The matrix is judged by what the specification prefers, where it leaves a choice and prefers something.
RECOMMENDED = {
    task.policy.name: task.policy.recommended
    for task in (*load_vectors(), *load_saves())
    if task.policy and task.policy.recommended
}


def loaded_tensor(name, dtype, shape, data):
    """A tensor as a testee returns it."""
    return LoadedTensor(name, dtype, tuple(shape), hashlib.sha256(data).hexdigest(), bytes(data))


def outcome(vector, reference):
    """What a reference, right or wrong, makes of a vector; anything that it raises is a refusal."""
    try:
        found = reference.load(vector.path)
        tensors = tuple(loaded_tensor(t.name, t.dtype, t.shape, t.canonical) for t in found.values())
    except MemoryError:
        return Outcome(OutcomeKind.OUT_OF_MEMORY, message="MemoryError")
    except Exception as error:  # noqa: BLE001 (a loader made wrong on purpose may raise anything)
        rule = getattr(error, "rule", "")
        return Outcome(OutcomeKind.REJECTED, error_type=rule or type(error).__name__, message=str(error))
    return Outcome(OutcomeKind.LOADED, tensors)


@functools.cache
def right(vector_id):
    """What the reference makes of a vector. The refusal's `error_type` is its rule."""
    return outcome(vector_of(vector_id), endianproof.reference)


@functools.cache
def _by_id():
    return {vector.id: vector for vector in load_vectors()}


def vector_of(vector_id):
    """A vector by its id."""
    return _by_id()[vector_id]


def vectors_of(formats):
    """Every vector of these formats."""
    return tuple(vector for vector in load_vectors() if vector.format in formats)


def observe(vector, machine, first, second=None, *, unchanged=True):
    """Two loads of one vector, the second like the first unless it is given."""
    second = first if second is None and first.kind is OutcomeKind.LOADED else second
    return Observation(vector, machine, first, second, unchanged)
