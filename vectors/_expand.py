"""Expands the specification's vector templates into single vectors, and encodes each."""

from __future__ import annotations

import importlib
import itertools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from endianproof.vectors._encoded import Encoded, Placed, c_strides

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from endianproof.spec import Format, SaveTemplate, Spec, VectorTemplate

__all__ = ["Recipe", "combinations", "encode_recipe", "id_of", "put_in", "recipes"]


@dataclass(frozen=True)
class Recipe:
    """One vector to be written: its template with every variable put in."""

    id: str
    description: str
    template: VectorTemplate
    write: Mapping[str, Any] | None
    derived_from: str | None
    change: Mapping[str, Any] | None


def put_in(value: Any, variables: Mapping[str, Any]) -> Any:
    """Replace `{name}`: a whole string by the value itself, within a string by its text."""
    if isinstance(value, str):
        for name, replacement in variables.items():
            if value == f"{{{name}}}":
                return replacement
            value = value.replace(f"{{{name}}}", str(replacement))
        return value
    if isinstance(value, Mapping):
        return {put_in(key, variables): put_in(item, variables) for key, item in value.items()}
    if isinstance(value, tuple):
        return tuple(put_in(item, variables) for item in value)
    return value


def _with_parts(values: Mapping[str, Any]) -> dict[str, Any]:
    """The variables, and the parts of those that are mappings or lists, as `name.key` and `name.0`."""
    parts: dict[str, Any] = {}
    for name, value in values.items():
        items = (
            value.items() if isinstance(value, Mapping) else enumerate(value if isinstance(value, tuple) else ())
        )
        parts |= {f"{name}.{key}": item for key, item in items}
    return {**values, **parts}


def _choices(values: Any, form: Format) -> Mapping[str, Any]:
    """The values of one variable by their labels.

    `element_types` stands for all that the format has, `releases` for the lists of them that its layout has.
    """
    if values == "releases":
        releases = form.layout["releases"].items()
        values = {label: tuple(form.element_types[name] for name in names) for label, names in releases}
    if values == "element_types":
        values = tuple(form.element_types.values())
    return values if isinstance(values, Mapping) else {str(value): value for value in values}


def combinations(
    template: VectorTemplate | SaveTemplate, form: Format
) -> Iterator[tuple[dict[str, str], dict[str, Any]]]:
    """Every combination of the template's variables: by their labels, and by their values."""
    names = list(template.each)
    labelled = [_choices(values, form).items() for values in template.each.values()]
    for combination in itertools.product(*labelled):
        labels = {name: label for name, (label, _) in zip(names, combination, strict=True)}
        yield labels, _with_parts({name: value for name, (_, value) in zip(names, combination, strict=True)})


def id_of(template: VectorTemplate | SaveTemplate, labels: Mapping[str, str]) -> str:
    """The id that a template gives with these labels."""
    return re.sub("[_.]", "-", put_in(template.id, labels)).lower()


def _expand(template: VectorTemplate, form: Format) -> Iterator[Recipe]:
    for labels, values in combinations(template, form):
        yield Recipe(
            id=id_of(template, labels),
            description=put_in(template.description, labels),
            template=template,
            write=put_in(template.write, values),
            derived_from=put_in(template.derived_from, labels),
            change=put_in(template.change, values),
        )


def recipes(form: Format) -> dict[str, Recipe]:
    """Every vector of a format by its id, in the specification's order. Raises ValueError for an id used twice."""
    found: dict[str, Recipe] = {}
    for template in form.templates:
        for recipe in _expand(template, form):
            if recipe.id in found:
                raise ValueError(f"vector id {recipe.id} is used twice")
            found[recipe.id] = recipe
    for recipe in found.values():
        sibling = recipe.derived_from
        if sibling is not None and (sibling not in found or found[sibling].template.verdict == "reject"):
            raise ValueError(f"{recipe.id} is derived from {sibling}, which is no valid vector")
    return found


def _check_adjusted(recipe: Recipe, tensors: Sequence[Placed]) -> None:
    names = {tensor.name for tensor in tensors}
    for key in ("renames", "reshapes"):
        if unknown := getattr(recipe.template, key).keys() - names:
            raise ValueError(f"{recipe.id}: {key}: there is no tensor {min(unknown)!r}; there are {sorted(names)}")


def _adjusted(tensor: Placed, template: VectorTemplate) -> Placed:
    """What a change that leaves the file loadable makes of a tensor's name or shape."""
    shape = template.reshapes.get(tensor.name, tensor.shape)
    return Placed(
        **{
            **vars(tensor),
            "name": template.renames.get(tensor.name, tensor.name),
            "shape": shape,
            "stride": tensor.stride if shape == tensor.shape else c_strides(shape),
        }
    )


def encode_recipe(recipe: Recipe, siblings: Mapping[str, Recipe], form: Format, spec: Spec) -> Encoded:
    """The bytes of one vector, and its tensors; none where it must be refused.

    The encoder of format `a-b` is the module `_a_b` of this room.
    """
    encoder = importlib.import_module(f"endianproof.vectors._{form.name.replace('-', '_')}")
    write = recipe.write if recipe.derived_from is None else siblings[recipe.derived_from].write
    encoded: Encoded = encoder.encode(write, recipe.change, form, spec)
    if recipe.template.verdict == "reject":
        return Encoded(encoded.contents)
    _check_adjusted(recipe, encoded.tensors)
    return Encoded(encoded.contents, tuple(_adjusted(tensor, recipe.template) for tensor in encoded.tensors))
