"""`--with`: what is fetched, when it is fetched again, and what is refused. The package index is a stand-in."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
import zipfile
from pathlib import Path

import pytest

from endianproof.conformance import overlay as overlay_module
from endianproof.conformance import packages as packages_module
from endianproof.conformance.overlay import RANGE_SECONDS, OverlayError, overlay
from endianproof.conformance.packages import parse
from endianproof.qemu import GuestError, WheelPlatform, leavings
from endianproof.qemu._store import _used

NO_NETWORK = GuestError("no network", "connect", kind="network")


class Index:
    """Stands in for pip: `versions` is what a name resolves to, `failure` what it raises instead."""

    def __init__(self):
        self.versions = {"safetensors": "0.4.2"}
        self.failure = None
        self.fetched = []
        self.meanwhile = lambda: None

    def __call__(self, requirements, folder, platform, *, keep_open):
        assert keep_open
        self.fetched.append((tuple(requirements), platform.tag))
        folder.mkdir(parents=True)
        (folder / "half").write_text("unpacked")
        self.meanwhile()
        if self.failure:
            raise self.failure
        return self.versions


class FakeGuest:
    name = "trixie"
    wheel_platform = WheelPlatform(tag="cp313-glibc2.41-s390x", label="Python 3.13 on s390x")


@pytest.fixture
def index(monkeypatch, tmp_path):
    monkeypatch.setenv("ENDIANPROOF_CACHE", str(tmp_path / "cache"))
    stand_in = Index()
    monkeypatch.setattr(overlay_module, "unpack_wheels", stand_in)
    return stand_in


def ignore(_):
    pass


def refused(*requirements, guest=None):
    with pytest.raises(OverlayError) as caught:
        overlay(requirements, guest, ignore)
    return caught.value


def grow_old(folder, seconds):
    for record in folder.parent.glob("*.json"):
        content = json.loads(record.read_text())
        record.write_text(json.dumps({**content, "time": content["time"] - seconds}))


def test_nothing_asked_for_is_no_folder(index):
    assert overlay((), None, ignore) is None
    assert index.fetched == []


def test_a_package_is_unpacked_into_a_folder_named_by_what_it_holds(index, tmp_path):
    folder = overlay(["safetensors==0.4.2"], None, ignore)
    assert folder.name == "safetensors-0.4.2"
    assert (folder / "half").read_text() == "unpacked"
    assert tmp_path / "cache" in folder.parents


def test_an_exact_version_is_fetched_once(index):
    said = []
    first = overlay(["safetensors==0.4.2"], None, said.append)
    grow_old(first, 100 * RANGE_SECONDS)
    assert overlay([" safetensors == 0.4.2"], None, said.append) == first
    assert len(index.fetched) == len(said) == 1
    assert "fetching safetensors==0.4.2 for Python" in said[0]


@pytest.mark.parametrize("fetched_before", [False, True])
def test_what_another_run_has_in_front_is_not_pruned(index, tmp_path, fetched_before):
    if fetched_before:
        before = overlay(["safetensors==0.4.2"], None, ignore)
        os.close(_used(before.parent))  # as if that process had ended
        _used.cache_clear()
    folder = overlay(["safetensors==0.4.2"], None, ignore)
    look = "import endianproof.qemu as qemu; print(*qemu.leavings())"
    others = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True).stdout
    assert others == "\n"
    assert leavings() == (folder.parent,)  # nobody else uses it


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("mypkg.whl", "mypkg.whl is no wheel's name: NAME-VERSION-PYTHON-ABI-PLATFORM.whl was expected"),
        (
            "mypkg-1.0-py3-none-any.whl",
            "1.0-py3-none-any.whl is damaged: File is not a zip file; a wheel, which is a zip file, was expected",
        ),
    ],
)
def test_a_file_that_is_no_wheel_is_told(index, tmp_path, name, said):
    (tmp_path / name).write_text("half a download")
    assert said in str(refused(str(tmp_path / name)))
    assert index.fetched == []


def test_an_empty_wheel_is_refused_where_it_is_named_before_any_guest_is_set_up(tmp_path):
    (path := tmp_path / "mypkg-1.0-py3-none-any.whl").touch()
    with pytest.raises(OverlayError, match=r"mypkg-1\.0-py3-none-any\.whl is damaged: it is empty; a wheel, "):
        parse(str(path))


def test_host_and_guest_have_folders_of_their_own(index):
    host = overlay(["safetensors==0.4.2"], None, ignore)
    guest = overlay(["safetensors==0.4.2"], FakeGuest(), ignore)
    assert host != guest
    assert [tag for _, tag in index.fetched][1] == FakeGuest.wheel_platform.tag


@pytest.mark.parametrize(
    "requirement", ["safetensors<0.5", "safetensors", "safetensors==0.4.*", "safetensors~=0.4.2"]
)
def test_a_range_is_resolved_again_after_a_day(index, requirement):
    first = overlay([requirement], None, ignore)
    assert overlay([requirement], None, ignore) == first
    assert len(index.fetched) == 1
    grow_old(first, RANGE_SECONDS)
    index.versions = {"safetensors": "0.4.3"}
    second = overlay([requirement], None, ignore)
    assert second.name == "safetensors-0.4.3"
    assert first.is_dir()  # another run may be using it


def test_without_network_a_range_is_what_it_was(index):
    first = overlay(["safetensors<0.5"], None, ignore)
    grow_old(first, RANGE_SECONDS)
    index.failure = NO_NETWORK
    said = []
    assert overlay(["safetensors<0.5"], None, said.append) == first
    assert "no network: using safetensors-0.4.2, fetched 24 hours ago" in said


def test_an_earlier_answer_is_no_excuse_for_another_failure(index):
    first = overlay(["safetensors<0.5"], None, ignore)
    grow_old(first, RANGE_SECONDS)
    index.failure = GuestError("no room on the disk", kind="disk")
    assert str(refused("safetensors<0.5")) == "no room on the disk"


def test_a_failure_leaves_nothing_half_made(index, tmp_path):
    index.failure = NO_NETWORK
    error = refused("safetensors==0.4.2")
    assert (str(error), error.hint) == ("no network", "connect")
    left = [path.suffix for path in (tmp_path / "cache").rglob("*") if path.is_file()]
    assert sorted(left) == [".lock", ".use"]
    index.failure = None
    assert overlay(["safetensors==0.4.2"], None, ignore).is_dir()


def test_what_a_killed_run_left_is_cleared(index):
    folder = overlay(["safetensors==0.4.2"], None, ignore)
    (folder.parent / "partial").mkdir()
    (folder.parent / "partial" / "of-another-package").write_text("")
    index.versions = {"safetensors": "0.4.3"}
    new = overlay(["safetensors==0.4.3"], None, ignore)
    assert [path.name for path in new.iterdir()] == ["half"]


def test_a_record_without_its_folder_is_fetched_anew(index):
    folder = overlay(["safetensors==0.4.2"], None, ignore)
    (folder / "half").unlink()
    folder.rmdir()
    assert overlay(["safetensors==0.4.2"], None, ignore).is_dir()
    assert len(index.fetched) == 2


def test_a_damaged_record_is_fetched_anew(index):
    folder = overlay(["safetensors==0.4.2"], None, ignore)
    for record in folder.parent.glob("*.json"):
        record.write_text("[]")
    assert overlay(["safetensors==0.4.2"], None, ignore) == folder
    assert len(index.fetched) == 2


def test_two_at_once_fetch_once_and_the_second_says_that_it_waits(index):
    fetching, waits = threading.Event(), threading.Event()
    said = []
    index.meanwhile = lambda: (fetching.set(), waits.wait(60))

    def by_second(text):
        said.append(text)
        waits.set()

    first = threading.Thread(target=overlay, args=(["safetensors==0.4.2"], None, ignore))
    first.start()
    assert fetching.wait(60)
    assert overlay(["safetensors==0.4.2"], None, by_second).is_dir()
    first.join()
    assert said == [f"waiting for another run that is fetching packages (process {os.getpid()})"]
    assert len(index.fetched) == 1


def test_many_packages_still_make_a_name(index):
    index.versions = {f"a-package-with-a-long-name-{number}": "1.0" for number in range(40)}
    folder = overlay(["safetensors"], None, ignore)
    assert folder.is_dir()
    assert folder.name.startswith("40-packages-")


@pytest.mark.parametrize("text", ["safe tensors", "", "==0.4.2", "safetensors=0.4.2"])
def test_a_malformed_requirement_is_named_with_an_example(index, text):
    error = refused(text)
    assert str(error).startswith(f"{text!r} is not a package with a version: ")
    assert "safetensors==0.4.2" in error.hint
    assert index.fetched == []


@pytest.mark.parametrize(
    ("text", "what"),
    [("x @ https://host.invalid/x.whl", "a URL"), ("x==1; python_version > '3'", "a condition")],
)
def test_a_url_or_a_condition_is_refused(index, text, what):
    assert f"has {what}; only a name and versions are taken" in str(refused(text))


def test_one_package_twice_is_refused(index):
    error = refused("ml_dtypes==0.4", "ML-dtypes<1")
    assert str(error) == "ml-dtypes is asked for twice: ml_dtypes==0.4 and ML-dtypes<1"


def test_a_guest_that_is_not_set_up_is_an_overlay_error(index):
    class Absent:
        @property
        def wheel_platform(self):
            raise GuestError("guest trixie is not set up", "run: endianproof guest setup trixie")

    error = refused("safetensors==0.4.2", guest=Absent())
    assert str(error) == "guest trixie is not set up"
    assert error.hint == "run: endianproof guest setup trixie"


def test_a_cache_that_cannot_be_written_is_one_clear_error(index, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ENDIANPROOF_CACHE", str(tmp_path / "file"))
    error = refused("safetensors==0.4.2")
    assert "packages cannot be kept in" in str(error)
    assert "ENDIANPROOF_CACHE" in error.hint


class Packages(Index):
    """An index whose packages have metadata: what each needs."""

    def __init__(self, **needed):
        super().__init__()
        self.needed = needed
        self.held = {}
        self.unreachable = None

    def __call__(self, requirements, folder, platform, *, keep_open):
        assert keep_open
        for text in requirements:
            name = re.split("[<>=-]", Path(text).name)[0]
            self.fetched.append((text, platform.tag))
            if name == self.unreachable:
                raise NO_NETWORK
            if name not in self.needed:
                raise GuestError(f"there is no wheel of {text}", kind="absent")
            self.held[name] = "1.0"
            info = folder / f"{name}-1.0.dist-info"
            info.mkdir(parents=True, exist_ok=True)
            lines = [f"Name: {name}", "Version: 1.0", *(f"Requires-Dist: {one}" for one in self.needed[name])]
            (info / "METADATA").write_text("\n".join(lines) + "\n")
        return dict(self.held)


def packages(monkeypatch, **needed):
    stand_in = Packages(**needed)
    monkeypatch.setattr(overlay_module, "unpack_wheels", stand_in)
    return stand_in


def test_what_a_package_needs_and_the_side_lacks_comes_along(index, monkeypatch):
    stand_in = packages(monkeypatch, mine=["one>=1", "numpy"], one=["two>=1"], two=[])
    said = []
    folder = overlay(["mine==1.0"], None, said.append)
    assert folder.name == "mine-1.0-one-1.0-two-1.0"
    assert [text for text, _ in stand_in.fetched] == ["mine==1.0", "one>=1", "two>=1"]
    assert said[1:] == ["with one>=1, which mine 1.0 needs", "with two>=1, which one 1.0 needs"]


def test_a_dependency_that_the_index_does_not_have_is_told_and_left_out(index, monkeypatch):
    packages(monkeypatch, mine=["nowhere>=2"])
    said = []
    folder = overlay(["mine==1.0"], None, said.append)
    assert folder.name == "mine-1.0"
    assert said[1] == "without nowhere>=2, which mine 1.0 asks for: there is no wheel of nowhere>=2"


def test_a_dependency_that_cannot_be_fetched_is_an_error(index, monkeypatch):
    stand_in = packages(monkeypatch, mine=["other"], other=[])
    stand_in.unreachable = "other"
    assert str(refused("mine==1.0")) == "no network"


def wheel(folder, name="mine-1.0-py3-none-any.whl", content="x = 1"):
    path = folder / name
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("mine/__init__.py", content)
    return path


def test_a_wheel_is_given_by_its_path(index, monkeypatch, tmp_path):
    stand_in = packages(monkeypatch, mine=[])
    path = wheel(tmp_path)
    folder = overlay([str(path)], FakeGuest(), ignore)
    assert folder.name.startswith("mine-1.0-")
    assert stand_in.fetched[0][0] == str(path)


def test_another_content_is_another_folder_and_the_same_one_is_not_fetched_again(index, monkeypatch, tmp_path):
    stand_in = packages(monkeypatch, mine=[])
    first = overlay([str(wheel(tmp_path))], None, ignore)
    assert overlay([str(wheel(tmp_path))], None, ignore) == first
    assert len(stand_in.fetched) == 1
    assert overlay([str(wheel(tmp_path, content="x = 2"))], None, ignore) != first


def test_a_projects_folder_becomes_a_wheel(index, monkeypatch, tmp_path):
    stand_in = packages(monkeypatch, mine=["rich; extra == 'nice'"], rich=[])
    project = tmp_path / "project"
    project.mkdir()
    (project / "pyproject.toml").write_text("")
    monkeypatch.setattr(
        packages_module, "build_wheel", lambda path, folder: wheel(folder) if path == project else 0
    )
    said = []
    overlay([f"{project}[nice]"], None, said.append)
    assert said[0] == f"building a wheel of {project}"
    assert Path(stand_in.fetched[0][0]).name == "mine-1.0-py3-none-any.whl"


@pytest.mark.parametrize("text", ["..", "../", "../../project", "..[nice]", "~", "~/", "~[nice]"])
def test_a_folder_above_and_ones_home_are_paths(index, monkeypatch, tmp_path, text):
    stand_in = packages(monkeypatch, mine=[])
    project = tmp_path / "project"
    (project / "tests").mkdir(parents=True)
    (project / "pyproject.toml").write_text("")
    monkeypatch.setenv("HOME", str(project))
    monkeypatch.chdir(project / "tests")
    monkeypatch.setattr(
        packages_module, "build_wheel", lambda path, folder: wheel(folder) if path.samefile(project) else 0
    )
    overlay([text], None, ignore)
    assert Path(stand_in.fetched[0][0]).name == "mine-1.0-py3-none-any.whl"


@pytest.mark.parametrize("tag", ["cp313-cp313-manylinux_2_17_x86_64", "cp313-abi3-linux_aarch64"])
def test_a_wheel_for_another_machine_is_refused_for_a_guest(index, tmp_path, tag):
    path = wheel(tmp_path, f"mine-1.0-{tag}.whl")
    error = refused(str(path), guest=FakeGuest())
    assert "is compiled for" in str(error)
    assert "guest trixie is s390x" in str(error)
    assert "--with=dist/" in error.hint


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("dist/nosuch.whl", "a wheel was expected there"),
        ("./nosuch", "a folder with a pyproject.toml was expected there"),
        ("nosuch/", "a folder with a pyproject.toml was expected there"),
    ],
)
def test_a_path_that_holds_no_package_is_named(index, text, expected):
    error = refused(text)
    assert expected in str(error)
    assert "safetensors==0.4.2" in error.hint


# --build-in-guest


@pytest.fixture
def built(monkeypatch, tmp_path):
    """Stands in for a guest's build: what was built, and the wheel that it became."""
    sources = []

    def build(guest, source, label, progress):
        assert guest.name == "trixie"
        sources.append((source, label))
        return wheel(tmp_path, f"{Path(label).name.partition('-')[0]}-1.0-cp313-cp313-linux_s390x.whl")

    for module in (packages_module, overlay_module):
        monkeypatch.setattr(module, "build_in_guest", build)
    monkeypatch.setattr(overlay_module, "fetch_source", lambda wanted, _, folder: folder / f"{wanted.name}-1.0")
    return sources


