"""``make demo-loop``: a population uses the server, which learns from it every night.

Each user of a simulated population requests a list over HTTP every day and follows some
of its items, which the server receives as events. Every night, ``marquee retrain``
takes the day in, and what passes the gate goes on trial. ``faketime`` gives each day
its date. Two other policies serve copies of the population: popularity, and the first
model, never retrained. On one day, users that do not exist follow the worst items.
"""

import contextlib
import dataclasses
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import click
import httpx
import matplotlib.pyplot as plt
import numpy as np
from rich.console import Console

from benchmarks.loop_world import NUM_USERS, Population, Truth, truths
from components.live_models import trial, versions
from components.live_models.version_ledger import write_ledger

RETRAINED, FROZEN, POPULARITY = "retrained", "never retrained", "popularity"
BEFORE = 21  # days of the first span, on which no list is shown
SETTINGS = (
    "label.threshold=all",
    "gate.min_users=50",
    # The live model's lists are what people could follow, so that it looks better in
    # the test split than it is: the trial decides.
    "gate.max_loss=0.3",
    "gate.proven_gain=false",
    "serving.max_latency_ms=10000",
    "delivery.share=0.5",
    "online.attribution_window=1h",
    "delivery.max_days=0.75",
)
POISONERS, POISON = 300, 10  # users that do not exist, and items that each follows
BAD_SETTINGS = ("models.item_knn.num_neighbours=1",)
START_SECONDS, END_SECONDS = 120, 60
LIBRARY = "*/faketime/libfaketime.so.1"
FIRST_DAY = np.datetime64("2027-03-01")

console = Console(width=110)


@dataclasses.dataclass(frozen=True)
class Day:
    """A day of the loop.

    Attributes:
        number: Number of the day, from 0.
        satisfaction: Policy → satisfaction with its list, of each user.
        version: Number of the live version in the evening.
        steps: Versions that went on trial, went live or were withdrawn.
        retrained: Exit status of the retraining after it.
    """

    number: int
    satisfaction: dict[str, list[float]]
    version: int
    steps: Sequence[str]
    retrained: int


def play(
    folder: Path, num_days: int, poisoned: int | None, bad: int | None
) -> Iterator[Day]:
    """Lets the population use the server, and yields each day.

    Args:
        folder: An empty folder.
        num_days: Number of days.
        poisoned: Number of the day on which users that do not exist send events; None
            for never.
        bad: Number of the day after which a model with bad settings is trained; None
            for never.

    Raises:
        click.ClickException: If the first model cannot be trained, or a server ends.
    """
    days = truths(BEFORE + num_days, BEFORE)
    people = {name: Population(days) for name in (RETRAINED, FROZEN, POPULARITY)}
    spans, out, frozen = folder / "spans", folder / "out", folder / "frozen"
    _write_first_span(spans, people)
    if status := _retrain(folder, BEFORE, "delivery.mode=at_once"):
        text = (folder / "retrain.log").read_text()[-2000:]
        raise click.ClickException(f"The first model, exit status {status}: {text}")
    shutil.copytree(out, frozen)
    for number in range(num_days):
        day = BEFORE + number
        with _serving(out, spans, day, "12:00:00") as client:
            satisfaction = {RETRAINED: _use(client, people[RETRAINED], day)}
            if number == poisoned:
                _poison(client, days[day], day)
        with _serving(frozen, folder / "unread", day, "12:00:00") as client:
            satisfaction[FROZEN] = _use(client, people[FROZEN], day)
        satisfaction[POPULARITY] = _use_popularity(people[POPULARITY], day)
        before = len(trial.settled(out / "live").transitions)
        with _serving(out, spans, day, "20:00:00"):
            _wait_for_decision(out)
        with _serving(out, spans, day + 1, "00:10:00"):
            _wait_for_span(spans, day)
        settings = BAD_SETTINGS if number == bad else ()
        status = _retrain(folder, day + 1, "delivery.mode=canary", *settings)
        ledger = trial.settled(out / "live")
        yield Day(
            number=number,
            satisfaction=satisfaction,
            version=versions.live_number(out / "live"),
            steps=[f"{step.version} {step.to}" for step in ledger.transitions[before:]],
            retrained=status,
        )


