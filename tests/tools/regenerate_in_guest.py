"""Make every golden file anew on a big-endian machine, and compare it with the committed one, byte for byte."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import endianproof
from endianproof.qemu import guest


def main() -> int:
    """Run `endianproof vectors check` in the default guest; its exit code is this one's."""
    chosen = guest("s390x")
    chosen.setup(lambda line: print(line, flush=True))
    with tempfile.TemporaryDirectory() as folder:
        # Only the package itself: the host's other packages are built for the host.
        (Path(folder) / "endianproof").symlink_to(Path(endianproof.__file__).resolve().parent)
        argv = ["python3", "-m", "endianproof.conformance.cli", "vectors", "check"]
        argv, env = chosen.command(
            argv, {"PYTHONPATH": folder, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONHASHSEED": "7"}
        )
        print("on s390x:", flush=True)
        return subprocess.run(argv, env=env, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
