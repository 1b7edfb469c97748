"""`python -m endianproof.conformance.cli`: the command line where no script is installed."""

from __future__ import annotations

from endianproof.conformance.cli import main

main(prog_name="endianproof")
