"""Measures and simulates runs whose steps run side by side.

``measure`` runs ``marquee run`` with one and with several jobs in turn, each on an
empty folder, and prints seconds of the clock and of the processors. ``simulate`` reads
a ``run.json`` and replays its steps on more cores, in the order of the local runner.
"""

import os
import subprocess
import tempfile
import time
from pathlib import Path

import click
import msgspec

from benchmarks.figures import GIGABYTE
from benchmarks.processes import (
    MARQUEE,
    SECONDS_BETWEEN_SAMPLES,
    adopt_orphans,
    cpu_seconds,
    resident_bytes,
    wait_for_orphans,
)
from pipeline.config.sections import PipelineConfig
from pipeline.plan.makespan import makespan
from pipeline.plan.planned import steps_before
from pipeline.runs import finished_runs
from pipeline.runs.status import Status


@click.group()
def main() -> None:
    """Measures and simulates runs whose steps run side by side."""


@main.command()
@click.option("--data", default="sample", show_default=True)
@click.option("--models", default="popularity,mf_als,neumf", show_default=True)
@click.option("--jobs", type=int, multiple=True, default=(1, 2), show_default=True)
@click.option("--rounds", default=1, show_default=True)
def measure(data: str, models: str, jobs: tuple[int, ...], rounds: int) -> None:
    """Runs with each number of jobs in turn."""
    adopt_orphans()
    click.echo(f"{data}, {models}, load {os.getloadavg()[0]:.1f} at the start")
    click.echo(f"{'jobs':>4} {'seconds':>8} {'CPU':>8} {'busy':>5} {'peak GB':>8}")
    for _ in range(rounds):
        for number in jobs:
            with tempfile.TemporaryDirectory() as out:
                seconds, cpu, peak = _measured_run(data, models, number, out)
            click.echo(
                f"{number:>4} {seconds:>8.1f} {cpu:>8.1f} {cpu / seconds:>5.2f}"
                f" {peak / GIGABYTE:>8.2f}"
            )


def _measured_run(
    data: str, models: str, jobs: int, out: str
) -> tuple[float, float, int]:
    """Returns the seconds of the clock and of the processors, and the peak memory."""
    before, started, peak = cpu_seconds(), time.monotonic(), 0
    options = ["--data", data, "--models", models, "--jobs", str(jobs), "--out", out]
    with tempfile.TemporaryFile("w+") as output:
        run = subprocess.Popen(
            [str(MARQUEE), "run", *options], stdout=output, stderr=output
        )
        while run.poll() is None:
            peak = max(peak, resident_bytes(run.pid))
            time.sleep(SECONDS_BETWEEN_SAMPLES)
        seconds = time.monotonic() - started
        output.seek(0)
        if run.returncode not in (0, Status.REFUSED.exit_status):
            raise click.ClickException(output.read()[-3000:])
    wait_for_orphans()
    return seconds, cpu_seconds() - before, peak


@main.command()
@click.option("--out", type=click.Path(path_type=Path), default="marquee-out")
@click.option("--cores", type=int, multiple=True, default=(1, 2, 4, 8, 16))
def simulate(out: Path, cores: tuple[int, ...]) -> None:
    """Replays the steps of the newest run below a folder on more cores.

    Each step takes the seconds that were recorded, and a core: a step that used several
    cores when it ran alone is slower beside others, so that this is an upper bound of
    the speed-up. A run from an empty folder is needed, as cached steps take no time.
    """
    record = finished_runs.read(out)
    seconds = {step.name: step.seconds for step in record.steps}
    before = steps_before(msgspec.convert(record.config, PipelineConfig))
    total, path = sum(seconds.values()), makespan(seconds, before, len(seconds))
    click.echo(f"{len(seconds)} steps, {total:.0f} s; longest path {path:.0f} s")
    for number in cores:
        span = makespan(seconds, before, number)
        click.echo(f"{number:>3} at once: {span:>6.0f} s, {total / span:.2f} times")


if __name__ == "__main__":
    main()