def _write_first_span(spans: Path, people: dict[str, Population]) -> None:
    """Writes what all people found by themselves before there were lists."""
    span = spans / str(FIRST_DAY)
    span.mkdir(parents=True)
    with (span / "events.jsonl").open("w") as file:
        for day in range(BEFORE):
            for user in range(NUM_USERS):
                found = [population.find(day, user) for population in people.values()]
                for item in found[0]:  # the same in every copy
                    at = _seconds_of(day) + user
                    row = {"user_id": f"u{user}", "item_id": f"i{item}"}
                    file.write(json.dumps(row | {"timestamp": at}) + "\n")
    (span / "_SUCCESS").touch()


def _use(client: httpx.Client, people: Population, day: int) -> list[float]:
    """Lets each user request a list; returns how satisfied each is with it."""
    satisfaction, events = [], []
    for user in range(NUM_USERS):
        answer = client.get(f"/v1/recommend/u{user}").raise_for_status().json()
        items = [int(item["item_id"][1:]) for item in answer["items"]]
        satisfaction.append(people.satisfaction(day, user, items))
        for item in people.follow(day, user, items) + people.find(day, user):
            events.append((f"u{user}", f"i{item}"))
    noon = _seconds_of(day) + 43_200  # it is some seconds later
    _send(client, events, noon + 60, 60)
    return satisfaction


def _use_popularity(people: Population, day: int) -> list[float]:
    satisfaction = []
    for user in range(NUM_USERS):
        items = people.popular(user)
        satisfaction.append(people.satisfaction(day, user, items))
        people.follow(day, user, items)
        people.find(day, user)
    return satisfaction


def _poison(client: httpx.Client, truth: Truth, day: int) -> None:
    """Sends events of users that do not exist, with the items that are liked least."""
    released = np.flatnonzero(truth.follows.max(0) > 0)
    worst = released[np.argsort(truth.follows.mean(0)[released])[: 2 * POISON]]
    rng = np.random.default_rng(day)
    events = [
        (f"bot{bot}", f"i{item}")
        for bot in range(POISONERS)
        for item in rng.choice(worst, POISON, replace=False)
    ]
    events = [events[place] for place in rng.permutation(len(events))]
    _send(client, events, _seconds_of(day) + 3600, 36_000)


def _send(
    client: httpx.Client, events: Sequence[tuple[str, str]], begin: int, seconds: int
) -> None:
    """Sends events of users with items, which happened one after the other.

    Args:
        client: Client of the server.
        events: A user and an item each.
        begin: When the first one happened, in seconds UTC.
        seconds: Duration of all of them.
    """
    rows = [
        {
            "event_id": f"{begin} {user} {item}",
            "user_id": user,
            "item_id": item,
            "timestamp": begin + seconds * number // len(events),
        }
        for number, (user, item) in enumerate(events)
    ]
    for start in range(0, len(rows), 1000):
        body = {"events": rows[start : start + 1000]}
        client.post("/v1/events", json=body).raise_for_status()


def _retrain(folder: Path, day: int, *settings: str) -> int:
    """Retrains in the night before a day; returns the exit status.

    TensorFlow waits for ever with a faked clock. So this has the real one, and only the
    begin of a trial is dated as the night.
    """
    command = [sys.executable, "-m", "pipeline", "retrain"]
    command += ["--data", str(folder / "spans"), "--out", str(folder / "out")]
    command += ["--models", "popularity,item_knn"]
    for setting in (*SETTINGS, *settings):
        command += ["--set", setting]
    with (folder / "retrain.log").open("ab") as log:
        ended = subprocess.run(command, stdout=log, stderr=log, check=False)
    live = folder / "out" / "live"
    if live.is_dir() and (begun := (ledger := trial.settled(live)).trial):
        night = f"{FIRST_DAY + day}T01:00:00+00:00"
        begun = dataclasses.replace(begun, started=night)
        write_ledger(live, dataclasses.replace(ledger, trial=begun))
    return ended.returncode


@contextlib.contextmanager
def _serving(
    out: Path, spans: Path, day: int, time_of_day: str
) -> Iterator[httpx.Client]:
    """Runs ``marquee serve`` at a time of a day, and ends it, which completes its log.

    Args:
        out: Folder of the runs.
        spans: Folder of the spans.
        day: The day, from 0.
        time_of_day: When it starts, such as "12:00:00".
    """
    with socket.socket() as any_free:
        any_free.bind(("127.0.0.1", 0))
        port = any_free.getsockname()[1]
    options = ["--out", str(out), "--port", str(port)]
    options += ["--events", str(spans), "--log-lists", "1"]
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "pipeline", "serve", *options],
            env=_at(day, time_of_day),
            stdout=log,
            stderr=log,
        )
        try:
            with httpx.Client(
                base_url=f"http://127.0.0.1:{port}", timeout=60
            ) as client:
                if not _is_ready(client, process, out):
                    log.seek(0)
                    text = log.read().decode(errors="replace")
                    raise click.ClickException(f"The server: {text[-2000:]}")
                yield client
        finally:
            process.terminate()
            process.wait(END_SECONDS)


