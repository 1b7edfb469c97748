"""What the user names may lie in a folder that may not be searched: that is told, and no traceback of ours."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from endianproof._whole_file import unwritable
from endianproof.conformance.given import Given
from endianproof.conformance.launch import TesteeStartError, program_testee
from endianproof.conformance.named import named_testees
from endianproof.conformance.packages import OverlayError, parse
from endianproof.conformance.settings import _baseline
from endianproof.qemu import GuestError
from endianproof.qemu._launch import guest_argv


@pytest.fixture
def closed(monkeypatch):
    """A path in such a folder, also where root runs the tests, whom nothing is closed to."""

    named_testees()  # our own files are read before

    def refused(path):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    for name in ("exists", "is_dir", "is_file", "is_symlink"):
        monkeypatch.setattr(Path, name, refused)
    return "/closed/x.whl"


@pytest.mark.parametrize("new", [True, False])
def test_a_place_for_a_file_is_unwritable(closed, new):
    assert unwritable(Path(closed), new=new) == f"{closed} cannot be looked up: Permission denied"


@pytest.mark.parametrize(
    ("read", "error"),
    [
        (lambda path: _baseline(Given({"baseline": path})), pytest.UsageError),
        (parse, OverlayError),
        (lambda path: parse(path.removesuffix(".whl")), OverlayError),
        (lambda path: program_testee(path, None, Path("/home")), TesteeStartError),
        (lambda path: guest_argv("qemu", Path("/tree"), [path]), GuestError),
    ],
    ids=["baseline", "wheel", "project", "program", "program in a guest"],
)
def test_what_cannot_be_looked_up_is_refused(closed, read, error):
    with pytest.raises(error, match=r"cannot be (read|looked up): Permission denied"):
        read(closed)
