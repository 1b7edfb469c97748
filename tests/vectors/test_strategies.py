"""The public strategies: what they draw is what they say, and the reference reads it so."""

from __future__ import annotations

import doctest
import importlib
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import HealthCheck, find, given, settings

from endianproof.reference import SpecViolation, load
from endianproof.spec import load_spec
from endianproof.strategies import damaged_files, files, tensors
from endianproof.vectors._damage import Damage

FORMATS = list(load_spec().formats)
FEW = settings(
    max_examples=100,
    database=None,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)


def contents(path):
    return {name: (t.dtype, t.shape, bytes(t.canonical)) for name, t in load(path).items()}


def drawn(strategy, count=300):
    """What a strategy draws, as a list."""
    found = []

    @settings(FEW, max_examples=count)
    @given(strategy)
    def collect(value):
        found.append(value)

    collect()
    return found


@pytest.fixture(scope="module")
def many_tensors():
    return drawn(tensors(["int16"]), 1000)


@pytest.fixture(scope="module")
def many_damages():
    counts = {"safetensors": 300, "torch-zip": 60}  # what the tests below look for is drawn once in twenty or more
    return {
        name: [" ".join(file.damages) for file in drawn(damaged_files(name), count)]
        for name, count in counts.items()
    }


@pytest.mark.parametrize("name", FORMATS)
def test_valid_files_load_in_the_reference_with_exactly_the_expected_tensors(name, tmp_path):
    @FEW
    @given(files(name))
    def check(file):
        assert contents(file.write_to(tmp_path)) == {t.name: (t.dtype, t.shape, t.canonical) for t in file.tensors}

    check()


@pytest.mark.parametrize("name", FORMATS)
def test_damaged_files_load_or_are_refused_and_say_what_was_done_to_them(name, tmp_path):
    seen = set()

    @FEW
    @given(damaged_files(name))
    def check(file):
        assert file.tensors is None
        assert file.damages
        try:
            contents(file.write_to(tmp_path))
            seen.add("loaded")
        except SpecViolation as violation:
            seen.add(violation.rule)

    check()
    assert "loaded" in seen
    assert len(seen) > 3, "refused for more reasons than a few"


def test_files_of_any_format_are_of_every_format():
    assert {file.format for file in drawn(files(), 60)} == set(FORMATS)


def test_a_files_extension_is_its_formats(tmp_path):
    file = find(files("safetensors"), lambda _file: True)
    assert file.write_to(tmp_path).name == "drawn.safetensors"
    assert (tmp_path / "drawn.safetensors").read_bytes() == file.data


def test_dtypes_limit_what_is_drawn():
    for file in drawn(files("torch-zip", dtypes=["bfloat16", "int8"]), 100):
        assert {tensor.dtype for tensor in file.tensors} <= {"bfloat16", "int8"}
    assert {tensor.dtype for tensor in drawn(tensors(["bfloat16", "int8"]), 100)} == {"bfloat16", "int8"}


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda: files("gguf"), "unknown format 'gguf': the formats are safetensors"),
        (lambda: damaged_files("safetensors", dtypes=["float128"]), "safetensors has none of float128"),
        (lambda: tensors(["float128"]), "unknown element type 'float128'"),
    ],
)
def test_what_is_not_there_is_refused_by_name(ask, message):
    with pytest.raises(ValueError, match=message):
        ask()


def test_a_drawn_tensor_is_what_numpy_makes_of_its_storage_and_strides():
    @FEW
    @given(tensors(["uint16", "float32", "complex64"]))
    def check(tensor):
        size = tensor.element.itemsize
        storage = np.array(tensor.storage, dtype=f"<u{size}")
        view = np.lib.stride_tricks.as_strided(
            storage[tensor.storage_offset :], tensor.shape, [step * size for step in tensor.stride]
        )
        assert view.size == 0 or tensor.storage_offset < tensor.numel
        assert np.ascontiguousarray(view).tobytes() == tensor.canonical

    check()


