"""A file is written as a whole, where it stands, and nothing else is left behind."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from data.records.files import is_stream, write_file


def left_behind(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


def test_a_file_keeps_its_mode(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_text("before")
    file.chmod(0o640)
    write_file(file, b"after")
    assert (file.read_text(), file.stat().st_mode & 0o777) == ("after", 0o640)
    write_file(tmp_path / "new", b"x")
    assert left_behind(tmp_path) == ["a", "new"]


def test_a_link_stays_one_and_its_target_is_written(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    target, link, dangling = tmp_path / "there" / "target", tmp_path / "link", tmp_path / "dangling"
    target.write_text("before")
    link.symlink_to(target)
    write_file(link, b"after")
    assert link.is_symlink()
    assert target.read_text() == "after"
    dangling.symlink_to(tmp_path / "there" / "new")
    write_file(dangling, b"new")
    assert (tmp_path / "there" / "new").read_text() == "new"
    assert left_behind(tmp_path / "there") == ["new", "target"]


def test_a_file_with_two_names_keeps_both(tmp_path: Path) -> None:
    file, other = tmp_path / "a", tmp_path / "b"
    file.write_text("before")
    other.hardlink_to(file)
    write_file(file, b"after")
    assert other.read_text() == "after"


def test_a_pipe_is_written_through(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    assert is_stream(pipe)
    write_file(pipe, b"through")
    assert os.read(reader, 100) == b"through"
    os.close(reader)
    assert left_behind(tmp_path) == ["pipe"]
    write_file(Path(os.devnull), b"nothing")
    assert is_stream(Path(os.devnull))


@pytest.mark.parametrize(("name", "says"), [(".", "directory"), ("nowhere/a", "no folder")])
def test_what_cannot_be_written_is_refused(tmp_path: Path, name: str, says: str) -> None:
    with pytest.raises(OSError, match=says):
        write_file(tmp_path / name, b"x")
    assert left_behind(tmp_path) == []


def test_nothing_is_left_where_writing_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").write_text("before")
    monkeypatch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(OSError, match="No space"):
        write_file(tmp_path / "a", b"after")
    assert (tmp_path / "a").read_text() == "before"
    assert left_behind(tmp_path) == ["a"]
