"""Scheduled retraining: times, missed runs, results, and how it ends.

A small script replaces ``marquee retrain`` here: what is tested is the schedule
around it.
"""

import datetime
import json
import os
import re
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections import Counter
from pathlib import Path

import hypothesis.strategies as st
import msgspec
import pytest
from hypothesis import given, settings

from pipeline.config.errors import ConfigError
from pipeline.retraining import run_process, schedule_log
from pipeline.retraining.cron_schedule import Schedule
from pipeline.retraining.run_process import Timing
from pipeline.retraining.scheduler import Keeper
from pipeline.runs import lock
from pipeline.runs.record import Live
from pipeline.runs.status import Status
from tests.support.run_record import write_record

ROOT = Path(__file__).parents[3]
DAILY = "0 3 * * *"
KILLED = "killed by signal 9 (Killed), possibly by the kernel because memory ran out"
HOURLY = "0 * * * *"


def utc(text):
    return datetime.datetime.fromisoformat(f"{text}+00:00")


# When


def following(cron, after, count, timezone="UTC"):
    found = Schedule(cron, timezone).next(utc(after), count)
    return [f"{moment:%Y-%m-%d %H:%M}" for moment in found]


def test_next_firings_are_after_a_moment_and_not_at_it():
    assert following(DAILY, "2026-11-22T02:59:59", 2) == [
        "2026-11-22 03:00",
        "2026-11-23 03:00",
    ]
    assert following(DAILY, "2026-11-22T03:00:00", 1) == ["2026-11-23 03:00"]
    assert following("30 4 1 jan *", "2026-11-22T00:00:00", 2) == [
        "2027-01-01 04:30",
        "2028-01-01 04:30",
    ]


@pytest.mark.parametrize(
    ("field", "days"),  # of Python, where Monday is 0
    [
        ("0", {6}),
        ("7", {6}),
        ("1", {0}),
        ("sun", {6}),
        ("SAT", {5}),
        ("1-5", {0, 1, 2, 3, 4}),
        ("5-7", {4, 5, 6}),
        ("fri-mon", {4, 5, 6, 0}),
        ("mon,3,Fri", {0, 2, 4}),
        ("*/2", {6, 1, 3, 5}),
        ("1-5/2", {0, 2, 4}),
        ("*", {0, 1, 2, 3, 4, 5, 6}),
    ],
)
def test_weekdays_are_those_of_cron(field, days):
    found = Schedule(f"0 3 * * {field}", "UTC").next(utc("2026-11-22T12:00:00"), 14)
    assert {moment.weekday() for moment in found} == days


minutes, hours, weekdays = (
    st.sets(st.integers(0, last), min_size=1, max_size=4) for last in (59, 23, 6)
)


@settings(max_examples=30)
@given(minutes, hours, weekdays, st.integers(0, 3 * 1440), st.integers(0, 3 * 1440))
def test_what_is_due_is_each_minute_that_fits(minutes, hours, weekdays, begin, length):
    fields = [
        ",".join(map(str, sorted(chosen))) for chosen in (minutes, hours, weekdays)
    ]
    after = utc("2026-11-22T00:00:00") + datetime.timedelta(minutes=begin)
    until = after + datetime.timedelta(minutes=length)
    fitting = [
        moment
        for moment in (
            after + datetime.timedelta(minutes=passed)
            for passed in range(1, length + 1)
        )
        if moment.minute in minutes
        and moment.hour in hours
        and (moment.weekday() + 1) % 7 in weekdays  # cron's Sunday is 0
    ]
    due = Schedule(f"{fields[0]} {fields[1]} * * {fields[2]}", "UTC").due(after, until)
    assert due == (fitting[-1] if fitting else None, len(fitting))


@pytest.mark.parametrize(
    ("cron", "after", "moments"),
    [  # In Berlin it is 2:00 to 3:00 never on one day of spring, and twice in autumn.
        (DAILY, "2026-03-28T00:00", ["03-28 02:00", "03-29 01:00", "03-30 01:00"]),
        (DAILY, "2026-10-24T00:00", ["10-24 01:00", "10-25 02:00", "10-26 02:00"]),
        ("30 2 * * *", "2026-03-28T00:00", ["03-28 01:30", "03-29 01:30"]),
        ("30 2 * * *", "2026-10-25T00:00", ["10-25 00:30", "10-25 01:30"]),
        ("0 * * * *", "2026-10-25T00:00", ["10-25 01:00", "10-25 02:00"]),
        ("0 * * * *", "2026-03-29T00:00", ["03-29 01:00", "03-29 02:00"]),
    ],
)
def test_where_clocks_are_changed_no_day_is_left_out(cron, after, moments):
    found = following(cron, after, len(moments), "Europe/Berlin")
    assert found == [f"2026-{moment}" for moment in moments]


