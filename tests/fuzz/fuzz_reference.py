"""Coverage-guided fuzzing of the reference with atheris: `tox -e fuzz`, or

    python tests/fuzz/fuzz_reference.py safetensors -runs=100000

The corpus begins with the small golden files. Whatever is raised but SpecViolation, and whatever takes more than
ten seconds or a gigabyte, ends the run; libFuzzer then leaves the input in the folder, from where it belongs
into tests/reference/ as a test.
"""

from __future__ import annotations

import importlib
import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["endianproof.reference"]):
    from endianproof.reference import SpecViolation

from endianproof.spec import load_spec
from endianproof.vectors import load_vectors

LIMITS = ("-timeout=10", "-rss_limit_mb=1024", "-max_len=65536")
SMALL = 1 << 16  # bytes of a golden file that begins the corpus, and of elements that are asked for


def one_input(form):
    """What is done with each input of a format: read it, and every small tensor of it."""
    with atheris.instrument_imports(include=["endianproof.reference"]):
        reader = importlib.import_module(f"endianproof.reference._{form.name.replace('-', '_')}")

    def read(data):
        try:
            for tensor in reader.read(memoryview(data), form).values():
                if tensor.nbytes <= SMALL:
                    bytes(tensor.canonical)
        except SpecViolation as violation:
            assert 0 <= violation.offset <= len(data), violation  # noqa: PT017 (no test: the fuzzer's own check)

    return read


def main():
    """Fuzz the format that the first argument names; the others are libFuzzer's."""
    form = load_spec().formats[sys.argv[1]]
    with tempfile.TemporaryDirectory(prefix="endianproof-fuzz-") as corpus:
        for vector in load_vectors():
            if vector.format == form.name and vector.size <= SMALL:
                (Path(corpus) / vector.id).write_bytes(vector.path.read_bytes())
        atheris.Setup([sys.argv[0], *LIMITS, *sys.argv[2:], corpus], one_input(form))
        atheris.Fuzz()


if __name__ == "__main__":
    main()
