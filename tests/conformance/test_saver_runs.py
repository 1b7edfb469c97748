"""`pytest --saver`, by pytest inside pytest: the lines that it prints, baselines, adapters, users' mistakes."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import yaml

from endianproof.conformance.testee.saving import Saver
from endianproof.conformance.testee.serve import Saving, Server
from endianproof.vectors import load_saves

pytest_plugins = ["pytester"]

SAVERS = Path(__file__).with_name("loaders") / "wrong_savers.py"
FEW = [f"safetensors::{name}" for name in ("st-save-dtype-float32", "st-save-dtype-int16", "st-save-empty")]


@pytest.fixture
def run(pytester, monkeypatch):
    """Run pytest as a user does, in a folder with a saver of the user's own."""
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    pytester.makepyfile(mypkg=SAVERS.read_text(encoding="utf-8"))
    return lambda *args: pytester.runpytest_subprocess("-p", "no:randomly", *args)


def saver(name):
    return (f"--saver=mypkg.{name}", "--saver-gives=numpy")


def test_a_right_saver_passes_and_the_header_says_who_is_tested(run):
    result = run(*saver("right"), *FEW)
    result.assert_outcomes(passed=3)
    total = len(load_saves())
    result.stdout.fnmatch_lines(
        ["endianproof: mypkg.right, CPython *-endian", f"endianproof: *numpy *; 3 of {total} saves"]
    )
    result.stdout.fnmatch_lines([f"{total} saves: 3 passed, {total - 3} not run *"])


def test_a_failure_is_told_by_its_headline_the_save_and_the_rule(run):
    result = run(*saver("big_endian"), FEW[0], "-rf")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "elements were * 1.0 (0x3F800000) came back as 4.6006e-41 (0x0000803F)",
            "  save        st-save-dtype-float32: float32, 8 elements",
            "  rule        ST-W-03 (MUST): *",
            "  in file     byte *: 00 00 80 3F, little-endian"
            if sys.byteorder == "big"
            else "  in file     byte *",
            "  what to do  *",
            "FAILED safetensors::st-save-dtype-float32 - elements were *",
        ]
    )


def test_saves_of_one_rule_and_what_the_format_leaves_open(run):
    result = run(*saver("no_padding"), "--rule=ST-W-06")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["what the format leaves open:", "  header-alignment: leave (*"])
    assert run(*saver("no_padding"), "--rule=ST-W-06", "--policy=header-alignment=pad").ret == 1


def test_a_stray_file_is_worth_knowing_and_no_failure(run):
    result = run(*saver("leaves_a_stray"), FEW[0])
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["worth knowing:", "  *.lock was left beside the file (st-save-dtype-float32)"])


def test_a_format_that_the_saver_is_not_made_for_is_hinted_at(run):
    result = run(*saver("right"), "-k", "dtype-uint8 or save-mixed")
    assert result.ret == 1
    result.stdout.fnmatch_lines(
        ["hint: even the plainest save gives no torch-zip file: *say --format=safetensors"]
    )


def test_the_header_says_whose_tensors_the_saver_is_given(run):
    result = run(*saver("right"), FEW[0])
    result.stdout.fnmatch_lines(
        ["endianproof: the saver is given numpy's tensors; --saver-gives=torch gives it *"]
    )
    pytest.importorskip("torch")
    result = run("--saver=mypkg.right", FEW[0])
    result.stdout.fnmatch_lines(
        ["endianproof: the saver is given torch's tensors; --saver-gives=numpy gives it *"]
    )


def test_a_saver_that_cannot_take_the_tensors_it_is_given_is_no_success(run, pytester):
    pytester.makepyfile(
        declines="""
        from mypkg import right
        def save(arrays, path):
            if arrays:
                raise NotImplementedError("not these")
            right(arrays, path)
        """
    )
    result = run("--saver=declines.save", "--saver-gives=numpy", *FEW[:2], "safetensors::st-save-no-tensors")
    assert result.ret == pytest.ExitCode.NO_TESTS_COLLECTED
    result.assert_outcomes(passed=1, skipped=2)
    result.stdout.fnmatch_lines(
        [
            "hint: even the plainest safetensors save is unsupported; * numpy's tensors; --saver-gives=torch *",
            "hint: nothing valid was judged: *the exit code says so",
        ]
    )


def test_a_saver_that_declines_without_words_is_called_one():
    def save(tensors, path):
        raise NotImplementedError

    saving = Saving(Saver(save, "numpy", "file", {}))
    reply = Server("mypkg.save", saving).answer({"op": "save", "id": "v1", "path": "/nowhere", "tensors": []})
    assert reply["reason"] == "the saver raised NotImplementedError"


def test_a_saver_that_saves_something_is_a_success(run):
    result = run(*saver("picky"), FEW[0], "safetensors::st-save-dtype-bfloat16")
    assert result.ret == 0
    result.assert_outcomes(passed=1, skipped=1)
    result.stdout.no_fnmatch_line("hint: *unsupported*")