def test_a_moment_is_shown_as_the_clock_of_the_timezone_has_it():
    berlin = Schedule(DAILY, "Europe/Berlin")
    assert berlin.local(utc("2026-03-29T01:30")) == "2026-03-29 03:30 CEST"
    assert berlin.local(utc("2026-03-28T01:30")) == "2026-03-28 02:30 CET"


@pytest.mark.parametrize(
    ("cron", "words"),
    [
        ("", "'': it has 0 fields"),
        ("0 3 * *", "it has 4 fields"),
        ("@daily", "it has 1 field"),
        ("0 0 3 * * *", "it has 6 fields"),
        ("60 3 * * *", r"\(60\) is higher than the maximum value \(59\)"),
        ("0 24 * * *", r"\(24\) is higher than the maximum value \(23\)"),
        ("x 3 * * *", '"x" for field "minute"'),
        ("0 3 * foo *", '"foo"'),
        ("0 3 * * 8", "invalid weekday '8'"),
        ("0 3 * * 1/2", "invalid weekday '1/2'"),
        ("0 3 * * funday", "invalid weekday 'funday'"),
        ("0 3 1 * mon", r"the weekday has to be \*"),
        ("0 3 30 2 *", "never fires"),
    ],
)
def test_a_bad_expression_is_refused_with_what_was_expected(cron, words):
    with pytest.raises(ConfigError, match=words) as caught:
        Schedule(cron, "UTC")
    assert str(caught.value).startswith("--cron: ")
    assert "expected minute, hour, day of the month, month and weekday" in str(
        caught.value
    )


@pytest.mark.parametrize("timezone", ["Europe/Berln", "", "../etc", "/etc/localtime"])
def test_an_unknown_timezone_is_refused(timezone):
    with pytest.raises(
        ConfigError, match="^--timezone: unknown time zone .*Europe/Berlin"
    ):
        Schedule(DAILY, timezone)


# What was missed


class Clock:
    """A clock that is set by hand; it may advance a little with each reading."""

    def __init__(self, moment, step=datetime.timedelta(0)):
        self.moment, self.step = moment, step

    def __call__(self):
        self.moment += self.step
        return self.moment


@pytest.fixture
def keeper(tmp_path):
    """Returns a function that makes keepers of a folder, with their reports."""

    def make(clock, cron=DAILY, missed="once", command=("true",), **more):
        told = []
        timing = Timing(clock, **more)
        made = Keeper(
            Schedule(cron, "UTC"), missed, tmp_path, command, told.append, timing
        )
        made.resume()
        return made, told

    return make


def lines(out):
    """Returns the lines of the log."""
    text = (out / "schedule.jsonl").read_text()
    assert text.endswith("\n")
    return [json.loads(line) for line in text.splitlines()]


def test_the_first_time_nothing_was_missed(keeper, tmp_path):
    clock = Clock(utc("2026-11-22T13:00"))
    one, told = keeper(clock)
    one.fire()
    [line] = lines(tmp_path)
    assert (line["event"], line["due"]) == ("scheduled", "2026-11-22T13:00:00Z")
    clock.moment = utc("2026-11-23T03:00:00.250")
    one.fire()
    one.fire()
    events = [line["event"] for line in lines(tmp_path)]
    assert events == ["scheduled", "started", "ended"]
    last = lines(tmp_path)[-1]
    assert last["due"] == "2026-11-23T03:00:00Z"
    assert last["started"] == last["ended"] == "2026-11-23T03:00:00.250000Z"
    assert (last["late_seconds"], last["missed"]) == (0.2, 0)
    assert (last["cron"], last["timezone"], last["run"]) == (DAILY, "UTC", None)
    assert last["exit_status"] == 0
    assert last["verdict"] == "a model passed, or nothing changed"
    assert [entry.due for entry in told] == [utc("2026-11-23T03:00")]


