"""What the steps of a check are tried with: the testee, the files, and what is known of both."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from endianproof.conformance.examine import Observation, conclude
from endianproof.conformance.outcome import Outcome, OutcomeKind
from endianproof.conformance.starting import plain_vector
from endianproof.spec import load_spec
from endianproof.vectors import load_vectors

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from endianproof.conformance.checking.talk import Talk
    from endianproof.vectors import Vector

__all__ = ["Case"]

ASKED_FOR = ("data", "sha256")
BASIC_PLANE = 0xFFFF


@dataclass
class Case:
    """One check. `machine_order` is that of the machine that the testee runs on; `hello` is what the testee said.

    `good` are the formats of which a file was loaded, the first of which the later steps use.
    """

    talk: Talk
    folder: Path
    machine_order: str
    hello: Mapping[str, Any] = field(default_factory=dict)
    good: list[str] = field(default_factory=list)

    @property
    def ops(self) -> list[str]:
        """What the testee can be asked for."""
        found: list[str] = self.hello.get("ops", ["load"])
        return found

    @property
    def formats(self) -> list[str]:
        """The formats of the specification that the testee claims, all where it says nothing."""
        known = list(load_spec().formats)
        return [name for name in known if name in self.hello.get("formats", known)]

    def copy(self, vector: Vector, name: str = "") -> Path:
        """A copy of a golden file, in the check's folder, under its own name or another."""
        path = self.folder / (name or vector.path.name)
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(vector.path.read_bytes())
        return path

    def request(self, path: Path, format_name: str, reply: str = "data") -> dict[str, Any]:
        """A request to load a file, with an id of its own."""
        one = {"op": "load", "id": self.talk.new_id(), "path": str(path), "format": format_name}
        return {**one, "reply": reply}

    def plain(self) -> dict[str, Any]:
        """A request to load a file that the testee reads."""
        name = self.good[0]
        return self.request(self.copy(self.small(name)), name)

    def load_twice(self, vector: Vector, path: Path) -> tuple[Outcome, Outcome | None]:
        """The outcomes for `data` and, where that was loaded, for `sha256`. Raises WrongError."""
        found: list[Outcome] = []
        for reply in ASKED_FOR:
            request = self.request(path, vector.format, reply)
            self.talk.ask(request)
            found.append(self.talk.outcome(request["id"], reply))
            if found[-1].kind is not OutcomeKind.LOADED:
                break
        return found[0], found[1] if len(found) > 1 else None

    def judged(self, vector: Vector, outcomes: tuple[Outcome, Outcome | None]) -> str:
        """The judge's headline on two loads of a vector, "" where nothing is wrong."""
        judgement = conclude(Observation(vector, self.machine_order, *outcomes), {})
        return judgement.headline if judgement.failed else ""

    def beyond_ascii(self, format_name: str) -> Vector | None:
        """A valid file of claimed dtypes that has a tensor named beyond the basic plane, if the format has one."""
        return next(
            (
                vector
                for vector in load_vectors()
                if vector.format == format_name
                and vector.verdict == "accept"
                and self._claims(vector)
                and any(ord(character) > BASIC_PLANE for tensor in vector.tensors for character in tensor.name)
            ),
            None,
        )

    def small(self, format_name: str) -> Vector:
        """The smallest valid file of a format: of float32, or where that is not claimed of what is."""
        plain = plain_vector(format_name)
        if self._claims(plain):
            return plain
        valid = (v for v in load_vectors() if v.format == format_name and v.verdict == "accept" and v.tensors)
        return min((v for v in valid if self._claims(v)), key=lambda v: v.size, default=plain)

    def _claims(self, vector: Vector) -> bool:
        return "dtypes" not in self.hello or {tensor.dtype for tensor in vector.tensors} <= set(
            self.hello["dtypes"]
        )
