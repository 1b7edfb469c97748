"""`endianproof protocol check`: a right testee passes, and each wrong one fails the step that is meant for it."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from endianproof.conformance.checking import check, lines
from endianproof.conformance.checking import steps as steps_module
from endianproof.conformance.checking import talk as talk_module
from endianproof.conformance.checking.steps import INTRODUCTION, STEPS
from endianproof.conformance.cli import main
from endianproof.conformance.launch import program_testee
from endianproof.conformance.limits import Limits

ADAPTER = Path(__file__).parent / "loaders" / "wrong_adapter.py"
HASTE = Limits(start_seconds=20, request_seconds=20)
IMPATIENT = Limits(start_seconds=2, request_seconds=2)


def checked(way, limits=HASTE):
    launch = program_testee(shlex.join([sys.executable, str(ADAPTER), way]), None)
    return check(launch, sys.byteorder, limits)


def wrong_steps(found):
    return [result.step.name for result in found.results if result.wrong is not None]


def not_tried(found):
    return [result.step.name for result in found.results if result.wrong is None and not result.said]


@pytest.mark.parametrize("way", ["right", "complains", "claims-nothing", "called-error"])
def test_a_right_testee_passes_every_step(way):
    found = checked(way)
    assert wrong_steps(found) == []
    assert not_tried(found) == ["read", "save"]
    assert found.passed


@pytest.mark.parametrize(("way", "step"), [("saves", "read"), ("reads", "save")])
def test_what_is_claimed_is_tried(way, step):
    found = checked(way)
    assert wrong_steps(found) == []
    assert not_tried(found) == [step]


def test_elements_narrower_than_a_byte_are_read_by_the_eight(tmp_path):
    program = tmp_path / "narrow.py"
    program.write_text(
        "import json, sys\n"
        "from endianproof.conformance.testee.serve import Loading, Server\n"
        "from endianproof.reference import load\n"
        "server = Server('endianproof.reference.load', Loading(load, 'path'))\n"
        "for line in sys.stdin:\n"
        "    request = json.loads(line)\n"
        "    if request['op'] == 'bye':\n"
        "        break\n"
        "    own = {'formats': ['safetensors'], 'dtypes': ['float6_e2m3fn']}\n"
        "    more = own if request['op'] == 'hello' else {}\n"
        "    print(json.dumps({**server.answer(request), **more}), flush=True)\n"
    )
    launch = program_testee(shlex.join([sys.executable, str(program)]), None)
    found = check(launch, sys.byteorder, HASTE)
    assert wrong_steps(found) == []
    (read,) = [result.said for result in found.results if result.step.name == "read"]
    assert read.endswith(" elements of 'x'")
    assert not read.startswith("0 ")


# Each defect, the steps that find it (the first of them is meant for it), and words of what is said.
WRONG = [
    ("mumbles", ["hello"], "no JSON: Welcome to example"),
    ("dies", ["hello"], "cannot open shared object file"),
    ("no-name", ["hello"], "'name' is missing"),
    ("version-2", ["hello"], "at protocol: found 2, expected 1"),
    ("cannot", ["hello"], "ImportError: no libtensor.so"),
    ("other-order", ["hello"], "that of the machine it runs on"),
    ("unknown-formats", ["hello"], "formats safetensor"),
    ("unknown-dtypes", ["hello"], "dtypes bf16, f32"),
    ("indented", ["hello"], "no JSON: {"),
    ("strict-keys", ["unknown keys"], "KeyError"),
    ("swapped", ["load"], "byte"),
    ("no-shape", ["load"], "at tensors/0: 'shape' is missing"),
    ("no-data", ["load"], "at tensors/0: 'data' or 'sha256' is missing"),
    ("file's-dtype", ["load"], 'at tensors/0/dtype: found "F32"'),
    ("text-shape", ["load"], "at tensors/0/shape/0"),
    ("url-base64", ["load"], "is no base64"),
    ("hex-data", ["load"], "is no base64"),
    ("unpadded", ["load"], "is no base64"),
    ("floats", ["load"], "expected the JSON type string"),
    ("capital-digest", ["load"], "at tensors/0/sha256"),
    ("other-digest", ["load"], "two loads of the same file differ"),
    ("always-data", ["load"], "data where the request says sha256"),
    ("misspelt", ["load"], "'shape' is missing ('shpae' is there)"),
    ("wrong-name", ["load"], ""),
    ("claims-more", ["load"], "torch-zip: unsupported"),
    ("own-ids", ["load"], "a reply to '1'"),
    ("prints", ["load"], "no JSON: reading"),
    ("ascii-names", ["names"], ""),
    ("ascii-requests", ["paths"], "UnicodeDecodeError"),
    ("unescaped-id", ["ids"], "no JSON"),
    ("no-cr", ["CR LF"], "a control character"),
    ("short-lines", ["long line"], ""),
    ("one-read-one-request", ["two at once", "long line"], "no reply within"),
    ("crash-on-missing", ["missing file"], "SIGABRT"),
    ("loads-nothing", ["missing file"], '"loaded"'),
    ("raises", ["broken file"], "exited with code 1"),
    ("loads-halves", ["broken file"], '"loaded"'),
    ("text-error", ["missing file", "broken file"], "at error: found"),
    ("always-loaded", ["load"], ""),
    ("crash-on-format", ["unknown format"], "SIGABRT"),
    ("crash-on-op", ["unknown op"], "ValueError: no-such-op"),
    ("silent-on-op", ["unknown op"], "no reply within 2"),
    ("echoes-protocol", ["other protocol"], "at protocol: found 999, expected 1"),
    ("stops-at-protocol", ["other protocol"], "exited with code 1"),
    ("leaves", ["still there"], "exited"),
    ("exit-code", ["bye"], "exit code 3"),
    ("ignores-bye", ["bye"], "went on running"),
    ("answers-bye", ["bye"], "an answer: {}"),
    ("outlives", ["end of requests"], "went on running"),
    ("buffers", ["hello"], "the answer came when the requests were at an end"),
    ("reads-bytes", ["read"], '"AACAPw=="'),
    ("saves-nothing", ["save"], "nothing"),
    ("saves-swapped", ["save"], "byte"),
    ("refuses-saves", ["save"], "not today"),
]
SLOW = {"silent-on-op", "buffers", "one-read-one-request", "short-lines", "indented"}


@pytest.mark.parametrize(("way", "steps", "said"), WRONG)
def test_each_defect_is_found_by_the_step_that_is_meant_for_it(way, steps, said, monkeypatch):
    monkeypatch.setattr(steps_module, "END_SECONDS", 1.0)
    monkeypatch.setattr(talk_module, "LAST_WORDS", 2.0)
    found = checked(way, IMPATIENT if way in SLOW else HASTE)
    assert set(wrong_steps(found)) >= set(steps)
    if way not in {"always-loaded", "chats", "own-ids", "prints"}:
        assert set(wrong_steps(found)) == set(steps)
    wrong = next(result.wrong for result in found.results if result.step.name == steps[0])
    assert said in wrong.found or said in wrong.expected
    assert wrong.advice
    assert not found.passed


def test_text_that_no_request_asked_for_is_found():
    assert "load" in wrong_steps(checked("chats"))


def test_every_step_finds_something():
    assert {steps[0] for _, steps, _ in WRONG} == {step.name for step in (INTRODUCTION, *STEPS)}


def test_nothing_is_left_of_a_testee_that_does_not_answer(tmp_path, monkeypatch):
    """Not of the process that it may be in: a testee is often a shell script around the program."""
    monkeypatch.setattr(talk_module, "LAST_WORDS", 0.5)
    script = tmp_path / "adapter"
    program = shlex.join([sys.executable, "-c", "import time; time.sleep(600)", str(tmp_path)])
    script.write_text(f'#!/bin/sh\n{program}\necho "gone"\n')
    script.chmod(0o755)
    limits = Limits(start_seconds=1)
    assert wrong_steps(check(program_testee(str(script), None), sys.byteorder, limits)) == ["hello"]
    deadline = time.monotonic() + 10  # killing is asked for at once and done by the kernel a little later
    while (left := started_with(str(tmp_path))) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert left == []


def started_with(word):
    """The processes that have a word on their command line; those that have ended have none."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if word.encode() in path.read_bytes().split(b"\0"):
                found.append(path.parent.name)
    return found