@pytest.fixture
def log_of(tmp_path):
    """Writes the log of an earlier scheduler."""

    def write(*entries, tail=""):
        whole = {"due": "2026-11-19T03:00:00Z", "cron": DAILY, "timezone": "UTC"}
        text = "".join(json.dumps({**whole, **entry}) + "\n" for entry in entries)
        (tmp_path / "schedule.jsonl").write_text(text + tail)

    return write


def test_what_was_missed_while_nothing_ran_is_run_once(keeper, log_of):
    log_of({"event": "ended", "exit_status": 0})
    one, told = keeper(Clock(utc("2026-11-22T13:00")))
    one.fire()
    [entry] = told
    assert entry.due == utc("2026-11-22T03:00")  # the last of the 20th, 21st and 22nd
    assert (entry.event, entry.missed) == ("ended", 2)
    assert entry.late_seconds == 10 * 3600
    assert entry.is_late
    one.fire()
    assert len(told) == 1


def test_what_was_missed_is_skipped_if_one_wants_that(keeper, log_of, tmp_path):
    log_of({"event": "ended", "exit_status": 0})
    clock = Clock(utc("2026-11-22T13:00"))
    one, told = keeper(clock, missed="skip")
    one.fire()
    [entry] = told
    assert (entry.event, entry.missed) == ("skipped", 2)
    assert (entry.started, entry.exit_status) == (None, None)
    assert not (tmp_path / "schedule.log").exists()  # nothing was started
    clock.moment = utc("2026-11-23T03:00:59")
    one.fire()
    assert (told[-1].event, told[-1].missed) == ("ended", 0)


@pytest.mark.integration
@pytest.mark.parametrize("missed", ["once", "skip"])
@settings(max_examples=15)
@given(look=st.integers(0, 29), rings=st.lists(st.integers(1, 1000), max_size=6))
def test_each_firing_is_dealt_with_exactly_once(tmp_path_factory, missed, look, rings):
    out, told = tmp_path_factory.mktemp("out"), []
    clock = Clock(utc("2026-11-22T00:30"))
    timing = Timing(clock)
    one = Keeper(Schedule(HOURLY, "UTC"), missed, out, ["true"], told.append, timing)
    one.resume()
    for minutes in rings:
        clock.moment += datetime.timedelta(minutes=minutes)
        clock.step = datetime.timedelta(minutes=look)  # a run takes one or two of them
        one.fire()
    last = max((entry.due for entry in told), default=clock.moment)
    first = utc("2026-11-22T01:00")
    hours = [first + datetime.timedelta(hours=passed) for passed in range(24 * 30)]
    passed = [hour for hour in hours if hour <= last]
    assert sum(1 + entry.missed for entry in told) == (len(passed) if told else 0)
    assert len({entry.due for entry in told}) == len(told)
    assert {entry.due for entry in told} <= set(hours)
    assert (clock.moment - last) < datetime.timedelta(hours=2)
    late = [entry for entry in told if entry.started and entry.is_late]
    assert missed == "once" or late == []


def test_what_another_schedule_missed_is_no_concern(keeper, log_of, tmp_path):
    log_of({"event": "ended", "exit_status": 0, "cron": HOURLY})
    one, told = keeper(Clock(utc("2026-11-22T13:00")))
    one.fire()
    assert told == []
    assert lines(tmp_path)[-1]["event"] == "scheduled"
    one, told = keeper(Clock(utc("2026-11-23T13:00")))  # now in force, it missed one
    one.fire()
    assert [(entry.due, entry.missed) for entry in told] == [
        (utc("2026-11-23T03:00"), 0)
    ]


def test_a_clock_that_was_ahead_stops_nothing(keeper, log_of):
    log_of({"event": "ended", "exit_status": 0, "due": "2031-01-01T03:00:00Z"})
    clock = Clock(utc("2026-11-22T13:00"))
    one, told = keeper(clock)
    one.fire()
    assert told == []
    clock.moment = utc("2026-11-23T03:00")
    one.fire()
    assert [entry.due for entry in told] == [utc("2026-11-23T03:00")]


def test_what_the_scheduler_did_not_survive_is_not_run_again(keeper, log_of, tmp_path):
    log_of({"event": "started", "due": "2026-11-22T03:00:00Z"})
    one, told = keeper(Clock(utc("2026-11-22T13:00")))
    one.fire()
    [entry] = told
    assert (entry.event, entry.exit_status) == ("ended", None)
    assert entry.verdict == "unknown: the scheduler ended before the run"
    assert schedule_log.firings(tmp_path) == [entry]