def is_c_order(tensor):
    return tensor.stride == tuple(np.cumprod([1, *tensor.shape[:0:-1]])[::-1]) if tensor.shape else True


@pytest.mark.parametrize(
    "layout",
    [
        lambda t: t.storage_offset > 0 and len(t.codes) > 1,
        lambda t: len(t.shape) == 2 and min(t.shape) > 1 and t.stride == (1, t.shape[0]),  # transposed
        lambda t: any(step == 0 and size > 1 for step, size in zip(t.stride, t.shape, strict=True)),
        lambda t: min(t.shape, default=0) > 1 and t.stride[-1] > 1 and is_c_order(t) is False,
        lambda t: t.numel < len(t.codes),  # overlapping
        lambda t: t.shape == () and t.numel > 1,
        lambda t: t.shape == (17,),
        lambda t: 0 in t.shape and len(t.shape) > 1,
    ],
    ids=["offset", "transposed", "expanded", "stepped", "overlapping", "scalar", "17", "empty"],
)
def test_tensors_come_in_every_layout(layout, many_tensors):
    assert any(layout(tensor) for tensor in many_tensors)


def test_without_views_tensors_are_contiguous_and_fill_whole_bytes():
    for tensor in drawn(tensors(views=False)):
        assert is_c_order(tensor)
        assert tensor.storage_offset == 0
        assert len(tensor.codes) * tensor.element.bits % 8 == 0


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (Damage("truncated", 3), b"abc"),
        (Damage("flipped", 1, b"\x20"), b"aBcdefgh"),
        (Damage("flipped", 8, b"\x20"), b"abcdefgh"),
        (Damage("overwritten", 6, b"xyz"), b"abcdefxyz"),
        (Damage("inserted", 2, b"xy"), b"abxycdefgh"),
        (Damage("appended", 8, b"xy"), b"abcdefghxy"),
        (Damage("removed", 2, count=3), b"abfgh"),
        (Damage("swapped", 1, count=2), b"adebcfgh"),
        (Damage("repeated", 0, count=2), b"ababcdefgh"),
    ],
    ids=lambda value: str(value) if isinstance(value, Damage) else "",
)
def test_a_damage_does_what_it_says(damage, expected):
    assert damage.apply(b"abcdefgh") == expected


@pytest.mark.parametrize(
    "kind", ["truncated", "appended", "flipped", "overwritten", "inserted", "removed", "swapped", "repeated"]
)
def test_every_kind_of_damage_is_drawn(kind, many_damages):
    assert any(kind in said for said in many_damages["safetensors"])


@pytest.mark.parametrize(
    ("name", "said"),
    [("safetensors", "header: "), ("torch-zip", "changed: {'record'"), ("torch-zip", "changed as in pt-")],
)
def test_formats_have_damages_of_their_own(name, said, many_damages):
    assert any(said in one for one in many_damages[name])


def test_a_format_without_a_module_of_its_own_is_drawn_from_its_vectors(monkeypatch, tmp_path):
    drawing = importlib.import_module("endianproof.vectors._files")
    known = drawing._module.__wrapped__
    monkeypatch.setattr(drawing, "_module", lambda kind, name: None if kind == "draw_" else known(kind, name))
    for file in drawn(files("torch-zip"), 20):
        expected = {t.name: (t.dtype, t.shape, t.canonical) for t in file.tensors}
        assert contents(file.write_to(tmp_path)) == expected
    assert all(file.damages for file in drawn(damaged_files("torch-zip"), 50))


def test_the_examples_in_the_docstrings_run():
    failed, tried = doctest.testmod(importlib.import_module("endianproof.vectors.strategies"))
    assert not failed
    assert tried


def test_hypothesis_is_imported_by_the_strategies_alone():
    code = (
        "import sys, endianproof.vectors, endianproof.conformance.session; print('hypothesis' in sys.modules);"
        "import endianproof.strategies; print('hypothesis' in sys.modules)"
    )
    found = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert found.split() == ["False", "True"]
