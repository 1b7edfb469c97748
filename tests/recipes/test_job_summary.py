"""The summary that the action writes beside a job."""

from __future__ import annotations

import json
import runpy
import subprocess
import sys

import pytest
from recipes import ROOT

SCRIPT = ROOT / ".github" / "job_summary.py"
summary = runpy.run_path(str(SCRIPT))["summary"]


def result(task, kind="failed", headline="elements were not swapped", group="swap", rules=("BO-01",)):
    said = {"headline": headline, "group": group, "rules": rules}
    return {"format": "safetensors", "task": task, "kind": kind, **said}


def report(*results, guest=None, not_run=(), interrupted=False):
    kinds = [one["kind"] for one in results]
    return {
        "run": {"guest": guest},
        "testee": {"name": "mypkg.load", "version": "1.2", "machine": "s390x", "byteorder": "big"},
        "seconds": 4.2,
        "interrupted": interrupted,
        "counts": {kind: kinds.count(kind) for kind in kinds},
        "results": results,
        "not_run": list(not_run),
    }


def test_it_says_what_was_tested_and_where():
    assert summary(report(guest="trixie")).startswith(
        "### endianproof: mypkg.load 1.2 (s390x, big-endian, guest trixie)\n"
    )


def test_what_was_not_judged_is_shown_beside_what_passed():
    text = summary(report(result("a", "passed"), result("b", "unsupported"), not_run=["safetensors::c"]))
    assert "**1 unsupported, 1 passed, 1 not run**, in 4.2 s\n" in text
    assert "|" not in text


def test_failures_of_one_cause_are_one_row_the_most_frequent_first():
    rare = result("a", headline="rare", group="rare")
    text = summary(report(rare, result("b"), result("c", "not as the baseline says", rules=("BO-02",))))
    rows = [line for line in text.splitlines() if line.startswith("| ") and line[2].isdigit()]
    assert rows == [
        "| 2 | elements were not swapped | BO-01, BO-02 | safetensors::b |",
        "| 1 | rare | BO-01 | safetensors::a |",
    ]


def test_known_failures_are_counted_and_not_listed():
    text = summary(report(result("a", "known failures")))
    assert "1 known failures" in text
    assert "|" not in text


def test_an_interrupted_run_says_so():
    assert "interrupted" in summary(report(interrupted=True))


def test_many_causes_are_cut_short_and_counted():
    text = summary(report(*(result(f"t{n}", group=f"g{n}") for n in range(23))))
    assert text.count("\n| 1 |") == 20
    assert "and 3 more causes" in text


@pytest.mark.parametrize("evil", ["a | b", "<script>", "[x](http://y)", "two\nlines", "`code`", "# title"])
def test_a_librarys_words_are_neither_markdown_nor_html(evil):
    row = next(line for line in summary(report(result("a", headline=evil))).splitlines() if line.startswith("| 1"))
    assert row.count("|") == 5
    assert not set("<>`[]\\") & set(row)


def test_what_utf_8_cannot_say_is_written_all_the_same(tmp_path):
    said = report(result("a", headline="é \udc80"))
    (tmp_path / "report.json").write_text(json.dumps(said))
    done = subprocess.run(
        [sys.executable, SCRIPT, tmp_path / "report.json"], env={"LC_ALL": "C"}, capture_output=True, check=True
    )
    assert "| é \\udc80 |" in done.stdout.decode()
