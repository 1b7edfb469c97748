"""The wheel and the sdist hold the rooms whole: nothing missing, nothing left over."""

from __future__ import annotations

import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("spec", "vectors", "reference", "conformance", "qemu")


def tracked(*folders):
    command = ["git", "-C", str(ROOT), "ls-files", "--cached", "--others", "--exclude-standard", "--", *folders]
    return set(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split("\n")) - {""}


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """An sdist of the tree, and the wheel made from that sdist, as an index would serve them."""
    folder = tmp_path_factory.mktemp("built")
    code = (
        "import sys; from hatchling.builders.sdist import SdistBuilder;"
        "from hatchling.builders.wheel import WheelBuilder;"
        "[print(p) for b in (SdistBuilder, WheelBuilder) for p in b(sys.argv[1]).build(directory=sys.argv[2])]"
    )
    subprocess.run([sys.executable, "-c", code, str(ROOT), str(folder)], check=True, capture_output=True)
    with tarfile.open(next(folder.glob("*.tar.gz"))) as archive:
        # Debian 12's Python 3.11.2 has no filters yet, and 3.12 warns where none is chosen.
        archive.extraction_filter = getattr(tarfile, "data_filter", None)
        archive.extractall(folder / "unpacked")  # noqa: S202 (an archive that this test made)
    (unpacked,) = (folder / "unpacked").iterdir()
    again = folder / "again"
    subprocess.run([sys.executable, "-c", code, str(unpacked), str(again)], check=True, capture_output=True)
    return folder, unpacked, again


def wheel_names(folder):
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as archive:
        return {name for name in archive.namelist() if ".dist-info/" not in name}


def test_the_wheel_holds_the_rooms_tracked_files_and_nothing_else(built):
    folder, _, _ = built
    own = {
        f"endianproof/{name}"
        for name in ("__init__.py", "__main__.py", "_whole_file.py", "py.typed", "strategies.py")
    }
    assert wheel_names(folder) == own | {f"endianproof/{name}" for name in tracked(*ROOMS)}


def test_a_wheel_made_from_the_sdist_is_the_same(built):
    folder, _, again = built
    assert wheel_names(again) == wheel_names(folder)


def test_the_wheel_is_under_8_megabytes(built):
    folder, _, _ = built
    assert next(folder.glob("*.whl")).stat().st_size < 8_000_000


def test_the_sdist_holds_the_tests_the_documents_and_the_recipes(built):
    _, unpacked, _ = built
    beside = ("tests", "docs", "benchmarks", "baselines", "examples", "templates", ".ci", ".github", "action.yml")
    for name in tracked(*beside):
        assert (unpacked / name).is_file(), name


def test_every_room_is_a_relative_link_in_the_package():
    for room in ROOMS:
        link = ROOT / "src" / "endianproof" / room
        assert link.is_symlink()
        assert str(link.readlink()) == f"../../{room}"
        assert (link / "__init__.py").is_file()


def test_importing_the_package_imports_nothing_else():
    code = "import sys; before = set(sys.modules); import endianproof; print(sorted(set(sys.modules) - before))"
    found = subprocess.run([sys.executable, "-I", "-c", code], check=True, capture_output=True, text=True).stdout
    assert set(re.findall(r"'([\w.]+)'", found)) <= {"endianproof", "__future__"}
