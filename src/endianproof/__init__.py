"""Conformance tests for programs that read and write tensor files, on both byte orders.

Importing the package imports nothing else: the testee side runs inside emulated guests, whose Python may be
as old as 3.9 and has only the library under test beside the standard library.
"""

from __future__ import annotations

__all__ = ["__version__"]

__version__ = "0.1.0"
