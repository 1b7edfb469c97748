"""Building in a guest, with stand-ins: QEMU's runs the build backend here, of projects that bring their own."""

from __future__ import annotations

import os
import threading
import time

import pytest

from endianproof.qemu import GuestError, _build, build_in_guest, other_trees, remove
from endianproof.qemu._build import builder
from endianproof.qemu._compiling import failed_build
from endianproof.qemu._started import Way, way

BACKEND = """
import os, pathlib, time
def build_wheel(folder):
    print("compiling")
    {body}
    name = "mine-1.0-cp313-cp313-linux_s390x.whl"
    pathlib.Path(folder, name).write_bytes(b"a wheel")
    return name
"""

# Runs what the guest's Python would, when it is asked to build; answers the warm-up otherwise.
QEMU = """
import json, os, sys
with open(os.environ["FAKE_LOG"] + ".environment", "w") as file:
    json.dump(dict(os.environ), file)
after = sys.argv[sys.argv.index("-c") + 1:]
if after[1:]:
    sys.exit(os.spawnv(os.P_WAIT, sys.executable, [sys.executable, "-c", *after]))
facts = {"byteorder": "big", "machine": "s390x", "python": "3.13", "libc": "glibc 2.41", "packages": {}}
print("endianproof-facts:", json.dumps(facts))
"""


def ignore(_):
    pass


@pytest.fixture
def guest(small, programs, monkeypatch):
    programs.add("qemu-s390x-static", QEMU)
    programs.add_shell("unshare", "echo unshare: not permitted; exit 1")
    monkeypatch.setattr(_build, "PACKAGES_MB", 1)
    small.setup(ignore)
    return small


def source(folder, body="pass"):
    """A copy that may be moved away."""
    copy = folder / f"copy-{time.monotonic_ns()}"
    copy.mkdir()
    (copy / "mine.py").write_text(BACKEND.format(body=body))
    (copy / "pyproject.toml").write_text(
        '[build-system]\nrequires = []\nbuild-backend = "mine"\nbackend-path = ["."]\n'
    )
    return copy


def test_the_guest_that_builds_has_a_compiler_and_the_guest_is_as_it_was(guest, programs):
    whole = builder(guest)
    assert set(guest.recipe.packages) < set(whole.recipe.packages)
    assert "g++" in whole.recipe.packages
    assert whole.tree != guest.tree


def test_a_source_becomes_a_wheel_that_is_kept(guest, tmp_path, cache):
    said = []
    wheel = build_in_guest(guest, source(tmp_path), "mine", said.append)
    assert wheel.read_bytes() == b"a wheel"
    assert wheel.is_relative_to(cache / "built")
    assert any(line.startswith("building mine in guest trixie (") for line in said)
    assert said[-1].startswith(f"built {wheel.name} in ")
    again = []
    assert build_in_guest(guest, source(tmp_path), "mine", again.append) == wheel
    assert again == []
    assert build_in_guest(guest, source(tmp_path, "x = 1"), "mine", ignore) != wheel


def test_that_a_second_tree_is_made_is_told_with_its_packages(guest, tmp_path):
    said = []
    build_in_guest(guest, source(tmp_path), "mine", said.append)
    assert said[0].startswith("guest trixie: cmake, g++, ")


def left(cache):
    """Files and folders of builds, without locks."""
    return sorted(path.name for path in (cache / "built").glob("*/*"))


def test_a_build_that_fails_shows_the_compilers_words_and_keeps_only_its_log(guest, tmp_path, cache):
    body = "print('a.c:1:5: error: no semicolon'); raise SystemExit(1)"
    with pytest.raises(GuestError, match="mine could not be built in guest trixie") as caught:
        build_in_guest(guest, source(tmp_path, body), "mine", ignore)
    assert "a.c:1:5: error: no semicolon" in str(caught.value)
    assert left(cache) == ["mine.log"]
    log = next((cache / "built").glob("*/mine.log"))
    assert str(log) in caught.value.hint
    assert "compiling\n" in log.read_text()
    build_in_guest(guest, source(tmp_path), "mine", ignore)
    assert not log.exists()


