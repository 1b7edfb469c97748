"""The benchmarks run: a figure that nobody can get anew is none."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[1]


def test_a_small_checkpoint_is_verified():
    command = [sys.executable, "-m", "benchmarks.large_verify", "64", "reference"]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)
    ways = {"plain read", "plain read with SHA-256", "fingerprint", "verify reference"}
    assert figures.keys() == {"bytes"} | ways
    assert figures["verify reference"]["tensors"] == 291


@pytest.mark.parametrize(
    ("what", "measured"),
    [
        ("native", {"small seconds", "small bytes", "large seconds", "large bytes"}),
        ("foreign", {"reference", "reference in threads", "torch.load", "checksums alone"}),
    ],
)
def test_loading_is_measured(what, measured):
    command = [sys.executable, "-m", "benchmarks.large_load", what, "2"]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout).keys() == measured


def test_what_cannot_be_measured_here_says_why(tmp_path):
    command = [sys.executable, "-m", "benchmarks", "upstream"]
    env = {**os.environ, "PATH": str(tmp_path)}
    done = subprocess.run(command, cwd=PROJECT, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("guests against debootstrap: not measured, debootstrap needs root")


def test_an_unknown_benchmark_is_told_with_those_that_there_are():
    command = [sys.executable, "-m", "benchmarks", "upsteam"]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "there is no benchmark 'upsteam'" in done.stderr
    assert "upstream" in done.stderr
