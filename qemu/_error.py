"""The one error of this room."""

from __future__ import annotations

__all__ = ["GuestError"]


class GuestError(Exception):
    """A guest cannot be set up or used. The message says what happened, `hint` what to do about it.

    `kind` names the causes that callers act upon: "disk" (no room), "network" (nothing could be fetched),
    "damaged" (a download is not what it should be), "absent" (the index has no such wheel), "unbuildable" (a guest
    cannot build it); "" for every other.
    """

    def __init__(self, message: str, hint: str = "", kind: str = "") -> None:
        super().__init__(message)
        self.hint = hint
        self.kind = kind
