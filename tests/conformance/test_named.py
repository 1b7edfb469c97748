"""The table of named testees: well formed, complete for what is installed, and of help where it is not."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from endianproof.conformance.installed import how_to_get, install_line, installed, s390x_line
from endianproof.conformance.launch import TesteeStartError, program_testee, python_testee, saver_testee
from endianproof.conformance.named import (
    GLUE,
    PROGRAMS,
    named,
    named_program,
    named_saver,
    named_testees,
    read_testees,
)
from endianproof.conformance.testee.resolve import resolve, top_level
from endianproof.spec import SpecError, load_spec

TABLE = pytest.mark.parametrize("testee", named_testees(), ids=lambda one: f"{one.option}-{one.name}")
HERE = pytest.mark.parametrize(
    "testee",
    [one for one in named_testees() if installed(one) is not None],
    ids=lambda one: f"{one.option}-{one.name}",
)

LIBRARY = """
testees: 1
library: mylib
tried: "1.0"
link: https://example.com
needs: ["mylib>=0.1"]
formats: [safetensors]
x86_64: wheel
s390x: {absent: it is written for x86-64}
loaders:
  mylib.load:
  mylib.load-fast: {calls: "mylib:load", keywords: {fast: true}, needs: ["mylib>=0.9", torch]}
