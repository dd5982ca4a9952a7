"""``make bench-serve``: the speed of ``marquee serve``, across a version switch.

Server and client are processes of their own on the same cores. Requests are sent by the
clock, not when the last answer came: a server that stands still for a second is late
for all that should have been sent meanwhile, and each counts from when it was due.
"""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

import click
import numpy as np
import psutil

from benchmarks.pipeline import (
    Figure,
    console,
    machine,
    marquee,
    print_figures,
    resident_bytes,
    write_docs,
)
from components.live_models import push, rollback, versions
from pipeline.runs import execute

START_SECONDS = 120.0
CONNECTIONS = 64
CAPACITY_CONNECTIONS = 32
CAPACITY_SECONDS = 10.0
MEGABYTE = 1 << 20


# ---- The client, a process of its own.


class Connection:
    """One connection that is kept open."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter):
        self._reader, self._writer = reader, writer

    async def get(self, path: str) -> tuple[int, bytes]:
        """Status and body of an answer."""
        self._writer.write(f"GET {path} HTTP/1.1\r\nhost: bench\r\n\r\n".encode())
        head = await self._reader.readuntil(b"\r\n\r\n")
        lines = head.lower().split(b"\r\n")
        [length] = [line[15:] for line in lines if line.startswith(b"content-length:")]
        return int(lines[0].split()[1]), await self._reader.readexactly(int(length))


async def ask(
    port: int, users: list[str], seconds: float, rate: float | None
) -> dict[str, object]:
    """Asks for users' lists, and tells how that went.

    Args:
        port: Of the server.
        users: Of whom one is drawn for each request.
        seconds: For how long.
        rate: Requests a second; None sends each as soon as a connection is free.
    """
    random = np.random.default_rng(2017)
    free: asyncio.Queue[Connection] = asyncio.Queue()
    for _ in range(CONNECTIONS if rate else CAPACITY_CONNECTIONS):
        free.put_nowait(Connection(*await asyncio.open_connection("127.0.0.1", port)))
    latencies: list[float] = []
    versions_seen: dict[int, int] = {}
    errors: list[str] = []

    async def one(due: float, user: str) -> None:
        connection = await free.get()
        try:
            status, body = await connection.get(f"/v1/recommend/{user}?k=10")
            told = json.loads(body)
            if status != 200 or len(told["items"]) != 10:
                raise ValueError(f"{status} {body[:200]!r}")
            seen = told["version"]
            versions_seen[seen] = versions_seen.get(seen, 0) + 1
        except (OSError, EOFError, ValueError, KeyError) as error:
            errors.append(repr(error))
        latencies.append(time.perf_counter() - due)
        free.put_nowait(connection)

    started, cpu_before = time.perf_counter(), time.process_time()
    waiting: set[asyncio.Task[None]] = set()
    num_sent = 0
    while (now := time.perf_counter()) < started + seconds:
        due = started + num_sent / rate if rate else now
        if rate and due > now:
            await asyncio.sleep(due - now)
        elif not rate and len(waiting) >= CAPACITY_CONNECTIONS:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            continue
        task = asyncio.create_task(one(due, users[random.integers(len(users))]))
        waiting.add(task)
        task.add_done_callback(waiting.discard)
        num_sent += 1
    if waiting:
        await asyncio.wait(waiting)
    took = time.perf_counter() - started
    return {
        "requests": len(latencies),
        "seconds": took,
        "errors": errors,
        "versions": versions_seen,
        "cpu_seconds": time.process_time() - cpu_before,
        "milliseconds": [
            1000 * q for q in np.percentile(latencies, [50, 95, 99, 99.9, 100])
        ],
    }


def start_client(
    port: int, users: Path, seconds: float, rate: float | None
) -> "subprocess.Popen[str]":
    """Starts a process that asks, and prints what ``ask`` tells."""
    arguments = [str(port), str(users), str(seconds), str(rate or 0)]
    return subprocess.Popen(
        [sys.executable, "-m", "benchmarks.serving", "--client", *arguments],
        stdout=subprocess.PIPE,
        text=True,
    )


# ---- The server.


def cpu_seconds(pid: int) -> float:
    """That a process has used so far."""
    times = psutil.Process(pid).cpu_times()
    return times.user + times.system


def start_server(out: Path, log: Path) -> tuple["subprocess.Popen[bytes]", int]:
    """Starts ``marquee serve``, and waits until it answers for users."""
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


def measure(out: Path, seconds: float, rate: float) -> list[Figure]:
    """Asks for lists while a version is pushed, and another while it is taken back."""
    live = out / "live"
    first = versions.live(live)
    if first is None:
        raise click.ClickException(f"no model is live in {out}")
    users = out / "live" / str(first.number) / "assets" / "user_id"
    with tempfile.TemporaryDirectory() as folder:
        server, port = start_server(out, Path(folder, "server.log"))
        try:
            warm = start_client(port, users, 5, rate)
            warm.communicate()
            resident = resident_bytes(server.pid)
            load = os.getloadavg()[0]
            cpu_before = cpu_seconds(server.pid)
            asking = start_client(port, users, seconds, rate)
            time.sleep(seconds / 3)
            push.push(first.folder, live, keep=10)
            time.sleep(seconds / 3)
            rollback.roll_back(live, first.number)
            told = json.loads(asking.communicate()[0])
            cpu = cpu_seconds(server.pid) - cpu_before
            after = resident_bytes(server.pid)
            most = start_client(port, users, CAPACITY_SECONDS, None)
            capacity = json.loads(most.communicate()[0])
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(30)
    for error in told["errors"][:3] + capacity["errors"][:3]:
        console.print(error)
    p50, p95, p99, p999, longest = told["milliseconds"]
    served = told["requests"] / told["seconds"]
    return [
        Figure("requests a second, sent by the clock", served, "", at_least=300),
        Figure("median", p50, "ms"),
        Figure("95th percentile", p95, "ms"),
        Figure("99th percentile", p99, "ms", at_most=50),
        Figure("99.9th percentile", p999, "ms"),
        Figure("longest", longest, "ms"),
        Figure("requests", told["requests"]),
        Figure("errors", len(told["errors"]), at_most=0),
        Figure("versions that answered", len(told["versions"]), at_least=3),
        Figure("load of the machine before", load),
        Figure("the server's CPU time a request", 1000 * cpu / told["requests"], "ms"),
        Figure("the client's", 1000 * told["cpu_seconds"] / told["requests"], "ms"),
        Figure("resident, one version", resident / MEGABYTE, "MB"),
        Figure("resident, after two switches", after / MEGABYTE, "MB"),
        Figure(
            f"most a second, {CAPACITY_CONNECTIONS} clients that wait for answers",
            capacity["requests"] / capacity["seconds"],
        ),
        Figure("their 99th percentile", capacity["milliseconds"][2], "ms"),
        Figure("their errors", len(capacity["errors"]), at_most=0),
    ]


@click.command()
@click.option("--data", default="ml-1m", show_default=True, help="As marquee run's.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, exists=True),
    help="A folder whose live model is asked, rather than run; gets two versions.",
)
@click.option("--seconds", default=60.0, show_default=True)
@click.option("--rate", default=305.0, show_default=True, help="Requests a second.")
@click.option("--write", is_flag=True, help="Writes the table to docs/benchmarks.md.")
@click.option("--client", nargs=4, hidden=True, type=str)
def main(
    data: str,
    out: Path | None,
    seconds: float,
    rate: float,
    write: bool,
    client: tuple[str, str, str, str] | None,
) -> None:
    """Measures the server over the live model of a run on DATA."""
    if client:
        port, users, client_seconds, client_rate = client
        names = Path(users).read_text().split()
        asked = ask(int(port), names, float(client_seconds), float(client_rate) or None)
        print(json.dumps(asyncio.run(asked)))
        return
    before = machine()
    with tempfile.TemporaryDirectory(prefix="marquee-bench-") as folder:
        if out is None:
            out = Path(folder, "out")
            marquee(out, data, "popularity,mf_als")
        name = execute.live(out / "live")["model"]
        console.print(f"{name}, load {before['load_average']:.1f} at the start")
        figures = measure(out, seconds, rate)
    print_figures(figures)
    if write:
        write_docs("serving", figures, before, "make bench-serve")


if __name__ == "__main__":
    main()
