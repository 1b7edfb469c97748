"""Findings, ordered by how much they hurt, and the judgement that carries one with its evidence."""

from __future__ import annotations

import enum
import textwrap
from dataclasses import dataclass

__all__ = ["FAILURES", "Finding", "Judgement"]


WIDTH = 106  # columns of the evidence, so that with its indent it fits a pull request's comment


def _wrapped(text: str, width: int) -> list[str]:
    """Lines of at most `width` columns; a longer word stays whole, and so does what came in several lines."""
    lines = text.splitlines()
    if len(lines) > 1:
        return lines
    return textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False) or [""]


class Finding(enum.Enum):
    """What the judge found, the most harmful first. The values are permanent: baselines hold them."""

    WRONG_VALUES = "wrong-values"
    LOADS_DIFFER = "two-loads-differ"
    SAVES_DIFFER = "two-saves-differ"
    NOTHING_WRITTEN = "nothing-written"
    FILE_MODIFIED = "file-modified"
    CALLER_CHANGED = "caller-tensors-changed"
    CODE_EXECUTED = "code-executed"
    INVALID_ACCEPTED = "invalid-file-accepted"
    INVALID_WRITTEN = "invalid-file-written"
    CRASHED = "crashed"
    TIMED_OUT = "timed-out"
    OUT_OF_MEMORY = "out-of-memory"
    VALID_REFUSED = "valid-file-refused"
    TENSORS_REFUSED = "valid-tensors-refused"
    WRONG_FORM = "wrong-names-types-or-shapes"
    UNKNOWN_RESULT = "unknown-result"
    PROTOCOL_ERROR = "protocol-error"
    SUPPORTED = "supported-after-all"
    UNSUPPORTED = "unsupported"
    PASSED = "passed"

    @property
    def severity(self) -> int:
        """0 for the most harmful."""
        return tuple(Finding).index(self)


FAILURES = tuple(finding for finding in Finding if finding not in {Finding.UNSUPPORTED, Finding.PASSED})


@dataclass(frozen=True)
class Judgement:
    """What the judge says of one vector or save.

    `headline` is the report's first line; `lines` are the evidence, as (label, text) pairs. `diagnosis` names the
    mistake that explains it, "" where none does; `group` is the headline without this vector's values.
    `choice` says which way a policy went, `(policy, choice)`, for a `may` vector that was decided. `note` is worth
    knowing and no failure.
    """

    finding: Finding
    headline: str
    lines: tuple[tuple[str, str], ...] = ()
    diagnosis: str = ""
    group: str = ""
    choice: tuple[str, str] | None = None
    note: str = ""

    @property
    def failed(self) -> bool:
        """Whether the testee does not conform."""
        return self.finding in FAILURES

    def text(self) -> str:
        """The whole report: the headline, then the evidence in two columns."""
        width = max((len(label) for label, _ in self.lines), default=0)
        rows = (
            (label if number == 0 else "", line)
            for label, text in self.lines
            for number, line in enumerate(_wrapped(text, WIDTH - width))
        )
        return "\n".join((self.headline, *(f"  {label:<{width}}  {line}".rstrip() for label, line in rows)))
