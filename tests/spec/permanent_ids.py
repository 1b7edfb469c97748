"""The ids that were published: `python tests/spec/permanent_ids.py` adds those that are new to permanent_ids.txt.

A release does it. One line for each vector, save and rule: where it belongs, and its id. No line is changed or
taken away; what had to go keeps its line, with `withdrawn` and the reason behind it.
"""

from __future__ import annotations

from pathlib import Path

from endianproof.spec import load_spec
from endianproof.vectors import load_large, load_saves, load_vectors

PUBLISHED = Path(__file__).with_name("permanent_ids.txt")


def present():
    """Every id of the specification by the format, or the part, that it belongs to."""
    rules = {rule.id: rule.format or "element_types" for rule in load_spec().rules.values()}
    return {one.id: one.format for one in (*load_vectors(), *load_large(), *load_saves())} | rules


def lines(path=PUBLISHED):
    """The published ids: where each belongs, itself, and, where it is withdrawn, that word and the reason."""
    return [line.split(maxsplit=3) for line in path.read_text(encoding="utf-8").splitlines()]


def publish(path=PUBLISHED):
    """Append what is not published yet, and return how many lines that is."""
    known = {one for _, one, *_ in lines(path)}
    new = [f"{owner} {one}\n" for one, owner in present().items() if one not in known]
    with path.open("a", encoding="utf-8", newline="\n") as file:
        file.writelines(new)
    return len(new)


if __name__ == "__main__":
    print(f"{publish()} more ids are permanent")
