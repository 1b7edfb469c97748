"""Reads the tensors of TorchScript archives: torch.save's archive, with modules as its objects. No code is run."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from endianproof.reference import _torch_zip
from endianproof.reference._torch_zip import Archive, read_archive
from endianproof.reference._violation import SpecViolation
from endianproof.reference._zip import read_directory

if TYPE_CHECKING:
    from collections.abc import Mapping

    from endianproof.reference._tensor import Tensor
    from endianproof.spec import Format

__all__ = ["read", "recognizes"]


def recognizes(data: memoryview, form: Format) -> int:
    """How sure it is that the file is one: not at all, as much as of any zip archive, or more than that."""
    if not _torch_zip.recognizes(data, form):
        return 0
    try:
        names = read_directory(data, form.layout["zip"])
    except SpecViolation:
        names = {}
    return 1 + any(name.endswith(f"/{form.layout['script']['constants']}") for name in names)


def _script_form(form: Format, archive: Archive) -> Format:
    """The format with what these archives' pickles have beside torch.save's, and the classes of this one."""
    pickle, script = form.layout["pickle"], form.layout["script"]
    sources = [
        name for name in archive.records if name.startswith(script["code"]) and name.endswith(script["suffix"])
    ]
    modules = {
        name.removeprefix(script["code"]).removesuffix(script["suffix"]).replace("/", ".") for name in sources
    }
    merged = {
        **pickle,
        "classes": {script["module"]: modules},
        "harmless": {
            **pickle["harmless"],
            "functions": {**pickle["harmless"]["functions"], **script["functions"]},
        },
        "opcodes": {
            **pickle["opcodes"],
            **{name: pickle["other_opcodes"][name] for name in script["opcodes"]},
        },
        "storage_classes": {**pickle["storage_classes"], **script["storage_classes"]},
    }
    return replace(form, layout={**form.layout, "pickle": merged})


def read(data: memoryview, form: Format) -> Mapping[str, Tensor]:
    """The tensors of a TorchScript archive by their modules' attributes. Raises SpecViolation."""
    archive = Archive(data, form)
    constants = form.layout["script"]["constants"]
    if constants not in archive.records:
        raise archive.missing(constants, 0, "PTJ-REC-01")
    return read_archive(archive, _script_form(form, archive))
