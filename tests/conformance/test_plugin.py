"""The pytest plugin, run by pytest inside pytest: the lines that it prints, and the exit codes."""

from __future__ import annotations

import subprocess
import sys

import pytest
import yaml

from endianproof.vectors import load_vectors

pytest_plugins = ["pytester"]

# A small selection: three valid vectors, one of them bfloat16.
FEW = ("st-dtype-bfloat16", "st-dtype-float32", "st-dtype-uint8")


def ids(*names):
    return [f"safetensors::{name}" for name in names]


# Which tests run


def test_without_a_loader_the_plugin_imports_nothing_and_changes_nothing(run, pytester):
    pytester.makepyfile(
        test_own="""
        import sys
        def test_own():
            heavy = ("endianproof.spec", "endianproof.conformance.session", "numpy", "yaml", "click")
            assert "endianproof.conformance.plugin" in sys.modules
            assert not [name for name in heavy if name in sys.modules]
        """
    )
    result = run()
    result.assert_outcomes(passed=1)
    result.stdout.no_fnmatch_line("*endianproof:*")


def test_without_paths_only_vectors_run_whatever_lies_around(run, pytester):
    pytester.makeini("[pytest]\ntestpaths = .\n")
    pytester.makepyfile(test_broken="raise RuntimeError")
    result = run("--loader=mypkg.load", "--rule=ST-DT-02")
    assert result.ret == 0
    result.stdout.no_fnmatch_line("*test_own*")
    result.stdout.no_fnmatch_line("*test_broken*")
    assert result.parseoutcomes()["passed"] > 5


def test_with_paths_both_run(run):
    result = run("--loader=mypkg.load", "--rule=ST-DT-02", "test_own.py", "-v")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["safetensors::st-dtype-bfloat16 PASSED*", "test_own.py::test_own PASSED*"])


def test_every_vector_of_a_format_is_one_item_by_its_id(run):
    result = run("--loader=mypkg.load", "--format=safetensors", "--collect-only", "-q")
    own = [vector.id for vector in load_vectors() if vector.format == "safetensors"]
    assert [line for line in result.outlines if "::" in line] == ids(*own)


def test_collecting_only_starts_no_testee(run):
    result = run("--loader=mypkg.gone", "--rule=ST-DT-02", "--collect-only", "-q")
    assert result.ret == 0


def test_an_id_that_was_printed_can_be_given_back(run):
    result = run("--loader=mypkg.load", *ids("st-dtype-bfloat16"))
    result.assert_outcomes(passed=1)


def test_an_id_that_was_printed_in_a_subfolder_can_be_given_back_there(run, pytester, monkeypatch):
    pytester.makeini("[pytest]\n")
    sub = pytester.mkdir("sub")
    (pytester.path / "mypkg.py").rename(sub / "mypkg.py")
    monkeypatch.chdir(sub)
    result = run("--loader=mypkg.swaps", *ids(*FEW), "-v")
    (shown,) = [line.split()[1] for line in result.outlines if line.startswith("FAILED")]
    again = run("--loader=mypkg.swaps", shown)
    again.assert_outcomes(failed=1)


def test_a_folder_called_as_a_format_is_hides_no_ids(run, pytester):
    pytester.mkdir("safetensors")
    run("--loader=mypkg.load", *ids(*FEW)).assert_outcomes(passed=3)


def test_ids_and_paths_together_run_just_those(run):
    result = run("--loader=mypkg.load", "test_own.py", *ids("st-dtype-bfloat16"))
    result.assert_outcomes(passed=2)


def test_k_and_deselect_choose_among_vectors(run):
    assert run("--loader=mypkg.load", "--rule=ST-DT-02", "-k", "dtype-bfloat16").parseoutcomes()["passed"] == 1
    result = run("--loader=mypkg.load", *ids(*FEW), "--deselect", "safetensors::st-dtype-uint8")
    result.assert_outcomes(passed=2, deselected=1)


