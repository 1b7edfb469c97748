"""Templates become vectors: what they say of tensors that are not there, or of too many elements, is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest

from endianproof.spec import load_spec
from endianproof.vectors._expand import encode_recipe, recipes
from endianproof.vectors._patterns import codes_for

SPEC = load_spec()
FORM = SPEC.formats["safetensors"]
ZIP = SPEC.formats["torch-zip"]
FOUND = recipes(FORM)
PLAIN = FOUND["st-plain"]


def encoded(recipe, **said):
    return encode_recipe(replace(recipe, template=replace(recipe.template, **said)), FOUND, FORM, SPEC)


def written(write, form):
    """A file of this `write`, in the place of any other of the format."""
    recipe = next(one for one in recipes(form).values() if one.derived_from is None and not one.template.large)
    return encode_recipe(replace(recipe, write=write), {}, form, SPEC)


@pytest.mark.parametrize("said", [{"renames": {"nobody": "y"}}, {"reshapes": {"nobody": (2,)}}])
def test_a_name_or_shape_for_a_tensor_that_is_not_there_is_refused(said):
    names = [tensor.name for tensor in encoded(PLAIN).tensors]
    (key,) = said
    with pytest.raises(
        ValueError, match=rf"st-plain: {key}: there is no tensor 'nobody'; there are \['{names[0]}'"
    ):
        encoded(PLAIN, **said)


def test_a_tensor_gets_the_name_and_the_shape_that_a_template_says():
    before = encoded(PLAIN).tensors[0]
    shape = (*before.shape, 1)
    (after,) = (t for t in encoded(PLAIN, reshapes={before.name: shape}).tensors if t.name == before.name)
    assert (after.shape, len(after.stride), after.codes) == (shape, len(shape), before.codes)
    renamed = encoded(PLAIN, renames={before.name: "y"}).tensors[0]
    assert (renamed.name, renamed.shape, renamed.at) == ("y", before.shape, before.at)


def test_a_refused_vector_has_no_tensors_whose_names_could_be_wrong():
    assert encoded(PLAIN, verdict="reject", renames={"nobody": "y"}).tensors == ()


def test_more_elements_than_memory_is_for_are_refused_before_they_are_made():
    with pytest.raises(ValueError, match="1180591620717411303424 elements are too many"):
        codes_for(SPEC.element_types["float32"], "distinct", 1 << 70)
    assert len(codes_for(SPEC.element_types["float32"], "distinct", (1 << 32) + 5, zeros=1 << 32)) == (1 << 32) + 5


ONE = {"name": "x", "dtype": "bfloat16", "shape": (2,), "values": "distinct"}


@pytest.mark.parametrize("kind", ["byteorders", 1.5, None])
def test_an_unknown_kind_of_minimal_file_is_refused(kind):
    with pytest.raises(ValueError, match="minimal is true, false or byteorder"):
        written({"byte_order": "little", "tensors": (ONE,), "minimal": kind}, ZIP)


@pytest.mark.parametrize("role", ["no_such_role", "FloatStorages"])
def test_a_global_of_no_role_is_refused(role):
    write = {"byte_order": "little", "tensors": (ONE,), "root": {"x": {"$tensor": "x"}, "y": {"$global": role}}}
    with pytest.raises(ValueError, match=f"'{role}' is no global's role"):
        written(write, ZIP)
    assert written({**write, "root": {"x": {"$tensor": "x"}, "y": {"$global": "any module"}}}, ZIP).contents


def test_a_tensor_without_elements_needs_no_values_and_one_with_elements_does():
    empty = {"name": "x", "dtype": "bfloat16", "shape": (0,)}
    (tensor,) = written({"tensors": (empty,)}, FORM).tensors
    assert (tensor.shape, tuple(tensor.codes)) == ((0,), ())
    with pytest.raises(KeyError, match="values"):
        written({"tensors": ({**empty, "shape": (1,)},)}, FORM)
