"""The judge of savers: what a save is worth, by what the file says when the reference reads it back.

Three things are looked at: the file, strictly; the caller's tensors, which saving leaves as they are; and a second
save of the same tensors, whose file says the same. The bytes are the writer's own: no format here has one writing.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from endianproof.conformance.contents import SAVING, Contents, judge_contents
from endianproof.conformance.difference import compare
from endianproof.conformance.endings import (
    SAVER_ENDINGS,
    VARYING,
    ended_badly,
    first_line,
    heading,
    refusal_of,
    reported,
    said,
)
from endianproof.conformance.finding import Finding, Judgement
from endianproof.conformance.outcome import OutcomeKind
from endianproof.conformance.written import LOOKS, Written, read_back
from endianproof.reference import SpecViolation
from endianproof.spec import load_spec

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Literal, TypeAlias

    from endianproof.conformance.outcome import LoadedTensor, Outcome
    from endianproof.vectors import GivenTensor, Save

    ByteOrder: TypeAlias = Literal["little", "big"]

__all__ = ["SaveTrial", "judge_save"]

SHOWN_BYTES = 16


@dataclass(frozen=True)
class SaveTrial:
    """Everything that the judgement on one save rests on.

    `file` is what the first save left at the path it was given, None for nothing; `strays` are names of what it
    left beside it. `second` and `second_file` are of another save of the same tensors.
    """

    save: Save
    first: Outcome
    file: bytes | None
    strays: tuple[str, ...]
    second: Outcome | None
    second_file: bytes | None
    policies: Mapping[str, str]
    machine_order: str

    @property
    def wanted(self) -> str:
        """`accept`, `reject` or `either`: the save's verdict, with the user's pinned policy."""
        policy = self.save.policy
        if policy is None:
            return self.save.verdict
        if policy.name in LOOKS:
            return "accept"
        return {policy.accept: "accept", policy.reject: "reject"}.get(self.policies.get(policy.name, ""), "either")

    @functools.cached_property
    def choice(self) -> tuple[str, str] | None:
        """Which way the policy of a `may` save went; None for other saves, and where neither way was taken.

        Memory in the machine's own byte order decides nothing about memory in another one.
        """
        policy = self.save.policy
        asks_for_order = any(tensor.byte_order for tensor in self.save.tensors)
        if policy is None or (asks_for_order and self.memory_order == self.machine_order):
            return None
        if policy.name not in LOOKS:
            ways = {OutcomeKind.SAVED: policy.accept, OutcomeKind.REJECTED: policy.reject}
            return (policy.name, ways[self.first.kind]) if self.first.kind in ways else None
        if self.file is None or not isinstance(self.contents, Written):
            return None
        form = load_spec().formats[self.save.format]
        return policy.name, policy.accept if LOOKS[policy.name](self.file, form, self.save) else policy.reject

    @functools.cached_property
    def contents(self) -> Written | SpecViolation | None:
        """What the file says, or why it is none; None where there is no file."""
        return _read(self.file, self.save)

    @property
    def memory_order(self) -> str:
        """The byte order of the caller's memory: the machine's, unless the save asks for one."""
        return next((t.byte_order for t in self.save.tensors if t.byte_order), self.machine_order)

    def pinned(self) -> str:
        """Words for a headline where the user's choice decided, else ""."""
        name = self.save.policy.name if self.save.policy else ""
        return f" (you pinned {name}={self.policies[name]})" if name in self.policies else ""


def _read(file: bytes | None, save: Save) -> Written | SpecViolation | None:
    if file is None:
        return None
    try:
        return read_back(file, save.format)
    except SpecViolation as violation:
        return violation


def judge_save(trial: SaveTrial) -> Judgement:
    """Judge one save by the file that it left, by the caller's tensors afterwards, and by a second save."""
    faults = sorted(_faults(trial), key=_harm)
    note = f"{', '.join(trial.strays[:4])} was left beside the file" if trial.strays else ""
    if not faults:
        return replace(_without_fault(trial), note=note)
    notes = (("note", note),) if note else ()
    return replace(reported(trial.save, faults, notes), note=note)


def _harm(fault: Judgement) -> float:
    """Wrong values that nothing explains are explained by two saves that differ."""
    return Finding.SAVES_DIFFER.severity + 0.5 if fault.diagnosis == "unexplained" else fault.finding.severity


def _without_fault(trial: SaveTrial) -> Judgement:
    if trial.first.kind is OutcomeKind.UNSUPPORTED:
        reason = first_line(trial.first.message)
        return Judgement(Finding.UNSUPPORTED, f"unsupported: {reason}", heading(trial.save))
    return Judgement(Finding.PASSED, "passed", choice=trial.choice)


