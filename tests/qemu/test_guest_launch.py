"""The host's command line for a program in a guest."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import endianproof
from endianproof.qemu import GuestError, package_alone
from endianproof.qemu._launch import guest_argv, guest_environment, programs_folder, write_programs

S390X = b"\x7fELF\x02\x02\x01" + bytes(9) + b"\x00\x02\x00\x16" + bytes(44)
X86_64 = b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x02\x00\x3e\x00" + bytes(44)
BIG_ENDIAN_PPC = b"\x7fELF\x02\x02\x01" + bytes(9) + b"\x00\x02\x00\x15" + bytes(44)
PDP_10 = b"\x7fELF\x02\x02\x01" + bytes(9) + b"\x00\x02\x00\x40" + bytes(44)
S390_31_BIT = b"\x7fELF\x01\x02\x01" + bytes(9) + b"\x00\x02\x00\x16" + bytes(32)


@pytest.fixture
def tree(tmp_path):
    tree = tmp_path / "tree"
    (tree / "usr" / "bin").mkdir(parents=True)
    for name in ("python3", "node"):
        (tree / "usr" / "bin" / name).write_bytes(S390X)
    (tree / "usr" / "bin" / "tool").write_bytes(b"#!/usr/bin/python3 -u\nprint()\n")
    return tree


def program(tree, *argv):
    """What QEMU is told to run: all after -L TREE."""
    line = guest_argv("/usr/bin/qemu", tree, argv)
    assert line[0] == "/usr/bin/qemu"
    at = line.index("-L")
    assert line[at + 1] == str(tree)
    return line[at + 2 :]


def test_python3_is_the_guests_own(tree):
    assert program(tree, "python3", "-c", "pass") == [str(tree / "usr/bin/python3"), "-c", "pass"]


def test_the_hosts_preloaded_libraries_do_not_reach_the_guest(tree):
    line = guest_argv("qemu", tree, ["python3"])
    unset = {line[at + 1] for at, word in enumerate(line) if word == "-U"}
    assert {"LD_LIBRARY_PATH", "LD_PRELOAD"} <= unset


def test_an_absolute_path_is_the_guests_where_the_tree_has_it(tree):
    assert program(tree, "/usr/bin/node", "adapter.mjs") == [str(tree / "usr/bin/node"), "adapter.mjs"]


def test_a_program_built_for_s390x_runs_from_the_hosts_files(tree, tmp_path):
    loader = tmp_path / "loader"
    loader.write_bytes(S390X)
    assert program(tree, str(loader), "--fast") == [str(loader), "--fast"]


@pytest.mark.parametrize(
    ("first_line", "expected"),
    [
        ("#!/usr/bin/python3", ["python3"]),
        ("#! /usr/bin/env python3", ["python3"]),
        ("#!/usr/bin/env -S node --no-warnings", ["node", "--no-warnings"]),
        ("#!/home/me/venv/bin/python", ["python3"]),
    ],
)
def test_a_script_is_run_by_the_guests_interpreter(tree, tmp_path, first_line, expected):
    script = tmp_path / "adapter"
    script.write_text(f"{first_line}\npass\n")
    interpreter, *arguments = expected
    assert program(tree, str(script), "x") == [str(tree / "usr/bin" / interpreter), *arguments, str(script), "x"]


def test_a_script_of_the_guests_is_run_by_its_interpreter(tree):
    expected = [str(tree / "usr/bin/python3"), "-u", str(tree / "usr/bin/tool"), "x"]
    assert program(tree, "tool", "x") == expected


@pytest.mark.parametrize(
    ("content", "machine"),
    [
        (X86_64, "x86_64"),
        (BIG_ENDIAN_PPC, "ppc64"),
        (S390_31_BIT, "s390 with 31 bits"),
        (PDP_10, "another machine"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_program_for_another_machine_is_refused(tree, tmp_path, content, machine):
    loader = tmp_path / "loader"
    loader.write_bytes(content)
    with pytest.raises(GuestError, match=f"loader is built for {machine}, not for s390x") as caught:
        program(tree, str(loader))
    assert "gcc-s390x-linux-gnu" in caught.value.hint


@pytest.mark.parametrize("content", [b"", b"text\n"])
def test_a_file_that_is_no_program_is_refused(tree, tmp_path, content):
    (tmp_path / "loader").write_bytes(content)
    with pytest.raises(GuestError, match="neither an ELF program nor a script"):
        program(tree, str(tmp_path / "loader"))


@pytest.mark.parametrize("first_line", ["#!", "#!/usr/bin/env"])
def test_a_script_without_interpreter_is_refused(tree, tmp_path, first_line):
    (tmp_path / "loader").write_text(f"{first_line}\n")
    with pytest.raises(GuestError, match="names no interpreter"):
        program(tree, str(tmp_path / "loader"))


def test_a_script_whose_interpreter_the_guest_lacks_says_both(tree, tmp_path):
    (tmp_path / "compiler").write_text("#!/bin/sh\nexec /usr/bin/mono\n")
    with pytest.raises(GuestError, match="compiler is run by sh: there is no such program in the guest"):
        program(tree, str(tmp_path / "compiler"))


@pytest.mark.parametrize("name", ["ruby", "./ruby", "/usr/bin/ruby-9"])
def test_a_program_that_is_nowhere_is_named(tree, name):
    with pytest.raises(GuestError, match="there is no such program") as caught:
        program(tree, name)
    assert name in str(caught.value)


def test_the_hosts_python_settings_do_not_reach_the_guest():
    env = {"PYTHONHOME": "/h", "PYTHONPYCACHEPREFIX": "/c", "PYTHONPATH": "/kept", "HOME": "/home/me"}
    given = guest_environment("qemu", Path("/tree"), env)
    ours = {"PYTHONNOUSERSITE", "PATH", "ENDIANPROOF_QEMU", "QEMU_LD_PREFIX"}
    assert given.keys() == {"PYTHONPATH", "HOME", *ours}
    assert (given["PYTHONPATH"], given["HOME"]) == ("/kept", "/home/me")


def test_the_guests_programs_come_first_on_the_path(tree):
    path = guest_environment("qemu", tree, {"PATH": "/usr/bin:/bin"})["PATH"]
    assert path == f"{programs_folder(tree)}:/usr/bin:/bin"


def test_what_a_guests_program_starts_by_name_runs_in_qemu(tree, tmp_path):
    qemu = tmp_path / "qemu"
    qemu.write_text("#!/bin/sh\nprintf '%s\\n' \"$@\"\n")
    qemu.chmod(0o755)
    final = tmp_path / "it's final"
    (tree / "usr" / "bin" / "awk-script").write_text("#!/usr/bin/awk -f\n")
    write_programs(tree, final)
    tree.rename(final)
    assert sorted(path.name for path in programs_folder(final).iterdir()) == ["node", "python3", "tool"]
    environment = guest_environment(str(qemu), final, os.environ)
    said = subprocess.run(["tool", "a b"], env=environment, capture_output=True, text=True, check=True)
    assert said.stdout.splitlines() == guest_argv(str(qemu), final, ["tool", "a b"])[1:]


def test_a_program_that_is_started_without_the_guest_says_so(tree):
    write_programs(tree, tree)
    done = subprocess.run([programs_folder(tree) / "node"], env={}, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "start this with endianproof guest exec" in done.stderr


def test_the_guests_python_is_told_the_name_that_others_can_start(tree):
    line = guest_argv("qemu", tree, ["tool"])
    assert line[line.index("-0") + 1] == str(programs_folder(tree) / "python3")
    assert f"PYTHONHOME={tree}/usr" in line


@pytest.mark.parametrize("name", ["mono", "mono-sgen"])
def test_monos_code_and_configuration_are_within_reach(tree, name):
    (tree / "usr/bin" / name).write_bytes((tree / "usr/bin/python3").read_bytes())
    words = guest_argv("qemu", tree, [name, "adapter.exe"])
    assert words[words.index("-R") + 1] == "0x80000000"
    assert words[words.index("-E") + 1] == "MONO_CFG_DIR=/etc"
    assert words[-2:] == [str(tree / "usr/bin" / name), "adapter.exe"]


def test_javas_programs_are_found_where_debian_keeps_them(tree):
    java = tree / "usr/lib/jvm/java-21-openjdk-s390x/bin/java"
    java.parent.mkdir(parents=True)
    java.write_bytes(S390X)
    assert program(tree, "java", "-version") == [str(java), "-version"]


def test_the_package_alone_is_importable_and_nothing_beside_it(tmp_path):
    environment = package_alone(tmp_path)
    code = "import endianproof, sys; print(endianproof.__version__, [p for p in sys.path if 'site-packages' in p])"
    found = subprocess.run(
        [sys.executable, "-S", "-c", code],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout == f"{endianproof.__version__} []\n"
    assert [path.name for path in tmp_path.iterdir()] == ["endianproof"]
