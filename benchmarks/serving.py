"""``make bench-serve``: the speed of ``marquee serve`` across a version switch.

Server and client are separate processes on the same cores. Requests are sent by the
clock, not after the previous answer. A server that stops for a second therefore delays
all requests due in that second, and each counts from when it was due.
"""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import click
import psutil

from benchmarks import serving_client
from benchmarks.figures import Figure, console, machine, print_figures, write_docs
from benchmarks.processes import marquee, resident_bytes
from benchmarks.serving_client import CAPACITY_CONNECTIONS, Answers
from components.live_models import push, rollback, versions
from pipeline.runs.collect import find_live

START_SECONDS = 120.0
CAPACITY_SECONDS = 10.0
MEGABYTE = 1 << 20


def cpu_seconds(pid: int) -> float:
    """Returns the CPU time of a process so far."""
    times = psutil.Process(pid).cpu_times()
    return times.user + times.system


def start_server(out: Path, log: Path) -> tuple["subprocess.Popen[bytes]", int]:
    """Starts ``marquee serve``, and waits until it serves users' lists."""
    with socket.socket() as any_free:
        any_free.bind(("127.0.0.1", 0))
        port = any_free.getsockname()[1]
    with log.open("wb") as file:
        server = subprocess.Popen(
            [sys.executable, "-m", "pipeline", "serve"]
            + ["--out", str(out), "--port", str(port)],
            stdout=file,
            stderr=file,
        )
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until and server.poll() is None:
        for path in ("/healthz", "/v1/recommend/1"):
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}"):
                    pass
            except (urllib.error.URLError, ConnectionError):
                time.sleep(0.2)
                break
        else:
            return server, port
    server.kill()
    raise click.ClickException(f"the server did not start:\n{log.read_text()[-2000:]}")


@dataclass(frozen=True)
class Measured:
    """A server's figures across a version switch.

    Attributes:
        answers: Answers to requests that were sent at the given rate.
        capacity: Answers to as many requests as possible.
        cpu_seconds: CPU time of the server for the first.
        load: Load of the machine before.
        resident_before: Resident memory of the server in bytes, with one version.
        resident_after: The same after two switches.
    """

    answers: Answers
    capacity: Answers
    cpu_seconds: float
    load: float
    resident_before: int
    resident_after: int


def measure(out: Path, seconds: float, rate: float) -> Measured:
    """Requests lists while a version is pushed, and rolled back again."""
    live = out / "live"
    first = versions.live(live)
    if first is None:
        raise click.ClickException(f"no model is live in {out}")
    users = live / str(first.number) / "assets" / "user_id"
    with tempfile.TemporaryDirectory() as folder:
        server, port = start_server(out, Path(folder, "server.log"))
        try:
            serving_client.start(port, users, 5, rate).communicate()  # warms up
            resident = resident_bytes(server.pid)
            load = os.getloadavg()[0]
            cpu_before = cpu_seconds(server.pid)
            client = serving_client.start(port, users, seconds, rate)
            time.sleep(seconds / 3)
            push.push(first.folder, live, keep=10)
            time.sleep(seconds / 3)
            rollback.roll_back(live, first.number)
            answers = serving_client.answers(client)
            cpu = cpu_seconds(server.pid) - cpu_before
            after = resident_bytes(server.pid)
            most = serving_client.start(port, users, CAPACITY_SECONDS, None)
            capacity = serving_client.answers(most)
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(30)
    return Measured(answers, capacity, cpu, load, resident, after)


def figures_of(measured: Measured) -> list[Figure]:
    """Returns the rows of the table."""
    answers, capacity = measured.answers, measured.capacity
    p50, p95, p99, p999, longest = answers.milliseconds
    served = answers.requests / answers.seconds
    server_ms = 1000 * measured.cpu_seconds / answers.requests
    client_ms = 1000 * answers.cpu_seconds / answers.requests
    return [
        Figure("requests a second, sent by the clock", served, "", at_least=300),
        Figure("median", p50, "ms"),
        Figure("95th percentile", p95, "ms"),
        Figure("99th percentile", p99, "ms", at_most=50),
        Figure("99.9th percentile", p999, "ms"),
        Figure("longest", longest, "ms"),
        Figure("requests", answers.requests),
        Figure("errors", len(answers.errors), at_most=0),
        Figure("versions that answered", len(answers.versions), at_least=3),
        Figure("load of the machine before", measured.load),
        Figure("the server's CPU time a request", server_ms, "ms"),
        Figure("the client's", client_ms, "ms"),
        Figure("resident, one version", measured.resident_before / MEGABYTE, "MB"),
        Figure(
            "resident, after two switches", measured.resident_after / MEGABYTE, "MB"
        ),
        Figure(
            f"most a second, {CAPACITY_CONNECTIONS} clients that wait for answers",
            capacity.requests / capacity.seconds,
        ),
        Figure("their 99th percentile", capacity.milliseconds[2], "ms"),
        Figure("their errors", len(capacity.errors), at_most=0),
    ]


@click.command()
@click.option("--data", default="ml-1m", show_default=True, help="As for marquee run.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, exists=True),
    help="Folder of runs with a live model, instead of a new run; gets two versions.",
)
@click.option("--seconds", default=60.0, show_default=True)
@click.option("--rate", default=305.0, show_default=True, help="Requests a second.")
@click.option("--write", is_flag=True, help="Write the table to docs/benchmarks.md.")
def main(data: str, out: Path | None, seconds: float, rate: float, write: bool) -> None:
    """Measure the server with the live model of a run on DATA."""
    before = machine()
    with tempfile.TemporaryDirectory(prefix="marquee-bench-") as folder:
        if out is None:
            out = Path(folder, "out")
            marquee(out, data, "popularity,mf_als")
        name = find_live(out / "live").model
        console.print(f"{name}, load {before['load_average']:.1f} at the start")
        measured = measure(out, seconds, rate)
    for error in measured.answers.errors[:3] + measured.capacity.errors[:3]:
        console.print(error)
    figures = figures_of(measured)
    print_figures(figures)
    if write:
        write_docs("serving", figures, before, "make bench-serve")


if __name__ == "__main__":
    main()
