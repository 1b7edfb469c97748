"""`--large`: files past 4 GiB made when they are needed, judged, and gone afterwards."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from planted import outcome

from endianproof.conformance import large
from endianproof.conformance.client import Limits, TesteeProcess
from endianproof.conformance.examine import examine
from endianproof.conformance.finding import Finding
from endianproof.conformance.large import NoRoomError, at_hand, roomy_folder
from endianproof.conformance.launch import python_testee
from endianproof.conformance.outcome import LoadedTensor, OutcomeKind, TesteeInfo
from endianproof.vectors import load_large, load_vectors

pytest_plugins = ["pytester"]

LOADERS = Path(__file__).parent / "loaders"
LARGE = {vector.id: vector for vector in load_large()}
GIB = 1 << 30


@pytest.fixture
def room(tmp_path, monkeypatch):
    """A folder for temporary files, and a cache."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("ENDIANPROOF_CACHE", str(tmp_path / "cache"))
    return tmp_path


class Scripted:
    """A testee that answers with what a function makes of the vector's tensors, and does what it is told to."""

    def __init__(self, vector, change=lambda tensors: tensors, deed=lambda _path: None):
        self.vector, self.change, self.deed = vector, change, deed
        self.wanted = []

    def hello(self):
        return TesteeInfo("scripted", "", "little", "", "", {})

    def load(self, path, _format, /, want="data"):
        self.wanted.append(want)
        self.deed(path)
        sent = [
            LoadedTensor(t.name, t.dtype, t.shape, t.sha256, t.canonical if want == "data" else None)
            for t in self.vector.tensors
        ]
        return outcome(*self.change(sent))


def judged(name, room, **script):
    del room
    with at_hand(LARGE[name], print) as vector:
        testee = Scripted(vector, **script)
        return examine(vector, testee, {}), testee


def test_large_vectors_are_apart_from_those_that_are_shipped():
    assert {vector.format for vector in LARGE.values()} >= {"safetensors", "torch-zip"}
    assert not set(LARGE) & {vector.id for vector in load_vectors()}
    assert not [vector.id for vector in LARGE.values() if vector.path.exists()]
    assert max(vector.size for vector in LARGE.values()) > 4 * GIB


def test_a_file_is_sparse_and_gone_afterwards(room):
    with at_hand(LARGE["pt-large-offset"], print) as vector:
        assert vector.path.stat().st_size == vector.size > 4 * GIB
        assert vector.path.stat().st_blocks * 512 < 1 << 20
        folder = vector.path.parent
    assert not folder.exists()
    assert [path.name for path in room.iterdir()] == ["cache"]


def test_a_file_is_gone_also_where_the_judging_failed(room):
    def at_work():
        with at_hand(LARGE["pt-large-offset"], print):
            raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError, match="in the middle"):
        at_work()
    assert [path.name for path in room.iterdir()] == ["cache"]


def test_only_one_such_file_is_there_at_a_time(room):
    said = []
    with at_hand(LARGE["pt-large-offset"], print):
        code = (
            "from endianproof.conformance.large import at_hand\n"
            "from endianproof.vectors import load_large\n"
            "vector = next(v for v in load_large() if v.id == 'pt-large-signed')\n"
            "with at_hand(vector, lambda line: print(line, flush=True)): print('made', flush=True)\n"
        )
        other = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
        assert other.stdout is not None
        said.append(other.stdout.readline())
    rest, _ = other.communicate()
    said.append(rest)
    assert said[0].startswith("pt-large-signed: waiting for another run's large file (process ")
    assert said[1] == "made\n"


def test_a_vector_that_is_not_large_is_left_where_it_is():
    vector = load_vectors()[0]
    with at_hand(vector, print) as same:
        assert same is vector


def test_no_folder_with_room_says_what_is_wrong_with_each(room, monkeypatch):
    monkeypatch.setattr(large, "ROOM", 1 << 60)
    with pytest.raises(NoRoomError) as raised:
        roomy_folder()
    assert f"{room}: " in str(raised.value)
    assert "MB free, " in str(raised.value)
    assert "set TMPDIR" in str(raised.value)


def test_a_cache_in_which_runs_cannot_take_turns_is_told_before_any_run(room, monkeypatch):
    (room / "file").touch()
    monkeypatch.setenv("ENDIANPROOF_CACHE", str(room / "file" / "cache"))
    with pytest.raises(NoRoomError, match=r"large.lock, by which runs take turns: Not a directory") as raised:
        roomy_folder()
    assert "set ENDIANPROOF_CACHE" in str(raised.value)