@pytest.mark.parametrize(("missed", "times"), [("once", 1), ("skip", 0)])
def test_a_run_that_was_stopped_is_due_again_unless_one_skips(
    keeper, log_of, missed, times
):
    log_of({"event": "ended", "due": "2026-11-22T03:00:00Z", "exit_status": 130})
    one, told = keeper(Clock(utc("2026-11-22T13:00")), missed=missed)
    one.fire()
    again = (utc("2026-11-22T03:00"), "ended", 0)
    assert [(e.due, e.event, e.missed) for e in told] == [again] * times


@pytest.mark.parametrize("torn", ['{"event": "ended", "due": "2026-11-2', "{", "\x00"])
def test_a_torn_last_line_costs_that_line_alone(keeper, log_of, tmp_path, torn):
    log_of({"event": "ended", "exit_status": 0}, tail=torn)
    one, told = keeper(Clock(utc("2026-11-20T03:00")))
    one.fire()
    assert [(entry.due, entry.missed) for entry in told] == [
        (utc("2026-11-20T03:00"), 0)
    ]
    text = (tmp_path / "schedule.jsonl").read_text().splitlines()
    assert text[1] == torn
    assert [json.loads(line)["event"] for line in text[2:]] == ["started", "ended"]
    assert [entry.due.day for entry in schedule_log.firings(tmp_path)] == [19, 20]


# Results


def script(text):
    return (sys.executable, "-c", textwrap.dedent(text))


# Holds the lock and leaves a run.json, as `marquee retrain` does.
RUN = """
    import sys
    from pathlib import Path
    sys.path.insert(0, {root!r})
    from pipeline.runs import lock as run_lock

    with run_lock.one_run(Path({out!r})) as (run_id, log):
        print("what it printed")
        if {record!r}:
            (log.parent / "run.json").write_text({record!r})
    sys.exit({status})
"""


def fired(keeper, command, **more):
    clock = Clock(utc("2026-11-22T13:00"))
    one, told = keeper(clock, command=command, **more)
    clock.moment = utc("2026-11-23T03:00")
    one.fire()
    [entry] = told
    return entry


@pytest.mark.parametrize(
    ("words", "model", "status", "verdict"),
    [
        ("a new model is live", "neumf", 0, "{}; neumf is live, version 3"),
        ("every model was refused", "neumf", 5, "{}; neumf is live, version 3"),
        ("the data has anomalies", None, 4, "{}; none is live"),
        ("", None, 3, "bad or missing input"),
        ("nothing changed", "neumf", 1, "unexpected error"),
    ],
)
def test_the_verdict_is_that_of_the_run(
    keeper, tmp_path, words, model, status, verdict
):
    record = ""
    if words:
        other = tmp_path / "of another folder"
        usual = write_record(other, "r1")
        about = msgspec.structs.replace(usual.run, status=Status(words))
        write_record(other, "r1", run=about, live=Live(model and "3", model))
        record = (other / "runs" / "r1" / "run.json").read_text()
    text = RUN.format(root=str(ROOT), out=str(tmp_path), record=record, status=status)
    entry = fired(keeper, script(text))
    [folder] = (tmp_path / "runs").iterdir()
    assert (entry.exit_status, entry.run) == (status, folder.name)
    assert entry.verdict == verdict.format(words)
    printed = (tmp_path / "schedule.log").read_text()
    assert printed == "\n== 2026-11-23 03:00 UTC ==\nwhat it printed\n"


@pytest.mark.parametrize(
    ("command", "status", "verdict"),
    [
        (script("import sys; sys.exit('why')"), 1, "unexpected error"),
        (script("import sys; sys.exit(2)"), 2, "bad configuration or command line"),
        (script("import sys; sys.exit(99)"), 99, "exit status 99"),
        (
            script("import os; os.kill(os.getpid(), 9)"),
            -9,
            KILLED,
        ),
        (("no such command",), None, "could not be started; see schedule.log"),
    ],
)
def test_a_run_that_made_no_verdict_has_that_of_its_exit(
    keeper, command, status, verdict
):
    entry = fired(keeper, command)
    assert (entry.exit_status, entry.run, entry.verdict) == (status, None, verdict)