def _faults(trial: SaveTrial) -> Iterator[Judgement]:
    """Everything that is wrong, in no order. Each fault is a judgement without the save's heading."""
    kind = trial.first.kind
    if kind in SAVER_ENDINGS:
        yield ended_badly(trial.first, "the saver", SAVER_ENDINGS)
    elif kind is OutcomeKind.REJECTED and trial.wanted == "accept":
        yield _tensors_refused(trial)
    elif kind is OutcomeKind.SAVED:
        yield from _file_faults(trial)
        yield from _caller_changed(trial)


def _tensors_refused(trial: SaveTrial) -> Judgement:
    refusal = refusal_of(trial.first)
    pinned = trial.pinned()
    return Judgement(
        Finding.TENSORS_REFUSED,
        f"valid tensors were refused{pinned}: {refusal}",
        (
            *said(trial.first, "saver"),
            ("tensors", _described(trial.save.tensors)),
            (
                "what to do",
                "save them; what is not implemented must say so: NotImplementedError, or the answer `unsupported`",
            ),
        ),
        group=f"valid tensors were refused{pinned}: {VARYING.sub('...', refusal)}",
    )


def _described(tensors: tuple[GivenTensor, ...] | tuple[LoadedTensor, ...]) -> str:
    more = f" and {len(tensors) - 4} more" if len(tensors) > 4 else ""
    return ", ".join(f"{t.name!r} {t.dtype} {list(t.shape)}" for t in tensors[:4]) + more or "no tensors"


def _file_faults(trial: SaveTrial) -> Iterator[Judgement]:
    contents = trial.contents
    if trial.wanted == "reject":
        yield _wrongly_saved(trial)
    elif contents is None:
        yield Judgement(
            Finding.NOTHING_WRITTEN,
            "nothing was written: the saver returned, and there is no file",
            (("what to do", "write to the path that was given, and close the file before returning"),),
        )
    elif isinstance(contents, SpecViolation):
        yield _invalid_written(contents, trial.file or b"")
    else:
        yield from judge_contents(_expectation(trial, contents))
        yield from _otherwise_than_pinned(trial)
    yield from _second_save(trial)


def _wrongly_saved(trial: SaveTrial) -> Judgement:
    contents = trial.contents
    if isinstance(contents, Written):
        says = _described(contents.tensors)
    else:
        says = f"nothing that can be read: {contents}" if contents else "nothing: there is no file"
    pinned = trial.pinned()
    return Judgement(
        Finding.INVALID_WRITTEN,
        f"tensors were saved that must be refused{pinned}: {trial.save.description}",
        (("file says", says), ("what to do", f"check {' and '.join(trial.save.rules)} before writing, and raise")),
        group=f"tensors were saved that must be refused{pinned}",
    )


def _invalid_written(violation: SpecViolation, file: bytes) -> Judgement:
    rule = load_spec().rules[violation.rule]
    held = file[violation.offset : violation.offset + SHOWN_BYTES].hex(" ").upper() or "the end of the file"
    must = rule.level.startswith("MUST")
    what = "an invalid file was written" if must else "a file was written that loaders may refuse"
    return Judgement(
        Finding.INVALID_WRITTEN,
        f"{what}: {violation}",
        (
            ("broken", f"{rule.id} ({rule.level}): {rule.statement}"),
            ("in file", f"byte {violation.offset} (0x{violation.offset:X}) of {len(file)}: {held}"),
            ("what to do", f"write {violation.expected}, where the file has {violation.found}"),
        ),
        diagnosis=rule.id,
        group=f"{what}: {rule.id}",
    )


def _expectation(trial: SaveTrial, contents: Written) -> Contents:
    """The caller's tensors as they lay in memory, held against those of the file."""
    given = {tensor.name: tensor for tensor in trial.save.tensors}
    memory = functools.cache(lambda name: trial.save.memory(given[name], _order(contents, name)))
    wanted = [trial.save.expected(tensor, _order(contents, name)) for name, tensor in given.items()]
    return Contents(
        wanted=wanted,
        found=contents.tensors,
        source=lambda tensor: memory(tensor.name),
        siblings=wanted,
        machine_order=trial.memory_order,
        words=SAVING,
        place=lambda tensor: contents.places.get(tensor.name),
    )


def _order(contents: Written, name: str) -> ByteOrder:
    return "big" if contents.byte_order(name) == "big" else "little"