def test_a_build_that_is_interrupted_leaves_nothing_half_built(guest, tmp_path, cache, monkeypatch):
    def interrupted(text):
        if "so far" in text:  # the backend has said something
            raise KeyboardInterrupt

    monkeypatch.setattr(_build, "TOLD_EVERY_SECONDS", 0.0)
    with pytest.raises(KeyboardInterrupt):
        build_in_guest(guest, source(tmp_path), "mine", interrupted)
    assert left(cache) == []


def test_what_a_killed_build_left_is_cleared(guest, tmp_path, cache):
    wheel = build_in_guest(guest, source(tmp_path), "mine", ignore)
    partial = wheel.parent.parent / "partial"
    (partial / "source").mkdir(parents=True)
    build_in_guest(guest, source(tmp_path, "x = 1"), "mine", ignore)
    assert not partial.exists()


def test_two_at_once_build_once_and_the_second_says_that_it_waits(guest, tmp_path):
    build_in_guest(guest, source(tmp_path, "x = 1"), "other", ignore)  # so that the second tree is there
    building, waits = threading.Event(), threading.Event()
    said, wheels = [], []

    def telling(text):
        if text.startswith("building"):
            building.set()
            waits.wait(60)

    def by_second(text):
        said.append(text)
        waits.set()

    sources = [source(tmp_path, "x = 2") for _ in range(2)]
    first = threading.Thread(target=lambda: wheels.append(build_in_guest(guest, sources[0], "mine", telling)))
    first.start()
    assert building.wait(60)
    second = build_in_guest(guest, sources[1], "mine", by_second)
    first.join()
    assert wheels == [second]
    assert [line.partition(" (")[0] for line in said] == ["waiting for another build for Python 3.13 on s390x"]


def test_the_hosts_compilers_and_their_settings_do_not_reach_a_build(guest, tmp_path, programs, monkeypatch):
    for name in ("CC", "CFLAGS", "CPATH", "PKG_CONFIG_PATH", "PYTHONPATH"):
        monkeypatch.setenv(name, "/of-the-host")
    build_in_guest(guest, source(tmp_path), "mine", ignore)
    env = programs.last_environment()
    assert "/of-the-host" not in env.values()
    assert env["PATH"].split(os.pathsep)[1] == str(builder(guest).tree / "endianproof-programs")
    assert env["QEMU_LD_PREFIX"] == str(builder(guest).tree)


def test_rust_is_refused_before_anything_is_fetched(guest, tmp_path):
    copy = source(tmp_path)
    (copy / "pyproject.toml").write_text('[build-system]\nrequires = ["maturin>=1"]\nbuild-backend = "maturin"\n')
    with pytest.raises(GuestError, match=r"mine is written in Rust \(maturin\)") as caught:
        build_in_guest(guest, copy, "mine", ignore)
    assert "--with=NAME-VERSION-...-s390x.whl" in caught.value.hint


def test_what_the_build_requires_and_the_tree_lacks_is_unpacked(guest, tmp_path, monkeypatch):
    fetched = []

    def unpack(wanted, folder, platform, *, keep_open):
        assert keep_open
        fetched.extend(wanted)
        if wanted == ["nowhere"]:
            raise GuestError("there is no wheel of nowhere", kind="absent")
        info = folder / f"{wanted[0]}-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Name: {wanted[0]}\nVersion: 1.0\n")

    monkeypatch.setattr(_build, "unpack_wheels", unpack)
    copy = source(tmp_path)
    project = copy / "pyproject.toml"
    wanted = '["cmake>=3", "ninja", "cython", "tomli; python_version<\'3.11\'"]'
    project.write_text(project.read_text().replace("[]", wanted))
    (copy / "mine.py").write_text(
        (copy / "mine.py").read_text() + 'get_requires_for_build_wheel = lambda: ["cython", "wheel"]\n'
    )
    build_in_guest(guest, copy, "mine", ignore)
    assert fetched == ["cython", "wheel"]
    copy = source(tmp_path)
    (copy / "pyproject.toml").write_text('[build-system]\nrequires = ["nowhere"]\n')
    with pytest.raises(GuestError, match="mine needs nowhere to be built: there is no wheel") as caught:
        build_in_guest(guest, copy, "mine", ignore)
    assert "endianproof guest install trixie python3-nowhere" in caught.value.hint


