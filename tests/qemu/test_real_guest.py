"""The real trixie guest, which is set up first if it is absent. Each test starts one emulated program."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

from endianproof.conformance.overlay import OverlayError, overlay
from endianproof.qemu import cache_root, guest, remove_tree
from endianproof.qemu._tools import QEMU

pytestmark = pytest.mark.guest


@pytest.fixture(scope="module")
def trixie():
    found = guest("trixie")
    found.setup(print)
    return found


def output(guest, *argv, cwd=None, env=None):
    line, environment = guest.command(argv, {**os.environ, **(env or {})})
    done = subprocess.run(line, env=environment, cwd=cwd, capture_output=True, text=True, check=True)
    return done.stdout


def test_its_python_is_big_endian(trixie):
    text = output(trixie, "python3", "-c", "import sys; print(sys.byteorder, *sys.version_info[:2], sep='.')")
    assert text == f"big.{trixie.python_version}\n"


def test_it_sees_the_hosts_files_and_not_the_hosts_packages(trixie, tmp_path):
    (tmp_path / "mine.py").write_text("answer = 42\n")
    code = "import sys, json, mine; print(json.dumps([mine.answer, sys.path]))"
    answer, path = json.loads(output(trixie, "python3", "-c", code, cwd=tmp_path, env={"PYTHONHOME": "/nowhere"}))
    assert answer == 42
    assert all(one == "" or one.startswith(str(trixie.tree)) for one in path)


def test_its_python_starts_another_one(trixie):
    """As multiprocessing does; without binfmt_misc the kernel itself runs no program of another machine."""
    code = """
import multiprocessing, subprocess, sys
if __name__ == "__main__":
    multiprocessing.set_start_method("spawn")
    process = multiprocessing.Process(target=print, args=("spawned",))
    process.start()
    process.join()
    for name in (sys.executable, "python3"):
        said = subprocess.check_output([name, "-c", "import sys; print(sys.byteorder)"], text=True)
        print(said, end="", flush=True)
"""
    assert output(trixie, "python3", "-c", code) == "spawned\nbig\nbig\n"


def test_what_the_kernel_starts_by_itself_finds_the_guests_libraries(trixie):
    """Where binfmt_misc knows s390x: the kernel gives QEMU the program's path, and no -L."""
    argv = [QEMU.find(), str(trixie.tree / "usr" / "bin" / "python3"), "-c", "import sys; print(sys.byteorder)"]
    env = trixie.environment(os.environ)
    done = subprocess.run(argv, env=env, capture_output=True, text=True, check=True)
    assert done.stdout == "big\n"


def test_it_lists_the_hosts_temporary_files(trixie):
    with tempfile.NamedTemporaryFile(dir="/tmp") as file:
        names = json.loads(
            output(trixie, "python3", "-c", "import os, json; print(json.dumps(os.listdir('/tmp')))")
        )
    assert Path(file.name).name in names


def test_set_up_left_bytecode_that_is_used(trixie):
    line, environment = trixie.command(["python3", "-v", "-c", "import numpy.linalg"], os.environ)
    done = subprocess.run(line, env=environment, capture_output=True, text=True, check=True)
    source = next(trixie.tree.glob("usr/lib/python3/dist-packages/numpy/linalg/__init__.py"))
    tag = f"cpython-{trixie.python_version.replace('.', '')}"
    assert f"{source.parent}/__pycache__/__init__.{tag}.pyc matches {source}" in done.stderr


def test_the_hosts_preloaded_libraries_are_not_loaded(trixie):
    code = "import os; print(os.environ.get('LD_PRELOAD'), os.environ.get('LD_LIBRARY_PATH'))"
    env = {"LD_PRELOAD": "/x.so", "LD_LIBRARY_PATH": "/usr/lib/x86_64-linux-gnu"}
    assert output(trixie, "python3", "-c", code, env=env) == "None None\n"


def test_a_package_from_the_index_comes_before_the_guests_own(trixie):
    folder = overlay(["safetensors==0.4.2"], trixie, print)
    code = "import safetensors; print(safetensors.__version__)"
    assert output(trixie, "python3", "-c", code, env={"PYTHONPATH": str(folder)}) == "0.4.2\n"
    assert output(trixie, "python3", "-c", code) != "0.4.2\n"


# --build-in-guest: the compiler's tree is set up by the first of these, beside the guest


EXTENSION = """
#include <Python.h>
static PyObject *order(PyObject *self, PyObject *none)
{{ short one = 1; return PyLong_FromLong({value} + *(char *)&one); }}
static PyMethodDef methods[] = {{{{"order", order, METH_NOARGS, ""}}, {{0}}}};
static struct PyModuleDef module = {{PyModuleDef_HEAD_INIT, "mine", 0, -1, methods}};
PyMODINIT_FUNC PyInit_mine(void) {{ return PyModule_Create(&module); }}
"""


@pytest.fixture
def extension(tmp_path):
    """A project in C that no earlier run has built, and no later one will find."""
    project = tmp_path / "endianproof-test-of-building"
    project.mkdir()
    value = time.time_ns() % 10**6
    (project / "mine.c").write_text(EXTENSION.format(value=value))
    (project / "setup.py").write_text(
        "from setuptools import Extension, setup\n"
        'setup(name="endianproof-test-of-building", ext_modules=[Extension("mine", ["mine.c"])])\n'
    )
    yield project, value
    wheels = cache_root().glob("built/*/*/endianproof_test_of_building-*.whl")
    for left in (
        *(one.parent for one in wheels),
        *cache_root().glob("overlays/*/endianproof-test-of-building-*/"),
    ):
        remove_tree(left)
    for log in cache_root().glob("built/*/endianproof-test-of-building.log"):
        log.unlink()


def test_a_project_in_c_is_compiled_in_the_guest_and_runs_there(trixie, extension, monkeypatch):
    monkeypatch.setenv("CC", "a-compiler-of-the-hosts")
    project, value = extension
    said = []
    folder = overlay([str(project)], trixie, said.append, builds=True)
    code = "import mine; print(mine.order())"
    assert output(trixie, "python3", "-c", code, env={"PYTHONPATH": str(folder)}) == f"{value}\n"  # big-endian
    assert any("(programs started by path: " in line for line in said)


def test_a_project_is_compiled_where_programs_cannot_be_started_by_path(trixie, extension, monkeypatch, tmp_path):
    (tmp_path / "unshare").write_text("#!/bin/sh\necho not permitted\nexit 1\n")
    (tmp_path / "unshare").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    project, value = extension
    folder = overlay([str(project)], trixie, print, builds=True)
    code = "import mine; print(mine.order())"
    assert output(trixie, "python3", "-c", code, env={"PYTHONPATH": str(folder)}) == f"{value}\n"


def test_a_project_that_does_not_compile_shows_the_compilers_words(trixie, extension):
    project, _ = extension
    (project / "mine.c").write_text("int broken = ;\n")
    with pytest.raises(OverlayError, match=r"mine\.c:1:14: error: expected expression") as caught:
        overlay([str(project)], trixie, print, builds=True)
    assert "endianproof-test-of-building.log" in caught.value.hint
