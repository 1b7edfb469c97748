"""Sparse bytes behave as the bytes that they stand for."""

from __future__ import annotations

import binascii
import hashlib
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from endianproof.vectors._sparse import Run, Sparse, crc32, join, run, sha256, write

PART = st.one_of(st.binary(min_size=1, max_size=5), st.builds(Run, st.sampled_from([0, 0x20]), st.integers(1, 9)))
SPARSE = st.builds(lambda parts: Sparse(tuple(parts)), st.lists(PART, min_size=1, max_size=5))


def plain(data):
    return data if isinstance(data, bytes) else b"".join(data.chunks())


@given(SPARSE, st.integers(-60, 60), st.integers(-60, 60))
def test_a_piece_is_the_piece_of_the_bytes(data, start, stop):
    assert plain(data[start:stop]) == plain(data)[start:stop]
    assert plain(data[:stop]) == plain(data)[:stop]


@given(SPARSE, SPARSE, st.binary(max_size=3))
def test_sums_are_the_sums_of_the_bytes(one, two, three):
    total = plain(one) + plain(two) + three
    assert plain(one + two + three) == total
    assert plain(three + one) == three + plain(one)
    assert plain(join([one, two, three])) == total
    assert len(one + two + three) == len(total)


@given(SPARSE)
def test_checksums_are_those_of_the_bytes(data):
    assert crc32(data) == binascii.crc32(plain(data))
    assert sha256(data) == hashlib.sha256(plain(data)).hexdigest()


@pytest.mark.parametrize("count", [1 << 20, (1 << 25) + 12345])
def test_the_checksum_of_a_long_hole_is_that_of_its_zeros(count):
    assert crc32(b"ab" + run(0, count) + b"c") == binascii.crc32(b"ab" + bytes(count) + b"c")


def test_a_run_that_is_short_is_bytes():
    assert run(7, 3) == b"\x07\x07\x07"
    assert join([b"ab", run(0, 2)]) == b"ab\0\0"


@given(data=SPARSE)
def test_a_file_has_the_bytes(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("sparse") / "file"
    write(data, path)
    assert path.read_bytes() == plain(data)


def test_a_file_has_a_hole_where_the_zeros_are(tmp_path):
    path = tmp_path / "file"
    assert write(b"ab" + run(0, 1 << 33) + b"cd", path) == 4
    assert path.stat().st_size == (1 << 33) + 4
    assert path.stat().st_blocks * 512 < 1 << 20
    with path.open("rb") as file:
        file.seek(-3, os.SEEK_END)
        assert file.read() == b"\0cd"