def test_the_second_tree_is_known_and_goes_with_the_guest(guest, tmp_path):
    build_in_guest(guest, source(tmp_path), "mine", ignore)
    assert builder(guest).tree not in other_trees()
    remove(guest, ignore)
    assert not builder(guest).tree.exists()


# Ways to start what was compiled


def test_a_machine_that_knows_the_programs_needs_nothing(tmp_path):
    found = way("/qemu", "/bin/true", tmp_path, os.environ)
    assert (found.before, found.missing) == ((), "")


def test_otherwise_a_user_namespace_is_told_of_them(tmp_path, monkeypatch):
    """`unshare` is a stand-in that starts its command, `mount` does nothing; the program needs what is written."""
    for name, text in {
        "unshare": 'shift 3; exec "$@"',
        "mount": "exit 0",
        "gcc": f"grep -q ^:endianproof-s390x:M::.*:/the/qemu:F$ {tmp_path}/register",
    }.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)
    env = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    monkeypatch.setenv("PATH", env["PATH"])
    found = way("/the/qemu", tmp_path / "gcc", tmp_path, env)
    assert found.missing == ""
    assert found.before[:4] == ("unshare", "--user", "--map-root-user", "--mount")


def test_without_either_the_reason_is_kept(tmp_path, monkeypatch):
    (tmp_path / "unshare").write_text("#!/bin/sh\necho unshare failed: Operation not permitted\nexit 1\n")
    (tmp_path / "unshare").chmod(0o755)
    (tmp_path / "gcc").write_bytes(b"\x7fELF")
    env = {"PATH": str(tmp_path)}
    monkeypatch.setenv("PATH", str(tmp_path))
    found = way("/qemu", tmp_path / "gcc", tmp_path, env)
    assert found.before == ()
    assert found.missing == "unshare failed: Operation not permitted"


# What a failed build is told of


FREE = Way("by binfmt_misc")
BOUND = Way("none", missing="unshare failed: Operation not permitted")


@pytest.mark.parametrize(
    ("output", "way", "first", "hint"),
    [
        ("building\na.c:1:9: fatal error: zlib.h: No such file or directory\nexit 1", FREE, "a.c:1:9", "NAME-dev"),
        ("gcc -o x\n/usr/bin/ld: cannot find -lz\ncollect2: error", FREE, "/usr/bin/ld", "NAME-dev"),
        ("x\nCMake Error at CMakeLists.txt:3\n  no Boost\n", FREE, "CMake Error", "all that was said is in"),
        ("OSError: [Errno 8] Exec format error: './a'", BOUND, "OSError", "here that is refused: unshare failed"),
        ("", FREE, "it said nothing", "all that was said is in"),
    ],
)
def test_a_failed_build_begins_with_the_first_complaint(tmp_path, output, way, first, hint):
    error = failed_build("mine", "trixie", output.splitlines(), tmp_path / "mine.log", way)
    assert str(error).splitlines()[1].strip().startswith(first)
    assert hint in error.hint
    assert str(tmp_path / "mine.log") in error.hint


def test_a_compilers_complaint_is_not_blamed_on_the_machine(tmp_path):
    error = failed_build("mine", "trixie", ["a.c:1:1: error: no"], tmp_path / "mine.log", BOUND)
    assert "binfmt_misc" not in error.hint
