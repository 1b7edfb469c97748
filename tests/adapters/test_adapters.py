"""Every command of the example adapters' READMEs does what it says: they build, and pass, here and on s390x."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from toolchains import TOOLCHAINS, install

from endianproof.qemu import GuestError
from endianproof.vectors import load_vectors

ADAPTERS = Path(__file__).resolve().parents[2] / "examples" / "adapters"
LANGUAGES = sorted(path.parent.name for path in ADAPTERS.glob("*/README.md"))
ALL = sum(vector.format == "safetensors" for vector in load_vectors())


def commands(language):
    """The lines of the README's block of commands."""
    (block,) = re.findall(
        r"^```\n(.*?)^```$", (ADAPTERS / language / "README.md").read_text(), re.DOTALL | re.MULTILINE
    )
    return [line for line in block.splitlines() if line]


@pytest.fixture(scope="session", autouse=True)
def _toolchains():
    try:
        install()
    except GuestError as error:
        pytest.fail(f"{error}\n{error.hint}", pytrace=False)


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """Where the READMEs' programs are: this Python's own come first."""
    home = tmp_path_factory.mktemp("home")
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    clean = {key: value for key, value in os.environ.items() if key != "PYTEST_ADDOPTS"}
    return {**clean, "PATH": path, "GOCACHE": str(home / "go"), "GOFLAGS": "-mod=mod", "GOPROXY": "off"}


@pytest.mark.adapters
@pytest.mark.guest
@pytest.mark.parametrize("language", LANGUAGES)
def test_an_adapter_is_built_and_passes_as_its_readme_says(language, environment, tmp_path):
    folder = tmp_path / language
    shutil.copytree(ADAPTERS / language, folder)
    for command in commands(language):
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=folder,
            env=environment,
            text=True,
            check=False,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        print(f"$ {command}\n{done.stdout}")
        assert done.returncode == 0, f"{command}: exit code {done.returncode}\n{done.stdout[-4000:]}"
        if command.startswith("pytest"):
            assert re.search(rf"^\d+ vectors: {ALL} passed", done.stdout, re.MULTILINE), done.stdout[-4000:]
            assert not re.search("failed|unsupported", done.stdout.splitlines()[-1])


@pytest.mark.adapters
@pytest.mark.parametrize("language", LANGUAGES)
def test_a_readme_builds_checks_and_runs_on_both_byte_orders(language):
    lines = commands(language)
    assert any(line.startswith("endianproof protocol check") for line in lines)
    runs = [line for line in lines if line.startswith("pytest")]
    assert ["--guest=" in line for line in runs] == [False, True]


@pytest.mark.adapters
def test_every_adapter_has_its_toolchain():
    assert set(LANGUAGES) == set(TOOLCHAINS)


@pytest.mark.adapters
def test_an_adapters_overhead_is_measured(environment):
    command = [sys.executable, "-m", "benchmarks.adapters", "javascript", "2", "4"]
    done = subprocess.run(
        command, cwd=ADAPTERS.parents[1], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout).keys() == {"wall", "whole", "runner", "adapter"}
