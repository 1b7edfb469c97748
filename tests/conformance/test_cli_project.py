"""`endianproof init`, `endianproof doctor`, and `endianproof run` by the settings of a project."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from click.testing import CliRunner

from endianproof.conformance.cli import main
from endianproof.conformance.project import read_project

MYPKG = """
from endianproof.reference import load as right
def load(path):
    return right(path)
def swaps(path):
    return {}
def aborts(path):
    import os
    os.abort()
def waits(path):
    import pathlib, time
    pathlib.Path("waiting").touch()
    time.sleep(600)
"""


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    (tmp_path / "mypkg.py").write_text(MYPKG)
    return tmp_path


def invoke(*arguments):
    return CliRunner().invoke(main, arguments)


def command(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "endianproof", *arguments], capture_output=True, text=True, check=False
    )


# init


def test_init_makes_a_file_that_can_be_read_and_says_what_comes_next(here):
    result = invoke("init")
    assert result.exit_code == 0, result.output
    assert read_project(here).testees == ()  # the folder is not called mypkg: nothing was found
    assert "name yours there" in result.output
    assert "endianproof doctor" in result.output
    commented = (here / "pyproject.toml").read_text().replace("# [", "[").replace("# loader", "loader")
    (here / "pyproject.toml").write_text(commented)
    (testee,) = read_project(here).testees
    assert testee.kind == "loader"


def test_init_finds_what_loads_and_what_saves_without_importing_it(here):
    package = here / "src" / "my_pkg"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(
        "from ._write import save_file\nraise SystemExit\ndef load(data: bytes): pass\n"
    )
    (here / "pyproject.toml").write_text('[project]\nname = "my-pkg"\n')
    result = invoke("init")
    assert "load: loader my_pkg.load, guessed from its name in src/my_pkg/__init__.py" in result.output
    loader, saver = read_project(here).testees
    assert (loader.name, saver.name) == ("load", "save")
    assert loader.values == {"loader": "my_pkg.load", "takes": "bytes", "with": ["."]}
    assert saver.values == {"saver": "my_pkg.save_file", "with": ["."]}


# Which of them Python's parser reads differs between its releases: the last two none does.
@pytest.mark.parametrize("source", [f"x = {'+'.join(['1'] * 20000)}", f"x = {'(' * 300}", "x = '\0'"])
def test_init_looks_past_what_no_parser_can_read(here, source):
    (here / "mypkg.py").write_text(f"{source}\ndef load(path): pass\n")
    (here / "pyproject.toml").write_text('[project]\nname = "mypkg"\n')
    result = invoke("init")
    assert result.exit_code == 0, result.output
    assert "name yours there" in result.output or "+" in source


def test_init_builds_nothing_that_can_be_imported_where_it_stands(here):
    (here / "pyproject.toml").write_text('[project]\nname = "mypkg"\n')
    assert invoke("init").exit_code == 0
    (loader,) = read_project(here).testees
    assert loader.values == {"loader": "mypkg.load"}


@pytest.mark.parametrize("before", [b"", b"# mine\n", b'[project]\r\nname = "x"\r\n', b"[tool.x]\na = 1 # no end"])
def test_init_leaves_what_was_there_byte_for_byte(here, before):
    path = here / "pyproject.toml"
    path.write_bytes(before)
    assert invoke("init").exit_code == 0
    after = path.read_bytes()
    assert after.startswith(before)
    assert read_project(here) is not None
    assert (b"\r\n" in before) == (b"\r\n" in after)


def test_init_refuses_where_there_is_a_table_and_changes_nothing(here):
    path = here / "pyproject.toml"
    path.write_text('[tool.endianproof]\nloader = "x.y"\n')
    result = invoke("init")
    assert result.exit_code == 2
    assert "pyproject.toml has a table [tool.endianproof]: it is left as it is" in result.output
    assert path.read_text() == '[tool.endianproof]\nloader = "x.y"\n'


def test_init_goes_beside_a_projects_own_guests(here):
    (here / "pyproject.toml").write_text('[tool.endianproof.guests.mine]\nsuite = "sid"\n')
    assert invoke("init").exit_code == 0
    assert read_project(here) is not None


@pytest.mark.parametrize("text", ["tool = {x = {a = 1}}\n", "not toml"])
def test_init_leaves_a_file_alone_that_no_table_can_be_added_to(here, text):
    (here / "pyproject.toml").write_text(text)
    result = invoke("init")
    assert result.exit_code == 2
    assert (here / "pyproject.toml").read_text() == text


# doctor


def rows(result):
    return {row["what"]: row for row in json.loads(result.output[result.output.index("[") :])}


def test_doctor_without_settings_says_what_there_is_and_finds_nothing_missing(here):
    result = invoke("doctor", "--json")
    assert result.exit_code == 0, result.output
    found = rows(result)
    assert f"CPython {sys.version.split()[0]}" in found["suite"]["said"]
    assert "endianproof init writes one" in found["settings"]["said"]
    assert "GB free" in found["cache"]["said"]


def test_doctor_has_each_testee_introduce_itself(here):
    (here / "pyproject.toml").write_text(
        """
        [tool.endianproof.testees.good]
        loader = "mypkg.load"
        formats = ["torch-tar"]
        unsupported = ["bfloat16"]
        limits = {memory = "3GiB"}
        [tool.endianproof.testees.gone]
        loader = "mypkg.gone"
        """
    )
    result = invoke("doctor", "--json")
    assert result.exit_code == 1
    found = rows(result)
    assert "loader mypkg.load; " in found["testee good"]["said"]
    assert "of torch-tar; without bfloat16; --testee-memory=3GiB; answers: CPython" in found["testee good"]["said"]
    assert found["testee good"]["mend"] == ""
    assert "mypkg has no attribute 'gone'" in found["testee gone"]["said"]
    assert "modules are looked for in" in found["testee gone"]["mend"]


def test_doctor_says_how_a_guest_that_is_needed_is_set_up_and_sets_up_none(here, monkeypatch):
    monkeypatch.setenv("ENDIANPROOF_CACHE", str(here / "cache"))
    (here / "pyproject.toml").write_text('[tool.endianproof]\nloader = "mypkg.load"\nguest = "s390x"\n')
    result = invoke("doctor")
    assert result.exit_code == 1
    assert "guest trixie is not set up" in result.output
    assert "endianproof guest setup trixie" in result.output
    assert not (here / "cache").exists()


def test_doctor_looks_at_the_settings_that_a_run_would_be_given(here):
    (here / "other.toml").write_text('[tool.endianproof]\nloader = "mypkg.load"\n')
    assert "mypkg.load" not in invoke("doctor").output
    result = command("doctor", "--settings=other.toml")
    assert "mypkg.load" in result.stdout
    assert invoke("doctor", "--settings=none.toml").exit_code == 1


def test_doctor_reports_settings_that_cannot_be_read(here):
    (here / "pyproject.toml").write_text("[tool.endianproof]\nformat = 1\n")
    result = invoke("doctor")
    assert result.exit_code == 1
    assert "missing  settings: pyproject.toml, tool.endianproof: there is no key 'format'" in result.output


# run


def write_settings(here, **loaders):
    tables = "".join(f'[tool.endianproof.testees.{name}]\nloader = "{path}"\n' for name, path in loaders.items())
    (here / "pyproject.toml").write_text(f'[tool.endianproof]\nformats = ["torch-tar"]\n{tables}')


def test_run_tests_every_testee_of_the_settings_and_ends_with_the_worst_code(here):
    write_settings(here, good="mypkg.load", bad="mypkg.swaps", last="reference")
    done = command("run", "-q", "-k", "dtype")
    assert done.returncode == 1
    told = [line for line in done.stderr.splitlines() if line.startswith("endianproof: ")]
    assert told == ["endianproof: good, 1 of 3", "endianproof: bad, 2 of 3", "endianproof: last, 3 of 3"]
    assert done.stdout.count(" passed") >= 2


def test_run_does_not_end_well_where_a_run_was_killed(here):
    write_settings(here, good="mypkg.load", dead="mypkg.aborts")
    done = command("run", "-q", "-k", "dtype-float32", "--in-process")
    assert "endianproof: dead, 2 of 2" in done.stderr
    assert done.returncode == 128 + signal.SIGABRT


@pytest.mark.parametrize(
    ("number", "send"), [(signal.SIGINT, os.killpg), (signal.SIGTERM, os.kill)], ids=["Ctrl-C", "terminated"]
)
def test_run_of_several_that_is_ended_ends_its_pytest_in_its_own_way(here, number, send):
    (here / "pyproject.toml").write_text(
        """
        [tool.endianproof.testees.first]
        loader = "mypkg.waits"
        [tool.endianproof.testees.second]
        loader = "mypkg.load"
        """
    )
    argv = [sys.executable, "-m", "endianproof", "run", "--format=torch-tar", "-k", "dtype-float32"]
    process = subprocess.Popen(
        argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )
    while not (here / "waiting").exists():
        assert process.poll() is None, process.stdout.read()
        time.sleep(0.05)
    send(process.pid, number)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 2, output
    assert "! KeyboardInterrupt" in output  # pytest was not killed: it says what ended it
    assert "second, 2 of 2" not in output


def test_run_tests_the_one_testee_of_the_settings(here):
    (here / "pyproject.toml").write_text('[tool.endianproof]\nloader = "mypkg.load"\nformats = ["torch-tar"]\n')
    done = command("run", "-q", "-k", "dtype-float32")
    assert done.returncode == 0, done.stdout + done.stderr


def test_run_without_a_testee_says_where_to_name_one(here):
    assert "endianproof init writes settings that do" in command("run", "-x").stderr
    (here / "pyproject.toml").write_text("[tool.endianproof]\n")
    done = command("run")
    assert done.returncode == 2
    assert "pyproject.toml: [tool.endianproof] has none yet" in done.stderr


def test_run_refuses_one_report_of_several_testees(here):
    (here / "pyproject.toml").write_text(
        '[tool.endianproof.testees]\na.loader = "mypkg.load"\nb.loader = "mypkg.swaps"\n'
    )
    done = command("run", "--report=out.json")
    assert done.returncode == 2
    assert "--report is one file, and pyproject.toml has 2 testees: add --testee=a" in done.stderr


def test_run_reads_the_settings_that_it_is_given(here):
    (here / "ci.toml").write_text('[tool.endianproof]\nloader = "mypkg.load"\nformats = ["torch-tar"]\n')
    done = command("run", "-q", "--settings=ci.toml", "-k", "dtype-float32")
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_package_runs_as_a_module():
    assert command("--version").stdout.startswith("endianproof, version ")
