"""A study finds, stops, continues and fails as it should; training is replaced here."""

import datetime
import math
import subprocess
import sys
import textwrap
import time
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest
from optuna.trial import FrozenTrial, TrialState

from trainer_modules.configs.search import Choice, Given, Range
from trainer_modules.tuning import study as subject
from trainer_modules.tuning.storage import FileStorage, SqlStorage
from trainer_modules.tuning.study import Limits, Study, TuningError

SPACE = {
    "rate": Range(1e-4, 1.0, log=True),
    "units": Choice(((8,), (16, 8))),
    "drawn": Choice((0, 4)),
    "power": Given(Range(0.0, 1.0), "drawn", (0,)),
}
START = {"rate": 1.0, "units": (8,), "drawn": 0, "power": 0.5}


def quality(values):
    """A bowl whose best point is known: rate .01, units (16, 8)."""
    far = (math.log10(values["rate"]) + 2) ** 2
    return 1 - far / 10 - 0.3 * (values["units"] != [16, 8])


def train(values, name, report):
    metric = quality(values)
    for epoch in range(1, 9):
        report(partial(float, metric * epoch / 8))
    return metric


def opened(place, folder):
    """Opens the storage of a test's study, in a folder or at a database's URL."""
    if place == "journal":
        return FileStorage(Path(folder) / "s" / "m.journal")
    return SqlStorage(place, str(folder))


@pytest.fixture
def place(request):
    kind = getattr(request, "param", "journal")
    return kind if kind == "journal" else request.getfixturevalue(kind)


@pytest.fixture
def study(place, tmp_path):
    return lambda seed=0: Study("m", SPACE, START, opened(place, tmp_path), seed)


in_each_storage = pytest.mark.parametrize(
    "place",
    [
        "journal",
        pytest.param("mysql", marks=pytest.mark.kubeflow),
        pytest.param("postgresql", marks=pytest.mark.kubeflow),
    ],
    indirect=["place"],
)


def test_the_first_trial_has_the_present_settings(study):
    [first] = study().run(train, Limits(1, None))
    assert first.values == {"rate": 1.0, "units": [8], "drawn": 0}
    assert first.metric == pytest.approx(0.3)
    assert dict(first.curve) == pytest.approx({e: 0.3 * e / 8 for e in range(1, 9)})
    assert (first.number, first.state, first.error) == (0, "complete", "")


def test_the_first_trial_has_what_the_nearest_values_need(tmp_path):
    """Where nothing is drawn, no power is tried; here, something always is."""
    space = SPACE | {"drawn": Choice((1, 4))}
    study = Study("m", space, START, opened("journal", tmp_path), seed=0)
    [first] = study.run(train, Limits(1, None))
    assert first.values == {"rate": 1.0, "units": [8], "drawn": 1, "power": 0.5}


def test_it_finds_the_known_best_point(study):
    best = subject.best(study().run(train, Limits(40, None)))
    assert best.metric > 0.95
    assert best.values["units"] == [16, 8]
    assert best.values["rate"] == pytest.approx(0.01, rel=4)


def test_a_value_is_only_tried_where_it_has_an_effect(study):
    trials = study().run(train, Limits(20, None))
    assert {trial.values["drawn"] for trial in trials} == {0, 4}
    for trial in trials:
        assert ("power" in trial.values) == (trial.values["drawn"] == 4)


def test_trials_behind_the_others_are_stopped_early(study):
    trials = study().run(train, Limits(40, None))
    stopped = [trial for trial in trials if trial.state == "stopped"]
    assert stopped
    assert all(trial.metric is None for trial in stopped)
    assert {trial.curve[-1][0] for trial in stopped} <= {4, 8}
    best = subject.best(trials).metric
    assert all(quality(trial.values) < best for trial in stopped)


@pytest.mark.parametrize(
    ("seconds", "measured"), [(0.1, list(range(1, 41))), (3.0, [1, 4, 8, 16, 32])]
)
def test_measuring_takes_a_fifth_of_a_trial_except_where_trials_are_compared(
    study, monkeypatch, seconds, measured
):
    """Epochs take a second; a measurement takes .1 s, or three."""
    now = [0.0]
    clock = SimpleNamespace(monotonic=lambda: now[0], time=time.time)
    monkeypatch.setattr(subject, "time", clock)

    def measure():
        now[0] += seconds
        return 0.5

    def train(values, name, report):
        for _ in range(40):
            now[0] += 1.0
            report(measure)
        return measure()

    [trial] = study().run(train, Limits(1, None))
    assert [epoch for epoch, _ in trial.curve] == measured


