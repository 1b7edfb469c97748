"""The judge: what a testee's outcome is worth, by the vector's verdict.

Findings are ordered by how much they hurt. A load can go wrong in several ways at once (wrong values, and a file
written to): the worst one is the finding, the others stand below it. Refusals are matched by class: a library's
wording never decides anything.
"""

from __future__ import annotations

import functools
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from endianproof.conformance.accepting import as_stated
from endianproof.conformance.contents import LOADING, Contents, judge_contents
from endianproof.conformance.counting import counted
from endianproof.conformance.endings import (
    LOADER_ENDINGS,
    VARYING,
    ended_badly,
    first_line,
    heading,
    refusal_of,
    reported,
    said,
)
from endianproof.conformance.finding import Finding, Judgement
from endianproof.conformance.outcome import Outcome, OutcomeKind
from endianproof.conformance.trial import Trial

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from endianproof.vectors import Vector

__all__ = ["NOTHING", "Finding", "Judgement", "judge"]

NOTHING: Mapping[str, str] = MappingProxyType({})

LOAD_IT = "load it; what is not implemented must say so: NotImplementedError, or the answer `unsupported`"
# By the class of the loader's exception.
TO_LOAD = {
    "ModuleNotFoundError": "have the package where the loader runs: --with=NAME puts it in front; in a guest, "
    "endianproof guest install adds Debian's, and --build-in-guest compiles what has no wheel",
}


def judge(
    vector: Vector,
    first: Outcome,
    second: Outcome | None,
    file_unchanged: bool,
    policies: Mapping[str, str],
    *,
    machine_order: str = "",
    accepted: Mapping[str, str] = NOTHING,
) -> Judgement:
    """Judge one vector by two loads of it.

    `first` holds canonical bytes, `second` digests (None where the first load did not succeed). `policies` pins
    choices for `may` vectors, policy name to choice. `machine_order` is the testee's byte order ("little", "big",
    or "" when unknown): it decides nothing, and makes the diagnosis of a wrong byte order exact. `accepted` says
    as which other types tensors may come (`accepting.read_accepted`).
    """
    came = as_stated(vector.tensors, first, second, accepted)
    trial = Trial(vector, came.first, came.second, file_unchanged, policies, machine_order)
    faults = sorted((*_faults(trial), *came.faults), key=lambda fault: _harm(fault, trial))
    if came.unjudged and not trial.ran_code and file_unchanged:
        return Judgement(Finding.UNSUPPORTED, f"unsupported: {came.unjudged}", heading(vector))
    judgement = reported(vector, faults) if faults else _without_fault(trial)
    return replace(judgement, choice=trial.choice, note=came.note)


def _harm(fault: Judgement, trial: Trial) -> float:
    """How faults are ordered: by finding, except where one is the cause of the other.

    Wrong values that nothing explains are explained by two loads that differ, and those by a file that the first
    of them changed. Two loads of a file that was to be refused may differ today and not tomorrow: that it was
    accepted is the finding.
    """
    if fault.diagnosis == "unexplained":
        return Finding.LOADS_DIFFER.severity + 0.5
    if fault.finding is Finding.LOADS_DIFFER and not trial.file_unchanged:
        return Finding.FILE_MODIFIED.severity + 0.5
    if fault.finding is Finding.LOADS_DIFFER and trial.wanted == "reject":
        return Finding.INVALID_ACCEPTED.severity + 0.5
    return fault.finding.severity


def _without_fault(trial: Trial) -> Judgement:
    if trial.first.kind is OutcomeKind.UNSUPPORTED:
        return Judgement(
            Finding.UNSUPPORTED, f"unsupported: {first_line(trial.first.message)}", heading(trial.vector)
        )
    return Judgement(Finding.PASSED, "passed")


def _faults(trial: Trial) -> Iterator[Judgement]:
    """Everything that is wrong, in no order. Each fault is a judgement without the vector's heading."""
    kind = trial.first.kind
    if kind in LOADER_ENDINGS:
        yield ended_badly(trial.first, "the loader", LOADER_ENDINGS)
    elif kind is OutcomeKind.REJECTED and trial.wanted == "accept":
        yield _valid_refused(trial)
    elif kind is OutcomeKind.LOADED:
        yield from _loaded(trial)
    if trial.ran_code:
        yield Judgement(
            Finding.CODE_EXECUTED,
            f"code from the file was executed: {trial.vector.description}",
            (
                (
                    "what to do",
                    "do not unpickle the file: look each global up in a table of the names that the format has",
                ),
            ),
            group="code from the file was executed",
        )
    if not trial.file_unchanged:
        yield Judgement(
            Finding.FILE_MODIFIED,
            "the file was changed by loading it",
            (("what to do", "open the file for reading only, and map it copy-on-write or read-only"),),
        )


