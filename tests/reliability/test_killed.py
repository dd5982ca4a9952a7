"""Kills at any moment: nothing is lost, done twice or half live."""

import json
import random
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.support.finished_runs import done, executions, live_files
from tests.support.logs import write_log
from tests.support.starter import run_arguments
from tests.support.step_moments import STEPS, moments

pytestmark = [pytest.mark.reliability, pytest.mark.timeout(7200)]

KILLS = 100
# Resolvers are executed in every run.
RESOLVERS = {"LiveModel", "BaseModel"}


def test_killed_anywhere_a_run_goes_on(tmp_path, starter):
    chance = random.Random(20261123)
    killed, landed = Counter(), Counter()
    chains = 0
    while sum(killed.values()) < KILLS:
        out = tmp_path / f"out-{chains // 2}"
        log = tmp_path / "log.csv"
        write_log(log, shift=chains)  # with new data, no step is cached
        after = max((number for number, *_ in executions(out)), default=0)
        plan = [*STEPS, "metadata", "metadata", "metadata", "export", "push", "pushed"]
        plan += ["report", "Transform", "Trainer_gmf"]
        chance.shuffle(plan)
        at = {name: rank for rank, name in enumerate(STEPS)}
        at |= {"export": 8.5, "push": 14.5, "pushed": 14.6, "report": 15}
        plan.sort(key=lambda name: at.get(name, chance.uniform(0, 14)))
        for name in plan:
            if sum(killed.values()) >= KILLS:
                break
            before = live_files(out)
            starter.start(*run_arguments(log, out))
            began, seconds = moments(out, starter.text)[name]
            happened = began()
            while not happened() and not ended(starter.child):
                time.sleep(0.005)
            time.sleep(chance.uniform(0, seconds))
            over = ended(starter.child)
            status = starter.kill()
            if over:  # the run had ended before the moment came
                assert status == 0, starter.text()
                continue
            assert status == -9
            killed[name] += 1
            now = live_files(out)  # fails unless every version is complete
            assert {n: now[n] for n in before} == before
            assert len(now) - len(before) in (0, 1)
            running = [step for _, step, state in executions(out) if state == "running"]
            where = running[-1] if running else "before the first step"
            landed[where] += 1
            print("killed", sum(killed.values()), name, "in", where, flush=True)
        ends = starter.run(*run_arguments(log, out))
        assert ends.status in (0, 5), ends.text
        before = live_files(out)
        times = done(out, after)
        twice = {s: n for s, n in times.items() if n > 1 and s not in RESOLVERS}
        print(chains, dict(killed), "twice:", twice, flush=True)
        assert not twice
        # The schema does not depend on data: it is cached in a folder's second chain.
        assert set(STEPS) - set(times) <= ({"ImportSchemaGen"} if chains % 2 else set())
        cleaned = starter.run("clean", "--out", out, "--yes", "--json")
        assert cleaned.status == 0, cleaned.text
        assert live_files(out) == before
        # Nothing that is needed was removed: the next run is served from the cache.
        last = max(number for number, *_ in executions(out))
        again = starter.run(*run_arguments(log, out))
        assert again.status in (0, 5), again.text
        assert not set(done(out, last)) - RESOLVERS
        left = json.loads(starter.run("clean", "--out", out, "--json").text)
        assert left == []
        assert not list(out.rglob("*unfinished*"))
        chains += 1
    print(json.dumps({"kills": killed, "running": landed, "chains": chains}, indent=1))


def ended(process):
    """Returns whether a process has ended, even if its parent has not waited for it."""
    try:
        return (
            Path(f"/proc/{process}/stat").read_text().rsplit(")")[1].split()[0] == "Z"
        )
    except FileNotFoundError:
        return True
