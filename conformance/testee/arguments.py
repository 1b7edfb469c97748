"""The testee's own command line, and what it asks for: one loader or one saver, imported and ready to answer."""

from __future__ import annotations

import argparse
import functools
import importlib
import json
from typing import TYPE_CHECKING, Any

from endianproof.conformance.testee.building import FRAMEWORKS, default_framework
from endianproof.conformance.testee.resolve import resolve
from endianproof.conformance.testee.saving import Saver
from endianproof.conformance.testee.serve import TAKES, Loading, Saving

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["answer_of", "parse"]


def parse(words: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line; `words` instead of the process's own."""
    parser = argparse.ArgumentParser(
        prog="endianproof testee", description="Serve the testee protocol, version 1."
    )
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--loader", help="mypkg.load or mypkg.sub:obj.method")
    which.add_argument("--saver", help="mypkg.save or mypkg.sub:obj.method")
    parser.add_argument("--takes", choices=sorted(TAKES), default="path", help="what the loader is given")
    parser.add_argument("--lists", action="store_true", help="plain lists of numbers are tensors")
    parser.add_argument("--gives", choices=sorted(FRAMEWORKS), help="whose tensors the saver is given")
    parser.add_argument(
        "--returns", choices=("auto", "bytes", "file"), default="auto", help="what the saver makes"
    )
    parser.add_argument("--keywords", type=json.loads, default={}, help="more keyword arguments, as JSON")
    parser.add_argument("--import", action="append", default=[], dest="imports", help="a module to import first")
    parser.add_argument("--name", help="what to call it, instead of its path")
    parser.add_argument("--path", action="append", default=[], help="folder for the front of sys.path")
    parser.add_argument("--path-last", action="append", default=[], help="folder for the end of sys.path")
    return parser.parse_args(words)


def answer_of(
    arguments: argparse.Namespace, around: Callable[[Callable[..., Any]], Callable[..., Any]] = lambda call: call
) -> Loading | Saving:
    """Import what is tested, and the framework of a saver's tensors. Raises whatever the imports raise.

    `around` makes of the loader or saver the function that is called in its place.
    """
    for module in arguments.imports:
        importlib.import_module(module)
    if arguments.loader is not None:
        load = functools.partial(around(resolve(arguments.loader)), **arguments.keywords)
        return Loading(load, arguments.takes, lists=arguments.lists)
    save = around(resolve(arguments.saver))
    gives = arguments.gives or default_framework()
    importlib.import_module(gives)
    return Saving(Saver(save, gives, arguments.returns, arguments.keywords))
