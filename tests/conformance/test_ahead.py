"""The next vector is loaded while the last one is judged, one request at a time; nothing is left at the end."""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future

import pytest

from endianproof.conformance.ahead import Ahead, InTurn
from endianproof.conformance.client import TesteeProcess, TesteeStartError
from endianproof.conformance.examine import DamagedVectorError, observe
from endianproof.conformance.launch import python_testee
from endianproof.conformance.outcome import LoadedTensor, Outcome, OutcomeKind, TesteeInfo
from endianproof.vectors import load_vectors

VECTORS = load_vectors()[:4]
WAIT = 30  # seconds after which a test that hangs fails


class StandIn:
    """Answers at once, of one file only when it has leave; remembers what it was asked, one at a time."""

    def __init__(self):
        self.asked = []
        self.leave = threading.Event()
        self.begun = threading.Semaphore(0)
        self.busy = threading.Lock()
        self.ended = []
        self.held = ""

    def hello(self):
        return TesteeInfo("stand-in", "", "little", "", "", {})

    def load(self, path, _format_name, /, want="data"):  # noqa: ARG002 (the protocol's)
        assert self.busy.acquire(blocking=False), "two requests at once"
        self.asked.append(path.name)
        self.begun.release()
        if path.name == self.held:
            self.leave.wait(WAIT)
        self.busy.release()
        return Outcome(OutcomeKind.LOADED, (LoadedTensor("x", "uint8", (), "0" * 64, b""),))

    def interrupt(self):
        self.ended.append("interrupt")
        self.leave.set()

    def close(self):
        self.ended.append("close")


def test_each_vector_is_observed_once_and_in_order():
    testee = StandIn()
    ahead = Ahead(testee)
    seen = [ahead.observe(v, VECTORS[place : place + 1]) for place, v in enumerate(VECTORS, 1)]
    ahead.close()
    assert [observation.vector for observation in seen] == list(VECTORS)
    assert testee.asked == [v.path.name for v in VECTORS for _ in range(2)]
    assert testee.ended == ["close"]


def test_the_next_vector_is_begun_before_the_last_one_is_handed_over():
    testee = StandIn()
    ahead = Ahead(testee)
    ahead.observe(VECTORS[0], [VECTORS[1]])
    for _ in range(3):
        assert testee.begun.acquire(timeout=WAIT), "the next vector was not begun"
    assert testee.asked[2] == VECTORS[1].path.name
    ahead.close()


def test_a_vector_that_was_begun_in_vain_does_not_answer_for_another():
    testee = StandIn()
    ahead = Ahead(testee)
    ahead.observe(VECTORS[0], [VECTORS[1]])
    assert ahead.observe(VECTORS[2]).vector is VECTORS[2]
    ahead.close()


def test_closing_interrupts_a_vector_that_nobody_will_ask_for():
    testee = StandIn()
    ahead = Ahead(testee)
    ahead.observe(VECTORS[0])
    ahead.close()
    assert testee.ended == ["close"]  # nothing was under way

    testee.held = VECTORS[1].path.name
    ahead = Ahead(testee)
    ahead.observe(VECTORS[0], [VECTORS[1]])
    _begun(testee, 2 + 2 + 1)
    ahead.close()
    assert testee.ended[-2:] == ["interrupt", "close"]


def test_closing_interrupts_what_was_waited_for_when_the_user_had_enough(monkeypatch):
    testee = StandIn()
    testee.held = VECTORS[1].path.name
    ahead = Ahead(testee)
    ahead.observe(VECTORS[0], [VECTORS[1]])
    _begun(testee, 2 + 1)

    def ctrl_c(_future):
        raise KeyboardInterrupt

    monkeypatch.setattr(Future, "exception", ctrl_c)
    with pytest.raises(KeyboardInterrupt):
        ahead.settle()
    ahead.close()
    assert testee.ended == ["interrupt", "close"]


def _begun(testee, loads):
    for _ in range(loads):
        assert testee.begun.acquire(timeout=WAIT), "a load was not begun"


