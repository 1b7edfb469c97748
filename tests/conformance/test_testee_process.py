"""The testee as a process: what it answers, line by line, and what it may import."""

from __future__ import annotations

import ast
import base64
import json
import os
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

import endianproof.conformance.testee as testee_package
from endianproof.conformance.messages import schema_error

LOADERS = Path(__file__).parent / "loaders"
FOLDER = Path(testee_package.__file__).parent


def run(*options, requests, cwd=None, **environment):
    lines = "".join(json.dumps(request) + "\n" for request in requests)
    # -S: no site-packages, so that nothing but the testee's own folder can have made the package importable.
    return subprocess.run(
        [sys.executable, "-S", str(FOLDER / "__main__.py"), *options],
        input=lines.encode(),
        capture_output=True,
        timeout=120,
        check=False,
        cwd=cwd,
        env={**os.environ, **environment},
    )


def replies(finished):
    return [json.loads(line) for line in finished.stdout.splitlines()]


HELLO = {"op": "hello", "protocol": 1}
GOOD = (f"--path={LOADERS}", "--loader=wrong_loaders.good")


def load(identity="v1", **more):
    return {"op": "load", "id": identity, "path": "/dev/null", "format": "safetensors", "reply": "data", **more}


def test_a_session_line_by_line():
    session = [HELLO, load(), load("v2", reply="sha256"), {"op": "bye"}, load("after bye")]
    finished = run(*GOOD, requests=session)
    hello, data, digest = replies(finished)
    assert (finished.returncode, finished.stderr) == (0, b"")
    assert (hello["protocol"], hello["name"], hello["byteorder"]) == (1, "wrong_loaders.good", sys.byteorder)
    assert data == {
        "id": "v1",
        "outcome": "loaded",
        "tensors": [{"name": "w", "dtype": "uint16", "shape": [2], "data": "AQIDBA=="}],
    }
    assert digest["tensors"][0]["sha256"].startswith("9f64a747")
    assert [schema_error(*pair) for pair in ((hello, "hello_reply"), (data, "load_reply"), (digest, "reply"))] == [
        ""
    ] * 3


def test_every_request_of_the_session_is_what_the_schema_says():
    for message in (HELLO, load(), {"op": "bye"}):
        assert schema_error(message, "request") == ""


def test_the_end_of_its_input_ends_it():
    assert run(*GOOD, requests=[]).returncode == 0


def test_what_it_cannot_do_it_says():
    session = [{"op": "dance", "id": "v1"}, {"op": "save", "id": "v2", "path": "/x", "format": "f", "tensors": []}]
    dance, save = replies(run(*GOOD, requests=session))
    assert dance["error"]["message"] == "op 'dance'; expected hello, load, read, save or bye"
    assert (save["id"], save["outcome"]) == ("v2", "unsupported")
    assert schema_error(dance, "load_reply") == schema_error(save, "save_reply") == ""


def test_without_a_loader_it_answers_once_and_exits_with_three():
    finished = run("--loader=nowhere.load", requests=[HELLO, load()])
    assert finished.returncode == 3
    (answer,) = replies(finished)
    assert answer["error"] == {"type": "ModuleNotFoundError", "message": "No module named 'nowhere'"}
    assert schema_error(answer, "hello_error") == ""


def test_it_runs_as_a_module_too():
    finished = subprocess.run(
        [sys.executable, "-m", "endianproof.conformance.testee", *GOOD],
        input=json.dumps(HELLO).encode() + b"\n",
        capture_output=True,
        timeout=120,
        check=True,
    )
    assert replies(finished)[0]["name"] == "wrong_loaders.good"


def test_the_users_folder_cannot_shadow_what_the_testee_imports(tmp_path):
    for name in ("json.py", "base64.py", "argparse.py", "canonical.py", "serve.py"):
        (tmp_path / name).write_text("raise SystemExit('the wrong module')\n")
    finished = run(*GOOD, requests=[HELLO, load()], cwd=tmp_path)
    assert [reply.get("outcome") for reply in replies(finished)] == [None, "loaded"]


