"""The kill matrix: which vectors kill which loader that is wrong on purpose.

python tests/mutants/matrix.py            print the summary
python tests/mutants/matrix.py --write    write it to docs/kill-matrix.md
"""

from __future__ import annotations

import contextlib
import functools
import os
import pickle
import sys
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

sys.path.insert(0, str(Path(__file__).parent))

from family import FAMILY
from mutant import SeamGoneError, observations
from right import RECOMMENDED

from endianproof.conformance import difference
from endianproof.conformance.examine import conclude
from endianproof.spec import load_spec
from endianproof.vectors import load_vectors

__all__ = ["PAGE", "Kill", "kill_matrix", "kills_of", "page", "telling"]

PAGE = Path(__file__).resolve().parents[2] / "docs" / "kill-matrix.md"


@dataclass(frozen=True)
class Kill:
    """One vector, or one conversion, that a mutant does not survive, and the first line of the report."""

    id: str
    rules: tuple
    size: int
    headline: str
    diagnosis: str = ""


def _judge(mutant, seen):
    """The judge's answer. The diagnosis, which takes most of the time, is left out where no rule asks for it."""
    if set(seen.vector.rules) & set(mutant.rules):
        return conclude(seen, RECOMMENDED)
    with mock.patch.object(difference, "explain", return_value=None):
        return conclude(seen, RECOMMENDED)


def _by_vectors(mutant):
    for vector, seen in observations(mutant):
        judgement = _judge(mutant, seen)
        if judgement.failed:
            yield Kill(vector.id, vector.rules, vector.size, judgement.headline, judgement.diagnosis)


def _by_saves(mutant):
    for save in mutant.save.saves():
        judgement = conclude(mutant.save.observe(save, mutant.machine), RECOMMENDED)
        if judgement.failed:
            size = sum(len(tensor.canonical) for tensor in save.tensors)
            yield Kill(save.id, save.rules, size, judgement.headline, judgement.diagnosis)


def _is_nan(code):
    return code & 0x7FFF > 0x7F80


def _by_conversions(mutant):
    for case in load_spec().conversions:
        if (case.source, case.target) != ("float32", "bfloat16"):
            continue
        found = mutant.convert(case.code)
        if found != case.result if case.result is not None else not _is_nan(found):
            wanted = "a NaN" if case.result is None else f"0x{case.result:04X}"
            line = f"float32 0x{case.code:08X} became bfloat16 0x{found:04X}, not {wanted}"
            yield Kill(f"{case.rule} 0x{case.code:08X}", (case.rule,), 4, line)


def _kills(mutant):
    """A mutant whose seam is gone is killed by nothing; its own test says why."""
    way = _by_conversions if mutant.convert else _by_saves if mutant.save else _by_vectors
    try:
        return tuple(way(mutant))
    except SeamGoneError:
        return ()


@functools.cache
def kills_of(mutant, shared=None):
    """A mutant's kills; `shared` is a folder through which processes tell each other what they have found."""
    if shared is None:
        return _kills(mutant)
    path = shared / mutant.id
    with contextlib.suppress(FileNotFoundError):
        return pickle.loads(path.read_bytes())
    found = _kills(mutant)
    new = path.with_name(f"{path.name}.{os.getpid()}")
    new.write_bytes(pickle.dumps(found))
    new.replace(path)
    return found


@functools.cache
def kill_matrix(shared=None):
    """Every mutant with its kills, in the table's order."""
    return tuple((mutant, kills_of(mutant, shared)) for mutant in FAMILY)


def telling(mutant, kills):
    """The kills that a mutant is expected to die of: by a rule that it names, with the words that it names."""
    return [kill for kill in kills if set(kill.rules) & set(mutant.rules) and mutant.says in kill.headline]


def useless(matrix):
    """Vectors that kill no mutant, in the manifests' order."""
    used = {kill.id for _, kills in matrix for kill in kills}
    return [vector for vector in load_vectors() if vector.id not in used]


def _row(mutant, kills):
    expected = telling(mutant, kills)
    best = min(expected, key=lambda kill: kill.size, default=None)
    bugs = ", ".join(mutant.bugs)
    return (
        f"| {mutant.id} | {mutant.what} | {', '.join(mutant.formats)} | {len(kills)} | {', '.join(mutant.rules)} "
        f"| {best.id if best else 'none'} | {bugs} |"
    )


HEAD = """\
# Kill matrix

Loaders and savers that are wrong on purpose (`tests/mutants`), and the vectors, conversions and saves that do not
let them pass, judged by the policies that the specification recommends. Generated:
`python tests/mutants/matrix.py --write`.

| mutant | what is wrong | formats | killed by | rules | smallest | known bugs |
|---|---|---|---:|---|---|---|
"""


def page(matrix):
    """The summary, as Markdown."""
    rows = [_row(mutant, kills) for mutant, kills in matrix]
    unused = [f"{vector.id} ({vector.verdict})" for vector in useless(matrix)]
    last = f"Vectors that kill none of them ({len(unused)}): {', '.join(unused) or 'none'}."
    return HEAD + "\n".join(rows) + f"\n\n{last}\n"


def main(arguments):
    """Print the page, or write it."""
    if arguments == ["--write"]:
        PAGE.write_text(page(kill_matrix()), encoding="utf-8")
    else:
        print(page(kill_matrix()), end="")


if __name__ == "__main__":
    main(sys.argv[1:])
