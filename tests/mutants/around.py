"""Mistakes made on purpose around a load: the file, the second load, the process, the list of tensors.

Each takes the vector, the machine's byte order and the right outcome, and returns an `Observation`.
"""

from __future__ import annotations

import functools
import hashlib
from dataclasses import replace

from right import loaded_tensor, observe, right, vector_of
from spoil import Read, not_swapped

from endianproof.conformance.outcome import Outcome, OutcomeKind
from endianproof.spec import load_spec

REFUSED = OutcomeKind.REJECTED


def reads(vector, machine, right):
    """Every tensor of a right outcome, ready to be spoiled."""
    return _reads(vector.id, machine) if right.tensors else ()


@functools.cache
def _reads(vector_id, machine):
    return tuple(_made(vector_of(vector_id), machine, right(vector_id)))


def _made(vector, machine, right):
    tensors = {tensor.name: tensor for tensor in vector.tensors}
    file = vector.path.read_bytes()
    for number, got in enumerate(right.tensors):
        yield Read(tensors[got.name], got.data, file, machine, vector.tensors, number)


def with_tensors(vector, machine, right, spoiler):
    """The outcome with every tensor spoiled."""
    found = ((read, spoiler(read)) for read in reads(vector, machine, right))
    tensors = [read.returned(data=made) if isinstance(made, bytes) else made for read, made in found]
    return replace(right, tensors=tuple(tensor for tensor in tensors if tensor is not None))


def swapped_in_cache(vector, machine, right):
    """The first load swaps the cached buffer in place; the second swaps it again."""
    return observe(vector, machine, right, with_tensors(vector, machine, right, not_swapped))


def _random(read, seed):
    return hashlib.shake_128(f"{read.tensor.name} {seed}".encode()).digest(len(read.data))


def uninitialised(vector, machine, right):
    """complex128 has no case in the switch: the buffer is never filled."""

    def of(seed):
        return lambda read: _random(read, seed) if read.tensor.dtype == "complex128" else read.data

    first, second = (with_tensors(vector, machine, right, of(seed)) for seed in (1, 2))
    return observe(vector, machine, first, second)


def tail_uninitialised(vector, machine, right):
    """The last element of what is longer than a cache line is left as it was."""

    def of(seed):
        def spoiler(read):
            size = read.element.bits // 8
            return read.data[:-size] + _random(read, seed)[:size] if len(read.data) > 64 and size else read.data

        return spoiler

    first, second = (with_tensors(vector, machine, right, of(seed)) for seed in (1, 2))
    return observe(vector, machine, first, second)


def file_modified(vector, machine, right):
    """The file is mapped for writing, and swapped where it lies."""
    foreign = any(read.foreign and read.data for read in reads(vector, machine, right))
    return observe(vector, machine, right, unchanged=not foreign)


def unaligned_refused(vector, machine, right):
    """What does not lie at a multiple of its element's size is refused."""
    bad = [t.name for t in vector.tensors if t.at % max(1, Read(t, b"", b"", machine, (), 0).element.bits // 8)]
    return observe(
        vector, machine, Outcome(REFUSED, error_type="ValueError", message="unaligned") if bad else right
    )


def unaligned_crashes(vector, machine, right):
    """As above, by a processor that does not allow it."""
    if unaligned_refused(vector, machine, right).first is right:
        return observe(vector, machine, right)
    return observe(vector, machine, Outcome(OutcomeKind.CRASHED, message="signal SIGBUS"))


def bfloat16_refused(vector, machine, right):
    """There is no way to swap this type, or no entry for it in a table."""
    named = any(t.dtype == "bfloat16" for t in vector.tensors)
    failure = Outcome(REFUSED, error_type="TypeError", message="Got unsupported ScalarType BFloat16")
    return observe(vector, machine, failure if named else right)


def untyped_refused(vector, machine, right):
    """What has no storage class of its own cannot be opened."""
    typed = load_spec().formats[vector.format].layout["pickle"]["storage_classes"].values()
    bad = any(t.dtype not in typed for t in vector.tensors)
    failure = Outcome(REFUSED, error_type="AttributeError", message="'UntypedStorage' has no attribute 'dtype'")
    return observe(vector, machine, failure if bad else right)


def one_byte_floats_refused(vector, machine, right):
    named = any(t.dtype.startswith(("float8", "float4", "float6")) for t in vector.tensors)
    failure = Outcome(REFUSED, error_type="TypeError", message="Got unsupported ScalarType Float8_e4m3fn")
    return observe(vector, machine, failure if named else right)


def metadata_listed(vector, machine, right):
    """`__metadata__` comes back among the tensors."""
    if b'"__metadata__"' not in vector.path.read_bytes()[:4096]:
        return observe(vector, machine, right)
    extra = loaded_tensor("__metadata__", "uint8", (0,), b"")
    return observe(vector, machine, replace(right, tensors=(*right.tensors, extra)))


def pickle_executed(vector, machine, right):
    """A pickle that names a function beyond the format's has it called."""
    ran = right.error_type == "PT-PKL-01"
    failure = Outcome(REFUSED, error_type="TypeError", message="no tensor", ran_code=True)
    return observe(vector, machine, failure if ran else right)
