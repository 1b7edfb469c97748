"""The best explanation: which known mistake would have produced just what was found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from endianproof.conformance.diagnosis._missing import MISSING
from endianproof.conformance.diagnosis._places import PLACES
from endianproof.conformance.diagnosis._swaps import SWAPS
from endianproof.conformance.diagnosis._values import VALUES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from endianproof.conformance.diagnosis._case import Candidate, Case, Mistake

__all__ = ["MISTAKES", "Explanation", "explain"]

# Where two explain a tensor equally well, the earlier one is named first: byte order, place, value, omission.
MISTAKES: tuple[Mistake, ...] = (*SWAPS, *PLACES, *VALUES, *MISSING)


@dataclass(frozen=True)
class Explanation:
    """A mistake that accounts for every element that differs.

    `spared` counts the elements that came back right although the mistake would have changed them too: 0 when it
    was made throughout, more when it was made in a part (a swap loop that forgets its tail). `unspecified` counts
    codes that could have come out as anything. `also` names further mistakes that give the very same elements.
    """

    name: str
    sentence: str
    advice: str
    spared: int
    unspecified: int
    also: tuple[str, ...] = ()

    @property
    def rank(self) -> tuple[int, int]:
        """Smaller is better: fewer elements spared, then fewer left to chance."""
        return self.spared, self.unspecified


def _per_element(flags: np.ndarray[tuple[int, ...], np.dtype[np.bool_]], case: Case) -> int:
    return int(flags.reshape(-1, case.parts).any(axis=1).sum())


def _weigh(case: Case, mistake: Mistake, candidate: Candidate) -> Explanation | None:
    """The explanation that this candidate gives, or None where an element contradicts it or none supports it."""
    if len(candidate.codes) != len(case.found):
        return None
    open_to_chance = np.broadcast_to(candidate.unspecified, case.found.shape)
    telling = case.differing & ~open_to_chance
    hit: np.ndarray[tuple[int, ...], np.dtype[np.bool_]] = candidate.codes == case.found
    if not telling.any() or not hit[telling].all():
        return None
    return Explanation(
        name=mistake.name,
        sentence=mistake.sentence.format(detail=candidate.detail),
        advice=mistake.advice,
        spared=_per_element(~hit & ~case.differing & ~open_to_chance, case),
        unspecified=_per_element(open_to_chance, case),
    )


def _explanations(case: Case) -> Iterator[Explanation]:
    for mistake in MISTAKES:
        # Overflow and NaN are what these mistakes do, not something to warn about.
        with np.errstate(all="ignore"):
            found = [_weigh(case, mistake, candidate) for candidate in mistake.produce(case)]
        yield from sorted((one for one in found if one), key=lambda one: one.rank)[:1]


def explain(case: Case) -> Explanation | None:
    """The mistake that explains `case` best, or None when no known one explains every differing element."""
    ranked = sorted(_explanations(case), key=lambda one: one.rank)
    if not ranked:
        return None
    best = ranked[0]
    also = tuple(one.name for one in ranked[1:] if one.rank == best.rank)
    return Explanation(best.name, best.sentence, best.advice, best.spared, best.unspecified, also)
