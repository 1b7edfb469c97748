"""Make every golden file anew on a big-endian machine, and compare it with the committed one, byte for byte."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from endianproof.qemu import guest, package_alone


def main() -> int:
    """Run `endianproof vectors check` in the default guest; its exit code is this one's."""
    chosen = guest("s390x")
    chosen.setup(lambda line: print(line, flush=True))
    with tempfile.TemporaryDirectory() as folder:
        argv = ["python3", "-m", "endianproof.conformance.cli", "vectors", "check"]
        settings = {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONHASHSEED": "7"}
        argv, env = chosen.command(argv, {**package_alone(Path(folder)), **settings})
        print("on s390x:", flush=True)
        return subprocess.run(argv, env=env, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
