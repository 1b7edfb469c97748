"""`endianproof matrix`: what a matrix's file says, and what is refused in one."""

from __future__ import annotations

import json
import re
from configparser import RawConfigParser
from fnmatch import fnmatchcase
from importlib import metadata
from itertools import product
from pathlib import Path

import pytest
from click.testing import CliRunner

from endianproof.conformance.cli import main
from endianproof.conformance.matrix import MatrixError, github_matrix, read_matrix

PROJECT = Path(__file__).resolve().parents[2]

GOOD = """
matrix: 1
guests: [host, s390x]
testees:
  - loader: mypkg.load
    package: mypkg
    versions: [installed, 1.2.0, "1.10"]
  - saver: mypkg:save
    guests: [bookworm]
    format: [safetensors, torch-zip]
    policy: {crc: check}
    takes: path
  - testee: node adapter.mjs
    name: node
exclude:
  - {version: "<1.10", guest: trixie, reason: no wheel for Python 3.13}
"""


@pytest.fixture
def written(tmp_path):
    def written(text):
        path = tmp_path / "matrix.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    return written


def test_cells_are_the_product_of_testees_versions_and_guests_with_ids_that_stay(written):
    cells = read_matrix(written(GOOD)).cells
    assert [cell.id for cell in cells] == [
        "mypkg.load-installed-host",
        "mypkg.load-installed-s390x",
        "mypkg.load-1.2.0-host",
        "mypkg.load-1.2.0-s390x",
        "mypkg.load-1.10-host",
        "mypkg.load-1.10-s390x",
        "mypkg.save-bookworm",
        "node-host",
        "node-s390x",
    ]


def test_an_exclusion_takes_a_range_of_versions_and_a_guest_by_any_of_its_names(written):
    excluded = {cell.id: cell.excluded for cell in read_matrix(written(GOOD)).cells if cell.excluded}
    assert excluded == {"mypkg.load-1.2.0-s390x": "no wheel for Python 3.13"}


def test_keys_of_a_testee_become_pytest_s_options(written):
    (cell,) = read_matrix(written(GOOD)).select(["mypkg.save*"], [])
    assert cell.pytest_options() == [
        "--saver=mypkg:save",
        "--guest=bookworm",
        "--loader-takes=path",
        "--format=safetensors,torch-zip",
        "--policy=crc=check",
    ]


def test_the_installed_version_is_put_in_front_in_a_guest_and_is_simply_there_on_this_machine(written):
    text = (
        "{matrix: 1, guests: [host, s390x], testees: [{loader: a, package: pytest, versions: [installed, '8.0']}]}"
    )
    cells = {cell.id: cell.pytest_options() for cell in read_matrix(written(text)).cells}
    assert cells == {
        "a-installed-host": ["--loader=a"],
        "a-installed-s390x": ["--loader=a", "--guest=s390x", f"--with=pytest=={metadata.version('pytest')}"],
        "a-8.0-host": ["--loader=a", "--with=pytest==8.0"],
        "a-8.0-s390x": ["--loader=a", "--guest=s390x", "--with=pytest==8.0"],
    }


def test_the_installed_version_of_what_is_not_installed_is_refused_by_its_name(written):
    text = "{matrix: 1, guests: [s390x], testees: [{loader: a, package: no-such, versions: [installed]}]}"
    (cell,) = read_matrix(written(text)).cells
    with pytest.raises(MatrixError, match="no-such is not installed here"):
        cell.pytest_options()


def test_only_cells_in_guests_build_in_them(written):
    text = "{matrix: 1, guests: [host, s390x], testees: [{loader: a, with: [b==1], build-in-guest: true}]}"
    here, there = read_matrix(written(text)).cells
    assert here.pytest_options() == ["--loader=a", "--with=b==1"]
    assert there.pytest_options() == ["--loader=a", "--guest=s390x", "--with=b==1", "--build-in-guest"]


def test_paths_start_from_the_file_s_folder(written, tmp_path):
    (tmp_path / "known.yaml").write_text("baseline: 1\nknown_failures: []\n")
    (tmp_path / "pyproject.toml").touch()
    text = "{matrix: 1, testees: [{loader: a, baseline: known.yaml, with: [., b==1]}]}"
    (cell,) = read_matrix(written(text)).cells
    assert cell.pytest_options()[1:] == [
        f"--with={tmp_path}",
        "--with=b==1",
        f"--baseline={tmp_path / 'known.yaml'}",
    ]