def test_a_release_without_a_wheel_is_built_in_the_guest_from_its_source(index, monkeypatch, built):
    stand_in = packages(monkeypatch, mine=["other", "numpy"])
    stand_in.needed |= {"mine": ["compiled>=1"]}
    monkeypatch.setattr(overlay_module, "unpack_wheels", with_wheels(stand_in))
    said = []
    folder = overlay(["mine==1.0"], FakeGuest(), said.append, builds=True)
    assert [label for _, label in built] == ["compiled-1.0"]
    assert "compiled>=1 has no wheel for Python 3.13 on s390x: fetching its source" in said
    assert folder.name.startswith("compiled-1.0-mine-1.0-")


def with_wheels(stand_in):
    """An index, and the wheels that are given by their paths."""

    def unpack(requirements, folder, platform, *, keep_open):
        for text in requirements:
            if text.endswith(".whl"):
                stand_in.needed.setdefault(Path(text).name.partition("-")[0], [])
        return stand_in(requirements, folder, platform, keep_open=keep_open)

    return unpack


def test_without_the_option_nothing_is_built_and_the_option_is_asked_for_anew(index, monkeypatch, built):
    stand_in = packages(monkeypatch, mine=["compiled"])
    monkeypatch.setattr(overlay_module, "unpack_wheels", with_wheels(stand_in))
    without = overlay(["mine==1.0"], FakeGuest(), ignore)
    assert (without.name, built) == ("mine-1.0", [])
    stand_in.held.clear()
    assert overlay(["mine==1.0"], FakeGuest(), ignore, builds=True).name.startswith("compiled-1.0-")


