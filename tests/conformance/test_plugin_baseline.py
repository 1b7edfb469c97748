"""Baselines in a run: known failures keep it green, whatever else changes fails it."""

from __future__ import annotations

import pytest
import yaml

pytest_plugins = ["pytester"]

# A small selection: three valid vectors, one of them bfloat16.
FEW = ("st-dtype-bfloat16", "st-dtype-float32", "st-dtype-uint8")


def ids(*names):
    return [f"safetensors::{name}" for name in names]


def baseline(pytester, **entry):
    path = pytester.path / "known.yaml"
    entry = {"vector": "st-dtype-bfloat16", "finding": "wrong-values", "reason": "a bug of ours", **entry}
    path.write_text(yaml.safe_dump({"baseline": 1, "known_failures": [entry]}))
    return path


def test_a_known_failure_keeps_the_run_green_and_is_shown(run, pytester):
    baseline(pytester)
    result = run("--loader=mypkg.swaps", "--baseline=known.yaml", *ids(*FEW))
    assert result.ret == 0
    result.assert_outcomes(passed=2, xfailed=1)
    result.stdout.fnmatch_lines(["*2 passed, 1 known failures*", "known failures, by the baseline:"])


def test_runxfail_reports_a_known_failure_as_a_failure(run, pytester):
    baseline(pytester)
    result = run("--loader=mypkg.swaps", "--baseline=known.yaml", "--runxfail", *ids(*FEW))
    result.assert_outcomes(passed=2, failed=1)


def test_a_known_failure_that_passes_fails_the_run_and_says_what_to_change(run, pytester):
    baseline(pytester)
    result = run("--loader=mypkg.load", "--baseline=known.yaml", *ids(*FEW))
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(
        [
            "st-dtype-bfloat16 passes, and entry 1 of known.yaml says that it fails: wrong-values",
            "*remove that entry*",
        ]
    )


def test_a_known_failure_that_became_another_fails_the_run(run, pytester):
    baseline(pytester)
    result = run("--loader=mypkg.refuses", "--baseline=known.yaml", *ids(*FEW))
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(
        ["st-dtype-bfloat16 fails otherwise than entry 1 of known.yaml says: valid-file-refused*"]
    )


def test_an_entry_for_another_machine_does_not_count(run, pytester):
    baseline(pytester, when={"guest": "trixie"})
    run("--loader=mypkg.load", "--baseline=known.yaml", *ids(*FEW)).assert_outcomes(passed=3)


def test_an_entry_that_matches_nothing_is_a_usage_error(run, pytester):
    baseline(pytester, vector="st-gone")
    result = run("--loader=mypkg.load", "--baseline=known.yaml")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*known.yaml:3: known_failures?0?: this matches no vector*with vector st-gone*"])


@pytest.mark.parametrize("workers", [(), ("-n2",)], ids=["alone", "with-workers"])
def test_updating_writes_what_fails_and_the_next_run_is_green(run, pytester, workers):
    if workers:
        pytest.importorskip("xdist")
    result = run("--loader=mypkg.swaps", "--baseline=new.yaml", "--update-baseline", *ids(*FEW), *workers)
    assert result.ret == 0
    result.stdout.fnmatch_lines(["baseline written: new.yaml: 1 entries (0 before)"])
    (entry,) = yaml.safe_load((pytester.path / "new.yaml").read_text())["known_failures"]
    assert (entry["vector"], entry["finding"]) == ("st-dtype-bfloat16", "wrong-values")
    again = run("--loader=mypkg.swaps", "--baseline=new.yaml", *ids(*FEW), *workers)
    again.assert_outcomes(passed=2, xfailed=1)


def test_updating_keeps_reasons_and_drops_what_passes(run, pytester):
    path = baseline(pytester, link="https://example.org/1", diagnosis="not-swapped")
    run("--loader=mypkg.swaps", "--baseline=known.yaml", "--update-baseline", *ids(*FEW))
    (entry,) = yaml.safe_load(path.read_text())["known_failures"]
    assert (entry["reason"], entry["link"]) == ("a bug of ours", "https://example.org/1")
    run("--loader=mypkg.load", "--baseline=known.yaml", "--update-baseline", *ids(*FEW))
    assert yaml.safe_load(path.read_text())["known_failures"] == []


def test_updating_after_a_part_of_a_run_forgets_no_entry_of_the_rest(run, pytester):
    entry = "{vector: st-dtype-*, finding: wrong-values, reason: it swaps}"
    pytester.makefile(".yaml", known=f"baseline: 1\nknown_failures: [{entry}]\n")
    run("--loader=mypkg.load", "--baseline=known.yaml", "--update-baseline", "safetensors::st-dtype-float32")
    written = (pytester.path / "known.yaml").read_text(encoding="utf-8")
    assert "vector: st-dtype-bfloat16\n  finding: wrong-values\n  reason: it swaps\n" in written
    assert "st-dtype-float32" not in written
