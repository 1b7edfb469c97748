"""Runs inside a guest, its text given to `python3 -c`: imports the named modules, prints facts as JSON.

The standard library only, Python 3.9. Importing proves that the tree's Python, libraries and packages work
together, and leaves their bytecode in the tree: `import torch` takes 25 s emulated without it, 10 s with it.
"""

from __future__ import annotations

import importlib
import json
import os
import platform
import sys


def _main(modules: list[str]) -> None:
    for module in modules:
        importlib.import_module(module)
    packages = {module.partition(".")[0] for module in modules}
    facts = {
        "byteorder": sys.byteorder,
        "machine": platform.machine(),
        "python": f"{sys.version_info.major}.{sys.version_info.minor}",
        "libc": os.confstr("CS_GNU_LIBC_VERSION"),
        "packages": {name: str(sys.modules[name].__version__) for name in sorted(packages)},
    }
    sys.stdout.write(f"endianproof-facts: {json.dumps(facts)}\n")


_main(sys.argv[1:])
