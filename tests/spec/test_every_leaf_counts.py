"""The specification is executable: change any leaf of its YAML that is not prose, and something changes with it.

A changed leaf must be refused by the reader, or change a golden vector, or change what the reference makes of one.
What is prose is declared in spec/prose.yaml. Vectors that are too large to ship are described, not built, here.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from pathlib import Path

import pytest
import yaml
from consequences import Observed
from leaves import mutations, walk

import endianproof.spec
from endianproof.spec._reader import ROOM, read_documents

PROSE = yaml.safe_load((Path(endianproof.spec.__file__).parent / "prose.yaml").read_text(encoding="utf-8"))
DOCUMENTS = read_documents(ROOM)
# These are held to it today. The formats and the shared part follow as their leaves are mended.
FILES = ["bugs.yaml", "byte_order.yaml", "element_types.yaml"]
# So many pieces that two processes finish together.
PIECES = 2


@pytest.fixture(scope="module")
def observed():
    found = Observed()
    yield found
    found.close()


@pytest.mark.parametrize("piece", range(PIECES))
@pytest.mark.parametrize("file", FILES)
def test_a_changed_leaf_has_a_consequence(observed, file, piece):
    tried = [m for at, m in enumerate(mutations(file, DOCUMENTS[file], PROSE)) if at % PIECES == piece]
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


def test_a_leaf_without_a_consequence_would_be_found(observed):
    """The experiment itself: a key that nothing reads survives."""
    mutation = next(m for m in mutations("byte_order.yaml", DOCUMENTS["byte_order.yaml"], PROSE))
    harmless = type(mutation)("byte_order.yaml", ("canonical",), "nothing", DOCUMENTS["byte_order.yaml"])
    assert observed.consequence(mutation) is not None
    assert observed.consequence(harmless) is None
