"""Element types that the user says the testee does not have.

What needs one is to be refused: it is unsupported then, which is shown and never counted as passed. Loaded wrong
it fails as ever, and loaded right it fails, too: the settings are no longer true.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from endianproof.conformance.endings import heading
from endianproof.conformance.finding import Finding, Judgement

if TYPE_CHECKING:
    from endianproof.conformance.tasks import Task

__all__ = ["Unsupported"]

REFUSED = (Finding.VALID_REFUSED, Finding.TENSORS_REFUSED)


@dataclass(frozen=True)
class Unsupported:
    """These element types; `place` is how a message calls what says so."""

    dtypes: frozenset[str] = frozenset()
    place: str = ""

    def needed(self, task: Task) -> str:
        """Which of them a vector's or a save's tensors have, as a message lists them; "" for none."""
        return ", ".join(sorted({tensor.dtype for tensor in task.tensors} & self.dtypes))

    def hold(self, task: Task, judgement: Judgement) -> Judgement:
        """The judgement in the light of what is not supported."""
        if task.verdict == "reject" or not (needed := self.needed(task)):
            return judgement
        if judgement.finding in REFUSED or _went_to_refusal(task, judgement):
            return Judgement(Finding.UNSUPPORTED, f"unsupported: dtype {needed}, by {self.place}", heading(task))
        if judgement.finding is Finding.PASSED:
            return self._unforeseen(task, judgement, needed)
        return judgement

    def _unforeseen(self, task: Task, judgement: Judgement, needed: str) -> Judgement:
        group = f"supported after all: {needed} passes, and {self.place} says that it is not supported"
        advice = ("what to do", f"take {needed} out of {self.place}")
        return replace(
            judgement, finding=Finding.SUPPORTED, headline=group, lines=(*heading(task), advice), group=group
        )


def _went_to_refusal(task: Task, judgement: Judgement) -> bool:
    """Whether a refusal is one of the ways that the format leaves open, and the testee went it."""
    policy = task.policy
    return policy is not None and judgement.choice == (policy.name, policy.reject)
