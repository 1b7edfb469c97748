"""What a pickle's globals, calls of them, and persistent ids stand for. None is imported, none is called."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from endianproof.reference._machine import Global, Made, StorageId, TensorCall, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from endianproof.reference._machine import Machine

__all__ = ["call", "resolve", "storage_id"]


def _roles(layout: Mapping[str, Any]) -> dict[str, str]:
    """The role of each global that the specification names, by `module name`."""
    tables = (layout["globals"], layout["harmless"]["functions"], layout["harmless"]["values"])
    return {path: role for table in tables for role, path in table.items()}


def resolve(machine: Machine, path: str) -> Global:
    """The role of a global. Anything that the specification does not name is refused, not imported."""
    pickle = machine.layout
    role = _roles(pickle).get(path)
    if role is not None:
        return Global(role)
    module, _, name = path.partition(" ")
    classes = pickle.get("classes", {})  # of an archive with code: those that it has the source of
    if module.partition(".")[0] in classes:
        if module not in classes[module.partition(".")[0]]:
            raise machine.refuse(f"the class {path!r}", "one whose source is in the archive", "PTJ-REC-02")
        return Global(path)
    known = (pickle["storage_classes"], pickle["quantized_classes"], machine.dtypes)
    if module == "torch" and any(name in table for table in known):
        return Global(name)
    raise machine.refuse(f"the global {path!r}", "one that the format names", "PT-PKL-01")


def storage_id(machine: Machine, value: Any) -> StorageId:
    """A storage's persistent id: the word, the class, the key, the location and the number of elements."""
    form, pickle = machine.layout["persistent_id"], machine.layout
    good = isinstance(value, tuple) and len(value) == form["length"] and value[0] == form["word"]
    if not good:
        expected = f"a tuple of {form['length']} that begins with {form['word']!r}"
        raise machine.refuse(f"the persistent id {shown(value)}", expected, "PT-PKL-02")
    _, storage_class, key, _, numel = value
    classes = {"untyped_storage", *pickle["storage_classes"], *pickle["quantized_classes"]}
    is_class = isinstance(storage_class, Global) and storage_class.role in classes
    if not is_class or not isinstance(key, (str, int)) or type(numel) is not int or numel < 0:
        expected = "a storage class, a key and a number of elements"
        raise machine.refuse(f"the persistent id {shown(value)}", expected, "PT-PKL-02")
    if not isinstance(key, str):
        raise machine.refuse(f"the key {shown(key)}", "a string", "PT-PKL-08")
    return StorageId(storage_class.role, key, numel, machine.at)


def _first_of(_machine: Machine, arguments: tuple[Any, ...]) -> Any:
    """A parameter is its tensor, whatever attributes it has; a torch.Size is its tuple."""
    return arguments[0]


def _is_pair(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and len(value) == 2


def _ordered_dict(machine: Machine, arguments: tuple[Any, ...]) -> dict[Any, Any]:
    """Its one argument, where it has one, is a list of pairs."""
    made: dict[Any, Any] = {}
    for pairs in arguments:
        if not isinstance(pairs, list) or not all(map(_is_pair, pairs)):
            raise machine.refuse(f"an OrderedDict of {shown(pairs)}", "a list of pairs", "PT-PKL-12")
        machine.fill(made, pairs)
    return made


def _from_type(machine: Machine, arguments: tuple[Any, ...]) -> Any:
    """A tensor with attributes, given as the function that rebuilds it, a type, its arguments, attributes."""
    function, _, inner, _ = arguments
    if function in [Global(role) for role in _BUILT]:  # itself among them, any number of times
        raise machine.refuse(f"a tensor with attributes by {shown(function)}", "by what rebuilds it", "PT-TEN-21")
    return call(machine, function, inner)


# What is made at once, by role; what the other functions rebuild is a tensor.
_BUILT: Mapping[str, Callable[[Machine, tuple[Any, ...]], Any]] = {
    "ordered_dict": _ordered_dict,
    "parameter": _first_of,
    "parameter_with_state": _first_of,
    "size": _first_of,
    "from_type": _from_type,
}


def call(machine: Machine, function: Any, arguments: Any) -> Any:
    """What a call of a known function would give."""
    if not isinstance(function, Global) or not isinstance(arguments, tuple):
        raise machine.refuse("a call of something that is no global", "a global and a tuple")
    role, counts = function.role, machine.layout["arguments"]
    if role in machine.layout["harmless"]["functions"]:
        return Made(role)
    if role not in counts:
        raise machine.refuse(f"a call of {role}", "a function", "PT-PKL-12")
    least, most = counts[role]
    if not least <= len(arguments) <= most:
        raise machine.refuse(f"{role} with {len(arguments)} arguments", f"{least} to {most}", "PT-PKL-12")
    return _BUILT[role](machine, arguments) if role in _BUILT else TensorCall(role, arguments, machine.at)
