"""What the specification's tables name is in the golden files, and those hold nothing that no table names.

The files are taken apart by zipfile, tarfile and pickletools alone.
"""

from __future__ import annotations

import contextlib
import functools
import io
import pickletools
import tarfile
import zipfile

import pytest

from endianproof.spec import load_spec
from endianproof.vectors import load_vectors

SPEC = load_spec()
TORCH = [name for name, form in SPEC.formats.items() if "pickle" in form.layout]
# A legacy stream begins with five pickles; a member of a tar file has one, and what is behind it is no pickle.
PICKLES = {"torch-legacy": 5}


def zipped(data):
    with zipfile.ZipFile(data) as archive:
        return [archive.read(name) for name in archive.namelist() if name.endswith(".pkl")]


def tarred(data):
    with tarfile.open(fileobj=data) as archive:
        files = [archive.extractfile(member) for member in archive]
        return [file.read() for file in files if file]


HOLDERS = {
    "torch-zip": zipped,
    "torchscript": zipped,
    "torch-tar": tarred,
    "torch-legacy": lambda data: [data.read()],
}
# What the standard library says of a file, or a pickle, that it cannot read.
UNREADABLE = (zipfile.BadZipFile, tarfile.TarError, NotImplementedError, EOFError, OSError, KeyError, ValueError)


def operations(data, count):
    """The opcodes of so many pickles, one behind the other, as far as they go."""
    stream = io.BytesIO(data)
    with contextlib.suppress(*UNREADABLE):
        for _ in range(count):
            yield from ((opcode.name, argument) for opcode, argument, _ in pickletools.genops(stream))


def said(vector):
    """The opcodes of a vector's pickles, and the globals that they name."""
    opcodes, names, texts = set(), set(), ["", ""]
    found = []
    with contextlib.suppress(*UNREADABLE):
        found = HOLDERS[vector.format](io.BytesIO(vector.path.read_bytes()))
    for data in found:
        for name, argument in operations(data, PICKLES.get(vector.format, 2)):
            opcodes.add(name)
            names |= (
                {argument} if name == "GLOBAL" else {" ".join(texts[-2:])} if name == "STACK_GLOBAL" else set()
            )
            texts += [argument] if isinstance(argument, str) else []
    return opcodes, names


@functools.cache
def seen():
    """The vectors of torch's formats that need not be refused, each with its opcodes and globals."""
    return [
        (vector, *said(vector))
        for vector in load_vectors()
        if vector.format in TORCH and vector.verdict != "reject"
    ]


def opcodes_of(layout):
    return {*layout["pickle"]["opcodes"], *layout["pickle"]["other_opcodes"]}


def globals_of(form):
    """The globals of a format by what its tables call them, as pickles name them: module, space, name."""
    pickle, script = form.layout["pickle"], form.layout.get("script", {})
    harmless = pickle["harmless"]
    tables = (pickle["globals"], harmless["functions"], harmless["values"], script.get("functions", {}))
    classes = (
        pickle["storage_classes"],
        pickle["quantized_classes"],
        form.layout.get("tensor_classes", {}),
        script.get("storage_classes", {}),
    )
    return {name for table in tables for name in table.values()} | {
        f"torch {name}" for table in (*classes, form.element_types) for name in table
    }


def test_every_opcode_of_the_tables_is_in_a_vector():
    used = set().union(*(opcodes for _, opcodes, _ in seen()))
    assert used
    for name in TORCH:
        assert opcodes_of(SPEC.formats[name].layout) - used == set()


def test_every_global_of_the_tables_is_in_a_vector():
    used = set().union(*(names for _, _, names in seen()))
    assert used
    for name in TORCH:
        assert globals_of(SPEC.formats[name]) - used == set()


def test_a_table_that_one_format_has_for_itself_is_used_by_its_own_vectors():
    script, tar = SPEC.formats["torchscript"].layout["script"], SPEC.formats["torch-tar"].layout
    tables = {
        "torchscript": {*script["functions"].values(), *(f"torch {one}" for one in script["storage_classes"])},
        "torch-tar": {f"torch {one}" for one in tar["tensor_classes"]},
    }
    for name, table in tables.items():
        used = set().union(*(names for vector, _, names in seen() if vector.format == name))
        assert table - used == set()


@pytest.mark.parametrize("name", [name for name in TORCH if name != "torch-tar"])
def test_a_vector_that_every_loader_must_read_has_no_opcode_and_no_global_beside_the_tables(name):
    form = SPEC.formats[name]
    script = form.layout.get("script", {})
    module = script.get("module", "no module")
    known = opcodes_of(form.layout), globals_of(form)
    accepted = [found for found in seen() if found[0].format == name and found[0].verdict == "accept"]
    assert accepted
    for vector, opcodes, names in accepted:
        assert opcodes - known[0] == set(), vector.id
        # The classes of a TorchScript archive are its own: it carries their source.
        assert {one for one in names - known[1] if not one.startswith(module)} == set(), vector.id


@pytest.mark.parametrize("form", SPEC.formats.values(), ids=lambda form: form.name)
def test_every_element_type_that_a_format_can_hold_is_in_a_tensor(form):
    held = set(form.layout.get("tensor_classes", form.element_types).values())
    tested = {tensor.dtype for vector in load_vectors() if vector.format == form.name for tensor in vector.tensors}
    assert held - tested == set()
