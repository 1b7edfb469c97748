"""The pytest plugin, run by pytest inside pytest: which tests run, and in what company."""

from __future__ import annotations

import subprocess
import sys

import pytest

from endianproof.vectors import load_vectors

pytest_plugins = ["pytester"]

# A small selection: three valid vectors, one of them bfloat16.
FEW = ("st-dtype-bfloat16", "st-dtype-float32", "st-dtype-uint8")


def ids(*names):
    return [f"safetensors::{name}" for name in names]


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


def test_ignored_ends_of_processes_are_seen(run, pytester):
    """Who starts pytest may have ignored SIGCHLD; the system then keeps to itself how a testee ended."""
    command = ["pytest", "-p", "no:randomly", "--loader=mypkg.crashes", *ids(*FEW)]
    ignoring = ["bash", "-c", 'trap "" CHLD; exec "$0" -m "$@"', sys.executable, *command]
    done = subprocess.run(ignoring, cwd=pytester.path, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    assert "the loader crashed: killed by SIGABRT" in done.stdout
    assert "1 failed, 2 passed" in done.stdout
