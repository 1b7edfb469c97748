"""The real frameworks: what they hold is read bit by bit, and their conversion is proved as they are imported.

`tox -e frameworks` installs them; whatever is missing then is a failure.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from endianproof.conformance.client import TesteeProcess
from endianproof.conformance.examine import examine
from endianproof.conformance.finding import Finding
from endianproof.conformance.launch import python_testee
from endianproof.vectors import load_vectors

pytestmark = pytest.mark.frameworks

HERE = Path(__file__).parent
PLAIN = (
    "bool",
    "uint8",
    "int8",
    "int16",
    "int32",
    "int64",
    "float16",
    "bfloat16",
    "float32",
    "float64",
    "complex64",
)
UNSIGNED = ("uint16", "uint32", "uint64")
ONE_BYTE = ("float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "float8_e5m2fnuz", "float8_e8m0fnu")
TYPES = {
    "jax": (*PLAIN, *UNSIGNED, *ONE_BYTE),
    "tensorflow": (*PLAIN, *UNSIGNED, *ONE_BYTE[:4]),
    "paddle": (*PLAIN, *ONE_BYTE[:2]),  # it has unsigned types, and no way to make a tensor of numpy's
    "mlx": (*PLAIN, *UNSIGNED),
}
KINDS = ("st-dtype", "st-scalar", "st-matrix", "st-nan", "st-all")


@pytest.fixture(scope="module", params=TYPES)
def testee(request):
    launch = python_testee(f"framework_loaders.{request.param}", "path", [HERE], None, None)
    with TesteeProcess(launch) as process:
        process.framework = request.param
        yield process


def of_type(dtype):
    ids = {f"{kind}-{dtype.replace('_', '-')}" for kind in KINDS}
    return [vector for vector in load_vectors() if vector.id in ids]


@pytest.mark.parametrize("dtype", sorted(TYPES["jax"]))
def test_every_type_that_a_framework_has_is_read_bit_by_bit(testee, dtype):
    vectors = of_type(dtype)
    expected = Finding.PASSED if dtype in TYPES[testee.framework] else Finding.UNSUPPORTED
    assert vectors
    for vector in vectors:
        judgement = examine(vector, testee, {})
        assert judgement.finding is expected, judgement.text()
