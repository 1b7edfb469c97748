"""`endianproof matrix`: cells are run, in parallel, and what they came to is recorded and kept."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from importlib.resources import files
from pathlib import Path
from types import SimpleNamespace

import jsonschema
import pytest

from endianproof.conformance.cli import matrix as command_line
from endianproof.conformance.matrix import MatrixError
from endianproof.conformance.matrix._session import Cells

COMMAND = [sys.executable, "-m", "endianproof.conformance.cli", "matrix"]
LOADERS = Path(__file__).parent / "loaders"
SCHEMAS = files("endianproof.conformance") / "schemas"

# right: a loader that is; wrong: swaps bfloat16; meets: waits until the other cell is under way, too.
MYPKG = """
import os, pathlib, time
from endianproof.reference import load as right
from swapping import Swapped

def wrong(path):
    return {name: Swapped(one) if one.dtype == "bfloat16" else one for name, one in right(path).items()}

def _meet(mine, other):
    pathlib.Path(mine).touch()
    deadline = time.monotonic() + 30
    while not pathlib.Path(other).exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    return pathlib.Path(other).exists()

def first(path):
    return right(path) if _meet("first", "second") else {}

def second(path):
    return right(path) if _meet("second", "first") else {}

def hanging(path):
    pathlib.Path("hangs").write_text(str(os.getpid()))
    while pathlib.Path("stuck").exists():
        time.sleep(0.05)
    return right(path)
"""
BASELINE = """
baseline: 1
known_failures:
- {vector: st-dtype-bfloat16, finding: wrong-values, reason: it swaps}
"""


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A folder with a package and a baseline; `write` makes its matrix, of a few vectors."""
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mypkg.py").write_text(MYPKG)
    shutil.copy(LOADERS / "swapping.py", tmp_path)
    (tmp_path / "known.yaml").write_text(BASELINE)
    return tmp_path


def write(project, *testees):
    listed = "".join(f"- {{{testee}, rule: [ST-END-01], format: [safetensors]}}\n" for testee in testees)
    (project / "matrix.yaml").write_text(f"matrix: 1\ntestees:\n{listed}")


FEW = ("--", "-k", "st-dtype-bfloat16 or st-dtype-float32 or st-dtype-int64")


def run(*options, passed_on=FEW):
    return subprocess.run([*COMMAND, *options, *passed_on], capture_output=True, text=True, check=False)


