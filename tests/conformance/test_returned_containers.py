"""Containers that loaders return: what holds tensors, what is to be awaited, and what is to be entered."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import types
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import pytest
import torch

from endianproof.conformance.testee.canonical import ConversionError
from endianproof.conformance.testee.convert import named_elements
from endianproof.conformance.testee.nested import named_values
from endianproof.conformance.testee.opened import opened
from endianproof.conformance.testee.serve import Loading

TENSOR = torch.ones(1)


class Pair(NamedTuple):
    w: torch.Tensor
    count: int


@dataclasses.dataclass
class Model:
    w: torch.Tensor
    name: str


class OpenFile:
    """As safetensors' safe_open: no mapping, and a context manager."""

    def __init__(self):
        self.is_open = False

    def __enter__(self):
        self.is_open = True
        return self

    def __exit__(self, *error):
        self.is_open = False

    def keys(self):
        return ["w"]

    def get_tensor(self, name):
        assert self.is_open
        return {"w": TENSOR}[name]


def generated():
    yield "w", TENSOR


@pytest.mark.parametrize(
    "make",
    [
        lambda: Pair(TENSOR, 3),
        lambda: Model(TENSOR, "name"),
        generated,
        {"w": TENSOR}.items,
        lambda: map(tuple, [["w", TENSOR]]),
        lambda: types.MappingProxyType({"w": TENSOR}),
    ],
    ids=["namedtuple", "dataclass", "generator", "items", "iterator", "mapping"],
)
def test_containers_give_their_names(make):
    assert [name for name, _ in named_values(make())] == ["w"]


def test_a_module_inside_a_checkpoint_is_its_state():
    assert [name for name, _ in named_values({"m": torch.nn.Linear(1, 1)})] == ["m.weight", "m.bias"]


@pytest.mark.parametrize("items", [["w"], [("w",)], [(1, TENSOR)]])
def test_an_iterator_of_anything_else_is_named(items):
    with pytest.raises(ConversionError, match=r"expected \(name, tensor\)"):
        list(named_values(iter(items)))


def test_each_tensor_of_an_iterator_is_read_before_the_next_is_asked_for():
    held = np.zeros(1, "u1")

    def reusing():
        for number in (1, 2):
            held[0] = number
            yield str(number), held

    assert [(name, b"".join(elements.chunks())) for name, elements in named_elements(reusing())] == [
        ("1", b"\x01"),
        ("2", b"\x02"),
    ]


# Awaited and entered


class AsyncFile:
    def __init__(self, log):
        self._log = log

    async def __aenter__(self):
        self._log.append("entered")
        return {"w": TENSOR}

    async def __aexit__(self, *error):
        await asyncio.sleep(0)
        self._log.append("left")


async def coroutine(value):
    await asyncio.sleep(0)
    return value


async def async_items():
    yield "w", TENSOR


def future():
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(lambda: {"w": TENSOR})


@pytest.mark.parametrize(
    "make",
    [
        lambda: coroutine({"w": TENSOR}),
        async_items,
        lambda: AsyncFile([]),
        lambda: coroutine(AsyncFile([])),
        future,
        OpenFile,
        lambda: contextlib.nullcontext({"w": TENSOR}),
        lambda: coroutine(coroutine({"w": TENSOR})),
    ],
    ids=["coroutine", "generator", "async with", "awaited async with", "future", "open file", "with", "twice"],
)
def test_what_is_to_be_awaited_or_entered_is(make):
    with contextlib.ExitStack() as given:
        assert [name for name, _ in named_values(opened(make(), given))] == ["w"]


def test_a_context_is_left_after_the_tensors_were_read(tmp_path):
    log, path = [], tmp_path / "file"
    path.write_bytes(b"")
    reply = Loading(lambda _: AsyncFile(log), "path")({"op": "load", "path": str(path), "id": "v1"}, print)
    assert reply["tensors"][0]["name"] == "w"
    assert log == ["entered", "left"]


@pytest.mark.parametrize("make", [lambda: coroutine(1 / 0), None], ids=["called", "awaited"])
def test_an_exception_on_the_way_is_the_loaders(make):
    async def fails():
        await asyncio.sleep(0)
        raise ZeroDivisionError

    loader = Loading(lambda _: make() if make else fails(), "path")
    with pytest.raises(ZeroDivisionError):
        loader({"op": "load", "path": "/dev/null", "id": "v1"}, print)


def test_tensors_and_buffers_are_not_entered():
    view = memoryview(bytes(4))
    with contextlib.ExitStack() as given:
        assert opened(view, given) is view
    assert view.tobytes() == bytes(4)


def test_a_kept_iterator_can_be_read_again():
    loader = Loading(lambda _: generated(), "path")
    reply = loader({"op": "load", "path": "/dev/null", "id": "v1", "reply": "sha256", "keep": True}, print)
    assert reply["tensors"][0]["name"] == "w"
    part = loader({"op": "read", "name": "w", "start": 0, "stop": 1, "reply": "data"}, print)
    assert part["tensors"][0]["data"] == "AACAPw=="


def test_a_loader_that_takes_a_file_is_given_a_real_one():
    def load(file):
        return {"w": np.array([file.fileno() >= 0 and file.mode == "rb"])}

    reply = Loading(load, "file")({"op": "load", "path": "/dev/null", "id": "v1", "reply": "data"}, print)
    assert reply["tensors"][0]["data"] == "AQ=="


class Silent:
    """A context that keeps what went wrong in it to itself."""

    def __init__(self, inside):
        self.inside = inside

    def __enter__(self):
        return self.inside

    def __exit__(self, *error):
        return True


def test_a_context_cannot_keep_to_itself_what_cannot_be_read(tmp_path):
    loading = Loading(lambda _path: Silent({"w": object()}), "path")
    with pytest.raises(ConversionError, match="under the name 'w' the loader returned object"):
        loading({"op": "load", "path": str(tmp_path)}, print)


@pytest.mark.parametrize("keep", [{}, {"keep": True}], ids=["read", "kept"])
def test_an_iterator_of_anything_else_is_no_refusal(tmp_path, keep):
    loading = Loading(lambda _path: iter([TENSOR]), "path")
    with pytest.raises(ConversionError, match=r"an iterator of torch\.Tensor; expected"):
        loading({"op": "load", "path": str(tmp_path), "reply": "sha256", **keep}, print)