def test_last_failed_runs_what_failed(run):
    run("--loader=mypkg.swaps", *ids(*FEW)).assert_outcomes(passed=2, failed=1)
    result = run("--loader=mypkg.load", "--format=safetensors", "--lf")
    assert result.parseoutcomes()["passed"] == 1


def test_last_failed_runs_vectors_and_tests_of_the_users_own_together(run, pytester):
    pytester.makepyfile(test_own="def test_own(): assert 0")
    run("--loader=mypkg.swaps", "test_own.py", *ids(*FEW)).assert_outcomes(passed=2, failed=2)
    run("--loader=mypkg.swaps", "test_own.py", *ids(*FEW), "--lf").assert_outcomes(failed=2)


def test_x_stops_at_the_first_failure_and_what_did_not_run_is_told(run):
    result = run("--loader=mypkg.swaps", *ids(*FEW), "-x")
    assert result.ret == 1
    outcome = result.parseoutcomes()
    assert outcome["failed"] == 1
    ran = sum(outcome.get(kind, 0) for kind in ("failed", "passed"))
    total = len(load_vectors())
    result.stdout.fnmatch_lines(
        [f"{total} vectors: *{total - ran} not run (not selected, or the run ended before)"]
    )


@pytest.mark.parametrize(
    "extra",
    [
        ("-p", "no:cacheprovider"),
        ("-W", "error"),
        ("-s",),
        ("--tb=line",),
        ("--tb=short", "-vv"),
        ("-p", "no:terminal"),
        ("-p", "no:xdist"),
        ("--import-mode=importlib",),
        ("--strict-markers", "--strict-config"),
    ],
    ids=" ".join,
)
def test_pytests_own_options_do_not_disturb(run, extra):
    result = run("--loader=mypkg.swaps", *ids(*FEW), *extra)
    assert result.ret == 1
    assert "INTERNALERROR" not in result.stdout.str() + result.stderr.str()
    if "no:terminal" not in extra:
        result.assert_outcomes(passed=2, failed=1)


def test_a_users_conftest_does_not_disturb(run, pytester):
    pytester.makeconftest(
        """
        import pytest

        @pytest.fixture(autouse=True)
        def everywhere():
            raise RuntimeError("not for vectors")

        def pytest_runtest_setup(item):
            item.function  # what only functions have
        """
    )
    run("--loader=mypkg.load", *ids(*FEW)).assert_outcomes(passed=3)


def test_workers_of_xdist_share_the_vectors_and_one_summary_comes_out(run):
    pytest.importorskip("xdist")
    result = run("--loader=mypkg.swaps", *ids(*FEW), "-n2")
    assert result.ret == 1
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(
        [
            "*endianproof: mypkg.swaps*",
            "FAILED safetensors::st-dtype-bfloat16 - elements were swapped although*",
        ]
    )
    result.stdout.fnmatch_lines(["     1  elements were swapped although *", "        st-dtype-bfloat16"])


# What is shown


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


