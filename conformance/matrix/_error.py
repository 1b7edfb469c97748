"""What is wrong with a matrix."""

from __future__ import annotations

__all__ = ["MatrixError"]


class MatrixError(Exception):
    """A matrix that cannot be used as it is; the message says where, what was found and what was expected."""
