"""The verdict on one file, in words: what was found, or what was in the way."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from endianproof.conformance.counting import counted
from endianproof.conformance.endings import LOADER_ENDINGS, ended_badly, refusal_of, said
from endianproof.conformance.finding import Finding, Judgement
from endianproof.conformance.outcome import OutcomeKind
from endianproof.conformance.verifying._comparing import listed
from endianproof.conformance.verifying._progress import gigabytes
from endianproof.spec import load_spec
from endianproof.vectors import load_vectors

if TYPE_CHECKING:
    from collections.abc import Iterable

    from endianproof.conformance.outcome import Outcome
    from endianproof.conformance.verifying._files import NamedFile
    from endianproof.reference import SpecViolation

__all__ = ["DIFFERENT", "SAME", "UNJUDGED", "Verdict", "ended", "index_faults", "refused", "unrecognized"]

SAME, DIFFERENT, UNJUDGED = "same", "different", "not judged"
# Endings that say nothing about the file's tensors: the loader never claimed to have them.
NO_ANSWER = {OutcomeKind.UNSUPPORTED, OutcomeKind.UNKNOWN_RESULT, OutcomeKind.PROTOCOL_ERROR, OutcomeKind.SAVED}


@dataclass(frozen=True)
class Verdict:
    """What was found of one file: `state` is same, different or not judged; then `why` says what was in the way.

    `tensors` and `nbytes` were compared, in so many `seconds`. `format` is None where none recognizes the file.
    """

    name: str
    format: str | None
    state: str
    judgements: tuple[Judgement, ...] = ()
    why: str = ""
    tensors: int = 0
    nbytes: int = 0
    seconds: float = 0.0

    def text(self) -> str:
        """In full, for a person."""
        what = f"{self.name} ({self.format or 'no known format'})"
        size = f"{counted(self.tensors, 'tensor')}, {gigabytes(self.nbytes)}"
        speed = f"{self.seconds:.1f} s, {gigabytes(self.nbytes / max(self.seconds, 1e-6))}/s"
        if self.state == SAME:
            return f"{what}: same: {size}, {speed}"
        if self.state == UNJUDGED:
            return f"{what}: not judged: {self.why}"
        return "\n".join((f"{what}: different", *(indented(judgement.text()) for judgement in self.judgements)))


def indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.splitlines())


def ended(outcome: Outcome, file: NamedFile) -> Verdict:
    """The verdict on a file that the loader did not load, and the reference did or has nothing to say of."""
    kind = outcome.kind
    verdict = Verdict(file.path.name, file.format, UNJUDGED if kind in NO_ANSWER else DIFFERENT)
    if kind is OutcomeKind.UNSUPPORTED:
        return replace(verdict, why=f"the loader does not support it: {refusal_of(outcome)}")
    if kind is OutcomeKind.REJECTED:
        headline = f"the loader refused the file, which is valid: {refusal_of(outcome)}"
        return replace(verdict, judgements=(Judgement(Finding.VALID_REFUSED, headline, said(outcome, "loader")),))
    bad = ended_badly(outcome, "the loader", LOADER_ENDINGS)
    return replace(verdict, why=bad.text()) if kind in NO_ANSWER else replace(verdict, judgements=(bad,))


def _open_to_choice(rule: str) -> str:
    """What the specification leaves open at a rule, in words; "" where it leaves nothing."""
    policy = next((v.policy for v in load_vectors() if v.policy and v.rules[0] == rule), None)
    if policy is None:
        return ""
    return f"\nThe specification leaves this open (policy {policy.name}): a loader may accept such a file."


def refused(violation: SpecViolation, outcome: Outcome | None, change: str = "") -> str:
    """Why a file that breaks a rule cannot be judged, what the loader made of it, and what became of the file."""
    loader = ""
    if outcome is not None:
        loader = {
            OutcomeKind.LOADED: f"\nThe loader loaded it all the same: {counted(len(outcome.tensors), 'tensor')}.",
            OutcomeKind.REJECTED: f"\nThe loader refused it too: {refusal_of(outcome)}",
        }.get(outcome.kind, f"\nThe loader: {outcome.kind.value}: {outcome.message}")
    loader += f"\n{change}." if change else ""
    advice = "\nWrite the file anew, or fetch it again; --format says what it is where that was mistaken."
    return f"it breaks a rule\n{indented(violation.explain() + _open_to_choice(violation.rule) + loader + advice)}"


def unrecognized(file: NamedFile) -> str:
    with file.path.open("rb") as stream:
        start = stream.read(16)
    formats = ", ".join(load_spec().formats)
    return f"no format recognizes it (it begins {start.hex(' ')}): --format says what it is, of {formats}"


def index_faults(file: NamedFile, names: Iterable[str]) -> str:
    """Where an index of shards and its file do not say the same; "" where they do."""
    if file.indexed is None:
        return ""
    found = set(names)
    parts = (("only in the index", file.indexed - found), ("only in the file", found - file.indexed))
    faults = "; ".join(f"{what}: {listed(sorted(some))}" for what, some in parts if some)
    return f"the index does not fit the file: {faults}" if faults else ""
