"""What is done to an extracted tree so that its programs run."""

from __future__ import annotations

import os

import pytest

from endianproof.qemu._tree import _entries, finish_tree, tree_bytes


@pytest.fixture
def tree(tmp_path):
    tree = tmp_path / "tree"
    libraries = tree / "usr" / "lib" / "s390x-linux-gnu"
    for folder in ("usr/bin", "usr/lib64", "etc", "tmp", "dev", "var/lib/apt", "usr/share/doc/x"):
        (tree / folder).mkdir(parents=True)
    for folder, library in (("blas", "libblas"), ("lapack", "liblapack")):
        (libraries / folder).mkdir(parents=True)
        (libraries / folder / f"{library}.so.3.12.1").write_bytes(b"code")
        (libraries / folder / f"{library}.so.3").symlink_to(f"{library}.so.3.12.1")
    return tree


def test_the_merged_usr_links_are_made_where_absent(tree):
    (tree / "lib64").mkdir()
    finish_tree(tree)
    assert {name: str((tree / name).readlink()) for name in ("bin", "lib", "sbin")} == {
        "bin": "usr/bin",
        "lib": "usr/lib",
        "sbin": "usr/sbin",
    }
    assert not (tree / "lib64").is_symlink()


def test_blas_and_lapack_are_where_the_loader_looks(tree):
    finish_tree(tree)
    for library in ("libblas.so.3", "liblapack.so.3"):
        assert (tree / "usr/lib/s390x-linux-gnu" / library).read_bytes() == b"code"


def test_folders_that_would_hide_the_hosts_are_not_in_the_tree(tree):
    (tree / "etc" / "resolv.conf").write_text("of the machine that made it")
    finish_tree(tree)
    for name in ("tmp", "dev", "var", "etc/resolv.conf"):
        assert not os.path.lexists(tree / name)


def test_absolute_links_stay_inside_the_tree(tree):
    (tree / "etc" / "site.py").write_text("the guest's")
    (tree / "usr" / "lib" / "site.py").symlink_to("/etc/site.py")
    (tree / "usr" / "lib" / "dangling").symlink_to("/etc/of-the-host")
    finish_tree(tree)
    assert (tree / "usr" / "lib" / "site.py").read_text() == "the guest's"
    assert str((tree / "usr" / "lib" / "site.py").readlink()) == "../../etc/site.py"
    assert str((tree / "usr" / "lib" / "dangling").readlink()) == "/etc/of-the-host"


def test_the_hosts_library_cache_is_hidden_by_an_empty_one(tree):
    finish_tree(tree)
    assert (tree / "etc" / "ld.so.cache").read_bytes() == b""


def test_links_out_of_the_tree_are_removed_and_not_followed(tree, tmp_path):
    downloads = tmp_path / "downloads"
    downloads.mkdir()
    (downloads / "x.deb").write_bytes(b"package")
    (tree / "var" / "cache").symlink_to(downloads)
    finish_tree(tree)
    assert (downloads / "x.deb").read_bytes() == b"package"


def test_a_trees_size_counts_a_file_with_two_names_once(tmp_path):
    (tmp_path / "one").write_bytes(bytes(100_000))
    before = tree_bytes(tmp_path)
    os.link(tmp_path / "one", tmp_path / "two")
    assert before >= 100_000
    assert tree_bytes(tmp_path) == before


def test_a_file_that_goes_meanwhile_takes_nothing(tree, monkeypatch):
    before = tree_bytes(tree)
    gone = tree / "var" / "lib" / "apt" / "gone.deb"
    monkeypatch.setattr("endianproof.qemu._tree._entries", lambda _: [*_entries(tree), gone])
    assert tree_bytes(tree) == before
