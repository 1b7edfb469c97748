"""A pickle that runs code leaves a mark; the runner finds and removes it, whatever came of the load."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from endianproof.conformance.client import TesteeProcess
from endianproof.conformance.examine import examine
from endianproof.conformance.finding import Finding
from endianproof.conformance.launch import python_testee
from endianproof.conformance.mark import VARIABLE, Mark
from endianproof.vectors import load_vectors

LOADERS = Path(__file__).parent / "loaders"
VECTORS = {vector.id: vector for vector in load_vectors()}
CODE = [vector for vector in VECTORS.values() if vector.id.startswith("pt-code-")]
NEEDS_TORCH = "pt-code-torch-save"


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    """Where this process, and those it starts, keep their temporary files."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", None)
    yield folder
    tempfile.tempdir = None


@pytest.fixture
def testee(temporary):
    started = []

    def start(function):
        started.append(
            TesteeProcess(python_testee(f"unpickling_loaders.{function}", "path", [LOADERS], None, None))
        )
        return started[-1]

    yield start
    for process in started:
        process.close()


def findings(process, vectors):
    return {vector.id: examine(vector, process, {}).finding for vector in vectors}


def test_a_loader_that_unpickles_plainly_is_found_out_by_every_such_vector(testee):
    vectors = [vector for vector in CODE if vector.id != NEEDS_TORCH]
    assert len(vectors) >= 7
    assert set(findings(testee("plain"), vectors).values()) == {Finding.CODE_EXECUTED}


@pytest.mark.parametrize("function", ["plain_and_refuse", "plain_and_crash"])
def test_code_was_executed_whatever_came_of_the_load(testee, function):
    assert set(findings(testee(function), CODE[:2]).values()) == {Finding.CODE_EXECUTED}


def test_a_mark_is_not_held_against_the_next_vector(testee):
    found = findings(testee("plain"), [CODE[0], VECTORS["pt-rank-mismatch"], CODE[1]])
    assert list(found.values()) == [Finding.CODE_EXECUTED, Finding.INVALID_ACCEPTED, Finding.CODE_EXECUTED]


def test_a_loader_that_looks_its_globals_up_passes(testee):
    vectors = [vector for vector in CODE if vector.id != NEEDS_TORCH]
    assert set(findings(testee("careful"), vectors).values()) == {Finding.PASSED}


def test_torch_without_restrictions_is_found_out_by_every_such_vector(testee):
    assert set(findings(testee("torch_without_restrictions"), CODE).values()) == {Finding.CODE_EXECUTED}


def test_nothing_is_left_where_the_user_stands_nor_among_temporary_files(testee, temporary, tmp_path, monkeypatch):
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    process = testee("plain_and_crash")
    findings(process, CODE[:2])
    assert [path.name[:16] for path in temporary.iterdir()] == ["endianproof-mark"]
    assert [list(path.iterdir()) for path in temporary.iterdir()] == [[]]
    process.close()
    assert list(temporary.iterdir()) == []
    assert list(here.iterdir()) == []


def test_a_testee_that_is_used_again_has_a_mark_again(testee):
    process = testee("plain")
    for _ in range(2):
        assert set(findings(process, CODE[:1]).values()) == {Finding.CODE_EXECUTED}
        process.close()


@pytest.mark.parametrize("make", [Path.mkdir, Path.touch, lambda path: path.symlink_to("/")])
def test_a_mark_of_any_kind_is_found_once(make):
    mark = Mark()
    path = Path(mark.environment[VARIABLE])
    assert not mark.take()
    make(path)
    assert mark.take()
    assert not mark.take()


def test_a_mark_goes_with_its_owner():
    mark = Mark()
    path = Path(mark.environment[VARIABLE])
    path.mkdir()
    del mark
    assert not path.parent.exists()


def test_the_vectors_spell_the_variable_as_the_runner_does():
    for vector in CODE:
        assert VARIABLE.encode() in vector.path.read_bytes(), vector.id
