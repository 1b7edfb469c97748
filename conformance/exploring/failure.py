"""A file that a loader gets wrong, and what makes two of them one bug."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import TypeAlias

    from endianproof.conformance.exploring.expectation import Expectation
    from endianproof.conformance.finding import Judgement
    from endianproof.vectors.strategies import File

    Kind: TypeAlias = tuple[str, str, str]

__all__ = ["Failure", "Kind"]

# A storage that is swapped once for each of an even number of views looks as if it were not swapped at all.
ONE_BUG = {"swapped-per-view": "not-swapped"}


@dataclass(frozen=True)
class Failure:
    """A file that failed, the smallest of its kind so far, and what the judge says of it."""

    file: File
    expectation: Expectation
    judgement: Judgement

    @property
    def kind(self) -> Kind:
        """What makes two failures one bug: the finding, what explains it, and the rule of a file to be refused.

        The mistake that explains a failure is its name, however many tensors, views or bytes show it. Where no
        mistake does, it is the judge's group.
        """
        mistake = ONE_BUG.get(self.judgement.diagnosis, self.judgement.diagnosis)
        return self.judgement.finding.value, mistake or self.judgement.group, self.expectation.rule

    @property
    def dtypes(self) -> frozenset[str]:
        """The element types that the file's tensors should have; none for a file that is to be refused."""
        return frozenset(tensor.dtype for tensor in self.expectation.tensors)

    @property
    def size(self) -> tuple[int, bytes]:
        """Fewer bytes are smaller."""
        return len(self.file.data), self.file.data

    @property
    def rank(self) -> tuple[int, bool, bool, tuple[int, bytes]]:
        """The order of a report: harm first, then whole files, then what a known mistake explains, then size."""
        judgement = self.judgement
        return (
            judgement.finding.severity,
            bool(self.file.damages),
            judgement.diagnosis == "unexplained",
            self.size,
        )
