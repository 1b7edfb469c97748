"""Guests: emulated s390x systems in which a testee runs big-endian, described in `guests/*.yaml`.

A guest is a Debian tree, unpacked into the user's cache folder, and QEMU's user emulation, which runs the
tree's programs against the host's own files. No chroot, no binfmt_misc, no user namespace, no root: QEMU
looks a path up in the tree first, and on the host where the tree lacks it.
"""

from __future__ import annotations

from endianproof.qemu._build import build_in_guest, builder
from endianproof.qemu._dependencies import add_needs
from endianproof.qemu._error import GuestError
from endianproof.qemu._guest import Guest, guest, guests
from endianproof.qemu._launch import package_alone, programs_folder
from endianproof.qemu._manage import install, leavings, other_trees, prune, remove
from endianproof.qemu._project import project_file
from endianproof.qemu._sdist import fetch_source
from endianproof.qemu._source import copy_source
from endianproof.qemu._store import cache_root, exclusive, last_use, remove_tree, use
from endianproof.qemu._tools import missing_tools
from endianproof.qemu._tree import tree_bytes
from endianproof.qemu._way import ways
from endianproof.qemu._wheels import WheelPlatform, build_wheel, host_platform, unpack_wheels

__all__ = [
    "Guest",
    "GuestError",
    "WheelPlatform",
    "add_needs",
    "build_in_guest",
    "build_wheel",
    "builder",
    "cache_root",
    "copy_source",
    "exclusive",
    "fetch_source",
    "guest",
    "guests",
    "host_platform",
    "install",
    "last_use",
    "leavings",
    "missing_tools",
    "other_trees",
    "package_alone",
    "programs_folder",
    "project_file",
    "prune",
    "remove",
    "remove_tree",
    "tree_bytes",
    "unpack_wheels",
    "use",
    "ways",
]