# Usage errors: one message, exit code 4, no traceback


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["--loader=mypkg.gone"], "*mypkg*gone*"),
        (["--loader=nowhere.load"], "*nowhere*"),
        (["--loader=mypkg.unknown"], "*mypkg.unknown cannot be judged*int*"),
        (["--loader=mypkg.load", "--testee=x"], "*--loader and --testee exclude each other*"),
        (["--testee=no-such-program-anywhere"], "*no-such-program-anywhere*"),
        (["--testee=true", "--loader-takes=bytes"], "*--loader-takes goes with --loader*"),
        (["--testee=true", "--with=numpy"], "*--with goes with --loader*"),
        (["--loader=mypkg.load", "--loader-takes=x"], "*--loader-takes*invalid choice*"),
        (
            ["--loader=mypkg.load", "--format=safetensor"],
            "*unknown format 'safetensor': the formats are safetensors, *",
        ),
        (["--loader=mypkg.load", "--rule="], "*--rule is empty*"),
        (["--loader=mypkg.load", "--baseline="], "*--baseline is empty*"),
        (["--loader=mypkg.load", "--rule=ST-DT-2"], "*no rule is called ST-DT-2; did you mean ST-DT-02?*"),
        (["--loader=mypkg.load", "--format=torch-zip", "--rule=ST-DT-02"], "*no vector is selected by --format*"),
        (["--loader=mypkg.load", "--guest=vax"], "*--guest: *vax*"),
        (["--loader=mypkg.load", "--with=a b c"], "*--with: 'a b c' is not a package*"),
        (["--loader=mypkg.load", "--policy=x=y"], "*unknown policy 'x'. The policies are*"),
        (["--loader=mypkg.load", "--policy=st-duplicate-names=z"], "*--policy: *"),
        (
            ["--loader=mypkg.load", "--baseline=gone.yaml"],
            "*--baseline: there is no file gone.yaml: --update-baseline writes it*",
        ),
        (["--loader=mypkg.load", "--update-baseline"], "*--update-baseline needs --baseline*"),
        (["--loader=mypkg.load", "--update-baseline", "--baseline=no/where.yaml"], "*there is no folder */no*"),
        (["--loader=mypkg.load", "safetensors::st-dtype-bfloat61"], "*did you mean st-dtype-bfloat16?*"),
        (["--loader=mypkg.load", "no/such/folder"], "*no/such/folder*"),
        (
            ["--loader=mypkg.load", "--build-in-guest", "--with=numpy"],
            "*--build-in-guest goes with --guest and --with*",
        ),
        (["--loader=mypkg.load", "--build-in-guest", "--guest=s390x"], "*add --with=.*"),
        (["--build-in-guest"], "*--build-in-guest needs a testee: add --loader*"),
        (["--guest=s390x"], "*--guest needs a testee: add --loader*"),
        (["--update-baseline"], "*--update-baseline needs a testee: add --loader*"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_users_mistake_is_one_message_and_exit_code_4(run, args, said):
    result = run(*args)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([said])
    text = result.stdout.str() + result.stderr.str()
    assert "Traceback" not in text
    assert "INTERNALERROR" not in text


def test_a_users_mistake_is_the_same_with_workers(run):
    pytest.importorskip("xdist")
    result = run("--loader=nowhere.load", "-n2")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*nowhere*"])


# Where the loader is imported from


def test_the_loader_is_imported_from_the_pythonpath_of_the_users_pytest(run, pytester):
    source = pytester.mkdir("src")
    (source / "inner.py").write_text("from endianproof.reference import load\n")
    pytester.makeini("[pytest]\npythonpath = src\n")
    run("--loader=inner.load", *ids(*FEW)).assert_outcomes(passed=3)


def test_a_loader_that_takes_bytes_is_given_bytes(run, pytester):
    pytester.makepyfile(
        takes="""
        import tempfile
        from endianproof.reference import load as right
        def load(data):
            assert isinstance(data, bytes)
            with tempfile.NamedTemporaryFile(suffix=".safetensors") as file:
                file.write(data)
                file.flush()
                return {name: tensor for name, tensor in right(file.name).items()}
        """
    )
    run("--loader=takes.load", "--loader-takes=bytes", *ids(*FEW)).assert_outcomes(passed=3)


# Baselines


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
    result.stderr.fnmatch_lines(["*known.yaml, entry 1 matches no vector: there is none with vector st-gone*"])


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


# The command line


def command(*args, cwd):
    return subprocess.run(  # noqa: PLW1510 (the exit code is what is looked at)
        [sys.executable, "-c", "from endianproof.conformance.cli import main; main()", "run", *args],
        cwd=cwd,
        capture_output=True,
        text=True,
    )


def test_endianproof_run_is_pytest_with_the_same_options_and_exit_codes(run, pytester):
    done = command("--loader=mypkg.swaps", *ids(*FEW), cwd=pytester.path)
    assert done.returncode == 1
    assert "FAILED safetensors::st-dtype-bfloat16" in done.stdout


def test_endianproof_run_without_a_loader_says_what_is_missing(pytester):
    done = command("--format=safetensors", cwd=pytester.path)
    assert done.returncode == 2
    assert "give --loader=mypkg.load, --saver=mypkg.save or --testee=COMMAND" in done.stderr
