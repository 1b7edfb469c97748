"""The GitLab template: its script is run as it stands there, by bash and by the shell that smaller images have."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from recipes import ROOT, TEMPLATE, pipeline_scripts, read

from endianproof.qemu import copy_source

RECORDER = """#!{python}
import json, os, sys
with open("recorded", "a") as file:
    file.write(json.dumps(sys.argv[1:]) + "\\n")
"""
LAST = ["--report=endianproof-report.json", "--junitxml=endianproof-junit.xml"]


def variables(job, **given):
    """The variables of a job, as GitLab lays them over each other: the job's own win."""
    pipeline = read(TEMPLATE)
    found = {**pipeline["variables"], **given}
    for name in (pipeline[job]["extends"], job):
        found |= pipeline[name].get("variables", {})
    return found


def run(folder, job="endianproof-little", shell="bash", keys=("script",), path=None, **given):
    lines = [line for key in keys for line in read(TEMPLATE)[".endianproof"][key]]
    own = {**variables(job, **given), "CI_PROJECT_DIR": str(folder)}
    own.pop("ENDIANPROOF_CACHE")  # the guests of these tests are this machine's
    programs = f"{path or Path(sys.executable).parent}:{os.environ['PATH']}"
    return subprocess.run(
        [shell, "-ec", "\n".join(lines)],
        cwd=folder,
        env={**os.environ, **own, "PATH": programs},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def recording(tmp_path):
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("endianproof", "python"):
        (programs / name).write_text(RECORDER.format(python=sys.executable))
        (programs / name).chmod(0o755)
    return programs


def recorded(folder):
    return [json.loads(line) for line in (folder / "recorded").read_text().splitlines()]


@pytest.mark.parametrize("shell", ["bash", "sh"])
def test_every_variable_is_one_option(tmp_path, recording, shell):
    run(
        tmp_path,
        "endianproof-big",
        shell,
        path=recording,
        ENDIANPROOF_LOADER="mypkg.load",
        ENDIANPROOF_WITH=".\nother==1.2",
        ENDIANPROOF_FORMAT="safetensors",
        ENDIANPROOF_BASELINE="known failures.yaml",
        ENDIANPROOF_ARGS="-x\n-k a and b",
    )
    options = [
        "--loader=mypkg.load",
        "--guest=s390x",
        "--format=safetensors",
        "--baseline=known failures.yaml",
        "--with=.",
        "--with=other==1.2",
        "-x",
        "-k a and b",
    ]
    assert recorded(tmp_path) == [["run", *options, *LAST]]


@pytest.mark.parametrize("kind", ["saver", "testee"])
def test_a_saver_or_a_program_takes_the_loaders_place(tmp_path, recording, kind):
    run(tmp_path, path=recording, **{f"ENDIANPROOF_{kind.upper()}": "node adapter.mjs"})
    assert recorded(tmp_path) == [["run", f"--{kind}=node adapter.mjs", *LAST]]


@pytest.mark.parametrize("shell", ["bash", "sh"])
def test_what_is_hostile_in_a_variable_stays_text(tmp_path, recording, shell):
    evil = "$(touch pwned) `touch pwned`; touch pwned\" ' #"
    given = {f"ENDIANPROOF_{kind}": evil for kind in ("LOADER", "WITH", "ARGS")}
    run(tmp_path, shell=shell, path=recording, **given)
    assert recorded(tmp_path) == [["run", f"--loader={evil}", f"--with={evil}", evil, *LAST]]
    assert not (tmp_path / "pwned").exists()


def test_the_guest_is_set_up_before_the_run_and_only_for_the_big_endian_job(tmp_path, recording):
    for job in ("endianproof-little", "endianproof-big"):
        run(tmp_path, job, keys=("before_script",), path=recording)
    install = ["-m", "pip", "install", "endianproof"]
    assert recorded(tmp_path) == [install, install, ["guest", "setup", "s390x"]]


def test_a_report_that_an_earlier_stage_handed_on_is_not_in_the_way(tmp_path):
    (tmp_path / "endianproof-report.json").write_text("of an earlier stage")
    done = run(tmp_path, ENDIANPROOF_LOADER="reference", ENDIANPROOF_ARGS="-kst-plain")
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads((tmp_path / "endianproof-report.json").read_text())["report"] == 1


def test_a_projects_variables_are_not_overruled_by_the_jobs():
    """A job's own variables win over the pipeline's: what a project sets must not stand in .endianproof."""
    pipeline = read(TEMPLATE)
    own = {name for job in pipeline.values() if isinstance(job, dict) for name in job.get("variables", {})}
    assert own & set(pipeline["variables"]) == set()


def test_every_variable_that_a_script_reads_is_there_to_be_set():
    scripts = "".join(script.text for script in pipeline_scripts(TEMPLATE))
    read_there = set(re.findall(r"\$(ENDIANPROOF_\w+)", scripts))
    assert read_there == set(read(TEMPLATE)["variables"]) | {"ENDIANPROOF_GUEST"}


def test_what_gitlab_keeps_is_in_the_projects_folder_and_no_part_of_its_wheel(tmp_path):
    pipeline = read(TEMPLATE)
    folder = pipeline[".endianproof"]["variables"]["ENDIANPROOF_CACHE"].removeprefix("$CI_PROJECT_DIR/")
    assert pipeline[".endianproof"]["cache"]["paths"] == [f"{folder}/guests"]
    (tmp_path / "project" / folder / "guests").mkdir(parents=True)
    copy_source(tmp_path / "project", tmp_path / "copy")
    assert list((tmp_path / "copy").iterdir()) == []


@pytest.mark.guest
@pytest.mark.parametrize(("job", "failures"), [("endianproof-little", "0"), ("endianproof-big", "1")])
def test_a_loader_is_judged_and_what_gitlab_shows_is_there(tmp_path, job, failures):
    shutil.copytree(ROOT / "examples" / "tinyload" / "tinyload", tmp_path / "tinyload")
    given = {"LOADER": "tinyload.load", "FORMAT": "safetensors", "ARGS": "-kst-plain"}
    done = run(tmp_path, job, **{f"ENDIANPROOF_{name}": value for name, value in given.items()})
    assert str(done.returncode) == failures, done.stdout + done.stderr
    artifacts = read(TEMPLATE)[".endianproof"]["artifacts"]
    assert json.loads((tmp_path / artifacts["paths"][0]).read_text())["report"] == 1
    junit = (tmp_path / artifacts["reports"]["junit"]).read_text()
    assert f'errors="0" failures="{failures}"' in junit
