"""Print the report of a run (`pytest --report=FILE`) as a short summary in Markdown, as GitHub shows it."""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# The order in which they matter. Whatever was not judged is shown, and never counted as passed.
KINDS = ("failed", "not as the baseline says", "known failures", "unsupported", "passed")
FAILURES = KINDS[:2]
MOST_ROWS = 20
LONGEST_CELL = 200


def _cell(text: str) -> str:
    """Text of a library's as one table cell: what it says must not be read as Markdown or HTML."""
    line = " ".join(text.split())
    line = line if len(line) <= LONGEST_CELL else line[:LONGEST_CELL] + "..."
    return "".join(f"&#{ord(one)};" if one in "&<>|`*_[]\\~#!" else one for one in line)


def _title(report: Mapping[str, Any]) -> str:
    testee, guest = report["testee"], report["run"]["guest"]
    where = f"{testee['machine']}, {testee['byteorder']}-endian" + (f", guest {guest}" if guest else "")
    return f"### endianproof: {_cell(' '.join((testee['name'], testee['version'])))} ({_cell(where)})"


def _counts(report: Mapping[str, Any]) -> str:
    counts = {kind: report["counts"].get(kind, 0) for kind in KINDS} | {"not run": len(report["not_run"])}
    said = ", ".join(f"{count} {kind}" for kind, count in counts.items() if count)
    return f"**{said}**, in {report['seconds']} s" + (", and interrupted" if report["interrupted"] else "")


def _failures(report: Mapping[str, Any]) -> Iterator[str]:
    """One row for each cause: how many, what happened, the rules, and one that shows it."""
    failed = [result for result in report["results"] if result["kind"] in FAILURES]
    groups = Counter(result["group"] for result in failed)
    if groups:
        yield from ("", "| how many | what happened | rules | for example |", "| ---: | --- | --- | --- |")
    for group, count in groups.most_common(MOST_ROWS):
        results = [result for result in failed if result["group"] == group]
        rules = ", ".join(sorted({rule for result in results for rule in result["rules"]})[:5])
        example = f"{results[0]['format']}::{results[0]['task']}"
        yield f"| {count} | {_cell(results[0]['headline'])} | {_cell(rules)} | {_cell(example)} |"
    if len(groups) > MOST_ROWS:
        yield f"\nand {len(groups) - MOST_ROWS} more causes: see the report"


def summary(report: Mapping[str, Any]) -> str:
    """Return the summary of one report, schemas/report-1.schema.json, as Markdown."""
    return "\n".join((_title(report), "", _counts(report), *_failures(report), "", ""))


if __name__ == "__main__":
    sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace")  # a library may say what UTF-8 cannot
    sys.stdout.write(summary(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))))
