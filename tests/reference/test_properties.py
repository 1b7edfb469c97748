"""Whatever the bytes: the reference loads them or raises SpecViolation, in memory bounded by the file.

`ENDIANPROOF_EXAMPLES=5000` draws more than the few hundred files that every run tries.
"""

from __future__ import annotations

import contextlib
import math
import os
import tracemalloc

import pytest
from hypothesis import HealthCheck, given, settings

from endianproof.reference import SpecViolation, load
from endianproof.spec import load_spec
from endianproof.strategies import damaged_files, files
from endianproof.vectors import load_vectors

EXAMPLES = int(os.environ.get("ENDIANPROOF_EXAMPLES", "150"))
FORMATS = list(load_spec().formats)
PROFILE = settings(
    max_examples=EXAMPLES,
    database=None,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
SMALL = 1 << 20  # bytes of elements that a test asks for; a view of few bytes may be of any size


def read(path):
    """Load, and ask for the elements of every small tensor in both ways."""
    for tensor in load(path).values():
        if tensor.nbytes > SMALL or len(tensor.shape) > 30:
            continue
        assert len(tensor.canonical) == tensor.nbytes
        numpy_has_shape = math.prod(filter(None, tensor.shape)) <= SMALL  # it multiplies them, zeros left out
        if numpy_has_shape and tensor.element.bits % 8 == 0 and tensor.dtype != "complex32":
            assert tensor.numpy().shape == tensor.shape


def look_into(path):
    """The violation, or None; anything else that is raised fails the test."""
    try:
        read(path)
    except SpecViolation as violation:
        return violation
    return None


@pytest.mark.parametrize("name", FORMATS)
def test_a_damaged_file_loads_or_is_refused_by_a_rule_that_exists_at_a_byte_that_exists(name, tmp_path):
    @PROFILE
    @given(damaged_files(name))
    def check(file):
        violation = look_into(file.write_to(tmp_path))
        if violation is not None:
            assert violation.rule in violation.explain()
            assert 0 <= violation.offset <= len(file.data), str(violation)

    check()


@pytest.mark.parametrize("name", FORMATS)
def test_the_memory_that_a_file_takes_is_bounded_by_its_size(name, tmp_path):
    look_into(next(v.path for v in load_vectors() if v.format == name))  # what is imported and cached but once

    @PROFILE
    @given(damaged_files(name) | files(name))
    def check(file):
        path = file.write_to(tmp_path)
        tracemalloc.start()
        try:
            with contextlib.suppress(SpecViolation):  # of the file, or of a checksum when it is asked for
                for tensor in load(path).values():
                    if tensor.nbytes <= len(file.data):
                        tensor.canonical  # noqa: B018 (a property that does the work)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert peak <= 16 * len(file.data) + (1 << 20)

    check()
