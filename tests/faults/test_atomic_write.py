"""A file is written in full or not at all, whoever else writes into the folder."""

import multiprocessing
import os
import re
import stat
from pathlib import Path

import pytest

from magan import atomic_write as module
from magan.atomic_write import atomic_write
from magan.errors import InputError


def write(path: Path, byte: bytes, n: int) -> None:
    with atomic_write(path) as part, part.open("wb") as file:
        for _ in range(n):
            file.write(byte)
            file.flush()


def repeated(path: Path, byte: bytes) -> None:
    for _ in range(50):
        write(path, byte, 200)


def test_of_fifty_pairs_of_writers_every_file_is_the_whole_of_one(tmp_path):
    path, found = tmp_path / "a.fcs", set()
    writers = [multiprocessing.get_context("fork").Process(target=repeated, args=(path, byte)) for byte in (b"a", b"b")]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        if path.exists():
            found.add(path.read_bytes())
    assert [writer.exitcode for writer in writers] == [0, 0]
    assert found <= {b"a" * 200, b"b" * 200} and list(tmp_path.iterdir()) == [path]


def test_a_planted_link_is_not_followed(tmp_path, monkeypatch):
    """Even where the random name is guessed."""
    monkeypatch.setattr(module.secrets, "token_hex", lambda n: "guessed")
    (tmp_path / "precious").write_text("as it was")
    (tmp_path / ".a.tsv.guessed.part.tsv").symlink_to("precious")
    with pytest.raises(InputError, match="cannot be written to"):
        write(tmp_path / "a.tsv", b"x", 1)
    assert (tmp_path / "precious").read_text() == "as it was" and not (tmp_path / "a.tsv").exists()


def test_a_link_put_in_place_of_the_temporary_file_is_found(tmp_path):
    (tmp_path / "precious").write_text("as it was")
    with pytest.raises(OSError), atomic_write(tmp_path / "a.tsv") as part:
        part.unlink()
        part.symlink_to("precious")
    assert (tmp_path / "precious").read_text() == "as it was" and not (tmp_path / "a.tsv").exists()


def test_a_link_at_the_place_itself_is_replaced_and_its_target_stays(tmp_path):
    (tmp_path / "precious").write_text("as it was")
    (tmp_path / "a.tsv").symlink_to("precious")
    write(tmp_path / "a.tsv", b"x", 3)
    assert (tmp_path / "precious").read_text() == "as it was" and (tmp_path / "a.tsv").read_bytes() == b"xxx"
    assert not (tmp_path / "a.tsv").is_symlink()


def test_two_temporary_names_differ_and_stay_in_the_folder_with_the_suffix(tmp_path):
    with atomic_write(tmp_path / "a.h5ad") as first, atomic_write(tmp_path / "a.h5ad") as second:
        for part in (first, second):
            assert re.fullmatch(r"\.a\.h5ad\.[0-9a-f]{16}\.part\.h5ad", part.name) and part.parent == tmp_path
        assert first != second


def test_a_name_as_long_as_the_file_system_allows_is_written(tmp_path):
    path = tmp_path / ("ä" * 125 + ".tsv")
    write(path, b"x", 1)
    assert path.read_bytes() == b"x"


def test_the_umask_holds(tmp_path):
    before = os.umask(0o027)
    try:
        write(tmp_path / "a.tsv", b"x", 1)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a.tsv").stat().st_mode) == 0o640


def test_the_bytes_are_on_the_disk_before_they_have_the_name(tmp_path, monkeypatch):
    done, sync, replace = [], os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda descriptor: done.append("fsync") or sync(descriptor))
    monkeypatch.setattr(os, "replace", lambda a, b: done.append("replace") or replace(a, b))
    write(tmp_path / "a.tsv", b"x", 1)
    assert done == ["fsync", "replace", "fsync"]


def test_a_folder_in_the_place_is_a_sentence(tmp_path):
    (tmp_path / "a.tsv").mkdir()
    with pytest.raises(InputError, match="is a folder"):
        write(tmp_path / "a.tsv", b"x", 1)
    assert [path.name for path in tmp_path.iterdir()] == ["a.tsv"]
