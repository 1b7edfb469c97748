"""Verdicts and outcomes, and the report that a person reads."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest
from planted import loaded, outcome, plant, vector_of

from endianproof.conformance.finding import FAILURES, Finding
from endianproof.conformance.judge import judge
from endianproof.conformance.messages import encode, read_load
from endianproof.conformance.outcome import LoadedTensor, Outcome, OutcomeKind
from endianproof.spec import load_spec
from endianproof.vectors import PolicyChoice, load_vectors

PLANTED = plant([0x3F80, 0xC020, 0x0001, 0x7FC1], "bfloat16")
RIGHT = outcome(loaded("w", "bfloat16", (4,), PLANTED.tensor.canonical))
BUG_448 = outcome(loaded("w", "bfloat16", (4,), bytes.fromhex("00370000 000019C7")))
REFUSED = Outcome(OutcomeKind.REJECTED, error_type="SafetensorError", message="header too small")
POLICY = PolicyChoice("duplicates", accept="last-wins", reject="refuse", recommended="refuse")


@pytest.fixture
def vector(tmp_path):
    return vector_of(tmp_path, PLANTED)


def judged(vector, first, second=None, *, unchanged=True, policies=None, order="big"):
    return judge(vector, first, second, unchanged, policies or {}, machine_order=order)


def digest_of(first):
    return replace(first, tensors=tuple(replace(tensor, data=None) for tensor in first.tensors))


def test_a_valid_file_loaded_right_passes(vector):
    assert judged(vector, RIGHT, digest_of(RIGHT)).finding is Finding.PASSED


def test_a_loader_that_lacks_a_package_is_told_how_to_have_it(vector):
    absent = Outcome(OutcomeKind.REJECTED, error_type="ModuleNotFoundError", message="No module named 'ml_dtypes'")
    advice = dict(judged(vector, absent).lines)["what to do"]
    for way in ("--with=NAME", "endianproof guest install", "--build-in-guest"):
        assert way in advice
    assert "--with" not in dict(judged(vector, REFUSED).lines)["what to do"]


def test_an_invalid_file_refused_passes_whatever_the_library_says(vector):
    invalid = replace(vector, verdict="reject")
    for refusal in (REFUSED, replace(REFUSED, error_type="RuntimeError", message="")):
        assert judged(invalid, refusal).finding is Finding.PASSED


@pytest.mark.parametrize(
    ("kind", "finding"),
    [
        (OutcomeKind.CRASHED, Finding.CRASHED),
        (OutcomeKind.TIMED_OUT, Finding.TIMED_OUT),
        (OutcomeKind.OUT_OF_MEMORY, Finding.OUT_OF_MEMORY),
        (OutcomeKind.UNKNOWN_RESULT, Finding.UNKNOWN_RESULT),
        (OutcomeKind.PROTOCOL_ERROR, Finding.PROTOCOL_ERROR),
        (OutcomeKind.SAVED, Finding.PROTOCOL_ERROR),
    ],
)
@pytest.mark.parametrize("verdict", ["accept", "reject"])
def test_a_bad_end_is_a_failure_for_valid_and_invalid_files_alike(vector, kind, finding, verdict):
    judgement = judged(replace(vector, verdict=verdict), Outcome(kind, message="SIGSEGV\nlast words"))
    assert judgement.finding is finding
    assert judgement.headline.endswith(": SIGSEGV")
    if kind is OutcomeKind.CRASHED:
        assert "last words" in judgement.text()


def test_unsupported_is_neither_passed_nor_failed(vector):
    judgement = judged(vector, Outcome(OutcomeKind.UNSUPPORTED, message="dtype float8_e4m3fn"))
    assert judgement.finding is Finding.UNSUPPORTED
    assert not judgement.failed
    assert judgement.headline == "unsupported: dtype float8_e4m3fn"


def test_a_valid_file_refused_says_by_which_error(vector):
    judgement = judged(vector, REFUSED)
    assert judgement.finding is Finding.VALID_REFUSED
    assert judgement.headline == "a valid file was refused: SafetensorError: header too small"


def test_a_refusals_headline_has_one_line_without_colours_and_the_report_has_all(vector):
    error = {"type": "UnpicklingError", "message": "Weights \x1b[1;31monly\x1b[0m\nmore\x1b[2J"}
    words, _ = read_load(encode({"id": "v1", "outcome": "rejected", "error": error}), "v1", "data")
    judgement = judged(vector, words)
    assert judgement.headline == "a valid file was refused: UnpicklingError: Weights only"
    assert dict(judgement.lines)["loader said"] == "Weights only\nmore\\x1b[2J"


def test_refusals_that_differ_in_names_and_numbers_are_one_group(vector):
    said = [f"module 'torch' has no attribute 'uint{bits}'" for bits in (16, 32)]
    groups = {judged(vector, replace(REFUSED, message=text)).group for text in said}
    assert len(groups) == 1
    assert judged(vector, replace(REFUSED, message="header too large")).group not in groups


def test_an_invalid_file_accepted_says_what_is_wrong_with_it(vector):
    invalid = replace(vector, verdict="reject", change="{header_length: {add: 1}}", derived_from="st-a")
    judgement = judged(invalid, RIGHT, digest_of(RIGHT))
    assert judgement.finding is Finding.INVALID_ACCEPTED
    assert judgement.headline == "an invalid file was accepted: planted by a test"
    assert dict(judgement.lines)["made from"] == "st-a, which is valid, by the change {header_length: {add: 1}}"


def test_the_report_of_the_first_bug_names_rule_element_byte_and_remedy(vector):
    lines = judged(vector, BUG_448, digest_of(BUG_448)).text().splitlines()
    rule = load_spec().rules["BF-FMT-02"]
    text = " ".join(" ".join(lines).split())
    assert lines[0] == "values went through float16: 1.0 (0x3F80) came back as 7.6294e-06 (0x3700)"
    assert "vector planted: planted by a test" in text
    assert f"rule BF-FMT-02 ({rule.level}): {rule.statement}" in text
    assert "first element [0]: expected 1.0 (0x3F80), found 7.62939453125e-06 (0x3700)" in text
    assert "differing 4 of 4 elements" in text
    assert "in file byte 13 (0xD) of 21: 80 3F, little-endian" in text
    assert lines[-1].startswith(" ") or "what to do" in lines[-1]
    assert "view as uint16" in text


def test_the_report_stays_narrow_enough_for_a_comment(vector):
    assert max(map(len, judged(vector, BUG_448).text().splitlines())) <= 110


def test_the_headline_shows_one_point_nought_where_it_is_among_the_differing(tmp_path):
    planted = plant([0x4049, 0x3F80], "bfloat16")
    judgement = judged(vector_of(tmp_path, planted), outcome(loaded("w", "bfloat16", (2,), b"\x40\x49\x3f\x80")))
    assert ": 1.0 (0x3F80) came back as " in judgement.headline
    assert dict(judgement.lines)["first"].startswith("element [0]: expected 3.140625 (0x4049)")


def test_the_headline_shows_ordinary_numbers_rather_than_zeros_and_nans(tmp_path):
    planted = plant([0x7FC1, 0x0000, 0x4049], "bfloat16")
    data = outcome(loaded("w", "bfloat16", (3,), bytes.fromhex("AAAA BBBB 5040")))
    assert ": 3.1406 (0x4049) came back as 3.25 (0x4050)" in judged(vector_of(tmp_path, planted), data).headline


def test_values_that_nothing_explains_are_shown_as_they_are(vector):
    data = outcome(loaded("w", "bfloat16", (4,), bytes.fromhex("11223344 55667788")))
    judgement = judged(vector, data, digest_of(data))
    assert judgement.diagnosis == "unexplained"
    assert judgement.headline.startswith(
        "values differ in a way that no known mistake explains (4 of 4 elements): 1.0"
    )


def test_two_loads_that_differ_are_a_failure_even_when_the_first_was_right(vector):
    other = outcome(LoadedTensor("w", "bfloat16", (4,), "0" * 64))
    judgement = judged(vector, RIGHT, other)
    assert judgement.finding is Finding.LOADS_DIFFER
    assert judgement.headline == "two loads of the same file differ: tensors 'w'"


def test_garbage_that_changes_from_load_to_load_is_named_as_such(vector):
    first = outcome(loaded("w", "bfloat16", (4,), bytes.fromhex("11223344 55667788")))
    judgement = judged(vector, first, digest_of(BUG_448))
    assert judgement.finding is Finding.LOADS_DIFFER
    assert judgement.diagnosis == "uninitialised-memory"
    others = [text for label, text in judgement.lines if label == "also"]
    assert len(others) == 1
    assert others[0].startswith("values differ in a way that no known mistake explains (4 of 4 elements)")


def test_an_invalid_file_accepted_leads_whatever_two_loads_of_it_gave(vector):
    invalid = replace(vector, verdict="reject")
    judgement = judged(invalid, RIGHT, digest_of(BUG_448))
    assert judgement.finding is Finding.INVALID_ACCEPTED
    assert ("also", "two loads of the same file differ: tensors 'w'") in judgement.lines


def test_a_second_load_that_is_refused_is_a_difference(vector):
    assert judged(vector, RIGHT, REFUSED).finding is Finding.LOADS_DIFFER


def test_a_second_load_that_crashes_is_a_crash(vector):
    judgement = judged(vector, RIGHT, Outcome(OutcomeKind.CRASHED, message="SIGABRT"))
    assert judgement.finding is Finding.CRASHED
    assert judgement.headline == "the second load of the same file crashed: SIGABRT"


def test_a_modified_file_fails_a_load_that_was_right(vector):
    assert judged(vector, RIGHT, digest_of(RIGHT), unchanged=False).finding is Finding.FILE_MODIFIED


def test_a_file_that_the_first_load_changed_explains_a_second_load_that_differs(vector):
    judgement = judged(vector, RIGHT, REFUSED, unchanged=False)
    assert judgement.finding is Finding.FILE_MODIFIED
    assert any(
        label == "also" and text.startswith("two loads of the same file differ") for label, text in judgement.lines
    )


def test_code_that_was_executed_leads_whatever_came_of_the_load(vector):
    invalid = replace(vector, verdict="reject")
    for first in (REFUSED, RIGHT, Outcome(OutcomeKind.CRASHED), Outcome(OutcomeKind.UNKNOWN_RESULT)):
        judgement = judged(invalid, replace(first, ran_code=True))
        assert judgement.finding is Finding.CODE_EXECUTED
        assert judgement.headline == "code from the file was executed: planted by a test"


def test_code_that_only_the_second_load_executed_is_found(vector):
    assert judged(vector, RIGHT, replace(digest_of(RIGHT), ran_code=True)).finding is Finding.CODE_EXECUTED


def test_the_most_harmful_finding_leads_and_the_others_follow(vector):
    judgement = judged(vector, BUG_448, digest_of(BUG_448), unchanged=False)
    assert judgement.finding is Finding.WRONG_VALUES
    assert ("also", "the file was changed by loading it") in judgement.lines


def test_findings_are_ordered_from_silent_damage_to_refusal():
    assert [finding.value for finding in FAILURES] == [
        "wrong-values",
        "two-loads-differ",
        "two-saves-differ",
        "nothing-written",
        "file-modified",
        "caller-tensors-changed",
        "code-executed",
        "invalid-file-accepted",
        "invalid-file-written",
        "crashed",
        "timed-out",
        "out-of-memory",
        "valid-file-refused",
        "valid-tensors-refused",
        "wrong-names-types-or-shapes",
        "unknown-result",
        "protocol-error",
        "supported-after-all",
    ]


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ((), "missing: 'w'"),
        (("v",), "missing: 'w'; not in the file: 'v'"),
        (("w", "v"), "not in the file: 'v'"),
        (("w", "w"), "returned twice: 'w'"),
    ],
)
def test_wrong_names_are_listed(vector, names, said):
    data = PLANTED.tensor.canonical
    judgement = judged(vector, outcome(*(loaded(name, "bfloat16", (4,), data) for name in names)))
    assert judgement.finding is Finding.WRONG_FORM
    assert judgement.headline == f"the tensors' names are not the file's: {said}"


def test_the_right_bits_under_another_type_are_a_wrong_form(vector):
    judgement = judged(vector, outcome(loaded("w", "uint16", (4,), PLANTED.tensor.canonical)))
    assert (judgement.finding, judgement.diagnosis) == (Finding.WRONG_FORM, "wrong-dtype-same-bits")


def test_wrong_bits_under_another_type_are_wrong_values(vector):
    swapped = bytes.fromhex("3F80 C020 0001 7FC1")
    judgement = judged(vector, outcome(loaded("w", "uint16", (4,), swapped)))
    assert (judgement.finding, judgement.diagnosis) == (Finding.WRONG_VALUES, "not-swapped")
    assert any(label == "also" and "uint16 in place of bfloat16" in text for label, text in judgement.lines)


def test_the_machines_byte_order_decides_what_a_reversal_is_called(vector):
    swapped = outcome(loaded("w", "bfloat16", (4,), bytes.fromhex("3F80 C020 0001 7FC1")))
    assert judged(vector, swapped, order="big").diagnosis == "not-swapped"
    assert judged(vector, swapped, order="little").diagnosis == "swapped-needlessly"


def test_further_wrong_tensors_are_counted(vector):
    second = replace(PLANTED.tensor, name="v")
    both = replace(vector, tensors=(PLANTED.tensor, second))
    data = bytes.fromhex("00370000 000019C7")
    judgement = judged(both, outcome(*(loaded(name, "bfloat16", (4,), data) for name in "wv")))
    assert dict(judgement.lines)["others"] == "1 more of 2 tensors differ too"


@pytest.mark.parametrize(
    ("first", "choice"),
    [(RIGHT, ("duplicates", "last-wins")), (REFUSED, ("duplicates", "refuse"))],
)
def test_a_policy_left_open_may_go_either_way_and_which_is_noted(vector, first, choice):
    judgement = judged(replace(vector, verdict="may", policy=POLICY), first)
    assert judgement.finding is Finding.PASSED
    assert judgement.choice == choice


def test_a_file_that_may_be_loaded_must_be_loaded_right(vector):
    may = replace(vector, verdict="may", policy=POLICY)
    assert judged(may, BUG_448).finding is Finding.WRONG_VALUES


def test_a_pinned_policy_turns_may_into_must(vector):
    may = replace(vector, verdict="may", policy=POLICY)
    assert judged(may, REFUSED, policies={"duplicates": "last-wins"}).finding is Finding.VALID_REFUSED
    accepted = judged(may, RIGHT, policies={"duplicates": "refuse"})
    assert accepted.finding is Finding.INVALID_ACCEPTED
    assert "(you pinned duplicates=refuse)" in accepted.headline
    assert judged(may, RIGHT, policies={"duplicates": "last-wins"}).finding is Finding.PASSED


@pytest.mark.parametrize(("data", "said"), [(b"", "0 bytes"), (b"\0", "1 byte"), (b"\0" * 41, "41 bytes")])
def test_data_of_another_length_than_dtype_and_shape_say_is_never_right(data, said):
    """Found by a stranger: a testee that sent no bytes at all passed every valid vector."""
    vector = next(vector for vector in load_vectors() if vector.id == "st-plain")
    digest = hashlib.sha256(data).hexdigest()
    outcome = Outcome(OutcomeKind.LOADED, (LoadedTensor("x", "float32", (5,), digest, data),))
    judgement = judge(vector, outcome, outcome, True, {})
    assert judgement.finding is Finding.PROTOCOL_ERROR
    assert judgement.headline.startswith(f"the testee's reply is wrong: {said} for 'x'")


def test_a_wrong_shape_is_the_finding_where_the_values_of_it_cannot_be_explained(vector):
    found = bytes.fromhex("0102030405060708")
    reshaped = outcome(loaded("w", "bfloat16", (2, 2), found))
    judgement = judged(vector, reshaped, reshaped)
    assert judgement.finding is Finding.WRONG_FORM
    assert judgement.headline == "shape [2, 2] instead of [4]: tensor 'w'"


def test_a_wrong_shape_stands_behind_wrong_values_that_can_be_explained(vector):
    swapped = bytes.fromhex("3F80C02000017FC1")
    reshaped = outcome(loaded("w", "bfloat16", (2, 2), swapped))
    judgement = judged(vector, reshaped, reshaped)
    assert judgement.finding is Finding.WRONG_VALUES
    assert judgement.headline.startswith("elements were not swapped: ")
    assert ("also", "shape [2, 2] instead of [4]: tensor 'w'") in judgement.lines


def test_a_wrong_element_of_a_tensor_of_more_sizes_than_numpy_has_is_pointed_at():
    planted = plant([0x0102, 0x0304, 0x0506], "uint16", shape=(*[1] * 99, 3))
    lines = dict(planted.difference([0x0102, 0x0304, 0xBEEF]).lines())
    assert lines["first"].startswith(f"element {[*[0] * 99, 2]}: expected ")
