"""The command line: `python3 .../testee/__main__.py --loader mypkg.load`, or `-m endianproof.conformance.testee`.

`--saver mypkg.save` serves a saver in place of a loader.

Started as a file, it needs nothing installed and nothing on PYTHONPATH: it makes `endianproof` importable from the
folder it lies in. So a guest's Python sees this package and its own, and never the host's site-packages.
"""

from __future__ import annotations

import sys

# Started as a file, Python has put this folder in front of sys.path; with -m, the folder where the user stands.
# Neither belongs there: the testee's own imports must not find the user's json.py, nor the user's ours.
if __name__ == "__main__" and not getattr(sys.flags, "safe_path", False):
    del sys.path[0]

import faulthandler
import importlib.util
import os
from typing import NoReturn

# What the testee answers and exits with when the loader cannot be had.
UNUSABLE = 3


def _make_importable() -> None:
    """Import `endianproof` from where this file lies, unless it was imported already (-m does that)."""
    if "endianproof" in sys.modules:
        return
    folder = os.path.abspath(__file__)  # noqa: PTH100 (pathlib would be one more import in an emulated guest)
    for _ in range(3):
        folder = os.path.dirname(folder)  # noqa: PTH120 (as above)
    path = os.path.join(folder, "__init__.py")  # noqa: PTH118 (as above)
    spec = importlib.util.spec_from_file_location("endianproof", path, submodule_search_locations=[folder])
    assert spec is not None, "a .py file has a loader"
    assert spec.loader is not None, "a .py file has a loader"
    module = importlib.util.module_from_spec(spec)
    sys.modules["endianproof"] = module
    spec.loader.exec_module(module)


_make_importable()

from endianproof.conformance.testee.arguments import answer_of, parse  # noqa: E402 (only now importable)
from endianproof.conformance.testee.handshake import PROTOCOL  # noqa: E402
from endianproof.conformance.testee.serve import Server, failure  # noqa: E402
from endianproof.conformance.testee.stdio import Channel  # noqa: E402

__all__ = ["main"]


def _refuse(channel: Channel, error: BaseException) -> NoReturn:
    """Answer the first request with why there is nothing to test, and exit."""
    for _ in channel.requests():
        channel.reply({"protocol": PROTOCOL, "error": failure(error)})
        break
    sys.exit(UNUSABLE)


def main() -> None:
    """Import what is tested, then serve requests until the runner says goodbye or goes away."""
    arguments = parse()
    channel = Channel()
    faulthandler.enable()  # a crash leaves its Python traceback on stderr, and remains a crash
    sys.path[:0] = arguments.path
    sys.path.extend(arguments.path_last)
    try:
        answer = answer_of(arguments)
    except (Exception, SystemExit) as error:  # noqa: BLE001 (importing runs the library's code: it may raise anything)
        _refuse(channel, error)
    Server(arguments.name or arguments.loader or arguments.saver, answer).serve(channel)


if __name__ == "__main__":
    main()
