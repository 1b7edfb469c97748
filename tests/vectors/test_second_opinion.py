"""The encoder against independent readers of what it writes: the standard library, numpy, torch, safetensors.

Golden bytes come from the specification alone; these tests say where others read them as meant.
"""

from __future__ import annotations

import fnmatch
import functools
import io
import pickletools
import zipfile
import zlib
from pathlib import Path

import opinions
import pytest
import yaml

from endianproof.spec import load_spec
from endianproof.vectors import load_vectors
from endianproof.vectors._zip import Archive, Record, _deflated, write_zip

TABLE = yaml.safe_load(Path(__file__).with_name("disagreements.yaml").read_text(encoding="utf-8"))
ACCEPTED = [vector for vector in load_vectors() if vector.verdict == "accept"]
ZIPS = [vector for vector in ACCEPTED if vector.format == "torch-zip"]


def test_zipfile_finds_every_archive_whole():
    for vector in ZIPS:
        with zipfile.ZipFile(vector.path) as archive:
            assert archive.testzip() is None, vector.id


def test_pickletools_reads_every_pickle():
    for vector in ZIPS:
        with zipfile.ZipFile(vector.path) as archive:
            name = next(name for name in archive.namelist() if name.endswith("/data.pkl"))
            pickletools.dis(archive.read(name), out=io.StringIO())


@pytest.mark.parametrize("data", [b"", b"a", bytes(range(256)), b"\x00" * 1000])
def test_our_deflate_is_deflate(data):
    assert zlib.decompress(_deflated(data), -15) == data


@pytest.mark.parametrize("zip64", ["always", "none", "fields", "local"])
@pytest.mark.parametrize("descriptors", ["signed", "bare", "wide", "none"])
@pytest.mark.parametrize("alignment", [0, 1, 64])
def test_archives_of_every_kind_are_read_by_zipfile(zip64, descriptors, alignment):
    layout = load_spec().formats["torch-zip"].layout["zip"]
    records = [Record("f/a", b"abc"), Record("f/b", b"d" * 100, "deflated"), Record("f/\u00e9", b"")]
    written = write_zip(records, Archive(alignment, zip64, descriptors, b"note"), layout)
    data, places = written.data, written.places
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        assert [(name, archive.read(name)) for name in archive.namelist()] == [(r.name, r.data) for r in records]
        assert archive.comment == b"note"
    assert data[places["f/a"] :].startswith(b"abc")
    assert not alignment or all(place % alignment == 0 for place in places.values())


def covers(entry, vector):
    types = [t for t in vector.tensors if t.byte_order == entry.get("byte_order", t.byte_order)]
    return (
        entry["opinion"] in opinions.asked(vector)
        and fnmatch.fnmatchcase(vector.id, entry.get("vectors", "*"))
        and ("dtypes" not in entry or any(tensor.dtype in entry["dtypes"] for tensor in types))
    )


@functools.cache
def said():
    """What each opinion makes of each vector that may be loaded; where one that may be refused is, nothing."""
    found = {}
    for vector in load_vectors():
        for name in opinions.asked(vector) if vector.verdict != "reject" else ():
            what = opinions.opinion(name, vector)
            if what is not None and (vector.verdict, what) != ("may", "refuses"):
                found[vector.id, name] = what
    return found


VECTORS = {vector.id: vector for vector in load_vectors()}


def test_the_reference_agrees_on_every_accepted_vector():
    assert {what for (_, name), what in said().items() if name == "reference"} == {"agrees"}


def test_every_vector_that_the_reference_loads_has_the_agreement_of_an_independent_reader():
    """One without the reference's author: a real loader, or the standard library and numpy."""
    agreed = {vector for (vector, name), what in said().items() if what == "agrees" and name != "reference"}
    loaded = {vector for (vector, name), what in said().items() if what == "agrees" and name == "reference"}
    assert loaded >= {vector.id for vector in ACCEPTED}
    assert sorted(loaded - agreed) == []


def test_every_disagreement_stands_in_the_table_and_the_table_holds_no_other():
    expected = {
        (vector, name): entry["does"]
        for vector, name in said()
        for entry in TABLE
        if entry["opinion"] == name and covers(entry, VECTORS[vector])
    }
    assert {key: what for key, what in said().items() if what != "agrees"} == expected


def test_every_entry_of_the_table_covers_something_and_says_why():
    for entry in TABLE:
        assert set(entry) <= {"vectors", "dtypes", "byte_order", "opinion", "does", "why"}
        assert entry["does"] in ("refuses", "other-values", "other-form")
        assert len(entry["why"]) > 40
        assert any(covers(entry, VECTORS[vector]) for vector, name in said() if name == entry["opinion"]), entry


@pytest.mark.parametrize("name", sorted(opinions.OWN))
def test_the_standard_librarys_opinion_notices_a_wrong_byte(name, tmp_path):
    """An opinion that agreed with everything would say nothing."""
    from dataclasses import replace

    valid = [v for v in load_vectors() if v.format == name and v.verdict != "reject"]
    vector = next(v for v in valid if [t.dtype for t in v.tensors] == ["float32"])
    data = bytearray(vector.path.read_bytes())
    data[vector.tensors[0].at] ^= 1
    path = tmp_path / vector.path.name
    path.write_bytes(data)
    assert opinions.opinion("standard library", vector) == "agrees"
    assert opinions.opinion("standard library", replace(vector, path=path)) in ("other-values", "refuses")
