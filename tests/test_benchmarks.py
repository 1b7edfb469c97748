"""The benchmarks run: a figure that nobody can get anew is none."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[1]


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
