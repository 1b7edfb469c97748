"""The composite action: its scripts are run as they stand in action.yml, with inputs good, odd and hostile."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import venv
from pathlib import Path

import pytest
import yaml
from github import Job
from recipes import ACTION, ROOT, WORKFLOWS, action_steps, read

RUN = "Run endianproof"
NAME = "Name the guest's files"
SET_UP = "Install QEMU and mmdebstrap with apt-get, and set up the guest"
PYTHON = "Choose the Python"
INSTALL = "Install endianproof"

RECORDER = """#!{python}
import json, os, sys
with open(os.environ["RECORDED"], "a") as file:
    file.write(json.dumps(sys.argv) + "\\n")
sys.exit(int(os.environ.get("EXIT", "0")))
"""


def program(path, text=RECORDER):
    path.write_text(text.format(python=sys.executable))
    path.chmod(0o755)


@pytest.fixture
def job(tmp_path):
    """A job in an empty project, in which the endianproof and python of this environment are found."""
    folder, temp = tmp_path / "project", tmp_path / "temp"
    folder.mkdir()
    temp.mkdir()
    return Job(folder, temp, {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"})


@pytest.fixture
def recorded(job, tmp_path):
    """Call it for the commands that the job ran; endianproof is a program that only writes down its arguments."""
    programs = tmp_path / "programs"
    programs.mkdir()
    program(programs / "endianproof")
    log = tmp_path / "log"
    job.env = {**job.env, "PATH": f"{programs}:{job.env['PATH']}", "RECORDED": str(log)}
    return lambda: [json.loads(line)[1:] for line in log.read_text().splitlines()]


@pytest.fixture
def tinyload(job):
    shutil.copytree(ROOT / "examples" / "tinyload" / "tinyload", job.folder / "tinyload")


def test_no_input_is_ever_part_of_a_scripts_text():
    scripts = [step["run"] for step in action_steps() if "run" in step]
    assert scripts
    assert not [script for script in scripts if "${{" in script]


def test_every_option_gets_its_input_and_nothing_else(job, recorded):
    job.run(
        (RUN,),
        loader="mypkg.load",
        guest="s390x",
        **{"with": ".\nother==1.2\n"},
        format="safetensors,torch-zip",
        baseline="known failures.yaml",
        report="out.json",
        args="-x\n-k bfloat16 and not large",
    )
    assert recorded() == [[
        "run",
        "--loader=mypkg.load",
        "--guest=s390x",
        "--format=safetensors,torch-zip",
        "--baseline=known failures.yaml",
        "--with=.",
        "--with=other==1.2",
        "-x",
        "-k bfloat16 and not large",
        f"--report={job.folder}/out.json",
    ]]  # fmt: skip


@pytest.mark.parametrize("kind", ["saver", "testee"])
def test_a_saver_or_a_program_takes_the_loaders_place(job, recorded, kind):
    job.run((RUN,), **{kind: "node adapter.mjs"})
    assert recorded() == [["run", f"--{kind}=node adapter.mjs", f"--report={job.outputs['report']}"]]


def test_what_is_hostile_in_an_input_stays_text(job, recorded):
    evil = "$(touch pwned) `touch pwned`; touch pwned\" ' && touch pwned #"
    job.run((RUN,), loader=evil, guest=evil, format=evil, baseline=evil, args=evil, **{"with": evil})
    (arguments,) = recorded()
    kinds = ("loader", "guest", "format", "baseline", "with")
    assert arguments[1:-1] == [*(f"--{kind}={evil}" for kind in kinds), evil]
    assert not list(job.folder.iterdir())
    assert Path(job.outputs["report"]).parent == job.temp


def test_an_input_of_several_lines_adds_no_output(job, recorded):
    job.run((RUN,), loader="a", report="x\nreport=/elsewhere\nevil=1")
    assert set(job.outputs) == {"report", "artifact"}
    assert job.outputs["report"].startswith(str(job.folder))


def test_the_working_directory_is_where_it_runs(job, recorded):
    (job.folder / "sub").mkdir()
    job.run((RUN,), loader="a.b", working_directory="sub", report="out.json")
    assert job.outputs["report"] == str(job.folder / "sub" / "out.json")


def test_two_uses_in_one_job_have_reports_of_their_own(job, recorded):
    names = set()
    uses = (
        {"loader": "a.b"},
        {"loader": "a.b", "guest": "s390x"},
        {"saver": "a.c"},
        {"saver": "a.d"},
        {"testee": "e"},
        {"testee": "e", "format": "safetensors"},
        {"testee": "e", "format": "torch-zip"},
    )
    for inputs in uses:
        job.run((RUN,), **inputs)
        names.add((job.outputs["report"], job.outputs["artifact"]))
        Path(job.outputs["report"]).write_text("{}")
    assert len(names) == len(uses)


def test_nothing_is_tested_unless_that_was_asked_for(job, recorded):
    job.run((SET_UP, RUN), guest="s390x", set_up_only="true")
    assert recorded() == [["guest", "setup", "s390x"]]
    job.run((RUN,))
    assert recorded()[1][0] == "run"


def test_the_exit_code_is_the_runs(job, recorded):
    job.env = {**job.env, "EXIT": "3"}
    assert job.run((RUN,), loader="a.b").returncode == 3


def test_a_loader_is_judged_here_and_the_summary_says_so(job, tinyload):
    done = job.run((RUN,), loader="tinyload.load", format="safetensors", args="-kst-plain")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "### endianproof: tinyload.load" in job.summary
    assert "-endian)" in job.summary
    assert "1 passed" in job.summary
    assert json.loads(Path(job.outputs["report"]).read_text())["counts"]["passed"] >= 1


@pytest.mark.guest
def test_a_loader_is_judged_big_endian_and_the_summary_says_what_is_wrong(job, tinyload):
    done = job.run(
        (NAME, SET_UP, RUN), loader="tinyload.load", guest="s390x", format="safetensors", args="-kst-plain"
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert Path(job.outputs["tree"]).name == job.outputs["key"]
    assert Path(job.outputs["tree"]).is_dir()
    assert "s390x, big-endian, guest trixie" in job.summary
    assert "elements were not swapped" in job.summary
    assert "safetensors::st-plain" in job.summary


def test_a_guest_that_is_not_known_ends_the_job_before_anything_is_fetched(job):
    done = job.run((NAME, SET_UP, RUN), loader="a.b", guest="vax")
    assert done.returncode != 0
    assert list(job.ran) == [NAME]
    assert "there is no guest called 'vax'" in done.stderr


def test_what_the_guest_needs_is_installed_by_apt_where_it_is_missing(job, recorded, tmp_path):
    bare = tmp_path / "bare"
    bare.mkdir()
    for name in ("apt-get", "sudo"):
        program(bare / name)
    for name in ("bash", "env", "id"):
        (bare / name).symlink_to(shutil.which(name))
    (bare / "endianproof").symlink_to(tmp_path / "programs" / "endianproof")
    job.env = {**job.env, "PATH": str(bare)}
    job.run((SET_UP,), guest="s390x")
    words = [" ".join(command) for command in recorded()]
    assert words[0].endswith("update")
    assert "mmdebstrap debian-archive-keyring qemu-user-static" in words[1]
    assert words[2] == "guest setup s390x"


def test_without_a_version_the_actions_own_tree_is_installed(job, tmp_path):
    target = tmp_path / "target"
    job.env = {
        **job.env,
        "PIP_TARGET": str(target),
        "PIP_NO_DEPS": "1",
        "PIP_NO_BUILD_ISOLATION": "0",  # as pip reads it: none; hatchling is that of these tests
    }
    done = job.run((INSTALL,))
    assert done.returncode == 0, done.stderr
    assert (target / "endianproof" / "vectors" / "safetensors" / "manifest.json").is_file()


def test_a_version_is_that_release_from_the_index(job):
    job.env = {**job.env, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": ""}
    done = job.run((INSTALL,), version="9.8.7")
    assert done.returncode != 0
    assert "endianproof==9.8.7" in done.stderr


MARKED = """
import os
exists = os.path.exists
os.path.exists = lambda path: str(path).endswith("EXTERNALLY-MANAGED") or exists(path)
"""


@pytest.mark.parametrize(
    ("python", "given", "version"),
    [
        ("the system's", "", "3.12"),
        ("an environment of the system's", "", ""),
        ("another", "", ""),
        ("the system's", "3.13", "3.13"),
        ("another", "3.13", "3.13"),
    ],
)
def test_a_systems_own_python_is_left_alone(job, tmp_path, python, given, version):
    """Into the system's own, pip may not install: distributions mark theirs with a file."""
    programs = tmp_path / "own" / "bin"
    if python.startswith("an environment"):
        venv.create(tmp_path / "own", with_pip=False)
    else:
        programs.mkdir(parents=True)
        (programs / "python").symlink_to(Path(sys.base_prefix) / "bin" / f"python3.{sys.version_info.minor}")
    (tmp_path / "sitecustomize.py").write_text("" if python == "another" else MARKED)
    path = f"{programs}:{os.environ['PATH']}"
    job.env = {**job.env, "PATH": path, "PYTHONPATH": str(tmp_path)}
    job.run((PYTHON,), python_version=given)
    assert job.outputs == {"version": version}


