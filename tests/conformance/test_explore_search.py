"""The search itself, with a loader in this process: what it finds, how far it shrinks, and where it stops."""

from __future__ import annotations

import contextlib
import hashlib
import resource
from dataclasses import replace
from pathlib import Path

import pytest

from endianproof.conformance.baseline import Baseline, Entry, RunConditions
from endianproof.conformance.client import TesteeStartError
from endianproof.conformance.exploring.expectation import Expectation, expectation_of
from endianproof.conformance.exploring.failure import Failure
from endianproof.conformance.exploring.found import FoundFileError, keep, kept
from endianproof.conformance.exploring.known import is_known
from endianproof.conformance.exploring.search import PATIENCE, Search
from endianproof.conformance.finding import Finding, Judgement
from endianproof.conformance.outcome import LoadedTensor, Outcome, OutcomeKind, TesteeInfo
from endianproof.reference import SpecViolation, load
from endianproof.strategies import File
from endianproof.vectors import load_vectors


def outcome_of(tensors):
    return Outcome(
        OutcomeKind.LOADED,
        tuple(
            LoadedTensor(name, t.dtype, t.shape, hashlib.sha256(t.canonical).hexdigest(), bytes(t.canonical))
            for name, t in tensors.items()
        ),
    )


class InProcess:
    """A testee that is the reference, but for what `spoil` makes of its tensors."""

    def __init__(self, spoil=outcome_of):
        self.spoil = spoil
        self.files = []

    def hello(self):
        return TesteeInfo("in process", "", "little", "", "", {})

    def load(self, path, _format_name, /, want="data"):  # noqa: ARG002 (the protocol's)
        self.files.append(path.read_bytes())
        try:
            return self.spoil(load(path))
        except SpecViolation as violation:
            return Outcome(OutcomeKind.REJECTED, error_type="SpecViolation", message=str(violation))


class Noting(Search):
    """A search that remembers the valid files that it drew."""

    def __init__(self, *args):
        super().__init__(*args)
        self.valid = []

    def _failure(self, file):
        if file.tensors is not None:
            self.valid.append(file)
        return super()._failure(file)


def searched(
    spoil=outcome_of, *, form="safetensors", count=120, seed=0, silent=lambda _failure: False, dtypes=None
):
    testee = InProcess(spoil)
    search = Search(testee, form, silent)
    search.draw(count, seed, dtypes)
    return search, testee


def spoiling(is_hit, kind=OutcomeKind.CRASHED, message="killed"):
    def spoil(tensors):
        return Outcome(kind, message=message) if any(map(is_hit, tensors.values())) else outcome_of(tensors)

    return spoil


@pytest.mark.parametrize("form", ["safetensors", "torch-zip", "torch-legacy", "torch-tar"])
def test_the_reference_has_nothing_to_be_found(form):
    search, _ = searched(form=form)
    assert search.failures == {}
    assert search.counts["judged"] > 60, "more than half: the others are open"
    assert sum(search.counts.values()) == 120


def test_the_same_seed_draws_the_same_files_and_another_seed_others():
    one, two, other = (searched(count=50, seed=seed)[1].files for seed in (7, 7, 8))
    assert one == two
    assert one != other


def test_only_the_element_types_that_the_testee_has_are_drawn():
    search = Noting(InProcess(), "safetensors", lambda _failure: False)
    search.draw(100, 0, ["bfloat16", "int8"])
    assert {tensor.dtype for file in search.valid for tensor in file.tensors} == {"bfloat16", "int8"}


def test_a_fault_is_shrunk_to_one_tensor_that_shows_it():
    def refuses(tensors):
        if any(tensor.dtype == "bfloat16" and len(tensor.shape) > 1 for tensor in tensors.values()):
            raise SpecViolation("ST-DT-01", 0, "a matrix", "none")
        return outcome_of(tensors)

    search, _ = searched(refuses, count=500, dtypes=["uint8", "bfloat16"])
    (failure,) = search.failures.values()
    (tensor,) = failure.file.tensors
    assert (tensor.dtype, len(tensor.shape)) == ("bfloat16", 2)
    assert failure.judgement.finding is Finding.VALID_REFUSED
    assert len(failure.file.data) < 80


def test_a_shallow_fault_does_not_hide_a_deep_one():
    def two_faults(tensors):
        if any(len(tensor.shape) > 1 for tensor in tensors.values()):
            return Outcome(OutcomeKind.UNKNOWN_RESULT, message="deep")
        if tensors:
            return Outcome(OutcomeKind.PROTOCOL_ERROR, message="shallow")
        return outcome_of(tensors)

    found = {finding for finding, _, _ in searched(two_faults)[0].failures}
    assert found == {"unknown-result", "protocol-error"}


def not_swapped(tensors):
    """Leave big-endian elements as they are, whatever views there are of their storage."""
    words = [(t, bytes(t.canonical), t.element.swap_unit) for t in tensors.values()]
    return Outcome(
        OutcomeKind.LOADED,
        tuple(
            LoadedTensor(t.name, t.dtype, t.shape, hashlib.sha256(turned).hexdigest(), turned)
            for t, data, unit in words
            for turned in [
                b"".join(data[i : i + unit][::-1] for i in range(0, len(data), unit))
                if t.storage.byte_order == "big"
                else data
            ]
        ),
    )


