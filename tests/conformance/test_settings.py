"""`[tool.endianproof]` in pyproject.toml: found, read strictly, and used for the testee that an option names."""

from __future__ import annotations

import json

import pytest

from endianproof.conformance.project import OPTIONS, SCHEMA, ProjectError, read_project

pytest_plugins = ["pytester"]

FEW = ("st-dtype-bfloat16", "st-dtype-float32", "st-dtype-uint8")


def ids(*names):
    return [f"safetensors::{name}" for name in names]


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Write the settings, and read them from the folder that they are in."""
    monkeypatch.chdir(tmp_path)

    def project(text):
        (tmp_path / "pyproject.toml").write_text(text)
        return read_project(tmp_path)

    return project


# Reading


def test_no_file_and_no_table_are_no_settings(tmp_path, project):
    assert project('[project]\nname = "x"\n') is None
    (tmp_path / "pyproject.toml").unlink()
    assert read_project(tmp_path) is None


def test_the_nearest_file_above_counts(tmp_path, project):
    project('[tool.endianproof]\nloader = "mypkg.load"\n')
    inner = tmp_path / "one" / "two"
    inner.mkdir(parents=True)
    found = read_project(inner)
    assert found.path == tmp_path / "pyproject.toml"
    (tmp_path / "one" / "pyproject.toml").write_text("[project]\n")
    assert read_project(inner) is None


def test_a_testee_in_the_table_itself_is_called_by_what_it_tests(project):
    (testee,) = project('[tool.endianproof]\nloader = "mypkg.load"\nformats = ["safetensors"]\n').testees
    assert (testee.name, testee.kind) == ("mypkg.load", "loader")
    assert testee.values == {"loader": "mypkg.load", "format": ["safetensors"]}


def test_what_the_table_says_holds_for_each_testee_and_gives_way_to_its_own(project):
    one, two = project(
        """
        [tool.endianproof]
        formats = ["safetensors"]
        takes = "bytes"
        [tool.endianproof.testees.one]
        loader = "mypkg.load"
        formats = ["torch-zip"]
        [tool.endianproof.testees.two]
        saver = "mypkg.save"
        """
    ).testees
    assert one.values == {"loader": "mypkg.load", "format": ["torch-zip"], "takes": "bytes"}
    assert two.values == {"saver": "mypkg.save", "format": ["safetensors"]}  # a saver takes no bytes
    assert one.places["format"] == "pyproject.toml, [tool.endianproof.testees.one] formats"
    assert one.places["takes"] == "pyproject.toml, [tool.endianproof] takes"


def test_every_key_says_what_an_option_says(project):
    (testee,) = project(
        """
        [tool.endianproof]
        loader = "mypkg.load"
        formats = ["safetensors"]
        unsupported = ["bfloat16"]
        policies = {duplicate-names = "last", unknown-keys = "ignore"}
        baseline = "known.yaml"
        takes = "file"
        guest = "s390x"
        with = ["safetensors==0.4.2", ".", "dist/x.whl"]
        build-in-guest = true
        large = true
        workers = 2
        limits = {timeout = 5, start-timeout = "2m", memory = "1GiB", open-files = 64, file-size = "10MB"}
        """
    ).testees
    assert testee.values == {
        "loader": "mypkg.load",
        "format": ["safetensors"],
        "unsupported": ["bfloat16"],
        "policy": ["duplicate-names=last", "unknown-keys=ignore"],
        "baseline": "known.yaml",
        "takes": "file",
        "guest": "s390x",
        "with": ["safetensors==0.4.2", ".", "dist/x.whl"],
        "builds": True,
        "large": True,
        "workers": 2,
        "timeout": "5",
        "start_timeout": "2m",
        "memory": "1GiB",
        "open_files": "64",
        "file_size": "10MB",
    }


def test_the_schema_has_the_keys_that_are_translated_and_says_what_each_is():
    document = json.loads(SCHEMA.read_text())
    below = document["$defs"]["testee"]["properties"]
    assert set(below) == set(OPTIONS)
    assert set(document["properties"]) == set(OPTIONS) | {"testees", "guests"}
    assert all(value["description"] for value in below.values())


def test_paths_are_taken_from_the_files_folder(tmp_path, project, monkeypatch):
    project('[tool.endianproof]\nloader = "m.load"\nbaseline = "ci/known.yaml"\nwith = ["."]\n')
    inner = tmp_path / "inner"
    inner.mkdir()
    monkeypatch.chdir(inner)
    (testee,) = read_project(inner).testees
    assert (testee.values["baseline"], testee.values["with"]) == ("../ci/known.yaml", [".."])


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("..", "../.."),
        ("../..", "../../.."),
        (".[dev]", "../../PROJECT[dev]"),
        ("dist/x.whl", "../dist/x.whl"),
        ("~", "../../home"),
        ("~/mine", "../../home/mine"),
        ("safetensors==0.4.2", "safetensors==0.4.2"),
    ],
)
def test_a_project_to_put_in_front_is_found_from_the_files_folder(tmp_path, project, monkeypatch, text, shown):
    monkeypatch.setenv("HOME", str(tmp_path.parent / "home"))
    project(f'[tool.endianproof]\nloader = "m.load"\nwith = ["{text}"]\n')
    inner = tmp_path / "inner"
    inner.mkdir()
    monkeypatch.chdir(inner)
    (testee,) = read_project(inner).testees
    assert testee.values["with"] == [shown.replace("PROJECT", tmp_path.name)]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[tool.endianproof", "pyproject.toml cannot be read: "),
        ("[tool]\nendianproof = 3\n", "tool.endianproof: 3 is not of type 'object'"),
        ("[tool.endianproof]\nformat = 1\n", "tool.endianproof: there is no key 'format'; did you mean formats?"),
        ("[tool.endianproof]\nxyz = 1\n", "there is no key 'xyz'; the keys are accept, baseline, build-in-guest"),
        (
            '[tool.endianproof]\nloader = "a.b"\nformats = "safetensors"\n',
            "tool.endianproof.formats: 'safetensors' is not of type 'array'; expected: only these formats",
        ),
        (
            '[tool.endianproof.testees.a]\nloader = "a.b"\nlimits = {time = 3}\n',
            "tool.endianproof.testees.a.limits: there is no key 'time'; did you mean timeout?",
        ),
        ('[tool.endianproof]\nloader = "a.b"\ntakes = "str"\n', "tool.endianproof.takes: 'str' is not one of"),
        ('[tool.endianproof]\nloader = "a.b"\nformats = []\n', "tool.endianproof.formats: [] "),
        ('[tool.endianproof]\nloader = ""\n', "tool.endianproof.loader: '' "),
        (
            '[tool.endianproof.testees.a]\nloader = "a.b"\nsaver = "a.c"\n',
            "[tool.endianproof.testees.a]: one of loader, saver and testee was expected, loader and saver found",
        ),
        ("[tool.endianproof.testees.a]\n", "one of loader, saver and testee was expected, none of them found"),
        (
            '[tool.endianproof]\nloader = "a.b"\n[tool.endianproof.testees.a]\nloader = "a.b"\n',
            "[tool.endianproof] has a loader, and testees below it: give it a name, too",
        ),
    ],
)
def test_what_is_wrong_is_told_with_its_file_and_key(project, text, said):
    with pytest.raises(ProjectError) as raised:
        project(text)
    assert str(raised.value).startswith("pyproject.toml")
    assert said in str(raised.value)


def test_a_projects_own_guests_are_no_settings_of_a_testee(project):
    found = project('[tool.endianproof.guests.mine]\nsuite = "sid"\n')
    assert found.testees == ()


def test_a_testee_is_found_by_its_name_and_by_its_path(project):
    found = project(
        """
        [tool.endianproof.testees.mine]
        loader = "mypkg:load"
        [tool.endianproof.testees.here]
        saver = "mypkg.save"
        [tool.endianproof.testees.there]
        saver = "mypkg.save"
        """
    )
    assert found.find("loader", "mine").name == "mine"
    assert found.find("testee", "mine").name == "mine"
    assert found.find("loader", "mypkg.load").name == "mine"
    assert found.find("loader", "other.load") is None
    with pytest.raises(ProjectError, match="it is a loader: --loader=mine"):
        found.find("saver", "mine")
    with pytest.raises(ProjectError, match="say --saver=here or --saver=there"):
        found.find("saver", "mypkg.save")


# Running


def settings(pytester, text):
    pytester.makefile(".toml", pyproject=text)


def test_a_testee_of_the_settings_runs_by_its_name_as_they_say(run, pytester):
    settings(
        pytester,
        """
        [tool.endianproof.testees.mine]
        loader = "mypkg.load"
        formats = ["torch-tar"]
        limits = {timeout = 30}
        """,
    )
    result = run("--loader=mine", "-v")
    assert result.ret == 0
    result.stdout.fnmatch_lines(
        [
            "endianproof: mypkg.load, *",
            "endianproof: settings of mine in pyproject.toml: loader, formats, limits",
            "endianproof: limits: --testee-timeout=30",
        ]
    )
    result.stdout.no_fnmatch_line("safetensors::*")


def test_options_win_over_settings(run, pytester):
    settings(pytester, '[tool.endianproof]\nloader = "mypkg.load"\nformats = ["torch-tar"]\nguest = "s390x"\n')
    result = run("--loader=mypkg.load", "--format=safetensors", "--guest=none", *ids(*FEW))
    result.assert_outcomes(passed=3)
    result.stdout.fnmatch_lines(["endianproof: settings of mypkg.load in pyproject.toml: loader"])


def test_a_policy_that_is_given_leaves_the_others_of_the_settings(run, pytester):
    settings(
        pytester,
        '[tool.endianproof]\nloader = "reference"\npolicies = {unknown-keys = "refuse", zero-product = "exact"}\n',
    )
    result = run("--loader=reference", "--policy=zero-product=other", *ids(*FEW))
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    settings(pytester, '[tool.endianproof]\nloader = "reference"\npolicies = {no-such-policy = "refuse"}\n')
    result = run("--loader=reference", "--policy=unknown-keys=ignore", *ids(*FEW))
    result.stderr.fnmatch_lines(["*unknown policy 'no-such-policy'*"])


def test_settings_of_another_testee_are_not_used(run, pytester):
    settings(pytester, '[tool.endianproof]\nloader = "other.load"\nformats = ["torch-tar"]\n')
    result = run("--loader=mypkg.load", *ids(*FEW))
    result.assert_outcomes(passed=3)
    result.stdout.no_fnmatch_line("*settings of*")


def test_without_a_testee_named_pytest_stays_as_it_is_whatever_the_settings_say(run, pytester):
    settings(pytester, '[tool.endianproof]\nnonsense = "all of it"\n')
    result = run()
    result.assert_outcomes(passed=1)


def test_another_file_and_none_can_be_asked_for(run, pytester):
    settings(pytester, "[tool.endianproof]\nnonsense = 1\n")
    assert run("--loader=mypkg.load", *ids(*FEW)).ret == pytest.ExitCode.USAGE_ERROR
    run("--loader=mypkg.load", "--settings=none", *ids(*FEW)).assert_outcomes(passed=3)
    (pytester.path / "ci.toml").write_text('[tool.endianproof.testees.mine]\nloader = "mypkg.load"\n')
    run("--testee=mine", "--settings=ci.toml", *ids(*FEW)).assert_outcomes(passed=3)
    (pytester.path / "empty.toml").write_text("")
    result = run("--loader=mypkg.load", "--settings=empty.toml")
    result.stderr.fnmatch_lines(["*empty.toml has no table [[]tool.endianproof[]]: endianproof init writes one"])


def test_in_a_folder_below_the_project_its_modules_and_programs_are_found(run, pytester, monkeypatch):
    settings(
        pytester,
        """
        [tool.endianproof.testees.mine]
        loader = "mypkg.load"
        [tool.endianproof.testees.prog]
        testee = "./program"
        """,
    )
    program = pytester.path / "program"
    program.write_text("#!/bin/sh\necho started in $(pwd) >&2\n")
    program.chmod(0o755)
    sub = pytester.mkdir("sub")
    monkeypatch.chdir(sub)
    run("--loader=mine", *ids(*FEW)).assert_outcomes(passed=3)
    result = run("--testee=prog")
    result.stderr.fnmatch_lines([f"*started in {pytester.path}"])


# Element types that are not supported


def test_what_needs_an_unsupported_type_and_is_refused_is_unsupported(run):
    result = run("--loader=mypkg.refuses", "--unsupported=bfloat16", *ids(*FEW))
    assert result.ret == 0
    result.assert_outcomes(passed=2, skipped=1)
    result.stdout.fnmatch_lines(
        ["*2 passed, 1 unsupported, *", "     1  unsupported: dtype bfloat16, by --unsupported"]
    )


def test_an_unsupported_type_that_is_loaded_wrong_fails_as_ever(run):
    result = run("--loader=mypkg.swaps", "--unsupported=bfloat16", *ids(*FEW))
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(["elements were swapped although *"])


def test_an_unsupported_type_that_is_loaded_right_fails_and_says_what_to_change(run, pytester):
    settings(pytester, '[tool.endianproof]\nloader = "mypkg.load"\nunsupported = ["bfloat16"]\n')
    result = run("--loader=mypkg.load", *ids(*FEW))
    result.assert_outcomes(passed=2, failed=1)
    where = "pyproject.toml, [[]tool.endianproof[]] unsupported"
    result.stdout.fnmatch_lines(
        [
            f"supported after all: bfloat16 passes, and {where} says that it is not supported",
            f"  what to do *take bfloat16 out of {where}",
        ]
    )


def test_a_type_that_there_is_not_is_refused(run):
    result = run("--loader=mypkg.load", "--unsupported=bfloat61")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--unsupported: there is no element type 'bfloat61'; did you mean bfloat16?*"])
