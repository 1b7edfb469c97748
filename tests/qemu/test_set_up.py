"""Setting a guest up, with stand-ins for mmdebstrap and QEMU: what is made, and what is left when it fails."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import shutil
import threading

import pytest

from endianproof.qemu import Guest, GuestError, guest, other_trees
from endianproof.qemu._setup import FACTS, FRESH_SECONDS


def ignore(_):
    pass


def failing(monkeypatch, **failures):
    monkeypatch.setenv("FAKE_FAILURES", json.dumps(failures))


def left_in(cache):
    """Names among the guests, without lock files."""
    return [path.name for path in (cache / "guests").iterdir() if path.suffix != ".lock"]


def test_set_up_makes_a_complete_tree_with_its_facts(small):
    assert not small.is_ready()
    tree = small.setup(ignore)
    assert tree == small.tree
    assert small.is_ready()
    assert small.python_version == "3.13"
    assert small.facts()["packages"]["torch"] == "2.6.0"
    assert small.facts()["bytes"] > 0


def test_a_second_use_runs_nothing(small, programs):
    small.setup(ignore)
    assert len(programs.runs()) == 1
    (programs.folder / "mmdebstrap").unlink()
    said = []
    assert small.setup(said.append) == small.tree
    assert said == []


def test_each_step_is_told(small):
    said = []
    small.setup(said.append)
    told = "\n".join(said)
    for step in (
        "fetching package lists",
        "downloading packages",
        "unpacking packages",
        "importing",
        "ready after",
    ):
        assert step in told


def test_the_tree_is_taken_from_the_suite_alone_without_updates_and_security(small):
    lines = (small.setup(ignore) / "etc/apt/seen").read_text().splitlines()
    assert lines == ["deb MIRROR trixie main"]


def test_a_failed_set_up_leaves_no_tree_and_says_why(small, cache, monkeypatch):
    failing(monkeypatch, online="E: Unable to locate package python3-nosuch\nE: apt download failed")
    with pytest.raises(GuestError, match="has no package python3-nosuch for s390x") as caught:
        small.setup(ignore)
    assert "recipe" in caught.value.hint
    assert left_in(cache) == []
    assert not small.is_ready()


def test_a_tree_whose_python_does_not_work_is_no_guest(small, cache, monkeypatch):
    monkeypatch.setenv("FAKE_QEMU_FAILURE", "Traceback\nImportError: libblas.so.3: cannot open")
    with pytest.raises(GuestError, match="does not work: ImportError: libblas"):
        small.setup(ignore)
    assert left_in(cache) == []


def test_a_module_that_is_not_there_is_no_fault_of_the_emulators(small, cache, monkeypatch):
    monkeypatch.setenv("FAKE_QEMU_FAILURE", "Traceback\nModuleNotFoundError: No module named 'nosuch'")
    with pytest.raises(GuestError, match="guest trixie has no module nosuch, which it is to import") as caught:
        small.setup(ignore)
    assert "take it out of its imports" in caught.value.hint
    assert left_in(cache) == []


def test_what_a_killed_set_up_left_is_no_guest_and_is_cleared(small, cache):
    half = cache / "guests" / "trixie.partial"
    (half / "usr").mkdir(parents=True)
    (half / FACTS).write_text("{}")
    assert not small.is_ready()
    assert other_trees() == (half,)
    small.setup(ignore)
    assert left_in(cache) == [small.tree.name]


def test_what_a_killed_set_up_left_does_not_count_as_used_room(small, cache, monkeypatch):
    half = cache / "guests" / "trixie.partial"
    half.mkdir(parents=True)
    usage = shutil.disk_usage(cache)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=0) if half.exists() else usage)
    small.setup(ignore)
    assert small.is_ready()


def test_the_lock_is_held_as_long_as_mmdebstrap_runs(small, cache, programs):
    small.setup(ignore)
    assert str(cache / "guests" / "trixie.lock") in programs.last_open_files()


def test_bytecode_is_written_at_set_up_whatever_the_users_setting(small, programs, monkeypatch):
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    small.setup(ignore)
    assert "PYTHONDONTWRITEBYTECODE" not in programs.last_environment()


def test_a_tree_without_its_facts_is_no_guest_and_is_made_again(small):
    (small.tree / "usr").mkdir(parents=True)
    assert not small.is_ready()
    small.setup(ignore)
    assert small.is_ready()


def test_an_interrupted_set_up_ends_its_programs_and_leaves_no_tree(small, cache, programs, monkeypatch):
    monkeypatch.setenv("FAKE_UNPACKING_SECONDS", "600")

    def interrupt(text):
        if "unpacking" in text:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        small.setup(interrupt)
    with pytest.raises(ProcessLookupError):
        os.kill(programs.last_process(), 0)
    assert left_in(cache) == []


def test_a_second_try_needs_no_download(small, programs, monkeypatch):
    monkeypatch.setenv("FAKE_QEMU_FAILURE", "no room for bytecode")
    with pytest.raises(GuestError):
        small.setup(ignore)
    monkeypatch.delenv("FAKE_QEMU_FAILURE")
    failing(monkeypatch, online="E: Temporary failure resolving 'mirror'")
    small.setup(ignore)
    first, second = programs.runs()
    assert "--skip=update" not in first
    assert "--skip=update" in second


def test_packages_of_another_recipe_are_not_taken_for_this_ones(small, programs):
    small.setup(ignore)
    other = Guest(dataclasses.replace(small.recipe, packages=("python3", "python3-yaml")))
    assert not other.is_ready()
    other.setup(ignore)
    assert "--skip=update" not in programs.runs()[-1]
    assert small.is_ready()
    assert other.tree != small.tree


def test_earlier_downloads_that_will_not_do_are_fetched_anew(small, programs, monkeypatch):
    small.setup(ignore)
    shutil.rmtree(small.tree)
    failing(monkeypatch, offline="E: dpkg-deb --fsys-tarfile failed: 512")
    said = []
    small.setup(said.append)
    assert small.is_ready()
    assert any("is damaged: packages come from the mirror" in text for text in said)
    assert len(programs.runs()) == 3


def test_a_damaged_download_is_not_kept(small, cache, monkeypatch):
    failing(monkeypatch, online="dpkg-deb: error: 'x.deb' is not a Debian format archive")
    with pytest.raises(GuestError, match="is damaged"):
        small.setup(ignore)
    assert not (cache / "downloads" / "trixie").exists()


def test_damage_is_fetched_anew_once_and_not_for_ever(small, programs, monkeypatch):
    failing(monkeypatch, online="E: The package cache file is corrupted")
    said = []
    with pytest.raises(GuestError, match="lists that were downloaded for guest trixie are damaged"):
        small.setup(said.append)
    assert len(programs.runs()) == 2
    assert sum("packages come from the mirror" in text for text in said) == 2


def test_after_damage_the_mirror_is_asked_and_not_the_downloads_that_are_gone(small, cache, programs, monkeypatch):
    small.setup(ignore)
    shutil.rmtree(small.tree)
    age(cache, FRESH_SECONDS + 60)
    failing(monkeypatch, online="E: dpkg-deb --fsys-tarfile failed: 512", offline="E: Unable to locate package x")
    with pytest.raises(GuestError, match="a downloaded package of guest trixie is damaged"):
        small.setup(ignore)
    assert ["--skip=update" in run for run in programs.runs()] == [False, False, False]


def test_what_it_takes_is_said_first_and_last(small, cache):
    said = []
    small.setup(said.append)
    assert said[0] == f"guest trixie: setting it up in {cache}, which takes up to 1 MB there"
    assert re.fullmatch(rf"guest trixie: ready after \d+ s: 0 MB, in {re.escape(str(small.tree))}", said[-1])


def age(cache, seconds):
    mark = cache / "downloads" / "trixie" / "complete"
    then = mark.stat().st_mtime - seconds
    os.utime(mark, (then, then))


def test_old_downloads_are_used_only_where_there_is_no_network(small, cache, programs, monkeypatch):
    small.setup(ignore)
    shutil.rmtree(small.tree)
    age(cache, FRESH_SECONDS + 60)
    failing(monkeypatch, online="E: Could not connect to mirror:80")
    said = []
    small.setup(said.append)
    assert small.is_ready()
    assert ["--skip=update" in run for run in programs.runs()] == [False, False, True]
    assert any("no network" in text and "earlier try" in text for text in said)


def test_two_at_once_make_one_tree_and_the_second_says_that_it_waits(small, programs):
    unpacking, waits = threading.Event(), threading.Event()
    said = []

    def by_first(text):
        if "unpacking" in text:
            unpacking.set()
            waits.wait(60)

    def by_second(text):
        said.append(text)
        waits.set()

    first = threading.Thread(target=small.setup, args=(by_first,))
    first.start()
    assert unpacking.wait(60)
    small.setup(by_second)
    first.join()
    assert said == [f"guest trixie: waiting for another set-up of it (process {os.getpid()})"]
    assert len(programs.runs()) == 1


def test_a_disk_that_is_too_small_is_named_before_anything_is_made(small, cache, programs):
    big = Guest(dataclasses.replace(small.recipe, disk_mb=10**9))
    with pytest.raises(GuestError, match="no room for guest trixie: it takes about 1000000000 MB") as caught:
        big.setup(ignore)
    assert "ENDIANPROOF_CACHE" in caught.value.hint
    assert programs.runs() == []
    assert left_in(cache) == []


def test_a_disk_that_fills_up_midway_is_not_taken_for_a_damaged_package(small, cache, monkeypatch):
    output = "tar: usr/x: Cannot write: No space left on device\nE: dpkg-deb --fsys-tarfile failed: 13"
    failing(monkeypatch, online=output)
    with pytest.raises(GuestError, match="no room for guest trixie"):
        small.setup(ignore)
    assert left_in(cache) == []


def test_a_cache_that_cannot_be_written_is_one_clear_error(small, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ENDIANPROOF_CACHE", str(tmp_path / "file"))
    with pytest.raises(GuestError, match="cannot be set up in") as caught:
        small.setup(ignore)
    assert "ENDIANPROOF_CACHE" in caught.value.hint


def test_the_mirror_of_the_environment_is_used(small, programs, monkeypatch):
    monkeypatch.setenv("ENDIANPROOF_DEBIAN_MIRROR", "http://mirror.invalid/debian")
    small.setup(ignore)
    assert json.loads(programs.runs()[0])[-1] == "http://mirror.invalid/debian"


def test_the_hosts_proxy_and_date_checks_are_passed_on_and_nothing_else(small, programs):
    settings = (
        'Acquire::http::Proxy "http://proxy.invalid:3128";',
        'Acquire::Check-Valid-Until "false";',
        'Acquire::https::mirror.invalid::Proxy "DIRECT";',
        'APT::Install-Recommends "true";',
        'Acquire::Languages "de";',
    )
    programs.add_shell("apt-config", f"cat <<'END'\n{chr(10).join(settings)}\nEND")
    small.setup(ignore)
    arguments = json.loads(programs.runs()[0])
    assert [f"--aptopt={one}" in arguments for one in settings] == [True, True, True, False, False]


def test_a_guest_that_is_not_set_up_says_how(small):
    with pytest.raises(GuestError, match="guest trixie is not set up") as caught:
        small.command(["python3"], {})
    assert caught.value.hint == "run: endianproof guest setup trixie"


def test_damaged_facts_are_one_clear_error(small):
    small.setup(ignore)
    (small.tree / FACTS).write_text("{")
    with pytest.raises(GuestError, match="is damaged") as caught:
        _ = small.python_version
    assert str(small.tree) in caught.value.hint


def test_an_unknown_guest_is_an_error_that_lists_the_known_ones():
    with pytest.raises(GuestError, match="no guest called 'sarge'") as caught:
        guest("sarge")
    assert caught.value.hint == "the guests are bookworm, forky, trixie, s390x"


def test_a_python_that_answers_nothing_is_no_guest(small, cache, programs):
    programs.add("qemu-s390x-static", "print('something else')")
    with pytest.raises(GuestError, match="does not work: something else"):
        small.setup(ignore)
    assert left_in(cache) == []
