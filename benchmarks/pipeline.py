"""``make bench-pipeline``: measures this pipeline beside TFX's own components.

Each run is a process of its own, so that all pay for the same imports (which no figure
contains) and peak memory is per run. Each part takes the data and an empty folder, and
returns its figures. ``--write`` puts the tables into ``docs/benchmarks.md``.
"""

import json
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import click
import pyarrow.parquet as pq

from benchmarks.data_steps import DATA_STEPS, cores, memory
from benchmarks.figures import (
    GIGABYTE,
    Figure,
    console,
    machine,
    print_figures,
    write_docs,
)
from benchmarks.processes import MARQUEE, MODULE, marquee, run_process
from benchmarks.ratings import write_generated, write_ratings_by_row
from pipeline.runs.step_outputs import newest_output


def against_stock(data: str, folder: Path) -> list[Figure]:
    """Measures the steps from the ratings file to an evaluation, ours and TFX's."""
    ours = marquee(folder / "ours", data, "popularity").seconds(
        [*DATA_STEPS, "Evaluator_popularity"]
    )
    ratings = folder / "ratings"
    write_ratings_by_row(data, ratings)
    (folder / "stock").mkdir()
    child = run_process(*MODULE, "benchmarks.stock", ratings, folder / "stock")
    stock = json.loads(child.last_line)
    ours_sum, stock_sum = sum(ours.values()), sum(stock.values())
    return [
        *(Figure(f"ours: {name}", value, "s") for name, value in ours.items()),
        Figure("ours: sum", ours_sum, "s"),
        *(Figure(f"stock: {name}", value, "s") for name, value in stock.items()),
        Figure("stock: sum", stock_sum, "s"),
        Figure("ratio of the sums", stock_sum / ours_sum, "×", at_least=8),
    ]


def models(data: str, folder: Path) -> list[Figure]:
    """Measures Evaluators over the whole catalogue, and mf_als' published metrics.

    One epoch of NeuMF is enough to time its evaluation.
    """
    run = marquee(
        folder,
        data,
        "popularity,mf_als,neumf",
        "label.threshold=all",
        "models.neumf.epochs=1",
        "models.mf_als.embedding_dim=192",
    )
    seconds = run.seconds(["Evaluator_mf_als", "Evaluator_neumf"])
    als, popularity = run.metrics("mf_als"), run.metrics("popularity")
    hit_rate, ndcg = "sampled_hit_rate@10", "sampled_ndcg@10"
    return [
        Figure("Evaluator_mf_als", seconds["Evaluator_mf_als"], "s", at_most=10),
        Figure("Evaluator_neumf", seconds["Evaluator_neumf"], "s", at_most=30),
        Figure(f"mf_als {hit_rate}", als[hit_rate], at_least=0.729),
        Figure(f"mf_als {ndcg}", als[ndcg], at_least=0.451),
        Figure("mf_als, training", run.model("mf_als").train_seconds, "s", at_most=30),
        Figure(
            f"popularity {hit_rate}",
            popularity[hit_rate],
            at_least=0.4475,
            at_most=0.4595,
        ),
        Figure(
            f"popularity {ndcg}",
            popularity[ndcg],
            at_least=0.2483,
            at_most=0.2603,
        ),
    ]


def training(data: str, folder: Path) -> list[Figure]:
    """Measures NeuMF's samples/s and those of plain Keras, with equal batches."""
    marquee(folder, data, "popularity")
    child = run_process(*MODULE, "benchmarks.training", folder)
    measured = json.loads(child.last_line)
    speeds = measured["speeds"]
    ours, keras = (statistics.median(speeds[name]) for name in ("ours", "keras"))
    return [
        Figure("NeuMF, ours", ours / 1e6, "M samples/s", at_least=1.2),
        Figure("NeuMF, Keras fit on arrays", keras / 1e6, "M samples/s"),
        Figure("ratio of the medians", ours / keras, "×", at_least=2),
        Figure(**measured["share"]),
    ]


