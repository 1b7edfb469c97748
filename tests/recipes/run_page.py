"""Do what docs/big-endian-in-five-minutes.md says, in a fresh environment and a copy of the example.

`pip install endianproof` installs the wheel of this tree; what it depends on comes from the package index.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from page import PageError, Shell, follow
from recipes import ROOT

PAGE = ROOT / "docs" / "big-endian-in-five-minutes.md"
# What a reader's own terminal would not have.
NOT_THE_READERS = ("PYTEST_ADDOPTS", "PYTHONPATH", "VIRTUAL_ENV", "FORCE_COLOR", "PY_COLORS")


def _quietly(*argv: str | Path) -> None:
    subprocess.run(argv, check=True, stdout=subprocess.DEVNULL)


def _reader(folder: Path) -> dict[str, str]:
    """A reader's environment: a new virtual environment, and an index that has this tree's release."""
    _quietly(sys.executable, "-m", "virtualenv", "--no-periodic-update", folder / "venv")
    _quietly(
        sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", f"--wheel-dir={folder / 'wheels'}", ROOT
    )
    (wheel,) = (folder / "wheels").glob("*.whl")
    constraint = folder / "constraints.txt"
    constraint.write_text(f"endianproof @ {wheel.as_uri()}\n", encoding="utf-8")
    own = {name: value for name, value in os.environ.items() if name not in NOT_THE_READERS}
    path = f"{folder / 'venv' / 'bin'}{os.pathsep}{own['PATH']}"
    return {**own, "PATH": path, "PIP_CONSTRAINT": str(constraint), "COLUMNS": "80"}


def _say(text: str) -> None:
    print(text, end="", flush=True)


def main() -> int:
    """Follow the page; returns 1, and says where, if something else happens than it shows."""
    with tempfile.TemporaryDirectory(prefix="endianproof-page-") as name:
        folder = Path(name)
        (folder / "kept").mkdir()
        clone = folder / "clone"
        left = shutil.ignore_patterns("__pycache__", ".*_cache", "known-failures.yaml")
        shutil.copytree(ROOT / "examples", clone / "examples", ignore=left)
        shell = Shell(clone, _reader(folder), folder / "kept", _say)
        started, held = time.monotonic(), 0
        try:
            for _ in follow(PAGE.read_text(encoding="utf-8"), shell):
                held += 1
        except PageError as error:
            print(f"{error.printed}{PAGE.relative_to(ROOT)}, {error}", file=sys.stderr)
            return 1
    print(f"{PAGE.relative_to(ROOT)}: {held} blocks held, in {time.monotonic() - started:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
