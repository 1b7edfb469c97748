"""The bug that started the project, on the releases that had it and on one that has not: the README's own run."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from own_files import safetensors

README = Path(__file__).resolve().parents[2] / "README.md"
FIRST_LINE = "values went through float16: 1.0 (0x3F80) came back as 7.6294e-06 (0x3700)"


def run(tmp_path, version):
    """The README's command, with the given release."""
    (line,) = re.findall(
        r"^pytest (--loader=\S+ --format=\S+ --guest=bookworm) --with=", README.read_text(), re.MULTILINE
    )
    command = [sys.executable, "-m", "pytest", *line.split(), f"--with=safetensors=={version}"]
    command += ["-p", "no:cacheprovider"]
    return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)


@pytest.mark.guest
def test_the_release_that_had_it_fails_with_the_diagnosis_first(tmp_path):
    done = run(tmp_path, "0.4.2")
    assert done.returncode == 1, done.stdout + done.stderr
    report = done.stdout.split(" st-bfloat16-448 ")[1].splitlines()
    assert report[1] == FIRST_LINE
    (shown,) = re.findall(r"^ +\d+  values went through float16", README.read_text(), re.MULTILINE)
    assert shown in done.stdout


@pytest.mark.guest
def test_a_file_of_the_users_own_shows_it(tmp_path):
    safetensors(tmp_path / "model.safetensors", {"w": ("bfloat16", (600, 1000), b"\x80\x3f" * 600_000)})
    command = [sys.executable, "-m", "endianproof.conformance.cli", "verify", "-q", "model.safetensors"]
    command += ["--loader=safetensors.torch.load_file", "--guest=bookworm", "--with=safetensors==0.4.2"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    assert done.stdout.splitlines()[2].strip() == FIRST_LINE


@pytest.mark.guest
def test_the_release_that_mended_it_passes(tmp_path):
    done = run(tmp_path, "0.4.5")
    assert "went through float16" not in done.stdout
    failed = re.findall(r"^FAILED safetensors::(\S*bfloat16\S*)", done.stdout, re.MULTILINE)
    assert failed == ["st-bfloat16-beside-uint16"], done.stdout  # torch 1.13 has no uint16
