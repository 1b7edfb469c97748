"""Limits on time, memory and files: read strictly, the same here and in a guest, and named where one is met."""

from __future__ import annotations

import resource
from pathlib import Path

import pytest

from endianproof.conformance.client import TesteeProcess, TesteeStartError
from endianproof.conformance.launch import python_testee, saver_testee
from endianproof.conformance.limits import LimitError, Limits, read_limits
from endianproof.conformance.outcome import Outcome, OutcomeKind
from endianproof.qemu import guest
from endianproof.vectors import load_saves

pytest_plugins = ["pytester"]

LOADERS = Path(__file__).parent / "loaders"
TIGHT = Limits(start_seconds=120, request_seconds=2, memory_bytes=96 << 20, open_files=48, file_bytes=4 << 20)
ROOMY = Limits(start_seconds=120, request_seconds=60, memory_bytes=96 << 20)


# How they are read


@pytest.mark.parametrize(
    ("key", "text", "field", "value"),
    [
        ("timeout", "90", "request_seconds", 90.0),
        ("timeout", "0.5", "request_seconds", 0.5),
        ("start_timeout", "15m", "start_seconds", 900.0),
        ("memory", "512MB", "memory_bytes", 512 * 10**6),
        ("memory", "1.5 GiB", "memory_bytes", 3 << 29),
        ("file_size", "64kib", "file_bytes", 64 << 10),
        ("open_files", "64", "open_files", 64),
    ],
)
def test_a_limit_is_read_as_it_is_written(key, text, field, value):
    assert getattr(read_limits({key: text}), field) == value


def test_what_is_not_given_stays_as_it_is():
    assert read_limits({"timeout": None}) == Limits()


@pytest.mark.parametrize(
    ("key", "text", "said"),
    [
        ("timeout", "0", "'0' found, something like 90, 15m or 2h expected"),
        ("timeout", "-3", "'-3' found"),
        ("timeout", "nan", "'nan' found"),
        ("start_timeout", "1 day", "'1 day' found"),
        ("memory", "0MB", "'0MB' found, something like 500MB or 8GiB expected"),
        ("memory", "two GiB", "'two GiB' found"),
        ("file_size", "-1MB", "'-1MB' found"),
        ("memory", "99999999T", "'99999999T' found"),
        ("file_size", "9" * 400, "found, something like 500MB or 8GiB expected"),
        ("timeout", "9" * 400, "found, something like 90, 15m or 2h expected"),
        ("open_files", "9" * 5000, "found, a number of files expected"),
        ("open_files", "8", "'8' found, a number of files expected, 16 or more"),
        ("open_files", "many", "'many' found"),
    ],
)
def test_a_limit_that_cannot_be_meant_is_refused(key, text, said):
    with pytest.raises(LimitError) as raised:
        read_limits({key: text})
    assert raised.value.key == key
    assert said in str(raised.value)


def test_only_limits_that_were_changed_are_shown_and_as_they_can_be_written():
    given = {"memory": "512MB", "file_size": "3GiB", "timeout": "60", "open_files": "64"}
    limits = read_limits(given)
    assert limits.changed() == [
        "--testee-memory=512MB",
        "--testee-open-files=64",
        "--testee-file-size=3GiB",
    ]
    assert Limits().changed() == []


def test_a_request_may_take_more_the_more_it_is_about():
    none, some = Limits().for_request(0), Limits().for_request(1 << 30)
    assert (none.seconds, none.memory, none.file) == (60, 2 << 30, 1 << 30)
    assert some.seconds > none.seconds
    assert some.memory >= none.memory + (2 << 30)  # the file, and the tensors made of it
    assert some.file >= none.file + (1 << 30)


def test_a_limit_that_is_not_set_is_not_blamed():
    refused = Outcome(OutcomeKind.REJECTED, message="OSError: [Errno 24] Too many open files: 'x'")
    assert Limits().met_by(refused) == ""
    said = Limits(open_files=64).met_by(refused)
    assert said == "--testee-open-files=64; raise it with --testee-open-files=128"


# What a testee meets, here and in a guest


@pytest.fixture(params=[None, pytest.param("s390x", marks=pytest.mark.guest)], ids=["here", "guest"])
def system(request):
    if request.param is None:
        return None
    one = guest(request.param)
    one.setup(print)
    return one


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "some.file"
    path.write_bytes(b"\x05\x06\x07\x08")
    return path


def load(function, system, file, limits):
    with TesteeProcess(python_testee(f"greedy.{function}", "path", [LOADERS], system, None), limits) as testee:
        return testee.load(file, "safetensors")


def save(function, system, folder, limits):
    (one,) = [save for save in load_saves() if save.id == "st-save-dtype-float32"]
    launch = saver_testee(f"greedy.{function}", "numpy", [LOADERS], system, None)
    with TesteeProcess(launch, limits) as testee:
        return testee.save(one, folder / "made")


def test_time_is_limited(system, file):
    outcome = load("sleep", system, file, TIGHT)
    assert outcome.kind is OutcomeKind.TIMED_OUT
    assert outcome.message.startswith("no reply within 2 seconds")
    assert outcome.limit == "--testee-timeout=2; raise it with --testee-timeout=4"


@pytest.mark.parametrize("function", ["eat", "ask_at_once"])
def test_memory_is_limited(system, file, function):
    outcome = load(function, system, file, ROOMY)
    assert outcome.kind is OutcomeKind.OUT_OF_MEMORY, outcome
    assert outcome.limit == "--testee-memory=96MiB; raise it with --testee-memory=192MiB"


