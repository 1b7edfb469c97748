"""Says what keeps a message from being what its JSON Schema wants: which key, where, and by which definition.

A validator's own words for an alternative are that none of them holds. Which one was meant is told by what it is
nearest to: the `outcome` that it has, then the fewest faults.
"""

from __future__ import annotations

import difflib
import functools
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import TypeAlias

    Fault: TypeAlias = Any  # jsonschema's ValidationError, of whose fields all may be unset to a type checker

__all__ = ["PROTOCOL_SCHEMA", "Mismatch", "mismatch"]

PROTOCOL_SCHEMA = Path(__file__).with_name("schemas") / "protocol-1.schema.json"
SHOWN = 200  # characters of a value that a message quotes
ALTERNATIVES = ("oneOf", "anyOf")


@dataclass(frozen=True)
class Mismatch:
    """`where` is the place in the message (tensors/0), `schema` the one in the schema (#/$defs/shape/type)."""

    where: str
    text: str
    schema: str

    def __str__(self) -> str:
        return f"at {self.where}: {self.text}" if self.where else self.text


@functools.cache
def _schema() -> Any:
    return json.loads(PROTOCOL_SCHEMA.read_text(encoding="utf-8"))


@functools.cache
def _validator(name: str) -> Any:
    import jsonschema  # noqa: PLC0415 (it takes longer to import than most testees to answer)

    return jsonschema.Draft202012Validator({**_schema(), "oneOf": [{"$ref": f"#/$defs/{name}"}]})


def _shown(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."


def _listed(words: Iterable[Any], last: str = "and") -> str:
    *most, final = map(str, words)
    return f"{', '.join(most)} {last} {final}" if most else final


def _branches(error: Fault) -> list[list[Fault]]:
    """The faults of each alternative, the alternative that was probably meant first."""
    found: dict[Any, list[Fault]] = {}
    for one in error.context or ():
        found.setdefault(one.schema_path[0], []).append(one)

    def remoteness(faults: list[Fault]) -> tuple[int, int]:
        return sum(_is_of_another_kind(one) for one in faults), len(faults)

    return sorted(found.values(), key=remoteness)


def _is_of_another_kind(error: Fault) -> bool:
    """Whether a key that tells the alternatives apart says that it is another one."""
    return error.validator == "const" or (
        error.validator == "required" and any(key in error.instance for key in _other_keys(error))
    )


def _other_keys(error: Fault) -> set[str]:
    return set(error.instance) - set(error.schema.get("properties", {}))


def _innermost(error: Fault) -> list[Fault]:
    """What is wrong, in the alternative that was meant, and with it the same of the others.

    Those are another key that is missing in its place, and other values that would have told what was meant.
    """
    while error.validator in ALTERNATIVES:
        branches = _branches(error)
        first = min(branches[0], key=_order)
        same = [one for faults in branches[1:] for one in faults if _is_instead(one, first, faults)]
        if same and (first.validator == "const" or len(branches[0]) == 1):
            return [first, *same]
        error = first
    return [error]


def _is_instead(one: Fault, first: Fault, faults: Sequence[Fault]) -> bool:
    is_same = one.validator == first.validator and one.absolute_path == first.absolute_path
    return is_same and (one.validator == "const" or (one.validator == "required" and len(faults) == 1))


def _order(error: Fault) -> int:
    order = ("const", "required", "type", "additionalProperties")
    return order.index(error.validator) if error.validator in order else len(order)


def _missing(error: Fault) -> list[str]:
    return [key for key in error.validator_value if key not in error.instance]


def _required(errors: Sequence[Fault]) -> str:
    missing = _listed(dict.fromkeys(_listed(map(repr, _missing(error))) for error in errors), "or")
    near = difflib.get_close_matches(_missing(errors[0])[0], _other_keys(errors[0]), n=1, cutoff=0.5)
    instead = f" ({near[0]!r} is there)" if near else ""
    return f"{missing} is missing{instead}; required are {_listed(errors[0].validator_value)}"


def _unknown(errors: Sequence[Fault]) -> str:
    known = sorted(errors[0].schema["properties"])
    unknown = sorted(_other_keys(errors[0]))
    near = difflib.get_close_matches(unknown[0], known, n=1, cutoff=0.5)
    meant = f" (did you mean {near[0]!r}?)" if near else ""
    return f"{_listed(map(repr, unknown))} is no key here{meant}; there are {_listed(known)}"


def _constant(errors: Sequence[Fault]) -> str:
    expected = _listed((_shown(error.validator_value) for error in errors), "or")
    return f"found {_shown(errors[0].instance)}, expected {expected}"


def _enum(errors: Sequence[Fault]) -> str:
    return f"found {_shown(errors[0].instance)}, expected {_listed(map(_shown, errors[0].validator_value), 'or')}"


def _type(errors: Sequence[Fault]) -> str:
    return f"found {_shown(errors[0].instance)}, expected the JSON type {errors[0].validator_value}"


def _pattern(errors: Sequence[Fault]) -> str:
    description = errors[0].schema.get("description")
    what = f" ({description.rstrip('.')})" if description else ""
    return f"found {_shown(errors[0].instance)}, expected what matches {errors[0].validator_value}{what}"


WORDS = {
    "required": _required,
    "additionalProperties": _unknown,
    "const": _constant,
    "enum": _enum,
    "type": _type,
    "pattern": _pattern,
}


def _other(errors: Sequence[Fault]) -> str:
    text = errors[0].message
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."


def _schema_place(error: Fault, name: str) -> str:
    """The path in the schema, from the nearest definition on."""
    node: Any = {"oneOf": [{"$ref": f"#/$defs/{name}"}]}
    place: list[str] = []
    for part in error.absolute_schema_path:
        if "$ref" in node:  # a validator's path leaps over it
            name = node["$ref"].rpartition("/")[2]
            node, place = _schema()["$defs"][name], []
        node = node[part]
        place.append(str(part))
    return "/".join(("#/$defs", name, *place))


def mismatch(message: Any, name: str) -> Mismatch | None:
    """Return what keeps `message` from being the protocol's `name` (load_reply, ...); None if nothing does."""
    try:
        return _mismatch(message, name)
    except RecursionError:  # JSON's reader bore it, from fewer calls deep than what quotes it
        return Mismatch("", "brackets nested too deeply to be looked at", f"#/$defs/{name}")


def _mismatch(message: Any, name: str) -> Mismatch | None:
    error = next(_validator(name).iter_errors(message), None)
    if error is None:
        return None
    found = _innermost(error)
    where = "/".join(str(part) for part in found[0].absolute_path)
    return Mismatch(where, WORDS.get(found[0].validator, _other)(found), _schema_place(found[0], name))
