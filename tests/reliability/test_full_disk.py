"""A disk that is full when a finished file or version is renamed."""

import errno
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.finished_runs import live_files
from tests.support.logs import write_log
from tests.support.starter import run_arguments

ROOT = Path(__file__).parents[2]

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
    starter, changed, last, fault
):
    log, out = changed
    before = live_files(out)
    arguments = [*map(str, run_arguments(log, out)), "--set", "train.seed=1"]
    status, output = run_with(fault, last, arguments)
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
    status, output = run_with(filled, last, arguments)
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


def run_with(fault, name, arguments):
    """Runs the command on a disk that becomes full; returns its status and output.

    The steps run in the command's own process, in which the fault is injected.
    """
    command = [sys.executable, "-m", "tests.support.full_disk", fault, name]
    ended = subprocess.run(
        [*command, *arguments, "--jobs", "1"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return ended.returncode, " ".join(ended.stdout.split())
