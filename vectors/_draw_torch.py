"""Draws what torch.save's formats share: storages, and tensors over them, one or several to a storage."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from endianproof.vectors._draw import NAMES, slack, values_of, view

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hypothesis.strategies import DrawFn, SearchStrategy

    from endianproof.spec import ElementType

__all__ = ["contents"]


_NAMES = st.lists(NAMES, max_size=4, unique=True)
_ORDERS, _CONTAINERS = st.sampled_from(("little", "big")), st.sampled_from(("dict", "ordered_dict", "state_dict"))
_BOOLEANS = st.booleans()


def contents(draw: DrawFn, elements: SearchStrategy[ElementType]) -> Mapping[str, Any]:
    """The keys `byte_order`, `container`, `storages` and `tensors` of a `write`: up to four tensors."""
    # What packs several elements into a byte has no strides (PT-DT-03): the vectors hold it.
    elements = elements.filter(lambda element: element.bits % 8 == 0)
    storages: dict[str, Mapping[str, Any]] = {}
    tensors: list[Mapping[str, Any]] = []
    names = draw(_NAMES)
    while names:
        # Each storage has the next tensor, or the next two.
        views = [names.pop() for _ in range(2 if len(names) > 1 and draw(_BOOLEANS) else 1)]
        element, layouts, key = draw(elements), [view(draw) for _ in views], str(len(storages))
        numel = max(layout.numel for layout in layouts) + slack(draw)
        storages[key] = {"dtype": element.name, "numel": numel, "values": draw(values_of(element))}
        # Parameters require gradients, which torch has for these types alone.
        can_be = {"parameter": draw(_BOOLEANS)} if element.kind in ("float", "complex") else {}
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
