"""The suite still catches the field's bugs in the releases that had them, and is silent where they are mended.

Run by `tox -e museum`, not with the other tests: it fetches old releases, and most of them run emulated.
"""

from __future__ import annotations

import json
import subprocess
import sys
from fnmatch import fnmatchcase
from pathlib import Path

import pytest
import yaml

from endianproof.spec import load_spec

HERE = Path(__file__).resolve().parent
MUSEUM = yaml.safe_load((HERE / "museum.yaml").read_text(encoding="utf-8"))
EXHIBITS = {f"{exhibit['bug']} {exhibit['run'][0]}": exhibit for exhibit in MUSEUM["exhibits"]}
MENDED = [name for name, exhibit in EXHIBITS.items() if "mended" in exhibit]


def results(exhibit, release, tmp_path):
    """What a run of the exhibit's vectors and saves came to, by FORMAT::ID; and what pytest said."""
    report = tmp_path / "report.json"
    options = [*exhibit["run"], *exhibit[release], f"--report={report}", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, *exhibit["tasks"]],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert report.exists(), done.stdout + done.stderr
    found = json.loads(report.read_text(encoding="utf-8"))["results"]
    return {f"{result['format']}::{result['task']}": result for result in found}, done.stdout


@pytest.mark.museum
@pytest.mark.parametrize("name", EXHIBITS)
def test_the_release_that_has_it_fails_by_the_right_rule_and_diagnosis(name, tmp_path):
    exhibit = EXHIBITS[name]
    found, output = results(exhibit, "broken", tmp_path)
    for task, expected in exhibit["tasks"].items():
        assert found[task]["kind"] == "failed", output
        assert expected["rule"] in found[task]["rules"], output
        assert fnmatchcase(found[task]["headline"], expected["says"]), output


@pytest.mark.museum
@pytest.mark.parametrize("name", MENDED)
def test_the_release_that_mended_it_passes(name, tmp_path):
    exhibit = EXHIBITS[name]
    found, output = results(exhibit, "mended", tmp_path)
    assert {found[task]["kind"] for task in exhibit["tasks"]} == {"passed"}, output


def test_every_measured_bug_of_safetensors_and_torch_is_shown_or_says_why_not():
    bugs = load_spec().bugs.items()
    measured = {name for name, bug in bugs if bug.measured and bug.package in {"safetensors", "torch"}}
    shown = {exhibit["bug"] for exhibit in EXHIBITS.values()}
    assert measured - shown == MUSEUM["not_shown"].keys()
