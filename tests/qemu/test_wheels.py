"""Wheels from the package index: for which platform they are asked, and what pip's complaints become.

The outputs are pip's own; pip itself is not run.
"""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

import pytest

from endianproof.qemu import GuestError, _wheels, build_wheel, host_platform, unpack_wheels
from endianproof.qemu._process import Finished
from endianproof.qemu._wheels import guest_platform


@pytest.fixture
def pip(monkeypatch):
    """A stand-in for running pip: keeps the command lines, and answers with `pip.output` and `pip.code`."""

    class Pip:
        code = 0
        output = ""

        def __init__(self):
            self.lines = []
            self.env = {}

        def __call__(self, argv, *, env, keep_open):
            assert keep_open == ()
            self.lines.append(list(argv))
            self.env = env
            return Finished(self.code, tuple(self.output.splitlines()))

    stand_in = Pip()
    monkeypatch.setattr(_wheels, "run", stand_in)
    return stand_in


def complaint(pip, tmp_path, output, wanted="safetensors==9"):
    pip.code, pip.output = 1, output
    with pytest.raises(GuestError) as caught:
        unpack_wheels([wanted], tmp_path, guest_platform("3.13", "2.41"))
    return caught.value


def test_a_guest_takes_every_wheel_that_its_c_library_can_run(pip, tmp_path):
    unpack_wheels(["safetensors==0.4.2"], tmp_path, guest_platform("3.11", "2.36"))
    (line,) = pip.lines
    assert line[:3] == [sys.executable, "-m", "pip"]
    assert line[line.index("--python-version") + 1] == "3.11"
    platforms = [word.partition("=")[2] for word in line if word.startswith("--platform=")]
    assert platforms[0] == "manylinux_2_36_s390x"
    assert "manylinux_2_17_s390x" in platforms
    assert platforms[-2:] == ["manylinux2014_s390x", "linux_s390x"]
    assert "manylinux_2_37_s390x" not in platforms


def test_the_host_takes_what_its_own_python_takes(pip, tmp_path):
    unpack_wheels(["safetensors==0.4.2"], tmp_path, host_platform())
    assert not any(word.startswith(("--platform", "--python-version")) for word in pip.lines[0])


def test_nothing_is_compiled_and_dependencies_are_left_out(pip, tmp_path):
    unpack_wheels(["safetensors==0.4.2"], tmp_path, host_platform())
    assert {"--only-binary=:all:", "--no-deps", "--no-compile"} <= set(pip.lines[0])
    assert pip.lines[0][-2:] == ["--", "safetensors==0.4.2"]


def test_the_users_own_settings_for_pip_do_not_send_it_elsewhere(pip, tmp_path, monkeypatch):
    monkeypatch.setenv("PIP_USER", "1")
    monkeypatch.setenv("PIP_INDEX_URL", "http://index.invalid")
    unpack_wheels(["safetensors"], tmp_path, host_platform())
    assert pip.env["PIP_USER"] == "0"
    assert pip.env["PIP_INDEX_URL"] == "http://index.invalid"


def test_what_was_unpacked_is_returned(pip, tmp_path):
    folder = tmp_path / "safetensors-0.4.2.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: safetensors\nVersion: 0.4.2\n")
    assert unpack_wheels(["safetensors"], tmp_path, host_platform()) == {"safetensors": "0.4.2"}


def test_an_unknown_version_is_told_with_those_that_there_are(pip, tmp_path):
    output = "ERROR: Could not find a version that satisfies the requirement safetensors==9 (from versions: "
    error = complaint(pip, tmp_path, output + "0.4.2rc0, 0.4.2, 0.4.5)\nERROR: No matching distribution found")
    assert str(error) == "there is no wheel of safetensors==9 for Python 3.13 on s390x (glibc 2.41)"
    assert error.hint.splitlines()[0] == "versions that have one: 0.4.2, 0.4.5"
    assert "--build-in-guest" in error.hint


def test_a_package_without_any_wheel_says_so(pip, tmp_path):
    output = "ERROR: Could not find a version that satisfies the requirement x==1 (from versions: none)"
    error = complaint(pip, tmp_path, output)
    assert "there is no wheel of x==1" in str(error)
    assert "source" in error.hint


def test_no_network_is_not_taken_for_an_unknown_version(pip, tmp_path):
    output = (
        "WARNING: Retrying (Retry(total=0)) after connection broken by 'NewConnectionError(': Failed to establish "
        "a new connection: [Errno -3] Temporary failure in name resolution')': /simple/safetensors/\n"
        "ERROR: Could not find a version that satisfies the requirement safetensors==9 (from versions: none)"
    )
    error = complaint(pip, tmp_path, output)
    assert "no network" in str(error)
    assert error.kind == "network"


