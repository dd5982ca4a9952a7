"""The Flink job from Kafka to spans; the oracle is what the producer sent."""

import collections
import concurrent.futures
import datetime
import json
import time
from pathlib import Path

import pytest

from benchmarks.flink.cluster import Cluster
from components.ratings_example_gen.spans import find_spans
from tests.support.command import marquee
from tests.support.kafka import kafka, producer
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(900)]

ROOT = Path(__file__).parents[4]
JAR = ROOT / "build" / "kafka" / "kafka-to-spans.jar"
TOPIC = "ratings"
FIRST, SECOND, THIRD = "2024-01-01", "2024-01-02", "2024-01-03"
EVENTS_OF_A_DAY = 6000
ITEMS = 100


class Events:
    """Sends events with different ids, and remembers the day of each."""

    def __init__(self, broker):
        self.broker = broker
        self.days = {}

    def send(self, day, count=EVENTS_OF_A_DAY, hour=0):
        """Sends events of a day, of which each partition gets every other one."""
        start = datetime.datetime.fromisoformat(f"{day}T{hour:02}:00:00+00:00")
        with producer(self.broker, TOPIC) as process:
            for n in range(count):
                seconds = int(start.timestamp()) + n
                number = len(self.days)
                self.days[number] = day
                event = {
                    "user_id": number // ITEMS,
                    "item_id": number % ITEMS,
                    "rating": 1 + number % 5,
                    "timestamp": seconds,
                }
                line = f"{n % 2} {seconds * 1000} {json.dumps(event)}\n"
                process.stdin.write(line)
                if n % 100 == 0:
                    time.sleep(0.1)  # so that a kill is in the middle


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    with Cluster(tmp_path_factory.mktemp("flink"), beam=False) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def broker(tmp_path_factory):
    with kafka(tmp_path_factory.mktemp("kafka")) as broker:
        yield broker


def start(cluster, broker, folder, *options):
    """Starts the job as docs/retraining.md does, with many checkpoints."""
    client = folder / "client.properties"
    client.write_text(f"bootstrap.servers={broker}\n")
    before = {job["jid"] for job in cluster.jobs()}
    cluster.run_command(
        *("run", "--detached", "--parallelism", "2", *options),
        *("-D", "execution.checkpointing.interval=1s"),
        *("-D", "restart-strategy=exponential-delay"),
        *("-D", f"state.checkpoints.dir=file://{folder}/checkpoints"),
        *map(str, (JAR, client, TOPIC, folder / "spans")),
    )
    (job,) = {job["jid"] for job in cluster.jobs()} - before
    return job


def finished_events(spans):
    """Returns the number of every event in finished files, and its span."""
    return [
        (event["user_id"] * ITEMS + event["item_id"], file.parent.name)
        for file in spans.glob("dt=*/part-*.jsonl")
        for event in map(json.loads, file.read_text().splitlines())
    ]


def is_complete(spans, day):
    return (spans / f"dt={day}" / "_SUCCESS").exists()


def in_progress(spans):
    """Returns the files whose events would be lost if they were not read again."""
    return list(spans.glob("dt=*/.part-*"))


@pytest.fixture(scope="module")
def survivor(cluster, broker, tmp_path_factory):
    """A job that lost a TaskManager in the middle of a day, and got another."""
    folder = tmp_path_factory.mktemp("survivor")
    spans, events = folder / "spans", Events(broker)
    events.send(FIRST, EVENTS_OF_A_DAY // 2)
    job = start(cluster, broker, folder)
    wait_until(lambda: finished_events(spans), 180)
    with concurrent.futures.ThreadPoolExecutor(1) as other:
        sending = other.submit(events.send, FIRST, EVENTS_OF_A_DAY // 2, 12)
        wait_until(lambda: in_progress(spans))
        cluster.kill_task_manager(0)
        cluster.start_task_manager(0)
        sending.result()
    events.send(SECOND)
    assert not is_complete(spans, SECOND)
    events.send(THIRD, 10, hour=2)
    wait_until(lambda: is_complete(spans, FIRST) and is_complete(spans, SECOND), 180)
    assert cluster.was_restarted(job)
    return folder, job, events


def assert_each_in_one_span(spans, events):
    expected = collections.Counter((n, f"dt={day}") for n, day in events.days.items())
    wait_until(lambda: len(finished_events(spans)) >= len(events.days), 180)
    assert collections.Counter(finished_events(spans)) == expected


def test_every_event_is_in_one_span_after_a_kill(survivor):
    folder, _, events = survivor
    assert_each_in_one_span(folder / "spans", events)


def test_a_day_is_complete_when_it_is_over(survivor):
    folder, _, _ = survivor
    found = find_spans(str(folder / "spans"))
    assert {span.name: span.is_whole for span in found} == {
        FIRST: True,
        SECOND: True,
        THIRD: False,
    }


def test_marquee_reads_every_event(survivor):
    folder, _, events = survivor
    assert_each_in_one_span(folder / "spans", events)
    result = marquee(ROOT, "data", str(folder / "spans"), "--json")
    assert result.status == 0, result.text
    counts, _ = json.JSONDecoder().raw_decode(result.text, result.text.index("{"))
    assert counts["read"] == counts["kept"] == len(events.days)


def test_another_start_continues_with_the_savepoint(cluster, broker, survivor):
    folder, job, events = survivor
    spans, savepoints = folder / "spans", folder / "savepoints"
    cluster.run_command("stop", "--savepointPath", str(savepoints), job)
    forgetful = start(cluster, broker, folder)
    wait_until(lambda: state(cluster, forgetful) == "FAILED", 180)
    # A complete day stays as it is: its late event is in the oldest open one.
    late = len(events.days)
    events.send(FIRST, 1)
    events.days[late] = THIRD
    (savepoint,) = savepoints.iterdir()
    job = start(cluster, broker, folder, "--fromSavepoint", str(savepoint))
    assert_each_in_one_span(spans, events)
    cluster.run_command("cancel", job)


def state(cluster, job):
    return {found["jid"]: found["state"] for found in cluster.jobs()}[job]
