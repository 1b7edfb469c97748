"""`--explore`, by pytest inside pytest: planted faults are found, kept, tried again; nothing is overwritten."""

from __future__ import annotations

import glob
import json
import math
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

# Imported for good: pytest inside pytest forgets what it imports, and numpy cannot be imported twice.
import endianproof.conformance.exploring.items
import endianproof.conformance.session  # noqa: F401 (to be there)
from endianproof.conformance.exploring.report import _command
from endianproof.conformance.limits import Limits
from endianproof.vectors import load_vectors

pytest_plugins = ["pytester"]

LOADERS = Path(__file__).parent / "loaders" / "planted_loaders.py"


@pytest.fixture
def run(pytester, monkeypatch):
    """Run pytest as a user does, where planted_loaders can be imported; the testee has a process of its own."""
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    monkeypatch.setattr(
        "endianproof.conformance.exploring.search.OTHERWISE", 200
    )  # what is left is small, not smallest
    shutil.copy(LOADERS, pytester.path)
    return lambda *args: pytester.runpytest_inprocess("-W", "error", "-p", "no:randomly", *args)


def explore(name, form="safetensors", count=200):
    return f"--loader=planted_loaders.{name}", f"--explore={count}", f"{form}::explore"


def kept(pytester, folder="endianproof-found"):
    return sorted(path.name for path in (pytester.path / folder).glob("*"))


def accounts(pytester, folder="endianproof-found"):
    """What is said of each file that was kept, the file's size beside it."""
    for path in sorted((pytester.path / folder).glob("*.json")):
        about = json.loads(path.read_text())
        yield {**about, "size": (pytester.path / folder / about["file"]).stat().st_size}


# Which files a seed draws depends on the release of Hypothesis and on where endianproof is installed. One file in
# ten or more shows each of these faults, so that the chance to miss one of them is less than one in a thousand.
@pytest.mark.parametrize(
    ("loader", "form", "count", "headline", "largest"),
    [
        (
            "swaps_the_tail",
            "safetensors",
            200,
            "elements were swapped although file and machine have the same byte order (1 of ",
            1000,
        ),
        ("ignores_strides", "torch-zip", 40, "strides were ignored: ", 2000),
        ("accepts_broken_json", "safetensors", 80, "an invalid file was accepted: ", 100),
    ],
)
def test_a_planted_fault_is_found_and_shrunk(run, pytester, loader, form, count, headline, largest):  # noqa: PLR0917 (a row)
    result = run(*explore(loader, form, count))
    result.assert_outcomes(failed=1)
    about = next(one for one in accounts(pytester) if one["headline"].startswith(headline))
    assert about["size"] <= largest
    result.stdout.fnmatch_lines(
        [
            f"_* {form}::explore _*",
            f"{glob.escape(about['headline'])}*",
            f"  file * endianproof-found/{about['file']}, {about['size']} bytes:*",
        ]
    )
    result.stdout.fnmatch_lines(["  seen in * of * files drawn"])
    line = f"explored {form}: {count} files drawn from seed 0, *; * of failure, *; * s with * files per second"
    result.stdout.fnmatch_lines([line])


def test_what_was_found_is_tried_again_by_the_printed_command_until_it_is_mended(run, pytester):
    run(*explore("swaps_the_tail"))
    names = kept(pytester)
    about = next(accounts(pytester))
    assert about["run_again"] == (
        "pytest --loader=planted_loaders.swaps_the_tail --explore=0 "
        "--explore-into=endianproof-found safetensors::explore"
    )
    assert any(math.prod(tensor["shape"]) % 8 == 1 for tensor in about["expected"])
    again = run(*about["run_again"].split()[1:])
    again.assert_outcomes(failed=1)
    again.stdout.fnmatch_lines(
        [f"{glob.escape(about['headline'])}*", "explored safetensors: 0 files drawn *, * kept from before: *"]
    )
    assert kept(pytester) == names, "the same file is not written twice"
    run(*explore("good", count=0)).assert_outcomes(passed=1)


def test_the_printed_command_has_all_that_the_testee_was_asked_with():
    settings = SimpleNamespace(
        loader="mypkg.load",
        testee=None,
        requirements=(".", "numpy==2.0"),
        takes="file",
        accepted={"bfloat16": "uint16"},
        guest="s390x",
        builds=True,
        limits=Limits(request_seconds=5.0, memory_bytes=1 << 30),
        exploring=SimpleNamespace(folder=Path("my found")),
    )
    assert _command(settings, "safetensors") == (
        "pytest --loader=mypkg.load --with=. --with=numpy==2.0 --loader-takes=file --accept=bfloat16=uint16 "
        "--guest=s390x --explore=0 '--explore-into=my found' --build-in-guest --testee-timeout=5 "
        "--testee-memory=1GiB safetensors::explore"
    )


def test_nothing_in_the_folder_is_overwritten(run, pytester):
    folder = pytester.path / "mine"
    folder.mkdir()
    (folder / "safetensors-invalid-file-accepted-1.safetensors").write_bytes(b"precious")
    run(*explore("accepts_broken_json", count=80), "--explore-into=mine").assert_outcomes(failed=1)
    assert (folder / "safetensors-invalid-file-accepted-1.safetensors").read_bytes() == b"precious"
    assert kept(pytester, "mine")[1:] == [
        "safetensors-invalid-file-accepted-2.json",
        "safetensors-invalid-file-accepted-2.safetensors",
    ]


def test_an_account_that_cannot_be_read_is_said_and_not_passed_over(run, pytester):
    folder = pytester.path / "endianproof-found"
    folder.mkdir()
    (folder / "safetensors-crashed-1.json").write_text("{")
    result = run(*explore("good", count=0))
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["*safetensors-crashed-1.json is no account of a found file*mend it, or remove it"]
    )


