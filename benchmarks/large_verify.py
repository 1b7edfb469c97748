"""`endianproof verify` and `fingerprint` on a checkpoint of the shapes of Llama-2-7B: 291 tensors, 13.5 GB.

`python -m benchmarks.large_verify [DIVISOR] [LOADER...]` makes the file, every size divided by DIVISOR (1 if left
out), measures, removes it, and prints figures as JSON. The file's pages are dropped from the system's cache before
each run, so that each reads it from the disk, as a plain read does. TMPDIR says where it is made.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CLI = [sys.executable, "-m", "endianproof.conformance.cli"]
BLOCK = 1 << 22  # bytes read at a time
NOISE = 64 << 20  # bytes of noise, of which every tensor has its own part


def shapes(divisor: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Names and shapes of the 291 tensors."""
    hidden, inner, words = 4096 // divisor, 11008 // divisor, 32000 // divisor
    yield "model.embed_tokens.weight", (words, hidden)
    for layer in range(32):
        for name, shape in (
            ("input_layernorm", (hidden,)),
            ("mlp.down_proj", (hidden, inner)),
            ("mlp.gate_proj", (inner, hidden)),
            ("mlp.up_proj", (inner, hidden)),
            ("post_attention_layernorm", (hidden,)),
            *((f"self_attn.{letter}_proj", (hidden, hidden)) for letter in "kovq"),
        ):
            yield f"model.layers.{layer}.{name}.weight", shape
    yield "model.norm.weight", (hidden,)
    yield "lm_head.weight", (words, hidden)


def write(path: Path, divisor: int) -> None:
    """Write the file, a tensor at a time."""
    entries, at = {}, 0
    for name, shape in shapes(divisor):
        size = 2 * int(np.prod(shape))
        entries[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [at, at + size]}
        at += size
    header = json.dumps(entries).encode()
    header += b" " * (-len(header) % 8)
    noise = np.random.default_rng(7).integers(1, 256, NOISE, np.uint8).tobytes()
    with path.open("wb") as file:
        file.write(len(header).to_bytes(8, "little") + header)
        for number, (_, shape) in enumerate(shapes(divisor)):
            left, start = 2 * int(np.prod(shape)), 4099 * number % (NOISE // 2)
            while left:
                left -= file.write(noise[start : start + left])
                start = 0
        file.flush()
        os.fsync(file.fileno())


def _forget(path: Path) -> None:
    """Have the system drop the file's pages from its cache."""
    with path.open("rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _plain_read(path: Path) -> dict[str, Any]:
    with path.open("rb", buffering=0) as file:
        buffer = bytearray(BLOCK)
        while file.readinto(buffer):
            pass
    return {}


def _plain_digest(path: Path) -> dict[str, Any]:
    digest = hashlib.sha256()
    with path.open("rb", buffering=0) as file:
        buffer = memoryview(bytearray(BLOCK))
        while count := file.readinto(buffer):
            digest.update(buffer[:count])
    return {}


def _command(*arguments: str) -> None:
    done = subprocess.run([*CLI, *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{arguments} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")


def _verified(path: Path, loader: str) -> dict[str, Any]:
    report = path.with_suffix(".report.json")
    report.unlink(missing_ok=True)
    _command("verify", "-q", str(path), f"--loader={loader}", f"--report={report}")
    record = json.loads(report.read_text(encoding="utf-8"))
    tensors = sum(file["tensors"] for file in record["files"])
    return {"tensors": tensors, **{f"{who} bytes": count for who, count in record["peak_bytes"].items()}}


def _fingerprinted(path: Path) -> dict[str, Any]:
    _command("fingerprint", "-q", str(path))
    return {}


def _measured(path: Path, work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    _forget(path)
    started = time.perf_counter()
    found = work()
    return {"seconds": time.perf_counter() - started, **found}


def measure(folder: Path, divisor: int, loaders: list[str]) -> dict[str, Any]:
    """Seconds of each way through the file, and the most memory of both processes."""
    path = folder / "llama-2-7b.safetensors"
    # In a process of its own: what a process had in memory when it started another, Linux counts as that one's.
    making = [sys.executable, "-m", "benchmarks.large_verify", "write", str(path), str(divisor)]
    subprocess.run(making, check=True)
    work: dict[str, Callable[[], dict[str, Any]]] = {
        "plain read": partial(_plain_read, path),
        "plain read with SHA-256": partial(_plain_digest, path),
        "fingerprint": partial(_fingerprinted, path),
        **{f"verify {loader}": partial(_verified, path, loader) for loader in loaders},
    }
    return {"bytes": path.stat().st_size, **{name: _measured(path, one) for name, one in work.items()}}


def main() -> None:
    """Measure and print."""
    if sys.argv[1:2] == ["write"]:
        write(Path(sys.argv[2]), int(sys.argv[3]))
        return
    divisor, *loaders = [*sys.argv[1:], *(["1"] if len(sys.argv) < 2 else [])]
    with tempfile.TemporaryDirectory(prefix="endianproof-bench-") as folder:
        print(json.dumps(measure(Path(folder), int(divisor), loaders or ["reference"])))


if __name__ == "__main__":
    main()
