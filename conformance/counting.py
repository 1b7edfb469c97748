"""Counts in the words of messages."""

from __future__ import annotations

__all__ = ["counted"]


def counted(count: int, what: str) -> str:
    """`1 tensor`, `2 tensors`: `what` is a word whose plural ends in s."""
    return f"{count} {what}{'' if count == 1 else 's'}"