def _valid_refused(trial: Trial) -> Judgement:
    policy = trial.vector.policy
    pinned = trial.pinned(policy.accept) if policy else ""
    refusal = refusal_of(trial.first)
    return Judgement(
        Finding.VALID_REFUSED,
        f"a valid file was refused{pinned}: {refusal}",
        (
            *said(trial.first, "loader"),
            ("file", f"{counted(trial.vector.size, 'byte')}, {_contents(trial.vector)}"),
            ("what to do", TO_LOAD.get(trial.first.error_type, LOAD_IT)),
        ),
        group=f"a valid file was refused{pinned}: {VARYING.sub('...', refusal)}",
    )


def _contents(vector: Vector) -> str:
    return ", ".join(f"{t.name!r} {t.dtype} {list(t.shape)}" for t in vector.tensors[:4]) or "no tensors"


def _loaded(trial: Trial) -> Iterator[Judgement]:
    if trial.wanted == "reject":
        yield _invalid_accepted(trial)
    else:
        yield from judge_contents(_contents_of(trial))
    yield from _second_load(trial)


def _contents_of(trial: Trial) -> Contents:
    vector = trial.vector
    file = functools.cache(vector.path.read_bytes)  # read only where something is wrong
    return Contents(
        wanted=vector.tensors,
        found=trial.first.tensors,
        # Of 4 GiB nothing is looked for in the file, nor among the other tensors.
        source=lambda _: b"" if vector.large else file(),
        siblings=() if vector.large else vector.tensors,
        machine_order=trial.machine_order,
        words=LOADING,
    )


def _invalid_accepted(trial: Trial) -> Judgement:
    vector, policy = trial.vector, trial.vector.policy
    came = ", ".join(f"{t.name!r} {t.dtype} {list(t.shape)}" for t in trial.first.tensors[:4]) or "no tensors"
    pinned = trial.pinned(policy.reject) if policy else ""
    change = f", by the change {vector.change}" if vector.change else ""
    derived = (("made from", f"{vector.derived_from}, which is valid{change}"),) if vector.derived_from else ()
    return Judgement(
        Finding.INVALID_ACCEPTED,
        f"an invalid file was accepted{pinned}: {vector.description}",
        (
            *derived,
            ("came back", came),
            ("what to do", f"check {' and '.join(vector.rules)} before any tensor is returned, and raise"),
        ),
        group=f"an invalid file was accepted{pinned}",
    )


def _second_load(trial: Trial) -> Iterator[Judgement]:
    """A second load of the same file gives the same; anything else is memory that was never written, or state."""
    second = trial.second
    if second is None:
        return
    if second.kind in LOADER_ENDINGS:
        yield ended_badly(second, "the second load of the same file", LOADER_ENDINGS)
    elif _digests(second) != _digests(trial.first):
        yield Judgement(
            Finding.LOADS_DIFFER,
            f"two loads of the same file differ: {_changed(trial.first, second)}",
            (
                (
                    "what to do",
                    "return no memory that was not written (np.empty), and keep no buffer between loads",
                ),
            ),
            diagnosis="uninitialised-memory",
            group="two loads of the same file differ",
        )


def _digests(outcome: Outcome) -> dict[str, tuple[str, tuple[int, ...], str]]:
    return {tensor.name: (tensor.dtype, tensor.shape, tensor.sha256) for tensor in outcome.tensors}


def _changed(first: Outcome, second: Outcome) -> str:
    if second.kind is not OutcomeKind.LOADED:
        return f"the second was {second.kind.value} ({refusal_of(second)})"
    one, two = _digests(first), _digests(second)
    names = sorted(name for name in one.keys() | two.keys() if one.get(name) != two.get(name))
    return "tensors " + ", ".join(repr(name) for name in names[:4])
