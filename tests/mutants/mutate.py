"""Mutation testing of the reference, by the vectors alone: every small change of its source must be seen by one.

    python tests/mutants/mutate.py [--known] [FILE ...]

Each mutation runs in a child process, with a limit on its time and its memory, and is killed by the first vector
that the changed reference gets wrong. What survives must stand in survivors.yaml with the reason. `--known` runs
those alone that stand there: whether a new vector kills them is then known in a minute.
"""

from __future__ import annotations

import functools
import os
import resource
import signal
import sys
import time
from pathlib import Path

import yaml

sys.path.insert(0, str(Path(__file__).parent))

from mutations import mutations
from oracle import questions, wrong
from variant import FILES, source, variant

__all__ = ["every_mutation", "explained", "kill", "run", "still_open"]

TABLE = Path(__file__).with_name("survivors.yaml")
SECONDS = 15  # of the processor's time: a machine that is busy kills nothing
MEMORY = 2 << 30


@functools.cache
def _table():
    return yaml.safe_load(TABLE.read_text(encoding="utf-8"))


def every_mutation(files=FILES):
    """Every mutation of the reference that is the vectors' to see, in the order of the source."""
    elsewhere = {(entry["file"], entry["function"]) for entry in _table()["elsewhere"]}
    found = (one for file in files for one in mutations(file, source(file)))
    return [one for one in found if (one.file, one.function) not in elsewhere]


def _keyed(section):
    """The entries of a section of the table by their keys. Raises where a key stands in it twice."""
    entries = _table()[section]
    keys = [(e["file"], e["function"], e["operator"], e["change"], e.get("number", 1)) for e in entries]
    found = dict(zip(keys, entries, strict=True))
    assert len(found) == len(entries), f"an entry stands twice in {section} of survivors.yaml"
    return found


def explained():
    """Mutations that no vector can see: key to reason."""
    return {key: entry["reason"] for key, entry in _keyed("survivors").items()}


def still_open():
    """Mutations that no vector sees yet: for each, a vector is to be written or a reason to be given."""
    return set(_keyed("open"))


def _limit():
    signal.alarm(20 * SECONDS)  # for what waits, and takes no time of the processor
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    with open("/proc/self/statm") as pages:  # noqa: PTH123 (in a child, as early as can be)
        size = int(pages.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + MEMORY, size + MEMORY))


def _first_wrong(mutation, order):
    """The place in `order` of the first vector that the mutated reference gets wrong; -1 where all are right."""
    try:
        with variant({mutation.file: mutation.apply(source(mutation.file))}) as reference:
            return next((place for place, one in enumerate(order) if wrong(one, reference)), -1)
    except BaseException:  # noqa: BLE001 (it cannot even be imported)
        return 0


def kill(mutation, order):
    """The vector that kills a mutation, "time or memory" where that ran out, None where it survives."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        _limit()
        os.write(writer, str(_first_wrong(mutation, order)).encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as answer:
        text = answer.read()
    os.waitpid(child, 0)
    if not text:
        return "time or memory"
    return None if int(text) < 0 else order[int(text)].id


def run(chosen):
    """The mutations that survive. A vector that killed one stands in front for the next."""
    order, survivors = list(questions()), []
    for mutation in chosen:
        killer = kill(mutation, order)
        if killer is None:
            survivors.append(mutation)
        place = next((place for place, one in enumerate(order) if one.id == killer), 0)
        order.insert(0, order.pop(place))
    return survivors


def main(arguments):
    """Run them, print the survivors that the table does not have, and return the exit code."""
    started, reasons, undecided = time.monotonic(), explained(), still_open()
    chosen = every_mutation(tuple(name for name in arguments if name != "--known") or FILES)
    if "--known" in arguments:
        chosen = [one for one in chosen if one.key in reasons or one.key in undecided]
    survivors = run(chosen)
    new = [one for one in survivors if one.key not in reasons and one.key not in undecided]
    for one in new:
        print(f"reference/{one.file}:{one.line} {one.function}: {one.operator}: {one.change} #{one.number}")
    known, files = {one.key for one in survivors}, {one.file for one in chosen}
    stale = [key for key in (*reasons, *undecided) if key[0] in files and key not in known]
    for key in stale:
        print("in the table, and killed or gone:", *key)
    print(
        f"{len(chosen)} mutations: {len(chosen) - len(survivors)} killed, {len(survivors)} survived: "
        f"{len(known & reasons.keys())} explained, {len(known & undecided)} open, {len(new)} new; "
        f"{time.monotonic() - started:.0f} s"
    )
    return 1 if new or stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