def test_several_testees_are_at_work_at_once_and_the_order_stays():
    slow, quick = StandIn(), StandIn()
    slow.held = quick.held = VECTORS[0].path.name
    ahead = Ahead(slow, quick)
    seen = []
    asking = threading.Thread(target=lambda: seen.append(ahead.observe(VECTORS[0], VECTORS[1:])))
    asking.start()
    later = [v.path.name for v in VECTORS[1:] for _ in range(2)]
    _until(lambda: later in (slow.asked, quick.asked))
    assert not seen, "the first one is not through"
    slow.leave.set()
    quick.leave.set()
    asking.join(WAIT)
    seen += [ahead.observe(v, VECTORS[place:]) for place, v in enumerate(VECTORS[1:], 2)]
    ahead.close()
    assert [observation.vector for observation in seen] == list(VECTORS)
    assert len(slow.asked + quick.asked) == 2 * len(VECTORS)
    assert slow.ended == quick.ended == ["close"]


def _until(condition):
    deadline = time.monotonic() + WAIT
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.001)
    assert condition()


def test_in_turn_means_in_the_thread_that_asks_and_nothing_early():
    testee = StandIn()
    threads = []
    testee.hello = lambda: (threads.append(threading.current_thread()), StandIn.hello(testee))[1]
    in_turn = InTurn(testee)
    assert in_turn.observe(VECTORS[0], VECTORS[1:]).vector is VECTORS[0]
    assert testee.asked == [VECTORS[0].path.name] * 2
    assert threads == [threading.current_thread()]
    assert in_turn.settle() is testee


def test_a_damaged_golden_file_is_reported_for_its_own_vector(tmp_path):
    from dataclasses import replace

    damaged = replace(VECTORS[1], path=tmp_path / "damaged")
    damaged.path.write_bytes(b"other")
    ahead = Ahead(StandIn())
    ahead.observe(VECTORS[0], [damaged])
    with pytest.raises(DamagedVectorError):
        ahead.observe(damaged, [VECTORS[2]])
    assert ahead.observe(VECTORS[2]).vector is VECTORS[2]
    ahead.close()


def test_an_interrupted_testee_ends_its_request_and_takes_no_other(tmp_path, monkeypatch):
    code = "import os, time\ndef load(path):\n    os.mkdir('begun')\n    time.sleep(600)\n"
    (tmp_path / "sleepy.py").write_text(code)
    monkeypatch.chdir(tmp_path)
    with TesteeProcess(python_testee("sleepy.load", "path", [], None, None)) as testee:
        testee.hello()
        outcomes = []
        worker = threading.Thread(target=lambda: outcomes.append(testee.load(VECTORS[0].path, "safetensors")))
        worker.start()
        while worker.is_alive() and not (tmp_path / "begun").exists():
            time.sleep(0.01)
        testee.interrupt()
        worker.join(WAIT)
        assert [outcome.kind for outcome in outcomes] == [OutcomeKind.CRASHED]
        with pytest.raises(TesteeStartError, match="the run is over"):
            testee.load(VECTORS[0].path, "safetensors")


def test_a_testee_that_is_interrupted_while_it_starts_does_not_go_on():
    class Started:
        killed = False

        def exchange(self, *_):
            pytest.fail("it was asked, though the run is over")

        def kill(self):
            self.killed = True

    process = Started()

    def begin(_launch, _open_files):
        testee.interrupt()  # by another thread, which sees no process yet
        return process

    testee = TesteeProcess(python_testee("sleepy.load", "path", [], None, None), begin=begin)
    with pytest.raises(TesteeStartError, match="the run is over"):
        testee.start()
    assert process.killed
    testee.close()


def test_a_loader_that_removes_its_file_has_changed_it_and_breaks_nothing(tmp_path, monkeypatch):
    code = "import os, numpy\ndef load(path):\n    os.unlink(path)\n    return {'x': numpy.zeros(5, 'f4')}\n"
    (tmp_path / "removing.py").write_text(code)
    monkeypatch.chdir(tmp_path)
    with TesteeProcess(python_testee("removing.load", "path", [], None, None)) as testee:
        observation = observe(next(v for v in load_vectors() if v.id == "st-plain"), testee)
    assert observation.first.kind is OutcomeKind.LOADED
    assert observation.second.kind is OutcomeKind.REJECTED
    assert not observation.unchanged
