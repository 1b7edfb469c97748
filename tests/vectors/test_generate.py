"""Regeneration: the same bytes as committed, whatever the hash seed, and nothing lost on the way."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest

import endianproof.vectors
from endianproof.spec import load_spec
from endianproof.vectors import check, generate, load_manifest, load_vectors

ROOM = Path(endianproof.vectors.__file__).resolve().parent
MANIFESTS = [ROOM / name / "manifest.json" for name in load_spec().formats]


def test_the_committed_files_are_what_the_specification_makes():
    assert check() == []


@pytest.mark.parametrize("seed", ["0", "1", "4242"])
def test_the_hash_seed_does_not_matter(tmp_path, seed):
    command = [sys.executable, "-m", "endianproof.conformance.cli", "vectors", "generate", "--into", str(tmp_path)]
    subprocess.run(command, check=True, env={**os.environ, "PYTHONHASHSEED": seed}, stdout=subprocess.DEVNULL)
    assert check(tmp_path) == []


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.parent.name)
def test_manifests_satisfy_their_schema(path):
    schema = json.loads((ROOM / "manifest.schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator(schema).validate(json.loads(path.read_text(encoding="utf-8")))


def test_there_are_over_1000_vectors_with_unique_ids():
    vectors = load_vectors()
    assert len(vectors) > 1000
    assert len({vector.id for vector in vectors}) == len(vectors)


def test_the_golden_files_and_their_manifests_take_less_than_8_megabytes():
    sizes = {path: path.stat().st_size for name in load_spec().formats for path in (ROOM / name).iterdir()}
    assert sum(sizes.values()) < 8_000_000, sorted(sizes.items(), key=lambda item: -item[1])[:20]


def test_every_manifest_entry_describes_its_file():
    for vector in load_vectors():
        data = vector.path.read_bytes()
        assert len(data) == vector.size, vector.id
        assert hashlib.sha256(data).hexdigest() == vector.sha256, vector.id
        for tensor in vector.tensors:
            assert hashlib.sha256(tensor.canonical).hexdigest() == tensor.sha256, vector.id


def test_a_storage_lies_where_the_manifest_says():
    """Little-endian, contiguous tensors stand in the file as their canonical bytes."""
    seen = 0
    for vector in load_vectors():
        for tensor in vector.tensors:
            if vector.verdict == "accept" and tensor.byte_order == "little" and vector.format == "safetensors":
                there = vector.path.read_bytes()[tensor.at : tensor.at + tensor.storage_nbytes]
                assert there == tensor.canonical, vector.id
                seen += 1
    assert seen > 150


def test_a_refused_vector_differs_from_its_sibling():
    vectors = {vector.id: vector for vector in load_vectors()}
    for vector in vectors.values():
        if vector.derived_from:
            assert vector.sha256 != vectors[vector.derived_from].sha256, vector.id
            assert vectors[vector.derived_from].verdict != "reject"


def test_check_names_what_is_missing_different_and_unexpected(tmp_path):
    generate(tmp_path)
    (tmp_path / "safetensors" / "st-plain.safetensors").unlink()
    (tmp_path / "safetensors" / "st-pair.safetensors").write_bytes(b"other")
    (tmp_path / "torch-zip" / "stray.pt").write_bytes(b"")
    found = {(drift.path.name, drift.kind) for drift in check(tmp_path)}
    assert found == {
        ("st-plain.safetensors", "missing"),
        ("st-pair.safetensors", "different"),
        ("stray.pt", "unexpected"),
    }
    generate(tmp_path)
    assert check(tmp_path) == []


def test_a_damaged_manifest_is_noticed(tmp_path):
    generate(tmp_path)
    path = tmp_path / "safetensors" / "manifest.json"
    line = next(line for line in path.read_text().splitlines() if '"st-plain"' in line)
    tensor = json.loads(line.rstrip(","))["tensors"][0]
    path.write_text(path.read_text().replace(tensor["sha256"], "0" * 64))
    damaged = next(vector for vector in load_manifest(path) if vector.id == "st-plain")
    with pytest.raises(ValueError, match="manifest is damaged"):
        _ = damaged.tensors[0].canonical


def test_a_manifest_of_another_version_is_refused(tmp_path):
    path = tmp_path / "manifest.json"
    path.write_text('{"manifest": 2, "format": "safetensors", "vectors": []}')
    with pytest.raises(ValueError, match="version 2 found, 1 expected"):
        load_manifest(path)
