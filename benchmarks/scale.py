"""``make bench-scale``: a whole run, and lists for many users, on generated events.

A size and a runner make a table: for each step its seconds, its CPU seconds, the CPU
time for each event, and the peak of the memory of all processes, those of Flink too.
Steps run one after the other. On a shared machine, only CPU seconds are comparable. The
measurement ends by itself where it would take more memory than allowed.
"""

import contextlib
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

import click
import psutil
import pyarrow.compute as pc
import pyarrow.parquet as pq
from ml_metadata.proto import metadata_store_pb2 as mlmd
from rich import box
from rich.table import Table

from benchmarks.figures import GIGABYTE, console, machine, write_table
from benchmarks.flink.cluster import Cluster
from benchmarks.processes import (
    MARQUEE,
    MODULE,
    PAUSE_PER_SAMPLE,
    SECONDS_BETWEEN_SAMPLES,
    adopt_orphans,
    marquee,
    resident_bytes,
    run_process,
)
from benchmarks.ratings import write_generated
from components.artifact_place import split_folder
from pipeline.runs.metadata_store import METADATA_FILE, open_metadata
from pipeline.runs.step_outputs import newest_output
from trainer_modules import features as f

SETTINGS = (
    "models.two_tower.epochs=1",
    "lists.index_from=1000",  # at every size
    "run.jobs=1",
    "evaluation.max_scored_pairs=20000000",
    # Whatever one epoch teaches and a slow machine serves goes live.
    "gate.floors={auc: 0, ndcg@10: 0}",
    "gate.min_index_recall=0",
    "serving.max_memory_mb=1e5",
    "serving.max_size_mb=1e5",
    "serving.max_latency_ms=1e5",
)
TASTES = 20
MOST_MEMORY = 0.6  # of the machine's
LISTED = 100  # items for each user of a batch
Row = tuple[str, float, float, float]  # what, seconds, CPU seconds, peak in GB


class Sample(NamedTuple):
    """What all descendants take at a time: bytes, and CPU seconds so far."""

    time: float
    memory: int
    cpu_seconds: float


class Usage:
    """Samples the memory and the CPU seconds of the descendants, in a context."""

    def __init__(self, most: float):
        """Starts with no sample.

        Args:
            most: Bytes above which the descendants are ended.
        """
        self._most = most
        self._samples: list[Sample] = []
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self.was_exceeded = False

    def __enter__(self) -> "Usage":
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._is_over.set()
        self._thread.join()

    def row(self, what: str, start: float, end: float) -> Row:
        """Returns a row about what was done between two times."""
        inside = [sample for sample in self._samples if start <= sample.time <= end]
        if not inside:
            return what, end - start, 0.0, 0.0
        cpu = [sample.cpu_seconds for sample in inside]
        peak = max(sample.memory for sample in inside) / GIGABYTE
        # What an ended process took is only known to its parent.
        return what, end - start, max(cpu) - cpu[0], peak

    def _sample(self) -> None:
        pause = SECONDS_BETWEEN_SAMPLES
        while not self._is_over.wait(pause):
            started = time.monotonic()
            children = psutil.Process().children()
            size = sum(resident_bytes(child.pid) for child in children)
            self._samples.append(Sample(time.time(), size, cpu_seconds(children)))
            took = time.monotonic() - started
            pause = max(SECONDS_BETWEEN_SAMPLES, PAUSE_PER_SAMPLE * took)
            if size > self._most:
                self.was_exceeded = True
                for child in children:
                    with contextlib.suppress(psutil.NoSuchProcess):
                        child.terminate()
                return


def cpu_seconds(children: Sequence[psutil.Process]) -> float:
    """Returns the CPU seconds of processes, and of their descendants that ended."""
    total = 0.0
    for child in children:
        with contextlib.suppress(psutil.NoSuchProcess):
            for process in (child, *child.children(recursive=True)):
                with contextlib.suppress(psutil.NoSuchProcess):
                    total += sum(process.cpu_times()[:4])
    return total


