"""The reader refuses a specification that contradicts itself."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import endianproof.spec
from endianproof.spec import SpecError, load_spec, read_spec

ROOM = Path(endianproof.spec.__file__).parent


def test_the_shipped_specification_satisfies_its_schemas_and_lints():
    assert read_spec(ROOM, validate=True) == load_spec()


@pytest.fixture
def folder(tmp_path):
    shutil.copytree(ROOM, tmp_path / "spec", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path / "spec"


BROKEN = {
    "two equal keys": ("element_types.yaml", "  uint8: {", "  bool: {", "occurs twice"),
    "fields that do not add up": (
        "element_types.yaml",
        "exponent: 8, fraction: 7",
        "exponent: 8, fraction: 6",
        "add up",
    ),
    "a swap unit wider than the element": (
        "element_types.yaml",
        "uint16: {kind: uint, bits: 16, swap_unit: 2}",
        "uint16: {kind: uint, bits: 16, swap_unit: 4}",
        "its swap unit is",
    ),
    "an unknown kind": ("element_types.yaml", "kind: bool", "kind: truth", "is not one of"),
    "an unknown source": (
        "formats/safetensors.yaml",
        "sources: [readme, pr-686]",
        "sources: [readme, pr-1]",
        "pr-1",
    ),
    "a source that no rule uses": (
        "formats/safetensors.yaml",
        "  json: RFC 8259",
        "  json: RFC 8259\n  x: y",
        "no rule",
    ),
    "a rule without a vector": (
        "formats/safetensors.yaml",
        "rules: [ST-JSON-18]",
        "rules: [ST-JSON-07]",
        "no vector",
    ),
    "a vector without a rule": (
        "formats/safetensors.yaml",
        "rules: [ST-JSON-18]",
        "rules: []",
        r"vectors/\d+/rules: \[\] should be non-empty",
    ),
    "a vector of an unknown rule": (
        "formats/safetensors.yaml",
        "rules: [ST-HDR-10, ",
        "rules: [ST-HDR-99, ",
        "ST-HDR-99",
    ),
    "a policy that no vector uses": (
        "formats/safetensors.yaml",
        "policy: huge-numbers",
        "policy: empty-name",
        "huge-numbers",
    ),
    "a refused vector with two rules": (
        "formats/safetensors.yaml",
        "{id: st-bom, rules: [ST-HDR-05]",
        "{id: st-bom, rules: [ST-HDR-05, ST-HDR-06]",
        "exactly one rule",
    ),
    "a name of no element type": (
        "formats/safetensors.yaml",
        "  BF16: bfloat16",
        "  BF16: brainfloat",
        "brainfloat",
    ),
    "a bug that nobody knows": (
        "formats/safetensors.yaml",
        'seen_in: ["aprender#369", ',
        'seen_in: ["aprender#370", ',
        "aprender#370",
    ),
    "a bug that is seen and called uncovered": (
        "bugs.yaml",
        "    title: bfloat16 taken for float32",
        "    title: bfloat16 taken for float32\n    uncovered: why",
        "no longer true",
    ),
    "a bug in a format that does not exist": (
        "bugs.yaml",
        "formats: [torch-zip]",
        "formats: [torch-zap]",
        "torch-zap",
    ),
    "an unknown key": ("formats/torch-zip.yaml", "  alignment: 64", "  alignment: 64\n  colour: red", "colour"),
    "a layout without what the reader needs": (
        "formats/torch-zip.yaml",
        "  default_byte_order: little\n",
        "",
        "default_byte_order",
    ),
    "two opcodes of one code": (
        "parts/torch-pickle.yaml",
        "MARK: {code: 0x28}",
        "MARK: {code: 0x2E}",
        "STOP and MARK have one code, 0x2E",
    ),
    "a storage class of no element type": (
        "parts/torch-pickle.yaml",
        "HalfStorage: float16",
        "HalfStorage: half",
        "HalfStorage names 'half', which is no element type",
    ),
    "two storage classes of one element type": (
        "parts/torch-pickle.yaml",
        "HalfStorage: float16",
        "HalfStorage: float32",
        "HalfStorage and FloatStorage are two classes of one element type",
    ),
    "two names of one element type": (
        "formats/safetensors.yaml",
        "  BF16: bfloat16",
        "  BF16: float16",
        "F16 and BF16 are two names of one element type",
    ),
    "a policy of one choice": (
        "formats/torch-zip.yaml",
        "    accept: ignore\n    reject: check",
        "    accept: check\n    reject: check",
        "policy crc: one choice, 'check', both accepts and refuses",
    ),
    "a recommendation that is no choice": (
        "formats/torch-zip.yaml",
        "    reject: check\n    recommended: check",
        "    reject: check\n    recommended: think",
        "what is recommended, 'think', is no choice",
    ),
    "a writer's rule that asks less than the policy of its save": (
        "formats/torch-zip.yaml",
        "  PT-W-07:\n    level: SHOULD",
        "  PT-W-07:\n    level: MAY",
        "its verdict and policy need a rule of level SHOULD, and PT-W-07 is MAY",
    ),
    "a variable that nothing says": (
        "formats/safetensors.yaml",
        "{id: st-bom, ",
        "{id: st-bom, each: {n: [1, 2]}, ",
        "nothing says {n}",
    ),
    "a placeholder of no variable": (
        "formats/safetensors.yaml",
        "{id: st-bom, ",
        '{id: "st-bom-{n}", ',
        "{n} stands for nothing",
    ),
    "a withdrawn rule with a vector": (
        "formats/torch-zip.yaml",
        "  PT-ZIP-02:\n",
        "  PT-ZIP-02:\n    withdrawn: nobody knows why\n",
        "PT-ZIP-02 is withdrawn, and still has",
    ),
    "uses in no order": (
        "formats/torchscript.yaml",
        "uses: [torch-pickle, torch-zip]",
        "uses: [torch-zip, torch-pickle]",
        "uses is in alphabetical order",
    ),
    "a constant without a value": (
        "formats/torch-zip.yaml",
        "{doc: time, type: u2le, value: 0}",
        "{doc: time, type: u2le}",
        "'value' is a required property",
    ),
    "a table of flags without one": (
        "formats/torch-zip.yaml",
        "flags: {utf8: 0x0800, ",
        "flags: {",
        "'utf8' is a required property",
    ),
    "globals without one": (
        "parts/torch-pickle.yaml",
        "      size: torch Size\n",
        "",
        "'size' is a required property",
    ),
    "records without one": (
        "formats/torch-zip.yaml",
        "    byte_order: byteorder\n",
        "",
        "'byte_order' is a required property",
    ),
}


SAVE = "  - {id: st-save-x, rules: [ST-HDR-02], description: x, write: {tensors: []}}\n"
BROKEN_SAVES = {
    "no rule": (("[ST-HDR-02]", "[]"), r"saves/0/rules: \[\] should be non-empty"),
    "an id that does not say it": (("st-save-x", "st-x"), "says so"),
    "an unknown rule": (("ST-HDR-02", "ST-HDR-99"), "save st-save-x names rule 'ST-HDR-99'"),
    "a refused save with two rules": (("[ST-HDR-02]", "[ST-JSON-18, ST-HDR-09], verdict: reject"), "one rule"),
    "no policy for `may`": (("[ST-HDR-02]", "[ST-JSON-18], verdict: may"), "go together"),
    "nothing to save": ((", write: {tensors: []}", ""), "'write' is a required property"),
    "a change, as of a file": (("write:", "change: {file: {cut: 1}}, write:"), "'change' was unexpected"),
}


def _with_save(folder, save):
    """One save more, before the others."""
    path = folder / "formats" / "safetensors.yaml"
    text = path.read_text(encoding="utf-8")
    assert "\nsaves:\n" in text
    path.write_text(text.replace("\nsaves:\n", "\nsaves:\n" + save, 1), encoding="utf-8")


@pytest.mark.parametrize(("change", "complaint"), BROKEN_SAVES.values(), ids=BROKEN_SAVES)
def test_a_save_that_contradicts_itself_is_refused(folder, change, complaint):
    _with_save(folder, SAVE.replace(*change))
    with pytest.raises(SpecError, match=complaint):
        read_spec(folder, validate=True)


def test_a_rule_may_be_tested_by_a_save_alone(folder):
    path = folder / "formats" / "safetensors.yaml"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("rules: [ST-HDR-02]", "rules: [ST-HDR-04]"), encoding="utf-8")
    with pytest.raises(SpecError, match="ST-HDR-02 has no vector and no save"):
        read_spec(folder, validate=True)
    _with_save(folder, SAVE)
    save = read_spec(folder, validate=True).formats["safetensors"].saves[0]
    assert (save.id, save.format, save.rules, save.verdict) == (
        "st-save-x",
        "safetensors",
        ("ST-HDR-02",),
        "accept",
    )


@pytest.mark.parametrize(("file", "old", "new", "complaint"), BROKEN.values(), ids=BROKEN)
def test_a_contradiction_is_refused_by_name(folder, file, old, new, complaint):
    path = folder / file
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(SpecError, match=complaint):
        read_spec(folder, validate=True)


def test_values_are_frozen():
    spec = load_spec()
    with pytest.raises(TypeError):
        spec.formats["safetensors"].layout["alignment"] = 1
    with pytest.raises(AttributeError):
        spec.element_types["bool"].bits = 1
