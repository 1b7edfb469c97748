"""Encodes TorchScript archives: torch.save's, with modules as objects, and the source of their classes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from endianproof.vectors import _torch_zip
from endianproof.vectors._pickle import write_pickle
from endianproof.vectors._zip import Record

if TYPE_CHECKING:
    from collections.abc import Mapping

    from endianproof.spec import Format, Spec
    from endianproof.vectors._encoded import Encoded

__all__ = ["encode"]

_OWN = ("attributes", "classes", "parameters")


def _script_form(form: Format) -> Format:
    """The format with what these archives' pickles have beside those of torch.save."""
    pickle, script = form.layout["pickle"], form.layout["script"]
    functions = {**pickle["harmless"]["functions"], **script["functions"]}
    opcodes = {name: pickle["other_opcodes"][name] for name in script["opcodes"]}
    merged = {
        **pickle,
        "harmless": {**pickle["harmless"], "functions": functions},
        "opcodes": {**pickle["opcodes"], **opcodes},
        "storage_classes": {**pickle["storage_classes"], **script["storage_classes"]},
    }
    return replace(form, layout={**form.layout, "pickle": merged})


class _Modules:
    """The modules that dotted names of tensors make, from the root on."""

    def __init__(self, write: Mapping[str, Any], form: Format) -> None:
        self.write, self.script = write, form.layout["script"]
        self.tree: dict[str, Any] = {}
        for tensor in write["tensors"]:
            *path, name = tensor["name"].split(".")
            node = self.tree
            for part in path:
                node = node.setdefault(part, {})
            node[name] = tensor["name"]

    def kind(self, path: tuple[str, ...]) -> str:
        """The class of the module at a path, as `module name`."""
        own = "_".join((self.script["class"], *path))
        chosen: str = self.write.get("classes", {}).get(".".join(path), f"{self.script['module']} {own}")
        return chosen

    def attributes(self, path: tuple[str, ...]) -> Mapping[str, Any]:
        return self.write.get("attributes", {}) if not path else {}

    def object(self, node: Mapping[str, Any], path: tuple[str, ...] = ()) -> dict[str, Any]:
        """The module as an object, in the words that describe pickled objects."""
        held = {
            name: {"$tensor": item} if isinstance(item, str) else self.object(item, (*path, name))
            for name, item in node.items()
        }
        values = {name: attribute["value"] for name, attribute in self.attributes(path).items()}
        return {"$object": [self.kind(path), {**values, **held}]}

    def sources(self, node: Mapping[str, Any], path: tuple[str, ...] = ()) -> list[tuple[str, str]]:
        """The record and the source of each class."""
        lines, script = self.script["source"], self.script
        module, name = self.kind(path).split(" ")
        tensors = [key for key, item in node.items() if isinstance(item, str)]
        wanted = self.write.get("parameters", ())
        parameters = [key for key in tensors if node[key] in wanted]
        types = {key: attribute["type"] for key, attribute in self.attributes(path).items()}
        for key in node:
            types[key] = script["tensor"] if key in tensors else ".".join(self.kind((*path, key)).split(" "))

        def quoted(names: list[str]) -> str:
            return "".join(f'"{key}", ' for key in names)

        buffers = [key for key in tensors if key not in parameters]
        text = lines["class"].format(name=name)
        text += lines["parameters"].format(names=quoted(parameters)) + lines["buffers"].format(
            names=quoted(buffers)
        )
        text += "".join(lines["attribute"].format(name=key, type=kind) for key, kind in types.items())
        below = [
            source
            for key, item in node.items()
            if not isinstance(item, str)
            for source in self.sources(item, (*path, key))
        ]
        record = script["code"] + module.replace(".", "/") + script["suffix"]
        return [(record, text), *below]


def _check_parameters(write: Mapping[str, Any]) -> None:
    """A class lists its parameters in the order of the tensors. Raises ValueError for a list in another."""
    wanted = tuple(write.get("parameters", ()))
    if tuple(tensor["name"] for tensor in write["tensors"] if tensor["name"] in wanted) != wanted:
        raise ValueError(f"parameters {', '.join(wanted)} are not in the order of the tensors")


def _frozen(value: Any) -> Any:
    """Lists as the YAML gives them, which are tuples."""
    if isinstance(value, dict):
        return {key: _frozen(item) for key, item in value.items()}
    return tuple(_frozen(item) for item in value) if isinstance(value, list) else value


def encode(write: Mapping[str, Any], change: Mapping[str, Any] | None, form: Format, spec: Spec) -> Encoded:
    """The file that `write` describes, with at most one change. Raises ValueError for what it does not know."""
    form = _script_form(form)
    _check_parameters(write)
    modules = _Modules(write, form)
    texts: dict[str, str] = {}
    for name, text in modules.sources(modules.tree):
        texts[name] = texts.get(name, "") + text
    script, opcodes = form.layout["script"], form.layout["pickle"]["opcodes"]
    more = [Record(name, text.encode()) for name, text in texts.items()]
    more.append(Record(script["constants"], write_pickle((), form.layout["pickle"]["protocol"], opcodes)))
    inner = {key: value for key, value in write.items() if key not in _OWN}
    return _torch_zip.encode({**inner, "root": _frozen(modules.object(modules.tree))}, change, form, spec, more)
