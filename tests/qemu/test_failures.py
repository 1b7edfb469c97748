"""What apt, mmdebstrap, dpkg and tar say, told as one message: each output is one that they really gave."""

from __future__ import annotations

import pytest

from endianproof.qemu import guest
from endianproof.qemu._failures import explain

FETCH = "E: Failed to fetch http://mirror/dists/trixie/InRelease  "


@pytest.mark.parametrize(
    ("output", "message", "hint", "kind"),
    [
        (f"{FETCH}Temporary failure resolving 'mirror'", "no network", "connect this machine", "network"),
        (f"{FETCH}Could not connect to 127.0.0.1:9 (127.0.0.1). - connect", "no network", "http_proxy", "network"),
        ("E: The repository 'x nosuch Release' does not have a Release file.", "no Debian trixie", "MIRROR", ""),
        ("W: GPG error: NO_PUBKEY 0E98404D386FA1D9", "not signed by a key", "debian-archive-keyring", ""),
        ("E: Release file for http://x/InRelease is expired (since 3d)", "are expired", "clock", ""),
        ("E: Failed to fetch http://x.deb  Hash Sum mismatch", "Hash Sum mismatch", "is kept", "network"),
        ("E: Failed to fetch http://x.deb  404  Not Found [IP: x]", "404  Not Found", "is kept", "network"),
        ("E: Unable to locate package python3-nosuch", "no package python3-nosuch", "recipe", ""),
        ("E: Unable to locate package numpy", "no package numpy", "python3-NAME there", ""),
        ("E: Package 'libx' has no installation candidate", "no package libx for s390x", "recipe", ""),
        ("dpkg-deb: error: lzma error: unexpected end", "is damaged", "fetched anew", "damaged"),
        (
            "E: LZ4F: x Unexpected end of file\nE: The package cache file is corrupted",
            "lists",
            "anew",
            "damaged",
        ),
        ("E: dpkg-deb --fsys-tarfile failed: 512", "is damaged", "fetched anew", "damaged"),
        ("  Write error - write (28: No space left on device)\nE: Hash Sum mismatch", "7 MB free", "disk", "disk"),
        ("E: something new\nI: main() received signal PIPE", "E: something new", "report it", ""),
        ("", "it said nothing", "report it", ""),
    ],
)
def test_each_cause_has_its_message_and_what_to_do(output, message, hint, kind):
    error = explain(guest("trixie").recipe, output.splitlines(), "/cache", 7_000_000)
    assert message in str(error)
    assert hint in error.hint
    assert error.kind == kind
    assert "\n" not in str(error)
