"""The page of named testees: a table for each library."""

from __future__ import annotations

from collections import Counter
from operator import attrgetter
from typing import TYPE_CHECKING

from endianproof.conformance.rendered._blocks import Heading, Page, Table, Text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from endianproof.conformance.named import Availability, NamedTestee
    from endianproof.conformance.rendered._blocks import Block

__all__ = ["testees_page"]

_DOC = """Loaders and savers that endianproof knows by name: `pytest --loader=safetensors.torch.load_file`. A name
stands for an entry point with its options, and brings the formats that it is made for and what it is given.
`endianproof testees` lists them with what is installed where you are, `endianproof explain NAME` prints one.
A library that is not in the table is named by its own path, `--loader=mypkg.load`."""
_LEFT_OUT = (
    ("cattensors", "it warms the page cache for safetensors, which reads"),
    ("onnx-safetensors", "it reads into ONNX models, not into tensors"),
    ("safestructures", "it reads back its own structures alone"),
    ("tensorizer", "it has a format of its own"),
    ("torch.distributed.checkpoint's HuggingFaceStorageReader", "it reads by safe_open's get_slice"),
    ("npm's @huggingface/hub", "it reads headers alone"),
    ("npm's pickleparser and jpickle", "they read pickles, and neither the archive around them nor its storages"),
)
_HAD = {
    "wheel": "has it in its package index",
    "guest": "has it from the guest's own packages",
    "source": "has to compile it",
}

_MACHINES = (("x86-64", attrgetter("x86_64")), ("s390x", attrgetter("s390x")))


def _place(machine: str, place: Availability) -> str:
    return f"{machine} {_HAD[place.by]}." if place.by else f"{machine} does not have it: {place.why}."


def _places(ours: Sequence[NamedTestee]) -> Iterator[Text]:
    """Where the library can be had: a sentence for each machine, then what holds for some of its entries only."""
    usual, others = [], []
    for machine, of in _MACHINES:
        where = {one.name: _place(machine, of(one)) for one in ours}
        ((most, _), *fewer) = Counter(where.values()).most_common()
        usual.append(most)
        others += [(other, [name for name in where if where[name] == other]) for other, _ in fewer]
    yield Text(" ".join(usual))
    for other, names in others:
        yield Text(f"{', '.join(f'`{name}`' for name in names)}: {other}")


def _arguments(testee: NamedTestee) -> str:
    given = testee.gives or testee.takes
    keywords = ", ".join(f"{key}={value!r}" for key, value in testee.keywords.items())
    accepted = ", ".join(f"{dtype} as {came}" for dtype, came in testee.accept.items())
    return "; ".join(filter(None, (given, keywords, accepted)))


def _library(ours: Sequence[NamedTestee]) -> Iterator[Block]:
    first = ours[0]
    yield Heading(2, first.library, first.library.replace("/", "-").strip("@").lower())
    tried = f"{first.language}. Tried with {first.tried}. Documentation: {first.link}"
    yield Text(tried)
    rows = tuple(
        (f"`--{one.option}={one.name}`", ", ".join(one.formats), _arguments(one), f"`{' '.join(one.needs)}`")
        for one in ours
    )
    yield Table(("option", "formats", "is given", "needs"), rows)
    yield from _places(ours)
    for note in dict.fromkeys(one.note for one in ours if one.note):
        whose = ", ".join(f"`{one.name}`" for one in ours if one.note == note)
        yield Text(f"{whose}: {note}", "Note")


def testees_page(found: Sequence[NamedTestee]) -> Page:
    """The page that lists these entries, library by library, in their order."""
    libraries = dict.fromkeys(one.library for one in found)
    blocks = [block for name in libraries for block in _library([one for one in found if one.library == name])]
    left_out = Heading(2, "Looked at and left out"), Table(("library", "why"), _LEFT_OUT)
    return Page("testees", "Named testees", (Text(" ".join(_DOC.split())), *blocks, *left_out))
