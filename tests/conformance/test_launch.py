"""Processes are described as the user asked for them: where modules are looked for, and on which machine."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import pytest

from endianproof.conformance.client import TesteeProcess
from endianproof.conformance.launch import TESTEE, TesteeStartError, program_testee, python_testee
from endianproof.conformance.named import formats_of, named, named_testees
from endianproof.conformance.unstartable import why_refused


class FakeGuest:
    """A guest that says what it was asked to run."""

    name = "fake"

    def __init__(self, tree):
        self.tree = tree

    def command(self, argv, env):
        return ["emulator", *argv], {**env, "EMULATED": "1"}


def test_modules_are_looked_for_in_overlay_then_here_then_in_paths(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    launch = python_testee("mypkg.load", "bytes", [tmp_path / "src"], None, tmp_path / "overlay")
    assert launch.argv == (
        sys.executable,
        str(TESTEE),
        f"--path={tmp_path}/overlay",
        f"--path={tmp_path}",
        f"--path={tmp_path}/src",
        "--takes=bytes",
        "--loader=mypkg.load",
    )
    assert (launch.cwd, launch.what) == (tmp_path, "--loader=mypkg.load")
    assert str(tmp_path / "overlay") in launch.hint


def test_a_folder_that_is_named_twice_is_looked_in_once(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    launch = python_testee("mypkg.load", "path", [tmp_path, Path("src"), tmp_path / "src"], None, None)
    assert [word for word in launch.argv if word.startswith("--path=")] == [
        f"--path={tmp_path}",
        f"--path={tmp_path}/src",
    ]
    assert f"looked for in {tmp_path}, {tmp_path}/src, then" in launch.hint


@pytest.mark.parametrize("file", ["src/mypkg/__init__.py", "src/mypkg.py"])
def test_a_module_under_src_of_a_project_is_to_be_built(tmp_path, monkeypatch, file):
    monkeypatch.chdir(tmp_path)
    (tmp_path / file).parent.mkdir(parents=True)
    (tmp_path / file).touch()
    assert "--with=. " not in python_testee("mypkg:load", "path", [], None, None).hint
    (tmp_path / "pyproject.toml").touch()
    assert "mypkg is in this project's src: --with=. " in python_testee("mypkg:load", "path", [], None, None).hint
    assert "--with=. " not in python_testee("other.load", "path", [], None, None).hint
    assert "--with=. " not in python_testee("mypkg.load", "path", [], None, tmp_path / "src").hint


def test_the_testee_is_a_file_that_is_there():
    assert TESTEE.is_file()


def test_relative_folders_are_the_users(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert f"--path={tmp_path}/src" in python_testee("m.load", "path", [Path("src")], None, None).argv


def test_a_guest_runs_its_own_python(tmp_path):
    launch = python_testee("mypkg.load", "path", [], FakeGuest(tmp_path), None)
    assert launch.argv[:3] == ("emulator", "python3", str(TESTEE))
    assert launch.env["EMULATED"] == "1"


def test_what_a_guest_lacks_debian_may_have(tmp_path):
    there = python_testee("mypkg.load", "path", [], FakeGuest(tmp_path), None)
    assert "endianproof guest install fake python3-NAME adds one of Debian's" in there.hint
    assert there.hint.endswith("--with=NAME --build-in-guest compiles one that has no wheel for the guest")
    assert "guest install" not in python_testee("mypkg.load", "path", [], None, None).hint


def test_folders_that_the_guest_has_too_are_the_hosts(tmp_path, monkeypatch):
    tree = tmp_path / "tree"
    shared, own = tmp_path / "shared", tmp_path / "own"
    for folder in (shared, own, Path(f"{tree}{shared}")):
        folder.mkdir(parents=True)
    monkeypatch.chdir(own)
    argv = python_testee("mypkg.load", "path", [shared], FakeGuest(tree), None).argv
    assert f"--path=/proc/self/root{shared}" in argv
    assert f"--path={own}" in argv


def test_pythonpath_is_the_hosts_own_and_comes_last_in_a_guest(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}/a{os.pathsep}{tmp_path}/b")
    here = python_testee("mypkg.load", "path", [], None, None)
    there = python_testee("mypkg.load", "path", [], FakeGuest(tmp_path), None)
    assert here.env["PYTHONPATH"] == f"{tmp_path}/a{os.pathsep}{tmp_path}/b"
    assert "PYTHONPATH" not in there.env
    assert [option for option in there.argv if "--path-last" in option] == [
        f"--path-last={tmp_path}/a",
        f"--path-last={tmp_path}/b",
    ]
    assert not any("--path-last" in option for option in here.argv)


def test_a_program_is_started_as_typed():
    launch = program_testee(f"'{sys.executable}' adapter.py 'two words'", None)
    assert launch.argv == (sys.executable, "adapter.py", "two words")
    assert program_testee("./loader --fast", FakeGuest(Path("/"))).argv == ("emulator", "./loader", "--fast")


@pytest.mark.parametrize(
    ("command_line", "said"),
    [
        ("", "--testee is empty"),
        ("   ", "--testee is empty"),
        ("node 'adapter", "cannot be read: No closing quotation"),
        ("no-such-program-here x", "there is no program 'no-such-program-here'"),
        ("./no-such-file", "there is no program './no-such-file'"),
    ],
)
def test_a_command_line_that_names_no_program_is_one_clear_error(command_line, said):
    with pytest.raises(TesteeStartError, match=said):
        program_testee(command_line, None)


def test_named_testees_are_known_by_name_and_by_path():
    assert named("reference").name == "reference"
    assert named("endianproof.reference.load") is named("reference")
    assert named("torch:load") is named("torch.load")
    assert not named("torch:load").keywords
    assert named("mypkg.load") is None
    assert formats_of("safetensors.torch.load_file") == ("safetensors",)
    assert formats_of("mypkg.load") is None


def test_a_named_testee_brings_what_it_takes():
    argv = python_testee("safetensors.numpy.load", "path", [], None, None).argv
    assert "--takes=bytes" in argv
    assert "--loader=safetensors.numpy:load" in argv


def test_named_testees_read_formats_that_the_specification_has():
    from endianproof.spec import load_spec

    assert {name for testee in named_testees() for name in testee.formats} <= set(load_spec().formats)


S390X = b"\x7fELF\x02\x02\x01" + bytes(9) + b"\x00\x02\x00\x16" + bytes(44)
PPC = b"\x7fELF\x01\x02\x01" + bytes(9) + b"\x00\x02\x00\x14" + bytes(44)


@pytest.mark.parametrize(
    ("typed", "said", "hint"),
    [
        ("./adapter", "./adapter may not be executed", "chmod +x ./adapter"),
        ("adapter", "'adapter' is a file here and no program on PATH", "is written ./adapter"),
        ("./folder", "./folder is a folder", "name the program in it"),
    ],
)
def test_a_name_that_leads_to_no_program_says_why(tmp_path, monkeypatch, typed, said, hint):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "adapter").write_bytes(b"#!/bin/sh\n")
    (tmp_path / "folder").mkdir()
    with pytest.raises(TesteeStartError, match=re.escape(said)) as caught:
        program_testee(typed, None)
    assert hint in caught.value.hint


@pytest.mark.parametrize(
    ("content", "said", "hint"),
    [
        (b"#!/opt/nowhere/node -x\n", "names the interpreter /opt/nowhere/node, which is not here", "first line"),
        (b"#!/bin/sh\r\necho\r\n", "ends with CR LF", "LF alone"),
        (b"import json\n", "is neither a program nor a script that begins with #!", "name its interpreter"),
        (S390X, "is built for s390x, and this machine is another", "--guest=s390x"),
        (PPC, "is built for another machine", "build it for this one"),
        (b"MZ\x90", "is a program for Windows or .NET", "mono "),
        (b"", "cannot be started: Exec format error", ""),
    ],
)
def test_a_program_that_the_system_refuses_says_why(tmp_path, content, said, hint):
    """Not by starting it: where binfmt_misc knows s390x, a kernel starts what is built for it."""
    (tmp_path / "adapter").write_bytes(content)
    why, advice = why_refused(str(tmp_path / "adapter"), OSError(8, "Exec format error"))
    assert said in why
    assert hint in advice


def test_the_users_error_is_the_explained_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "adapter").write_text("import json\n")
    (tmp_path / "adapter").chmod(0o755)
    with pytest.raises(TesteeStartError, match="neither a program nor a script") as caught:
        TesteeProcess(program_testee("./adapter", None)).start()
    assert "name its interpreter before it" in caught.value.hint