def test_a_run_of_somebody_else_is_not_taken_for_one_s_own(keeper, tmp_path):
    with lock.one_run(tmp_path):
        assert fired(keeper, ("true",)).run is None


def test_what_runs_print_is_put_aside_when_it_is_long(keeper, tmp_path, monkeypatch):
    monkeypatch.setattr(run_process, "MAX_LOG_BYTES", 40)
    for day in range(1, 8):
        clock = Clock(utc(f"2026-11-{day:02}T03:00"))
        one, _ = keeper(clock, command=script(f"print('{day}' * 50)"))
        clock.moment += datetime.timedelta(days=1)
        one.fire()
    printed = {
        path.name: path.read_text().split()[-1]
        for path in tmp_path.glob("schedule.log*")
    }
    assert printed == {
        "schedule.log": "7" * 50,
        "schedule.log.1": "6" * 50,
        "schedule.log.2": "5" * 50,
        "schedule.log.3": "4" * 50,
    }


@pytest.mark.integration
def test_a_long_log_loses_its_older_entries_and_no_firing(
    keeper, tmp_path, monkeypatch
):
    monkeypatch.setattr(schedule_log, "MAX_LOG_BYTES", 5000)
    clock = Clock(utc("2026-11-01T03:00"))
    fired = []
    for _ in range(40):
        one, told = keeper(clock)  # each time anew: only the log remembers
        clock.moment += datetime.timedelta(days=1)
        one.fire()
        fired += [(entry.due, entry.missed) for entry in told]
        assert (tmp_path / "schedule.jsonl").stat().st_size <= 5000
    first = utc("2026-11-02T03:00")
    assert fired == [(first + datetime.timedelta(days=n), 0) for n in range(40)]
    kept = [entry.due for entry in schedule_log.firings(tmp_path)]
    assert kept == [due for due, _ in fired[-len(kept) :]]
    assert 5 < len(kept) < 40
    assert {path.name for path in tmp_path.iterdir()} == {
        "schedule.jsonl",
        "schedule.log",
    }


BUSY_TWICE = """
    import sys
    from pathlib import Path
    tries = Path({out!r}, "tries")
    count = len(tries.read_text()) if tries.exists() else 0
    tries.write_text("x" * (count + 1))
    sys.exit(7 if count < 2 else 0)
"""


@pytest.mark.parametrize(
    ("missed", "tries", "status"), [("once", 3, 0), ("skip", 1, 7)]
)
def test_a_folder_in_which_another_run_works_is_tried_again(
    keeper, tmp_path, missed, tries, status
):
    command = script(BUSY_TWICE.format(out=str(tmp_path)))
    entry = fired(keeper, command, missed=missed, retry_seconds=0.01)
    assert (tmp_path / "tries").read_text() == "x" * tries
    assert entry.exit_status == status


def test_stopping_ends_the_wait_for_another_run(keeper, tmp_path):
    marker = tmp_path / "tried"
    busy = script(f"import sys; open({str(marker)!r}, 'w'); sys.exit(7)")
    clock = Clock(utc("2026-11-22T13:00"))
    one, told = keeper(clock, command=busy, retry_seconds=600)
    clock.moment = utc("2026-11-23T03:00")
    thread = threading.Thread(target=one.fire)
    thread.start()
    while not marker.exists():
        time.sleep(0.01)
    one.stop()
    thread.join(60)
    assert not thread.is_alive()
    # By a signal, if it was still about to say that it is refused.
    [entry] = told
    assert entry.exit_status in (130, -2)


# Processes

# A schedule whose last firing was missed, so that its run begins at once.
KEEP = """
    import sys
    from pathlib import Path
    from pipeline import exit_codes as exits
    from pipeline.retraining import scheduler as schedule
    from pipeline.retraining.scheduler import Keeper
    from pipeline.retraining.cron_schedule import Schedule

    out, command = Path(sys.argv[1]), sys.argv[2:]
    tell = lambda entry: print(entry.verdict, flush=True)
    keeper = Keeper(Schedule("0 3 * * *", "UTC"), "once", out, command, tell)
    sys.exit(schedule.keep(keeper, out, lambda: print("started", flush=True)))
"""
# Writes a file when it is running, and another when it is stopped.
WORK = """
    import sys, time
    from pathlib import Path
    out = Path({out!r})
    try:
        (out / "at work").touch()
        time.sleep(600)
    except KeyboardInterrupt:
        (out / "asked").touch()
        {then}
        sys.exit(130)
"""


