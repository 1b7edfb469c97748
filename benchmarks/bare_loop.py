"""What the suite's overhead is measured against: load every vector twice with the reference, and nothing else."""

from __future__ import annotations

import contextlib
import hashlib

from endianproof.reference import SpecViolation, load
from endianproof.vectors import load_vectors


def main() -> None:
    """Load as the runner has a testee load: once for the data, once more for the digest."""
    for vector in load_vectors():
        for _ in range(2):
            with contextlib.suppress(SpecViolation):  # a refused file is loaded as far as it goes
                for tensor in load(vector.path).values():
                    hashlib.sha256(tensor.canonical).digest()


if __name__ == "__main__":
    main()
