"""Where guests are kept, and taking turns."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
from pathlib import Path

import platformdirs
import pytest

from endianproof.qemu import cache_root, exclusive, remove_tree, use


def test_the_cache_is_the_users_unless_the_environment_names_another(monkeypatch, tmp_path):
    monkeypatch.delenv("ENDIANPROOF_CACHE", raising=False)
    assert cache_root() == Path(platformdirs.user_cache_dir("endianproof"))
    monkeypatch.setenv("ENDIANPROOF_CACHE", str(tmp_path))
    assert cache_root() == tmp_path


def test_a_relative_cache_is_taken_from_the_current_folder(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ENDIANPROOF_CACHE", "here")
    assert cache_root() == tmp_path / "here"


def test_the_second_is_told_who_holds_the_lock_and_waits(tmp_path):
    told = threading.Event()
    holders = []
    order = []

    def waiting(holder):
        holders.append(holder)
        told.set()

    def second():
        with exclusive(tmp_path / "x.lock", waiting):
            order.append("second")

    with exclusive(tmp_path / "x.lock", pytest.fail):
        thread = threading.Thread(target=second)
        thread.start()
        assert told.wait(60)
        order.append("first")
    thread.join()
    assert order == ["first", "second"]
    assert holders == [f"process {os.getpid()}"]


def test_the_lock_lasts_until_the_programs_that_inherited_it_have_ended(tmp_path):
    with exclusive(tmp_path / "x.lock", pytest.fail) as lock:
        child = subprocess.Popen(["cat"], stdin=subprocess.PIPE, pass_fds=[lock])

    def waiting(_):
        child.communicate()  # ends it, and only then is the lock free

    with exclusive(tmp_path / "x.lock", waiting):
        assert child.returncode == 0


def test_removing_a_folder_that_is_not_there_is_no_error(tmp_path):
    remove_tree(tmp_path / "nowhere")


def test_in_a_cache_that_is_only_read_a_tree_is_used_all_the_same(tmp_path, monkeypatch):
    def refused(*_):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(os, "open", refused)
    use(tmp_path / "tree")


def test_a_tree_of_another_user_is_kept_and_can_be_listed(tmp_path, monkeypatch):
    """As in a cache that root made for all."""
    (tmp_path / "tree.use").touch()
    opened = os.open

    def of_root(path, flags, mode=0o777):
        if flags & (os.O_WRONLY | os.O_RDWR):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return opened(path, flags, mode)

    monkeypatch.setattr(os, "open", of_root)
    monkeypatch.setattr(os, "utime", lambda _: of_root(None, os.O_RDWR))
    use(tmp_path / "tree")
    look = "import pathlib, sys, endianproof.qemu._store as store; print(store.is_used(pathlib.Path(sys.argv[1])))"
    argv = [sys.executable, "-c", look, tmp_path / "tree"]
    assert subprocess.run(argv, capture_output=True, text=True, check=True).stdout == "True\n"
