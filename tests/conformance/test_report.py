"""`--report`: the record of a run, for programs."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from importlib.resources import files
from pathlib import Path

import jsonschema
import pytest

pytest_plugins = ["pytester"]

LOADERS = Path(__file__).parent / "loaders"

FEW = [f"safetensors::st-{name}" for name in ("plain", "dtype-bfloat16", "dtype-float32", "trailing-byte")]

# Reads what is valid, and swaps bfloat16 however the machine is.
MYPKG = """
from endianproof.reference import load as right
from swapping import Swapped

def load(path):
    found = right(path)
    if any(tensor.dtype == "float32" for tensor in found.values()):
        raise NotImplementedError("float32")
    return {name: Swapped(tensor) if tensor.dtype == "bfloat16" else tensor for name, tensor in found.items()}
"""


@pytest.fixture
def run(pytester, monkeypatch):
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    pytester.makepyfile(mypkg=MYPKG)
    shutil.copy(LOADERS / "swapping.py", pytester.path)

    def run(*args):
        options = ("-p", "no:randomly", "--loader=mypkg.load", "--report=run.json")
        return pytester.runpytest_subprocess(*options, *args)

    return run


def record(pytester):
    found = json.loads((pytester.path / "run.json").read_text(encoding="utf-8"))
    schema = json.loads((files("endianproof.conformance") / "schemas" / "report-1.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(found, schema)
    return found


@pytest.mark.parametrize("workers", [(), ("-n2",)], ids=["alone", "with-workers"])
def test_a_report_tells_what_ran_what_came_of_it_and_what_did_not_run(run, pytester, workers):
    assert run(*FEW, *workers).ret == 1
    found = record(pytester)
    assert found["run"]["loader"] == "mypkg.load"
    assert found["testee"]["byteorder"] in {"little", "big"}
    assert not found["interrupted"]
    assert found["counts"] == {"failed": 1, "passed": 1, "unsupported": 2}
    (failed,) = [result for result in found["results"] if result["kind"] == "failed"]
    assert failed["task"] == "st-dtype-bfloat16"
    assert failed["finding"] == "wrong-values"
    assert "elements were swapped" in failed["headline"]
    assert "ST-END-01" in failed["rules"]
    assert len(found["not_run"]) > 1000
    assert "safetensors::st-plain" not in found["not_run"]


def test_a_report_that_exists_is_kept_and_nothing_runs(run, pytester):
    (pytester.path / "run.json").write_text("mine")
    result = run(*FEW)
    assert result.ret == 4
    result.stderr.fnmatch_lines(["ERROR: --report: run.json exists: remove it, or name another file"])
    assert (pytester.path / "run.json").read_text() == "mine"


def test_a_folder_that_is_not_there_is_named_before_anything_runs(run):
    result = run(*FEW, "--report=no/where.json")
    assert result.ret == 4
    result.stderr.fnmatch_lines(["ERROR: --report: there is no folder */no"])


def test_an_interrupted_run_leaves_a_report_of_what_was_judged(run, pytester):
    run(*FEW, "-x")
    assert sum(record(pytester)["counts"].values()) < len(FEW)


def test_nothing_else_is_left_in_the_folder(run, pytester):
    run(*FEW)
    assert [path.name for path in pytester.path.iterdir() if path.name.startswith((".run", "run.json."))] == []


HANGS = """
import time
from endianproof.reference import load as right

def load(path):
    if "bfloat16" in path:
        open("hangs", "w").close()
        time.sleep(1000)
    return right(path)
"""


def test_a_run_that_is_terminated_ends_its_testee_says_so_and_leaves_no_baseline(pytester, monkeypatch):
    """As CI systems end a job that they cancel."""
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    pytester.makepyfile(hanging=HANGS)
    options = [
        "--loader=hanging.load",
        "--report=run.json",
        "--baseline=known.yaml",
        "--update-baseline",
        "-v",
        "-s",
    ]
    command = [sys.executable, "-m", "pytest", "-p", "no:randomly", *options, *FEW[1:2]]
    process = subprocess.Popen(command, cwd=pytester.path, stdout=subprocess.PIPE)
    deadline = time.monotonic() + 60
    while not (pytester.path / "hangs").exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    children = _testees(process.pid)
    process.terminate()
    process.communicate(timeout=30)  # of the 60 that a request may take
    assert process.returncode == pytest.ExitCode.INTERRUPTED
    assert children
    assert not any(Path(f"/proc/{child}").exists() for child in children)
    assert record(pytester)["interrupted"]
    assert not (pytester.path / "known.yaml").exists()


def _testees(parent):
    """Processes that one has started."""
    found = Path(f"/proc/{parent}/task/{parent}/children")
    return found.read_text(encoding="ascii").split() if found.exists() else []
