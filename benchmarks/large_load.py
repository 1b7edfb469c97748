"""Measured in a process of its own: the reference, and torch.load, on files of a megabyte and of half a gigabyte.

`python -m benchmarks.large_load native|foreign [MIB]` prints figures as JSON: medians of runs in turn. MIB is the
size of the larger file; left out, 512.
"""

from __future__ import annotations

import functools
import importlib
import io
import json
import re
import statistics
import sys
import tempfile
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from endianproof.reference import load
from endianproof.spec import load_spec
from endianproof.vectors._zip import Archive, Record, write_zip

if TYPE_CHECKING:
    from collections.abc import Callable

RUNS = 7
TENSORS = 8
MIB = 1 << 20  # bytes
OTHER = {"little": "big", "big": "little"}[sys.byteorder]


def _safetensors(path: Path, size: int) -> None:
    entries = {
        f"w{i}": {"dtype": "F32", "shape": [size // TENSORS // 4], "data_offsets": [at, at + size // TENSORS]}
        for i, at in enumerate(range(0, size, size // TENSORS))
    }
    header = json.dumps(entries).encode()
    header += b" " * (-len(header) % 8)
    with path.open("wb") as file:
        file.write(len(header).to_bytes(8, "little") + header)
        for _ in range(TENSORS):
            file.write(_noise(size // TENSORS))


def _noise(size: int) -> bytes:
    return np.random.default_rng(size).integers(0, 256, size, np.uint8).tobytes()


def _torch_zip(path: Path, size: int, order: str) -> None:
    torch = importlib.import_module("torch")  # the other half of this file does without
    buffer = io.BytesIO()
    torch.save({f"w{i}": torch.empty(size // TENSORS // 2, dtype=torch.bfloat16) for i in range(TENSORS)}, buffer)
    with zipfile.ZipFile(buffer) as archive:
        pickle = archive.read("archive/data.pkl")
    records = [
        Record("archive/data.pkl", pickle),
        Record("archive/byteorder", order.encode()),
        *(Record(f"archive/data/{i}", _noise(size // TENSORS)) for i in range(TENSORS)),
        Record("archive/version", b"3\n"),
    ]
    written = write_zip(records, Archive(64), load_spec().formats["torch-zip"].layout["zip"])
    assert isinstance(written.data, bytes), "no record is that large"
    path.write_bytes(written.data)


def _own_memory() -> int:
    """Bytes that this process holds, without the pages of mapped files."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(re.findall(r"^RssAnon:\s+(\d+) kB$", status, re.MULTILINE)[0]) * 1024


def _seconds(work: Callable[[], Any]) -> float:
    started = time.perf_counter()
    kept = work()
    passed = time.perf_counter() - started
    del kept
    return passed


def _views(path: Path) -> list[Any]:
    return [tensor.numpy() for tensor in load(path).values()]


def native(folder: Path, size: int) -> dict[str, float]:
    """Seconds to load and view every tensor, and bytes of memory that were added, by the file's size."""
    sizes = {"small": MIB, "large": size}
    figures: dict[str, float] = {}
    for name, nbytes in sizes.items():
        path = folder / f"{name}.safetensors"
        _safetensors(path, nbytes)
        times = [_seconds(functools.partial(_views, path)) for _ in range(3 * RUNS)]
        before = _own_memory()
        kept = _views(path)
        figures[f"{name} seconds"] = statistics.median(times)
        figures[f"{name} bytes"] = max(_own_memory() - before, 0)
        del kept
    return figures


def _in_threads(path: Path) -> list[Any]:
    with ThreadPoolExecutor() as pool:
        return list(pool.map(lambda tensor: tensor.torch(), load(path).values()))


def _verified(path: Path) -> None:
    for tensor in load(path).values():
        tensor.storage.verify()


def foreign(folder: Path, size: int) -> dict[str, float]:
    """Seconds to read a file of the other byte order in full, by the reference and by torch; and of the check."""
    torch = importlib.import_module("torch")
    path = folder / "large.pt"
    _torch_zip(path, size, OTHER)
    work: dict[str, Callable[[], Any]] = {
        "reference": lambda: [tensor.torch() for tensor in load(path).values()],
        "reference in threads": lambda: _in_threads(path),
        "torch.load": lambda: torch.load(path),
        "checksums alone": lambda: _verified(path),
    }
    times: dict[str, list[float]] = {name: [] for name in work}
    for _ in range(RUNS + 1):
        for name, one in work.items():
            times[name].append(_seconds(one))
    return {name: statistics.median(found[1:]) for name, found in times.items()}


def main() -> None:
    """Make the files, measure, and print."""
    what, mib = [*sys.argv[1:], "512"][:2]
    with tempfile.TemporaryDirectory(prefix="endianproof-bench-") as folder:
        measure = {"native": native, "foreign": foreign}[what]
        print(json.dumps(measure(Path(folder), int(mib) * MIB)))


if __name__ == "__main__":
    main()