def test_what_is_wrong_is_printed_with_what_to_do():
    text = "\n".join(lines(checked("no-shape")))
    assert "  WRONG  load\n" in text
    assert "found       at tensors/0: 'shape' is missing; required are name, dtype, shape and data\n" in text
    assert "schema      #/$defs/tensor_data/required\n" in text
    assert "what to do  the definition is #/$defs/tensor_data/required: endianproof protocol show --schema" in text


def test_the_last_words_on_standard_error_are_shown_and_change_nothing():
    *_, errors, total = lines(checked("complains"))
    assert errors.endswith("ends: warning: tensors are deprecated")
    assert total == "17 steps tried: 0 wrong, 17 right; 2 not tried"


def test_what_a_testee_says_cannot_steer_the_terminal(tmp_path, monkeypatch):
    monkeypatch.setattr(steps_module, "END_SECONDS", 0.1)
    program = tmp_path / "colourful.py"
    hello = {"protocol": 1, "name": "\x1b[2J\ud800", "version": "", "byteorder": sys.byteorder, "machine": "m"}
    said = (json.dumps(hello | {"runtime": "r"}), "\x1b[31mred")
    program.write_text(f"import sys\nfor line, reply in zip(sys.stdin, {said!r}):\n    print(reply, flush=True)\n")
    launch = program_testee(shlex.join([sys.executable, str(program)]), None)
    text = "\n".join(lines(check(launch, sys.byteorder, HASTE)))
    assert text.startswith(r"\x1b[2J\ud800, r, m, ")
    assert r"no JSON: \x1b[31mred" in text
    assert text.isascii()
    assert "\x1b" not in text