ONE = "matrix: 1\ntestees:\n- loader: a\n"
BAD = {
    "": "matrix.yaml is empty; a matrix was expected: *",
    "matrix: [": "matrix.yaml is not YAML: *",
    "matrix: 1\nname: 2026-02-30": "matrix.yaml is not YAML: day is out of range for month",
    f"matrix: {'[' * 5000}": "matrix.yaml is not YAML: *",
    "matrix: 1\ntestees: &all [*all]": "matrix.yaml is not YAML: *",
    "matrix: 2\ntestees: [{loader: a}]": "matrix.yaml:1: matrix: 2 was found, 1 was expected",
    "matrix: 1": "matrix.yaml:1: at the top: the key 'testees' is missing",
    "matrix: 1\ntestees: []": "matrix.yaml:2: testees: an empty list was found, at least one entry was expected",
    "matrix: 1\ntestees: {loader: a}": "matrix.yaml:2: testees: {'loader': 'a'} was found, a list was expected",
    f"{ONE}  lodaer: b": "matrix.yaml:3: testees?0?: there is no key 'lodaer' here; did you mean loader?; *",
    f"{ONE}  loader: b": "matrix.yaml:4: the key 'loader' is there twice",
    f"{ONE}  saver: b": "matrix.yaml:3: one of loader, saver and testee was expected, loader and saver was found",
    "matrix: 1\ntestees:\n- name: a": "matrix.yaml:3: one of *, none of them was found",
    "matrix: 1\ntestees:\n- testee: ./a": "matrix.yaml:3: a testee that is a command needs a name, *",
    "matrix: 1\ntestees:\n- loader: ../a/b.load": "matrix.yaml:3: loader: '../a/b.load' is no dotted path, *",
    "matrix: 1\ntestees:\n- saver: a[b].save": "matrix.yaml:3: saver: 'a?b?.save' is no dotted path, *",
    f"{ONE}  name: a b": "matrix.yaml:4: testees?0?.name: 'a b' is no name: *",
    f"{ONE}  package: p": "matrix.yaml:3: package and versions go together: *",
    f"{ONE}  package: p\n  versions: [0.4]": "matrix.yaml:5: *the number 0.4 was found, text was expected: put*",
    f"{ONE}  package: p\n  versions:\n  - lastest": "matrix.yaml:6: 'lastest' is no version: write a release, *",
    f"{ONE}  guests: [s390]": "matrix.yaml:4: there is no guest 's390'; did you mean s390x?; there are host, *",
    f"{ONE}  guests: [s390x,\n    trixie]": "matrix.yaml:5: 'trixie' is the same guest as 's390x', which *",
    f"{ONE}  guests: [host, host]": "matrix.yaml:4: 'host' is the same guest as 'host', which is there already",
    f"{ONE}  format: [',']": "matrix.yaml:4: format is empty",
    f"{ONE}  format: [safetensor]": "matrix.yaml:4: unknown format 'safetensor'; did you mean safetensors? *",
    f"{ONE}  rule:\n  - ST-EDN-01": "matrix.yaml:5: no rule is called ST-EDN-01; did you mean ST-END-01?",
    f"{ONE}  policy:\n    unknown-key: refuse": "matrix.yaml:5: unknown policy 'unknown-key'; did you *",
    f"{ONE}  policy:\n    unknown-keys: maybe": "matrix.yaml:5: unknown-keys is ignore or refuse, not 'maybe'",
    f"{ONE}  takes: paths": "matrix.yaml:4: testees?0?.takes: 'paths' was found, one of path, bytes, file was *",
    f"{ONE}  baseline: no.yaml": "matrix.yaml:4: there is no file */no.yaml",
    f"{ONE}  with: [./no]": "matrix.yaml:4: */no: a folder with a pyproject.toml was expected there, and is *",
    f"{ONE}- loader: a": "matrix.yaml:4: two cells are called 'a-host': give this testee a name of its own",
    f"{ONE}exclude:\n- {{guest: forky, reason: old}}": "matrix.yaml:5: this excludes no cell: remove it, *",
    f"{ONE}exclude:\n- {{reason: old}}": "matrix.yaml:5: exclude?0?: at least one of testee, version, guest was *",
}


@pytest.mark.parametrize("text", BAD, ids=BAD.values())
def test_a_file_that_is_no_matrix_is_refused_with_its_line_and_what_was_expected(text, written):
    with pytest.raises(MatrixError) as caught:
        read_matrix(written(text))
    assert fnmatchcase(str(caught.value), f"*{BAD[text]}"), caught.value


