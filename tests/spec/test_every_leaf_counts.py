"""The specification is executable: change any leaf of its YAML that is not prose, and something changes with it.

A changed leaf must be refused by the reader, or change a golden vector, or change what the reference makes of one.
What is prose is declared in spec/prose.yaml. Vectors that are too large to ship are described, not built, here.
"""

from __future__ import annotations

import functools
from collections import Counter
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path

import pytest
import yaml
from consequences import Observed
from leaves import mutations, walk

import endianproof.spec
from endianproof.spec import SpecError
from endianproof.spec._reader import ROOM, read_documents, spec_of, validate_document

PROSE = yaml.safe_load((Path(endianproof.spec.__file__).parent / "prose.yaml").read_text(encoding="utf-8"))
DOCUMENTS = read_documents(ROOM)
FILES = [file for file in DOCUMENTS if file != "prose.yaml"]
# So many pieces that several processes finish together; a section with many leaves has them all.
PIECES, FEW = 4, 600


def _sections():
    """Every file by its sections, the document's own keys among them; a long one in pieces."""
    for file in FILES:
        made = list(mutations(file, DOCUMENTS[file], PROSE))
        count = Counter(mutation.section for mutation in made)
        for section, many in count.items():
            pieces = PIECES if many > FEW else 1
            yield from ((file, section, piece, pieces) for piece in range(pieces))


@pytest.fixture(scope="module")
def observed():
    found = Observed(DOCUMENTS)
    yield found
    found.close()


@pytest.mark.parametrize(("file", "section", "piece", "pieces"), list(_sections()))
def test_a_changed_leaf_has_a_consequence(observed, file, section, piece, pieces):
    ours = [m for m in mutations(file, DOCUMENTS[file], PROSE) if m.section == section]
    tried = ours[piece::pieces]
    without = [str(mutation) for mutation in tried if observed.consequence(mutation) is None]
    assert tried
    assert not without, (
        "nothing changes with these: make a vector or the reader depend on them, remove them, or declare them "
        "prose in spec/prose.yaml"
    )


@pytest.mark.parametrize(("name", "pattern"), [(name, pattern) for name in PROSE for pattern in PROSE[name]])
def test_what_is_declared_prose_is_there(name, pattern):
    parts = pattern.split("/")
    paths = [path for file in DOCUMENTS if fnmatchcase(file, name) for path, _ in walk(DOCUMENTS[file])]
    assert any(len(path) == len(parts) and all(map(fnmatchcase, map(str, path), parts)) for path in paths), (
        f"spec/prose.yaml: no field of {name} is at {pattern}: remove it"
    )


def _leaf(file, section):
    """The deepest leaf of a section, so that it is within one vector where the section has vectors."""
    found = (m for m in mutations(file, DOCUMENTS[file], PROSE) if m.section == section)
    return max(found, key=lambda mutation: len(mutation.path), default=None)


@pytest.mark.parametrize("section", ["canonical", "conversions", "layout", "saves", "vectors"])
def test_a_leaf_without_a_consequence_would_be_found(observed, section):
    """The experiment itself: a change to what is there already, as of a key that nothing reads, survives."""
    found = [mutation for mutation in (_leaf(file, section) for file in FILES) if mutation]
    assert found
    for mutation in found:
        same = functools.reduce(lambda node, part: node[part], mutation.path, mutation.original)
        noticed = observed.consequence(replace(mutation, value=same))
        assert noticed is None, f"{mutation.file}: {mutation.path}"


@pytest.mark.parametrize("file", FILES)
def test_what_is_read_in_part_is_refused_as_the_whole_is(observed, file):
    made = list(mutations(file, DOCUMENTS[file], PROSE))
    for mutation in made[:: len(made) // 8 + 1]:
        documents = {**DOCUMENTS, file: mutation.document}
        assert _refused(observed.rereading.read, mutation) == _refused(_read_whole, documents), mutation


def _read_whole(documents):
    for name in documents:
        validate_document(name, documents)
    return spec_of(documents)


def _refused(read, given):
    try:
        read(given)
    except SpecError:
        return True
    return False
