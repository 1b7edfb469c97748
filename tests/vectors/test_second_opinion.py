"""The encoder against independent readers of what it writes: Python's zipfile and pickletools, torch, safetensors.

Golden bytes come from the specification alone; these tests say that others read them as meant.
"""

from __future__ import annotations

import io
import pickletools
import zipfile
import zlib

import pytest

from endianproof.spec import load_spec
from endianproof.vectors import load_vectors
from endianproof.vectors._zip import Archive, Record, _deflated, write_zip

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


@pytest.mark.parametrize("zip64", ["always", "none", "fields"])
@pytest.mark.parametrize("descriptors", [True, False])
@pytest.mark.parametrize("alignment", [0, 1, 64])
def test_archives_of_every_kind_are_read_by_zipfile(zip64, descriptors, alignment):
    layout = load_spec().formats["torch-zip"].layout["zip"]
    records = [Record("f/a", b"abc"), Record("f/b", b"d" * 100, "deflated"), Record("f/\u00e9", b"")]
    data, places = write_zip(records, Archive(alignment, zip64, descriptors, b"note"), layout)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        assert [(name, archive.read(name)) for name in archive.namelist()] == [(r.name, r.data) for r in records]
        assert archive.comment == b"note"
    assert data[places["f/a"] :].startswith(b"abc")
    assert not alignment or all(place % alignment == 0 for place in places.values())


def torch_bytes(tensor, torch):
    tensor = tensor.detach().resolve_conj().resolve_neg().contiguous()
    return tensor.flatten().view(torch.uint8).numpy().tobytes() if tensor.numel() else b""


def test_safetensors_reads_every_accepted_vector_as_meant():
    import safetensors.torch
    import torch

    seen = 0
    for vector in ACCEPTED:
        if vector.format == "safetensors" and not any(
            "float6" in t.dtype for t in vector.tensors
        ):  # torch has none
            loaded = safetensors.torch.load_file(vector.path)
            assert {t.name: t.canonical for t in vector.tensors} == {
                name: torch_bytes(tensor, torch) for name, tensor in loaded.items()
            }, vector.id
            seen += 1
    assert seen > 120


# torch 2.13 swaps nothing in untyped storages: PT-END-04 says why that is wrong, the conformance run shows it.
UNTYPED = ("uint16", "uint32", "uint64", "complex32")


@pytest.mark.filterwarnings("ignore:ComplexHalf", "ignore:Detected pickle protocol 3")
def test_torch_reads_every_accepted_vector_as_meant():
    import torch

    seen = 0
    for vector in ZIPS:
        if any(t.dtype in UNTYPED and t.byte_order == "big" for t in vector.tensors):
            continue
        loaded = torch.load(vector.path, weights_only=True)
        assert {t.name: t.canonical for t in vector.tensors} == {
            name: torch_bytes(tensor, torch) for name, tensor in loaded.items()
        }, vector.id
        seen += 1
    assert seen > 180