@pytest.fixture
def scheduler(tmp_path):
    """Starts schedulers in separate processes, and ends them."""
    started = []

    def start(*command, interrupt=signal.SIG_DFL):
        def take_signals():
            signal.signal(signal.SIGINT, interrupt)
            # Ignored where the tests themselves run under nohup.
            signal.signal(signal.SIGHUP, signal.SIG_DFL)

        one = subprocess.Popen(
            command,
            cwd=ROOT,
            preexec_fn=take_signals,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            start_new_session=True,  # what it does to its group is not done to us
        )
        started.append(one)
        return one

    yield start
    for one in started:
        one.kill()
        one.communicate()


def wait_for(path, process):
    while not path.exists():
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("number", "status"),
    [(signal.SIGTERM, 0), (signal.SIGINT, 130), (signal.SIGHUP, 129)],
)
def test_a_signal_stops_the_run_too_and_waits_for_its_end(
    scheduler, log_of, tmp_path, number, status
):
    log_of({"event": "ended", "exit_status": 0})
    work = script(WORK.format(out=str(tmp_path), then=""))
    one = scheduler(*script(KEEP), str(tmp_path), *work)
    wait_for(tmp_path / "at work", one)
    one.send_signal(number)
    assert one.communicate(timeout=240)[0] == "started\nstopped\n"
    assert one.returncode == status
    assert (tmp_path / "asked").exists()
    last = lines(tmp_path)[-1]
    assert (last["event"], last["exit_status"]) == ("ended", 130)


def test_a_scheduler_in_the_background_of_a_script_stops_its_run(
    scheduler, log_of, tmp_path
):
    """A shell script starts what it puts in the background with SIGINT ignored."""
    log_of({"event": "ended", "exit_status": 0})
    work = script(WORK.format(out=str(tmp_path), then=""))
    one = scheduler(*script(KEEP), str(tmp_path), *work, interrupt=signal.SIG_IGN)
    wait_for(tmp_path / "at work", one)
    one.send_signal(signal.SIGTERM)
    assert one.communicate(timeout=60)[0] == "started\nstopped\n"
    assert (tmp_path / "asked").exists()


def test_a_second_signal_ends_a_run_that_does_not_stop(scheduler, log_of, tmp_path):
    log_of({"event": "ended", "exit_status": 0})
    work = script(WORK.format(out=str(tmp_path), then="time.sleep(600)"))
    one = scheduler(*script(KEEP), str(tmp_path), *work)
    wait_for(tmp_path / "at work", one)
    one.send_signal(signal.SIGTERM)
    wait_for(tmp_path / "asked", one)
    one.send_signal(signal.SIGTERM)
    assert one.communicate(timeout=240)[0] == f"started\n{KILLED}\n"
    assert one.returncode == 0
    assert lines(tmp_path)[-1]["exit_status"] == -9


def test_a_killed_run_does_not_take_the_schedule_with_it(scheduler, log_of, tmp_path):
    log_of({"event": "ended", "exit_status": 0})
    dead = script("import os; os.kill(0, 9)")  # with all of its process group
    one = scheduler(*script(KEEP), str(tmp_path), *dead)
    assert one.stdout.readline() == "started\n"
    assert one.stdout.readline() == f"{KILLED}\n"
    assert one.poll() is None
    one.send_signal(signal.SIGTERM)
    assert one.wait(timeout=240) == 0


def test_a_killed_scheduler_says_so_when_it_is_back(scheduler, log_of, tmp_path):
    log_of({"event": "ended", "exit_status": 0})
    work = script(WORK.format(out=str(tmp_path), then=""))
    killed = scheduler(*script(KEEP), str(tmp_path), *work)
    wait_for(tmp_path / "at work", killed)
    killed.kill()
    killed.wait()
    back = scheduler(*script(KEEP), str(tmp_path), *work)
    assert back.stdout.readline().startswith("unknown: the scheduler ended before")
    assert back.stdout.readline() == "started\n"
    back.send_signal(signal.SIGTERM)
    assert back.wait(timeout=240) == 0
    events = Counter(line["event"] for line in lines(tmp_path))
    assert events == {"ended": 2, "started": 1}  # the first was there before


