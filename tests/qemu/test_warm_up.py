"""What set-up runs in the guest's Python, run by this one: modules are imported, versions are told."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from endianproof.qemu._setup import ANSWER, WARM_UP


@pytest.fixture
def folder(tmp_path):
    """Modules that tell their version themselves, by their distribution, or not at all."""
    (tmp_path / "ep_own.py").write_text("__version__ = '1.2'\n")
    (tmp_path / "ep_installed.py").write_text("")
    (tmp_path / "ep_bare").mkdir()
    (tmp_path / "ep_bare" / "__init__.py").write_text("")
    (tmp_path / "ep_bare" / "inner.py").write_text("")
    information = tmp_path / "ep_installed-3.4.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: ep-installed\nVersion: 3.4\n")
    return tmp_path


def warm_up(folder, *modules):
    argv = [sys.executable, "-c", WARM_UP.read_text(encoding="utf-8"), *modules]
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    return subprocess.run(argv, capture_output=True, text=True, check=False, env=environment)


def test_a_version_is_told_where_there_is_one_and_the_import_is_enough(folder):
    done = warm_up(folder, "ep_own", "ep_installed", "ep_bare.inner")
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout.removeprefix(ANSWER))
    assert facts["packages"] == {"ep_own": "1.2", "ep_installed": "3.4"}


def test_a_module_that_cannot_be_imported_fails_with_its_name(folder):
    done = warm_up(folder, "ep_own", "ep_nosuch")
    assert done.returncode != 0
    assert done.stderr.splitlines()[-1] == "ModuleNotFoundError: No module named 'ep_nosuch'"
