"""A save as the testee protocol's request: each tensor's canonical bytes, and how it lies in the caller's memory.

A tensor that lies in memory as its bytes come, by itself and in the machine's byte order, has no `layout`.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from endianproof.vectors import GivenTensor, Save

__all__ = ["save_request"]


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _layout(tensor: GivenTensor) -> dict[str, Any]:
    view = {"storage": tensor.storage, "storage_offset": tensor.storage_offset, "stride": list(tensor.stride)}
    said = {"bits": list(tensor.bits), "byte_order": tensor.byte_order, "parameter": tensor.parameter}
    return view | {key: value for key, value in said.items() if value}


def _tensor(tensor: GivenTensor) -> dict[str, Any]:
    said = {
        "name": tensor.name,
        "dtype": tensor.dtype,
        "shape": list(tensor.shape),
        "data": _text(tensor.canonical),
    }
    return said if tensor.is_plain else {**said, "layout": _layout(tensor)}


def save_request(save: Save, path: Path) -> dict[str, Any]:
    """The request to write a save's tensors to `path`, without its id.

    `storages` are there where a tensor refers to one by its number.
    """
    storages = [{"dtype": one.element.name, "data": _text(one.data())} for one in save.storages]
    request = {
        "op": "save",
        "path": str(path.absolute()),
        "format": save.format,
        "tensors": [_tensor(tensor) for tensor in save.tensors],
    }
    return request if all(tensor.is_plain for tensor in save.tensors) else {**request, "storages": storages}