def test_one_mistake_is_one_kind_however_many_views_show_it_and_the_file_kept_is_whole_and_has_one_tensor():
    search, _ = searched(not_swapped, form="torch-zip")
    assert list(search.failures) == [("wrong-values", "not-swapped", "")]
    (failure,) = search.failures.values()
    assert failure.file.damages == ()
    assert [tensor.name for tensor in failure.expectation.tensors] == ["0"]


def test_a_report_names_harm_first_then_whole_files_then_what_is_explained_then_small_ones():
    def failure(finding, diagnosis, damages, size):
        return Failure(
            File("safetensors", b"x" * size, None, damages),
            Expectation("may", ""),
            Judgement(finding, "", diagnosis=diagnosis),
        )

    ranked = [
        failure(Finding.WRONG_VALUES, "not-swapped", (), 8),
        failure(Finding.WRONG_VALUES, "strides-ignored", (), 9),
        failure(Finding.WRONG_VALUES, "unexplained", (), 1),
        failure(Finding.WRONG_VALUES, "strides-ignored", ("flipped",), 1),
        failure(Finding.WRONG_VALUES, "unexplained", ("flipped",), 1),
        failure(Finding.CRASHED, "", (), 1),
    ]
    mixed = [*ranked[3:], *ranked[:3]]
    assert sorted(mixed, key=lambda one: one.rank) == ranked


def test_a_damaged_file_that_is_still_valid_is_diagnosed_by_where_its_tensors_lie(tmp_path):
    """The reference says what the file holds, and its storages where in the file: so strides can be looked up."""
    vector = next(v for v in load_vectors() if v.id == "pt-strided-int16-big")
    file = File(vector.format, vector.path.read_bytes(), None, ("nothing",))
    found = expectation_of(file, file.write_to(tmp_path))
    assert found.verdict == "may"
    assert [(t.at, t.storage_nbytes) for t in found.tensors] == [(t.at, t.storage_nbytes) for t in vector.tensors]


class Careless(InProcess):
    """Loads, as a file without tensors, what the reference refuses."""

    def load(self, path, format_name, /, want="data"):
        outcome = super().load(path, format_name, want)
        return outcome if outcome.kind is OutcomeKind.LOADED else Outcome(OutcomeKind.LOADED)


def test_an_invalid_file_that_is_accepted_is_a_kind_of_its_own_for_each_rule(monkeypatch):
    monkeypatch.setattr("endianproof.conformance.exploring.search.OTHERWISE", 60)
    monkeypatch.setattr("endianproof.conformance.exploring.search.MOST_KINDS", 3)
    search = Search(Careless(), "safetensors", lambda _failure: False)
    search.draw(200, 0, None)
    rules = [rule for finding, _, rule in search.failures if finding == "invalid-file-accepted"]
    assert len(set(rules)) == len(rules) == len(search.failures) == 3
    assert search.ended_early == "no more than 3 kinds of failure are kept"
    assert search.drawn < 200
    assert min(len(failure.file.data) for failure in search.failures.values()) < 100


@pytest.mark.parametrize(("rule", "verdict"), [("PT-ZIP-05", "open"), ("PT-ZIP-12", "judged")])
def test_what_only_a_should_refuses_is_left_open(rule, verdict):
    """The reference refuses a wrong checksum (PT-ZIP-05, SHOULD); a loader that never looks is as right."""
    vector = next(v for v in load_vectors() if v.rules == (rule,) and v.verdict in {"may", "reject"})
    search = Search(Careless(), "torch-zip", lambda _failure: False)
    search.again([File(vector.format, vector.path.read_bytes(), None, ("as it is",))])
    assert search.counts == {verdict: 1}
    assert [rule for _, _, rule in search.failures] == ([] if verdict == "open" else [rule])


def test_a_damaged_file_that_is_still_valid_may_be_refused_but_not_loaded_as_something_else():

    class Other(InProcess):
        """Loads valid files rightly, and does something else with what is damaged and loads."""

        def __init__(self, instead):
            super().__init__()
            self.instead, self.search = instead, Noting(self, "safetensors", lambda _failure: False)

        def load(self, path, format_name, /, want="data"):
            outcome = super().load(path, format_name, want)
            valid = any(file.data == path.read_bytes() for file in self.search.valid)
            return outcome if valid or not outcome.tensors else Outcome(self.instead)

    found = {}
    for instead in (OutcomeKind.LOADED, OutcomeKind.REJECTED):
        testee = Other(instead)
        testee.search.draw(120, 0, None)
        found[instead] = {finding for finding, _, _ in testee.search.failures}
    assert found == {OutcomeKind.LOADED: {"wrong-names-types-or-shapes"}, OutcomeKind.REJECTED: set()}


