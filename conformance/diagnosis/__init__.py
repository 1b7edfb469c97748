"""Which known mistake explains a wrong tensor: what each would have produced is computed, and compared.

A new mistake is one function and one row in the table of the module it belongs to: `_swaps` (byte order),
`_places` (where the bytes were taken from), `_values` (arithmetic on the way), `_missing` (what was not read), and
`_types` (element type and shape).
"""

from __future__ import annotations

from endianproof.conformance.diagnosis._case import Candidate, Case, Mistake
from endianproof.conformance.diagnosis._explain import MISTAKES, Explanation, explain
from endianproof.conformance.diagnosis._places import contiguous
from endianproof.conformance.diagnosis._types import FormMistake, explain_form

__all__ = [
    "MISTAKES",
    "Candidate",
    "Case",
    "Explanation",
    "FormMistake",
    "Mistake",
    "contiguous",
    "explain",
    "explain_form",
]
