"""The options of a conformance run, as a table: pytest's are declared from it, and click's where they are alike.

Every pytest of every project that has endianproof installed imports this module, so it imports nothing.
"""

from __future__ import annotations

from typing import Any, NamedTuple

__all__ = ["LIMITS", "OPTIONS", "PREFIX", "TESTEES", "Option"]

PREFIX = "endianproof_"  # of each option's name in the namespace that all of pytest's plugins share


class Option(NamedTuple):
    """One option. Not given, its value is None, or an empty list if `repeatable`, or False if it is a `switch`."""

    flag: str
    key: str
    text: str
    metavar: str | None = None
    choices: tuple[str, ...] = ()
    kind: type[str | int] = str
    repeatable: bool = False
    switch: bool = False

    @property
    def dest(self) -> str:
        """Its name in pytest's namespace."""
        return PREFIX + self.key

    @staticmethod
    def is_given(value: Any) -> bool:
        """Whether a value in pytest's namespace is one that the user gave; 0 is."""
        return value is not None and value is not False and value != []

    def declaration(self) -> dict[str, Any]:
        """What argparse is told of it."""
        if self.switch:
            return {"dest": self.dest, "help": self.text, "action": "store_true", "default": False}
        said: dict[str, Any] = {"dest": self.dest, "help": self.text, "metavar": self.metavar, "type": self.kind}
        if self.choices:
            said["choices"] = self.choices
        return {**said, "action": "append", "default": []} if self.repeatable else said


TESTEES = (
    Option(
        "--loader", "loader", "the loader under test: mypkg.load, mypkg:load, or a named testee", metavar="LOADER"
    ),
    Option("--saver", "saver", "the saver under test: mypkg.save, mypkg:save, or a named testee", metavar="SAVER"),
    Option("--testee", "testee", "a program under test that speaks the testee protocol", metavar="COMMAND"),
)

LIMITS = (
    Option(
        "--testee-timeout",
        "timeout",
        "what a load or a save may take, and two minutes more for each GB (default 60)",
        metavar="SECONDS",
    ),
    Option(
        "--testee-start-timeout",
        "start_timeout",
        "what a testee may take to start and to answer hello (default 300)",
        metavar="SECONDS",
    ),
    Option(
        "--testee-memory",
        "memory",
        "what a load or a save may add, beside what its file's size allows (default 2GiB)",
        metavar="SIZE",
    ),
    Option(
        "--testee-open-files",
        "open_files",
        "how many files a testee may have open (default: as many as this machine lets it)",
        metavar="N",
    ),
    Option(
        "--testee-file-size",
        "file_size",
        "how long a file a testee may write, beside twice the tensors' size (default 1GiB)",
        metavar="SIZE",
    ),
)

OPTIONS = (
    *TESTEES,
    Option("--guest", "guest", "run the testee in this emulated big-endian system (s390x)", metavar="GUEST"),
    Option(
        "--with",
        "with",
        "put in front of what the testee's side has: safetensors==0.4.2, a project (.), a wheel (repeatable)",
        metavar="REQUIREMENT",
        repeatable=True,
    ),
    Option(
        "--build-in-guest",
        "builds",
        "have the guest build what --with names and what has no wheel for it, with a compiler of its own",
        switch=True,
    ),
    Option(
        "--loader-takes",
        "takes",
        "what the loader is given: path (default), bytes or file",
        choices=("path", "bytes", "file"),
    ),
    Option(
        "--saver-gives",
        "gives",
        "whose tensors the saver is given: torch (default where it is installed) or numpy",
        choices=("torch", "numpy"),
    ),
    Option(
        "--format",
        "format",
        "only vectors and saves of these formats, separated by commas",
        metavar="NAMES",
        repeatable=True,
    ),
    Option(
        "--rule",
        "rule",
        "only vectors and saves of these rules, ids or globs like ST-LEN-*",
        metavar="RULES",
        repeatable=True,
    ),
    Option(
        "--policy",
        "policy",
        "hold `may` vectors and saves to one choice, as in NAME=CHOICE (repeatable)",
        metavar="NAME=CHOICE",
        repeatable=True,
    ),
    Option(
        "--unsupported",
        "unsupported",
        "element types that the testee does not have: it is to refuse what needs one, and that is no failure",
        metavar="DTYPES",
        repeatable=True,
    ),
    Option(
        "--accept",
        "accept",
        "how the loader gives a type that its framework has not: bfloat16=uint16, bfloat16=float32, lists=values "
        "(repeatable)",
        metavar="TYPE=GIVEN",
        repeatable=True,
    ),
    Option(
        "--large",
        "large",
        "also the vectors of up to 4 GiB, whose sparse files are made one at a time",
        switch=True,
    ),
    Option(
        "--settings",
        "settings",
        "take [tool.endianproof] from this file, not from the nearest pyproject.toml (none: from no file)",
        metavar="FILE",
    ),
    Option("--report", "report", "write everything that was found out to this new file, as JSON", metavar="FILE"),
    Option("--baseline", "baseline", "known failures of this testee, held strictly", metavar="FILE"),
    Option(
        "--update-baseline",
        "update",
        "write what fails to the baseline file instead of failing",
        switch=True,
    ),
    Option(
        "--explore",
        "explore",
        "after the vectors, draw N files of each format, valid and damaged (0: only try what was found before)",
        metavar="N",
        kind=int,
    ),
    Option("--explore-seed", "explore_seed", "draw other files (default 0)", metavar="SEED", kind=int),
    Option(
        "--explore-into",
        "explore_into",
        "where files that fail are kept (default ./endianproof-found)",
        metavar="FOLDER",
    ),
    Option(
        "--workers",
        "workers",
        "as many testees at a time, in one pytest (default 1; with pytest-xdist, -n does it)",
        metavar="N",
        kind=int,
    ),
    Option(
        "--in-process",
        "in_process",
        "call the loader in pytest's own process, for a debugger: no limits, and a crash ends pytest",
        switch=True,
    ),
    *LIMITS,
)
