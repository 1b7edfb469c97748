"""The specification's conversion of float32 to bfloat16 over all 2^32 inputs, against torch and ml_dtypes.

`tox -e exhaustive` runs it, on all cores. Numbers must be the same, bit for bit; a NaN must stay one.
"""

from __future__ import annotations

import multiprocessing
import sys
import time

import ml_dtypes
import numpy as np

from endianproof.spec import load_spec

CHUNK = 1 << 22
TYPES = load_spec().element_types
FROM, TO = TYPES["float32"].float_fields, TYPES["bfloat16"].float_fields
SHIFT = FROM.fraction - TO.fraction


def nans(codes, fields, bits):
    """Which codes are NaNs: exponent all ones, and a fraction."""
    return codes & ((1 << (bits - 1)) - 1) > ((1 << fields.exponent) - 1) << fields.fraction


def narrow_all(codes):
    """BF-RND-01, BF-RND-02 and BF-NAN-01 for an array of codes: to the nearest, ties to even, in integers."""
    kept, rest, half = codes >> SHIFT, codes & ((1 << SHIFT) - 1), 1 << (SHIFT - 1)
    rounded = kept + ((rest > half) | ((rest == half) & (kept & 1 == 1)))
    quiet = kept | 1 << (TO.fraction - 1)
    return np.where(nans(codes, FROM, 32), quiet, rounded).astype("u2")


def by_ml_dtypes(codes):
    with np.errstate(invalid="ignore"):  # a signalling NaN
        return codes.view("f4").astype(ml_dtypes.bfloat16).view("u2")


def by_torch(codes):
    import torch

    torch.set_num_threads(1)
    return torch.from_numpy(codes.view("f4")).bfloat16().view(torch.int16).numpy().view("u2")


OTHERS = {"ml_dtypes": by_ml_dtypes, "torch": by_torch}


def compare(start):
    """For one chunk: inputs that are numbers, NaNs; and for each library, numbers that differ and NaNs lost."""
    codes = np.arange(start, start + CHUNK, dtype="u4")
    ours, nan = narrow_all(codes), nans(codes, FROM, 32)
    counts = [int((~nan).sum()), int(nan.sum()), int((nan & ~nans(ours, TO, 16)).sum())]
    for convert in OTHERS.values():
        theirs = convert(codes)
        counts += [int(((ours != theirs) & ~nan).sum()), int((nan & ~nans(theirs, TO, 16)).sum())]
    return counts


def main():
    started = time.monotonic()
    starts = range(0, 1 << 32, CHUNK)
    total = np.zeros(3 + 2 * len(OTHERS), dtype="i8")
    with multiprocessing.get_context("spawn").Pool() as pool:
        for done, counts in enumerate(pool.imap_unordered(compare, starts), 1):
            total += counts
            if done % 64 == 0:
                print(f"{done * CHUNK / (1 << 32):.0%}", end=" ", flush=True)
    numbers, nan, lost, *others = (int(count) for count in total)
    print(f"\n{numbers:,} numbers and {nan:,} NaNs in {time.monotonic() - started:.0f} s")
    print(f"the specification: {lost:,} NaNs became numbers")
    for name, different, lost_there in zip(OTHERS, others[::2], others[1::2], strict=True):
        print(f"{name}: {different:,} numbers differ, {lost_there:,} NaNs became numbers")
    return int(lost or any(others) or numbers != (1 << 32) - 2 * ((1 << FROM.fraction) - 1))


if __name__ == "__main__":
    sys.exit(main())
