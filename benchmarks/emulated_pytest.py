"""What the s390x leg is measured against: pytest itself in the emulated system, one test per vector, in process.

The same vectors, the same copies of files, the same two loads, the same judging; only that all of it is emulated,
and that nothing stands between the loader and pytest. ENDIANPROOF_BENCH_LOADER is the loader's path,
ENDIANPROOF_BENCH_FORMATS the formats it reads.
"""

from __future__ import annotations

import base64
import hashlib
import os
import sys
from typing import TYPE_CHECKING

import pytest

from endianproof.conformance.examine import examine
from endianproof.conformance.outcome import LoadedTensor, Outcome, OutcomeKind, TesteeInfo
from endianproof.conformance.testee.convert import tensor_messages
from endianproof.conformance.testee.resolve import resolve
from endianproof.vectors import Vector, load_vectors

if TYPE_CHECKING:
    from pathlib import Path

    from endianproof.vectors import Save

LOAD = resolve(os.environ["ENDIANPROOF_BENCH_LOADER"])
FORMATS = os.environ["ENDIANPROOF_BENCH_FORMATS"].split(",")
VECTORS = [vector for vector in load_vectors() if vector.format in FORMATS]


class InProcess:
    """The loader, in this very process."""

    def hello(self) -> TesteeInfo:
        """Say what the judge needs to know."""
        return TesteeInfo("in process", "", sys.byteorder, "", "", {})

    def load(self, path: Path, _format_name: str, /, want: str = "data") -> Outcome:
        """Load one file; any exception is a refusal."""
        try:
            messages = tensor_messages(LOAD(str(path)), want)
        except Exception as error:  # noqa: BLE001 (a library may refuse a file by any exception)
            return Outcome(OutcomeKind.REJECTED, error_type=type(error).__name__, message=str(error))
        return Outcome(OutcomeKind.LOADED, tuple(_tensor(message) for message in messages))

    def save(self, _save: Save, _path: Path, /) -> Outcome:
        """Savers are not measured."""
        return Outcome(OutcomeKind.UNSUPPORTED)

    def close(self) -> None:
        """Nothing was started."""

    def interrupt(self) -> None:
        """Nothing is under way."""


def _tensor(message: dict[str, object]) -> LoadedTensor:
    data = base64.b64decode(str(message["data"])) if "data" in message else None
    digest = str(message["sha256"]) if data is None else hashlib.sha256(data).hexdigest()
    shape = message["shape"]
    assert isinstance(shape, list), "the testee's own message"
    return LoadedTensor(str(message["name"]), str(message["dtype"]), tuple(shape), digest, data)


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.id)
def test_vector(vector: Vector) -> None:
    """Fails as the suite does; what fails is no concern of a benchmark."""
    judgement = examine(vector, InProcess(), {})
    assert not judgement.failed, judgement.text()
