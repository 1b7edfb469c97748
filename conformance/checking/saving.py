"""The steps for what a testee may do besides loading: saving, and reading parts of what it keeps."""

from __future__ import annotations

import base64
import json
import math
from typing import TYPE_CHECKING

from endianproof.conformance.checking.talk import WrongError, quoted
from endianproof.conformance.examine import SaveObservation, conclude
from endianproof.conformance.outcome import OutcomeKind
from endianproof.conformance.requests import save_request
from endianproof.conformance.starting import plain_save
from endianproof.spec import load_spec
from endianproof.vectors import load_saves

if TYPE_CHECKING:
    from endianproof.conformance.checking.case import Case
    from endianproof.conformance.outcome import Outcome
    from endianproof.vectors import Save

__all__ = ["read_parts", "save_plain"]

MOST_READ = 4  # parts


def _saved(case: Case, save: Save, name: str) -> tuple[Outcome, bytes | None, tuple[str, ...]]:
    folder = case.folder / name
    folder.mkdir()
    path = folder / f"{save.id}.{load_spec().formats[save.format].extension}"
    request = {**save_request(save, path), "id": case.talk.new_id()}
    case.talk.ask(request, name="save_reply")
    outcome = case.talk.outcome(request["id"], "")
    strays = tuple(sorted(one.name for one in folder.iterdir() if one != path))
    return outcome, path.read_bytes() if path.is_file() else None, strays


def save_plain(case: Case) -> str:
    """Have the plainest tensors of each claimed format saved twice, and judge the files."""
    formats = [name for name in case.formats if any(save.format == name for save in load_saves())]
    wrong = {name: why for name in formats if (why := _save_twice(case, plain_save(name)))}
    done = ", ".join(name for name in formats if name not in wrong)
    if not done or ("formats" in case.hello and wrong):
        found = "; ".join(f"{name}: {why}" for name, why in wrong.items())
        advice = "write the file and close it before the answer; list what is written in hello's formats"
        raise WrongError(
            found, "the tensors of a small save, in a file at the request's path", advice, "#/$defs/saved"
        )
    return f"{done}: the reference reads what was written" + (f"; not {', '.join(wrong)}" if wrong else "")


def _save_twice(case: Case, save: Save) -> str:
    """What is wrong with a save that is made twice, "" for nothing."""
    first = _saved(case, save, f"{save.format}-first")
    if first[0].kind is not OutcomeKind.SAVED:
        return quoted(case.talk.received)
    second = _saved(case, save, f"{save.format}-second")
    judgement = conclude(SaveObservation(save, case.machine_order, *first, *second[:2]), {})
    return judgement.headline if judgement.failed else ""


def read_parts(case: Case) -> str:
    """Have a file kept, and the elements of its first tensor read: one by one, or as few as fill whole bytes."""
    if not case.good:
        return "nothing to try: no file was loaded"
    vector = case.small(case.good[0])
    tensor = vector.tensors[0]
    request = {**case.request(case.copy(vector), vector.format, "sha256"), "keep": True}
    case.talk.ask(request)
    bits, count = load_spec().element_types[tensor.dtype].bits, math.prod(tensor.shape)
    step = 8 if bits % 8 else 1  # of elements narrower than a byte, eight begin with one
    parts = [(start, min(start + step, count)) for start in range(0, min(count, MOST_READ * step), step)]
    for start, stop in parts:
        asked = {"op": "read", "id": case.talk.new_id(), "name": tensor.name, "start": start, "stop": stop}
        reply = case.talk.ask({**asked, "reply": "data"})
        part = {"name": tensor.name, "dtype": tensor.dtype, "shape": [stop - start]}
        data = tensor.canonical[start * bits // 8 : (stop * bits + 7) // 8]
        wanted = [{**part, "data": base64.b64encode(data).decode()}]
        if reply.get("tensors") != wanted:
            advice = "answer with the elements from start to stop, as a tensor of one dimension"
            raise WrongError(quoted(case.talk.received), json.dumps(wanted), advice, "#/$defs/read_request")
    return f"{parts[-1][1] if parts else 0} elements of {tensor.name!r}"