def _otherwise_than_pinned(trial: SaveTrial) -> Iterator[Judgement]:
    """A choice that shows in the file alone, and is not the one that the user pinned."""
    policy = trial.save.policy
    if policy is None or policy.name not in LOOKS or trial.choice is None:
        return
    wanted = trial.policies.get(policy.name, trial.choice[1])
    if wanted != trial.choice[1]:
        yield Judgement(
            Finding.INVALID_WRITTEN,
            f"the file shows {policy.name}={trial.choice[1]}{trial.pinned()}",
            (("what to do", f"write as {policy.name}={wanted} says, or do not pin it"),),
            diagnosis=policy.name,
        )


def _second_save(trial: SaveTrial) -> Iterator[Judgement]:
    """A second save of the same tensors says the same; what else it says is stray memory, or state."""
    second = trial.second
    if second is None:
        return
    if second.kind in SAVER_ENDINGS:
        yield ended_badly(second, "the second save of the same tensors", SAVER_ENDINGS)
        return
    one, two = trial.contents, _read(trial.second_file, trial.save)
    if second.kind is OutcomeKind.SAVED and _said_by(one) == _said_by(two):
        return
    yield Judgement(
        Finding.SAVES_DIFFER,
        f"two saves of the same tensors differ: {_how(second, _said_by(one), _said_by(two))}",
        (("what to do", "write no memory but the tensors', and keep no buffer between saves"),),
        diagnosis="uninitialised-memory",
        group="two saves of the same tensors differ",
    )


def _said_by(contents: Written | SpecViolation | None) -> dict[str, tuple[str, tuple[int, ...], str]] | str:
    """What two files are compared by; two invalid ones by the rule that they break."""
    if isinstance(contents, Written):
        return {tensor.name: (tensor.dtype, tensor.shape, tensor.sha256) for tensor in contents.tensors}
    return contents.rule if contents else "nothing"


def _how(second: Outcome, one: object, two: object) -> str:
    if second.kind is not OutcomeKind.SAVED:
        return f"the second was {second.kind.value} ({refusal_of(second)})"
    if isinstance(one, dict) and isinstance(two, dict):
        names = sorted(name for name in one.keys() | two.keys() if one.get(name) != two.get(name))
        return "tensors " + ", ".join(repr(name) for name in names[:4])
    return "one file can be read and the other cannot"


def _caller_changed(trial: SaveTrial) -> Iterator[Judgement]:
    """The testee's second look at what it handed over, where it took one."""
    looked_at = {tensor.name: tensor for tensor in trial.first.tensors}
    changed = [t for t in trial.save.tensors if looked_at and _differs(t, looked_at.get(t.name))]
    if not changed:
        return
    first = changed[0]
    how, diagnosis = _change(trial, first, looked_at.get(first.name))
    others = f", and {len(changed) - 1} more" if len(changed) > 1 else ""
    yield Judgement(
        Finding.CALLER_CHANGED,
        f"the caller's tensors were changed by saving them: {how}",
        (
            ("changed", f"{first.name!r}, {first.dtype}, shape {list(first.shape)}{others}"),
            ("what to do", "swap and copy in memory of the saver's own, never in the tensors it is given"),
        ),
        diagnosis=diagnosis,
        group="the caller's tensors were changed by saving them",
    )


def _differs(given: GivenTensor, found: LoadedTensor | None) -> bool:
    return found is None or (found.dtype, found.shape, found.sha256) != (given.dtype, given.shape, given.sha256)


def _change(trial: SaveTrial, given: GivenTensor, found: LoadedTensor | None) -> tuple[str, str]:
    """What became of a tensor, in words, and the mistake that explains it."""
    if found is None:
        return f"{given.name!r} is gone", "gone"
    if found.data is None or (found.dtype, found.shape) != (given.dtype, given.shape):
        return f"{given.name!r} is now {found.dtype} {list(found.shape)}", "changed"
    expected = trial.save.expected(given, "little")
    memory = trial.save.memory(given, "little")
    # Compared as if memory were little-endian throughout, so that bytes reversed in place have just one name.
    difference = compare(expected, found.data, load_spec().element_types, file=memory, machine_order="little")
    assert difference is not None, "the digests differ"
    why = difference.explanation
    name = {"swapped-needlessly": "swapped-in-place"}.get(why.name, why.name) if why else "changed"
    said_of = (
        "bytes were swapped in place" if name == "swapped-in-place" else difference.headline.partition(":")[0]
    )
    return f"{said_of}{difference.headline[difference.headline.rindex(': ') :]}", name
