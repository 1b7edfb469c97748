"""Whether the kernel starts s390x programs: entries of binfmt_misc, as kernels show them."""

from __future__ import annotations

import pytest

from endianproof.qemu import _way
from endianproof.qemu._way import kernel_starts_guests, ways

MAGIC = "7f454c4602020100000000000000000000020016"
MASK = "ffffffffffffff00fffffffffffffffffffeffff"
S390X = f"enabled\ninterpreter /usr/bin/qemu-s390x-static\nflags: F\noffset 0\nmagic {MAGIC}\nmask {MASK}\n"
AARCH64 = S390X.replace(MAGIC, "7f454c460201010000000000000000000200b700")
EXTENSION = "enabled\ninterpreter /usr/bin/wine\nflags: \nextension .exe\n"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "register").write_text("not for reading")
    (tmp_path / "status").write_text("enabled\n")
    return tmp_path


def test_an_entry_for_s390x_is_found_among_others(folder):
    (folder / "a").write_text(AARCH64)
    (folder / "b").write_text(EXTENSION)
    assert not kernel_starts_guests(folder)
    (folder / "c").write_text(S390X)
    assert kernel_starts_guests(folder)


def test_an_entry_may_lack_a_mask(folder):
    (folder / "a").write_text(S390X.partition("mask")[0].replace(MAGIC, "7f454c460202"))
    assert kernel_starts_guests(folder)


@pytest.mark.parametrize(
    ("old", "new"),
    [("enabled", "disabled"), ("flags: F", "flags: OC"), ("offset 0", "offset 4"), (MAGIC, "7x")],
    ids=["disabled", "its emulator is not here", "another offset", "no magic"],
)
def test_an_entry_that_starts_nothing_does_not_count(folder, old, new):
    (folder / "a").write_text(S390X.replace("/usr/bin/qemu-s390x-static", "/nowhere/qemu").replace(old, new))
    assert not kernel_starts_guests(folder)


def test_without_binfmt_misc_there_is_none(tmp_path):
    assert not kernel_starts_guests(tmp_path / "nowhere")


@pytest.mark.parametrize(("starts", "said"), [(True, "by name or by path: "), (False, "by name, not by path: ")])
def test_the_way_is_told(monkeypatch, starts, said):
    monkeypatch.setattr(_way, "kernel_starts_guests", lambda: starts)
    direct, others = ways()
    assert "started directly: without root, binfmt_misc or a user namespace" in direct
    assert others.startswith(said)
