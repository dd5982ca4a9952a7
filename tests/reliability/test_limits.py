"""Memory limits of a container, and permission masks."""

import json
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.finished_runs import live_files
from tests.support.logs import write_log
from tests.support.starter import run_arguments

ROOT = Path(__file__).parents[2]
GROUPS = Path("/sys/fs/cgroup")
MB = 1 << 20

pytestmark = pytest.mark.reliability


@pytest.fixture
def container(as_root):
    """Creates a control group (version 1 or 2) with a memory limit."""
    v1, v2 = GROUPS / "memory", GROUPS
    root, limit = (v1, "memory.limit_in_bytes") if v1.is_dir() else (v2, "memory.max")
    folder = root / f"marquee-test-{os.getpid()}"
    folder.mkdir()

    def limit_memory(num_bytes):
        (folder / limit).write_text(str(num_bytes))
        return lambda: (folder / "cgroup.procs").write_text(str(os.getpid()))

    yield limit_memory
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
    shown = marquee(
        "doctor", "--json", "--out", tmp_path, preexec_fn=container(3000 * MB)
    )
    checks = {check["name"]: check for check in json.loads(shown.stdout)}
    assert "free of 3.1 GB available to the container" in checks["memory"]["text"]
    assert checks["memory"]["state"] == "warn"


def test_a_run_that_the_kernel_kills_for_memory_loses_nothing(
    container, finished, starter
):
    log, out = finished
    before = live_files(out)
    write_log(log, shift=1)
    killed = marquee(*run_arguments(log, out), preexec_fn=container(400 * MB))
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert live_files(out) == before
    again = starter.run(*run_arguments(log, out))
    assert again.status in (0, 5), again.text


@pytest.mark.parametrize("mask", [0o077, 0o000])
def test_what_a_run_writes_has_the_permissions_of_its_mask(tmp_path, mask):
    out, log = tmp_path / "out", tmp_path / "log.csv"
    write_log(log)
    done = marquee(*run_arguments(log, out), preexec_fn=lambda: os.umask(mask))
    assert done.returncode == 0, done.stdout + done.stderr
    modes = {
        str(path.relative_to(out)): stat.S_IMODE(path.stat().st_mode)
        for path in out.rglob("*")
        if path.exists()
    }
    too_open = {name: oct(mode) for name, mode in modes.items() if mode & mask}
    assert too_open == {}
    [version] = out.glob("live/1")
    unreadable = [
        str(path)
        for path in (*version.rglob("*"), *out.glob("runs/*/*"))
        if stat.S_IMODE(path.stat().st_mode) & 0o444 & ~mask != 0o444 & ~mask
    ]
    assert unreadable == []
