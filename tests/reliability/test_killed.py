"""A run that is killed anywhere: nothing is lost, done twice, or half live."""

import json
import random
import time
from collections import Counter
from pathlib import Path

import pytest

pytestmark = [pytest.mark.reliability, pytest.mark.timeout(7200)]

KILLS = 100
# What they find is looked up anew in each run.
RESOLVERS = {"LiveModel", "BaseModel"}
STEPS = {  # step -> seconds that it takes at most, for the moment of the kill
    "RatingsExampleGen": 1.0,
    "CatalogueGen": 0.5,
    "StatisticsGen": 2.0,
    "ImportSchemaGen": 0.1,
    "ExampleValidator": 0.3,
    "AnomalyGate": 0.1,
    "Transform": 4.0,
    "Trainer_popularity": 3.0,
    "Trainer_gmf": 6.0,
    "Evaluator_popularity": 3.0,
    "Evaluator_gmf": 3.0,
    "LiveEvaluator": 1.0,
    "Champion": 0.5,
    "InfraCheck": 4.0,
    "Pusher": 0.2,
}


def moments(out, said):
    """What to wait for before a kill: name -> whether it is there."""
    store = Path(f"{out}/metadata.sqlite-wal")

    def written():
        size = store.stat().st_size if store.exists() else 0
        return lambda: store.exists() and store.stat().st_size != size

    def export():
        before = set(out.glob("artifacts/Trainer_*/model/*/Format-Serving"))
        return lambda: (
            set(out.glob("artifacts/Trainer_*/model/*/Format-Serving")) - before
        )

    def push():
        return lambda: list(out.glob("live/.unfinished-*"))

    def pushed():
        before = set(out.glob("live/[0-9]*"))
        return lambda: set(out.glob("live/[0-9]*")) - before

    def step(name):
        return lambda: (
            lambda: any(
                line.split() == [name, "started"] for line in said().splitlines()
            )
        )

    def report():
        return lambda: "writing the report" in said()

    return {
        **{name: (step(name), seconds) for name, seconds in STEPS.items()},
        "metadata": (written, 0.0),
        "export": (export, 0.3),
        "push": (push, 0.05),
        "pushed": (pushed, 0.02),
        "report": (report, 1.0),
    }


def test_killed_anywhere_a_run_goes_on(
    tmp_path, starter, run_arguments, write_log, executions, done, live_files
):
    chance = random.Random(20261123)
    killed, landed = Counter(), Counter()
    chains = 0
    while sum(killed.values()) < KILLS:
        out = tmp_path / f"out-{chains // 2}"
        log = tmp_path / "log.csv"
        write_log(log, shift=chains)  # on new data all steps have work to do
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
            if over:  # it had nothing to do at that moment any more
                assert status == 0, starter.text()
                continue
            assert status == -9
            killed[name] += 1
            now = live_files(out)  # each is whole, or this fails
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
        # The schema hangs on no data: a folder's second chain has it from the cache.
        assert set(STEPS) - set(times) <= ({"ImportSchemaGen"} if chains % 2 else set())
        cleaned = starter.run("clean", "--out", out, "--yes", "--json")
        assert cleaned.status == 0, cleaned.text
        assert live_files(out) == before
        # Nothing that is needed was removed: a run finds all of it in the cache.
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
    """Whether a process is over, waited for or not."""
    try:
        return (
            Path(f"/proc/{process}/stat").read_text().rsplit(")")[1].split()[0] == "Z"
        )
    except FileNotFoundError:
        return True