def test_a_format_that_may_be_refused_as_a_whole_is_no_fault_to_refuse_but_must_be_read_rightly():
    def refuses(_tensors):
        raise SpecViolation("PTL-TAR-01", 0, "a tar archive", "none")

    assert searched(refuses, form="torch-tar", count=40)[0].failures == {}
    (failure, *_) = searched(lambda _tensors: outcome_of({}), form="torch-tar", count=40)[0].failures.values()
    assert failure.judgement.finding is Finding.WRONG_FORM


def test_a_known_failure_is_counted_and_not_reported():
    def refuses(tensors):
        if any(tensor.dtype == "bfloat16" for tensor in tensors.values()):
            raise SpecViolation("ST-DT-01", 0, "bfloat16", "none")
        return outcome_of(tensors)

    search, _ = searched(
        refuses, silent=lambda failure: "bfloat16" in failure.dtypes, dtypes=["uint8", "bfloat16"]
    )
    assert search.failures == {}
    assert search.counts["known"] > 5


@pytest.mark.parametrize(
    ("dtype", "order", "known"),
    [("complex32", "big", True), ("complex32", "little", False), ("float32", "big", False)],
)
def test_a_baseline_knows_what_most_vectors_of_a_type_do_and_not_what_an_odd_one_does(dtype, order, known):
    """Of an untyped storage float32 is not swapped either, which says nothing of a file that has none."""
    entries = (
        Entry(1, "wrong-values", "they are not looked at", vector="pt-*complex32-big", diagnosis="not-swapped"),
        Entry(2, "wrong-values", "likewise", vector="pt-untyped-float*-big", diagnosis="not-swapped"),
    )
    vector = next(v for v in load_vectors() if v.id == f"pt-dtype-{dtype}-{order}")
    failure = Failure(
        File(vector.format, vector.path.read_bytes(), vector.tensors),
        Expectation("accept", "", vector.tensors),
        Judgement(Finding.WRONG_VALUES, "", diagnosis="not-swapped"),
    )
    baseline, run = Baseline(Path("mine.yaml"), entries), RunConditions("none", "little", {})
    assert is_known(failure, baseline, run) is known
    assert (
        is_known(replace(failure, judgement=replace(failure.judgement, diagnosis="zeroed")), baseline, run)
        is False
    )
    assert is_known(failure, None, run) is False


@pytest.mark.parametrize(
    ("kind", "finding"),
    [(OutcomeKind.TIMED_OUT, Finding.TIMED_OUT), (OutcomeKind.CRASHED, Finding.CRASHED)],
)
def test_a_search_that_mostly_waits_ends_early_and_says_so(kind, finding):
    search, testee = searched(spoiling(lambda _tensor: True, kind))
    assert search.ended_early == f"ended early: {finding.value} {PATIENCE[finding]} times"
    assert search.counts[finding.value] == PATIENCE[finding]
    assert len(testee.files) < 120
    assert {failure.judgement.finding for failure in search.failures.values()} == {finding}


def test_a_testee_that_cannot_be_started_again_ends_the_search():
    def gone(_tensors):
        raise TesteeStartError("no such program", "install it")

    search, _ = searched(gone)
    assert search.ended_early == "ended early: no testee"
    (failure,) = search.failures.values()
    assert failure.judgement.headline == "the testee could not be started again: no such program"


def test_files_kept_from_before_are_tried_again():
    spoil = spoiling(lambda tensor: 0 in tensor.shape, OutcomeKind.UNKNOWN_RESULT)
    (failure,) = searched(spoil)[0].failures.values()
    still = Search(InProcess(spoil), "safetensors", lambda _failure: False)
    still.again([failure.file])
    assert [one.file for one in still.failures.values()] == [failure.file]
    mended = Search(InProcess(), "safetensors", lambda _failure: False)
    mended.again([failure.file])
    assert mended.failures == {}
    assert mended.counts == {"judged": 1}


# What was found is kept

BROKEN = File("safetensors", b"\x01" * 64, None, ("header_length",))
ABOUT = {"damages": ["header_length"], "headline": "crashed" * 100}


@contextlib.contextmanager
def full_after(count):
    """Files that may be no longer than so many bytes: what a full disk does to them."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (count, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@pytest.mark.parametrize("room", [32, 256])  # less than the file, less than its account
def test_what_cannot_be_kept_whole_leaves_nothing_behind(tmp_path, room):
    with full_after(room), pytest.raises(FoundFileError, match="cannot be saved"):
        keep(BROKEN, tmp_path, "x", ABOUT)
    assert list(tmp_path.iterdir()) == []
    path = keep(BROKEN, tmp_path, "x", ABOUT)
    assert list(kept(tmp_path, "safetensors", File)) == [(path, BROKEN)]
    assert keep(BROKEN, tmp_path, "x", ABOUT) == path


def test_a_found_file_without_an_account_is_kept_again(tmp_path):
    """Whoever was killed between the two left the first of them, which no search would ever try."""
    (tmp_path / "x-1.safetensors").write_bytes(BROKEN.data)
    path = keep(BROKEN, tmp_path, "x", ABOUT)
    assert path.name == "x-2.safetensors"
    assert list(kept(tmp_path, "safetensors", File)) == [(path, BROKEN)]
