"""A server whose disk is full or read-only, or whose clock jumps, while it records."""

import contextlib
import shutil
import subprocess
import time

import pyarrow.parquet as pq
import pytest

from components.live_models import push
from pipeline.event_log.store import EventStore
from tests.reliability.test_killed_server import days_later
from tests.support.ruled_model import RATED, save_ruled, write_data
from tests.support.server import metric, serving, until

pytestmark = [pytest.mark.reliability, pytest.mark.timeout(1200)]
MOST = 5000  # requests until something is expected to have happened


@pytest.fixture
def disk(as_root, tmp_path):
    """Mounts a disk of 6 MB in memory."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=6m", "none", folder]
    mounted = subprocess.run(mount, stderr=subprocess.PIPE, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"nothing can be mounted here: {mounted.stderr}")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=False)


@pytest.fixture
def out(tmp_path):
    """Returns a function that makes a folder of runs, whose server logs elsewhere."""

    def make(folder):
        out = folder / "out"
        save_ruled(tmp_path / "model", 1)
        write_data(out, RATED, 9)
        push.push(tmp_path / "model", out / "live", keep=9)
        (out / "server.log").symlink_to(tmp_path / "server.log")
        return out

    return make


@contextlib.contextmanager
def recording(out, **options):
    """Runs a server that records everything."""
    spans = out.parent / "spans"
    with serving(out, "--events", str(spans), "--log-lists", "1", **options) as client:
        until(client, "/v1/recommend/ann")
        yield client


class Sent:
    """What a client has sent.

    Attributes:
        accepted: IDs of the acknowledged events.
        refused: IDs of the refused events.
        lists: Number of answered lists.
    """

    def __init__(self, client, prefix):
        self._client, self._prefix = client, prefix
        self.accepted, self.refused, self.lists = [], [], 0

    def event(self):
        """Sends an event; returns the answer."""
        name = f"{self._prefix}{len(self.accepted) + len(self.refused)}"
        event = {"event_id": name, "user_id": "ann", "item_id": "1", "rating": 4}
        answer = self._client.post("/v1/events", json=event)
        assert answer.status_code in (200, 503), answer.text
        (self.accepted if answer.is_success else self.refused).append(name)
        return answer

    def list(self):
        """Requests a list, which must be answered."""
        assert self._client.get("/v1/recommend/cal?k=5").status_code == 200
        self.lists += 1


def fill(disk):
    """Fills a disk; returns the file that takes up the space."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(65_536))
    assert shutil.disk_usage(disk).free == 0
    return filler


def kept(out):
    """Returns the IDs of the events in the store."""
    with contextlib.closing(EventStore(out)) as store:
        return {row.event_id for row in store.of("ann", 0)}


def logged(out):
    """Returns the number of lists in complete files."""
    paths = out.glob("lists/lists-*.parquet")
    return sum(pq.read_metadata(path).num_rows for path in paths)


def test_a_full_disk_refuses_events_loses_none_and_recording_goes_on(disk, out):
    out = out(disk)
    with recording(out) as client:
        before = Sent(client, "before ")
        for _ in range(20):
            before.event()
            before.list()
        assert not before.refused
        filler = fill(disk)
        full = Sent(client, "full ")
        for _ in range(MOST):  # there is room in the files that exist already
            answer = full.event()
            full.list()
            lost = metric(client, "marquee_lists_not_logged_total")
            if len(full.refused) > 20 and lost:
                break
        assert "send them again later" in answer.json()["error"]
        assert lost > 0
        assert client.get("/healthz").status_code == 200
        assert metric(client, "marquee_event_failures_total") > 0
        filler.unlink()
        after = Sent(client, "after ")
        for name in full.refused:  # a client sends them again
            event = {"event_id": name, "user_id": "ann", "item_id": "1", "rating": 4}
            assert client.post("/v1/events", json=event).json()["accepted"] == 1
        for _ in range(20):
            after.event()
            after.list()
        assert not after.refused
        lost = metric(client, "marquee_lists_not_logged_total")
        log = client.log.read_text()
    sent = (before, full, after)
    assert kept(out) == {name for each in sent for name in each.accepted} | set(
        full.refused
    )
    # One list more: that for which the start of the server waited.
    assert logged(out) + lost == 1 + sum(each.lists for each in sent)
    assert logged(out) >= after.lists
    assert log.count("events cannot be written") < 5
    assert "lists cannot be logged" in log


def test_a_read_only_disk_is_named_at_the_start_and_lists_can_be_served(disk, out):
    out = out(disk)
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    recorded = {"--events": disk / "spans", "--log-lists": "1"}
    for option, value in recorded.items():
        with serving(out, option, str(value), wait=False) as client:
            assert client.process.wait(120) == 2, client.log.read_text()[-2000:]
            text = client.log.read_text()
        assert str(out) in text
        assert "Traceback" not in text
    with serving(out) as client:
        assert until(client, "/v1/recommend/ann").json()["items"]


def test_a_clock_that_jumps_loses_nothing(tmp_path, out):
    """Two days ahead, ten days back, and to where it was, in a running server."""
    out, clock, spans = out(tmp_path), tmp_path / "clock", tmp_path / "spans"
    clock.write_text("+0d")
    faked = days_later(0) | {
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_NO_CACHE": "1",
    }
    del faked["FAKETIME"]
    sent = []
    with recording(out, env=faked) as client:
        for days in ("+0d", "+2d", "-8d", "+0d"):
            clock.write_text(days)
            sent.append(Sent(client, f"at {days}, {len(sent)} "))
            for _ in range(20):
                sent[-1].event()
                sent[-1].list()
            end = time.monotonic() + 60
            while days == "+2d" and not list(spans.glob("*/_SUCCESS")):
                assert time.monotonic() < end, client.log.read_text()[-2000:]
    assert not any(each.refused for each in sent)
    assert kept(out) == {name for each in sent for name in each.accepted}
    assert logged(out) == 1 + sum(each.lists for each in sent)
    assert not list(out.glob("lists/.*"))
    # The first day was over when the clock jumped ahead, and gets no more events.
    [span] = spans.glob("*/events.jsonl")
    assert len(span.read_text().splitlines()) == len(sent[0].accepted)
