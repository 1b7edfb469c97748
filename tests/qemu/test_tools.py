"""The host's programs: installed by root, asked for by name from anyone else."""

from __future__ import annotations

import os

import pytest

from endianproof.qemu import GuestError
from endianproof.qemu._tools import QEMU, Tool, ensure

SPECIAL = Tool("a special program", packages=("special-static", "special-user"), programs=("special", "special9"))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The only folder on PATH: what the test puts there, the shell, and nothing else."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("sh", "cat", "chmod"):
        (folder / name).symlink_to(f"/bin/{name}")
    monkeypatch.setenv("PATH", str(folder))
    return folder


def add(folder, name, text):
    (folder / name).write_text(f"#!/bin/sh\n{text}\n")
    (folder / name).chmod(0o755)


def add_apt(folder, *, known="special-static", install="true"):
    """Stand-ins for apt that note what they are asked for; `known` is the one package that there is."""
    log = folder / "log"
    add(folder, "apt-get", f'echo "$@" >> {log}\ncase "$*" in *install*) {install};; esac')
    candidate = f'if [ "$2" = {known} ]; then echo 1.0; else echo "(none)"; fi'
    add(folder, "apt-cache", f'echo "$2:"; echo "  Candidate: $({candidate})"')
    return log


def be(monkeypatch, uid):
    monkeypatch.setattr(os, "geteuid", lambda: uid)


def ignore(_):
    pass


def test_what_is_there_is_neither_installed_nor_mentioned(folder):
    add(folder, "special9", "")
    said = []
    ensure([SPECIAL], said.append)
    assert said == []


def test_the_emulator_is_found_under_its_old_and_its_new_name(folder):
    assert QEMU.find() is None
    add(folder, "qemu-s390x", "")
    assert QEMU.find() == str(folder / "qemu-s390x")
    add(folder, "qemu-s390x-static", "")
    assert QEMU.find() == str(folder / "qemu-s390x-static")


def test_root_updates_then_installs_and_says_so(folder, monkeypatch):
    be(monkeypatch, 0)
    log = add_apt(folder, install=f"echo > {folder}/special; chmod +x {folder}/special")
    said = []
    ensure([SPECIAL], said.append)
    update, install = log.read_text().splitlines()
    assert update == "update"
    assert install.split()[-1] == "special-static"
    assert "--no-install-recommends" in install
    assert [text.split(" (")[0] for text in said] == [
        "fetching the host's package lists",
        "installing special-static on the host",
    ]


def test_root_installs_the_package_that_this_release_has(folder, monkeypatch):
    be(monkeypatch, 0)
    log = add_apt(folder, known="special-user", install=f"echo > {folder}/special; chmod +x {folder}/special")
    ensure([SPECIAL], ignore)
    assert log.read_text().split()[-1] == "special-user"


def test_a_failed_installation_gives_apts_reason(folder, monkeypatch):
    be(monkeypatch, 0)
    add_apt(folder, install="echo 'E: Unable to fetch some archives'; exit 100")
    with pytest.raises(GuestError, match="could not install special-static: E: Unable to fetch some archives"):
        ensure([SPECIAL], ignore)


def test_an_installation_without_the_program_is_an_error(folder, monkeypatch):
    be(monkeypatch, 0)
    add_apt(folder)
    with pytest.raises(GuestError, match="not installed here: a special program"):
        ensure([SPECIAL], ignore)


def test_an_ordinary_user_is_told_the_exact_command(folder, monkeypatch):
    be(monkeypatch, 1000)
    log = add_apt(folder, known="special-user")
    with pytest.raises(GuestError, match=r"a special program \(special or special9\)") as caught:
        ensure([SPECIAL, QEMU], ignore)
    wanted = "sudo apt-get update && sudo apt-get install --no-install-recommends special-user qemu-user-static"
    assert caught.value.hint == f"run: {wanted}"
    assert not log.exists()


def test_without_apt_the_packages_are_named(folder, monkeypatch):
    be(monkeypatch, 0)
    with pytest.raises(GuestError) as caught:
        ensure([SPECIAL], ignore)
    assert "special-static or special-user" in caught.value.hint
    assert "apt-get" not in caught.value.hint
