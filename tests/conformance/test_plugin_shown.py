"""What a run shows: header, reports, summary, policies; run by pytest inside pytest."""

from __future__ import annotations

import json
import sys

import pytest

from endianproof.vectors import load_vectors

pytest_plugins = ["pytester"]

# A small selection: three valid vectors, one of them bfloat16.
FEW = ("st-dtype-bfloat16", "st-dtype-float32", "st-dtype-uint8")


def ids(*names):
    return [f"safetensors::{name}" for name in names]


def test_the_header_says_who_is_tested_where_and_with_how_many_vectors(run):
    result = run("--loader=mypkg.load", *ids(*FEW))
    order = f"{sys.byteorder}-endian"
    result.stdout.fnmatch_lines(
        [f"endianproof: mypkg.load, CPython *, *, {order}", f"endianproof: *; 3 of {len(load_vectors())} vectors"]
    )


def test_the_first_bug_is_reported_from_headline_to_remedy(run):
    result = run("--loader=mypkg.float16", *ids("st-dtype-bfloat16"))
    headline = "values went through float16: 1.0 (0x3F80) came back as 7.6294e-06 (0x3700)"
    assert result.ret == 1
    result.stdout.fnmatch_lines(
        [
            "*_ st-dtype-bfloat16 _*",
            headline,
            "  vector *st-dtype-bfloat16: bfloat16, 8 elements",
            "  rule * (MUST): *",
            "  first *element [[]0]: expected 1.0 (0x3F80), found 7.62939453125e-06 (0x3700)",
            "  differing * of 8 elements*",
            "  in file *byte 64 (0x40) of 80: 80 3F, little-endian",
            "  what to do *swap bfloat16 as 16-bit integers*",
            "failed, the most harmful first:",
            f"     1  {headline}",
            "        st-dtype-bfloat16",
        ]
    )
    assert "Traceback" not in result.stdout.str()


def test_the_short_summary_carries_the_headline(run, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    result = run("--loader=mypkg.float16", *ids("st-dtype-bfloat16"))
    result.stdout.fnmatch_lines(
        ["FAILED safetensors::st-dtype-bfloat16 - values went through float16: 1.0 (0x3F80) came back as *"]
    )


def test_unsupported_is_skipped_counted_and_never_passed(run):
    result = run("--loader=mypkg.picky", *ids(*FEW))
    assert result.ret == 0
    result.assert_outcomes(passed=2, skipped=1)
    result.stdout.fnmatch_lines(
        [
            "*2 passed, 1 unsupported, *",
            "unsupported, and not counted as passed:",
            "     1  unsupported: dtype bfloat16",
            "        st-dtype-bfloat16",
        ]
    )


def test_a_run_of_which_nothing_is_supported_is_no_success(run):
    result = run("--loader=mypkg.picky", *ids("st-dtype-bfloat16"))
    assert result.ret == pytest.ExitCode.NO_TESTS_COLLECTED
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(["hint: nothing was judged: every one is unsupported, *"])


def test_a_loader_that_declines_all_that_is_valid_is_no_success(run, pytester):
    pytester.makepyfile(
        declines="""
        from endianproof.reference import load as right
        def load(path):
            if right(path):
                raise NotImplementedError("not yet")
            return {}
        """
    )
    result = run("--loader=declines.load", "--format=safetensors", "--rule=st-hdr-03")
    assert result.ret == pytest.ExitCode.NO_TESTS_COLLECTED
    assert result.parseoutcomes()["passed"]
    result.stdout.fnmatch_lines(
        [
            "hint: even the plainest safetensors file is unsupported: *",
            "hint: nothing valid was judged: *the exit code says so",
        ]
    )


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (
            "def load(data):\n    return data[:8] + b''\n",
            "hint: the loader raises TypeError *with a path, a str *",
        ),
        (
            "def load(file):\n    return file.read()\n",
            "*raises AttributeError *--loader-takes=path, bytes or file *",
        ),
        ("def load(path, device):\n    return {}\n", "*raises TypeError *a path, a str and nothing else*"),
    ],
)
def test_a_loader_that_is_given_the_wrong_thing_is_told_what_it_is_given(run, pytester, source, said):
    pytester.makepyfile(miscalled=source)
    result = run("--loader=miscalled.load", "--format=safetensors", "--rule=ST-HDR-03")
    result.stdout.fnmatch_lines([said])


def test_a_refusal_shows_the_librarys_words(run):
    result = run("--loader=mypkg.refuses", *ids(*FEW))
    result.stdout.fnmatch_lines(["a valid file was refused: TypeError: Got unsupported ScalarType BFloat16"])


def test_a_crash_costs_one_vector(run):
    result = run("--loader=mypkg.crashes", *ids(*FEW))
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(["the loader crashed: *SIGABRT*"])


def test_writing_to_the_file_costs_one_vector_and_no_golden_file(run):
    (golden,) = [vector.path for vector in load_vectors() if vector.id == "st-dtype-bfloat16"]
    before = golden.read_bytes()
    result = run("--loader=mypkg.writes", *ids(*FEW))
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(["the file was changed by loading it"])
    assert golden.read_bytes() == before