def catalogue(data: str, folder: Path) -> list[Figure]:
    """Measures memory with 100,000 items and 200,000 users, ranking for a sample."""
    del data  # generated
    source = folder / "ml-generated-catalogue"
    write_generated(source, 5_000_000, 200_000, num_items=100_000)
    settings = ("models.mf_als.embedding_dim=16", "models.mf_als.epochs=2")
    run = (folder / "out", str(source), "popularity,mf_als", *settings)
    whole = marquee(*run)
    # Another number of negatives runs the Evaluators again; the rest is cached.
    judging = marquee(*run, "evaluation.num_sampled_negatives=100")
    als = whole.model("mf_als")
    metrics, seconds = whole.metrics("mf_als"), whole.seconds(["Evaluator_mf_als"])
    return [
        Figure("peak of the run", whole.peak_bytes / GIGABYTE, "GB", at_most=6),
        Figure("peak of judging alone", judging.peak_bytes / GIGABYTE, "GB", at_most=6),
        Figure("the run, all steps", whole.record.run.seconds, "s"),
        Figure("Evaluator_mf_als", seconds["Evaluator_mf_als"], "s"),
        Figure("share of users ranked for", als.share_of_users),
        Figure("users ranked for", metrics["num_users"]),
        Figure("mf_als ndcg@10", metrics["ndcg@10"]),
        Figure("its standard error", metrics["ndcg@10_standard_error"]),
    ]


def batch(data: str, folder: Path) -> list[Figure]:
    """Measures ``marquee batch`` for all users, and for four times as many."""
    marquee(folder / "out", data, "popularity,mf_als")
    return lists_for_all(folder / "out")


def lists_for_all(out: Path, times: int = 4) -> list[Figure]:
    """Measures ``marquee batch``; multiplies the users of the examples in ``out``.

    Seconds and memory include the start of the process.
    """
    figures, peaks = [], []
    for users in (1, times):
        if users > 1:
            examples = newest_output(out, "RatingsExampleGen", "examples")
            run_process(*MODULE, "benchmarks.batch", examples, users)
        lists = out / "lists.parquet"
        started = time.monotonic()
        done = run_process(MARQUEE, "batch", "--runs", out, "--out", lists)
        seconds = time.monotonic() - started
        peaks.append(done.peak_bytes)
        rows, label = pq.read_metadata(lists).num_rows, f"{users} × users"
        figures += [
            Figure(
                f"{label}, {rows:,} rows, from start to end",
                seconds,
                "s",
                at_most=20 if users == 1 else None,
            ),
            Figure(f"{label}, peak memory", done.peak_bytes / GIGABYTE, "GB"),
        ]
    ratio = peaks[1] / peaks[0]
    return [*figures, Figure("ratio of the peaks", ratio, "×", at_most=1.2)]


PARTS: dict[str, Callable[[str, Path], list[Figure]]] = {
    "stock": against_stock,
    "models": models,
    "training": training,
    "memory": memory,
    "cores": cores,
    "catalogue": catalogue,
    "batch": batch,
}


@click.command()
@click.argument("parts", nargs=-1, type=click.Choice(list(PARTS)))
@click.option("--data", default="ml-1m", show_default=True, help="As for marquee run.")
@click.option(
    "--json",
    "json_file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Also write all figures to this file.",
)
@click.option("--write", is_flag=True, help="Write the tables to docs/benchmarks.md.")
def main(
    parts: tuple[str, ...], data: str, json_file: Path | None, write: bool
) -> None:
    """Measure PARTS, by default all of them, each in processes of its own."""
    measured: dict[str, list[Figure]] = {}
    before = machine()
    console.print(
        f"{data} on {before['cores']} cores, {before['memory_gb']:.0f} GB, "
        f"load {before['load_average']:.1f} at the start"
    )
    with tempfile.TemporaryDirectory(prefix="marquee-bench-") as folder:
        for part in parts or PARTS:
            console.print(f"\n{str(PARTS[part].__doc__).splitlines()[0]}")
            measured[part] = PARTS[part](data, Path(folder, part))
            print_figures(measured[part])
            if write:
                write_docs(part, measured[part], before, f"PARTS={part}")
    if json_file:
        parts_as_json = {
            part: [asdict(f) | {"reached": f.reached} for f in figures]
            for part, figures in measured.items()
        }
        report = {"data": data, "machine": before, "parts": parts_as_json}
        json_file.write_text(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
