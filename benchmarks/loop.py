"""``make demo-loop``: a population uses the server, which learns from it every night.

Each user of a simulated population requests a list over HTTP every day and follows some
of its items, which the server receives as events. Every night, ``marquee retrain``
takes the day in, and what passes the gate goes on trial. ``faketime`` gives each day
its date. Two other policies serve copies of the population: popularity, and the first
model, never retrained. On one day, bots copy people and add the worst items; in another
night, a model with bad settings is trained.
"""

import contextlib
import dataclasses
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import click
import numpy as np
from rich.console import Console

from benchmarks.loop_chart import draw
from benchmarks.loop_people import (
    FROZEN,
    POPULARITY,
    RETRAINED,
    bots_of,
    live_through,
    write_first_spans,
)
from benchmarks.loop_server import FIRST_DAY, Clock, Server, seconds_of
from benchmarks.loop_world import WINDOW, Population, truths
from components.live_models import trial, versions
from components.live_models.version_ledger import write_ledger
from pipeline import exit_codes
from pipeline.retraining.spans import TakenIn
from pipeline.runs import finished_runs

BEFORE = 21  # days on which no list is shown
SETTINGS = (
    "label.threshold=all",
    f"retrain.window={WINDOW} days",
    "gate.min_users=50",
    # The live model's lists are what people could follow, so that it looks better in
    # the test split than it is: the trial decides, except on what is clearly worse.
    "gate.max_loss=0.03",
    "gate.proven_gain=false",
    "serving.max_latency_ms=10000",
    "delivery.share=0.5",
    "online.attribution_window=1h",
    "delivery.max_days=0.75",
)
PROTECTED = ("delivery.mode=canary",)
UNPROTECTED = ("delivery.mode=at_once", "retrain.drift=warn")
BAD_SETTINGS = ("models.item_knn.num_neighbours=1",)

console = Console(width=110)


@dataclasses.dataclass(frozen=True)
class Day:
    """A day of the loop.

    Attributes:
        number: Number of the day, from 0.
        satisfaction: Policy → satisfaction with its list, float64 of shape (users,).
        steps: Versions that went on trial, went live or were withdrawn, and why.
        live: Number of the live version in the evening.
        status: Exit status of the retraining after it.
        verdict: The result of that retraining.
        held: Spans that have been held back so far.
    """

    number: int
    satisfaction: Mapping[str, np.ndarray]
    steps: Sequence[str]
    live: int
    status: int
    verdict: str
    held: Sequence[str]


def play(
    folder: Path,
    num_days: int,
    poisoned: int | None,
    bad: int | None,
    settings: Sequence[str] = PROTECTED,
) -> Iterator[Day]:
    """Lets the population use the server, and yields each day.

    Args:
        folder: An empty folder.
        num_days: Number of days.
        poisoned: Number of the day on which bots send events; None for never.
        bad: Number of the day after which a model with bad settings is trained; None
            for never.
        settings: Settings of the retraining, besides those of the loop.

    Raises:
        click.ClickException: If the first model cannot be trained, or a server ends.
    """
    days = truths(BEFORE + num_days, BEFORE)
    people = {name: Population(days) for name in (RETRAINED, FROZEN, POPULARITY)}
    spans, out, frozen = folder / "spans", folder / "out", folder / "frozen"
    write_first_spans(spans, people, BEFORE)
    _retrain(folder, BEFORE, "delivery.mode=at_once")
    if versions.live(out / "live") is None:
        text = (folder / "retrain.log").read_text()[-2000:]
        raise click.ClickException(f"The first model is not live: {text}")
    shutil.copytree(out, frozen, symlinks=True)
    clock = Clock(folder / "clock")
    clock.set(seconds_of(BEFORE, 7))
    server = Server(out, spans, clock)
    servers = {RETRAINED: server, FROZEN: Server(frozen, folder / "unread", clock)}
    with contextlib.ExitStack() as stack:
        for each in servers.values():
            each.start()
            stack.callback(each.stop)
        for number in range(num_days):
            day = BEFORE + number
            bots = []
            if number == poisoned:
                bots = bots_of(people[RETRAINED], days[day].follows, day)
            satisfaction = live_through(day, clock, servers, people, bots)
            before = len(trial.settled(out / "live").transitions)
            server.stop()
            clock.set(seconds_of(day, 20))
            server.start()
            server.wait_for_decision()
            live = versions.live_number(out / "live")
            clock.set(seconds_of(day + 1) + 600)
            server.wait_for_span(day)
            bad_ones = BAD_SETTINGS if number == bad else ()
            status = _retrain(folder, day + 1, *settings, *bad_ones)
            server.wait_for_versions()
            yield Day(
                number=number,
                satisfaction=satisfaction,
                steps=[
                    f"{step.version} {step.to}: {step.reason}"
                    for step in trial.settled(out / "live").transitions[before:]
                ],
                live=live,
                status=status,
                verdict=finished_runs.read(out).run.status,
                held=list(TakenIn.read(out).held),
            )


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


def describe(day: Day) -> str:
    """Returns a day as a line."""
    means = "  ".join(
        f"{name} {each.mean():.3f}" for name, each in day.satisfaction.items()
    )
    night = f"retrain: {day.status}"
    if day.status != exit_codes.OK:
        night += f" ({day.verdict})"
    return f"day {day.number:2}: {means}  {', '.join(day.steps) or '-'}  {night}"


def gain(days: Sequence[Day], other: str) -> tuple[float, float]:
    """Returns the gain over another policy, and half of its 99 % interval over users.

    Args:
        days: Some days.
        other: The other policy.
    """
    gains = np.mean(
        [day.satisfaction[RETRAINED] - day.satisfaction[other] for day in days], axis=0
    )
    return gains.mean(), 2.576 * gains.std(ddof=1) / np.sqrt(len(gains))


@click.command()
@click.option("--days", "num_days", default=30, show_default=True)
@click.option("--poisoned", default=12, show_default=True, help="Number of the day.")
@click.option("--bad", default=20, show_default=True, help="Day of bad settings.")
@click.option(
    "--unprotected", is_flag=True, help="No trials, and drift is only reported."
)
@click.option("--chart", type=click.Path(path_type=Path), help="SVG file to write.")
def main(
    num_days: int,
    poisoned: int,
    bad: int,
    unprotected: bool,
    chart: Path | None,
) -> None:
    """Show the loop, day by day."""
    days = []
    settings = UNPROTECTED if unprotected else PROTECTED
    with tempfile.TemporaryDirectory() as folder:
        for day in play(Path(folder), num_days, poisoned, bad, settings):
            days.append(day)
            console.print(describe(day), highlight=False)
    later = days[len(days) // 2 :]
    for other in (FROZEN, POPULARITY):
        mean, half = gain(later, other)
        console.print(
            f"last {len(later)} days, {RETRAINED} against {other}: {mean:+.3f} ± "
            f"{half:.3f} items per list, 99 % interval over users",
            highlight=False,
        )
    if chart:
        draw(days, {"bots": poisoned, "bad settings": bad}, chart)


if __name__ == "__main__":
    main()
