"""Tensors made by hand, each with the file it lies in, and mistakes planted in what came back."""

from __future__ import annotations

import base64
import hashlib
import math
from dataclasses import dataclass
from itertools import product

import numpy as np

from endianproof.conformance.diagnosis import Case, explain
from endianproof.conformance.difference import compare
from endianproof.conformance.elements import codes_of, scalar_of
from endianproof.conformance.outcome import LoadedTensor, Outcome, OutcomeKind
from endianproof.spec import load_spec
from endianproof.vectors import ExpectedTensor, Vector

TYPES = load_spec().element_types
HEADER = bytes(range(100, 113))  # 13 bytes: payloads begin at an odd place


def canonical(codes, dtype):
    """Canonical bytes of codes: complex elements take two each."""
    element = TYPES[dtype]
    width = scalar_of(element, TYPES).bits // 8
    return b"".join(int(code).to_bytes(width, "little") for code in codes)


def flat(shape):
    return tuple(math.prod(shape[axis + 1 :]) for axis in range(len(shape)))


@dataclass(frozen=True)
class Planted:
    """One tensor in its file; `storage` holds the codes of the whole storage, of which the tensor is a view."""

    tensor: ExpectedTensor
    file: bytes
    siblings: tuple[ExpectedTensor, ...] = ()

    @property
    def expected(self):
        return codes_of(self.tensor.canonical, TYPES[self.tensor.dtype])

    def case(self, found, machine_order="big"):
        element = TYPES[self.tensor.dtype]
        return Case(
            tensor=self.tensor,
            element=element,
            scalar=scalar_of(element, TYPES),
            expected=self.expected,
            found=np.asarray(found, dtype=self.expected.dtype),
            file=self.file,
            siblings=self.siblings,
            machine_order=machine_order,
        )

    def explain(self, found, machine_order="big"):
        return explain(self.case(found, machine_order))

    def name(self, found, machine_order="big"):
        explanation = self.explain(found, machine_order)
        return explanation and explanation.name

    def difference(self, found, machine_order="big"):
        data = np.asarray(found, dtype=self.expected.dtype).tobytes()
        return compare(
            self.tensor,
            data,
            TYPES,
            file=self.file,
            siblings=self.siblings,
            machine_order=machine_order,
        )


def expected_tensor(name, dtype, shape, data, *, at=13, order="little", offset=0, stride=None, nbytes=None):
    return ExpectedTensor(
        name=name,
        dtype=dtype,
        shape=tuple(shape),
        sha256=hashlib.sha256(data).hexdigest(),
        at=at,
        storage_nbytes=len(data) if nbytes is None else nbytes,
        byte_order=order,
        storage_offset=offset,
        stride=flat(shape) if stride is None else tuple(stride),
        source={"data": base64.b64encode(data).decode()},
    )


def plant(codes, dtype, *, order="little", shape=None, offset=0, stride=None, header=HEADER, siblings=()):
    """A file of `header` and one storage of `codes`, and a view of it by `shape`, `offset` and `stride`."""
    element = TYPES[dtype]
    parts = 2 if element.component else 1
    shape = (len(codes) // parts,) if shape is None else tuple(shape)
    stride = flat(shape) if stride is None else tuple(stride)
    rows = [codes[i * parts : (i + 1) * parts] for i in range(len(codes) // parts)]
    places = [
        offset + sum(i * s for i, s in zip(index, stride, strict=True)) for index in product(*map(range, shape))
    ]
    data = canonical([code for place in places for code in rows[place]], dtype)
    width = scalar_of(element, TYPES).bits // 8
    storage = b"".join(int(code).to_bytes(width, order) for code in codes)
    tensor = expected_tensor(
        "w", dtype, shape, data, at=len(header), order=order, offset=offset, stride=stride, nbytes=len(storage)
    )
    return Planted(tensor, header + storage, tuple(siblings))


def loaded(name, dtype, shape, data):
    return LoadedTensor(name, dtype, tuple(shape), hashlib.sha256(data).hexdigest(), data)


def outcome(*tensors):
    return Outcome(OutcomeKind.LOADED, tuple(tensors))


def vector_of(folder, planted, *, verdict="accept", rules=("BF-FMT-02",), policy=None, change=None):
    """A vector of one planted tensor, its file written to `folder`."""
    path = folder / "planted.bin"
    path.write_bytes(planted.file)
    return Vector(
        id="planted",
        format="safetensors",
        path=path,
        sha256=hashlib.sha256(planted.file).hexdigest(),
        size=len(planted.file),
        rules=tuple(rules),
        verdict=verdict,
        description="planted by a test",
        tensors=(planted.tensor,),
        policy=policy,
        change=change,
    )