def test_the_command_line_tells_it_without_a_traceback(written):
    result = CliRunner().invoke(main, ["matrix", str(written("matrix: 2"))])
    assert result.exit_code == 2
    assert result.output.startswith("Error: ")
    assert "matrix.yaml" in result.output


@pytest.mark.parametrize(
    ("globs", "factors", "message"),
    [
        (["node-hots"], [], "there is no cell 'node-hots'; did you mean node-host?"),
        ([], ["s390"], "no cell has the factor 's390'; did you mean s390x?"),
        (["node-host"], ["s390x"], "no cell is node-host and s390x"),
    ],
)
def test_a_choice_of_nothing_is_an_error(written, globs, factors, message):
    with pytest.raises(MatrixError, match=re.escape(message)):
        read_matrix(written(GOOD)).select(globs, factors)


@pytest.mark.parametrize(
    ("factors", "count"),
    [
        (["matrix"], 9),
        (["host"], 4),
        (["trixie"], 4),
        (["loader", "1.10"], 2),
        (["mypkg", "saver"], 1),
        (["node"], 2),
    ],
)
def test_factors_are_a_matrix_a_kind_a_package_a_version_and_a_guest(written, factors, count):
    assert len(read_matrix(written(GOOD)).select([], factors)) == count


def test_github_s_matrix_is_one_line_of_json_without_what_is_excluded(written):
    path = written(GOOD)
    text = github_matrix(read_matrix(path).cells, Path("my matrix.yaml"), ["-k", "bf16"])
    assert "\n" not in text
    jobs = {job["cell"]: job for job in json.loads(text)["include"]}
    assert len(jobs) == 8
    assert jobs["mypkg.load-1.10-s390x"] == {
        "cell": "mypkg.load-1.10-s390x",
        "name": "mypkg.load 1.10 on s390x",
        "testee": "mypkg.load",
        "version": "1.10",
        "guest": "s390x",
        "run": "endianproof matrix 'my matrix.yaml' --cell=mypkg.load-1.10-s390x -- -k bf16",
        "record": "mypkg.load-1.10-s390x.json",
    }


def test_more_cells_than_github_takes_are_refused(written):
    versions = ", ".join(f"1.{number}.0" for number in range(257))
    path = written(f"{ONE}  package: p\n  versions: [{versions}]")
    with pytest.raises(MatrixError, match="257 cells, and a workflow's matrix has 1 to 256"):
        github_matrix(read_matrix(path).cells, path)


def tox_environments(matrix):
    """The names that the section with a matrix's name makes, braces multiplied out as tox does."""
    parser = RawConfigParser()
    parser.read(PROJECT / "tox.ini", encoding="utf-8")
    (section,) = [name for name in parser.sections() if name.startswith(f"testenv:{matrix.name}{{")]
    parts = re.split(r"\{([^}]*)\}", section.removeprefix("testenv:"))
    assert f"{matrix.path.name} --factors={{env_name}}" in parser[section]["commands"]
    return ["".join(chosen) for chosen in product(*(part.split(",") for part in parts))]


OWN = [read_matrix(PROJECT / name) for name in ("matrix.yaml", "matrix-history.yaml")]
ENVIRONMENTS = [(matrix, name) for matrix in OWN for name in tox_environments(matrix)]


@pytest.mark.parametrize(("matrix", "name"), ENVIRONMENTS, ids=[name for _, name in ENVIRONMENTS])
def test_every_tox_environment_selects_a_cell(matrix, name):
    assert matrix.select([], name.split("-"))


@pytest.mark.parametrize("matrix", OWN, ids=[matrix.name for matrix in OWN])
def test_tox_s_factors_reach_every_cell(matrix):
    cells = {cell.id for cell in matrix.cells}
    assert {cell.id for cell in matrix.select([], [matrix.name])} == cells
    narrow = max(name.count("-") for name in tox_environments(matrix))
    named = [name for name in tox_environments(matrix) if name.count("-") == narrow]
    assert {cell.id for name in named for cell in matrix.select([], name.split("-"))} == cells


def test_every_baseline_is_held_by_a_cell():
    held = {cell.testee.options.get("baseline") for cell in OWN[0].cells}
    assert held - {None} == {f"baselines/{path.name}" for path in (PROJECT / "baselines").iterdir()}
