"""Savers that are wrong on purpose, each saved with once: what is found, and what the report says first."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from endianproof.conformance.client import Limits, TesteeProcess
from endianproof.conformance.examine import conclude, examine, observe
from endianproof.conformance.finding import Finding
from endianproof.conformance.launch import saver_testee
from endianproof.vectors import load_saves

pytest.importorskip("ml_dtypes")

LOADERS = Path(__file__).with_name("loaders")
SAVES = {save.id: save for save in load_saves()}
PLAIN = "st-save-dtype-float32"


def started(saver, **limits):
    launch = saver_testee(f"wrong_savers.{saver}", "numpy", [LOADERS], None, None)
    return TesteeProcess(launch, Limits(**limits) if limits else None)


def judged(saver, save=PLAIN, policies=None, **limits):
    with started(saver, **limits) as process:
        return examine(SAVES[save], process, policies or {})


FOUND = {
    "big_endian": (PLAIN, "wrong-values", "", "1.0 (0x3F800000) came back as 4.6006e-41 (0x0000803F)"),
    "memory_as_it_lies": (
        "st-save-transposed-float32",
        "wrong-values",
        "strides-ignored",
        "strides were ignored: ",
    ),
    "swaps_in_place": (
        "st-save-unchanged-float32",
        "caller-tensors-changed",
        "swapped-in-place",
        "the caller's tensors were changed by saving them: bytes were swapped in place: 1.0 (0x3F800000) c",
    ),
    "u16_for_bf16": (
        "st-save-dtype-bfloat16",
        "wrong-names-types-or-shapes",
        "wrong-dtype-same-bits",
        "uint16 in place of bfloat16, with the same bits: 1.0 (0x3F80) came back as 16256 (0x3F80)",
    ),
    "through_float16": (PLAIN, "wrong-values", "through-float16", "values were rounded to float16 and back"),
    "nul_padding": (
        "st-save-aligned",
        "invalid-file-written",
        "ST-HDR-09",
        "an invalid file was written: ST-HDR-09",
    ),
    "truncated": (PLAIN, "invalid-file-written", "ST-OFF-02", "an invalid file was written: ST-OFF-02 at byte"),
    "loses_one": (
        "st-save-mixed",
        "wrong-names-types-or-shapes",
        "wrong-names",
        "the file's names are not the tensors': missing: 'g'",
    ),
    "writes_nothing": (
        PLAIN,
        "nothing-written",
        "",
        "nothing was written: the saver returned, and there is no file",
    ),
    "saves_everything": (
        "st-save-name-metadata",
        "invalid-file-written",
        "",
        "tensors were saved that must be refused: a tensor named __metadata__",
    ),
    "refuses": (PLAIN, "valid-tensors-refused", "", "valid tensors were refused: TypeError: cannot save that"),
    "crashes": (PLAIN, "crashed", "", "the saver crashed: killed by SIGABRT"),
}


@pytest.mark.parametrize(("saver", "save", "finding", "diagnosis", "said"), [(k, *v) for k, v in FOUND.items()])
def test_what_is_wrong_with_a_saver_is_said_first(saver, save, finding, diagnosis, said):
    judgement = judged(saver, save)
    assert judgement.finding.value == finding
    assert said in judgement.headline
    assert diagnosis in judgement.diagnosis
    assert judgement.lines[0] == ("save", f"{save}: {SAVES[save].description}")
    assert judgement.lines[-1][0] == "what to do"


def test_a_saver_that_hangs_costs_one_save():
    with started("hangs", request_seconds=1.0) as process:
        assert examine(SAVES[PLAIN], process, {}).headline == "the saver timed out: no reply within 1 seconds"


RIGHT_WITH = (
    PLAIN,
    "st-save-no-tensors",
    "st-save-empty",
    "st-save-mixed",
    "st-save-lengths-bfloat16",
    "st-save-name-astral",
    "st-save-reversed-by-two-complex64",
    "st-save-windows-bfloat16",
    "st-save-memory-big-float32",
    "st-save-memory-little-float32",
    "st-save-memory-big-transposed",
    "st-save-shared-overlapping",
    "st-save-name-metadata",
)


def test_a_right_saver_passes_whatever_the_layout_and_leaves_the_tensors_alone():
    with started("right") as process:
        found = {name: examine(SAVES[name], process, {}) for name in RIGHT_WITH}
    assert {name: judgement.text() for name, judgement in found.items() if judgement.failed} == {}
    assert {judgement.finding for judgement in found.values()} == {Finding.PASSED}
    assert found["st-save-windows-bfloat16"].choice == ("non-contiguous-tensors", "copy")


def test_memory_in_the_machines_own_byte_order_says_nothing_of_foreign_ones():
    with started("right") as process:
        order = process.hello().byteorder
        saves = {way: SAVES[f"st-save-memory-{way}-float32"] for way in ("big", "little")}
        choices = {way: examine(save, process, {}).choice for way, save in saves.items()}
    assert choices.pop(order) is None
    assert list(choices.values()) == [("foreign-byte-order", "swap")]


def test_bytes_that_a_saver_returns_are_the_file():
    assert judged("returns_bytes").finding is Finding.PASSED


def test_what_a_saver_does_not_implement_is_unsupported():
    assert judged("picky", "st-save-dtype-bfloat16").headline == "unsupported: no bfloat16 here"


def test_what_numpy_lacks_is_unsupported():
    assert judged("right", "st-save-conjugate").headline.startswith("unsupported: numpy has no lazy conjugates")


def test_two_saves_that_differ_are_seen_before_values_that_nothing_explains():
    judgement = judged("uninitialised", "st-save-lengths-float32")
    assert judgement.finding is Finding.SAVES_DIFFER
    assert judgement.headline.startswith("two saves of the same tensors differ: tensors 'n1', ")


def test_memory_written_past_its_end_is_strides_ignored_whatever_lay_there():
    judgement = judged("memory_as_it_lies", "st-save-reversed-by-two-float32")
    assert (judgement.finding, judgement.diagnosis) == (Finding.WRONG_VALUES, "strides-ignored")
    assert judgement.headline.startswith("strides, and the end of the memory, were ignored: ")


def test_a_file_beside_the_file_is_noted_and_no_failure():
    judgement = judged("leaves_a_stray")
    assert judgement.finding is Finding.PASSED
    assert judgement.note == f"{PLAIN}.safetensors.lock was left beside the file"


def test_the_order_in_which_tensors_lie_is_shown():
    assert judged("right", "st-save-order-mixed").choice == ("tensor-order", "anywhere")
    pinned = judged("right", "st-save-order-mixed", {"tensor-order": "wide-first"})
    assert pinned.headline == "the file shows tensor-order=anywhere (you pinned tensor-order=wide-first)"


def test_a_choice_that_the_file_shows_is_told_and_can_be_pinned():
    assert judged("right", "st-save-aligned").choice == ("header-alignment", "pad")
    assert judged("no_padding", "st-save-aligned").choice == ("header-alignment", "leave")
    pinned = judged("no_padding", "st-save-aligned", {"header-alignment": "pad"})
    assert pinned.finding is Finding.INVALID_WRITTEN
    assert pinned.headline == "the file shows header-alignment=leave (you pinned header-alignment=pad)"


def test_a_refusal_that_is_allowed_passes_until_it_is_pinned():
    allowed = judged("refuses", "st-save-transposed-float32")
    assert (allowed.finding, allowed.choice) == (Finding.PASSED, ("non-contiguous-tensors", "refuse"))
    pinned = judged("refuses", "st-save-transposed-float32", {"non-contiguous-tensors": "copy"})
    assert pinned.finding is Finding.TENSORS_REFUSED
    assert "(you pinned non-contiguous-tensors=copy)" in pinned.headline


def test_the_report_points_into_the_file_that_was_written():
    with started("through_float16") as process:
        seen = observe(SAVES[PLAIN], process)
        lines = dict(examine(SAVES[PLAIN], process, {}).lines)
    assert seen.file is not None
    element = int(lines["first"].partition("[")[2].partition("]")[0])
    start = 8 + int.from_bytes(seen.file[:8], "little")
    assert lines["in file"].startswith(f"byte {start + 4 * element} (0x")


def test_a_testee_that_looks_at_no_tensor_again_is_judged_by_the_file_alone():
    with started("right") as process:
        seen = observe(SAVES[PLAIN], process)
    blind = dataclasses.replace(seen, first=dataclasses.replace(seen.first, tensors=()))
    assert conclude(blind, {}).finding is Finding.PASSED
