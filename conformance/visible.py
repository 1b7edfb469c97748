"""What a testee says, fit for a terminal and a log."""

from __future__ import annotations

import unicodedata

__all__ = ["visible"]

UNSEEN = frozenset({"Cc", "Cf", "Cs"})  # Unicode's categories: control, format (reversed text), half a character
KEPT = frozenset("\n\t")


def visible(text: str) -> str:
    r"""The same text with what would steer a terminal, or be seen as nothing, as `\x1b` or `\u202e`."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(_shown(one) if unicodedata.category(one) in UNSEEN else one for one in text)


def _shown(one: str) -> str:
    return one if one in KEPT else one.encode("unicode_escape").decode("ascii")
