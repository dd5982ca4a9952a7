"""``make bench-events``: what it costs ``marquee serve`` to record events and lists.

The server and the clients are separate processes on the same cores. Each client waits
for an answer, and so until its events are on disk, before it sends more.
"""

import asyncio
import http.client
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import click
import msgspec
import numpy as np
import pyarrow.parquet as pq

from benchmarks import serving_clients
from benchmarks.figures import Figure, machine, print_figures, write_docs
from benchmarks.processes import marquee
from benchmarks.serving import WARM_SECONDS, Server, serving
from components.live_models import versions
from pipeline.event_log.store import EVENTS_FILE, EventStore
from pipeline.list_log.files import files_of

CLIENTS = 32
SIZES = (1, 20, 100)  # events in a request
NUM_LISTS = 200
ROUNDS = 5


class Sent(msgspec.Struct):
    """What a client sent.

    Attributes:
        seconds: From the first request to the last answer.
        cpu_seconds: CPU time of the client.
        events: Number of acknowledged events.
        milliseconds: Time of each request.
    """

    seconds: float
    cpu_seconds: float
    events: int
    milliseconds: list[float]


async def send(port: int, users: list[str], seconds: float, size: int) -> Sent:
    """Sends new events from ``CLIENTS`` connections.

    Args:
        port: Port of the server.
        users: IDs of users, one of which is drawn for each event.
        seconds: How long new requests are sent.
        size: Number of events in a request.
    """
    milliseconds: list[float] = []
    end = time.perf_counter() + seconds

    async def one(client: int) -> None:
        random = np.random.default_rng(client)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while (begun := time.perf_counter()) < end:
            events = [
                {
                    "event_id": f"{size}-{client}-{begun}-{place}",
                    "user_id": users[random.integers(len(users))],
                    "item_id": str(random.integers(1, 3000)),
                    "rating": 4,
                }
                for place in range(size)
            ]
            body = json.dumps({"events": events} if size > 1 else events[0]).encode()
            writer.write(
                b"POST /v1/events HTTP/1.1\r\nhost: bench\r\n"
                b"content-length: %d\r\n\r\n%b" % (len(body), body)
            )
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
            answer = json.loads(await reader.readexactly(length))
            if answer["accepted"] != size:
                raise click.ClickException(str(answer))
            milliseconds.append(1000 * (time.perf_counter() - begun))
        writer.close()

    started, cpu_before = time.perf_counter(), time.process_time()
    await asyncio.gather(*map(one, range(CLIENTS)))
    return Sent(
        time.perf_counter() - started,
        time.process_time() - cpu_before,
        len(milliseconds) * size,
        milliseconds,
    )


def _sent(server: Server, seconds: float, size: int) -> Sent:
    """Sends from a process of its own."""
    arguments = [str(server.port), str(server.users), str(seconds), str(size)]
    client = subprocess.run(
        [sys.executable, "-m", "benchmarks.events", "--client", *arguments],
        stdout=subprocess.PIPE,
        check=True,
    )
    return msgspec.json.decode(client.stdout, type=Sent)


def measure_rate(server: Server, seconds: float, size: int) -> list[Figure]:
    """Measures how many events are written in requests of some size."""
    cpu_before = server.cpu_seconds
    sent = _sent(server, seconds, size)
    cpu = server.cpu_seconds - cpu_before
    name = f"{size} in a request"
    return [
        Figure(f"{name}: events a second", sent.events / sent.seconds, at_least=2000),
        Figure(f"{name}: 99th percentile", np.percentile(sent.milliseconds, 99), "ms"),
        Figure(f"{name}: CPU of the server", 1e6 * cpu / sent.events, "µs an event"),
        Figure(
            f"{name}: CPU of the clients", 1e6 * sent.cpu_seconds / sent.events, "µs"
        ),
    ]


