"""`python -m endianproof`: the command line, for whoever has the package and not its script on PATH."""

from __future__ import annotations

from endianproof.conformance.cli import main

__all__: list[str] = []

if __name__ == "__main__":
    main(prog_name="endianproof")
