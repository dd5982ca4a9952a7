"""``make bench-flink``: the data steps in one process, on embedded and on real Flink.

Seconds are those of the steps, without the imports of their process. A cluster is for
data that one machine cannot process; its relative overhead shrinks as the data grows.
"""

import tempfile
from pathlib import Path

import click

from benchmarks.figures import Figure, console, machine, print_figures, write_docs
from benchmarks.flink.cluster import Cluster
from benchmarks.processes import marquee
from benchmarks.ratings import write_generated

STEPS = ("RatingsExampleGen", "StatisticsGen", "Transform", "Evaluator_popularity")
TEN_MILLION = 10_000_000
# Targets, set where stock TFX took 185 s and the local runner 30 s.
_EMBEDDED, _CLUSTER = 60 / 30, 100 / 30


def seconds_of(out: Path, data: str, cluster: Cluster | None) -> float:
    """Returns the seconds of the Beam steps of a run."""
    settings = []
    if cluster:
        settings = [
            "beam.runner=flink",
            f"beam.endpoint={cluster.endpoint}",
            f"beam.workers={cluster.workers}",
        ]
    run = marquee(out, data, "popularity", *settings)
    return sum(run.seconds(STEPS).values())


def measure(folder: Path, data: str) -> list[Figure]:
    """Runs each kind on ``data`` and on ten million generated ratings."""
    large = folder / "ml-generated-10m"
    write_generated(large, TEN_MILLION, 70_000)
    direct = seconds_of(folder / "direct", data, None)
    large_direct = seconds_of(folder / "large-direct", str(large), None)
    with Cluster(_made(folder / "embedded-logs"), task_managers=0) as cluster:
        embedded = seconds_of(folder / "embedded", data, cluster)
    with Cluster(_made(folder / "cluster-logs")) as cluster:
        first = seconds_of(folder / "first", data, cluster)
        again = seconds_of(folder / "again", data, cluster)
        large_flink = seconds_of(folder / "large", str(large), cluster)
    return [
        Figure(f"{data}, this process", direct, "s"),
        Figure(f"{data}, embedded Flink", embedded, "s"),
        Figure(f"{data}, cluster, its first run", first, "s"),
        Figure(f"{data}, cluster, again", again, "s"),
        Figure("embedded / this process", embedded / direct, "×", at_most=_EMBEDDED),
        Figure("cluster / this process", again / direct, "×", at_most=_CLUSTER),
        Figure("10 M ratings, this process", large_direct, "s"),
        Figure("10 M ratings, cluster", large_flink, "s"),
        Figure(
            "10 M ratings, cluster / this process",
            large_flink / large_direct,
            "×",
            at_most=again / direct,
        ),
    ]


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


@click.command()
@click.option("--data", default="ml-1m", show_default=True, help="As for marquee run.")
@click.option("--write", is_flag=True, help="Write the table to docs/benchmarks.md.")
def main(data: str, write: bool) -> None:
    """Measure the data steps on DATA and on ten million generated ratings."""
    before = machine()
    console.print(f"load {before['load_average']:.1f} at the start")
    with tempfile.TemporaryDirectory(prefix="marquee-bench-") as folder:
        figures = measure(Path(folder), data)
    print_figures(figures)
    if write:
        write_docs("flink", figures, before, "make bench-flink")


if __name__ == "__main__":
    main()