def test_a_known_failure_is_recorded_and_its_end_is_noticed(run, pytester):
    assert run(*saver("u16_for_bf16"), "safetensors::st-save-dtype-bfloat16").ret == 1
    written = run(
        *saver("u16_for_bf16"), "safetensors::st-save-dtype-bfloat16", "--baseline=b.yaml", "--update-baseline"
    )
    assert written.ret == 0
    (entry,) = yaml.safe_load((pytester.path / "b.yaml").read_text())["known_failures"]
    assert (entry["vector"], entry["diagnosis"]) == ("st-save-dtype-bfloat16", "wrong-dtype-same-bits")
    args = ("safetensors::st-save-dtype-bfloat16", "--baseline=b.yaml")
    run(*saver("u16_for_bf16"), *args).assert_outcomes(xfailed=1)
    gone = run(*saver("right"), *args)
    gone.assert_outcomes(failed=1)
    gone.stdout.fnmatch_lines(["*st-save-dtype-bfloat16 passes, and entry 1 of * says that it fails*"])


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["--loader=reference", "--saver=mypkg.right"], "*--loader and --saver exclude each other*"),
        (["--saver=mypkg.gone"], "*mypkg*gone*"),
        (
            ["--saver=safetensors.torch.save_file", "--saver-gives=numpy"],
            "*safetensors.torch.save_file is given torch*",
        ),
        (["--loader=reference", "--saver-gives=numpy"], "*--saver-gives goes with --saver*"),
        (["--saver=mypkg.right", "--loader-takes=bytes"], "*--loader-takes goes with --loader*"),
        (["--saver=mypkg.right", "safetensors::st-save-dtype-float23"], "*no such save; did you mean st-save-*"),
        (["--loader=reference", "safetensors::st-save-empty"], "*there is no such vector*"),
        (["--saver=mypkg.right", "--rule=ST-HDR-02"], "*no save is selected by --rule ST-HDR-02*"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_users_mistake_is_one_message(run, args, said):
    result = run(*args)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([said])


# A program that saves, and knows contiguous tensors only: some lines of Python that import nothing of ours.
ADAPTER = textwrap.dedent(
    """
    import base64, json, sys
    NAMES = {"float32": "F32", "int16": "I16", "bfloat16": "BF16"}
    for line in sys.stdin:
        request = json.loads(line)
        if request["op"] == "bye":
            break
        if request["op"] == "hello":
            answer = {"protocol": 1, "name": "adapter", "version": "1", "byteorder": sys.byteorder, "machine": "?",
                      "runtime": "?", "ops": OPS, "formats": ["safetensors"]}
        elif any("layout" in tensor or tensor["dtype"] not in NAMES for tensor in request["tensors"]):
            answer = {"id": request["id"], "outcome": "unsupported", "reason": "only contiguous tensors"}
        else:
            header, data = {}, b""
            for tensor in request["tensors"]:
                held = base64.b64decode(tensor["data"])
                header[tensor["name"]] = {"dtype": NAMES[tensor["dtype"]], "shape": tensor["shape"],
                                          "data_offsets": [len(data), len(data) + len(held)]}
                data += held
            text = json.dumps(header).encode()
            with open(request["path"], "wb") as file:
                file.write(len(text).to_bytes(8, "little") + text + data)
            answer = {"id": request["id"], "outcome": "saved"}
        print(json.dumps(answer), flush=True)
    """
)


def test_a_program_that_says_so_is_asked_to_save_and_not_to_load(run, pytester):
    (pytester.path / "adapter.py").write_text(ADAPTER.replace("OPS", '["save"]'))
    result = run(
        f"--testee={sys.executable} adapter.py",
        "-k",
        "st-save-dtype-float32 or st-save-transposed-float32 or st-plain",
    )
    result.assert_outcomes(passed=1, skipped=1)
    result.stdout.fnmatch_lines(["*1 unsupported*", "     1  unsupported: only contiguous tensors"])


def test_endianproof_run_takes_a_saver(pytester):
    pytester.makepyfile(mypkg=SAVERS.read_text(encoding="utf-8"))
    main = "from endianproof.conformance.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", main, "run", *saver("right"), *FEW],
        cwd=pytester.path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 passed" in done.stdout


@pytest.mark.guest
def test_a_saver_in_a_big_endian_guest_is_judged_by_what_it_writes():
    """Writing memory as it lies is right on x86, and wrong there; numpy alone, so that it takes seconds."""
    args = ("--saver=wrong_savers.native", "--saver-gives=numpy", *FEW)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-o", "addopts=", "--guest=s390x", *args],
        cwd=SAVERS.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert "s390x, big-endian, guest trixie" in done.stdout
    assert "elements were not swapped: 1.0 (0x3F800000) came back as 4.6006e-41 (0x0000803F)" in done.stdout