def test_a_run_does_not_outlive_a_killed_scheduler(scheduler, log_of, tmp_path):
    log_of({"event": "ended", "exit_status": 0})
    work = f"""
        import os, time
        from pathlib import Path
        out = Path({str(tmp_path)!r})
        (out / "pid.new").write_text(str(os.getpid()))
        (out / "pid.new").rename(out / "pid")
        time.sleep(600)
    """
    killed = scheduler(*script(KEEP), str(tmp_path), *script(work))
    wait_for(tmp_path / "pid", killed)
    run = Path("/proc", (tmp_path / "pid").read_text())
    assert run.exists()
    killed.kill()
    killed.wait()
    ends = time.monotonic() + 60
    while run.exists() and " Z " not in (run / "stat").read_text():
        assert time.monotonic() < ends, "the run goes on alone"
        time.sleep(0.01)


# A run that hangs: in a pipe without a writer, deaf to signals or not.
HANGS = """
    import os, signal, sys
    from pathlib import Path
    out = Path({out!r})
    if (out / "second night").exists():
        sys.exit(0)
    if {deaf}:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if os.fork() == 0:  # what it has started hangs, too
            (out / "child").write_text(str(os.getpid()))
            open(out / "pipe")
    open(out / "pipe")
"""


@pytest.mark.integration
@pytest.mark.parametrize(
    ("deaf", "how"),
    [
        (False, "killed by signal 15 (Terminated)"),
        (True, KILLED),
    ],
)
def test_a_night_has_a_time_limit_and_the_next_one_runs(keeper, tmp_path, deaf, how):
    os.mkfifo(tmp_path / "pipe")
    clock = Clock(utc("2026-11-22T13:00"))
    one, told = keeper(
        clock,
        command=script(HANGS.format(out=str(tmp_path), deaf=deaf)),
        limit=datetime.timedelta(seconds=1.8),
        grace_seconds=0.5,
    )
    clock.moment = utc("2026-11-23T03:00")
    one.fire()
    (tmp_path / "second night").touch()
    clock.moment = utc("2026-11-24T03:00")
    one.fire()
    [first, second] = told
    assert first.verdict == f"{how}; the limit of 0.0005 hours was exceeded"
    assert second.exit_status == 0
    printed = (tmp_path / "schedule.log").read_text()
    assert "The run exceeded 0.0005 hours (retrain.max_hours)" in printed
    if deaf:
        child = Path("/proc", (tmp_path / "child").read_text(), "stat")
        assert not child.exists() or " Z " in child.read_text()


@pytest.mark.integration
def test_waiting_for_another_run_ends_with_the_night(keeper):
    entry = fired(
        keeper,
        script("import sys; sys.exit(7)"),
        limit=datetime.timedelta(seconds=3.6),
        retry_seconds=600,
    )
    assert entry.exit_status == 7
    assert "another run is in progress" in entry.verdict
    assert "the limit of 0.001 hours was exceeded" in entry.verdict


def test_the_command_tells_when_keeps_out_a_second_and_stops(scheduler, tmp_path):
    out = tmp_path / "out"
    command = (
        *(sys.executable, "-m", "pipeline", "schedule", "--cron", "0 3 * * 0"),
        *("--timezone", "Europe/Berlin", "--out", str(out)),
    )
    one = scheduler(*command)
    sundays = re.findall(r"(\d{4}-\d\d-\d\d) 03:00 CES?T", one.stdout.readline())
    days = [datetime.date.fromisoformat(day) for day in sundays]
    assert [day.weekday() for day in days] == [6, 6, 6]
    assert days[2] - days[0] == datetime.timedelta(weeks=2)
    assert one.stdout.readline().split() == ["Log", f"{out}/schedule.jsonl"]
    second = scheduler(*command)
    told = " ".join(second.communicate(timeout=240)[0].split())
    assert second.returncode == 7
    assert f"another scheduler (process {one.pid} on " in told
    one.send_signal(signal.SIGTERM)
    assert one.communicate(timeout=240)[0] == ""
    assert one.returncode == 0
    assert [line["event"] for line in lines(out)] == ["scheduled"]


def test_a_scheduler_has_no_need_of_tfx():
    code = "import sys, pipeline.retraining.scheduler; print(*sys.modules, sep='\\n')"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    loaded = set(done.stdout.split())
    assert "apscheduler" in loaded
    assert not loaded & {"tensorflow", "tfx", "apache_beam", "ml_metadata"}
