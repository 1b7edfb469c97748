"""A user's YAML file as plain values: keys once, held against its schema, and every error with its line."""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from endianproof.conformance.selecting import near

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

__all__ = ["Document", "read_document"]

SCHEMAS = Path(__file__).resolve().parent / "schemas"


@dataclass(frozen=True)
class Document:
    """A file's content, and its YAML nodes, which know their lines. `kind` is the exception of such files."""

    path: Path
    value: Any
    root: yaml.Node
    kind: type[Exception]

    def place(self, steps: Iterable[str | int]) -> str:
        """The file and the line of what keys and indexes from the top lead to."""
        return f"{self.path}:{_line(self.root, steps)}"

    def error(self, steps: Iterable[str | int], message: str) -> Exception:
        """An error at such a place."""
        return self.kind(f"{self.place(steps)}: {message}")


def _line(node: yaml.Node, steps: Iterable[str | int]) -> int:
    """The line of the innermost node on the way that is there."""
    for step in steps:
        inner = _inner(node, step)
        if inner is None:
            break
        node = inner
    return int(node.start_mark.line) + 1


def _inner(node: yaml.Node, step: str | int) -> yaml.Node | None:
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int):
        return node.value[step] if step < len(node.value) else None
    if isinstance(node, yaml.MappingNode):
        return next((value for key, value in node.value if key.value == step), None)
    return None


def _twice(node: yaml.Node) -> yaml.Node | None:
    """The first key that a mapping has had already: PyYAML would keep the last one silently."""
    if isinstance(node, yaml.MappingNode):
        seen = set[str]()
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in seen:
                return key
            seen.add(str(key.value))
            if found := _twice(value):
                return found
    if isinstance(node, yaml.SequenceNode):
        return next(filter(None, map(_twice, node.value)), None)
    return None


def read_document(path: Path, schema: str, kind: type[Exception], example: str) -> Document:
    """Read a file and hold it against one of our schemas, by its file's name. Raises `kind`.

    `example` is what an empty file is answered with: "a matrix was expected: ...".
    """
    try:
        text = path.read_text(encoding="utf-8")
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        value, key = yaml.safe_load(text), root and _twice(root)
    except OSError as error:
        raise kind(f"{path} cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # ValueError: a day that there is not
        raise kind(f"{path} is not YAML: {' '.join(str(error).split())}") from error
    if root is None:
        raise kind(f"{path} is empty; {example}")
    if key:
        raise kind(f"{path}:{key.start_mark.line + 1}: the key {key.value!r} is there twice")
    document = Document(path, value, root, kind)
    faults = sorted(_validator(schema).iter_errors(value), key=lambda fault: list(map(str, fault.absolute_path)))
    for fault in faults[:1]:
        raise document.error(fault.absolute_path, _complaint(fault))
    return document


@functools.cache
def _validator(schema: str) -> Any:
    import jsonschema  # noqa: PLC0415 - most runs of the plugin read no such file

    return jsonschema.Draft202012Validator(json.loads((SCHEMAS / schema).read_text(encoding="utf-8")))


def _place(steps: Sequence[str | int]) -> str:
    """`testees[0].guests`, as people write places."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps).lstrip(".")


def _unknown(fault: Any) -> str:
    known = list(fault.schema["properties"]) if isinstance(fault.schema, dict) else []
    stray = str(next(key for key in fault.instance if key not in known))
    return f"there is no key {stray!r} here{near(stray, known)}; the keys are {', '.join(known)}"


def _too_few(fault: Any) -> str:
    optional = [key for key in fault.schema["properties"] if key not in fault.schema.get("required", ())]
    return f"at least one of {', '.join(optional)} was expected"


def _none_of(fault: Any) -> str:
    """Of schemas that each require a key."""
    return f"one of the keys {', '.join(one['required'][0] for one in fault.validator_value)} is missing"


def _missing(fault: Any) -> str:
    absent = [key for key in fault.validator_value if key not in fault.instance]
    return f"the key {absent[0]!r} is missing"


JSON_TYPES = {"object": "a mapping", "array": "a list", "string": "text"}


def _type(fault: Any) -> str:
    found, wanted = fault.instance, str(fault.validator_value)
    if wanted == "string" and isinstance(found, int | float):
        return f"the number {found} was found, text was expected: put it in quotes, as it is written"
    return f"{found!r} was found, {JSON_TYPES.get(wanted, wanted)} was expected"


COMPLAINTS: Mapping[str, Callable[[Any], str]] = {
    "additionalProperties": _unknown,
    "required": _missing,
    "type": _type,
    "const": lambda fault: f"{fault.instance!r} was found, {fault.validator_value} was expected",
    "enum": lambda fault: f"{fault.instance!r} was found, one of {', '.join(fault.validator_value)} was expected",
    "pattern": lambda fault: f"{fault.instance!r} is no name: letters, digits, '.', '_' and '-' are",
    "minItems": lambda _: "an empty list was found, at least one entry was expected",
    "minLength": lambda _: "empty text was found",
    "minProperties": _too_few,
    "anyOf": _none_of,
}


def _complaint(fault: Any) -> str:
    """What is wrong, in words; the schema's own for what has none here."""
    say = COMPLAINTS.get(str(fault.validator))
    place = _place(list(fault.absolute_path)) or "at the top"
    return f"{place}: {say(fault) if say else fault.message}"
