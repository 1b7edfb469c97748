"""Hypothesis strategies: tensors, files of every format of the specification, and damaged files.

For a library's own tests; users import `endianproof.strategies`. Files are written by the encoder that writes the
golden vectors, from descriptions drawn in the specification's own words, so what is drawn is what the rules say.

>>> from hypothesis import given, settings
>>> from endianproof.strategies import files
>>> from endianproof.reference import load
>>> import pathlib, tempfile
>>> @settings(max_examples=5, database=None)
... @given(files("safetensors"))
... def test_my_loader(file):
...     with tempfile.TemporaryDirectory() as folder:
...         found = load(file.write_to(pathlib.Path(folder)))  # or: my_library.load_bytes(file.data)
...         for tensor in file.tensors:
...             assert found[tensor.name].shape == tensor.shape
...             assert bytes(found[tensor.name].canonical) == tensor.canonical
>>> test_my_loader()
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import strategies as st

from endianproof.spec import load_spec
from endianproof.vectors._draw import DrawnTensor, drawn_tensors
from endianproof.vectors._files import File, damaged_file, elements_of, valid_file

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hypothesis.strategies import SearchStrategy

    from endianproof.spec import Format

__all__ = ["DrawnTensor", "File", "damaged_files", "files", "tensors"]


def _formats(name: str | None, dtypes: Sequence[str] | None) -> list[Format]:
    """The format of that name, or all. Raises ValueError for a name, or element types, that are not there."""
    formats = load_spec().formats
    if name is not None and name not in formats:
        raise ValueError(f"unknown format {name!r}: the formats are {', '.join(formats)}")
    chosen = [form for form in formats.values() if name in (None, form.name)]
    for form in chosen:
        elements_of(form, dtypes)
    return chosen


def tensors(dtypes: Sequence[str] | None = None, *, views: bool = True) -> SearchStrategy[DrawnTensor]:
    """Tensors: a name, an element type of `dtypes` (None: of the specification), a shape, codes, a layout.

    With `views`, tensors lie in their storage in every way that torch knows: at an offset, transposed, expanded,
    stepped over, overlapping. Without, they are C-contiguous. Lengths cluster around the widths of SIMD loops.
    Raises ValueError for an element type that is not there.

    >>> from hypothesis import given, settings
    >>> @settings(max_examples=5, database=None)
    ... @given(tensors(["bfloat16"]))
    ... def test_canonical_bytes_are_two_to_an_element(tensor):
    ...     assert len(tensor.canonical) == 2 * len(tensor.codes)
    >>> test_canonical_bytes_are_two_to_an_element()
    """
    types = load_spec().element_types
    unknown = [name for name in dtypes or () if name not in types]
    if unknown:
        raise ValueError(f"unknown element type {unknown[0]!r}: the types are {', '.join(types)}")
    return drawn_tensors(st.sampled_from([types[name] for name in dtypes or types]), views)


def files(name: str | None = None, *, dtypes: Sequence[str] | None = None) -> SearchStrategy[File]:
    """Valid files of one format (None: any), of a few tensors, with the tensors that a loader must return.

    `dtypes` limits the element types to those that the library under test has. What the format leaves to its
    readers (a policy) is not drawn. Raises ValueError for a format or element types that are not there.

    >>> from hypothesis import given, settings
    >>> @settings(max_examples=5, database=None)
    ... @given(files("torch-zip", dtypes=["bfloat16", "float32"]))
    ... def test_expected_tensors_are_there(file):
    ...     assert {tensor.dtype for tensor in file.tensors} <= {"bfloat16", "float32"}
    >>> test_expected_tensors_are_there()
    """
    chosen = tuple(dtypes) if dtypes is not None else None
    return st.one_of([valid_file(form.name, chosen) for form in _formats(name, dtypes)])


def damaged_files(name: str | None = None, *, dtypes: Sequence[str] | None = None) -> SearchStrategy[File]:
    """Valid files with one to three damages, whose `tensors` is None: only the reference knows what they are now.

    Damages are of the bytes (cut off, flipped, overwritten by telling lengths, inserted, removed, swapped,
    repeated), of what the format has (a token of a header, a record of an archive), and the changes that the
    specification states for its own refused vectors. Arguments and errors are those of `files`.

    >>> from hypothesis import given, settings
    >>> from endianproof.reference import SpecViolation, load
    >>> import pathlib, tempfile
    >>> @settings(max_examples=5, database=None)
    ... @given(damaged_files("safetensors"))
    ... def test_only_the_one_error_is_raised(file):
    ...     with tempfile.TemporaryDirectory() as folder:
    ...         try:
    ...             load(file.write_to(pathlib.Path(folder)))
    ...         except SpecViolation:
    ...             pass
    >>> test_only_the_one_error_is_raised()
    """
    chosen = tuple(dtypes) if dtypes is not None else None
    return st.one_of([damaged_file(form.name, chosen) for form in _formats(name, dtypes)])
