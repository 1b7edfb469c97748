"""Draws what torch.save's formats share: storages, and tensors over them, one or several to a storage.

In the formats before zip files, a storage may be a view of another.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from endianproof.vectors._draw import NAMES, Layout, contiguous, several, slack, values_of, view
from endianproof.vectors._encoded import c_strides

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from hypothesis.strategies import DrawFn, SearchStrategy

    from endianproof.spec import ElementType

__all__ = ["contents", "with_views"]


_ORDERS, _CONTAINERS = st.sampled_from(("little", "big")), st.sampled_from(("dict", "ordered_dict", "state_dict"))
_BOOLEANS, _FEW = st.booleans(), st.integers(0, 3)
_FIRST_VIEW = 100  # storages and views have their keys from one set of numbers


def _layout(draw: DrawFn, element: ElementType) -> Layout:
    """A view of any kind; or, of elements that share a byte, in C order with a last size of whole bytes."""
    if element.bits % 8 == 0:
        return view(draw)
    shape, per_byte = contiguous(draw, element).shape, 8 // element.bits
    whole = shape if shape[-1] % per_byte == 0 else (*shape[:-1], shape[-1] * per_byte)
    return Layout(whole, c_strides(whole))


@st.composite
def _storage(
    draw: DrawFn, elements: SearchStrategy[ElementType], names: SearchStrategy[str]
) -> tuple[Mapping[str, Any], list[Mapping[str, Any]]]:
    """A storage and the tensors over it, one or two: what is drawn together can be left out together."""
    element = draw(elements)
    packed = element.bits % 8 != 0
    # Parameters require gradients, which torch has for these types alone.
    differentiable = element.kind in ("float", "complex") and not packed
    layouts: list[Layout] = []
    tensors: list[Mapping[str, Any]] = []
    for _ in range(2 if draw(_BOOLEANS) else 1):
        one = _layout(draw, element)
        said = {"name": draw(names), "offset": one.offset, "shape": one.shape, "stride": one.stride}
        tensors.append({**said, "parameter": draw(_BOOLEANS)} if differentiable else said)
        layouts.append(one)
    numel = max(layout.numel for layout in layouts) + (0 if packed else slack(draw))
    return {"dtype": element.name, "numel": numel, "values": draw(values_of(element))}, tensors


@functools.cache
def _storages(elements: SearchStrategy[ElementType], names: SearchStrategy[str]) -> SearchStrategy[Any]:
    return several(_storage(elements, names), 3)


def contents(
    draw: DrawFn, elements: SearchStrategy[ElementType], names: SearchStrategy[str] = NAMES
) -> dict[str, Any]:
    """The keys `byte_order`, `container`, `storages` and `tensors` of a `write`: up to three storages."""
    storages: dict[str, Mapping[str, Any]] = {}
    tensors: dict[str, Mapping[str, Any]] = {}
    for storage, views in draw(_storages(elements, names)):
        key = str(len(storages))
        fresh = {view["name"]: {**view, "storage": key} for view in views if view["name"] not in tensors}
        if fresh:
            storages[key] = storage
            tensors |= fresh
    return {
        "byte_order": draw(_ORDERS),
        "container": draw(_CONTAINERS),
        "storages": storages,
        "tensors": list(tensors.values()),
    }


def with_views(draw: DrawFn, objects: Mapping[str, Any], typed: Iterable[str]) -> dict[str, Any]:
    """The keys `storages`, `tensors` and `views`: some storages of the `typed` types made views of larger ones."""
    storages, views, of = dict(objects["storages"]), {}, set(typed)
    for key, storage in objects["storages"].items():
        if storage["dtype"] in of and draw(_BOOLEANS):
            before, numel = draw(_FEW), storage["numel"]
            storages[key] = {**storage, "numel": before + numel + draw(_FEW)}
            views[str(_FIRST_VIEW + int(key))] = {"storage": key, "offset": before, "numel": numel}
    through = {str(view["storage"]): key for key, view in views.items()}
    tensors = [
        {**tensor, "storage": through.get(tensor["storage"], tensor["storage"])} for tensor in objects["tensors"]
    ]
    return {"storages": storages, "tensors": tensors, "views": views}
