"""``make bench-serve``: latency of ``marquee serve``, across a switch and in a flood.

The server and the clients are separate processes on the same cores.
"""

import base64
import contextlib
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
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click
import psutil
import tensorflow as tf

from benchmarks import serving_clients
from benchmarks.figures import Figure, console, machine, print_figures, write_docs
from benchmarks.processes import marquee, resident_bytes
from components.live_models import push, rollback, versions
from pipeline.runs.collect import find_live
from pipeline.serving.settings import ServingSettings

START_SECONDS = 120.0
WARM_SECONDS = 5.0
CAPACITY_SECONDS = 10.0
FLOOD_RATE = 100.0  # requests per second: the flood takes its share of the same cores
MEGABYTE = 1 << 20


@dataclass(frozen=True)
class Server:
    """A running ``marquee serve``.

    Attributes:
        process: Process of the server.
        port: Port at which it listens.
        users: File with the IDs of the users in the training data, one per line.
    """

    process: "subprocess.Popen[bytes]"
    port: int
    users: Path

    @property
    def cpu_seconds(self) -> float:
        """CPU time that the server has used, without the model's process."""
        return sum(psutil.Process(self.process.pid).cpu_times()[:2])

    @property
    def model_cpu_seconds(self) -> float:
        """CPU time that the running processes of models have used."""
        children = psutil.Process(self.process.pid).children(recursive=True)
        return sum(sum(child.cpu_times()[:2]) for child in children)

    @property
    def resident_megabytes(self) -> float:
        """Memory of the server and the model's process."""
        return resident_bytes(self.process.pid) / MEGABYTE


@contextlib.contextmanager
def serving(out: Path, users: Path, *options: str) -> Iterator[Server]:
    """Runs ``marquee serve`` on a free port until the block ends.

    Args:
        out: Folder of the runs.
        users: File with the IDs of users, one per line.
        options: More options of the command.

    Raises:
        click.ClickException: If it does not answer within two minutes.
    """
    with socket.socket() as any_free:
        any_free.bind(("127.0.0.1", 0))
        port = any_free.getsockname()[1]
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "pipeline", "serve"]
            + ["--out", str(out), "--port", str(port), *options],
            stdout=log,
            stderr=log,
        )
        try:
            if not _answers(process, port):
                log.seek(0)
                text = log.read().decode(errors="replace")
                raise click.ClickException(f"The server did not start:\n{text[-2000:]}")
            yield Server(process, port, users)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)


def _answers(process: "subprocess.Popen[bytes]", port: int) -> bool:
    """Waits until the server returns lists; False if it ends or takes too long."""
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until and process.poll() is None:
        with contextlib.suppress(urllib.error.URLError, ConnectionError):
            for path in ("/healthz", "/v1/recommend/1"):
                urllib.request.urlopen(f"http://127.0.0.1:{port}{path}").close()
            return True
        time.sleep(0.2)
    return False


def measure_switch(
    server: Server, live: Path, seconds: float, rate: float
) -> list[Figure]:
    """Measures lists while a version is pushed, and another while it is rolled back."""
    first = _live_version(live)
    resident, load = server.resident_megabytes, os.getloadavg()[0]
    cpu_before = server.cpu_seconds
    result = serving_clients.start(server.port, server.users, seconds, rate)
    time.sleep(seconds / 3)
    push.push(first.folder, live, keep=10)
    time.sleep(seconds / 3)
    rollback.roll_back(live, first.number)
    measured = result()
    cpu = server.cpu_seconds - cpu_before
    _print_errors(measured)
    count = len(measured.milliseconds)
    return [
        Figure(
            "requests a second, sent by the clock", count / measured.seconds, "", 600
        ),
        Figure("median", measured.percentile(50), "ms"),
        Figure("95th percentile", measured.percentile(95), "ms"),
        Figure("99th percentile", measured.percentile(99), "ms", at_most=50),
        Figure("99.9th percentile", measured.percentile(99.9), "ms"),
        Figure("longest", measured.percentile(100), "ms"),
        Figure("requests", count),
        Figure("errors", len(measured.errors), at_most=0),
        Figure("versions that answered", len(measured.versions), at_least=3),
        Figure("load of the machine before", load),
        Figure("CPU time of the server per request", 1000 * cpu / count, "ms"),
        Figure(
            "CPU time of the client per request",
            1000 * measured.cpu_seconds / count,
            "ms",
        ),
        Figure("resident, one version", resident, "MB"),
        Figure("resident, after two switches", server.resident_megabytes, "MB"),
    ]


def measure_capacity(server: Server) -> list[Figure]:
    """Measures the most requests per second of clients that wait for each response."""
    cpu_before, model_before = server.cpu_seconds, server.model_cpu_seconds
    measured = serving_clients.start(
        server.port, server.users, CAPACITY_SECONDS, rate=None
    )()
    _print_errors(measured)
    count, clients = len(measured.milliseconds), serving_clients.CAPACITY_CONNECTIONS
    cpu_seconds = {
        "server": server.cpu_seconds - cpu_before,
        "model's process": server.model_cpu_seconds - model_before,
        "clients": measured.cpu_seconds,
    }
    return [
        Figure(
            f"most requests a second, {clients} clients that wait for responses",
            count / measured.seconds,
        ),
        Figure("their 99th percentile", measured.percentile(99), "ms"),
        Figure("their errors", len(measured.errors), at_most=0),
        *(
            Figure(f"their CPU time per request, {name}", 1000 * cpu / count, "ms")
            for name, cpu in cpu_seconds.items()
        ),
    ]


