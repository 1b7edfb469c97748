"""The example adapters over the safetensors vectors: the whole run, the runner's part of it, the program alone.

`python -m benchmarks.adapters LANGUAGE FEW MANY` prints seconds per vector as a JSON object: what MANY take longer
than FEW, so that starting Python, pytest and the adapter is not in it. Alone, the program is fed with every
request of such a run at once, two for each vector, and nobody reads its answers.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import sys
import tempfile
from pathlib import Path

from benchmarks.measure import Command, sample
from endianproof.vectors import load_vectors

HERE = Path(__file__).resolve().parent
ADAPTERS = HERE.parent / "examples" / "adapters"
LANGUAGES = tuple(sorted(path.parent.name for path in ADAPTERS.glob("*/README.md")))


def _commands(language: str) -> tuple[list[str], str]:
    """The README's commands that build an adapter, and the testee's command line that it checks."""
    text = (ADAPTERS / language / "README.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"^```\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    lines = [line for line in block.splitlines() if line]
    check = next(number for number, line in enumerate(lines) if line.startswith("endianproof protocol check"))
    return lines[:check], shlex.split(lines[check])[-1].removeprefix("--testee=")


def absent(language: str) -> list[str]:
    """The programs that an adapter is built or run with and that are not installed here."""
    builds, testee = _commands(language)
    programs = {line.split()[0] for line in (*builds, testee)}
    return sorted(one for one in programs if "/" not in one and shutil.which(one) is None)


def _built(language: str, folder: Path) -> str:
    """Build an adapter as its README says, in a copy of its folder; return the testee's command line."""
    shutil.copytree(ADAPTERS / language, folder)
    builds, testee = _commands(language)
    for line in builds:
        sample(Command(line, ["bash", "-c", line], cwd=str(folder)))
    return testee


def _session(ids: list[str]) -> str:
    """Every request of a run: hello, each vector twice, bye."""
    chosen = [vector for vector in load_vectors() if f"{vector.format}::{vector.id}" in ids]
    loads = [
        {"op": "load", "id": f"v{n}", "path": str(vector.path), "format": vector.format, "reply": reply}
        for n, vector in enumerate(chosen)
        for reply in ("data", "sha256")
    ]
    return "".join(json.dumps(one) + "\n" for one in ({"op": "hello", "protocol": 1}, *loads, {"op": "bye"}))


def _seconds(testee: str, ids: list[str], folder: Path) -> dict[str, float]:
    """Wall-clock seconds of a run, and processor seconds of it, of the runner in it, and of the program alone."""
    (folder / "session").write_text(_session(ids), encoding="utf-8")
    options = ["-q", "-p", "no:cacheprovider", f"--testee={testee}", *ids]
    run = sample(Command("the run", [sys.executable, str(HERE / "own_time.py"), *options], cwd=str(folder)))
    alone = ["bash", "-c", f"{testee} < session > {os.devnull}"]
    own = float(run.output.splitlines()[-1].removeprefix("own "))
    adapter = sample(Command("the program alone", alone, cwd=str(folder))).cpu
    return {"wall": run.wall, "whole": run.cpu, "runner": own, "adapter": adapter}


def per_vector(language: str, few: int = 100, many: int | None = None) -> dict[str, float]:
    """Seconds per vector, by what takes them: "wall", "whole", "runner", "adapter"."""
    ids = [f"{vector.format}::{vector.id}" for vector in load_vectors() if vector.format == "safetensors"][:many]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / language
        testee = _built(language, folder)
        _seconds(testee, ids[:1], folder)  # once to warm up
        first, second = (_seconds(testee, these, folder) for these in (ids[:few], ids))
    return {key: (second[key] - first[key]) / (len(ids) - few) for key in first}


if __name__ == "__main__":
    print(json.dumps(per_vector(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))))
