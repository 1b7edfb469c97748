"""A check as lines to read: a line for each step, and below it what is wrong and what to do."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from endianproof.conformance.checking.talk import quoted
from endianproof.conformance.visible import visible

if TYPE_CHECKING:
    from collections.abc import Iterator

    from endianproof.conformance.checking.check import Checked, Result

__all__ = ["lines"]

WIDTH = 100


def _evidence(result: Result) -> Iterator[str]:
    assert result.wrong is not None, "a step that went wrong"
    rows = {
        "step": result.step.sends,
        "sent": quoted(result.sent),
        "received": quoted(result.received),
        "found": result.wrong.found,
        "expected": result.wrong.expected,
        "schema": result.wrong.schema,
        "what to do": result.wrong.advice,
    }
    for label, text in rows.items():
        if text:
            parts = [
                part for line in text.splitlines() for part in textwrap.wrap(line, WIDTH, break_on_hyphens=False)
            ]
            yield f"         {label:<10}  {parts[0]}"
            yield from (f"         {'':<10}  {part}" for part in parts[1:])


def _result(result: Result) -> Iterator[str]:
    if result.wrong is not None:
        yield f"  WRONG  {result.step.name}"
        yield from _evidence(result)
    else:
        yield f"  {'ok' if result.said else '-':<5}  {result.step.name:<16} {result.said or 'not tried'}"


def lines(checked: Checked) -> Iterator[str]:
    """Every step, then how many were wrong. What the testee said is in it, and cannot steer the terminal."""
    return map(visible, _lines(checked))


def _lines(checked: Checked) -> Iterator[str]:
    hello = checked.hello
    if hello:
        what = " ".join(filter(None, (hello["name"], hello["version"])))
        yield f"{what}, {hello['runtime']}, {hello['machine']}, {hello['byteorder']}-endian"
    tried = [result for result in checked.results if result.said or result.wrong is not None]
    for result in checked.results if hello else tried:
        yield from _result(result)
    if checked.errors:
        yield f"standard error, which is for people and changes nothing, ends: {checked.errors.splitlines()[-1]}"
    wrong = sum(result.wrong is not None for result in tried)
    untried = len(checked.results) - len(tried)
    yield f"{len(tried)} steps tried: {wrong} wrong, {len(tried) - wrong} right" + (
        f"; {untried} not tried" if untried else ""
    )
