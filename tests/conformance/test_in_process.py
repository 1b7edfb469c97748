"""`--in-process`: the loader runs in pytest's own process, where a debugger works; the same is found."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from endianproof.vectors import load_vectors

LOADERS = Path(__file__).parent / "loaders"

pytest_plugins = ["pytester"]

FEW = ("st-dtype-bfloat16", "st-dtype-float32", "st-dtype-uint8")


def ids(*names):
    return [f"safetensors::{name}" for name in names]


@pytest.fixture
def inside(run):
    def inside(*args):
        return run("--in-process", *args)

    return inside


def test_the_loader_is_called_in_pytests_own_process_and_it_is_said(inside, pytester):
    pytester.makepyfile(
        who="""
        import os
        from endianproof.reference import load as right
        def load(path):
            open(f"was-{os.getpid()}", "w").close()
            return right(path)
        """
    )
    pytester.makeconftest("import os\ndef pytest_configure(): open(f'pytest-{os.getpid()}', 'w').close()")
    result = inside("--loader=who.load", *ids(*FEW))
    result.assert_outcomes(passed=3)
    (pytest_itself,) = pytester.path.glob("pytest-*")
    assert [path.name for path in pytester.path.glob("was-*")] == [pytest_itself.name.replace("pytest", "was")]
    result.stdout.fnmatch_lines(["endianproof: in pytest's own process: no limits, no isolation; a crash *"])


@pytest.mark.parametrize(
    ("function", "outcomes"),
    [
        ("load", {"passed": 3}),
        ("swaps", {"passed": 2, "failed": 1}),
        ("refuses", {"passed": 2, "failed": 1}),
        ("picky", {"passed": 2, "skipped": 1}),
        ("writes", {"passed": 2, "failed": 1}),
        ("prints", {"passed": 3}),
    ],
)
def test_the_same_is_found_as_in_a_process_of_its_own(run, inside, function, outcomes):
    arguments = (f"--loader=mypkg.{function}", *ids(*FEW), "-rfs")
    apart, within = run(*arguments), inside(*arguments)
    apart.assert_outcomes(**outcomes)
    within.assert_outcomes(**outcomes)
    told = [
        [line for line in result.outlines if line.startswith(("FAILED", "SKIPPED"))] for result in (apart, within)
    ]
    assert told[0] == told[1]


def test_code_that_a_file_names_is_still_looked_for(inside, pytester):
    pytester.makeini(f"[pytest]\npythonpath = {LOADERS}\n")
    vector = next(v for v in load_vectors() if v.id.startswith("pt-code-"))
    result = inside("--loader=unpickling_loaders.plain", f"torch-zip::{vector.id}")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["code from the file was executed: *"])


def test_a_saver_is_called_there_too(inside, pytester):
    pytester.makepyfile(saves="def save(tensors, path):\n    raise NotImplementedError('not yet')\n")
    result = inside("--saver=saves.save", "--saver-gives=numpy", *ids("st-save-dtype-float32"))
    result.assert_outcomes(skipped=1)


BREAKING = """
from endianproof.reference import load as right
def load(path):
    answer = 6 * 7
    if "bfloat16" in path:
        breakpoint()
    return right(path)
"""


def debug(pytester, typed, *args):
    pytester.makepyfile(breaking=BREAKING)
    command = (sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--in-process", "--loader=breaking.load")
    return pytester.run(*command, *args, stdin=typed)


def test_a_breakpoint_in_the_loader_opens_the_debugger(pytester, monkeypatch):
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    result = debug(pytester, b"print('found', answer)\nc\nc\n", *ids(*FEW))
    result.stdout.fnmatch_lines(["*(Pdb) found 42"])
    result.assert_outcomes(passed=3)


def test_leaving_the_debugger_ends_the_run_and_is_no_refusal(pytester, monkeypatch):
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    result = debug(pytester, b"q\n", *ids(*FEW))
    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.stdout.fnmatch_lines(["*Exit: Quitting debugger*"])
    result.stdout.no_fnmatch_line("*was refused*")


def test_what_would_end_a_program_is_a_crash_of_one_vector(inside, pytester):
    pytester.makepyfile(
        leaving="""
        import sys
        from endianproof.reference import load as right
        def load(path):
            if "bfloat16" in path:
                sys.exit("no bfloat16 here")
            return right(path)
        """
    )
    result = inside("--loader=leaving.load", *ids(*FEW))
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(["the loader crashed: SystemExit: no bfloat16 here, which ends a program *"])


def test_a_loader_that_cannot_be_imported_is_one_message(inside):
    result = inside("--loader=nowhere.load")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--loader=nowhere.load cannot be imported: ModuleNotFoundError*"])


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["--testee=true"], "*--in-process and --testee exclude each other: a program is a process of its own*"),
        (["--loader=mypkg.load", "--guest=s390x"], "*--in-process and --guest exclude each other*"),
        (["--loader=mypkg.load", "--with=numpy"], "*--in-process and --with exclude each other*"),
        (["--loader=mypkg.load", "--workers=2"], "*--in-process and --workers exclude each other*"),
        (["--loader=mypkg.load", "-n2"], "*--in-process and -n exclude each other*"),
        ([], "*--in-process needs a testee*"),
    ],
)
def test_what_needs_a_process_of_its_own_is_refused(inside, args, said):
    if "-n2" in args:
        pytest.importorskip("xdist")
    result = inside(*args)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([said])
