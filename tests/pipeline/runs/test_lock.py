"""One run at a time: processes that hold the lock, are killed, and are refused."""

import datetime
import fcntl
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

import pytest

from pipeline.config.errors import ConfigError
from pipeline.runs import lock
from pipeline.runs.lock import BusyError
from tests.support.locks import is_locked

ROOT = Path(__file__).parents[3]
HOLD = """
    import sys
    from pathlib import Path
    from pipeline.runs import lock as run_lock

    with run_lock.one_run(Path(sys.argv[1])) as (run_id, log):
        print(run_id, flush=True)
        sys.stdin.readline()
"""
# As a library may: a fork without exec has the open files of who forked.
HOLD_AND_FORK = """
    import os, sys, time
    from pathlib import Path
    from pipeline.runs import lock as run_lock

    with run_lock.one_run(Path(sys.argv[1])) as (run_id, log):
        if os.fork() == 0:
            print(os.getpid(), flush=True)
            time.sleep(600)
        sys.stdin.readline()
"""

# As a run whose steps run side by side: the socket of the fork server.
STOP_WITH_A_SOCKET = """
    import sys, tempfile
    from multiprocessing import util
    from pathlib import Path
    from pipeline.runs import lock as run_lock

    with run_lock.one_run(Path(sys.argv[1])):
        util.get_temp_dir()
        tempfile.mkdtemp()
        raise SystemExit(130)
"""


@pytest.fixture
def process():
    """Starts processes with a script, each with its first line; ends those left."""
    started = []

    def start(script, out):
        one = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(script), out],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
        )
        started.append(one)
        return one, one.stdout.readline().strip()

    yield start
    for one in started:
        one.kill()
        one.communicate()


def test_a_run_has_a_folder_of_its_own_and_says_who_it_is(tmp_path):
    out = tmp_path / "not" / "yet"
    with lock.one_run(out) as (run_id, log):
        assert re.fullmatch(r"\d{8}-\d{6}", run_id)
        assert log == out / "runs" / run_id / "run.log"
        assert log.parent.is_dir()
        told = json.loads((out / "run.lock").read_text())
        assert told["process"] == os.getpid()
        assert told["host"] == socket.gethostname()
        assert told["run"] == run_id
        since = datetime.datetime.fromisoformat(told["since"])
        assert since.utcoffset() == datetime.timedelta(0)
        assert is_locked(out / "run.lock")
    assert not is_locked(out / "run.lock")


def test_the_second_is_refused_and_told_who_is_at_work(process, tmp_path):
    holder, run_id = process(HOLD, tmp_path)
    refused, printed = process(HOLD, tmp_path)
    error = refused.communicate(timeout=60)[1].splitlines()[-1]
    assert (refused.returncode, printed) == (1, "")
    assert re.fullmatch(
        rf"pipeline\.runs\.lock\.BusyError: another run \(run {run_id}, process "
        rf"{holder.pid} on {re.escape(socket.gethostname())}, since \S+\+00:00\) is "
        rf"working in {tmp_path}; wait for it, or name another --out",
        error,
    )
    assert [folder.name for folder in (tmp_path / "runs").iterdir()] == [run_id]
    assert is_locked(tmp_path / "run.lock")  # which the refused one did not undo
    holder.communicate("\n", timeout=60)
    with lock.one_run(tmp_path) as (next_id, _):
        assert next_id != run_id


def test_after_a_kill_the_next_run_goes_on_at_once(process, tmp_path):
    killed, run_id = process(HOLD, tmp_path)
    with pytest.raises(BusyError, match=f"run {run_id}"):
        lock.one_run(tmp_path).__enter__()
    killed.send_signal(signal.SIGKILL)
    assert killed.wait() == -signal.SIGKILL
    with lock.one_run(tmp_path) as (next_id, _):
        assert next_id != run_id


def test_what_a_killed_run_had_forked_does_not_hold_its_lock(process, tmp_path):
    killed, child = process(HOLD_AND_FORK, tmp_path)
    try:
        killed.send_signal(signal.SIGKILL)
        killed.wait()
        os.kill(int(child), 0)  # still there
        with lock.one_run(tmp_path) as (_, log):
            assert log.parent.is_dir()
    finally:
        os.kill(int(child), signal.SIGKILL)


def test_a_stopped_run_removes_its_temporary_files_and_ends_without_an_error(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(STOP_WITH_A_SOCKET), tmp_path],
        cwd=ROOT,
        capture_output=True,
        encoding="utf-8",
    )
    assert (done.returncode, done.stderr) == (130, "")
    assert list((tmp_path / lock.TEMPORARY_FOLDER).iterdir()) == []


def test_a_finished_run_removes_its_temporary_files_alone(tmp_path):
    left = tmp_path / lock.TEMPORARY_FOLDER / "left by a killed run"
    left.mkdir(parents=True)
    with lock.one_run(tmp_path):
        _, own = tempfile.mkstemp()
        assert Path(own).parent == left.parent
    assert list(left.parent.iterdir()) == [left]


def test_runs_in_two_folders_do_not_know_each_other(process, tmp_path):
    process(HOLD, tmp_path / "one")
    with lock.one_run(tmp_path / "two") as (_, log):
        assert log.parent.is_dir()


def test_who_is_at_work_is_known_only_while_it_is(process, tmp_path):
    assert lock.working(tmp_path) is None
    assert list(tmp_path.iterdir()) == []
    holder, run_id = process(HOLD, tmp_path)
    found = lock.working(tmp_path)
    assert (found.process, found.run) == (holder.pid, run_id)
    assert is_locked(tmp_path / "run.lock")
    holder.kill()
    holder.wait()
    assert lock.working(tmp_path) is None


def test_a_lock_of_somebody_who_says_nothing_is_one(tmp_path):
    (tmp_path / "run.lock").write_text('{"process": 1, "ho')
    with open(tmp_path / "run.lock") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(BusyError, match="^another run is working in "):
            lock.one_run(tmp_path).__enter__()


@pytest.mark.parametrize("blocked", [".", "runs", "out/below"])
def test_a_folder_that_cannot_be_is_a_bad_configuration(tmp_path, blocked):
    out = tmp_path / "out"
    if blocked == "runs":
        out.mkdir()
        (out / "runs").touch()
    else:
        out.touch()
        out = tmp_path / blocked if blocked != "." else out
    with pytest.raises(ConfigError, match="^out: cannot write to ") as caught:
        lock.one_run(out).__enter__()
    assert str(out) in str(caught.value)
