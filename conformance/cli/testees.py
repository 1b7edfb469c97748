"""`endianproof testees`: the loaders and savers that this suite knows by name, and what of them is here."""

from __future__ import annotations

import json
import textwrap
from typing import TYPE_CHECKING

import click

from endianproof.conformance.cli.lookup import matching
from endianproof.conformance.installed import how_to_get, installed
from endianproof.conformance.named import named_testees
from endianproof.conformance.rendered import as_markdown, testees_page

if TYPE_CHECKING:
    from collections.abc import Sequence

    from endianproof.conformance.named import Availability, NamedTestee

__all__ = ["command", "lines_of"]

HEAD = ("formats", "here", "s390x")


def _here(testee: NamedTestee) -> str:
    version = installed(testee)
    return "no" if version is None else version or "yes"


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]


def _place(place: Availability) -> str:
    return place.by or "no"


def _listed(found: Sequence[NamedTestee]) -> list[str]:
    """A table for each option, then how to get what is not here, and why s390x lacks it."""
    lines: list[str] = []
    for option in dict.fromkeys(one.option for one in found):
        ours = [one for one in found if one.option == option]
        rows = [(one.name, ",".join(one.formats), _here(one), _place(one.s390x)) for one in ours]
        lines += [*_table([(f"--{option}=", *HEAD), *rows]), ""]
    return lines + _missing(found)


def _missing(found: Sequence[NamedTestee]) -> list[str]:
    ways: dict[str, list[str]] = {}
    for one in found:
        if installed(one) is None:
            way = how_to_get(one, in_guest=False).removeprefix(one.name).strip()
            ways.setdefault(way, []).append(one.name)
        if not one.s390x.by:
            ways.setdefault(f"not on s390x: {one.s390x.why}", []).append(one.name)
    return [
        f"{way}\n{_wrapped(names)}" for way, names in sorted(ways.items(), key=lambda item: "s390x" in item[0])
    ]


def _wrapped(names: Sequence[str]) -> str:
    text = f"for {', '.join(names)}"
    return textwrap.fill(text, 110, initial_indent="  ", subsequent_indent="      ", break_on_hyphens=False)


def lines_of(testee: NamedTestee) -> list[str]:
    """One entry in full."""
    verb = {"load": "reads", "save": "writes"}[testee.op]
    called = " ".join(testee.program) if testee.program else testee.calls
    given = (
        f"given {testee.gives} tensors" if testee.gives else f"given a {testee.takes}".replace("a bytes", "bytes")
    )
    keywords = ", ".join(f"{key}={value!r}" for key, value in testee.keywords.items())
    return [
        f"{testee.name} (a named testee: --{testee.option}={testee.name})",
        f"Calls: {called}, {given}{f', {keywords}' if keywords else ''}",
        f"{verb.capitalize()}: {', '.join(testee.formats)}",
        f"Library: {testee.library}, tried with {testee.tried}; {testee.link}",
        f"Here: {_here(testee)}; {how_to_get(testee, in_guest=False)}",
        f"On s390x: {how_to_get(testee, in_guest=True)}",
        *([f"Note: {testee.note}"] if testee.note else []),
    ]


def _document(testee: NamedTestee) -> dict[str, object]:
    def place(one: Availability) -> dict[str, str]:
        return {"by": one.by} if one.by else {"absent": one.why}

    return {
        "name": testee.name,
        "option": f"--{testee.option}",
        "library": testee.library,
        "language": testee.language,
        "formats": list(testee.formats),
        "needs": list(testee.needs),
        "installed": installed(testee),
        "tried": testee.tried,
        "x86_64": place(testee.x86_64),
        "s390x": place(testee.s390x),
        "link": testee.link,
        "note": testee.note,
    }


@click.command(name="testees")
@click.argument("globs", metavar="[GLOB]...", nargs=-1)
@click.option("--json", "as_json", is_flag=True, help="As JSON, with all that the table has.")
@click.option("--markdown", is_flag=True, help="As the page docs/testees.md.")
def command(globs: tuple[str, ...], as_json: bool, markdown: bool) -> None:
    """List the named testees: what each reads or writes, whether it is installed here, and whether s390x has it.

    With GLOBs, those alone; `endianproof explain NAME` prints one in full.
    """
    names = [one.name for one in named_testees()]
    wanted = {name for glob in globs for name in matching(glob, names, "named testee", "`endianproof testees`")}
    found = [one for one in named_testees() if not globs or one.name in wanted]
    if as_json:
        click.echo(json.dumps([_document(one) for one in found], indent=2))
    elif markdown:
        click.echo(
            as_markdown(testees_page(found), made_from="conformance/testees/ by `endianproof testees --markdown`"),
            nl=False,
        )
    else:
        click.echo("\n".join(_listed(found)).rstrip())