def test_the_same_seed_proposes_the_same_values(tmp_path):
    def values(folder, seed):
        study = Study("m", SPACE, START, opened("journal", tmp_path / folder), seed)
        return [trial.values for trial in study.run(train, Limits(12, None))]

    assert values("a", 0) == values("b", 0) != values("c", 1)


def test_a_failed_trial_is_recorded_and_the_others_continue(study):
    def some_fail(values, name, report):
        if values["drawn"] == 4:
            raise MemoryError("no memory for it")
        return train(values, name, report)

    trials = study().run(some_fail, Limits(10, None))
    failed = [trial for trial in trials if trial.state == "failed"]
    assert failed
    assert {trial.error for trial in failed} == {"MemoryError: no memory for it"}
    assert all(trial.metric is None for trial in failed)
    assert subject.best(trials).values["drawn"] == 0


def test_nan_is_no_metric(study):
    with pytest.raises(TuningError, match="ValueError: the metric is not a number"):
        study().run(lambda *_: math.nan, Limits(2, None))


def test_if_all_trials_fail_the_first_reason_is_given(study):
    def fail(values, name, report):
        raise ValueError(f"reason of {name}")

    with pytest.raises(TuningError, match=r"all trials of m failed.* m, trial 0"):
        study().run(fail, Limits(3, None))


def test_a_budget_that_ends_in_the_first_trial_is_an_error(study):
    epochs = []

    def endless(values, name, report):
        while True:
            epochs.append(0)
            report(lambda: 0.5)

    with pytest.raises(TuningError, match="m: the budget ended before any trial"):
        study().run(endless, Limits(None, 1e-3))
    assert epochs
    # With more time, the settings as they are are tried again, and count as the first.
    trials = study().run(train, Limits(3, None))
    first = [trial for trial in trials if trial.is_first]
    assert [trial.state for trial in sorted(first, key=lambda trial: trial.number)] == [
        "stopped",
        "complete",
    ]
    assert {trial.values["rate"] for trial in first} == {START["rate"]}
    assert len(trials) == 3
    again = study().run(train, Limits(4, None))
    assert sum(trial.is_first for trial in again) == 2


@in_each_storage
def test_the_seconds_of_earlier_trials_count(study):
    earlier = study().run(train, Limits(3, None))
    spent = sum(trial.seconds for trial in earlier)
    assert study().run(train, Limits(None, spent)) == earlier
    assert len(study().run(train, Limits(None, spent + 1e-9))) == 4


def test_nothing_to_try_is_an_error(tmp_path):
    with pytest.raises(TuningError, match="m has no setting to try"):
        Study("m", {}, {}, opened("journal", tmp_path), 0)


@in_each_storage
def test_a_killed_study_continues_with_the_trial_that_was_interrupted(
    study, place, tmp_path, request
):
    script = textwrap.dedent(
        """
        import os, signal, sys
        from pathlib import Path
        sys.path.insert(0, sys.argv[1])
        import test_study as t

        calls = []
        def killed(values, name, report):
            calls.append(values)
            report(lambda: 0.1)
            if len(calls) == 3:
                Path(sys.argv[3], "values").write_text(repr(values))
                os.kill(os.getpid(), signal.SIGKILL)
            return t.train(values, name, lambda measure: None)

        storage = t.opened(sys.argv[2], sys.argv[3])
        t.Study("m", t.SPACE, t.START, storage, 0).run(killed, t.Limits(5, None))
        """
    )
    here = str(request.path.parent)
    command = [sys.executable, "-c", script, here, place, str(tmp_path)]
    ended = subprocess.run(command, check=False, cwd=request.config.rootpath)
    assert ended.returncode == -9
    interrupted = (tmp_path / "values").read_text()
    assert len(study().trials()) == 2
    trials = study().run(train, Limits(5, None))
    assert len(trials) == 5
    assert repr(trials[2].values) == interrupted


@in_each_storage
def test_values_that_kill_each_process_are_given_up_and_others_are_tried(
    study, place, tmp_path, request
):
    script = textwrap.dedent(
        """
        import os, signal, sys
        sys.path.insert(0, sys.argv[1])
        import test_study as t

        def killed(values, name, report):
            os.kill(os.getpid(), signal.SIGKILL)

        storage = t.opened(sys.argv[2], sys.argv[3])
        t.Study("m", t.SPACE, t.START, storage, 0).run(killed, t.Limits(3, None))
        """
    )
    here = str(request.path.parent)
    command = [sys.executable, "-c", script, here, place, str(tmp_path)]
    for _ in range(3):
        ended = subprocess.run(command, check=False, cwd=request.config.rootpath)
        assert ended.returncode == -9
    first, *others = study().run(train, Limits(3, None))
    assert first.state == "failed"
    assert first.error.startswith("its process was killed 3 times")
    assert first.values == {"rate": 1.0, "units": [8], "drawn": 0}
    assert [trial.state for trial in others] == ["complete", "stopped"]


