"""Draws what torch.save's formats share: storages, and tensors over them, one or several to a storage.

In the formats before zip files, a storage may be a view of another.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from endianproof.vectors._draw import NAMES, Layout, contiguous, slack, values_of, view
from endianproof.vectors._encoded import c_strides

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from hypothesis.strategies import DrawFn, SearchStrategy

    from endianproof.spec import ElementType

__all__ = ["contents", "with_views"]


_NAMES = st.lists(NAMES, max_size=4, unique=True)
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


def contents(
    draw: DrawFn, elements: SearchStrategy[ElementType], names_of: SearchStrategy[list[str]] = _NAMES
) -> dict[str, Any]:
    """The keys `byte_order`, `container`, `storages` and `tensors` of a `write`: up to four tensors."""
    storages: dict[str, Mapping[str, Any]] = {}
    tensors: list[Mapping[str, Any]] = []
    names = list(draw(names_of))
    while names:
        # Each storage has the next tensor, or the next two.
        views = [names.pop() for _ in range(2 if len(names) > 1 and draw(_BOOLEANS) else 1)]
        element, key = draw(elements), str(len(storages))
        layouts, packed = [_layout(draw, element) for _ in views], element.bits % 8 != 0
        numel = max(layout.numel for layout in layouts) + (0 if packed else slack(draw))
        storages[key] = {"dtype": element.name, "numel": numel, "values": draw(values_of(element))}
        # Parameters require gradients, which torch has for these types alone.
        differentiable = element.kind in ("float", "complex") and not packed
        can_be = {"parameter": draw(_BOOLEANS)} if differentiable else {}
        tensors += [
            {
                "name": name,
                "storage": key,
                "offset": one.offset,
                "shape": one.shape,
                "stride": one.stride,
                **can_be,
            }
            for name, one in zip(views, layouts, strict=True)
        ]
    return {
        "byte_order": draw(_ORDERS),
        "container": draw(_CONTAINERS),
        "storages": storages,
        "tensors": tensors,
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
