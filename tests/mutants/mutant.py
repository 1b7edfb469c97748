"""One loader that is wrong on purpose, and how it becomes observations that can be judged."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from around import with_tensors
from right import observe, outcome, right, vectors_of
from variant import source, variant

from endianproof.spec import load_spec

if TYPE_CHECKING:
    from collections.abc import Callable

    from saver import Saver

__all__ = ["Mutant", "Seam", "SeamGoneError", "changed_source", "observations"]


class SeamGoneError(Exception):
    """The reference has no longer, or more than once, the source that a seam replaces."""


@dataclass(frozen=True)
class Seam:
    """A piece of the reference's source, which must stand in the file once, and what stands in its place."""

    file: str
    found: str
    put: str


@dataclass(frozen=True)
class Mutant:
    """One bug class: its name, what is wrong, the formats, what must become of it, and how it is made.

    `says` must stand in the first line of a report on a vector of one of `rules`; `bugs` are the real bugs of this
    class; `machine` is the byte order of the machine that it happens on. It is made in one of five ways: `seams`
    in the reference's source; `spoil`, a function of spoil.py over each tensor that was loaded right; `around`, a
    function of around.py over a whole load; `convert`, a function of convert.py. `save` makes it a saver.
    """

    id: str
    what: str
    formats: tuple[str, ...]
    says: str
    rules: tuple[str, ...]
    bugs: tuple[str, ...] = ()
    machine: str = "big"
    seams: tuple[Seam, ...] = ()
    spoil: Callable | None = None
    around: Callable | None = None
    convert: Callable | None = None
    save: Saver | None = None


def changed_source(mutant):
    """The changed modules of a mutant made by seams. Raises SeamGoneError."""
    files = {}
    for seam in mutant.seams:
        text = files.get(seam.file, source(seam.file))
        if text.count(seam.found) != 1:
            raise SeamGoneError(f"{mutant.id}: {text.count(seam.found)} times in {seam.file}: {seam.found}")
        files[seam.file] = text.replace(seam.found, seam.put)
    return files


def _by_seams(mutant, vectors):
    for vector in vectors:  # what is right is asked of the right package, before the changed one takes its place
        right(vector.id)
    with variant(changed_source(mutant)) as reference:
        for vector in vectors:
            yield vector, observe(vector, mutant.machine, outcome(vector, reference))


def _by_spoiling(mutant, vectors):
    for vector in vectors:
        spoiled = with_tensors(vector, mutant.machine, right(vector.id), mutant.spoil)
        yield vector, observe(vector, mutant.machine, spoiled)


def _around(mutant, vectors):
    for vector in vectors:
        yield vector, mutant.around(vector, mutant.machine, right(vector.id))


def observations(mutant):
    """What a mutant does with every vector of its formats that it treats otherwise than the right loader does."""
    way = _by_seams if mutant.seams else _by_spoiling if mutant.spoil else _around
    formats = load_spec().formats if mutant.formats == ("any",) else mutant.formats
    for vector, seen in way(mutant, vectors_of(formats)):
        plain = observe(vector, mutant.machine, right(vector.id))
        if replace(seen, vector=vector) != plain:
            yield vector, seen
