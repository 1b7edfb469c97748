"""A user's own file, of any size: what a loader makes of it, held against what the specification says it holds.

Tensors are compared by the SHA-256 of their canonical bytes, which both sides make piece by piece.

    _files        what the user named -> files
    _pieces       the reference's tensors in pieces, and where they lie in the file
    _reading      one file, read by the reference: its tensors, and their digests, made in threads
    _asking       the loader's side: its tensors' digests, and parts of them
    _looking      the first element that differs, found by digests of halves, and what explains it
    _comparing    tensors expected and found -> judgements
    _fingerprint  the digests as a file, to be kept beside a model
    _verify       one file, or all of them, from the beginning to the verdict
    _verdict      the verdict on a file, in words
    _taking       the fingerprint of files
    _progress     how far it is, for people
    _record       the verdicts as JSON
"""

from __future__ import annotations

from endianproof.conformance.verifying._comparing import checked
from endianproof.conformance.verifying._files import FilesError, NamedFile, gather
from endianproof.conformance.verifying._fingerprint import (
    Fingerprint,
    FingerprintError,
    parse_fingerprint,
    read_fingerprint,
)
from endianproof.conformance.verifying._progress import Progress
from endianproof.conformance.verifying._record import peak_memory, record
from endianproof.conformance.verifying._taking import UnreadableError, fingerprint
from endianproof.conformance.verifying._verdict import DIFFERENT, SAME, UNJUDGED, Verdict
from endianproof.conformance.verifying._verify import Run, verify

__all__ = [
    "DIFFERENT",
    "SAME",
    "UNJUDGED",
    "FilesError",
    "Fingerprint",
    "FingerprintError",
    "NamedFile",
    "Progress",
    "Run",
    "UnreadableError",
    "Verdict",
    "checked",
    "fingerprint",
    "gather",
    "parse_fingerprint",
    "peak_memory",
    "read_fingerprint",
    "record",
    "verify",
]
