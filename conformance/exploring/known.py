"""Which failures of drawn files a baseline records: those of the vectors that are like the file.

An entry speaks of vectors, and a drawn file is none. So that an entry for one odd vector does not silence what has
nothing to do with it, a whole file's failure is known only where most vectors of one of its element types, in its
byte order, fail in that way.
"""

from __future__ import annotations

import functools
from collections import defaultdict
from typing import TYPE_CHECKING

from endianproof.vectors import load_vectors

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from endianproof.conformance.baseline import Baseline, RunConditions
    from endianproof.conformance.exploring.failure import Failure
    from endianproof.vectors import ExpectedTensor, Vector

__all__ = ["is_known"]


def is_known(failure: Failure, baseline: Baseline | None, run: RunConditions) -> bool:
    """Whether the baseline records this failure of vectors that are like the file."""
    if baseline is None:
        return False
    return any(
        2 * sum(baseline.foresees(failure.judgement, [vector], run) for vector in vectors) >= len(vectors)
        for vectors in _alike(failure)
    )


def _alike(failure: Failure) -> Iterator[Sequence[Vector]]:
    """Groups of vectors that are like the file: most of one must be known to fail as it does.

    A file that is to be refused is like each vector of its rule, and a damaged one that is still valid like each
    that has no other element types. A whole one is like the vectors of each of its element types.
    """
    rule, file = failure.expectation.rule, failure.file
    vectors = (vector for vector in load_vectors() if vector.format == file.format)
    if rule:
        yield from ([vector] for vector in vectors if rule in vector.rules)
    elif file.damages:
        own = failure.dtypes
        yield from ([v] for v in vectors if v.tensors and {tensor.dtype for tensor in v.tensors} <= own)
    else:
        plain = _plain(file.format)
        yield from (plain[one] for one in _types(failure.expectation.tensors) if one in plain)


def _types(tensors: Iterable[ExpectedTensor]) -> set[tuple[str, str]]:
    """Element types, each with its byte order in the file."""
    return {(tensor.dtype, tensor.byte_order) for tensor in tensors}


@functools.cache
def _plain(form_name: str) -> Mapping[tuple[str, str], Sequence[Vector]]:
    """A format's vectors that must be loaded and have one element type in one byte order, by these."""
    found = defaultdict(list)
    for vector in load_vectors():
        types = _types(vector.tensors)
        if vector.format == form_name and vector.verdict == "accept" and len(types) == 1:
            found[types.pop()].append(vector)
    return found
