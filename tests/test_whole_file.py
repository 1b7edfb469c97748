"""Files are written whole or not at all, and never over another."""

from __future__ import annotations

import errno
import json
import os

import pytest

from endianproof._whole_file import write_new, write_over


@pytest.fixture
def no_links(monkeypatch):
    """A file system without hard links, such as FAT."""

    def refuse(source, target):
        raise FileExistsError if target.exists() else PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)


def test_a_new_file_is_written_where_there_are_no_hard_links(no_links, tmp_path):
    write_new(tmp_path / "report.json", "{}\n")
    assert [path.name for path in tmp_path.iterdir()] == ["report.json"]
    assert (tmp_path / "report.json").read_text() == "{}\n"


@pytest.mark.parametrize("links", [True, False])
def test_a_new_file_never_takes_anothers_place(links, tmp_path, request):
    if not links:
        request.getfixturevalue("no_links")
    (tmp_path / "report.json").write_text("of another run")
    with pytest.raises(FileExistsError):
        write_new(tmp_path / "report.json", "{}\n")
    assert [path.read_text() for path in tmp_path.iterdir()] == ["of another run"]


def test_a_name_that_is_taken_meanwhile_is_left_where_there_are_no_hard_links(tmp_path, monkeypatch):
    def taken(_, target):
        target.write_text("of another run")
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", taken)
    with pytest.raises(FileExistsError):
        write_new(tmp_path / "report.json", "{}\n")
    assert [path.read_text() for path in tmp_path.iterdir()] == ["of another run"]


@pytest.mark.parametrize("write", [write_new, write_over])
def test_half_a_surrogate_pair_is_no_reason_to_lose_a_record(write, tmp_path):
    found = {"version": "1.\udc80", "name": "é"}
    write(tmp_path / "report.json", json.dumps(found, ensure_ascii=False))
    assert json.loads((tmp_path / "report.json").read_text(encoding="utf-8")) == found
