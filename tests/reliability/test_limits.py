"""A container's memory, masks of permissions, and a disk that is full at a rename."""

import contextlib
import errno
import json
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.cli import command

ROOT = Path(__file__).parents[2]
GROUPS = Path("/sys/fs/cgroup")
MB = 1 << 20

pytestmark = pytest.mark.reliability


@pytest.fixture
def container():
    """A real control group of version 1 or 2, with a bound of memory."""
    v1, v2 = GROUPS / "memory", GROUPS
    root, limit = (v1, "memory.limit_in_bytes") if v1.is_dir() else (v2, "memory.max")
    folder = root / f"marquee-test-{os.getpid()}"
    try:
        folder.mkdir()
    except OSError as error:
        pytest.skip(f"no control group can be made here: {error}")

    def bounded(num_bytes):
        (folder / limit).write_text(str(num_bytes))
        return lambda: (folder / "cgroup.procs").write_text(str(os.getpid()))

    yield bounded
    folder.rmdir()


def marquee(*arguments, **options):
    return subprocess.run(
        [sys.executable, "-m", "pipeline", *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        **options,
    )


def test_a_container_s_memory_is_what_doctor_shows(container, tmp_path):
    told = marquee(
        "doctor", "--json", "--out", tmp_path, preexec_fn=container(3000 * MB)
    )
    checks = {check["name"]: check for check in json.loads(told.stdout)}
    assert "free of 3.1 GB that the container may use" in checks["memory"]["text"]
    assert checks["memory"]["state"] == "warn"


def test_a_run_that_the_kernel_kills_for_memory_loses_nothing(
    container, tmp_path, starter, run_arguments, write_log, live_files
):
    out, log = tmp_path / "out", tmp_path / "log.csv"
    write_log(log)
    assert starter.run(*run_arguments(log, out)).status == 0
    before = live_files(out)
    write_log(log, shift=1)
    killed = marquee(*run_arguments(log, out), preexec_fn=container(400 * MB))
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert live_files(out) == before
    again = starter.run(*run_arguments(log, out))
    assert again.status in (0, 5), again.text


@pytest.mark.parametrize("mask", [0o077, 0o000])
def test_what_a_run_writes_has_the_permissions_of_its_mask(
    tmp_path, starter, run_arguments, write_log, mask
):
    out, log = tmp_path / "out", tmp_path / "log.csv"
    write_log(log)
    done = marquee(*run_arguments(log, out), preexec_fn=lambda: os.umask(mask))
    assert done.returncode == 0, done.stdout + done.stderr
    modes = {
        str(path.relative_to(out)): stat.S_IMODE(path.stat().st_mode)
        for path in out.rglob("*")
        if path.exists()
    }
    beyond = {name: oct(mode) for name, mode in modes.items() if mode & mask}
    assert beyond == {}
    [version] = out.glob("live/1")
    unreadable = [
        str(path)
        for path in (*version.rglob("*"), *out.glob("runs/*/*"))
        if stat.S_IMODE(path.stat().st_mode) & 0o444 & ~mask != 0o444 & ~mask
    ]
    assert unreadable == []


# Whoever replaces a file last in a run, and what stands there before.
@pytest.mark.parametrize("last", ["run.json", "report.html", ".ledger.json", "2"])
@pytest.mark.parametrize("fault", ["replace", "fsync"])
def test_a_full_disk_that_is_injected_at_a_rename_loses_nothing(
    tmp_path, starter, run_arguments, write_log, live_files, last, fault
):
    out, log = tmp_path / "out", tmp_path / "log.csv"
    write_log(log)
    first = starter.run(*run_arguments(log, out))
    assert first.status == 0, first.text
    before = live_files(out)
    (out / "live" / ".ledger.json").read_text()
    write_log(log, shift=1)
    arguments = [*map(str, run_arguments(log, out)), "--set", "train.seed=1"]
    child = os.fork()
    if child == 0:
        _with_a_full_disk(last, fault, arguments, tmp_path / "told.txt")
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    told = " ".join((tmp_path / "told.txt").read_text().split())
    if last == "report.html":  # the run is as good without
        assert status in (0, 5), told
        assert "No space left on device" in told
    elif last != "2" or status != 5:  # a version only where one is pushed
        assert status == 6, told
        assert "No space left on device" in told
        assert "Make room and run again" in told
    assert not list(out.glob("runs/*/.unfinished-*"))
    now = live_files(out)  # each is whole, or this fails
    assert {number: now[number] for number in before} == before
    again = starter.run(*arguments)
    assert again.status in (0, 5), again.text
    json.loads((out / "live" / ".ledger.json").read_text())


def _with_a_full_disk(last, fault, arguments, output):
    """Runs in a child, whose file of that name finds no room; never returns."""
    descriptor = os.open(output, os.O_WRONLY | os.O_CREAT)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    from components import durable

    move = durable.move

    def full(source, target):
        if target.name != last:
            return move(source, target)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(target))

    def unsynced(path):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    def full_at_sync(source, target):
        if target.name == last:
            durable.sync = unsynced
        return move(source, target)

    durable.move = full if fault == "replace" else full_at_sync
    status = 1
    with contextlib.suppress(SystemExit):
        try:
            command.main(arguments, prog_name="marquee")
        except SystemExit as end:
            status = int(end.code or 0)
    sys.stdout.flush()
    os._exit(status)