def test_folders_are_searched_in_the_order_given(tmp_path):
    for folder, text in (("a", "1"), ("b", "2"), ("last", "3")):
        (tmp_path / folder).mkdir()
        names = ("both",) if folder != "last" else ("both", "only_last", "json")
        for name in names:
            (tmp_path / folder / f"{name}.py").write_text(f"__version__ = '{text}'\ndef load(path): return {{}}\n")
    options = [f"--path={tmp_path}/a", f"--path={tmp_path}/b", f"--path-last={tmp_path}/last"]
    versions = {
        name: replies(run(*options, f"--loader={name}.load", requests=[HELLO]))[0]["version"]
        for name in ("both", "only_last", "json")
    }
    import json as standard

    assert versions == {"both": "1", "only_last": "3", "json": standard.__version__}


def test_it_sees_nothing_but_what_it_is_given(tmp_path):
    """Neither its own folder nor the folder where the user stands is on sys.path unless asked for."""
    (tmp_path / "look.py").write_text("import sys\ndef load(path): raise ValueError(' '.join(sys.path))\n")
    finished = run(f"--path={tmp_path}", "--loader=look.load", requests=[load()], cwd=LOADERS)
    found = replies(finished)[0]["error"]["message"].split()
    assert found[0] == str(tmp_path)
    assert not {str(FOLDER.resolve()), str(LOADERS), ""} & {
        *found,
        *(str(Path(folder).resolve()) for folder in found),
    }


def test_frameworks_that_are_imported_late_are_proven_with_the_first_reply():
    np = pytest.importorskip("numpy")
    site = Path(np.__file__).parents[1]
    code = "def load(path):\n    import numpy\n    return {'w': numpy.array([1, 2], '>u2')}\n"
    hello, first, second = run_module(code, site, [HELLO, load(), load("v2")])
    assert hello["conversion"] == []
    assert {"via": "numpy", "dtype": "uint16", "data": "AQACAA=="} in first["conversion"]
    assert first["tensors"] == second["tensors"]
    assert "conversion" not in second
    assert schema_error(first, "load_reply") == ""


def run_module(code, site, requests):
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "given.py").write_text(code)
        return replies(run(f"--path={folder}", f"--path={site}", "--loader=given.load", requests=requests))


@pytest.mark.parametrize("framework", ["torch", "numpy", "ml_dtypes"])
def test_hello_has_a_sample_of_every_dtype_that_a_framework_makes(framework):
    module = pytest.importorskip(framework)
    site = Path(module.__file__).parents[1]
    hello = run_module(f"import {framework}\ndef load(path): return {{}}\n", site, [HELLO])[0]
    samples = {s["dtype"]: base64.b64decode(s["data"]) for s in hello["conversion"] if s["via"] == framework}
    wanted = {
        "torch": {"bfloat16": b"\x80\x3f\x00\x40", "complex64": struct.pack("<2f", 1, 2), "bool": b"\x00\x01"},
        "numpy": {"float64": struct.pack("<2d", 1, 2), "uint64": struct.pack("<2Q", 1, 2), "bool": b"\x00\x01"},
        "ml_dtypes": {"bfloat16": b"\x80\x3f\x00\x40", "float4_e2m1fn": b"\x42", "float6_e3m2fn": b"\x0c\x04"},
    }
    assert {name: samples[name] for name in wanted[framework]} == wanted[framework]
    assert hello["packages"][framework] == module.__version__


def test_its_modules_import_the_standard_library_and_each_other_alone():
    allowed = set(sys.stdlib_module_names)
    imported = {}
    for path in sorted(FOLDER.glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            for name in names:
                imported.setdefault(name, path.name)
    ours = {name for name in imported if name.startswith("endianproof.conformance.testee.")}
    others = {name for name in imported if name.partition(".")[0] not in allowed} - ours
    assert len(ours) >= 7
    # numpy where a result asks for it; torch is imported by its name where tensors to save are built (building.py)
    assert others == {"numpy"}


def test_its_modules_parse_as_python_3_9():
    for path in FOLDER.glob("*.py"):
        ast.parse(path.read_text(), feature_version=(3, 9))


def test_what_is_left_of_an_uninstallation_is_no_version(tmp_path):
    (tmp_path / "leftpkg.py").write_text("def load(path):\n    return {}\n")
    (tmp_path / "leftpkg-1.0.dist-info").mkdir()
    options = (f"--path={tmp_path}", "--loader=leftpkg.load")
    (reply,) = replies(run(*options, requests=[{"op": "hello", "protocol": 1}]))
    assert reply["version"] == ""
    assert schema_error(reply, "hello_reply") == ""
