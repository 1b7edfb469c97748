"""Which functions of a project load and save, guessed from their names in its source. Nothing is imported."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["Guess", "guessed"]

# By the kind of testee, what its table is called.
TABLES = {"loader": "load", "saver": "save"}
# By the kind of testee, what such functions are called; the first that there is is taken.
NAMES = {
    "loader": ("load_file", "load", "load_tensors", "load_state_dict", "safe_load", "read_file", "loads", "read"),
    "saver": ("save_file", "save", "save_tensors", "save_state_dict", "safe_save", "write_file", "write"),
}
# By what a loader's first argument is called, or is annotated as, what it takes.
TAKES = {"data": "bytes", "bytes": "bytes", "buffer": "bytes", "file": "file", "fp": "file", "BinaryIO": "file"}
PLACES = ("src", "python", ".")


@dataclass(frozen=True)
class Guess:
    """One function: `name` for its table, its dotted `path`, the file it is in, other lines of the table."""

    name: str
    kind: str
    path: str
    source: str
    more: tuple[str, ...] = ()


def guessed(folder: Path, package: str) -> list[Guess]:
    """The loader and the saver of a package in a project's folder, as far as names tell."""
    sources = list(_sources(folder, package))
    found = (_first(kind, sources, folder) for kind in NAMES)
    return [one for one in found if one is not None]


def _sources(folder: Path, package: str) -> Iterator[tuple[str, Path]]:
    """A package's modules and their files: itself first, since what it offers there is meant to be used."""
    for place in PLACES:
        root = folder / place
        if (root / f"{package}.py").is_file():
            yield package, root / f"{package}.py"
        if (root / package / "__init__.py").is_file():
            yield package, root / package / "__init__.py"
            for path in sorted((root / package).glob("[a-z]*.py")):
                yield f"{package}.{path.stem}", path


def _first(kind: str, sources: list[tuple[str, Path]], folder: Path) -> Guess | None:
    for module, path in sources:
        offered = _offered(path)
        name = next((name for name in NAMES[kind] if name in offered), None)
        if name is not None:
            source = path.relative_to(folder)
            takes = _takes(offered[name]) if kind == "loader" else ()
            return Guess(TABLES[kind], kind, f"{module}.{name}", str(source), (*takes, *_built(source)))
    return None


def _built(source: Path) -> tuple[str, ...]:
    """What is not beside pyproject.toml is importable only once the project is built."""
    return ('with = ["."]',) if source.parts[0] in PLACES else ()


def _offered(path: Path) -> dict[str, ast.FunctionDef | None]:
    """The functions that a module defines, and the names that it takes from others."""
    try:
        tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError):
        return {}
    found: dict[str, ast.FunctionDef | None] = {}
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and node.level:
            found.update(dict.fromkeys(alias.asname or alias.name for alias in node.names))
        if isinstance(node, ast.FunctionDef):
            found[node.name] = node
    return found


def _takes(function: ast.FunctionDef | None) -> tuple[str, ...]:
    arguments = function.args.posonlyargs + function.args.args if function else []
    if not arguments:
        return ()
    annotation = ast.unparse(arguments[0].annotation).rpartition(".")[2] if arguments[0].annotation else ""
    takes = TAKES.get(annotation) or TAKES.get(arguments[0].arg)
    return (f'takes = "{takes}"',) if takes else ()
