"""SIGTERM during each kind of step: the run reports it and ends cleanly."""

import json
import os
import random
import signal
import time
from pathlib import Path

import pytest

from tests.support.finished_runs import done, live_files
from tests.support.locks import is_locked
from tests.support.logs import write_log
from tests.support.starter import run_arguments
from tests.support.step_moments import STEPS, moments
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.reliability, pytest.mark.timeout(3600)]


def processes_of(group):
    """Returns the IDs of a group's processes, without zombies."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            after = stat.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if int(after[2]) == group and after[0] != "Z":
            found.append(stat.parent.name)
    return found


def test_sigterm_at_each_step_ends_the_run_well(tmp_path, starter):
    chance = random.Random(20261127)
    out, log = tmp_path / "out", tmp_path / "log.csv"
    write_log(log)
    landed = {}
    for name in [*STEPS, "push", "report"]:
        before = live_files(out)
        starter.start(*run_arguments(log, out))
        began, seconds = moments(out, starter.text)[name]
        happened = began()
        while not happened():
            time.sleep(0.002)
        time.sleep(chance.uniform(0, min(seconds, 0.5)))
        os.kill(starter.child, signal.SIGTERM)
        status = starter.wait()
        output = " ".join(starter.text().split())
        landed[name] = status
        print(name, status, flush=True)
        if status != 0:  # otherwise the run ended before the signal
            assert status == 143, output
            assert "Stopped" in output
            assert "Stopped by sigterm. Finished steps are kept" in output
            assert "Traceback" not in output
        assert not is_locked(out / "run.lock")
        # The process that forks workers notices the run's end a moment later.
        wait_until(lambda: processes_of(starter.child) == [])
        assert not list(out.glob("live/.unfinished-*"))
        assert list((out / "tmp").iterdir()) == []
        now = live_files(out)  # fails unless every version is complete
        assert {n: now[n] for n in before} == before
    ended = starter.run(*run_arguments(log, out))
    assert ended.status == 0, ended.text
    assert len(live_files(out)) == 1
    assert {step for step, times in done(out).items() if times > 1} <= {"LiveModel"}
    print(json.dumps(landed))
    assert list(landed.values()).count(143) >= len(STEPS)
