"""The pytest plugin's face: its options, and the one question whether this run is a conformance run.

Every pytest of every project that has endianproof installed imports this module, so it imports pytest and nothing
else; all that costs time is imported once `--loader`, `--saver` or `--testee` is given.
"""

from __future__ import annotations

import pytest

__all__ = ["pytest_addoption", "pytest_configure"]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the options, each under `endianproof_` in the namespace that all plugins share."""
    group = parser.getgroup("endianproof", "conformance of tensor file loaders and savers (endianproof)")

    def option(name: str, key: str, text: str, **settings: object) -> None:
        group.addoption(name, dest=f"endianproof_{key}", help=text, **settings)

    several: dict[str, object] = {"action": "append", "default": []}
    option(
        "--loader",
        "loader",
        "the loader under test: mypkg.load, mypkg:load, or a named testee",
        metavar="LOADER",
    )
    option(
        "--saver",
        "saver",
        "the saver under test: mypkg.save, mypkg:save, or a named testee",
        metavar="SAVER",
    )
    option("--testee", "testee", "a program under test that speaks the testee protocol", metavar="COMMAND")
    option("--guest", "guest", "run the testee in this emulated big-endian system (s390x)", metavar="GUEST")
    option(
        "--with",
        "with",
        "put in front of what the testee's side has: safetensors==0.4.2, a project (.), a wheel (repeatable)",
        metavar="REQUIREMENT",
        **several,
    )
    option(
        "--loader-takes",
        "takes",
        "what the loader is given: path (default), bytes or file",
        choices=("path", "bytes", "file"),
    )
    option(
        "--saver-gives",
        "gives",
        "whose tensors the saver is given: torch (default where it is installed) or numpy",
        choices=("torch", "numpy"),
    )
    option(
        "--format",
        "format",
        "only vectors and saves of these formats, separated by commas",
        metavar="NAMES",
        **several,
    )
    option(
        "--rule",
        "rule",
        "only vectors and saves of these rules, ids or globs like ST-END-*",
        metavar="RULES",
        **several,
    )
    option(
        "--policy",
        "policy",
        "hold `may` vectors and saves to one choice, as in NAME=CHOICE (repeatable)",
        metavar="NAME=CHOICE",
        **several,
    )
    option(
        "--large",
        "large",
        "also the vectors of up to 4 GiB, whose sparse files are made one at a time",
        action="store_true",
        default=False,
    )
    option("--report", "report", "write everything that was found out to this new file, as JSON", metavar="FILE")
    option("--baseline", "baseline", "known failures of this testee, held strictly", metavar="FILE")
    option(
        "--explore",
        "explore",
        "after the vectors, draw N files of each format, valid and damaged (0: only try what was found before)",
        metavar="N",
        type=int,
    )
    option("--explore-seed", "explore_seed", "draw other files (default 0)", metavar="SEED", type=int)
    option(
        "--explore-into",
        "explore_into",
        "where files that fail are kept (default ./endianproof-found)",
        metavar="FOLDER",
    )
    option(
        "--update-baseline",
        "update",
        "write what fails to the baseline file instead of failing",
        action="store_true",
        default=False,
    )


def _given(config: pytest.Config) -> list[str]:
    """The options of this plugin that the user gave, as they are written."""
    names = (
        "guest",
        "with",
        "takes",
        "gives",
        "format",
        "rule",
        "policy",
        "large",
        "report",
        "baseline",
        "update",
    )
    written = {"takes": "--loader-takes", "gives": "--saver-gives", "update": "--update-baseline"}
    given = [written.get(name, f"--{name}") for name in names if config.getoption(f"endianproof_{name}")]
    numbers = ("explore", "explore_seed", "explore_into")  # of which 0 is one that was given
    asked = [name for name in numbers if config.getoption(f"endianproof_{name}") is not None]
    return given + [f"--{name.replace('_', '-')}" for name in asked]


def pytest_configure(config: pytest.Config) -> None:
    """Turn this run into a conformance run if it names a testee; raises UsageError for options that need one."""
    if all(config.getoption(f"endianproof_{kind}") is None for kind in ("loader", "saver", "testee")):
        if stray := _given(config):
            raise pytest.UsageError(
                f"{stray[0]} needs a testee: add --loader=mypkg.load, --saver=mypkg.save or --testee=COMMAND"
            )
        return
    if config.getoption("help", default=False):
        return
    from endianproof.conformance.session import begin  # noqa: PLC0415 - costs nothing until it is asked for

    begin(config)
