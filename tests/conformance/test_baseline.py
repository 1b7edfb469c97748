"""Baselines: read, held strictly, and written back."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from endianproof.conformance.baseline import (
    Baseline,
    BaselineError,
    Entry,
    Ruling,
    RunConditions,
    read_baseline,
)
from endianproof.conformance.baseline_writer import write_baseline
from endianproof.conformance.finding import FAILURES, Finding, Judgement
from endianproof.vectors import load_vectors

BFLOAT, FLOAT = (next(v for v in load_vectors() if v.id == f"st-dtype-{name}") for name in ("bfloat16", "float32"))
ON_S390X = RunConditions("trixie", "big", {"safetensors": "0.4.2", "torch": "2.6.0+debian"})
HERE = RunConditions("none", "little", {"torch": "2.13.0+cpu"})
WRONG = Judgement(
    Finding.WRONG_VALUES, "values went through float16: ...", diagnosis="through-float16-around-swap"
)
CRASH = Judgement(Finding.CRASHED, "the loader crashed: SIGSEGV")
PASSED = Judgement(Finding.PASSED, "passed")
UNSUPPORTED = Judgement(Finding.UNSUPPORTED, "unsupported: dtype bfloat16")

KNOWN = """\
baseline: 1
known_failures:
- vector: st-dtype-bfloat16
  finding: wrong-values
  diagnosis: through-float16-around-swap
  when: {byteorder: big, packages: {safetensors: "<0.4.4"}}
  reason: safetensors 0.3.3 to 0.4.3
  link: https://github.com/safetensors/safetensors/issues/448
