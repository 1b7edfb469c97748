"""What a loader returned, made ready to be looked at: awaited, entered, gathered.

Each step is the library's own code, so what it raises counts as the loader's. All of it is undone when the tensors
have been read: a context is left before the file is gone.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import asyncio
    import contextlib

__all__ = ["opened"]

MOST_STEPS = 8  # a coroutine that gives a context that gives a coroutine ...


def _loop(given: contextlib.ExitStack) -> asyncio.AbstractEventLoop:
    import asyncio  # noqa: PLC0415 (it is long to import in an emulated guest, and seldom needed)

    loop = asyncio.new_event_loop()
    given.callback(loop.close)
    given.callback(lambda: loop.run_until_complete(loop.shutdown_asyncgens()))
    return loop


async def _awaited(value: Any) -> Any:
    return await value


async def _gathered(value: Any) -> list[Any]:
    return [item async for item in value]


def _has(value: Any, *names: str) -> bool:
    return all(hasattr(type(value), name) for name in names)


def _is_future(value: Any) -> bool:
    """Whether it is a `concurrent.futures.Future`, or of its like."""
    return _has(value, "result", "done", "add_done_callback") and not inspect.isawaitable(value)


def _is_context(value: Any, enter: str, leave: str) -> bool:
    """Whether it is a context to enter; a tensor or a buffer is none, whatever it has."""
    return _has(value, enter, leave) and not isinstance(value, (memoryview, dict)) and not _has(value, "shape")


class _Async:
    """The event loop of one result, which is there when something of it is asynchronous."""

    def __init__(self, given: contextlib.ExitStack) -> None:
        self._given = given
        self._running: asyncio.AbstractEventLoop | None = None

    def run(self, coroutine: Any) -> Any:
        if self._running is None:
            self._running = _loop(self._given)
        return self._running.run_until_complete(coroutine)

    def enter(self, context: Any) -> Any:
        entered = self.run(_awaited(type(context).__aenter__(context)))
        leave = type(context).__aexit__
        self._given.callback(lambda: self.run(_awaited(leave(context, None, None, None))))
        return entered


def _entered(context: Any, given: contextlib.ExitStack) -> Any:
    """Enter it, and have it left as if all went well: what one is told of, it may keep to itself."""
    leave = type(context).__exit__
    entered = type(context).__enter__(context)
    given.callback(leave, context, None, None, None)
    return entered


def opened(result: Any, given: contextlib.ExitStack) -> Any:
    """Return what is to be read. What must be closed afterwards goes onto `given`."""
    loop = _Async(given)
    for _ in range(MOST_STEPS):
        if inspect.isawaitable(result):
            result = loop.run(_awaited(result))
        elif _is_future(result):
            result = result.result()
        elif _is_context(result, "__aenter__", "__aexit__"):
            inner = loop.enter(result)
            if inner is None or inner is result:
                return result
            result = inner
        elif _is_context(result, "__enter__", "__exit__"):
            inner = _entered(result, given)
            if inner is None or inner is result:
                return result
            result = inner
        elif _has(result, "__aiter__") and not isinstance(result, Mapping):
            result = iter(loop.run(_gathered(result)))
        else:
            return result
    return result
