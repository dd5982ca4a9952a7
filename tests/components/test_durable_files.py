"""Files appear whole or not at all; faults of the disk are injected here."""

import errno
import os
from pathlib import Path

import pytest

from components import durable_files

FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_the_disk_has_the_file_before_its_name_and_the_name_before_it_returns(
    tmp_path, monkeypatch
):
    events = []
    fsync, replace = os.fsync, Path.replace

    def synced(descriptor):
        events.append(("on disk", Path(os.readlink(f"/proc/self/fd/{descriptor}"))))
        fsync(descriptor)

    def renamed(source, target):
        events.append(("renamed", source))
        assert source.read_text() == "new"
        return replace(source, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(Path, "replace", renamed)
    durable_files.write(tmp_path / "file", "new")
    assert (tmp_path / "file").read_text() == "new"
    [(_, unfinished), *_] = events
    assert unfinished.name.startswith(".unfinished-")
    assert events == [
        ("on disk", unfinished),
        ("renamed", unfinished),
        ("on disk", tmp_path),
    ]


@pytest.mark.parametrize("where", ["write", "fsync", "rename"])
def test_with_a_full_disk_that_is_injected_the_old_file_stays(
    tmp_path, monkeypatch, where
):
    path = tmp_path / "file"
    path.write_text("old")

    def full(*_):
        raise FULL

    owner, name = {
        "write": (Path, "write_bytes"),
        "fsync": (os, "fsync"),
        "rename": (Path, "replace"),
    }[where]
    monkeypatch.setattr(owner, name, full)
    with pytest.raises(OSError, match="No space left"):
        durable_files.write(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_moves_whole(tmp_path):
    made = durable_files.unfinished_beside(tmp_path / "1")
    made.mkdir()
    (made / "model").write_text("weights")
    durable_files.move(made, tmp_path / "1")
    assert [path.name for path in tmp_path.iterdir()] == ["1"]
    assert (tmp_path / "1" / "model").read_text() == "weights"


def test_what_can_be_removed_is_removed_before_the_first_problem_is_raised(
    tmp_path, monkeypatch
):
    folder = tmp_path / "folder"
    for name in ("a/x", "b/kept", "c/x"):
        (folder / name).parent.mkdir(parents=True)
        (folder / name).write_text("")
    unlink = os.unlink

    def refused(path, *, dir_fd=None):
        if path == "kept":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
        unlink(path, dir_fd=dir_fd)

    monkeypatch.setattr(os, "unlink", refused)
    with pytest.raises(PermissionError) as caught:
        durable_files.remove(folder)
    assert caught.value.filename == str(folder / "b/kept")
    left = {str(path.relative_to(folder)) for path in folder.rglob("*")}
    assert left == {"b", "b/kept"}
