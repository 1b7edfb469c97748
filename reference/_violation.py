"""The one exception of this room."""

from __future__ import annotations

import textwrap

from endianproof.spec import load_spec

__all__ = ["SpecViolation"]


class SpecViolation(ValueError):  # noqa: N818 (a violation is what it is; the name is the contract)
    """A file breaks a rule.

    `rule` is the rule's id, `offset` the byte of the file to look at, `found` and `expected` what stands there and
    what should, in words.
    """

    def __init__(self, rule: str, offset: int, found: str, expected: str) -> None:
        super().__init__(f"{rule} at byte {offset}: found {found}; expected {expected}")
        self.rule = rule
        self.offset = offset
        self.found = found
        self.expected = expected

    def __reduce__(self) -> tuple[type[SpecViolation], tuple[str, int, str, str]]:
        return type(self), (self.rule, self.offset, self.found, self.expected)

    def explain(self) -> str:
        """The violation with the rule's statement, its reason, and its sources, for a person to read."""
        rule = load_spec().rules[self.rule]
        paragraphs = [
            str(self),
            f"{rule.level}: {rule.statement}",
            f"Why: {rule.why}",
            f"Sources: {'; '.join(rule.sources)}",
        ]
        return "\n".join(textwrap.fill(text, 100, subsequent_indent="    ") for text in paragraphs)
