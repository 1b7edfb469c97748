"""What a pickle's globals, calls of them, and persistent ids stand for. None is imported, none is called."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from endianproof.reference._machine import Global, StorageId, TensorCall, shown

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


def _ordered_dict(machine: Machine, arguments: tuple[Any, ...]) -> dict[Any, Any]:
    """Its one argument, where it has one, is a list of pairs."""
    try:
        return dict(*arguments)
    except (TypeError, ValueError, RecursionError):
        raise machine.refuse(f"an OrderedDict of {shown(arguments)}", "a list of pairs") from None


def _from_type(machine: Machine, arguments: tuple[Any, ...]) -> Any:
    """A tensor with attributes, given as the function that rebuilds it, a type, its arguments, attributes."""
    function, _, inner = arguments[:3]
    if isinstance(function, Global) and function.role == "from_type":  # in itself any number of times
        raise machine.refuse("a tensor with attributes twice", "attributes once", "PT-TEN-12")
    return call(machine, function, inner)


# By role: how many arguments it needs at least, and what it builds of them.
_BUILT: Mapping[str, tuple[int, Callable[[Machine, tuple[Any, ...]], Any]]] = {
    "ordered_dict": (0, _ordered_dict),
    "parameter": (1, _first_of),
    "parameter_with_state": (1, _first_of),
    "size": (1, _first_of),
    "from_type": (3, _from_type),
}


def call(machine: Machine, function: Any, arguments: Any) -> Any:
    """What a call of a known global would give; what is harmless is what it is called with."""
    if not isinstance(function, Global) or not isinstance(arguments, tuple):
        raise machine.refuse("a call of something that is no global", "a global and a tuple")
    role = function.role
    if role in _BUILT:
        needed, build = _BUILT[role]
        if len(arguments) < needed:
            raise machine.refuse(f"{role} with {len(arguments)} arguments", f"at least {needed}")
        return build(machine, arguments)
    if role.startswith("rebuild_"):
        return TensorCall(role, arguments, machine.at)
    if role not in machine.layout["harmless"]["functions"]:
        raise machine.refuse(f"a call of {role}", "a function", "PT-PKL-01")
    return arguments
