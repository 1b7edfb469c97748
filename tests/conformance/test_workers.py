"""`--workers=N`: as many testees at a time in one pytest; what is found, and in which order it is told, stays."""

from __future__ import annotations

import os

import pytest

from endianproof.conformance.processors import too_many
from endianproof.vectors import load_vectors

pytest_plugins = ["pytester"]

FEW = ("st-dtype-bfloat16", "st-dtype-float32", "st-dtype-uint8")


def ids(*names):
    return [f"safetensors::{name}" for name in names]


def lines(result):
    """What `-v` says of each vector, in its order."""
    return [line.split("%")[0] for line in result.outlines if line.startswith("safetensors::")]


def test_the_same_is_found_and_told_in_the_same_order(run):
    alone = run("--loader=mypkg.swaps", "--rule=ST-DT-02", "-v")
    several = run("--loader=mypkg.swaps", "--rule=ST-DT-02", "-v", "--workers=3")
    assert several.ret == alone.ret == 1
    assert lines(several) == lines(alone)
    assert len(lines(several)) > 10


def test_a_crash_costs_one_vector_however_many_testees_there_are(run):
    result = run("--loader=mypkg.crashes", *ids(*FEW), "--workers=2")
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(["the loader crashed: *SIGABRT*"])


def test_there_are_as_many_processes_as_were_asked_for(run, pytester):
    pytester.makepyfile(
        who="""
        import os, time
        from endianproof.reference import load as right
        def load(path):
            open(f"was-{os.getpid()}", "w").close()
            time.sleep(0.02)
            return right(path)
        """
    )
    run("--loader=who.load", "--rule=ST-DT-02", "--workers=3")
    assert len(list(pytester.path.glob("was-*"))) == 3


def test_x_lf_and_k_choose_as_ever(run):
    stopped = run("--loader=mypkg.swaps", *ids(*FEW), "-x", "--workers=2")
    assert stopped.parseoutcomes()["failed"] == 1
    run("--loader=mypkg.load", "--format=safetensors", "--lf", "--workers=2").assert_outcomes(passed=1)
    result = run("--loader=mypkg.load", "--rule=ST-DT-02", "-k", "dtype-bfloat16", "--workers=2")
    assert result.parseoutcomes()["passed"] == 1


def test_exploring_finds_the_testees_idle(run):
    pytest.importorskip("hypothesis")
    result = run("--loader=reference", "--explore=5", "--rule=ST-DT-02", "--format=safetensors", "--workers=2")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["explored safetensors: 5 files *"])


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["--loader=mypkg.load", "--workers=0"], "*--workers=0: the number of testees at a time, 1 or more*"),
        (["--loader=mypkg.load", "--workers=two"], "*--workers: invalid int value*"),
        (["--loader=mypkg.load", "--workers=2", "-n2"], "*--workers and -n exclude each other*"),
        (["--workers=2"], "*--workers needs a testee: add --loader*"),
    ],
)
def test_workers_that_cannot_be_had_are_refused(run, args, said):
    if "-n2" in args:
        pytest.importorskip("xdist")
    result = run(*args)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([said])


@pytest.mark.parametrize(("there", "said"), [(1, "there is 1 processor here"), (2, "there are 2 processors here")])
def test_four_workers_for_each_processor_are_the_most(monkeypatch, there, said):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _process: set(range(there)))
    assert too_many(4 * there) == ""
    assert too_many(4 * there + 1) == f"{said}, for which {4 * there} are the most"


def test_more_workers_than_the_processors_can_bear_are_refused_with_the_most(run, pytester):
    result = run("--loader=mypkg.load", "--workers=3000")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    most = 4 * len(os.sched_getaffinity(0))
    result.stderr.fnmatch_lines([f"*--workers=3000: there *, for which {most} are the most"])
    pytester.makepyprojecttoml('[tool.endianproof]\nloader = "mypkg.load"\nworkers = 3000\n')
    run("--loader=mypkg.load").stderr.fnmatch_lines([f"*pyproject.toml* workers=3000: there *{most} are the most"])


def test_a_whole_format_passes_with_workers(run):
    result = run("--loader=reference", "--format=torch-tar", "--workers=2")
    own = [vector for vector in load_vectors() if vector.format == "torch-tar"]
    result.assert_outcomes(passed=len(own))