"""


DECLINED = """\
baseline: 1
known_failures: []
unsupported:
- {vector: st-dtype-bfloat16, when: {byteorder: big}, reason: numpy has no bfloat16}
"""


@pytest.fixture
def path(tmp_path):
    return tmp_path / "known.yaml"


@pytest.fixture
def known(path):
    path.write_text(KNOWN)
    return read_baseline(path, load_vectors())


def test_the_recorded_failure_is_known_by_its_entry(known):
    ruling = known.rule(BFLOAT, WRONG, ON_S390X)
    assert ruling.known.reason == "safetensors 0.3.3 to 0.4.3"
    assert not ruling.message


def test_another_failure_than_the_recorded_one_is_told(known, path):
    message = known.rule(BFLOAT, CRASH, ON_S390X).message
    assert message.startswith(
        f"st-dtype-bfloat16 fails otherwise than entry 1 of {path} says: "
        "crashed instead of wrong-values (through-float16-around-swap)"
    )
    assert "--update-baseline" in message


def test_the_same_finding_with_another_diagnosis_is_another_failure(known):
    other = Judgement(Finding.WRONG_VALUES, "not swapped", diagnosis="not-swapped")
    assert "wrong-values (not-swapped) instead of" in known.rule(BFLOAT, other, ON_S390X).message


def test_an_entry_without_diagnosis_takes_any():
    entry = Entry(1, "wrong-values", "why", vector="st-dtype-*")
    assert entry.describes(WRONG)
    assert not entry.describes(CRASH)


@pytest.mark.parametrize(("judgement", "word"), [(PASSED, "passes"), (UNSUPPORTED, "is unsupported")])
def test_an_entry_whose_vector_fails_no_more_is_told(known, path, judgement, word):
    message = known.rule(BFLOAT, judgement, ON_S390X).message
    assert message.startswith(f"st-dtype-bfloat16 {word}, and entry 1 of {path} says that it fails")
    assert "remove that entry" in message


def test_a_glob_that_covers_a_passing_vector_is_to_be_narrowed(path):
    baseline = Baseline(path, (Entry(1, "wrong-values", "why", vector="st-dtype-*"),))
    assert "narrow it so that it does not cover st-dtype-float32" in baseline.rule(FLOAT, PASSED, HERE).message


def test_an_entry_for_other_runs_does_not_bind_this_one(known):
    ruling = known.rule(BFLOAT, PASSED, HERE)
    assert not ruling.message


def test_a_vector_without_entry_is_judged_alone(known):
    for judgement in (WRONG, PASSED):
        ruling = known.rule(FLOAT, judgement, ON_S390X)
        assert ruling.known is None
        assert not ruling.message


@pytest.fixture
def declined(path):
    path.write_text(DECLINED)
    return read_baseline(path, load_vectors())


def test_what_is_listed_as_unsupported_may_be(declined):
    assert declined.rule(BFLOAT, UNSUPPORTED, ON_S390X) == Ruling()
    assert declined.rule(FLOAT, PASSED, ON_S390X) == Ruling()


def test_what_is_declined_and_not_listed_is_told_where_there_is_a_list(declined, known, path):
    message = declined.rule(FLOAT, UNSUPPORTED, ON_S390X).message
    assert message.startswith(
        f"st-dtype-float32 is unsupported, and {path} does not list it as that: unsupported: "
    )
    assert "--update-baseline" in message
    assert declined.rule(BFLOAT, UNSUPPORTED, HERE).message, "listed for big-endian machines alone"
    assert known.rule(FLOAT, UNSUPPORTED, ON_S390X) == Ruling(), "no list"


@pytest.mark.parametrize(("judgement", "word"), [(PASSED, "passes"), (WRONG, "fails")])
def test_what_is_listed_as_unsupported_and_is_not_is_told(declined, path, judgement, word):
    message = declined.rule(BFLOAT, judgement, ON_S390X).message
    assert message.startswith(
        f"st-dtype-bfloat16 {word}, and unsupported entry 1 of {path} lists it as unsupported"
    )


def test_an_empty_list_says_that_all_is_supported(path):
    path.write_text("baseline: 1\nknown_failures: []\nunsupported: []\n")
    assert read_baseline(path, load_vectors()).rule(FLOAT, UNSUPPORTED, HERE).message


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (DECLINED.replace("st-dtype-bfloat16", "st-gone"), ":4: unsupported[0]: this matches no vector"),
        (DECLINED.replace("big", "middle"), ":4: unsupported[0].when.byteorder: 'middle' was found"),
        (
            DECLINED.replace("reason", "finding: unsupported, reason"),
            ":4: unsupported[0]: there is no key 'finding'",
        ),
        (KNOWN.replace("wrong-values", "unsupported"), "known_failures[0]: unknown finding 'unsupported'"),
    ],
)
def test_a_list_of_what_is_unsupported_is_read_as_strictly(path, text, said):
    path.write_text(text)
    with pytest.raises(BaselineError) as caught:
        read_baseline(path, load_vectors())
    assert said in str(caught.value)


def test_updating_lists_what_is_unsupported(path):
    new = Baseline(path).updated([(BFLOAT, UNSUPPORTED), (FLOAT, PASSED)], HERE, {"guest": "none"})
    assert new.entries == ()
    assert [entry.document() for entry in new.unsupported] == [
        {"vector": "st-dtype-bfloat16", "when": {"guest": "none"}, "reason": UNSUPPORTED.headline}
    ]
    assert new.rule(BFLOAT, UNSUPPORTED, HERE) == Ruling()


def test_updating_moves_what_is_declined_no_more(declined):
    assert declined.updated([(BFLOAT, PASSED)], ON_S390X, {}).unsupported == ()
    assert declined.updated([(BFLOAT, PASSED)], HERE, {}).unsupported == declined.unsupported
    failing = declined.updated([(BFLOAT, WRONG)], ON_S390X, {})
    assert (len(failing.entries), failing.unsupported) == (1, ())


def test_a_list_of_what_is_unsupported_reads_back_the_same(declined, path):
    write_baseline(declined)
    assert read_baseline(path, load_vectors()) == declined


@pytest.mark.parametrize(
    ("when", "run", "applies"),
    [
        ({}, HERE, True),
        ({"guest": "trixie"}, ON_S390X, True),
        ({"guest": "trixie"}, HERE, False),
        ({"guest": "none"}, HERE, True),
        ({"byteorder": "little"}, ON_S390X, False),
        ({"packages": {"torch": ">=2.1"}}, ON_S390X, True),
        ({"packages": {"torch": "==2.13.0"}}, HERE, True),
        ({"packages": {"torch": "<2.6"}}, ON_S390X, False),
        ({"packages": {"safetensors": ">=0.4"}}, HERE, False),
        ({"guest": "trixie", "packages": {"torch": "<2"}}, ON_S390X, False),
    ],
)
def test_an_entry_speaks_only_of_the_runs_that_it_describes(when, run, applies):
    assert Entry(1, "crashed", "why", vector="*", when=when).applies(run) is applies


def test_an_entry_may_name_a_rule_instead_of_a_vector():
    rule = next(vector.rules[0] for vector in load_vectors() if vector.id == BFLOAT.id)
    assert Entry(1, "crashed", "why", rule=rule).covers(BFLOAT)
    assert not Entry(1, "crashed", "why", rule="PT-*").covers(BFLOAT)
    assert not Entry(1, "crashed", "why", rule=rule, vector="pt-*").covers(BFLOAT)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("baseline: 2\nknown_failures: []\n", ":1: baseline: 2 was found, 1 was expected"),
        ("known_failures: []\n", ":1: at the top: the key 'baseline' is missing"),
        ("- a list\n", ":1: at the top: ['a list'] was found, a mapping was expected"),
        ("baseline: [\n", "is not YAML: "),
        (KNOWN.replace("safetensors 0.3.3 to 0.4.3", "2026-02-30"), "is not YAML: day is out of range for month"),
        ("baseline: " + "[" * 5000, "is not YAML: "),
        (
            KNOWN.replace("finding: wrong-values", "finding: wrong"),
            ":3: known_failures[0]: unknown finding 'wrong'; there are ",
        ),
        (
            KNOWN.replace("reason:", "raison:"),
            ":3: known_failures[0]: there is no key 'raison' here; did you mean reason?",
        ),
        ("", "is empty; a baseline was expected: baseline: 1"),
        ("baseline: 1\nknown_failures: {}\n", ":2: known_failures: {} was found, a list was expected"),
        (f"{KNOWN}known_failures: []\n", ":9: the key 'known_failures' is there twice"),
        (
            "baseline: 1\nknown_failures:\n- {finding: crashed, reason: why}\n",
            ":3: known_failures[0]: one of the keys vector, rule is missing",
        ),
        (KNOWN.replace("byteorder: big", "guest: trixy"), "there is no guest 'trixy'; did you mean trixie?"),
        (KNOWN.replace("byteorder: big", "guest: s390x"), "write trixie for guest s390x"),
        (KNOWN.replace("byteorder: big", "guest: host"), "there is no guest 'host'; there are none, bookworm"),
        (KNOWN.replace("big", "middle"), ":6: known_failures[0].when.byteorder: 'middle' was found"),
        (KNOWN.replace('"<0.4.4"', "new"), "known_failures[0]: 'new' is no range of versions of safetensors"),
        (
            KNOWN.replace("st-dtype-bfloat16", "st-gone"),
            "known_failures[0]: this matches no vector: there is none with vector st-gone",
        ),
        (
            KNOWN.replace("vector: st-dtype-bfloat16", "rule: ST-GONE-*"),
            "this matches no vector: there is none with rule ST-GONE-*",
        ),
    ],
)
def test_a_file_that_is_no_baseline_is_refused_with_the_place(path, text, said):
    path.write_text(text)
    with pytest.raises(BaselineError) as caught:
        read_baseline(path, load_vectors())
    assert str(path) in str(caught.value)
    assert said in str(caught.value)


def test_a_file_that_is_not_there_is_refused(path):
    with pytest.raises(BaselineError, match="cannot be read"):
        read_baseline(path, load_vectors())


def test_updating_records_new_failures_under_the_given_condition(path):
    new = Baseline(path).updated([(BFLOAT, WRONG), (FLOAT, PASSED)], ON_S390X, {"guest": "trixie"})
    assert [entry.document() for entry in new.entries] == [
        {
            "vector": "st-dtype-bfloat16",
            "finding": "wrong-values",
            "diagnosis": "through-float16-around-swap",
            "when": {"guest": "trixie"},
            "reason": WRONG.headline,
        }
    ]


def test_updating_drops_what_passes_and_keeps_what_was_not_run(known):
    assert known.updated([(BFLOAT, PASSED)], ON_S390X, {}).entries == ()
    assert known.updated([(FLOAT, PASSED)], ON_S390X, {}).entries == known.entries


def test_updating_keeps_entries_of_other_runs(known):
    assert known.updated([(BFLOAT, PASSED)], HERE, {}).entries == known.entries


def test_updating_a_changed_failure_keeps_reason_link_and_condition(known):
    (entry,) = known.updated([(BFLOAT, CRASH)], ON_S390X, {"guest": "other"}).entries
    old = known.entries[0]
    assert (entry.finding, entry.diagnosis) == ("crashed", "")
    assert (entry.reason, entry.link, entry.when) == (old.reason, old.link, old.when)


def test_updating_splits_a_glob_that_is_no_longer_true(path):
    baseline = Baseline(path, (Entry(1, "wrong-values", "why", vector="st-dtype-*"),))
    new = baseline.updated([(BFLOAT, WRONG), (FLOAT, PASSED)], HERE, {})
    assert [(entry.vector, entry.reason) for entry in new.entries] == [("st-dtype-bfloat16", "why")]


def test_updating_after_a_part_of_the_vectors_forgets_nothing_of_the_others(path):
    entry = Entry(1, "wrong-values", "why", vector="st-dtype-*", rule="ST-*", link="there")
    others = [v for v in load_vectors() if entry.covers(v) and v.id != BFLOAT.id]
    new = Baseline(path, (entry,)).updated([(BFLOAT, PASSED)], HERE, {}, load_vectors())
    assert [one.vector for one in new.entries] == [vector.id for vector in others]
    assert {(one.reason, one.link, one.rule) for one in new.entries} == {("why", "there", "ST-*")}
    assert [one.number for one in new.entries] == list(range(1, len(others) + 1))


def test_updating_twice_changes_nothing_more(path):
    once = Baseline(path).updated([(BFLOAT, WRONG)], HERE, {"byteorder": "little"})
    assert once.updated([(BFLOAT, WRONG)], HERE, {"byteorder": "little"}) == once


def test_what_is_written_reads_back_the_same(known, path):
    write_baseline(known)
    assert read_baseline(path, load_vectors()) == known


def test_a_baseline_that_cannot_be_written_leaves_the_old_one_and_nothing_else(known, path, monkeypatch):
    before = path.read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    monkeypatch.setattr("pathlib.Path.replace", full)
    with pytest.raises(OSError, match="No space"):
        write_baseline(known)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


PAGE = Path(__file__).resolve().parents[2] / "docs" / "baselines.md"


def test_the_page_about_baselines_shows_one_and_names_every_finding(path):
    text = PAGE.read_text(encoding="utf-8")
    path.write_text(re.search(r"```yaml\n(.*?)```", text, re.DOTALL)[1])
    shown = read_baseline(path, load_vectors())
    assert {key for entry in shown.entries for key in entry.document()} == {
        "vector", "rule", "finding", "diagnosis", "when", "reason", "link"
    }  # fmt: skip
    assert shown.unsupported
    listed = re.search(r"how much they hurt: (.*?)\.\n", text, re.DOTALL)[1]
    assert re.findall(r"`([a-z-]+)`", listed) == [finding.value for finding in FAILURES]