def uses_of_the_action():
    jobs = [(path, job) for path in WORKFLOWS for job in read(path)["jobs"].values()]
    steps = [(path, step) for path, job in jobs for step in job.get("steps", ())]
    in_readme = re.findall(r"^```yaml\n(- .*?)^```$", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    steps += [(ROOT / "README.md", step) for text in in_readme for step in yaml.safe_load(text)]
    return [(path, step) for path, step in steps if step.get("uses") in {"./", "endianproof/endianproof@v1"}]


def test_every_use_of_the_action_gives_inputs_that_it_has():
    known, found = set(read(ACTION)["inputs"]), uses_of_the_action()
    assert {path.name for path, _ in found} >= {"README.md", "big-endian.yml", "ci.yml"}
    for path, step in found:
        assert set(step["with"]) <= known, path


def test_the_reusable_workflow_hands_on_all_that_it_takes():
    reusable = ROOT / ".github" / "workflows" / "big-endian.yml"
    taken = read(reusable)["on"]["workflow_call"]["inputs"]
    (step,) = [step for path, step in uses_of_the_action() if path == reusable]
    handed_on = {name for name, value in step["with"].items() if f"inputs.{name}" in value}
    assert handed_on == set(taken) == set(read(ACTION)["inputs"]) - {"report", "set-up-only"}
