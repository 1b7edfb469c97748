"""A page of instructions as something that can be run: its fenced blocks, and whether what they show happens.

    ```sh               commands, run by bash; the state (folder, variables) goes on to the next block
    ```sh fails         the last of them must fail
    ```text             what the block of commands before it prints
    ```yaml FILE        a part of that file, as it is at this point; any language but these two

In shown output a line of `...` stands for any lines, and `...` within a line for any text. A count of two digits
or more before a word ("491 passed") stands for any such: it grows with the suite.
"""

from __future__ import annotations

import difflib
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

__all__ = ["Block", "PageError", "Shell", "blocks", "follow", "matches"]

FENCE = re.compile(r"^```(?P<info>[^\n`]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
COUNT = re.compile(r"(?<![\w.])\d{2,}(?= +[a-z])")
# The state is kept however the block ends.
REMEMBER = 'trap \'export -p > "$KEPT/state"; pwd > "$KEPT/folder"\' EXIT\n'


class PageError(Exception):
    """The page says one thing, and another one happens; `printed` is all that the commands printed."""

    def __init__(self, message: str, printed: str = "") -> None:
        super().__init__(message)
        self.printed = printed


@dataclass(frozen=True)
class Block:
    """One fenced block; `line` is that of its first line of text in the page."""

    language: str
    note: str
    text: str
    line: int


def blocks(page: str) -> list[Block]:
    """The fenced blocks of a page. Raises PageError where one has no language, or nothing is to be run."""
    found = []
    for match in FENCE.finditer(page):
        language, _, note = match["info"].partition(" ")
        line = page.count("\n", 0, match.start()) + 2
        if not language:
            raise PageError(f"line {line - 1}: a block without a language is neither run nor compared")
        found.append(Block(language, note, match["text"], line))
    if not any(block.language == "sh" for block in found):
        raise PageError("nothing is to be run")
    return found


def _line_pattern(line: str) -> str:
    """`...` as any text, and each count as any other one."""
    parts = [r"\d{2,}".join(map(re.escape, COUNT.split(part))) for part in line.split("...")]
    return ".*".join(parts)


def _pattern(expected: str) -> str:
    lines = expected.splitlines()
    return "".join(r"(?:.*\n)*?" if line == "..." else rf"{_line_pattern(line)}\n" for line in lines)


def _plain(text: str) -> str:
    return "".join(f"{line.rstrip()}\n" for line in text.splitlines())


def matches(expected: str, printed: str) -> bool:
    """Whether all that was printed is what is shown."""
    return re.fullmatch(_pattern(_plain(expected)), _plain(printed)) is not None


@dataclass
class Shell:
    """Runs blocks one after another; `folder` and `env` are the first one's, `kept` is its own, empty at first.

    `say` is told each command before it runs. What commands print is told only of those that go wrong: most of a
    page's commands print failures that are as they should be, and a log full of them reads as a broken run.
    """

    folder: Path
    env: Mapping[str, str]
    kept: Path
    say: Callable[[str], None]

    def run(self, script: str) -> tuple[int, str]:
        """Run one block; returns its exit code and what it printed."""
        state = self.kept / "state"
        before = f'. "{state}"\n' if state.exists() else ""
        argv = ("bash", "-euo", "pipefail", "-c", f"{before}{REMEMBER}{script}")
        done = subprocess.run(
            argv,
            cwd=self._here(),
            env={**self.env, "KEPT": str(self.kept)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout

    def file(self, name: str) -> str:
        """The text of a file, by its path in the folder that the last block ended in."""
        return (self._here() / name).read_text(encoding="utf-8")

    def _here(self) -> Path:
        folder = self.kept / "folder"
        return Path(folder.read_text(encoding="utf-8").rstrip("\n")) if folder.exists() else self.folder


def _difference(block: Block, printed: str) -> str:
    wanted, found = _plain(block.text).splitlines(), _plain(printed).splitlines()
    missing = [line for line in wanted if line != "..." and not any(matches(line, one) for one in found)]
    near = [(line, difflib.get_close_matches(line, found, n=1, cutoff=0.3)) for line in missing]
    told = [f"  shown   {line}\n  printed {close[0] if close else '(nothing like it)'}" for line, close in near]
    return "\n".join(told) or "  every line is there, but not in this order, or others are between them"


def _carry_out(block: Block, shell: Shell) -> str:
    for line in block.text.splitlines():
        shell.say(f"$ {line}\n")
    code, printed = shell.run(block.text)
    if (code != 0) != (block.note == "fails"):
        wanted = "to fail" if block.note == "fails" else "to succeed"
        raise PageError(f"line {block.line}: expected {wanted}, and it ended with {code}:\n{block.text}", printed)
    return printed


def _compare(block: Block, printed: str | None) -> None:
    if printed is None:
        raise PageError(f"line {block.line}: no commands are before this output")
    if not matches(block.text, printed):
        raise PageError(
            f"line {block.line}: this is not what was printed:\n{_difference(block, printed)}", printed
        )


def _compare_file(block: Block, shell: Shell) -> None:
    if not block.note:
        raise PageError(f"line {block.line}: this shows no file: name it behind ```{block.language}")
    if block.text not in shell.file(block.note):
        raise PageError(f"line {block.line}: this is no part of {block.note}")


def follow(page: str, shell: Shell) -> Iterator[Block]:
    """Do what a page says, and yield each block that held. Raises PageError."""
    printed: str | None = None
    for block in blocks(page):
        if block.language == "sh":
            printed = _carry_out(block, shell)
        elif block.language == "text":
            _compare(block, printed)
            printed = None
        else:
            _compare_file(block, shell)
        yield block
