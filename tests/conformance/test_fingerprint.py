"""`endianproof fingerprint`: the same tensors have the same one, on any machine, in any format and order."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import jsonschema
import numpy as np
import pytest
import torch
from click.testing import CliRunner
from own_files import safetensors, shards

from endianproof.conformance.cli import main
from endianproof.conformance.outcome import LoadedTensor
from endianproof.conformance.verifying import Fingerprint, FingerprintError, parse_fingerprint
from endianproof.qemu import guest, package_alone
from endianproof.reference import load
from endianproof.vectors import load_vectors

LOADERS = Path(__file__).parent / "loaders"
SCHEMAS = Path(__file__).parents[2] / "conformance" / "schemas"
VECTORS = {vector.id: vector for vector in load_vectors()}
TENSORS = {
    "b": ("float32", (2, 3), None),
    "a": ("bfloat16", (), b"\x80\x3f"),
    "é": ("uint8", (0, 4), b""),
    "z": ("float4_e2m1fn", (4,), b"\x21\x43"),
}
# Made by the format's own words, without this project: docs/verify.md.
ALL = "".join(
    f"{hashlib.sha256(data).hexdigest()} {dtype} {shape} {hashlib.sha256(name.encode()).hexdigest()}\n"
    for name, dtype, shape, data in (
        ("a", "bfloat16", "[]", b"\x80\x3f"),
        ("z", "float4_e2m1fn", "[4]", b"\x21\x43"),
        ("é", "uint8", "[0,4]", b""),
    )
)


@pytest.fixture(autouse=True)
def here(monkeypatch):
    monkeypatch.chdir(LOADERS)


def run(*arguments):
    result = CliRunner().invoke(main, ["fingerprint", "-q", *map(str, arguments)])
    return result.exit_code, result.output


def taken(*arguments):
    code, text = run(*arguments)
    assert code == 0, text
    return text


def test_it_is_what_its_documentation_says(tmp_path):
    path = tmp_path / "model.safetensors"
    safetensors(path, {name: TENSORS[name] for name in ("é", "z", "a")})
    text = taken(path)
    document = json.loads(text)
    jsonschema.validate(document, json.loads((SCHEMAS / "fingerprint-1.schema.json").read_text()))
    assert text.isascii()
    assert document["sha256"] == hashlib.sha256(ALL.encode()).hexdigest()
    assert [tensor["name"] for tensor in document["tensors"]] == ["a", "z", "é"]
    assert document["tensors"][0] == {
        "name": "a",
        "dtype": "bfloat16",
        "shape": [],
        "sha256": hashlib.sha256(b"\x80\x3f").hexdigest(),
    }
    assert [line[:9] for line in text.splitlines()[4:7]] == ['{"name": '] * 3


def test_order_format_files_and_byte_order_do_not_change_it(tmp_path):
    state = {
        "b": torch.arange(6, dtype=torch.bfloat16).reshape(2, 3).T,
        "a": torch.tensor(1.5),
        "c": torch.ones(0),
    }
    data = {"b": state["b"].contiguous().view(torch.int16).numpy().tobytes(), "a": b"\x00\x00\xc0\x3f", "c": b""}
    forms = {"b": ("bfloat16", (3, 2)), "a": ("float32", ()), "c": ("float32", (0,))}
    made = {name: (*forms[name], data[name]) for name in forms}
    torch.save(state, tmp_path / "zip.pt")
    torch.save(dict(reversed(state.items())), tmp_path / "legacy.pth", _use_new_zipfile_serialization=False)
    safetensors(tmp_path / "one.safetensors", made)
    (tmp_path / "shards").mkdir()
    shards(tmp_path / "shards", [{"b": made["b"]}, {"a": made["a"], "c": made["c"]}])
    names = ("zip.pt", "legacy.pth", "one.safetensors", "shards", "shards/model.safetensors.index.json")
    assert len({taken(tmp_path / name) for name in names}) == 1


@pytest.mark.parametrize("vector", ["pt-all-bfloat16", "pt-dtype-complex64", "pt-transposed-bfloat16"])
def test_files_of_either_byte_order_have_the_same(vector):
    orders = {taken(VECTORS[f"{vector}-{order}"].path) for order in ("little", "big")}
    assert len(orders) == 1


def test_a_loader_gives_the_same(tmp_path):
    path = tmp_path / "model.safetensors"
    safetensors(path, {"a": TENSORS["a"], "b": TENSORS["b"]})
    assert taken(path, "--loader=verify_loaders.right") == taken(path)
    assert taken(path, "--loader=verify_loaders.swapped") != taken(path)
    code, text = run(path, "--loader=verify_loaders.refusing")
    assert (code, "ValueError: cannot read this" in text) == (2, True), text


def test_a_loader_that_ends_is_quoted_in_full(tmp_path):
    path = tmp_path / "model.safetensors"
    safetensors(path, TENSORS)
    code, text = run(path, "--loader=verify_loaders.exiting")
    assert (code, "the loader crashed: exited with code 3 before it replied\n" in text) == (2, True), text
    assert re.search(r"standard error ends:\n +first words\n +last words\n", text), text


def test_a_refusal_of_several_lines_is_quoted_in_full(tmp_path):
    path = tmp_path / "model.safetensors"
    safetensors(path, TENSORS)
    code, text = run(path, "--loader=verify_loaders.explaining")
    assert (code, "the loader: rejected: ValueError: no\n" in text, "and why" in text) == (2, True, True), text


def test_files_are_checked_by_it(tmp_path):
    path, known = tmp_path / "model.safetensors", tmp_path / "known.json"
    safetensors(path, TENSORS)
    assert f"{known}: 4 tensors, " in taken(path, "-o", known)
    assert known.read_text() == taken(path)
    assert taken(path, f"--check={known}").startswith("same: 4 tensors, ")
    changed = {
        **TENSORS,
        "b": ("float32", (3, 2), None),
        "new": ("uint8", (1,), None),
        "a": ("bfloat16", (), b"\x81\x3f"),
    }
    del changed["z"]
    safetensors(path, changed)
    code, text = run(path, f"--check={known}")
    assert code == 1
    for said in (
        "missing: 1 tensor in the fingerprint, and not in the files: 'z'",
        "extra: 1 tensor in the files, and not in the fingerprint: 'new'",
        "values differ: tensor 'a'",
        "float32, shape [3, 2] in place of float32, shape [2, 3]: tensor 'b'",
    ):
        assert said in text


def test_a_loader_is_verified_against_it(tmp_path):
    path, known = tmp_path / "model.safetensors", tmp_path / "known.json"
    safetensors(path, {"a": TENSORS["a"], "b": TENSORS["b"]})
    taken(path, "-o", known)

    def verify(loader, file=path):
        arguments = ["verify", "-q", str(file), f"--loader=verify_loaders.{loader}", f"--against={known}"]
        result = CliRunner().invoke(main, arguments)
        return result.exit_code, result.output

    assert verify("right")[0] == 0
    code, text = verify("swapped")
    assert (code, "elements were swapped although" in text) == (1, True), (
        text
    )  # the reference agrees, and explains
    code, text = verify("one_missing")
    assert (code, "in the fingerprint, and not returned: 'a'" in text) == (1, True), text
    other = tmp_path / "other.safetensors"
    safetensors(other, {"a": ("bfloat16", (), b"\x81\x3f"), "b": TENSORS["b"]})
    code, text = verify("right", other)
    assert (code, "values differ: tensor 'a'" in text) == (1, True), text
    assert verify("refusing")[0] == 1


def test_shards_are_verified_against_one(tmp_path):
    groups = [{"a": TENSORS["a"]}, {"b": TENSORS["b"], "z": TENSORS["z"]}]
    index, known = shards(tmp_path, groups), tmp_path / "known.json"
    taken(index, "-o", known)
    first, second = sorted(tmp_path.glob("*.safetensors"))

    def verify(*files):
        arguments = ["verify", "-q", *map(str, files), "--loader=reference", f"--against={known}"]
        result = CliRunner().invoke(main, arguments)
        return result.exit_code, result.output

    assert verify(index)[0] == 0
    assert verify(second, first)[0] == 0
    code, text = verify(second)
    assert (code, "in the fingerprint, and not returned: 'a'" in text) == (1, True), text


def test_the_shards_after_one_that_cannot_be_judged_are_judged(tmp_path):
    index, known = shards(tmp_path, [{name: ("bfloat16", (4,), None)} for name in "ab"]), tmp_path / "known.json"
    taken(index, "-o", known)
    options = ["--loader=verify_loaders.unsupported_first", f"--against={known}"]
    result = CliRunner().invoke(main, ["verify", "-q", str(index), *options])
    assert result.exit_code == 1
    assert "1 different, 1 not judged\n" in result.output
    assert "missing" not in result.output  # nobody knows what the first one has


def test_a_file_that_only_the_loader_can_read_is_verified_against_one(tmp_path):
    path, known, other = tmp_path / "model.safetensors", tmp_path / "known.json", tmp_path / "model.npz"
    safetensors(path, {"b": TENSORS["b"]})
    taken(path, "-o", known)
    array = next(iter(load(path).values())).numpy()

    def verify(made):
        np.savez(other, b=made)
        arguments = ["verify", "-q", str(other), "--loader=numpy.load", f"--against={known}"]
        result = CliRunner().invoke(main, arguments)
        return result.exit_code, result.output

    code, text = verify(array)
    assert (code, "same: 1 tensor" in text) == (0, True), text
    code, text = verify(array[::-1])
    assert (code, "values differ: tensor 'b'" in text) == (1, True), text


def test_nothing_that_exists_is_written_over(tmp_path):
    path = tmp_path / "model.safetensors"
    safetensors(path, TENSORS)
    before = path.read_bytes()
    code, text = run(path, "-o", path)
    assert (code, "exists: remove it" in text) == (2, True)
    assert path.read_bytes() == before
    code, text = run(path, "-o", tmp_path / "no" / "such")
    assert (code, "there is no folder" in text) == (2, True)


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"a.bin": b"neither"}, "no format recognizes it"),
        ({"a.safetensors": b"\x08\0\0\0\0\0\0\0{}      ?"}, "ST-OFF-02 at byte"),
        ({"a.safetensors": None, "b.safetensors": None}, "the tensor 'b' is there twice"),
    ],
)
def test_what_has_none_says_why(tmp_path, files, said):
    for name, data in files.items():
        if data is None:
            safetensors(tmp_path / name, {"b": TENSORS["b"]})
        else:
            (tmp_path / name).write_bytes(data)
    code, text = run(*(tmp_path / name for name in files))
    assert (code, said in text) == (2, True), text


GOOD = Fingerprint.of([LoadedTensor("a", "uint8", (1,), "0" * 64)]).text()


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"fingerprint": 1', '"fingerprint": 2', "version 2"),
        ('"dtype": "uint8"', '"dtype": "int8"', "damaged: its tensors give the digest"),
        ('"dtype": "uint8"', '"dtype": 8', "at tensors/0/dtype"),
        ("{", "[", "no JSON"),
    ],
)
def test_what_is_no_fingerprint_is_refused(old, new, said):
    assert parse_fingerprint(GOOD).text() == GOOD
    with pytest.raises(FingerprintError, match=said):
        parse_fingerprint(GOOD.replace(old, new, 1))


def test_no_tensors_have_one_too(tmp_path):
    path = tmp_path / "model.safetensors"
    safetensors(path, {})
    assert parse_fingerprint(taken(path)).tensors == ()


@pytest.mark.guest
def test_the_reference_makes_the_same_on_a_big_endian_machine(tmp_path):
    safetensors(tmp_path / "model.safetensors", TENSORS)
    torch.save({"t": torch.arange(12, dtype=torch.bfloat16).reshape(3, 4).T}, tmp_path / "model.pt")
    paths = [tmp_path / "model.safetensors", tmp_path / "model.pt", VECTORS["pt-all-bfloat16-little"].path]
    system = guest("s390x")
    system.setup(print)
    folder = tmp_path / "alone"
    folder.mkdir()
    alone = package_alone(folder)
    for path in paths:
        argv = ["python3", "-m", "endianproof.conformance.cli", "fingerprint", "-q", str(path)]
        argv, env = system.command(argv, {**os.environ, **alone, "PYTHONDONTWRITEBYTECODE": "1"})
        done = subprocess.run(argv, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert done.stdout == taken(path)


@pytest.mark.guest
@pytest.mark.parametrize(("loader", "code"), [("reference", 0), ("verify_loaders_plain.unswapped", 1)])
def test_a_loader_is_verified_on_a_big_endian_machine(tmp_path, loader, code):
    path = tmp_path / "model.safetensors"
    safetensors(path, {"long": ("bfloat16", (600, 1000), None), "z": TENSORS["z"]})
    argv = [sys.executable, "-m", "endianproof.conformance.cli", "verify", "-q", str(path)]
    argv += [f"--loader={loader}", "--guest=s390x"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    assert "s390x, big-endian, guest trixie" in done.stdout
    said = "same: 2 tensors" if code == 0 else "'long', bfloat16, shape [600, 1000]"
    assert said in done.stdout
    assert code == 0 or "not swapped" in done.stdout