def rows_of_steps(out: Path, usage: Usage) -> list[Row]:
    """Returns the rows of the steps that were completed, in their order."""
    store = open_metadata(out / METADATA_FILE)
    rows = []
    for execution in store.get_executions():
        contexts = store.get_contexts_by_execution(execution.id)
        name = next(context.name for context in contexts if context.type == "node")
        start = execution.create_time_since_epoch / 1000
        end = execution.last_update_time_since_epoch / 1000
        is_complete = execution.last_known_state == mlmd.Execution.COMPLETE
        if is_complete and end - start >= 1:
            rows.append(usage.row(name.rpartition(".")[2], start, end))
    return rows


def rows_of_batch(out: Path, usage: Usage) -> Iterator[Row]:
    """Yields rows of ``marquee batch``: for the users in one file, and for four times.

    The copies of the users are in files of their own, as other users would be.
    """
    examples = str(newest_output(out, "RatingsExampleGen", "examples"))
    for split in f.SPLITS:
        for shard in sorted(Path(split_folder(examples, split)).iterdir())[1:]:
            shard.unlink()
    lists = out / "lists.parquet"
    for times in (1, 4):
        if times > 1:
            run_process(*MODULE, "benchmarks.batch", examples, times)
        start = time.time()
        run_process(MARQUEE, "batch", "--runs", out, "--out", lists, "-k", LISTED)
        end = time.time()
        rank = pq.read_table(lists, columns=["rank"])["rank"]
        num_users = pc.sum(pc.equal(rank, 1)).as_py()
        yield usage.row(f"marquee batch, {num_users:,} users", start, end)


@contextlib.contextmanager
def settings_of(runner: str, folder: Path) -> Iterator[list[str]]:
    """Yields the settings of a runner; starts and ends a cluster for ``flink``."""
    if runner == "direct":
        yield []
        return
    logs = folder / "flink"
    logs.mkdir()
    with Cluster(logs) as cluster:
        yield [
            "beam.runner=flink",
            f"beam.endpoint={cluster.endpoint}",
            f"beam.workers={cluster.workers}",
        ]


@click.command()
@click.option("--events", default=1_000_000, show_default=True)
@click.option("--items", default=20_000, show_default=True)
@click.option("--users", default=100_000, show_default=True)
@click.option("--runner", type=click.Choice(["direct", "flink"]), default="direct")
@click.option("--write", is_flag=True, help="Write the table to docs/benchmarks.md.")
def main(events: int, items: int, users: int, runner: str, write: bool) -> None:
    """Measure every step, one epoch of two_tower, and lists for many users."""
    ended: click.ClickException | None = None
    rows: list[Row] = []
    before = machine()
    adopt_orphans()  # whose CPU seconds would be missing
    table = Table("step", "s", "CPU s", "CPU µs an event", "peak, GB", box=box.MARKDOWN)
    with (
        tempfile.TemporaryDirectory(prefix="marquee-bench-") as name,
        Usage(MOST_MEMORY * before["memory_gb"] * GIGABYTE) as usage,
    ):
        folder = Path(name)
        begin = time.monotonic()
        write_generated(folder / "events", events, users, items, TASTES)
        console.print(f"events written in {time.monotonic() - begin:.0f} s")
        with settings_of(runner, folder) as settings:
            out = folder / "out"
            try:
                data = str(folder / "events")
                marquee(out, data, "two_tower", *SETTINGS, *settings)
                for row in rows_of_batch(out, usage):
                    rows.append(row)
            except click.ClickException as error:
                ended = error  # what was finished before is shown
            rows = [*rows_of_steps(out, usage), *rows]
    for what, seconds, cpu, peak in rows:
        # Flink's workers end within a step, and take their CPU seconds with them.
        is_known = runner == "direct" and cpu > 0
        each = f"{1e6 * cpu / events:.2f}" if is_known and "users" not in what else ""
        used = f"{cpu:.1f}" if is_known else ""
        most = f"{peak:.2f}" if peak else ""  # there may be no sample in a short step
        table.add_row(what, f"{seconds:.1f}", used, each, most)
    console.print(table)
    if write:
        size = f"EVENTS={events} ITEMS={items} USERS={users} RUNNER={runner}"
        part = f"scale of {events} events, {runner}"
        write_table(part, table, before, f"make bench-scale {size}")
    if usage.was_exceeded:
        console.print(f"ended: it took more than {MOST_MEMORY:.0%} of the memory")
    if ended:
        raise ended


if __name__ == "__main__":
    main()
