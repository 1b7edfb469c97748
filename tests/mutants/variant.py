"""The reference with some of its source changed, beside the right one: of these the wrong loaders are made.

A variant is the whole package imported anew under its own name, with one or more modules compiled from changed
source. Nothing is written to disk, and the right package is back when the variant is left.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import importlib.util
import sys
from pathlib import Path

import endianproof
import endianproof.reference

__all__ = ["FILES", "source", "variant"]

PACKAGE = "endianproof.reference"
ROOM = Path(endianproof.reference.__file__).parent
FILES = tuple(sorted(path.name for path in ROOM.glob("*.py")))


@functools.cache
def source(file):
    """The text of a module of the reference."""
    return (ROOM / file).read_text(encoding="utf-8")


@functools.cache
def _compiled(file):
    return compile(source(file), str(ROOM / file), "exec", dont_inherit=True)


class _Finder:
    """Finds the reference's modules: `changed` ones as they are given (source or code), the others as they are."""

    def __init__(self, changed):
        self.changed = changed

    def find_spec(self, name, _path=None, _target=None):
        if name != PACKAGE and not name.startswith(PACKAGE + "."):
            return None
        return importlib.util.spec_from_loader(name, self, is_package=name == PACKAGE)

    def create_module(self, _spec):
        return None

    def exec_module(self, module):
        file = "__init__.py" if module.__name__ == PACKAGE else f"{module.__name__.rpartition('.')[2]}.py"
        code = self.changed.get(file)
        if code is None:
            code = _compiled(file)
        elif isinstance(code, str):
            code = compile(code, file, "exec", dont_inherit=True)
        exec(code, module.__dict__)  # noqa: S102 (the reference's own source)


def _ours():
    return [name for name in sys.modules if name == PACKAGE or name.startswith(PACKAGE + ".")]


@contextlib.contextmanager
def variant(changed):
    """The package with `changed` modules: file name to source text, or to a compiled module."""
    kept = {name: sys.modules.pop(name) for name in _ours()}
    finder = _Finder(changed)
    sys.meta_path.insert(0, finder)
    try:
        yield importlib.import_module(PACKAGE)
    finally:
        sys.meta_path.remove(finder)
        for name in _ours():
            del sys.modules[name]
        sys.modules.update(kept)
        endianproof.reference = kept[PACKAGE]
