"""Which way a guest's programs are started here, told to people: QEMU always, and the kernel where it can."""

from __future__ import annotations

from pathlib import Path

from endianproof.qemu._tools import emulator

__all__ = ["kernel_starts_guests", "ways"]

BINFMT_MISC = Path("/proc/sys/fs/binfmt_misc")

# The first 20 bytes of any 64-bit big-endian executable for s390x: ELF, version 1, a shared object (as most are).
PROGRAM = b"\x7fELF\x02\x02\x01" + bytes(9) + b"\x00\x03\x00\x16"


def _matches(entry: str) -> bool:
    """Whether an entry of binfmt_misc, as the kernel shows it, starts such a program."""
    lines = entry.splitlines()
    words = {key: value for key, _, value in (line.partition(" ") for line in lines)}
    if lines[:1] != ["enabled"] or "magic" not in words or words.get("offset") != "0":
        return False
    magic = bytes.fromhex(words["magic"])
    mask = bytes.fromhex(words["mask"]) if "mask" in words else b"\xff" * len(magic)
    masked = bytes(one & bits for one, bits in zip(PROGRAM, mask, strict=False))
    # With the flag F the kernel has the interpreter open since it was registered, wherever it was then.
    opened = "F" in words.get("flags:", "") or Path(words.get("interpreter", "")).is_file()
    return masked == magic and opened


def kernel_starts_guests(folder: Path = BINFMT_MISC) -> bool:
    """Whether this machine's kernel starts s390x programs by itself, through binfmt_misc."""
    try:
        return any(
            _matches(path.read_text(encoding="utf-8")) for path in folder.iterdir() if path.name != "register"
        )
    except (OSError, ValueError):  # not mounted, not for us to read, or an entry that is no text
        return False


def ways() -> tuple[str, str]:
    """How a guest's programs are started, and how those that they start themselves are."""
    direct = f"{emulator()}, started directly: without root, binfmt_misc or a user namespace"
    if kernel_starts_guests():
        return direct, "by name or by path: binfmt_misc knows s390x here, and the kernel starts QEMU, too"
    return direct, "by name, not by path: binfmt_misc does not know s390x here"