def test_no_network_builds_nothing(index, monkeypatch, built):
    stand_in = packages(monkeypatch)
    stand_in.unreachable = "mine"
    with pytest.raises(OverlayError, match="no network"):
        overlay(["mine==1.0"], FakeGuest(), ignore, builds=True)
    assert built == []


def test_a_dependency_that_cannot_be_built_is_told_in_one_line_and_left_out(index, monkeypatch, built):
    packages(monkeypatch, mine=["compiled"])

    def failing(*_):
        raise GuestError("compiled could not be built in guest trixie:\n    a.c:1:1: error", kind="unbuildable")

    monkeypatch.setattr(overlay_module, "build_in_guest", failing)
    said = []
    assert overlay(["mine==1.0"], FakeGuest(), said.append, builds=True).name == "mine-1.0"
    assert said[-1] == "without compiled, which mine 1.0 asks for: compiled could not be built in guest trixie"


def test_a_project_is_built_in_the_guest_from_a_copy(index, monkeypatch, built, tmp_path):
    monkeypatch.setattr(overlay_module, "unpack_wheels", with_wheels(packages(monkeypatch)))
    project = tmp_path / "mine"
    project.mkdir()
    (project / "pyproject.toml").write_text("")
    folder = overlay([str(project)], FakeGuest(), ignore, builds=True)
    ((source, label),) = built
    assert label == str(project)
    assert source != project
    assert folder.name.startswith("mine-1.0-")