def measure_delay(server: Server) -> list[Figure]:
    """Measures the time from an event to the answer with a list that has it."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port)

    def ask(method: str, path: str, body: str | None = None) -> Any:
        connection.request(method, path, body)
        return json.loads(connection.getresponse().read())

    milliseconds = []
    for number in range(NUM_LISTS):
        user = f"bench-{number % 20}"
        [first] = ask("GET", f"/v1/recommend/{user}?k=1")["items"]
        event = {"event_id": f"delay-{number}", "user_id": user, "rating": 4}
        begun = time.perf_counter()
        ask("POST", "/v1/events", json.dumps(event | {"item_id": first["item_id"]}))
        [then] = ask("GET", f"/v1/recommend/{user}?k=1")["items"]
        milliseconds.append(1000 * (time.perf_counter() - begun))
        if then["item_id"] == first["item_id"]:
            raise click.ClickException(f"{then} was rated, and is listed again")
    return [
        Figure("from an event to the next list: median", np.median(milliseconds), "ms"),
        Figure(
            "from an event to the next list: longest",
            max(milliseconds),
            "ms",
            at_most=50,
        ),
    ]


def measure_cost(out: Path, users: Path, spans: Path, seconds: float) -> list[Figure]:
    """Compares the requests per second of a server that records with one that does not.

    The two take turns, so that other work on the machine slows both down.
    """
    options = {"plain": (), "recording": ("--events", str(spans), "--log-lists", "1")}
    rates: dict[str, list[float]] = {name: [] for name in options}
    cpu: dict[str, list[float]] = {name: [] for name in options}
    for _ in range(ROUNDS):
        for name, more in options.items():
            with serving(out, users, *more) as server:
                serving_clients.start(server.port, users, WARM_SECONDS, None)()
                before = server.cpu_seconds + server.model_cpu_seconds
                sent = serving_clients.start(server.port, users, seconds, None)()
                used = server.cpu_seconds + server.model_cpu_seconds - before
            if sent.errors:
                raise click.ClickException(sent.errors[0])
            rates[name].append(len(sent.milliseconds) / sent.seconds)
            cpu[name].append(1000 * used / len(sent.milliseconds))
    plain, recording = (statistics.median(rates[name]) for name in options)
    plain_cpu, recording_cpu = (statistics.median(cpu[name]) for name in options)
    ratios = [r / p for p, r in zip(*rates.values(), strict=True)]
    pages = sum(pq.read_metadata(path).num_rows for path in files_of(out))
    size = sum(path.stat().st_size for path in files_of(out))
    return [
        Figure("lists a second, without a log", plain),
        Figure("lists a second, all of them logged, with --events", recording),
        Figure(
            f"ratio, median of {ROUNDS} rounds",
            statistics.median(ratios),
            "×",
            at_least=0.9,
        ),
        Figure("CPU time of a list, without a log", plain_cpu, "ms"),
        Figure("CPU time of a list, logged", recording_cpu, "ms"),
        Figure("the log", size / pages, "bytes a list"),
    ]


@click.command()
@click.option("--data", default="ml-1m", show_default=True, help="As in marquee run.")
@click.option("--seconds", default=15.0, show_default=True)
@click.option("--write", is_flag=True, help="Write the table to docs/benchmarks.md.")
@click.option("--client", nargs=4, hidden=True, type=str)
def main(data: str, seconds: float, write: bool, client: tuple[str, ...]) -> None:
    """Measures on the live model of a run on DATA."""
    if client:
        port, users, duration, size = client
        names = Path(users).read_text().split()
        sent = asyncio.run(send(int(port), names, float(duration), int(size)))
        print(msgspec.json.encode(sent).decode())
        return
    before = machine()
    with tempfile.TemporaryDirectory(prefix="marquee-bench-") as folder:
        out = Path(folder, "out")
        marquee(out, data, "popularity,mf_als")
        live = versions.live(out / "live")
        if live is None:
            raise click.ClickException("no model passed")
        file = live.folder / "assets" / "user_id"
        with serving(out, file, "--events", str(Path(folder, "spans"))) as server:
            figures = measure_delay(server)
            for size in SIZES:
                figures += measure_rate(server, seconds, size)
            resident = server.resident_megabytes
        store = EventStore(out)
        bytes_per_event = store.path.stat().st_size / store.count()
        store.close()
        for path in out.glob(f"{EVENTS_FILE}*"):  # users do not have so many
            path.unlink()
        cost = measure_cost(out, file, Path(folder, "spans"), seconds)
    figures += [
        Figure("the store", bytes_per_event, "bytes an event"),
        Figure("resident", resident, "MB"),
        *cost,
    ]
    print_figures(figures)
    if write:
        write_docs("events", figures, before, "make bench-events")


if __name__ == "__main__":
    main()