def _is_ready(
    client: httpx.Client, process: "subprocess.Popen[bytes]", out: Path
) -> bool:
    """Waits until lists are made, by both versions if one is on trial."""
    in_progress = trial.settled(out / "live").trial
    wanted = (
        f"marquee_version_on_trial {float(in_progress.version)}" if in_progress else ""
    )
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        with contextlib.suppress(httpx.TransportError):
            if client.get("/v1/recommend/u0").status_code == 200 and (
                wanted in client.get("/metrics").text
            ):
                return True
        time.sleep(0.1)
    return False


def _wait_for_decision(out: Path) -> None:
    """Waits until the version on trial, if there is one, is live or withdrawn."""
    end = time.monotonic() + START_SECONDS
    while trial.settled(out / "live").trial and time.monotonic() < end:
        time.sleep(0.1)


def _wait_for_span(spans: Path, day: int) -> None:
    end = time.monotonic() + START_SECONDS
    while not (spans / str(FIRST_DAY + day) / "_SUCCESS").exists():
        if time.monotonic() > end:
            raise click.ClickException(f"{spans} has no span of day {day}.")
        time.sleep(0.1)


def _at(day: int, time_of_day: str) -> dict[str, str]:
    """Returns the environment of a process that starts at a time of a day."""
    found = sorted(Path("/usr/lib").glob(LIBRARY))
    if not found:
        raise click.ClickException("faketime is missing: apt-get install faketime")
    return {
        **os.environ,
        "LD_PRELOAD": str(found[0]),
        "FAKETIME": f"@{FIRST_DAY + day} {time_of_day}",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "TZ": "UTC",
    }


def _seconds_of(day: int) -> int:
    return int((FIRST_DAY + day).astype("datetime64[s]").astype(int))


def draw(days: Sequence[Day], poisoned: int | None, path: Path) -> None:
    """Draws the satisfaction with each policy over the days."""
    figure, axes = plt.subplots(figsize=(8, 4.5))
    for name in (RETRAINED, FROZEN, POPULARITY):
        means = [np.mean(day.satisfaction[name]) for day in days]
        axes.plot([day.number for day in days], means, label=name)
    for day in days:
        for step in day.steps:
            version, to = step.split()
            if to != "trial":
                mark = {"live": "^", "withdrawn": "x"}[to]
                height = np.mean(day.satisfaction[RETRAINED])
                axes.plot(day.number, height, mark, color="black", label=None)
                axes.annotate(f"{version} {to}", (day.number, height), fontsize=7)
    if poisoned is not None:
        axes.axvline(poisoned, color="grey", linestyle=":")
        axes.annotate("poisoned", (poisoned, axes.get_ylim()[0]), fontsize=7)
    axes.set_xlabel("day")
    axes.set_ylabel("items of a list that are followed, expected")
    axes.legend()
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})


@click.command()
@click.option("--days", "num_days", default=30, show_default=True)
@click.option("--poisoned", default=12, show_default=True, help="Number of the day.")
@click.option("--bad", default=20, show_default=True, help="Day of bad settings.")
@click.option("--chart", type=click.Path(path_type=Path), help="SVG file to write.")
def main(num_days: int, poisoned: int, bad: int, chart: Path | None) -> None:
    """Show the loop, day by day."""
    days = []
    with tempfile.TemporaryDirectory() as folder:
        for day in play(Path(folder), num_days, poisoned, bad):
            days.append(day)
            means = "  ".join(
                f"{name} {np.mean(each):.3f}" for name, each in day.satisfaction.items()
            )
            steps = ", ".join(day.steps) or "-"
            console.print(
                f"day {day.number:2}: {means}  live {day.version}  trials: {steps}  "
                f"retrain: {day.retrained}"
            )
    if chart:
        draw(days, poisoned, chart)


if __name__ == "__main__":
    main()
