"""`endianproof protocol check`: a scripted talk with a testee, and what to do where it leaves the protocol.

The suite itself would show a testee's first wrong reply; here every step is tried, good requests and bad ones,
each with a process that answers, and nothing is said of the library but that it reads one small file right.
"""

from __future__ import annotations

from endianproof.conformance.checking.check import Checked, Result, check
from endianproof.conformance.checking.written_out import lines

__all__ = ["Checked", "Result", "check", "lines"]
