"""What the user asked for: each option's value, and how a message calls the place where it was written."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from endianproof.conformance.options import OPTIONS

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Given", "given_of"]

FLAGS = {option.key: option.flag for option in OPTIONS}
NONE: Mapping[str, Any] = {
    option.key: [] if option.repeatable else False if option.switch else None for option in OPTIONS
}


@dataclass(frozen=True)
class Given:
    """The options of one run. `values` has those that were given, by their keys.

    `places` says for some of them where else than on the command line they were written.
    """

    values: Mapping[str, Any]
    places: Mapping[str, str] = field(default_factory=dict)

    def __getitem__(self, key: str) -> Any:
        """The value; None, [] or False where none was given."""
        return self.values.get(key, NONE[key])

    def has(self, key: str) -> bool:
        """Whether it was given."""
        return key in self.values

    def name(self, key: str) -> str:
        """How a message calls this option."""
        return self.places.get(key, FLAGS[key])

    @property
    def testee(self) -> tuple[str | None, str | None, str | None]:
        """The loader, the saver and the program under test, just one of which is there."""
        return self["loader"], self["saver"], self["testee"]

    def refuse_empty(self) -> None:
        """Refuse what is empty: an unset variable of a script asks for something, and nobody can tell what."""
        for key, value in self.values.items():
            texts = value if isinstance(value, list) else [value]
            if key not in MAY_BE_EMPTY and any(isinstance(text, str) and not text.strip() for text in texts):
                raise pytest.UsageError(f"{self.name(key)} is empty")


MAY_BE_EMPTY = ("loader", "saver", "testee")  # what is wrong with these, the testee's side says better


def given_of(config: pytest.Config) -> Given:
    """Read the options of a run that names a testee. Raises pytest.UsageError for more than one of them."""
    given = {option.key: config.getoption(option.dest) for option in OPTIONS}
    values = {option.key: given[option.key] for option in OPTIONS if option.is_given(given[option.key])}
    both = [FLAGS[key] for key in ("loader", "saver", "testee") if key in values]
    if len(both) > 1:
        raise pytest.UsageError(f"{both[0]} and {both[1]} exclude each other: one run tests one testee")
    return Given(values)
