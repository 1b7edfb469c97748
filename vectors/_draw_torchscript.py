"""Draws TorchScript archives: what `write` says of them, and the edits of torch.save's records."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from endianproof.vectors import _draw_torch_zip
from endianproof.vectors._draw_torch import contents
from endianproof.vectors._draw_torch_zip import change

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from hypothesis.strategies import DrawFn, SearchStrategy

    from endianproof.spec import ElementType, Format

__all__ = ["change", "dtypes", "write"]

# Attributes, some of modules in modules; no name is a module's own.
_NAMES = st.sampled_from(("x", "y", "weight", "first.weight", "first.bias", "deep.inner.weight", "deep.steps"))


def dtypes(form: Format) -> Iterable[str]:
    """The element types that have a storage class: those that share a byte have none."""
    return [*form.layout["pickle"]["storage_classes"].values(), *form.layout["script"]["storage_classes"].values()]


def write(draw: DrawFn, _form: Format, elements: SearchStrategy[ElementType]) -> Mapping[str, Any]:
    """A `write` of up to six tensors, little-endian: a reader may refuse the other byte order."""
    objects = contents(draw, elements, _NAMES)
    parameters = tuple(tensor["name"] for tensor in objects["tensors"] if tensor.get("parameter"))
    plain = [{key: said for key, said in tensor.items() if key != "parameter"} for tensor in objects["tensors"]]
    return {
        **_draw_torch_zip.archive(draw),
        "byte_order": "little",
        "minimal": False,
        "parameters": parameters,
        "storages": objects["storages"],
        "tensors": plain,
    }
