"""pytest in this process, as the runner is; then the processor time that it took itself, without its testee."""

from __future__ import annotations

import resource
import sys

import pytest


def main() -> int:
    """Run pytest with the arguments given, and print seconds as the last line."""
    code = pytest.main(sys.argv[1:])
    usage = resource.getrusage(resource.RUSAGE_SELF)
    print(f"own {usage.ru_utime + usage.ru_stime}")
    return int(code)


if __name__ == "__main__":
    sys.exit(main())
