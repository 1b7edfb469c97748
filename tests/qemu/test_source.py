"""The source of a project: what is copied, what tells one from another, and how it says that it is built."""

from __future__ import annotations

import os

import pytest

from endianproof.qemu import GuestError, build_wheel, copy_source
from endianproof.qemu._source import build_system, source_digest


@pytest.fixture
def project(tmp_path):
    folder = tmp_path / "project"
    (folder / ".git" / "refs").mkdir(parents=True)
    (folder / ".git" / "HEAD").write_text("ref: refs/main")
    (folder / ".git" / "index").write_text("1")
    (folder / "mypkg.c").write_text("int x;")
    return folder


def test_the_same_source_has_the_same_digest_wherever_it_lies(project, tmp_path):
    before = source_digest(project)
    copy_source(project, tmp_path / "copy")
    os.utime(tmp_path / "copy" / "mypkg.c", (0, 0))
    assert source_digest(tmp_path / "copy") == before


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: (folder / "mypkg.c").write_text("int y;"),
        lambda folder: (folder / "mypkg.c").rename(folder / "other.c"),
        lambda folder: (folder / "mypkg.c").chmod(0o755),
        lambda folder: (folder / "link").symlink_to("mypkg.c"),
        lambda folder: (folder / ".git" / "HEAD").write_text("0123"),
    ],
    ids=["content", "name", "mode", "link", "commit"],
)
def test_what_can_change_the_wheel_changes_the_digest(project, change):
    before = source_digest(project)
    change(project)
    assert source_digest(project) != before


def test_a_link_to_another_folder_changes_the_digest(project):
    for name in ("one", "two"):
        (project / name).mkdir()
    (project / "link").symlink_to("one")
    before = source_digest(project)
    (project / "link").unlink()
    (project / "link").symlink_to("two")
    assert source_digest(project) != before


def test_a_name_that_is_no_text_has_a_digest_too(project):
    (project / os.fsdecode(b"caf\xe9.c")).write_text("int x;")
    before = source_digest(project)
    (project / os.fsdecode(b"caf\xe9.c")).rename(project / os.fsdecode(b"caf\xe8.c"))
    assert source_digest(project) != before


def test_a_copy_inside_the_project_is_no_part_of_itself(project):
    (project / "tmp").mkdir()
    copy_source(project, project / "tmp" / "copy")
    assert sorted(path.name for path in (project / "tmp" / "copy").iterdir()) == [".git", "mypkg.c", "tmp"]
    assert list((project / "tmp" / "copy" / "tmp").iterdir()) == []


def test_what_git_writes_when_it_looks_changes_nothing(project):
    before = source_digest(project)
    (project / ".git" / "index").write_text("2")
    assert source_digest(project) == before


def test_a_project_that_cannot_be_copied_is_named_and_so_is_the_file(project, tmp_path):
    os.mkfifo(project / "pipe")
    (tmp_path / "wheels").mkdir()
    for attempt in (
        lambda: copy_source(project, tmp_path / "copy"),
        lambda: build_wheel(project, tmp_path / "wheels"),
    ):
        with pytest.raises(GuestError, match="cannot be copied, and it is a copy that is built") as caught:
            attempt()
        assert str(project / "pipe") in str(caught.value)
        assert "ENDIANPROOF_CACHE" not in caught.value.hint


def test_no_place_for_the_copy_is_told_of_the_copy(project, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(GuestError, match="cannot be copied"):
        copy_source(project, tmp_path / "file" / "copy")


def test_a_project_that_says_nothing_is_built_by_setuptools(project):
    system = build_system(project)
    assert [one.name for one in system.requires] == ["setuptools", "wheel"]
    assert system.backend == "setuptools.build_meta:__legacy__"


def test_a_project_says_how_it_is_built(project):
    (project / "pyproject.toml").write_text(
        '[build-system]\nrequires = ["flit_core>=3"]\nbuild-backend = "mine:api"\nbackend-path = ["."]\n'
    )
    system = build_system(project)
    assert (str(system.requires[0]), system.backend, system.path) == ("flit_core>=3", "mine:api", (".",))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[build-system]\n", "'requires' is missing"),
        ("[build-system", "at end of document"),
        ('[build-system]\nrequires = ["a b"]\n', "a b"),
        ("build-system = 1\n", "int"),
    ],
)
def test_a_pyproject_that_cannot_be_followed_is_one_message(project, text, reason):
    (project / "pyproject.toml").write_text(text)
    with pytest.raises(GuestError, match=r"pyproject.toml does not say how to build it") as caught:
        build_system(project)
    assert reason in str(caught.value)