def test_a_testee_that_does_not_start_again_is_said_without_a_traceback(run, pytester):
    pytester.makepyfile(
        once="""
        import json, os, sys
        if os.path.exists("begun"):
            sys.exit("no licence")
        for line in sys.stdin:
            if json.loads(line)["op"] == "hello":
                print(json.dumps({"protocol": 1, "name": "once", "version": "", "byteorder": sys.byteorder,
                                  "machine": "m", "runtime": "r", "formats": ["safetensors"]}), flush=True)
            else:
                open("begun", "w").close()
                sys.exit(1)
        """
    )
    testee = f"--testee={sys.executable} once.py"
    result = run(testee, "--explore=10", "safetensors::st-plain", "safetensors::explore")
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(["the testee could not be started again: *"] * 2)
    result.stdout.no_fnmatch_line("*Error*")


def test_a_loader_that_reads_nothing_is_not_explored_and_not_passed(run):
    result = run(*explore("refuses_everything"))
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(
        ["explored safetensors: not explored: even st-*, a plain valid file, is not loaded *"]
    )


ADAPTER = """
import json, sys
for line in sys.stdin:
    asked = json.loads(line)
    if asked["op"] == "hello":
        said = {"protocol": 1, "name": "mine", "version": "1", "byteorder": sys.byteorder, "machine": "any"}
        said |= {"runtime": "Python", "packages": {}, "formats": %s, "dtypes": %s}
    elif asked["op"] == "load":
        said = {"id": asked["id"], "outcome": "rejected", "error": {"type": "Error", "message": "no"}}
    else:
        break
    print(json.dumps(said), flush=True)
"""


@pytest.mark.parametrize(
    ("form", "declared", "reason"),
    [
        ("safetensors", (["torch-zip"], ["float32"]), "the testee reads torch-zip"),
        ("safetensors", (["safetensors"], ["float80"]), "no element type of the testee's (float80) is drawn *"),
        ("torch-tar", (["torch-tar"], ["bfloat16"]), "no element type of the testee's (bfloat16) is drawn *"),
    ],
)
def test_what_is_not_declared_is_not_explored_and_the_reason_is_said(run, pytester, form, declared, reason):
    pytester.makepyfile(adapter=ADAPTER % tuple(map(json.dumps, declared)))
    result = run(f"--testee={sys.executable} adapter.py", "--explore=5", f"{form}::explore")
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines([f"explored {form}: not explored: {reason}"])


def test_a_testee_without_float32_is_explored_with_what_it_has(run, pytester):
    pytester.makepyfile(adapter=ADAPTER % ('["safetensors"]', '["bfloat16"]'))
    result = run(f"--testee={sys.executable} adapter.py", "--explore=5", "safetensors::explore")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["a valid file was refused: Error: no"])


def test_a_baseline_entry_silences_failures_like_it(run, pytester):
    vector = next(v for v in load_vectors() if v.verdict == "reject" and v.rules == ("ST-JSON-01",))
    entry = {"vector": vector.id, "finding": "invalid-file-accepted", "reason": "by design"}
    (pytester.path / "known.yaml").write_text(yaml.safe_dump({"baseline": 1, "known_failures": [entry]}))
    result = run(*explore("accepts_broken_json", count=80), "--baseline=known.yaml")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["explored safetensors: *[0-9] known*; nothing failed*"])


def test_after_the_vectors_each_format_is_explored_once(run):
    result = run("--loader=reference", "--explore=5", "--rule=ST-HDR-02,PT-ZIP-12")
    result.stdout.fnmatch_lines(["endianproof: exploring 5 files of each format, seed 0"])
    result.stdout.fnmatch_lines(["explored safetensors: 5 files *nothing failed*"])
    result.stdout.fnmatch_lines(["explored torch-zip: 5 files *nothing failed*"])
    assert result.ret == 0


def test_only_the_formats_asked_for_are_explored(run):
    result = run("--loader=reference", "--explore=5", "--format=torch-zip", "-k", "explore")
    result.assert_outcomes(passed=1)
    result.stdout.no_fnmatch_line("explored safetensors*")


@pytest.mark.parametrize(
    ("options", "lead"),
    [(["-k", "st-dtype-float32"], "; name the searches, too: *"), (["-x", "--collect-only"], "")],
)
def test_a_run_that_explored_nothing_says_so(run, options, lead):
    result = run("--loader=reference", "--explore=5", "--format=safetensors", *options)
    result.stdout.fnmatch_lines([f"nothing was explored: no search was run to its end{lead}"])


def test_it_works_in_an_xdist_worker(run):
    result = run("--loader=reference", "--explore=5", "--format=safetensors", "-k", "explore", "-n1")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["explored safetensors: 5 files *"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--explore=5"], "*--explore needs a testee*"),
        (["--loader=reference", "--explore=-1"], "*--explore=-1: the number of files to draw, 0 or more"),
        (["--loader=reference", "--explore-seed=3"], "*--explore-seed and --explore-into go with --explore=N"),
        (["--loader=reference", "safetensors::explore"], "*safetensors::explore: there is no such vector*"),
    ],
)
def test_options_that_cannot_be_followed_are_refused(run, options, message):
    result = run(*options)
    assert result.ret == 4
    result.stderr.fnmatch_lines([message])


def test_a_plain_run_does_not_import_hypothesis(pytester):
    pytester.makeconftest(
        "import sys\n"
        "def pytest_unconfigure():\n"
        "    print('imported' if 'endianproof.conformance.exploring.search' in sys.modules else 'spared')\n"
    )
    result = pytester.runpytest_subprocess("--loader=reference", "safetensors::st-plain")
    result.stdout.fnmatch_lines(["*spared*"])
