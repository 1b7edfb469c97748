"""Runs inside a guest, its text given to `python3 -c`: imports the named modules, prints facts as JSON.

The standard library only, Python 3.9. Importing proves that the tree's Python, libraries and packages work
together, and leaves their bytecode in the tree: `import torch` takes 25 s emulated without it, 10 s with it.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import json
import os
import platform
import sys


def _version(package: str) -> str | None:
    """What a package says of itself, or its distribution of that name; many modules have neither."""
    own = getattr(sys.modules[package], "__version__", None)
    try:
        return importlib.metadata.version(package) if own is None else str(own)
    except importlib.metadata.PackageNotFoundError:
        return None


def _main(modules: list[str]) -> None:
    for module in modules:
        importlib.import_module(module)
    versions = {name: _version(name) for name in sorted({module.partition(".")[0] for module in modules})}
    facts = {
        "byteorder": sys.byteorder,
        "machine": platform.machine(),
        "python": f"{sys.version_info.major}.{sys.version_info.minor}",
        "libc": os.confstr("CS_GNU_LIBC_VERSION"),
        "packages": {name: version for name, version in versions.items() if version is not None},
    }
    sys.stdout.write(f"endianproof-facts: {json.dumps(facts)}\n")


_main(sys.argv[1:])