def test_an_invalid_file_accepted_says_what_is_wrong_with_it(run):
    invalid = next(v for v in load_vectors() if v.verdict == "reject" and v.format == "safetensors")
    result = run("--loader=mypkg.accepts", *ids(invalid.id))
    assert result.ret == 1
    assert f"an invalid file was accepted: {invalid.description}" in result.stdout.str()


def test_what_a_loader_prints_decides_nothing(run):
    run("--loader=mypkg.prints", *ids(*FEW)).assert_outcomes(passed=3)


def test_findings_stand_in_the_junit_file(run, pytester):
    run("--loader=mypkg.swaps", *ids("st-dtype-bfloat16"), "--junit-xml=out.xml")
    text = (pytester.path / "out.xml").read_text()
    assert 'name="endianproof_finding" value="wrong-values"' in text
    assert 'message="elements were swapped although' in text


def test_a_loader_that_reads_one_format_only_is_told_how_to_say_so(run, pytester):
    pytester.makepyfile(
        onlysafe="""
        from endianproof.reference import load as right
        def load(path):
            if not path.endswith(".safetensors"):
                raise ValueError("not mine")
            return right(path)
        """
    )
    result = run("--loader=onlysafe.load", "-k", "st-dtype")
    result.stdout.fnmatch_lines(["hint: even the plainest torch-zip file is refused: *--format=safetensors"])


def test_a_loader_that_refuses_everything_is_told_that_its_passes_prove_nothing(run, pytester):
    pytester.makepyfile(stubborn="def load(path, other): return {}")
    result = run("--loader=stubborn.load", "--format=safetensors", "--rule=st-hdr-03")
    result.assert_outcomes(passed=result.parseoutcomes()["passed"])
    result.stdout.fnmatch_lines(["hint: even the plainest safetensors file is refused: *proves nothing"])


# What a vector leaves open


def open_vector():
    return next(v for v in load_vectors() if v.verdict == "may" and v.format == "safetensors" and v.policy)


def test_the_way_that_a_policy_went_is_shown(run):
    vector = open_vector()
    result = run("--loader=reference", *ids(vector.id))
    assert result.ret == 0
    result.stdout.fnmatch_lines(["what the format leaves open:", f"  {vector.policy.name}: * ({vector.id})*"])


def test_a_pinned_policy_decides(run):
    vector = open_vector()
    codes = {
        run("--loader=reference", f"--policy={vector.policy.name}={choice}", *ids(vector.id)).ret
        for choice in (vector.policy.accept, vector.policy.reject)
    }
    assert codes == {0, 1}


def test_what_is_accepted_is_shown_above_and_below_and_in_the_report(run, pytester):
    few = ids("st-bfloat16-448", "st-empty-float32")
    assert run("--loader=mypkg.as_uint16", *few).ret == 1
    result = run("--loader=mypkg.as_uint16", "--accept=bfloat16=uint16", "--report=found.json", *few)
    assert result.ret == 0
    result.stdout.fnmatch_lines(
        [
            "endianproof: accepted, because you say so: bfloat16 as uint16",
            "worth knowing:",
            "  accepted, as you said: bfloat16 as uint16 (st-bfloat16-448)",
        ]
    )
    report = json.loads((pytester.path / "found.json").read_text())
    assert report["run"]["accept"] == {"bfloat16": "uint16"}
    notes = {one["task"]: one["note"] for one in report["results"]}
    assert notes == {"st-bfloat16-448": "accepted, as you said: bfloat16 as uint16", "st-empty-float32": ""}


def test_what_is_accepted_and_never_comes_is_told(run):
    result = run("--loader=mypkg.load", "--accept=bfloat16=uint16", *ids("st-bfloat16-448"))
    assert result.ret == 0
    result.stdout.fnmatch_lines(["hint: nothing came as --accept=bfloat16=uint16 says: leave it out*"])


def test_what_is_accepted_can_stand_in_the_projects_settings(run, pytester):
    (pytester.path / "pyproject.toml").write_text(
        '[tool.endianproof]\nloader = "mypkg.as_uint16"\naccept = {bfloat16 = "uint16"}\n'
    )
    assert run("--loader=mypkg.as_uint16", *ids("st-bfloat16-448")).ret == 0
    again = run("--loader=mypkg.as_uint16", "--accept=bfloat16=float32", *ids("st-bfloat16-448"))
    assert again.ret == 1


def test_plain_lists_are_tensors_where_that_is_said_and_what_to_say_is_told(run):
    unsaid = run("--loader=mypkg.lists", *ids("st-dtype-float32"))
    assert unsaid.ret == 1
    unsaid.stdout.fnmatch_lines(["the tensors' names are not the file's: missing: 'x'"])
    assert "--accept=lists=values" in unsaid.stdout.str()
    said = run("--loader=mypkg.lists", "--accept=lists=values", *ids("st-dtype-float32"))
    assert said.ret == 0
    said.stdout.fnmatch_lines(["*accepted, because you say so: lists by value*", "*as you said: lists by value*"])
