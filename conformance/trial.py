"""One trial: everything that a judgement rests on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from endianproof.conformance.outcome import OutcomeKind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from endianproof.conformance.outcome import Outcome
    from endianproof.vectors import Vector

__all__ = ["Trial"]


@dataclass(frozen=True)
class Trial:
    """Everything that one judgement rests on."""

    vector: Vector
    first: Outcome
    second: Outcome | None
    file_unchanged: bool
    policies: Mapping[str, str]
    machine_order: str

    @property
    def wanted(self) -> str:
        """`accept`, `reject` or `either`: the vector's verdict, with the user's pinned policy."""
        policy = self.vector.policy
        if self.vector.verdict != "may" or policy is None:
            return self.vector.verdict
        return {policy.accept: "accept", policy.reject: "reject"}.get(self.policies.get(policy.name, ""), "either")

    @property
    def ran_code(self) -> bool:
        """Whether either load executed code that the file names."""
        return any(outcome is not None and outcome.ran_code for outcome in (self.first, self.second))

    @property
    def choice(self) -> tuple[str, str] | None:
        """Which way the policy of a `may` vector went; None for other vectors, and where neither way was taken."""
        policy = self.vector.policy
        if policy is None:
            return None
        ways = {OutcomeKind.LOADED: policy.accept, OutcomeKind.REJECTED: policy.reject}
        return (policy.name, ways[self.first.kind]) if self.first.kind in ways else None

    def pinned(self, choice: str) -> str:
        """Words for a headline where the user's choice decided, else ""."""
        return f" (you pinned {self.vector.policy.name}={choice})" if self.vector.policy else ""
