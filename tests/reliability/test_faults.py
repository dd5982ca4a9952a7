"""Faults of the machine: each has a message and a status, and nothing is lost."""

import contextlib
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.support.finished_runs import live_files
from tests.support.logs import write_log
from tests.support.starter import run_arguments

ROOT = Path(__file__).parents[2]
NOBODY = 65534

pytestmark = pytest.mark.reliability
needs_root = pytest.mark.usefixtures("as_root")


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "log.csv"
    write_log(path)
    return path


@pytest.fixture
def marquee(log, tmp_path):
    """Runs a command in a process of its own; returns its status and output."""

    def run(out, *others):
        done = subprocess.run(
            [sys.executable, "-m", "pipeline", *(others or run_arguments(log, out))],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, " ".join((done.stdout + done.stderr).split())

    return run


@pytest.fixture
def mounted(tmp_path):
    """Mounts a file system in memory, and unmounts it after the test."""
    folder = tmp_path / "disk"
    folder.mkdir()

    def mount(options):
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], check=True
        )
        return folder

    yield mount
    subprocess.run(["umount", "--lazy", folder], check=False)


@needs_root
def test_a_read_only_disk_stops_the_run_before_any_work(marquee, mounted):
    disk = mounted("ro")
    status, output = marquee(disk / "out")
    assert status == 2
    assert f"cannot write to {disk / 'out'}: Read-only file system" in output
    assert "name another folder with --out" in output


@needs_root
def test_without_permission_the_run_stops_before_any_work(log, tmp_path):
    out = tmp_path / "out"
    out.mkdir(mode=0o755)
    os.chown(out, NOBODY, NOBODY)
    # Root, but without the capability to write everywhere.
    done = subprocess.run(
        [
            *("setpriv", "--bounding-set", "-dac_override,-dac_read_search"),
            *(sys.executable, "-m", "pipeline"),
            *map(str, run_arguments(log, out)),
        ],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    output = " ".join(done.stderr.split())
    assert done.returncode == 2, output
    assert f"cannot write to {out}: Permission denied" in output
    assert list(out.iterdir()) == []


@needs_root
@pytest.mark.parametrize("kilobytes", [512, 1024, 2048])
def test_a_full_disk_is_reported_and_a_run_with_space_goes_on(
    marquee, mounted, kilobytes
):
    disk = mounted(f"size={kilobytes}k")
    status, output = marquee(disk / "out")
    assert status == 6, output
    assert "No space left on device" in output
    assert "Make room and run again" in output
    assert live_files(disk / "out") == {}
    subprocess.run(["mount", "-o", "remount,size=200m", disk], check=True)
    status, output = marquee(disk / "out")
    assert status == 0, output
    assert len(live_files(disk / "out")) == 1


@pytest.fixture
def store(tmp_path):
    """Creates a metadata store with its copy, as two runs leave them."""
    out = tmp_path / "out"
    out.mkdir()
    for name in ("metadata.sqlite", "metadata.before-last-run.sqlite"):
        with contextlib.closing(sqlite3.connect(out / name)) as made, made:
            made.execute("CREATE TABLE kept (number INTEGER)")
            made.execute("INSERT INTO kept VALUES (1)")
    return out / "metadata.sqlite"


def test_a_damaged_store_stops_the_run_and_is_put_back(marquee, store):
    content = bytearray(store.read_bytes())
    content[100:2000] = b"\xff" * 1900
    store.write_bytes(content)
    status, output = marquee(store.parent)
    assert status == 2
    assert str(store) in output
    assert "marquee doctor --restore" in output
    assert store.read_bytes() == content
    marquee(None, "doctor", "--restore", "--out", str(store.parent))
    with contextlib.closing(sqlite3.connect(store)) as back:
        assert back.execute("SELECT number FROM kept").fetchall() == [(1,)]
    [kept] = store.parent.glob("metadata.2*.sqlite")
    assert kept.read_bytes() == content


def test_a_store_that_stays_locked_stops_the_run_and_the_next_succeeds(marquee, store):
    content = store.read_bytes()
    with contextlib.closing(sqlite3.connect(store)) as other:
        other.execute("BEGIN EXCLUSIVE")
        status, output = marquee(store.parent)
    assert status == 2, output
    assert f"{store}: database is locked" in output
    assert "End the process that has it open" in output
    assert store.read_bytes() == content
    status, output = marquee(store.parent)
    assert status == 0, output
    assert len(live_files(store.parent)) == 1


@needs_root
@pytest.mark.parametrize("command", ["run", "doctor"])
def test_without_dev_shm_the_error_comes_before_any_work(log, tmp_path, command):
    out = tmp_path / "out"
    arguments = run_arguments(log, out) if command == "run" else ["doctor"]
    status, output = without_dev_shm(*arguments)
    assert "cannot create a semaphore (No such file or directory)" in output
    assert "mount a tmpfs at /dev/shm" in output
    assert status == (2 if command == "run" else 1)
    assert not out.exists()


@needs_root
def test_without_dev_shm_lists_are_written_for_all(finished, tmp_path):
    out, lists = finished[1], tmp_path / "lists.parquet"
    status, output = without_dev_shm("batch", "--out", lists, "--runs", out)
    assert status == 0, output
    assert len(set(pq.read_table(lists)["user_id"].to_pylist())) == 120


def without_dev_shm(*arguments):
    """Runs a command without semaphores; returns its status and output."""
    hidden = 'mount --bind /proc/self/ns /dev/shm && exec "$@"'  # read-only
    done = subprocess.run(
        [
            *("unshare", "--mount", "sh", "-c", hidden, "sh"),
            *(sys.executable, "-m", "pipeline", *map(str, arguments)),
        ],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, " ".join((done.stdout + done.stderr).split())
