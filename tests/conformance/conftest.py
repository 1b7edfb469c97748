"""A user's package and folder, in which pytest is run as the user runs it."""

from __future__ import annotations

import textwrap

import pytest

# Loaders of a user's, right and wrong. Each is given to --loader as mypkg.<name>.
MYPKG = textwrap.dedent(
    """
    import os, sys
    from endianproof.reference import load as right

    class Tensor:
        def __init__(self, source, data=None):
            self.dtype, self.shape = source.dtype, source.shape
            self.canonical = bytes(source.canonical() if callable(source.canonical) else source.canonical)
            if data is not None:
                self.canonical = data(self.dtype, self.canonical)

    def wrong(data):
        return lambda path: {name: Tensor(tensor, data) for name, tensor in right(path).items()}

    def swap_bfloat16(dtype, data):
        return bytes(b for i in range(0, len(data), 2) for b in data[i:i+2][::-1]) if dtype == "bfloat16" else data

    def through_float16(dtype, data):
        import numpy as np
        if dtype != "bfloat16":
            return data
        with np.errstate(all="ignore"):
            native = np.frombuffer(data, "<u2").byteswap().astype("<u4") << 16
            half = native.view("<f4").astype("<f2").view("<u2").byteswap().view("<f2")
            bits = half.astype("<f4").view("<u4").astype("<u8")
            return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype("<u2").tobytes()

    load = right
    swaps = wrong(swap_bfloat16)
    float16 = wrong(through_float16)

    class Given:
        def __init__(self, source):
            self.dtype = {"bfloat16": "uint16"}.get(source.dtype, source.dtype)
            self.shape, self.canonical = source.shape, source.canonical

    def as_uint16(path):
        return {name: Given(tensor) for name, tensor in right(path).items()}

    def lists(path):
        return {name: tensor.numpy().astype("f8").tolist() for name, tensor in right(path).items()}

    def picky(path):
        tensors = right(path)
        if any(tensor.dtype == "bfloat16" for tensor in tensors.values()):
            raise NotImplementedError("dtype bfloat16")
        return tensors

    def refuses(path):
        tensors = right(path)
        if any(tensor.dtype == "bfloat16" for tensor in tensors.values()):
            raise TypeError("Got unsupported ScalarType BFloat16")
        return tensors

    def crashes(path):
        if "bfloat16" in os.path.basename(path):
            os.abort()
        return right(path)

    def hangs(path):
        import time
        time.sleep(600)

    def writes(path):
        tensors = {name: Tensor(tensor) for name, tensor in right(path).items()}
        if "bfloat16" in os.path.basename(path):
            with open(path, "ab") as file:
                file.write(b"!")
        return tensors

    def accepts(path):
        try:
            return right(path)
        except Exception:
            return {}

    def unknown(path):
        return 12

    def prints(path):
        print("chatter on stdout")
        sys.stderr.write("warning: noise\\n")
        return right(path)
    """
)


@pytest.fixture
def run(pytester, monkeypatch):
    """Run pytest as a user does, in a folder with a package and tests of the user's own."""
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    pytester.makepyfile(mypkg=MYPKG)
    pytester.makepyfile(test_own="def test_own(): pass")

    def run(*args):
        return pytester.runpytest_subprocess("-p", "no:randomly", *args)

    return run