def measure_flood(server: Server, seconds: float, rate: float) -> list[Figure]:
    """Measures lists alone, and beside clients that flood with large requests."""
    floods = {
        "alone": [],
        "beside refused": refused_bodies(),
        "beside the largest": accepted_bodies(),
    }
    return [
        figure
        for name, bodies in floods.items()
        for figure in _measure_beside(server, seconds, rate, name, bodies)
    ]


def _measure_beside(
    server: Server, seconds: float, rate: float, name: str, bodies: list[bytes]
) -> list[Figure]:
    resident, cpu_before = server.resident_megabytes, server.cpu_seconds
    with serving_clients.flood(server.port, bodies) as flood:
        load = os.getloadavg()[0]
        measured = serving_clients.start(server.port, server.users, seconds, rate)()
        growth = server.resident_megabytes - resident
    cpu = server.cpu_seconds - cpu_before
    _print_errors(measured)
    return [
        Figure(f"{name}: median", measured.percentile(50), "ms"),
        Figure(f"{name}: 99th percentile", measured.percentile(99), "ms"),
        Figure(f"{name}: errors", len(measured.errors), at_most=0),
        Figure(f"{name}: load of the machine before", load),
        *(
            Figure(f"{name}: {status} a second", count / flood.seconds)
            for status, count in sorted(flood.statuses.items())
        ),
        Figure(f"{name}: CPU of the server", 100 * cpu / flood.seconds, "%"),
        Figure(f"{name}: growth of memory", growth, "MB"),
    ]


def refused_bodies() -> list[bytes]:
    """Returns 20,000 users, and an Example of 20,000 candidates beside 31 of one."""
    return [_recommend_body(20_000, 10), _predict_body([20_000] + 31 * [1])]


def accepted_bodies() -> list[bytes]:
    """Returns the largest requests within the server's bound on rows times items."""
    limits = ServingSettings()
    rows = limits.max_rows
    length = limits.max_items // limits.max_batch
    return [
        _recommend_body(rows, limits.max_items // rows),
        _predict_body(limits.max_batch * [length]),
    ]


def _recommend_body(rows: int, k: int) -> bytes:
    """Returns a request for the lists of users without ID, history or features."""
    num_short = min(rows, ServingSettings().max_rows)  # the first input is refused
    inputs = {
        "user_id": [""] * rows,
        "history_item_id": [[]] * rows,
        "history_rating": [[]] * num_short,
        "user_features": [[]] * num_short,
        "k": k,
    }
    return _json({"signature_name": "recommend", "inputs": inputs})


def _predict_body(lengths: list[int]) -> bytes:
    """Returns a request for the scores of Examples with so many candidates each."""
    instances = []
    for length in lengths:
        example = tf.train.Example()
        values = example.features.feature["candidate_item_id"].bytes_list.value
        values.extend(b"%d" % (1 + number % 3000) for number in range(length))
        instances.append(
            {"b64": base64.b64encode(example.SerializeToString()).decode()}
        )
    return _json({"instances": instances})


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _print_errors(measured: serving_clients.Measured) -> None:
    for error in measured.errors[:3]:
        console.print(error)


def _live_version(live: Path) -> versions.Version:
    version = versions.live(live)
    if version is None:
        raise click.ClickException(f"No model is live in {live}")
    return version


PARTS = ("switch", "capacity", "flood")


def measure(
    out: Path, parts: tuple[str, ...], seconds: float, rate: float
) -> dict[str, list[Figure]]:
    """Measures the parts on one server, in this order; returns figures by table."""
    live = out / "live"
    users = _live_version(live).folder / "assets" / "user_id"
    tables: dict[str, list[Figure]] = {"serving": [], "serving-flood": []}
    with serving(out, users) as server:
        serving_clients.start(server.port, users, WARM_SECONDS, rate)()
        if "switch" in parts:
            tables["serving"] += measure_switch(server, live, seconds, rate)
        if "capacity" in parts:
            tables["serving"] += measure_capacity(server)
        if "flood" in parts:
            tables["serving-flood"] += measure_flood(server, seconds / 2, FLOOD_RATE)
    return {name: figures for name, figures in tables.items() if figures}


@click.command()
@click.argument("parts", nargs=-1, type=click.Choice(PARTS))
@click.option("--data", default="ml-1m", show_default=True, help="As in marquee run.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, exists=True),
    help="Folder whose live model is measured instead of that of a new run. It gets "
    "two more versions.",
)
@click.option("--seconds", default=60.0, show_default=True)
@click.option("--rate", default=610.0, show_default=True, help="Requests per second.")
@click.option("--write", is_flag=True, help="Write the tables to docs/benchmarks.md.")
def main(
    parts: tuple[str, ...],
    data: str,
    out: Path | None,
    seconds: float,
    rate: float,
    write: bool,
) -> None:
    """Measures the server on the live model of a run on DATA."""
    before = machine()
    with tempfile.TemporaryDirectory(prefix="marquee-bench-") as folder:
        if out is None:
            out = Path(folder, "out")
            marquee(out, data, "popularity,mf_als")
        name = find_live(out / "live").model
        console.print(f"{name}, load {before['load_average']:.1f} at the start")
        tables = measure(out, parts or PARTS, seconds, rate)
    for table, figures in tables.items():
        print_figures(figures)
        if write:
            write_docs(table, figures, before, "make bench-serve")


if __name__ == "__main__":
    main()
