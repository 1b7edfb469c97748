"""The pytest plugin's face: its options, and the one question whether this run is a conformance run.

Every pytest of every project that has endianproof installed imports this module, so it imports pytest and a table,
and nothing else; all that costs time is imported once `--loader`, `--saver` or `--testee` is given.
"""

from __future__ import annotations

import pytest

from endianproof.conformance.options import OPTIONS, TESTEES

__all__ = ["pytest_addoption", "pytest_configure"]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the options, each under `endianproof_` in the namespace that all plugins share."""
    group = parser.getgroup("endianproof", "conformance of tensor file loaders and savers (endianproof)")
    for option in OPTIONS:
        group.addoption(option.flag, **option.declaration())


def pytest_configure(config: pytest.Config) -> None:
    """Turn this run into a conformance run if it names a testee; raises UsageError for options that need one."""
    if all(config.getoption(option.dest) is None for option in TESTEES):
        stray = [option.flag for option in OPTIONS if option.is_given(config.getoption(option.dest))]
        if stray:
            raise pytest.UsageError(
                f"{stray[0]} needs a testee: add --loader=mypkg.load, --saver=mypkg.save or --testee=COMMAND"
            )
        return
    if config.getoption("help", default=False):
        return
    from endianproof.conformance.session import begin  # noqa: PLC0415 - costs nothing until it is asked for

    begin(config)
