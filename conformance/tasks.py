"""Tasks: what a testee is asked to do, vectors to load and saves to make, under one name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from endianproof.conformance.counting import counted
from endianproof.vectors import Save, Vector, load_large, load_saves, load_vectors

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import TypeAlias

    Task: TypeAlias = Vector | Save

__all__ = ["OPS", "load_tasks", "tally"]

# What the protocol asks for, and the tasks that it is asked for with.
OPS = {"load": Vector, "save": Save}


def load_tasks(ops: Iterable[str] = OPS, *, large: bool = False) -> tuple[Task, ...]:
    """Every task that these operations are needed for, vectors first, each in the specification's order.

    With `large`, the large vectors are among them.
    """
    wanted = tuple(OPS[op] for op in ops)
    every: tuple[Task, ...] = (*load_vectors(), *(load_large() if large else ()), *load_saves())
    return tuple(task for task in every if isinstance(task, wanted))


def tally(tasks: Iterable[Task]) -> str:
    """How many there are, in words: `12 vectors and 3 saves`."""
    kinds = [task.kind for task in tasks]
    parts = [counted(kinds.count(kind), kind) for kind in ("vector", "save") if kind in kinds]
    return " and ".join(parts) or "nothing"