def run(*arguments):
    return CliRunner().invoke(main, ["protocol", *arguments])


def test_the_command_exits_with_0_where_nothing_is_wrong():
    result = run("check", f"--testee={shlex.join([sys.executable, str(ADAPTER)])}")
    assert result.exit_code == 0, result.output
    assert result.output.startswith("example 1.0, Python, any, ")


def test_the_command_exits_with_1_where_something_is():
    result = run("check", f"--testee={shlex.join([sys.executable, str(ADAPTER), 'no-name'])}")
    assert result.exit_code == 1
    assert "WRONG  hello" in result.output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--testee=no-such-program"], "there is no program 'no-such-program'"),
        (["--testee=x", "--guest=nowhere"], "there is no guest called 'nowhere'"),
        ([], "Missing option '--testee'"),
    ],
)
def test_what_cannot_be_started_is_a_users_mistake(arguments, said):
    result = run("check", *arguments)
    assert result.exit_code == 2
    assert said in result.output


def test_a_check_that_is_terminated_ends_its_testee(tmp_path):
    marker = tmp_path / "pid"
    code = f"import os, pathlib, time; pathlib.Path({str(marker)!r}).write_text(str(os.getpid())); time.sleep(600)"
    testee = shlex.join([sys.executable, "-c", code])
    argv = [sys.executable, "-m", "endianproof.conformance.cli", "protocol", "check", f"--testee={testee}"]
    process = subprocess.Popen(argv)
    while not marker.exists() or not marker.read_text():
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 128 + signal.SIGTERM
    with pytest.raises(ProcessLookupError):
        os.kill(int(marker.read_text()), 0)
