"""A testee may do anything: it costs one outcome, and the next request is answered."""

from __future__ import annotations

import os
import shlex
import sys
import time
from pathlib import Path

import pytest

from endianproof.conformance.client import Limits, TesteeProcess, TesteeStartError
from endianproof.conformance.launch import program_testee, python_testee
from endianproof.conformance.outcome import OutcomeKind

LOADERS = Path(__file__).parent / "loaders"
LIMITS = Limits(start_seconds=60, request_seconds=20, memory_bytes=256 << 20)
IMPATIENT = Limits(start_seconds=60, request_seconds=1, memory_bytes=256 << 20)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "some.file"
    path.write_bytes(b"\x05\x06\x07\x08")
    return path


def _launch(function, takes="path"):
    return python_testee(f"wrong_loaders.{function}", takes, [LOADERS], None, None)


@pytest.fixture
def testee(request):
    """A testee of one function of wrong_loaders, ended with the test."""
    started = []

    def start(function, limits=LIMITS, takes="path"):
        process = TesteeProcess(_launch(function, takes), limits)
        started.append(process)
        return process

    yield start
    for process in started:
        process.close()


def _liar(way, limits=LIMITS):
    argv = [sys.executable, str(LOADERS / "lying_adapter.py"), way]
    return TesteeProcess(program_testee(shlex.join(argv), None), limits)


