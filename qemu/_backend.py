"""Runs inside a guest, its text given to `python3 -c`: calls a project's build backend (PEP 517), and answers.

The standard library only, Python 3.9. It stands in the project's folder. Arguments: the backend (`module:object`),
the hook's name, then what the hook is called with; the backend's own folders are in PYTHONPATH.
"""

from __future__ import annotations

import functools
import importlib
import json
import sys


def _main(named: str, hook: str, *arguments: str) -> None:
    sys.path[:] = [folder for folder in sys.path if folder]  # the project is not to be imported by chance
    module, _, names = named.partition(":")
    backend = functools.reduce(getattr, filter(None, names.split(".")), importlib.import_module(module))
    answer = getattr(backend, hook)(*arguments) if hasattr(backend, hook) else None
    sys.stdout.write(f"\nendianproof-answer: {json.dumps(answer)}\n")


if __name__ == "__main__":
    _main(*sys.argv[1:])
