"""Stand-ins for the programs that guests are made with: set-up is tested without network, root or emulation."""

from __future__ import annotations

import dataclasses
import json
import os
import sys
from typing import TYPE_CHECKING

import pytest

from endianproof.qemu import Guest, guest
from endianproof.qemu import _guest as guest_module
from endianproof.qemu._tools import MMDEBSTRAP, QEMU, Tool

if TYPE_CHECKING:
    from pathlib import Path

S390X_ELF = b"\x7fELF\x02\x02\x01" + bytes(9) + b"\x00\x02\x00\x16" + bytes(44)

# What mmdebstrap does as far as set-up sees it: hooks, lines on stderr, packages in the archives, a tree.
# The environment says how it goes wrong.
FAKE_MMDEBSTRAP = """
import json, os, pathlib, subprocess, sys, time
arguments = sys.argv[1:]
with open(os.environ["FAKE_LOG"], "a") as log:
    log.write(json.dumps(arguments) + "\\n")
operands = [one for one in arguments if not one.startswith("-")]
tree = pathlib.Path(operands[1])
assert not tree.exists()
for folder in ("etc/apt", "var/cache/apt", "var/lib/apt/lists", "tmp", "usr/bin", "usr/lib/s390x-linux-gnu"):
    (tree / folder).mkdir(parents=True)
lines = "deb MIRROR trixie main\\ndeb MIRROR trixie-updates main\\ndeb MIRROR-security trixie-security main\\n"
(tree / "etc/apt/sources.list").write_text(lines)
def hooks(kind):
    for one in arguments:
        if one.startswith(f"--{kind}-hook="):
            subprocess.run(["sh", "-c", one.partition("=")[2], "exec", str(tree)], check=True)
hooks("setup")
(tree / "etc/apt/seen").write_text((tree / "etc/apt/sources.list").read_text())
failures = json.loads(os.environ.get("FAKE_FAILURES", "{}"))
offline = "offline" if "--skip=update" in arguments else "online"
print("I: running apt-get update...", file=sys.stderr, flush=True)
print("I: downloading packages with apt...", file=sys.stderr, flush=True)
if offline == "online" and offline not in failures:
    (tree / "var/cache/apt/archives/python3_3.13_s390x.deb").write_bytes(b"package")
if offline in failures:
    sys.exit(failures[offline])
log = pathlib.Path(os.environ["FAKE_LOG"])
log.with_suffix(".pid").write_text(str(os.getpid()))
files = [os.path.realpath(f"/proc/self/fd/{one}") for one in os.listdir("/proc/self/fd")]
log.with_suffix(".files").write_text("\\n".join(files))
print("I: extracting archives...", file=sys.stderr, flush=True)
(tree / "usr/bin/python3").write_bytes(bytes.fromhex(os.environ["FAKE_ELF"]))
time.sleep(float(os.environ.get("FAKE_UNPACKING_SECONDS", "0")))
"""

# What QEMU with a guest's Python would answer to the warm-up.
FAKE_QEMU = """
import json, os, sys
if "FAKE_QEMU_FAILURE" in os.environ:
    sys.exit(os.environ["FAKE_QEMU_FAILURE"])
with open(os.environ["FAKE_LOG"] + ".environment", "w") as file:
    json.dump(dict(os.environ), file)
packages = {"numpy": "2.2.4", "torch": "2.6.0", "safetensors": "0.4.5"}
facts = {"byteorder": "big", "machine": "s390x", "python": "3.13", "libc": "glibc 2.41", "packages": packages}
print("endianproof-facts:", json.dumps(facts))
print("Exception ignored in: a module that talks at the end")
"""


class Programs:
    """A folder of programs, which is all there is on PATH beside the system's own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = folder / "mmdebstrap.log"

    def add(self, name: str, text: str) -> None:
        path = self.folder / name
        path.write_text(f"#!{sys.executable} -I\n{text}")
        path.chmod(0o755)

    def add_shell(self, name: str, text: str) -> None:
        path = self.folder / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)

    def runs(self) -> list[str]:
        """The command line of each run of mmdebstrap."""
        return self.log.read_text().splitlines() if self.log.exists() else []

    def last_process(self) -> int:
        """The process id of mmdebstrap's last run that came as far as unpacking."""
        return int(self.log.with_suffix(".pid").read_text())

    def last_open_files(self) -> list[str]:
        """What that run had open."""
        return self.log.with_suffix(".files").read_text().splitlines()

    def last_environment(self) -> dict[str, str]:
        """The environment that the guest's Python was last started with."""
        return json.loads(self.log.with_name(f"{self.log.name}.environment").read_text())


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache folder, with a name that needs quoting."""
    folder = tmp_path / "ca che's,"
    monkeypatch.setenv("ENDIANPROOF_CACHE", str(folder))
    return folder


@pytest.fixture
def programs(tmp_path, monkeypatch):
    """Working stand-ins for mmdebstrap and QEMU, first on PATH."""
    found = Programs(tmp_path / "bin")
    found.folder.mkdir()
    found.add("mmdebstrap", FAKE_MMDEBSTRAP)
    found.add("qemu-s390x-static", FAKE_QEMU)
    found.add_shell("apt-config", "true")
    found.add_shell("apt-get", "true")
    monkeypatch.setenv("PATH", f"{found.folder}{os.pathsep}/usr/bin{os.pathsep}/bin")
    monkeypatch.setenv("FAKE_LOG", str(found.log))
    monkeypatch.setenv("FAKE_ELF", S390X_ELF.hex())
    monkeypatch.delenv("ENDIANPROOF_DEBIAN_MIRROR", raising=False)
    keyring = Tool("keys", packages=("keys",), files=(str(found.folder),))
    monkeypatch.setattr(guest_module, "TO_SET_UP", (QEMU, MMDEBSTRAP, keyring))
    return found


@pytest.fixture
def small(cache, programs):
    """A guest that takes no room, made by the stand-ins."""
    recipe = dataclasses.replace(guest("trixie").recipe, disk_mb=1)
    return Guest(recipe)
