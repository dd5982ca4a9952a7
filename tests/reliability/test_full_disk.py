"""A disk that is full when a finished file or version is renamed."""

import contextlib
import errno
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.cli import command
from tests.support.finished_runs import live_files
from tests.support.logs import write_log
from tests.support.starter import run_arguments

pytestmark = [pytest.mark.reliability, pytest.mark.timeout(1800)]


@pytest.fixture
def changed(finished):
    """Returns a log that changed after the last run, and that run's folder."""
    log, out = finished
    write_log(log, shift=1)
    shutil.rmtree(out)
    shutil.copytree(out.with_name("copy"), out, symlinks=True)
    return log, out


# The files that a run replaces last.
@pytest.mark.parametrize("last", ["run.json", "report.html", ".ledger.json", "2"])
@pytest.mark.parametrize("fault", ["replace", "fsync"])
def test_a_full_disk_that_is_injected_at_a_rename_loses_nothing(
    tmp_path, starter, changed, last, fault
):
    log, out = changed
    before = live_files(out)
    arguments = [*map(str, run_arguments(log, out)), "--set", "train.seed=1"]
    status, output = run_with(
        _injected(last, fault), arguments, tmp_path / "output.txt"
    )
    assert_reported(last, status, output)
    assert_nothing_lost(out, before)
    again = starter.run(*arguments)
    assert again.status in (0, 5), again.text
    json.loads((out / "live" / ".ledger.json").read_text())


@pytest.fixture
def disk(as_root, tmp_path):
    """Mounts a disk of 64 MB on which every name in a folder takes up space."""
    image, folder = tmp_path / "image", tmp_path / "disk"
    folder.mkdir()
    with image.open("wb") as file:
        file.truncate(64 << 20)
    small = ["-b", "1024", "-m", "0", "-N", "20000", "-O", "^dir_index,^has_journal"]
    subprocess.run(["mkfs.ext4", "-q", *small, image], check=True)
    subprocess.run(["mount", "-o", "loop", image, folder], check=True)
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=False)


@pytest.mark.parametrize("last", ["run.json", "report.html", "2"])
def test_a_disk_that_is_really_full_at_a_rename_loses_nothing(
    tmp_path, starter, changed, disk, last
):
    log, there = changed
    out = disk / "out"
    shutil.copytree(there, out, symlinks=True)
    before = live_files(out)
    arguments = [*map(str, run_arguments(log, out)), "--set", "train.seed=1"]
    filled = tmp_path / "filled.txt"
    status, output = run_with(
        _filling(last, filled), arguments, tmp_path / "output.txt"
    )
    if last == "2" and status == 5:  # no version was pushed, which is correct
        assert not filled.exists()
    else:
        *fillers, error = filled.read_text().splitlines()
        assert error == str(errno.ENOSPC)  # from the kernel, at the rename
        for filler in fillers:
            os.unlink(filler)
    assert_reported(last, status, output)
    assert_nothing_lost(out, before)
    again = starter.run(*arguments)
    assert again.status in (0, 5), again.text


def assert_reported(last, status, output):
    if last == "report.html":  # the run succeeds without it
        assert status in (0, 5), output
        assert "No space left on device" in output
    elif last != "2" or status != 5:  # a version matters only if one is pushed
        assert status == 6, output
        assert "No space left on device" in output
        assert "Make room and run again" in output


def assert_nothing_lost(out, before):
    assert not list(out.glob("runs/*/.unfinished-*"))
    now = live_files(out)  # fails unless every version is complete
    assert {number: now[number] for number in before} == before


def run_with(prepare, arguments, output):
    """Runs the command in a prepared child; returns its status and output."""
    child = os.fork()
    if child == 0:
        descriptor = os.open(output, os.O_WRONLY | os.O_CREAT)
        os.dup2(descriptor, 1)
        os.dup2(descriptor, 2)
        status = 1
        with contextlib.suppress(BaseException):
            prepare()
            try:
                command.main(arguments, prog_name="marquee")
            except SystemExit as end:
                status = int(end.code or 0)
        sys.stdout.flush()
        os._exit(status)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return status, " ".join(output.read_text().split())


def _injected(last, fault):
    """Makes the rename to a name fail for lack of space, or the sync after it."""

    def prepare():
        from components import durable_files

        move = durable_files.move

        def full(source, target):
            if target.name != last:
                return move(source, target)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(target))

        def unsynced(path):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

        def full_at_sync(source, target):
            if target.name == last:
                durable_files.sync = unsynced
            return move(source, target)

        durable_files.move = full if fault == "replace" else full_at_sync

    return prepare


def _filling(last, filled):
    """Fills the disk before the rename to a name, and records the kernel's error."""

    def prepare():
        from components import durable_files

        move = durable_files.move

        def full(source, target):
            if target.name != last or filled.exists():
                return move(source, target)
            fillers = [str(path) for path in fill(target.parent)]
            try:
                moved = move(source, target)
            except OSError as error:
                filled.write_text("\n".join([*fillers, str(error.errno)]))
                raise
            filled.write_text("\n".join([*fillers, "there was space"]))
            return moved

        durable_files.move = full

    return prepare


def fill(folder: Path):
    """Leaves no free block on the disk and no space for a name in the folder."""
    ballast = folder / "ballast"
    yield ballast
    with ballast.open("wb", buffering=0) as file:
        for size in (1 << 20, 1 << 10, 1 << 10, 1 << 10):
            with contextlib.suppress(OSError):
                while True:
                    file.write(bytes(size))
            os.fsync(file)  # frees the blocks reserved for this file's map
    for length in (200, 60, 16, 4):
        with contextlib.suppress(OSError):
            for number in range(999):
                path = folder / f"{number:x>{length}}"
                path.touch()
                yield path