@pytest.mark.parametrize(
    ("output", "message", "hint"),
    [
        (
            "/usr/bin/python3: No module named pip",
            "pip, which fetches safetensors==9, is not installed",
            "ensurepip",
        ),
        ("OSError: [Errno 28] No space left on device", "no room on the disk", "ENDIANPROOF_CACHE"),
        ("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM", "broke off, or is not what", "run it again"),
        ("ERROR: Wheel 'x' located at /w/x.whl is invalid.", "broke off, or is not what", "run it again"),
        ("zipfile.BadZipFile: File is not a zip file", "broke off, or is not what", "run it again"),
        ("ERROR: Invalid requirement: 'x y'\nhint", "Invalid requirement: 'x y'", "pip says"),
        ("", "it said nothing", "pip says"),
    ],
)
def test_every_other_complaint_is_one_message(pip, tmp_path, output, message, hint):
    error = complaint(pip, tmp_path, output)
    assert message in str(error)
    assert hint in error.hint


def test_a_users_own_wheel_that_is_damaged_inside_is_no_download_that_broke_off(pip, tmp_path):
    (path := tmp_path / "mine-1.0-py3-none-any.whl").write_bytes(b"PK")
    error = complaint(pip, tmp_path, f"ERROR: Wheel 'mine' located at {path} is invalid.", str(path))
    assert str(error) == f"{path} is damaged"
    assert error.hint == "build it anew, or fetch it again"


# The user's own project


@pytest.fixture
def project(tmp_path):
    """A project with what an earlier build, a tool and an environment left in it."""
    folder = tmp_path / "project"
    for name in (
        "mypkg",
        "mypkg/build",
        "build/lib/mypkg",
        "mypkg.egg-info",
        ".venv/lib",
        "mypkg/__pycache__",
        ".git",
    ):
        (folder / name).mkdir(parents=True)
        (folder / name / "file").write_text("")
    (folder / "pyproject.toml").write_text("")
    return folder


def test_a_project_is_built_from_a_copy_of_its_source_alone(monkeypatch, tmp_path, project):
    built = []

    def build(argv, *, env, keep_open):
        del env, keep_open
        copy = Path(argv[-1])
        built.extend(str(path.relative_to(copy)) for path in copy.rglob("*") if path.is_file())
        (tmp_path / "wheels" / "mypkg-1.0-py3-none-any.whl").write_bytes(b"")
        return Finished(0, ())

    (tmp_path / "wheels").mkdir()
    before = sorted(project.rglob("*"))
    monkeypatch.setattr(_wheels, "run", build)
    assert build_wheel(project, tmp_path / "wheels").name == "mypkg-1.0-py3-none-any.whl"
    assert sorted(built) == [".git/file", "mypkg/build/file", "mypkg/file", "pyproject.toml"]
    assert sorted(project.rglob("*")) == before


def test_a_build_that_fails_says_why_in_the_builds_own_last_words(pip, tmp_path, project):
    pip.code = 1
    pip.output = """\
  error: subprocess-exited-with-error
  x Getting requirements to build wheel did not run successfully.
  ╰─> [3 lines of output]
      Traceback (most recent call last):
      ValueError: `project.version` must be pep440
      [end of output]
  note: This error originates from a subprocess, and is likely not a problem with pip."""
    (tmp_path / "wheels").mkdir()
    with pytest.raises(
        GuestError, match=r"could be built: ValueError: `project.version` must be pep440"
    ) as caught:
        build_wheel(project, tmp_path / "wheels")
    assert f"pip wheel --no-deps {project}" in caught.value.hint


def wheel_of(folder, name, module):
    """A wheel with one module of the package `shared`, which other wheels add to."""
    info = f"{name}-1.0.dist-info"
    files = {
        f"shared/{module}.py": "",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    listed = "".join(f"{path},,\n" for path in (*files, f"{info}/RECORD"))
    with zipfile.ZipFile(folder / f"{name}-1.0-py3-none-any.whl", "w") as archive:
        for path, text in {**files, f"{info}/RECORD": listed}.items():
            archive.writestr(path, text)


def test_distributions_that_share_a_package_are_joined(tmp_path):
    wheels, target = tmp_path / "wheels", tmp_path / "target"
    wheels.mkdir()
    for name, module in (("one", "a"), ("other", "b")):
        wheel_of(wheels, name, module)
        found = unpack_wheels([f"{name}==1.0"], target, host_platform(), wheels=wheels)
    assert found == {"one": "1.0", "other": "1.0"}
    assert sorted(path.name for path in (target / "shared").iterdir()) == ["a.py", "b.py"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["target", "wheels"]
