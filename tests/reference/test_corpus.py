"""Small files that once hurt the reference are refused by their rule, or load, in bounded memory: corpus/."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import pytest
import yaml

from endianproof.reference import SpecViolation, load

CORPUS = Path(__file__).parent / "corpus"
ENTRIES = yaml.safe_load((CORPUS / "corpus.yaml").read_text(encoding="utf-8"))
MOST = 16 << 20  # bytes: the largest of these unfolds to 200,000 opcodes


def test_every_file_has_an_entry_and_every_entry_a_file():
    assert {path.name for path in CORPUS.iterdir()} - {"corpus.yaml"} == set(ENTRIES)


@pytest.mark.parametrize("name", ENTRIES)
def test_what_once_hurt_is_refused_by_its_rule_or_loads(name):
    tracemalloc.start()
    try:
        if "rule" in ENTRIES[name]:
            with pytest.raises(SpecViolation) as caught:
                load(CORPUS / name)
            assert caught.value.rule == ENTRIES[name]["rule"]
            assert len(str(caught.value)) < 1000
        else:
            assert load(CORPUS / name) == {}
        assert tracemalloc.get_traced_memory()[1] < MOST
    finally:
        tracemalloc.stop()