WORKER = textwrap.dedent(
    """
    import sys, time
    from pathlib import Path
    sys.path.insert(0, sys.argv[1])
    import test_study as t

    number, kind = int(sys.argv[4]), sys.argv[5]
    def slow(values, name, report):
        print(repr(values), flush=True)
        if kind == "hangs":
            time.sleep(1e6)
        if kind == "meets":  # all workers have a trial at the same time
            Path(sys.argv[3], f"met{number}").touch()
            while len(list(Path(sys.argv[3]).glob("met*"))) < 3:
                time.sleep(0.01)
        return t.train(values, name, lambda measure: None)

    storage = t.opened(sys.argv[2], sys.argv[3])
    study = t.Study("m", t.SPACE, t.START, storage, 0, t.subject.Worker(number, 3))
    (study.help if number else study.run)(slow, t.Limits(24, None))
    """
)


@pytest.fixture
def worker(place, tmp_path, request):
    """Starts a worker in a process of its own, which prints the values it tries."""
    started = []

    def start(number, kind="works"):
        where = (str(request.path.parent), place, str(tmp_path))
        process = subprocess.Popen(
            [sys.executable, "-c", WORKER, *where, str(number), kind],
            cwd=request.config.rootpath,
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()


@in_each_storage
def test_workers_share_the_trials_of_a_study(study, worker):
    """Each trial is run once, by one of them, and no two have the same values."""
    processes = [worker(number, "meets") for number in range(3)]
    tried = [process.communicate()[0].splitlines() for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert all(tried)
    trials = study().trials()
    assert len(trials) == 24
    assert [trial.number for trial in trials] == list(range(24))
    assert sorted(text for own in tried for text in own) == sorted(
        repr(trial.values) for trial in trials
    )
    assert len({repr(trial.values) for trial in trials}) == 24


@in_each_storage
def test_the_trial_of_a_killed_worker_is_run_by_another(study, worker):
    hanging = worker(1, "hangs")
    interrupted = hanging.stdout.readline().strip()
    first = worker(0)
    # The trial of a living worker is left alone, and counts.
    others = [first.stdout.readline().strip() for _ in range(23)]
    assert interrupted not in others
    assert first.poll() is None
    hanging.kill()
    [again] = first.communicate()[0].splitlines()
    assert (first.returncode, again) == (0, interrupted)
    trials = study().trials()
    assert len(trials) == 24
    assert interrupted in [repr(trial.values) for trial in trials]


@in_each_storage
def test_trials_beside_the_first_one_do_not_stop_it(study):
    """It is far behind the others from its first epoch on."""

    def others_first(values, name, report):
        if values == {"rate": 1.0, "units": [8], "drawn": 0}:
            study().help(lambda values, name, report: train(values, "", report), limits)
        return train(values, name, report)

    limits = Limits(20, None)
    trials = study().run(others_first, limits)
    assert len(trials) == 20
    [first] = [trial for trial in trials if trial.number == 0]
    assert (first.state, len(first.curve)) == ("complete", 8)
    assert quality(first.values) < subject.best(trials).metric


@in_each_storage
def test_the_time_of_trials_side_by_side_counts_once(study, tmp_path):
    """Two trials of 0.5 s that start 0.25 s apart take 0.75 s."""
    shared = study()
    begin = datetime.datetime(2026, 1, 1)
    for offset in (0.0, 0.25):
        shared._study.add_trial(
            FrozenTrial(
                **{"number": 0, "trial_id": 0, "state": TrialState.COMPLETE},
                **{"value": 1.0, "params": {}, "distributions": {}},
                user_attrs={"seconds": 0.5, "started": begin.timestamp() + offset},
                system_attrs={},
                intermediate_values={},
                datetime_start=begin + datetime.timedelta(seconds=offset),
                datetime_complete=begin + datetime.timedelta(seconds=offset + 0.5),
            )
        )
    assert len(study().run(train, Limits(None, 0.75))) == 2
    assert len(study().run(train, Limits(None, 0.75 + 1e-3))) == 3
