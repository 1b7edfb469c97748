"""The specification as frozen values: what the YAML in this room says, typed.

Units: `bits` are bits, `swap_unit` and `itemsize` are bytes, shapes and strides are elements.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "Bug",
    "Conversion",
    "ElementType",
    "FloatFields",
    "Format",
    "Pattern",
    "Policy",
    "Rule",
    "SaveTemplate",
    "Spec",
    "VectorTemplate",
]


@dataclass(frozen=True)
class FloatFields:
    """The bit fields of a float, from the most significant bit: sign, exponent, fraction (widths in bits).

    `specials` says which codes are not finite numbers: `ieee` (exponent all ones), `fn` (all ones is NaN, no
    infinity), `fnuz` (the code of minus zero is the one NaN), `e8m0` (all ones is NaN, no zero), `none`.
    """

    sign: int
    exponent: int
    fraction: int
    bias: int
    specials: str


@dataclass(frozen=True)
class ElementType:
    """One element type, independent of any file format.

    `kind` is bool, uint, int, float or complex. `bits` is an element's width; `swap_unit` is how many bytes
    reverse together when byte order changes; `component` names the element type of each half of a complex.
    """

    name: str
    kind: str
    bits: int
    swap_unit: int
    float_fields: FloatFields | None = None
    component: str | None = None

    @property
    def itemsize(self) -> int:
        """Bytes per element. Raises ValueError for a type narrower than a byte, which has none."""
        size, rest = divmod(self.bits, 8)
        if rest:
            raise ValueError(f"{self.name} is {self.bits} bits wide: it has no size in whole bytes")
        return size

    def nbytes(self, count: int) -> int | None:
        """Bytes that `count` elements take, or None where that is not a whole number of bytes."""
        size, rest = divmod(self.bits * count, 8)
        return None if rest else size


@dataclass(frozen=True)
class Pattern:
    """A named way to fill a tensor with values that cannot look right when read wrong."""

    name: str
    statement: str
    settings: Mapping[str, Any]


@dataclass(frozen=True)
class Conversion:
    """One case of a conversion: `code` of one element type becomes `result` of another (None: any NaN)."""

    source: str
    target: str
    rule: str
    code: int
    result: int | None
    seen_in: tuple[str, ...] = ()


@dataclass(frozen=True)
class Rule:
    """One normative statement.

    `format` is the format or the shared part that it belongs to, None for the rules of element types.
    """

    id: str
    level: str
    statement: str
    why: str
    sources: tuple[str, ...]
    since: str
    format: str | None
    withdrawn: str | None = None


@dataclass(frozen=True)
class Policy:
    """A choice that the format leaves open: which choice makes a `may` vector load, which makes it be refused.

    `recommended` is the choice that the specification prefers, or None.
    """

    name: str
    statement: str
    accept: str
    reject: str
    recommended: str | None = None


@dataclass(frozen=True)
class VectorTemplate:
    """A vector, or a family of them, as the YAML declares it: the encoder expands it.

    `each` maps a variable to its values, which stand in the id and the description by their labels. A vector is
    written (`write`), or derived from a sibling by one change; where a change leaves the file valid and alters
    what it holds, `renames` and `reshapes` say how. The file of one that is `large` is made when it is needed.
    """

    id: str
    format: str
    rules: tuple[str, ...]
    verdict: str
    description: str
    policy: str | None
    each: Mapping[str, Any]
    write: Mapping[str, Any] | None
    derived_from: str | None
    change: Mapping[str, Any] | None
    renames: Mapping[str, str]
    reshapes: Mapping[str, tuple[int, ...]]
    seen_in: tuple[str, ...]
    large: bool = False


@dataclass(frozen=True)
class SaveTemplate:
    """A save, or a family of them, as the YAML declares it: tensors that a caller hands to a saver.

    `write` describes the tensors as a vector's does (storages, offsets, strides, values), without a file around
    them. The file that comes of it holds these tensors: its bytes are the saver's choice. `accept` means that the
    saver must write it, `reject` that it must refuse, `may` that the policy says which.
    """

    id: str
    format: str
    rules: tuple[str, ...]
    verdict: str
    description: str
    policy: str | None
    each: Mapping[str, Any]
    write: Mapping[str, Any]
    seen_in: tuple[str, ...]


@dataclass(frozen=True)
class Format:
    """One file format: its layout, names, rules, policies, vectors and saves.

    `element_types` maps the format's own dtype names to names of element types. `layout` is the rest of what
    the YAML says about the bytes, as plain nested mappings, read by this format's encoder and decoder.
    """

    name: str
    title: str
    extension: str
    doc: str
    element_types: Mapping[str, str]
    layout: Mapping[str, Any]
    rules: Mapping[str, Rule]
    policies: Mapping[str, Policy]
    templates: tuple[VectorTemplate, ...]
    saves: tuple[SaveTemplate, ...]


@dataclass(frozen=True)
class Bug:
    """A known bug of a real loader, saver or conversion, in a sentence for each question.

    `formats` are those in which it shows, or `any`; `roles` are loader, saver and conversion; `measured` says that
    it was reproduced; `uncovered` why no vector, save or conversion can see it.
    """

    id: str
    title: str
    mechanism: str
    symptom: str
    package: str
    versions: str
    formats: tuple[str, ...]
    roles: tuple[str, ...]
    measured: bool
    url: str | None = None
    uncovered: str | None = None


@dataclass(frozen=True)
class Spec:
    """All of it: element types, patterns of values, byte orders, formats, every rule and every bug by its id."""

    element_types: Mapping[str, ElementType]
    patterns: Mapping[str, Pattern]
    byte_orders: Mapping[str, str]
    canonical_byte_order: str
    conversions: tuple[Conversion, ...]
    formats: Mapping[str, Format]
    rules: Mapping[str, Rule]
    bugs: Mapping[str, Bug]
