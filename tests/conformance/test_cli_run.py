"""`endianproof run` is pytest with the same options."""

from __future__ import annotations

import subprocess
import sys

pytest_plugins = ["pytester"]

# A small selection: three valid vectors, one of them bfloat16.
FEW = ("st-dtype-bfloat16", "st-dtype-float32", "st-dtype-uint8")


def ids(*names):
    return [f"safetensors::{name}" for name in names]


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
