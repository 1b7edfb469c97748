"""The workflow for a version matrix: its steps are run as they stand there, for a matrix of one testee."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest
from github import Job
from recipes import ROOT, read

WORKFLOW = ROOT / ".github" / "workflows" / "matrix.yml"
MATRIX = """
matrix: 1
testees:
- loader: reference
  format: [torch-tar]
"""


@pytest.fixture
def job(tmp_path):
    folder, temp = tmp_path / "project", tmp_path / "temp"
    folder.mkdir()
    temp.mkdir()
    (folder / "own matrix.yaml").write_text(MATRIX)
    return Job(folder, temp, {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"})


def run(job, name, **more):
    steps = [step for one in read(WORKFLOW)["jobs"].values() for step in one["steps"]]
    (step,) = [step for step in steps if step.get("name") == name]
    return job.step(step, {"inputs.file": "own matrix.yaml", "inputs.working-directory": ".", **more})


def test_each_cell_is_run_by_its_own_job_and_the_table_shows_them_all(job):
    run(job, "List the cells")
    (cell,) = json.loads(job.outputs["matrix"])["include"]
    assert cell["guest"] == "host"  # which the workflow takes for no guest
    done = run(job, "Run the cell", **{"matrix.run": cell["run"]})
    assert done.returncode == 0, done.stdout + done.stderr
    record = json.loads((job.folder / "endianproof-matrix" / cell["record"]).read_text())
    assert (record["id"], record["verdict"]) == (cell["cell"], "passed")
    assert run(job, "Show the table").returncode == 0
    assert "1 cell: 1 passed" in job.summary


def test_a_cell_without_a_record_fails_the_table(job):
    assert run(job, "Show the table").returncode == 1
    assert job.summary


def test_what_cells_need_on_the_runner_is_installed_by_pip(job):
    job.env = {**job.env, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": ""}
    done = run(job, "Install what the cells need", **{"inputs.install": "pip\nno-such-package==9.8.7\n"})
    assert done.returncode != 0
    assert "Requirement already satisfied: pip" in done.stdout
    assert "no-such-package==9.8.7" in done.stderr


def test_a_matrix_that_cannot_be_read_ends_the_first_job(job):
    (job.folder / "own matrix.yaml").write_text("matrix: 2")
    assert run(job, "List the cells").returncode != 0
    assert "matrix" not in job.outputs