def record(name):
    found = json.loads(Path("endianproof-matrix", f"{name}.json").read_text(encoding="utf-8"))
    schema = json.loads((SCHEMAS / "cell-1.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(found, schema)
    if found["report"] is not None:
        jsonschema.validate(found["report"], json.loads((SCHEMAS / "report-1.schema.json").read_text()))
    return found


def test_cells_run_at_the_same_time_and_each_leaves_a_record(project):
    """The loaders wait for each other: one cell after the other, both would fail."""
    write(project, "loader: mypkg.first", "loader: mypkg.second")
    done = run("--workers=2")
    assert done.returncode == 0, done.stdout + done.stderr
    for name in ("first", "second"):
        found = record(f"mypkg.{name}-host")
        assert (found["verdict"], found["exit_code"]) == ("passed", 0)
        assert found["report"]["counts"] == {"passed": 3}
        assert f"--loader=mypkg.{name}" in found["command"]
        assert found["closing"].startswith("3 passed")
        assert f"{found['closing']}\n" in done.stdout
        assert f"pytest --loader=mypkg.{name} --format=safetensors --rule=ST-END-01 -k " in done.stdout
    assert "2 cells: 2 passed\n" in done.stdout


def test_a_cell_that_fails_is_shown_in_full_and_the_others_run(project):
    write(project, "loader: mypkg.wrong", "loader: mypkg.right")
    done = run("--workers=1")
    assert done.returncode == 1
    found = record("mypkg.wrong-host")
    assert found["verdict"] == "failed"
    assert "elements were swapped" in found["output"]
    assert found["output"] in done.stdout
    assert "2 cells: 1 passed, 1 failed\n" in done.stdout
    assert record("mypkg.right-host")["output"] == ""


def test_a_cell_with_nothing_to_judge_is_never_counted_as_passed(project):
    write(project, "loader: mypkg.absent")
    done = run()
    assert done.returncode == 1
    found = record("mypkg.absent-host")
    assert (found["verdict"], found["exit_code"], found["report"]) == ("not judged", 4, None)
    assert "1 cell: 1 not judged\n" in done.stdout


@pytest.mark.parametrize("output", ["taken/inner", "/proc"])
def test_a_folder_that_cannot_be_written_to_is_told_with_the_option_that_names_another(project, output):
    write(project, "loader: mypkg.right")
    (project / "taken").write_text("")
    done = run(f"--output={output}")
    assert done.returncode == 2
    assert "\n--output=FOLDER names another folder\n" in done.stderr
    assert "Traceback" not in done.stderr


def test_x_stops_at_the_first_cell_that_does_not_pass(project):
    write(project, "loader: mypkg.wrong", "loader: mypkg.right")
    done = run("-x", "--workers=1")
    assert done.returncode == 1
    assert "2 cells: 1 failed, 1 no record\n" in done.stdout


def test_an_excluded_cell_is_shown_with_its_reason_and_not_counted(project):
    write(project, "loader: mypkg.right", "loader: mypkg.wrong")
    with (project / "matrix.yaml").open("a") as file:
        file.write("exclude:\n- {testee: '*.wrong', reason: it is wrong}\n")
    done = run()
    assert done.returncode == 0
    assert "not run: mypkg.wrong-host: it is wrong\n1 cell: 1 passed; 1 more excluded\n" in done.stdout
    done = run("--cell=mypkg.wrong-host")
    assert done.returncode == 2
    assert "nothing to run" in done.stderr


def test_a_record_is_kept_until_what_it_is_of_changes(project):
    write(project, "loader: mypkg.right", "loader: mypkg.wrong, baseline: known.yaml")
    assert run().returncode == 0
    again = run("--resume")
    assert again.returncode == 0
    assert "0 cells to run, 2 kept" in again.stdout
    assert "3/0/0/0 * kept" in again.stdout
    assert f"\n* with {shlex.join(FEW[1:])}\n" in again.stdout
    (project / "known.yaml").write_text(BASELINE.replace("it swaps", "it swaps every element"))
    changed = run("--resume")
    assert "1 cell to run, 1 kept" in changed.stdout
    assert "mypkg.wrong-host: pytest" in changed.stdout
    other = run("--resume", "--cell=mypkg.right-host", passed_on=("--", "-k", "st-dtype-float32"))
    assert "1 cell to run\n" in other.stdout
    assert "1 cell to run\n" in run("--cell=mypkg.right-host").stdout


def test_what_failed_is_kept_too_and_run_again_when_that_is_asked_for(project):
    write(project, "loader: mypkg.wrong", "loader: mypkg.right")
    assert run().returncode == 1
    kept = run("--resume")
    assert kept.returncode == 1
    assert "0 cells to run, 2 kept" in kept.stdout
    (project / "mypkg.py").write_text(MYPKG.replace("Swapped(one) if", "one if"))
    mended = run("--failed")
    assert mended.returncode == 0
    assert "1 cell to run, 1 kept" in mended.stdout


def test_a_file_that_is_no_record_keeps_nothing(project):
    write(project, "loader: mypkg.right")
    for text in ("", "{", "[]", '{"cell": 1}'):
        (project / "endianproof-matrix").mkdir(exist_ok=True)
        (project / "endianproof-matrix" / "mypkg.right-host.json").write_text(text)
        shown = run("--show")
        assert shown.returncode == 1
        assert "1 cell: 1 damaged record\n" in shown.stdout
        assert "endianproof-matrix/mypkg.right-host.json is no record, or a damaged one" in shown.stdout
    assert run("--resume").returncode == 0
    assert record("mypkg.right-host")["verdict"] == "passed"


@pytest.mark.parametrize(
    ("passed_on", "said"),
    [(("--bogus",), "--bogus"), (("-k", "nosuch"), "deselected")],
    ids=["refused", "no vector"],
)
def test_where_nothing_was_run_the_earlier_record_stays_and_the_run_fails(project, passed_on, said):
    write(project, "loader: mypkg.right")
    assert run().returncode == 0
    place = project / "endianproof-matrix" / "mypkg.right-host.json"
    before = place.read_bytes()
    done = run(passed_on=("--", *passed_on))
    assert done.returncode == 1
    assert "mypkg.right-host: nothing was run: its earlier record stays\n" in done.stdout
    assert said in done.stdout
    assert "3/0/0/0 * kept" in done.stdout
    assert place.read_bytes() == before
    assert [path.name for path in place.parent.iterdir()] == [place.name]


def test_a_cell_whose_vectors_are_all_unsupported_was_run_and_replaces_its_record(project):
    write(project, "loader: mypkg.right")
    assert run().returncode == 0
    mypkg = (project / "mypkg.py").read_text()
    (project / "mypkg.py").write_text(f"{mypkg}\n\ndef right(path):\n    raise NotImplementedError\n")
    assert run().returncode == 1
    assert record("mypkg.right-host")["report"]["counts"] == {"unsupported": 3}


def test_show_takes_records_of_any_machine_and_fails_while_one_is_missing(project):
    write(project, "loader: mypkg.right", "loader: mypkg.second")
    assert run("--cell=mypkg.right-host").returncode == 0
    shown = run("--show")
    assert shown.returncode == 1
    assert "2 cells: 1 passed, 1 no record\n" in shown.stdout
    assert run("--show", "--cell=mypkg.right-host").returncode == 0
    text = (project / "matrix.yaml").read_text()
    (project / "matrix.yaml").write_text(text.replace("[ST-END-01]", "[ST-END-*]", 1))
    assert "2 cells: 2 no record\n" in run("--show").stdout


def processes_below(process):
    """A process's children, and theirs."""
    for thread in Path(f"/proc/{process}/task").glob("*/children"):
        for child in thread.read_text(encoding="ascii").split():
            yield int(child)
            yield from processes_below(child)


def start_and_hang(project, workers=2):
    """A matrix in whose second cell the loader hangs, after the first is through; and all its processes."""
    write(project, "loader: mypkg.right", "loader: mypkg.hanging")
    (project / "stuck").touch()
    process = subprocess.Popen([*COMMAND, f"--workers={workers}", *FEW], stdout=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not (project / "hangs").exists() or not Path("endianproof-matrix/mypkg.right-host.json").exists():
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.1)
    return process, [process.pid, *processes_below(process.pid)]


def await_end(processes, seconds):
    deadline = time.monotonic() + seconds
    while left := [one for one in processes if Path(f"/proc/{one}").exists()]:
        assert time.monotonic() < deadline, left
        time.sleep(0.1)


@pytest.mark.parametrize(
    ("number", "workers"), [(signal.SIGINT, 2), (signal.SIGTERM, 1)], ids=["Ctrl-C", "terminated"]
)
def test_an_interrupted_matrix_ends_its_cells_and_resume_runs_the_rest(project, number, workers, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(project))
    process, all_of_it = start_and_hang(project, workers)
    process.send_signal(number)
    output, _ = process.communicate(timeout=30)
    await_end(all_of_it, 10)
    assert process.returncode == 2
    assert "interrupted: --resume goes on" in output
    assert "2 cells: 1 passed, 1 no record\n" in output
    assert [path.name for path in Path("endianproof-matrix").iterdir()] == ["mypkg.right-host.json"]
    assert list(project.glob("endianproof-cell-*")) == []
    (project / "stuck").unlink()
    done = run("--resume")
    assert done.returncode == 0
    assert "1 cell to run, 1 kept" in done.stdout


def test_a_session_that_ends_early_ends_the_runs_of_its_workers():
    code = "import subprocess; print(subprocess.run(['sleep', '1000']).returncode)"
    worker = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    while not list(processes_below(worker.pid)):
        time.sleep(0.05)
    Cells([], SimpleNamespace()).pytest_sessionfinish()
    output, _ = worker.communicate(timeout=30)
    assert output == f"{-signal.SIGTERM}\n"


def test_a_matrix_that_is_killed_leaves_no_process_and_no_half_record(project):
    process, all_of_it = start_and_hang(project, workers=1)
    process.kill()
    process.communicate()
    await_end(all_of_it, 60)
    assert [path.name for path in Path("endianproof-matrix").iterdir()] == ["mypkg.right-host.json"]


def test_the_user_s_own_settings_for_pytest_are_the_cells_and_not_the_matrix_s(project, monkeypatch):
    (project / "pyproject.toml").write_text("[tool.pytest.ini_options]\naddopts = '-k st-dtype-float32'\n")
    (project / "test_mine.py").write_text("def test_mine():\n    raise AssertionError\n")
    (project / "conftest.py").write_text("import os\nassert 'PYTEST_ADDOPTS' in os.environ\n")
    write(project, "loader: mypkg.wrong")
    monkeypatch.setenv("PYTEST_ADDOPTS", "-k st-dtype-float32")
    done = run(passed_on=())
    assert done.returncode == 0, done.stdout
    assert record("mypkg.wrong-host")["report"]["counts"] == {"passed": 1}
    assert "* with -k st-dtype-float32\n" in done.stdout  # a part of the vectors is not all of them
    monkeypatch.delenv("PYTEST_ADDOPTS")
    assert "1 cell to run\n" in run("--resume", passed_on=()).stdout


def test_options_in_the_environment_that_are_badly_quoted_are_told(project, monkeypatch):
    write(project, "loader: mypkg.right")
    monkeypatch.setenv("PYTEST_ADDOPTS", "-k 'st-plain")
    done = run()
    assert (done.returncode, done.stderr) == (2, "Error: PYTEST_ADDOPTS cannot be read: No closing quotation\n")


def test_more_cells_at_a_time_than_the_processors_can_bear_are_refused_with_the_most(project):
    write(project, "loader: mypkg.right")
    done = run("--workers=3000")
    most = 4 * len(os.sched_getaffinity(0))
    assert done.returncode == 2
    assert done.stderr.startswith("Error: --workers=3000: there ")
    assert done.stderr.endswith(f", for which {most} are the most\n")
    assert not Path("endianproof-matrix").exists()


def test_who_has_read_enough_of_a_list_is_told_nothing(project):
    write(project, "loader: mypkg.right")
    script = f"{shlex.join(COMMAND)} --list | true"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False)
    assert done.stderr == ""


def test_without_xdist_one_cell_runs_at_a_time_and_it_says_how_to_run_more(monkeypatch, capsys):
    monkeypatch.setattr(command_line.importlib.util, "find_spec", lambda _: None)
    jobs = [None, None]
    assert command_line._workers(1, jobs) == 1
    with pytest.raises(MatrixError, match="--workers=2 needs pytest-xdist"):
        command_line._workers(2, jobs)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    assert command_line._workers(None, jobs) == 1
    assert "pip install pytest-xdist" in capsys.readouterr().err