def test_the_largest_limits_are_such_as_the_system_takes(file):
    limits = read_limits({"memory": "65535T", "file_size": "65535T", "timeout": "9000000000000h"})
    launch = python_testee("wrong_loaders.good", "path", [LOADERS], None, None)
    with TesteeProcess(launch, limits) as testee:
        assert testee.load(file, "safetensors").kind is OutcomeKind.LOADED


def test_open_files_are_limited(system, file):
    outcome = load("leak", system, file, TIGHT)
    assert (outcome.kind, outcome.error_type) == (OutcomeKind.REJECTED, "OSError")
    assert outcome.limit == "--testee-open-files=48; raise it with --testee-open-files=96"


def test_what_is_written_is_limited_and_the_saver_is_told(system, tmp_path):
    outcome = save("flood", system, tmp_path, TIGHT)
    assert (outcome.kind, outcome.error_type) == (OutcomeKind.REJECTED, "OSError")
    assert outcome.limit == "--testee-file-size=4MiB; raise it with --testee-file-size=8MiB"
    assert (tmp_path / "made").stat().st_size <= (4 << 20) + 64


def test_a_saver_that_does_not_heed_the_limit_ends(system, tmp_path):
    outcome = save("flood_unheeding", system, tmp_path, TIGHT)
    assert (outcome.kind, "SIGXFSZ" in outcome.message) == (OutcomeKind.CRASHED, True)
    assert outcome.limit.startswith("--testee-file-size=4MiB")


def test_a_late_start_says_what_gives_it_longer():
    launch = python_testee("endless_import.load", "path", [LOADERS], None, None)
    with pytest.raises(TesteeStartError, match=r"raise it with --testee-start-timeout=2$"):
        TesteeProcess(launch, Limits(start_seconds=1)).hello()


@pytest.mark.parametrize("on", [None, "s390x"])
def test_too_little_memory_to_start_in_is_told_with_its_option_and_not_taken_for_a_missing_module(on):
    system = guest(on) if on else None
    launch = python_testee("reference", "path", [], system, None)
    with pytest.raises(TesteeStartError) as caught, TesteeProcess(launch, Limits(memory_bytes=1)) as testee:
        testee.hello()
    assert caught.value.hint == (
        "perhaps it has too little memory to start in, which is 4 times what --testee-memory says: 1B there, "
        "2GiB by default; raise it"
    )


@pytest.mark.parametrize(
    ("said", "answered", "memory", "module"),
    [
        ("took 41 MB of memory, where 40 MB are allowed", False, True, False),
        (
            "exited with code 1; standard error ends:\nOpenBLAS error: Memory allocation still failed",
            False,
            True,
            False,
        ),
        ("qemu-s390x: allocate 1073741824 bytes for jit buffer: Cannot allocate memory", False, True, False),
        ("exited with code 1 before it replied", False, True, True),
        ("MemoryError: ", True, True, False),
        ("ModuleNotFoundError: No module named 'gone'", True, False, True),
    ],
)
def test_where_less_memory_was_given_the_hint_is_about_what_the_testee_said(said, answered, memory, module):
    hint = Limits(memory_bytes=10**7).to_start_in(said, "a module", answered=answered)
    assert ("--testee-memory" in hint, "a module" in hint) == (memory, module)
    assert Limits().to_start_in(said, "a module", answered=answered) == "a module"


def test_too_little_memory_in_the_settings_is_told_with_their_place(run, pytester):
    pytester.makepyprojecttoml('[tool.endianproof]\nloader = "reference"\nlimits = {memory = 5}\n')
    result = run("--loader=reference", "safetensors::st-dtype-bfloat16")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        ["*which is 4 times what pyproject.toml, ?tool.endianproof? limits says: 5B there*"]
    )


def test_the_runners_own_limits_stay_as_they_are(file):
    kinds = (resource.RLIMIT_NOFILE, resource.RLIMIT_FSIZE, resource.RLIMIT_DATA, resource.RLIMIT_AS)
    before = [resource.getrlimit(kind) for kind in kinds]
    load("leak", None, file, TIGHT)
    assert [resource.getrlimit(kind) for kind in kinds] == before


# The options


def test_a_run_shows_the_limits_that_were_changed_and_the_one_that_was_met(run):
    result = run("--loader=mypkg.hangs", "--testee-timeout=1", "safetensors::st-dtype-bfloat16")
    assert result.ret == 1
    result.stdout.fnmatch_lines(
        [
            "endianproof: limits: --testee-timeout=1",
            "the loader timed out: no reply within 1 seconds",
            "  limit * --testee-timeout=1; raise it with --testee-timeout=2",
        ]
    )


def test_a_run_with_the_usual_limits_does_not_speak_of_them(run):
    result = run("--loader=mypkg.load", "safetensors::st-dtype-bfloat16")
    result.stdout.no_fnmatch_line("endianproof: limits*")


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("--testee-timeout=0", "*--testee-timeout: '0' found*"),
        ("--testee-start-timeout=x", "*--testee-start-timeout: 'x' found*"),
        ("--testee-memory=five", "*--testee-memory: 'five' found*"),
        ("--testee-open-files=1", "*--testee-open-files: '1' found*"),
        ("--testee-file-size=x", "*--testee-file-size: 'x' found*"),
        ("--testee-memory=", "*--testee-memory is empty*"),
    ],
)
def test_a_limit_that_cannot_be_read_is_one_message(run, option, said):
    result = run("--loader=mypkg.load", option)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([said])


def test_a_limit_without_a_testee_is_refused(run):
    result = run("--testee-timeout=5")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--testee-timeout needs a testee: add --loader*"])