"""


def read(tmp_path, text, validate=True):
    (tmp_path / "mylib.yaml").write_text(text, encoding="utf-8")
    return read_testees(tmp_path, validate=validate)


def test_the_shipped_table_is_of_its_schema():
    assert read_testees(validate=True) == named_testees()


def test_a_file_of_a_few_lines_is_a_library(tmp_path):
    plain, fast = read(tmp_path, LIBRARY)
    assert (plain.calls, plain.formats, plain.needs) == ("mylib:load", ("safetensors",), ("mylib>=0.1",))
    assert fast.keywords == {"fast": True}
    assert fast.needs == ("mylib>=0.9", "torch")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("tried:", "tired:", "tired"),
        ("x86_64: wheel", "x86_64: perhaps", "x86_64"),
        ("mylib.load:", "mylib.load: {take: path}", "take"),
        ("[safetensors]", "[]", "formats"),
        ("keywords: {fast: true}", "keywords: {}", "keywords"),
        ("  mylib.load-fast", "  mylib.load", "occurs twice"),
    ],
)
def test_a_mistake_in_a_file_is_refused(tmp_path, old, new, said):
    with pytest.raises(SpecError, match=said):
        read(tmp_path, LIBRARY.replace(old, new, 1))


def test_one_name_for_two_loaders_is_refused(tmp_path):
    (tmp_path / "other.yaml").write_text(LIBRARY, encoding="utf-8")
    with pytest.raises(SpecError, match=r"two loaders are called mylib\.load"):
        read(tmp_path, LIBRARY)


@TABLE
def test_an_entry_names_formats_that_there_are(testee):
    assert set(testee.formats) <= set(load_spec().formats)


@TABLE
def test_an_entry_is_found_by_its_name(testee):
    find = {"loader": named, "saver": named_saver, "testee": named_program}[testee.option]
    assert find(testee.name) is testee


@TABLE
def test_an_entry_is_started_as_it_says(testee):
    if testee.program:
        argv = program_testee(testee.name, None).argv if not _missing_program(testee) else testee.program
        assert list(argv) == list(testee.program)
    elif testee.op == "load":
        argv = python_testee(testee.name, "path", [], None, None).argv
        assert {f"--loader={testee.calls}", f"--takes={testee.takes}"} <= set(argv)
    else:
        argv = saver_testee(testee.name, None, [], None, None).argv
        assert {f"--saver={testee.calls}", f"--gives={testee.gives}", f"--returns={testee.returns}"} <= set(argv)


def _missing_program(testee):
    try:
        program_testee(testee.name, None)
    except TesteeStartError:
        return True
    return False


@HERE
def test_an_entry_resolves_where_its_library_is_installed(testee):
    if testee.program:
        assert all(Path(word).is_file() for word in testee.program[1:])
        return
    called = resolve(testee.calls)
    try:
        parameters = inspect.signature(called).parameters
    except ValueError:
        return
    anything = any(one.kind is one.VAR_KEYWORD for one in parameters.values())
    assert anything or testee.keywords.keys() <= parameters.keys()


@pytest.mark.parametrize("testee", [one for one in named_testees() if one.by_glue], ids=lambda one: one.name)
def test_glue_exists_whether_or_not_the_library_does(testee):
    module, _, function = testee.calls.removeprefix(GLUE).partition(":")
    tree = ast.parse((PROGRAMS / f"{module.replace('.', '/')}.py").read_text(encoding="utf-8"))
    assert function in {
        node.name for node in tree.body if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
    }


def test_all_glue_is_called_by_an_entry():
    called = {one.calls.removeprefix(GLUE) for one in named_testees() if one.by_glue}
    for path in sorted((PROGRAMS / "libraries").glob("[!_]*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        public = [node.name for node in tree.body if isinstance(node, ast.FunctionDef) and node.name[0] != "_"]
        assert public, path
        assert {f"libraries.{path.stem}:{name}" for name in public} <= called


def test_all_programs_are_started_by_an_entry():
    started = {Path(word) for one in named_testees() for word in one.program if word.endswith(".mjs")}
    assert started == set((PROGRAMS / "node").glob("*.mjs")) - {PROGRAMS / "node" / "protocol.mjs"}


def test_the_name_of_glue_begins_with_the_library_whose_version_is_told():
    for one in named_testees():
        if one.by_glue:
            source = (PROGRAMS / one.calls.removeprefix(GLUE).partition(":")[0].replace(".", "/")).with_suffix(
                ".py"
            )
            assert f'"{top_level(one.name)}"' in source.read_text(encoding="utf-8"), one.name


# What a public name that has to do with loading or saving does instead of reading or writing a file of tensors.
OTHERWISE = {
    "safetensors.serialize": "is given addresses of memory, in the order of the file: it knows no tensors",
    "safetensors.serialize_file": "likewise",
    "safetensors.torch.save_model": "leaves out the names of shared tensors, as it says",
    "torch.from_file": "maps raw bytes, of no format",
    "torch.jit.save": "writes a compiled module",
    "torch.jit.save_jit_module_to_flatbuffer": "likewise, in a format of its own",
}
LOADS_OR_SAVES = re.compile(r"(^|_)(load|save|open|deserialize|serialize|from_file)(_|$)")
MODULES = ("safetensors", "safetensors.numpy", "safetensors.torch", "torch", "torch.jit")


@pytest.mark.parametrize("module", MODULES)
def test_every_public_function_that_loads_or_saves_is_in_the_table(module):
    if importlib.util.find_spec(top_level(module)) is None:
        pytest.skip(f"{top_level(module)} is not installed")
    package = importlib.import_module(top_level(module))
    public = {
        f"{module}.{name}"
        for name, value in vars(importlib.import_module(module)).items()
        if name[0] != "_" and LOADS_OR_SAVES.search(name) and callable(value)
        if module == package.__name__ or value is not getattr(package, name, None)  # imported, not defined
    }
    assert public, "a module that loads and saves has functions that do"
    listed = {one.name.partition("-")[0] for one in named_testees()}
    unlisted = {name for name in public if not any(one == name or one.startswith(f"{name}.") for one in listed)}
    assert unlisted <= OTHERWISE.keys()


def test_every_method_of_an_open_file_that_gives_tensors_is_in_the_table():
    safetensors = pytest.importorskip("safetensors")
    methods = {name for name in dir(safetensors.safe_open) if name.startswith("get_")}
    assert methods
    listed = {one.name.partition("-")[0] for one in named_testees()}
    assert {f"safetensors.safe_open.{name}" for name in methods} <= listed


def test_the_line_that_installs_it_is_told_where_it_is_missing(tmp_path):
    plain, fast = read(tmp_path, LIBRARY)
    assert installed(plain) is None
    assert install_line(fast) == "pip install 'mylib>=0.9' torch"
    assert "pip install 'mylib>=0.1'" in how_to_get(plain, in_guest=False)
    assert how_to_get(plain, in_guest=True) == "mylib.load is not to be had on s390x: it is written for x86-64"


def test_a_guest_is_given_the_release_that_was_tried_and_not_what_it_has(tmp_path):
    _, fast = read(tmp_path, LIBRARY.replace("{absent: it is written for x86-64}", "wheel"))
    assert s390x_line(fast) == "--with=mylib==1.0"


def test_a_floor_that_is_not_reached_counts_as_missing(tmp_path):
    plain, fast = read(
        tmp_path, LIBRARY.replace("mylib>=0.1", "pytest>=1.0").replace("mylib>=0.9", "pytest>=9999")
    )
    assert installed(plain) == pytest.__version__
    assert installed(fast) is None


@TABLE
def test_what_an_entry_needs_is_what_pip_or_npm_can_read(testee):
    for need in testee.needs:
        if testee.language == "Python":
            Requirement(need)
        else:
            assert re.fullmatch(r"@?[\w./-]+@\d[\w.-]*", need)


def run(*options, cwd):
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *options]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def test_a_name_that_is_nearly_one_is_answered_with_it(tmp_path):
    code, said = run("--loader=refrence", cwd=tmp_path)
    assert code == 4
    assert "did you mean reference?" in said
    assert "endianproof testees" in said


def test_a_named_testee_whose_library_is_missing_says_how_to_get_it(tmp_path):
    absent = next((one for one in named_testees() if one.option == "loader" and installed(one) is None), None)
    if absent is None:
        pytest.skip("every library of the table is installed here")
    code, said = run(f"--loader={absent.name}", cwd=tmp_path)
    assert code == 4
    assert how_to_get(absent, in_guest=False) in said
    assert "Traceback" not in said
