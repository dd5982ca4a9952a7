"""``marquee serve`` on days of our choice: its clock is moved while it runs."""

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import click
import httpx
import numpy as np

from components.live_models import trial

LIBRARY = "*/faketime/libfaketime.so.1"
# Before the real date: retraining has the real one, and a trial that seems to begin in
# the future is not decided until its begin has been corrected.
FIRST_DAY = np.datetime64("2026-01-05")
WAIT_SECONDS, END_SECONDS = 180, 60


def seconds_of(day: int, hour: int = 0) -> int:
    """Returns the time of an hour of a day, in seconds UTC."""
    return int((FIRST_DAY + day).astype("datetime64[s]").astype(int)) + 3600 * hour


class Clock:
    """The time of servers, which goes on from where it is set."""

    def __init__(self, file: Path):
        """Keeps the time.

        Args:
            file: File with the distance from the real time, which libfaketime reads.

        Raises:
            click.ClickException: If libfaketime is missing.
        """
        found = sorted(Path("/usr/lib").glob(LIBRARY))
        if not found:
            raise click.ClickException("faketime is missing: apt-get install faketime")
        self._file = file
        self.environment = {
            **os.environ,
            "LD_PRELOAD": str(found[0]),
            "FAKETIME_TIMESTAMP_FILE": str(file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "TZ": "UTC",
        }

    def set(self, seconds: int) -> None:
        """Sets the time, in seconds UTC."""
        unfinished = self._file.with_suffix(".unfinished")
        unfinished.write_text(f"{seconds - time.time():+.0f}\n")
        unfinished.replace(self._file)


class Server:
    """A server of a folder of runs, which receives events.

    Attributes:
        client: Client of the server while it runs.
    """

    def __init__(self, out: Path, spans: Path, clock: Clock):
        """Runs nothing yet.

        Args:
            out: Folder of the runs.
            spans: Folder to which the events of each day are written.
            clock: The server's clock.
        """
        self._out, self._spans, self._clock = out, spans, clock
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - open as long as the server

    def start(self) -> None:
        """Starts it.

        Raises:
            click.ClickException: If it does not make lists.
        """
        with socket.socket() as any_free:
            any_free.bind(("127.0.0.1", 0))
            port = any_free.getsockname()[1]
        options = ["--out", str(self._out), "--port", str(port)]
        options += ["--events", str(self._spans), "--log-lists", "1"]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "pipeline", "serve", *options],
            env=self._clock.environment,
            stdout=self._log,
            stderr=self._log,
        )
        address = f"http://127.0.0.1:{port}"
        self.client = httpx.Client(base_url=address, timeout=60)
        self.wait(self._is_ready, "makes no lists")

    def stop(self) -> None:
        """Stops it, which completes its log of lists."""
        self.client.close()
        self._process.terminate()
        self._process.wait(END_SECONDS)

    def send(self, events: Sequence[tuple[str, str]], begin: int, seconds: int) -> None:
        """Sends events of users with items, which happened one after the other.

        Args:
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
            self.client.post("/v1/events", json=body).raise_for_status()

    def wait_for_decision(self) -> None:
        """Waits until the version on trial, if there is one, is live or withdrawn."""
        live = self._out / "live"
        self.wait(lambda: trial.settled(live).trial is None, "decides nothing")

    def wait_for_span(self, day: int) -> None:
        """Waits until the events of a day are in a span."""
        mark = self._spans / str(FIRST_DAY + day) / "_SUCCESS"
        self.wait(mark.exists, f"writes no span of day {day}")

    def wait_for_versions(self) -> None:
        """Waits until it has the live version and the one on trial."""
        self.wait(self._is_ready, "does not load the version on trial")

    def wait(self, is_over: Callable[[], bool], problem: str) -> None:
        """Waits until something has happened.

        Raises:
            click.ClickException: If it does not; with the end of the server's log.
        """
        end = time.monotonic() + WAIT_SECONDS
        while not is_over():
            if time.monotonic() > end or self._process.poll() is not None:
                self._log.seek(0)
                text = self._log.read().decode(errors="replace")
                raise click.ClickException(f"The server {problem}: {text[-2000:]}")
            time.sleep(0.1)

    def _is_ready(self) -> bool:
        ledger = trial.settled(self._out / "live")
        number = float(ledger.trial.version) if ledger.trial else 0.0
        try:
            if self.client.get("/v1/recommend/u0").status_code != 200:
                return False
            metrics = self.client.get("/metrics").text
        except httpx.TransportError:
            return False
        return not ledger.trial or f"marquee_version_on_trial {number}" in metrics