def test_tensors_of_few_bytes_are_sent_and_compared_bit_by_bit(room):
    judgement, testee = judged("pt-large-storage-big", room)
    assert judgement.finding is Finding.PASSED
    assert testee.wanted == ["data", "sha256"]


def test_a_wrong_value_behind_4_gib_is_diagnosed_and_shown_in_the_file(room):
    def swap(tensors):
        data = tensors[0].data
        return [
            replace(tensors[0], data=bytes(data[i ^ 1] for i in range(len(data))), sha256="0" * 64),
            *tensors[1:],
        ]

    def swap_all(tensors):
        return swap(tensors) if tensors[0].data is not None else tensors

    judgement, _ = judged("pt-large-storage-big", room, change=swap_all)
    assert judgement.finding is Finding.WRONG_VALUES
    assert "1.0 (0x3F80) came back as" in judgement.headline
    place = dict(judgement.lines)["in file"]
    assert place == "byte 4294968064 (0x100000300), big-endian"


@pytest.mark.parametrize("wrong", [True, False])
def test_tensors_of_4_gib_are_compared_by_their_digests(room, monkeypatch, wrong):
    # The digest of 4 GiB takes seconds, and is not what is tested here.
    monkeypatch.setattr("endianproof.vectors._large.sha256", lambda data: f"{len(data):064x}")
    judgement, testee = judged(
        "st-large-tensor",
        room,
        change=lambda tensors: [replace(tensors[0], sha256="f" * 64)] if wrong else tensors,
    )
    assert testee.wanted == ["sha256", "sha256"]
    assert judgement.finding is (Finding.WRONG_VALUES if wrong else Finding.PASSED)
    if wrong:
        assert judgement.headline.startswith("values differ: SHA-256 ffffffffffff..., where 0000")


def remove(path):
    path.unlink(missing_ok=True)


def overwrite(path):
    with path.open("r+b") as file:
        file.write(b"!")


def append(path):
    with path.open("ab") as file:
        file.write(b"!")


@pytest.mark.parametrize("deed", [remove, overwrite, append])
def test_a_large_file_that_was_changed_is_found(room, deed):
    assert judged("pt-large-storage-big", room, deed=deed)[0].finding is Finding.FILE_MODIFIED


def test_a_large_file_may_take_what_an_honest_loader_needs_and_not_eight_times_itself():
    memory = Limits(memory_bytes=0).memory
    assert memory(1 << 20) == 8 << 20
    assert 3 * 4 * GIB <= memory(4 * GIB) < 4 * 4 * GIB
    sizes = [1 << power for power in range(34)]
    assert sorted(map(memory, sizes)) == [memory(size) for size in sizes]


@pytest.mark.parametrize(
    ("function", "takes", "kind"),
    [("take_exactly", "bytes", OutcomeKind.LOADED), ("eat_memory", "path", OutcomeKind.OUT_OF_MEMORY)],
)
def test_an_honest_loader_has_the_memory_and_a_dishonest_one_is_stopped(
    tmp_path, monkeypatch, function, takes, kind
):
    monkeypatch.setattr("endianproof.conformance.limits.LARGE", 1 << 20)
    path = tmp_path / "file"
    with path.open("wb") as file:
        file.truncate(32 << 20)
    limits = Limits(start_seconds=60, request_seconds=20, memory_bytes=64 << 20)
    with TesteeProcess(python_testee(f"wrong_loaders.{function}", takes, [LOADERS], None, None), limits) as testee:
        assert testee.load(path, "safetensors", want="sha256").kind is kind


@pytest.fixture
def run(pytester, monkeypatch):
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    return lambda *args: pytester.runpytest_subprocess("-p", "no:randomly", "--loader=reference", *args)


def test_without_the_option_large_vectors_are_counted_as_not_run(run):
    result = run("--rule=PT-ZIP-12")
    result.stdout.fnmatch_lines(["1 large vectors not run: --large makes their files*"])
    result.stdout.no_fnmatch_line("*pt-large-truncated*")


def test_with_the_option_they_are_run_and_nothing_is_left(run, tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    result = run("--large", "--rule=PT-ZIP-12", "-v")
    result.stdout.fnmatch_lines(["*::pt-large-truncated PASSED*"])
    result.stdout.no_fnmatch_line("*large vectors not run*")
    assert list(tmp_path.glob("endianproof-large-*")) == []


def test_one_that_is_named_without_the_option_is_an_error_that_says_so(run):
    result = run("torch-zip::pt-large-truncated")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: torch-zip::pt-large-truncated: it is made only with --large"])
    assert run("--large", "torch-zip::pt-large-truncated").ret == 0