def _processes(group):
    """Processes of a group that have not ended, from /proc."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, pgrp = stat.read_text().rpartition(")")[2].split()[:3]
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(pgrp) == group and state != "Z":
            found.append(int(stat.parent.name))
    return found


@pytest.mark.parametrize(
    ("function", "kind", "said"),
    [
        ("good", OutcomeKind.LOADED, ""),
        ("segfault", OutcomeKind.CRASHED, "SIGSEGV"),
        ("abort", OutcomeKind.CRASHED, "SIGABRT"),
        ("killed", OutcomeKind.CRASHED, "SIGKILL"),
        ("exit_at_once", OutcomeKind.CRASHED, "exited with code 0"),
        ("exit_with_five", OutcomeKind.CRASHED, "exited with code 5"),
        ("interrupt", OutcomeKind.CRASHED, "KeyboardInterrupt"),
        ("panic", OutcomeKind.CRASHED, "index out of bounds"),
        ("eat_memory", OutcomeKind.OUT_OF_MEMORY, "268 MB are allowed"),
        ("ask_for_too_much", OutcomeKind.OUT_OF_MEMORY, ""),
        ("ask_for_two_gigabytes", OutcomeKind.OUT_OF_MEMORY, "no memory left"),
        ("hold_and_raise", OutcomeKind.OUT_OF_MEMORY, "after 67108864 bytes"),
        ("print_much", OutcomeKind.LOADED, ""),
        ("print_from_c", OutcomeKind.LOADED, ""),
        ("write_to_descriptor_one", OutcomeKind.LOADED, ""),
        ("complain", OutcomeKind.LOADED, ""),
        ("close_streams", OutcomeKind.LOADED, ""),
        ("close_everything", OutcomeKind.PROTOCOL_ERROR, "closed its replies"),
        ("read_stdin", OutcomeKind.LOADED, ""),
        ("raise_error", OutcomeKind.REJECTED, "no header"),
        ("raise_mute", OutcomeKind.REJECTED, "cannot be had"),
        ("raise_long", OutcomeKind.REJECTED, "xxx..."),
        ("not_implemented", OutcomeKind.UNSUPPORTED, "big-endian files"),
        ("recurse", OutcomeKind.REJECTED, "recursion"),
        ("return_none", OutcomeKind.UNKNOWN_RESULT, "the loader returned NoneType; expected a mapping"),
        ("return_list", OutcomeKind.LOADED, ""),
        ("return_int_keys", OutcomeKind.LOADED, ""),
        ("return_unknown_objects", OutcomeKind.UNKNOWN_RESULT, "under the name 'w' the loader returned object"),
        ("return_nested", OutcomeKind.LOADED, ""),
        ("return_no_name", OutcomeKind.LOADED, ""),
        ("refuse_lazily", OutcomeKind.REJECTED, "offsets past the end"),
        ("spawn_children", OutcomeKind.LOADED, ""),
        ("fork_and_return", OutcomeKind.LOADED, ""),
        ("spawn_and_crash", OutcomeKind.CRASHED, "SIGSEGV"),
        ("change_folder", OutcomeKind.LOADED, ""),
    ],
)
def test_whatever_a_loader_does_costs_one_outcome(testee, file, function, kind, said):
    process = testee(function)
    for _ in range(2):  # the second shows that the first did not spoil the testee
        outcome = process.load(file, "safetensors")
        assert (outcome.kind, said in outcome.message) == (kind, True), outcome


def test_a_crash_between_requests_is_not_blamed_on_the_next(testee, file):
    process = testee("crash_after_reply")
    assert process.load(file, "safetensors").kind is OutcomeKind.LOADED
    first = process._child.pid
    while process._child is not None and not process._child.has_exited():
        time.sleep(0.01)
    assert process.load(file, "safetensors").kind is OutcomeKind.LOADED
    assert process._child.pid != first


@pytest.mark.parametrize("function", ["hang", "hang_in_c", "flood_errors"])
def test_no_reply_in_time_is_an_outcome(testee, file, function):
    process = testee(function, IMPATIENT)
    for _ in range(2):
        outcome = process.load(file, "safetensors")
        assert outcome.kind is OutcomeKind.TIMED_OUT
        assert outcome.message.startswith("no reply within 1 seconds")


def test_the_reply_has_canonical_bytes_or_their_digest(testee, file):
    process = testee("good")
    whole = process.load(file, "safetensors").tensors[0]
    digest = process.load(file, "safetensors", want="sha256").tensors[0]
    assert (whole.name, whole.dtype, whole.shape, whole.data) == ("w", "uint16", (2,), b"\x01\x02\x03\x04")
    assert (digest.sha256, digest.data) == (whole.sha256, None)
    assert whole.sha256 == "9f64a747e1b97f131fabb6b447296c9b6f0201e79fb3c5356e6c77e89b6a806a"


def test_the_last_words_on_standard_error_are_in_the_message(testee, file):
    outcome = testee("panic").load(file, "safetensors")
    assert outcome.message.endswith("PanicError: index out of bounds")
    assert len(outcome.message) < 6000


def test_a_flood_of_words_is_cut_to_the_last(testee, file):
    outcome = testee("complain_and_die").load(file, "safetensors")
    assert outcome.message.endswith("xxxthe last words")
    assert 4000 < len(outcome.message) < 4300


def test_a_testee_that_ran_out_of_memory_is_replaced(testee, file):
    process = testee("hold_and_raise")
    process.load(file, "safetensors")
    assert process._child is None


def test_a_testee_that_broke_the_protocol_is_replaced(file):
    with _liar("wrong-id") as process:
        process.load(file, "safetensors")
        assert process._child is None


def test_a_loader_is_given_what_it_takes(testee, file):
    for takes, name in (("path", "str"), ("bytes", "bytes"), ("file", "file")):
        tensor = testee("take_exactly", takes=takes).load(file, "safetensors").tensors[0]
        assert (tensor.name, tensor.data) == (name, b"\x05\x06\x07\x08")


def test_no_process_that_a_loader_started_outlives_the_testee(testee, file):
    process = testee("spawn_children")
    process.load(file, "safetensors")
    group = process._child.pid
    assert len(_processes(group)) == 3
    process.close()
    _until(lambda: not _processes(group))


def test_no_process_that_a_loader_started_outlives_a_crash(testee, file):
    process = testee("spawn_and_crash")
    process.hello()
    group = process._child.pid
    process.load(file, "safetensors")
    _until(lambda: not _processes(group))


def _descriptors():
    return {path.name for path in Path("/proc/self/fd").iterdir()}


def _until(condition):
    """Killing a group is asked for at once and done by the kernel a little later."""
    deadline = time.monotonic() + 10
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert condition()


def test_no_descriptor_and_no_zombie_is_left(testee, file):
    before = _descriptors()
    process = testee("segfault")
    for _ in range(3):
        process.load(file, "safetensors")
    process.close()
    assert _descriptors() == before
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def test_a_forgotten_testee_ends_with_its_owner(file):
    process = TesteeProcess(_launch("good"), LIMITS)
    process.hello()
    pid = process._child.pid
    del process
    assert not Path(f"/proc/{pid}").exists()


def test_a_crash_leaves_no_core_file(testee, file, tmp_path, monkeypatch):
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    testee("segfault").load(file, "safetensors")
    assert list(folder.iterdir()) == []


def test_hello_tells_who_and_where(testee):
    info = testee("good").hello()
    assert (info.name, info.byteorder) == ("wrong_loaders.good", sys.byteorder)
    assert info.runtime.startswith(sys.implementation.name.replace("cpython", "CPython"))
    assert info.formats is None


def test_closing_twice_is_harmless(testee, file):
    process = testee("good")
    process.hello()
    process.close()
    process.close()
    assert process.load(file, "safetensors").kind is OutcomeKind.LOADED


def test_restart_gives_another_process(testee):
    process = testee("good")
    process.start()
    first = process._child.pid
    process.restart()
    assert process._child.pid != first


@pytest.mark.parametrize(
    ("loader", "said"),
    [
        ("no_such_module.load", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("wrong_loaders.no_such_function", "wrong_loaders has no attribute 'no_such_function'"),
        ("wrong_loaders:Namespace.nothing", "wrong_loaders.Namespace has no attribute 'nothing'"),
        ("wrong_loaders.NOT_CALLABLE", "wrong_loaders.NOT_CALLABLE is a int, which cannot be called"),
        ("broken_import.load", "No module named 'a_module_that_nobody_has'"),
        ("exiting_import.load", "SystemExit: no licence found"),
        ("load", "'load' names no loader; expected package.module.function"),
        ("", "'' names no loader"),
        ("wrong_loaders..load", "names no loader"),
        ("wrong loaders.load", "names no loader"),
    ],
)
def test_a_loader_that_cannot_be_had_is_one_clear_error(loader, said):
    process = TesteeProcess(python_testee(loader, "path", [LOADERS], None, None), LIMITS)
    with pytest.raises(TesteeStartError) as raised:
        process.hello()
    assert said in str(raised.value)
    assert str(raised.value).startswith(f"--loader={loader}")
    assert str(LOADERS) in raised.value.hint


def test_a_slow_import_is_waited_for():
    launch = python_testee("slow_import.load", "path", [LOADERS], None, None)
    with TesteeProcess(launch, IMPATIENT) as process:
        assert process.hello().name == "slow_import.load"


def test_an_endless_import_is_not():
    launch = python_testee("endless_import.load", "path", [LOADERS], None, None)
    process = TesteeProcess(launch, Limits(start_seconds=1))
    with pytest.raises(TesteeStartError, match="did not answer hello: no reply within 1 seconds"):
        process.hello()
    assert process._child is None


def test_a_program_that_cannot_be_started_is_one_clear_error(tmp_path):
    program = tmp_path / "adapter"
    program.write_bytes(b"\x7fELF of another machine")
    program.chmod(0o755)
    process = TesteeProcess(program_testee(str(program), None), LIMITS)
    with pytest.raises(TesteeStartError, match="is built for another machine"):
        process.hello()


@pytest.mark.parametrize(
    ("way", "said"),
    [
        ("version-2", "protocol version 2; this suite speaks version 1"),
        ("no-name", "'name' is missing"),
        ("mumble", "the reply is no JSON: 'Welcome to liar 1.0!'"),
        (
            "wrong-conversion",
            "bfloat16 made by torch became 3f 80 40 00; the specification's bit fields give 80 3f 00 40",
        ),
        ("bad-conversion", "the conversion sample of bfloat16 is no base64"),
    ],
)
def test_a_testee_that_introduces_itself_wrongly_is_not_used(way, said):
    process = _liar(way)
    with pytest.raises(TesteeStartError) as raised:
        process.hello()
    assert said in str(raised.value)


@pytest.mark.parametrize(
    ("way", "said"),
    [
        ("not-json", "the reply is no JSON: 'loaded!'"),
        ("not-utf8", "the reply is no JSON"),
        ("not-an-object", "the reply is no JSON object"),
        ("deep", "the reply is no JSON: '[[["),
        ("no-outcome", "malformed"),
        ("unknown-outcome", "malformed"),
        ("missing-shape", "malformed"),
        ("negative-shape", "malformed"),
        ("boolean-shape", "malformed"),
        ("extra-field", "malformed"),
        ("not-base64", "the data of tensor 'w' is no base64"),
        ("wrong-id", "a reply to 'another'; expected one to 'v1'"),
        ("own-failure", "could not carry out the request: OSError: file not visible"),
        ("digest-for-data", "came as a digest"),
        ("late-wrong-conversion", "int16 made by torch became 00 01 00 02"),
    ],
)
def test_a_reply_that_breaks_the_protocol_says_nothing_of_the_library(file, way, said):
    with _liar(way) as process:
        outcome = process.load(file, "safetensors")
    assert outcome.kind is OutcomeKind.PROTOCOL_ERROR
    assert said in outcome.message, outcome.message


def test_a_reply_without_end_is_cut_off(file, monkeypatch):
    monkeypatch.setattr("endianproof.conformance.limits.REPLY_FLOOR", 1 << 20)
    with _liar("endless-reply") as process:
        outcome = process.load(file, "safetensors")
    assert outcome.kind is OutcomeKind.PROTOCOL_ERROR
    assert "a reply of more than" in outcome.message


def test_a_file_that_cannot_be_looked_at_is_asked_for_all_the_same(testee, tmp_path):
    outcome = testee("good", takes="bytes").load(tmp_path / ("x" * 300), "safetensors")
    assert (outcome.kind, outcome.error_type) == (OutcomeKind.REJECTED, "OSError")


def test_any_program_that_speaks_the_protocol_is_a_testee(file):
    with _liar("fine") as process:
        assert process.load(file, "safetensors").tensors[0].data == b"\x01"


def test_a_testee_may_declare_what_it_reads():
    with _liar("limited") as process:
        info = process.hello()
    assert (info.formats, info.dtypes) == (("safetensors",), ("float32",))


def test_standard_error_cannot_steer_the_terminal(tmp_path):
    (tmp_path / "colourful.py").write_text("import sys\nsys.stderr.write('\\x1b[31mred')\nsys.exit(3)\n")
    with pytest.raises(TesteeStartError, match=r"\\x1b\[31mred"):
        TesteeProcess(program_testee(f"{sys.executable} {tmp_path / 'colourful.py'}", None), LIMITS).hello()
