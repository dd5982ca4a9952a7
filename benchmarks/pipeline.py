"""``make bench-pipeline``: what this pipeline costs, beside TFX's own components.

Every run is a process of its own, so that each pays the same imports (which no figure
holds) and its peak memory is its own. Tables are Markdown; ``--write`` puts them into
``docs/benchmarks.md``.
"""

import contextlib
import csv
import datetime
import io
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
import psutil
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
from rich import box
from rich.console import Console
from rich.table import Table

from components.anomaly_gate.schema import CURATED_SCHEMA, rating_range, read_schema
from components.ratings_example_gen import files
from components.ratings_example_gen.read.blocks import plan_blocks
from components.ratings_example_gen.read.ratings import RatingsReader
from components.ratings_example_gen.recognise.recognition import recognise
from pipeline import datasets
from pipeline.runs import execute

DATA_STEPS = (
    "RatingsExampleGen",
    "CatalogueGen",
    "StatisticsGen",
    "ImportSchemaGen",
    "ExampleValidator",
    "AnomalyGate",
    "Transform",
)
GIGABYTE = 1 << 30
MODULE = (sys.executable, "-m")
MARQUEE = Path(sys.executable).with_name("marquee")
DOCS = Path(__file__).parents[1] / "docs" / "benchmarks.md"
SECONDS_BETWEEN_LOOKS = 0.2  # at memory

console = Console(width=100)


@dataclass(frozen=True)
class Figure:
    """One measured number and the bounds that it should keep."""

    what: str
    value: float
    unit: str = ""
    at_least: float | None = None
    at_most: float | None = None

    @property
    def target(self) -> str:
        """The bounds for a person; empty where there are none."""
        return " and ".join(
            f"{sign} {bound:g}"
            for sign, bound in (("≥", self.at_least), ("≤", self.at_most))
            if bound is not None
        )

    @property
    def reached(self) -> bool:
        """Whether the value keeps its bounds."""
        return (self.at_least is None or self.value >= self.at_least) and (
            self.at_most is None or self.value <= self.at_most
        )


@dataclass(frozen=True)
class Finished:
    """What a process left: its last line, and the peak of resident bytes.

    That of all its processes together, as far as looks now and then saw it.
    """

    last_line: str
    peak_bytes: int


@dataclass(frozen=True)
class MarqueeRun:
    """A ``marquee run``: its ``run.json`` and the peak memory of its processes."""

    result: dict[str, Any]
    peak_bytes: int

    def seconds(self, names: Iterable[str]) -> dict[str, float]:
        """Seconds of the named steps."""
        steps = {step["name"]: step["seconds"] for step in self.result["steps"]}
        return {name: steps[name] for name in names}

    def model(self, name: str) -> dict[str, Any]:
        """What became of one model."""
        return next(m for m in self.result["models"] if m["name"] == name)


# ---- The parts: each takes the data and a folder for itself, and returns its figures.


def against_stock(data: str, folder: Path) -> list[Figure]:
    """The steps from the ratings' file to an evaluation, ours and TFX's own."""
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
    """Evaluators over the whole catalogue, and the published figures of mf_als.

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
    als, popularity = run.model("mf_als"), run.model("popularity")
    hit_rate, ndcg = "sampled_hit_rate@10", "sampled_ndcg@10"
    return [
        Figure("Evaluator_mf_als", seconds["Evaluator_mf_als"], "s", at_most=10),
        Figure("Evaluator_neumf", seconds["Evaluator_neumf"], "s", at_most=30),
        Figure(f"mf_als {hit_rate}", als["metrics"][hit_rate], at_least=0.729),
        Figure(f"mf_als {ndcg}", als["metrics"][ndcg], at_least=0.451),
        Figure("mf_als, training", als["train_seconds"], "s", at_most=30),
        Figure(
            f"popularity {hit_rate}",
            popularity["metrics"][hit_rate],
            at_least=0.4475,
            at_most=0.4595,
        ),
        Figure(
            f"popularity {ndcg}",
            popularity["metrics"][ndcg],
            at_least=0.2483,
            at_most=0.2603,
        ),
    ]


def training(data: str, folder: Path) -> list[Figure]:
    """NeuMF's samples/s, beside plain Keras at as many rows in a batch."""
    marquee(folder, data, "popularity")
    child = run_process(*MODULE, "benchmarks.training", folder)
    rounds = json.loads(child.last_line)
    ours, keras = (statistics.median(rounds[name]) for name in ("ours", "keras"))
    return [
        Figure("NeuMF, ours", ours / 1e6, "M samples/s", at_least=1.2),
        Figure("NeuMF, Keras fit on arrays", keras / 1e6, "M samples/s"),
        Figure("ratio of the medians", ours / keras, "×", at_least=1.2),
    ]


def memory(data: str, folder: Path) -> list[Figure]:
    """Peak memory of a whole run, and of ten million ratings; time per rating."""
    whole = marquee(folder / "whole", data, None)
    figures = [
        Figure(
            f"peak of marquee run --data {data}",
            whole.peak_bytes / GIGABYTE,
            "GB",
            at_most=3,
        ),
        Figure("that run, all steps", whole.result["run"]["seconds"], "s"),
    ]
    per_rating = {}
    for million in (1, 10):
        source = folder / f"ml-generated-{million}m"
        write_generated(source, million * 1_000_000, million * 7_000)
        run = marquee(folder / f"out-{million}m", str(source), "popularity")
        steps = run.seconds(DATA_STEPS)
        per_rating[million] = sum(steps.values()) / million
        figures.append(
            Figure(
                f"peak at {million} M ratings, with popularity",
                run.peak_bytes / GIGABYTE,
                "GB",
                at_most=5 if million == 10 else None,
            )
        )
    return [
        *figures,
        Figure("ExampleGen to Transform, 1 M ratings", per_rating[1], "µs a rating"),
        Figure(
            "ExampleGen to Transform, 10 M ratings",
            per_rating[10],
            "µs a rating",
            at_most=per_rating[1],
        ),
    ]


def catalogue(data: str, folder: Path) -> list[Figure]:
    """Memory with 100,000 items and 200,000 users, of whom a sample is ranked for."""
    del data  # generated
    source = folder / "ml-generated-catalogue"
    write_generated(source, 5_000_000, 200_000, num_items=100_000)
    settings = ("models.mf_als.embedding_dim=16", "models.mf_als.epochs=2")
    run = (folder / "out", str(source), "popularity,mf_als", *settings)
    whole = marquee(*run)
    # Another number of negatives: all is judged anew, and the rest is from the cache.
    judging = marquee(*run, "evaluation.num_sampled_negatives=100")
    als = whole.model("mf_als")
    metrics, seconds = als["metrics"], whole.seconds(["Evaluator_mf_als"])
    return [
        Figure("peak of the run", whole.peak_bytes / GIGABYTE, "GB", at_most=6),
        Figure("peak of judging alone", judging.peak_bytes / GIGABYTE, "GB", at_most=6),
        Figure("the run, all steps", whole.result["run"]["seconds"], "s"),
        Figure("Evaluator_mf_als", seconds["Evaluator_mf_als"], "s"),
        Figure("share of users ranked for", als["share_of_users"]),
        Figure("users ranked for", metrics["num_users"]),
        Figure("mf_als ndcg@10", metrics["ndcg@10"]),
        Figure("its standard error", metrics["ndcg@10_standard_error"]),
    ]


def batch(data: str, folder: Path) -> list[Figure]:
    """``marquee batch`` for all users, and for four times as many."""
    marquee(folder / "out", data, "popularity,mf_als")
    return lists_for_all(folder / "out")


def lists_for_all(out: Path, times: int = 4) -> list[Figure]:
    """Seconds and memory, process start included; changes the examples in ``out``."""
    figures, peaks = [], []
    for users in (1, times):
        if users > 1:
            examples = execute.newest(out, "RatingsExampleGen", "examples")
            run_process(*MODULE, "benchmarks.batch", examples, users)
        lists = out / "lists.parquet"
        started = time.monotonic()
        done = run_process(MARQUEE, "batch", "--runs", out, "--out", lists)
        seconds = time.monotonic() - started
        peaks.append(done.peak_bytes)
        rows, whose = pq.read_metadata(lists).num_rows, f"{users} × users"
        figures += [
            Figure(f"{whose}, {rows:,} rows, from start to end", seconds, "s",
                   at_most=20 if users == 1 else None),
            Figure(f"{whose}, peak memory", done.peak_bytes / GIGABYTE, "GB"),
        ]  # fmt: skip
    ratio = peaks[1] / peaks[0]
    return [*figures, Figure("ratio of the peaks", ratio, "×", at_most=1.2)]


PARTS: dict[str, Callable[[str, Path], list[Figure]]] = {
    "stock": against_stock,
    "models": models,
    "training": training,
    "memory": memory,
    "catalogue": catalogue,
    "batch": batch,
}


# ---- Processes.


def run_process(*command: object) -> Finished:
    """Runs a command in a process of its own.

    Raises:
        click.ClickException: If it fails, with the end of what it said.
    """
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen([*map(str, command)], stdout=out, stderr=log)
        peak = 0
        while (waited := os.wait4(process.pid, os.WNOHANG))[0] == 0:
            peak = max(peak, resident_bytes(process.pid))
            time.sleep(SECONDS_BETWEEN_LOOKS)
        _, status, usage = waited
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        log.seek(0)
        lines = out.read().splitlines()
        # `marquee run` refuses every model where only popularity is trained.
        if process.returncode not in (0, execute.EXIT_STATUS[execute.REFUSED]):
            said = "\n".join([*log.read().splitlines()[-15:], *lines[-15:]])
            raise click.ClickException(f"{command} failed:\n{said}")
    bytes_per_unit = 1 if sys.platform == "darwin" else 1024
    # The largest of them is known without looking.
    peak = max(peak, usage.ru_maxrss * bytes_per_unit)
    return Finished(lines[-1] if lines else "", peak)


def resident_bytes(pid: int) -> int:
    """Of a process and all that it has started, now."""
    total = 0
    with contextlib.suppress(psutil.NoSuchProcess):
        parent = psutil.Process(pid)
        for process in (parent, *parent.children(recursive=True)):
            with contextlib.suppress(psutil.NoSuchProcess):
                total += process.memory_info().rss
    return total


def marquee(
    out: Path, data: str, models_to_train: str | None, *settings: str
) -> MarqueeRun:
    """Runs the pipeline as a person does, everything anew."""
    arguments = ["--data", data, "--out", out]
    if models_to_train:
        arguments += ["--models", models_to_train]
    for setting in settings:
        arguments += ["--set", setting]
    peak = run_process(MARQUEE, "run", *arguments).peak_bytes
    return MarqueeRun(execute.read(out, None), peak)


# ---- Data.


def write_ratings_by_row(data: str, folder: Path) -> None:
    """Writes the ratings for CsvExampleGen, with the label that its Evaluator reads."""
    source = datasets.resolve(data, lambda *_: None).folder
    base, pattern = (source, "*") if source.is_dir() else (source.parent, source.name)
    layout = recognise(files.list_files(str(base), pattern), place=str(source))
    reader = RatingsReader(*rating_range(read_schema(CURATED_SCHEMA)))
    folder.mkdir(parents=True)
    # CsvExampleGen takes the quotes around a name in the header as part of the name.
    options = pa_csv.WriteOptions(include_header=False)
    with open(folder / "ratings.csv", "wb") as file:
        file.write(b"user_id,item_id,rating,timestamp,label\n")
        for block in plan_blocks(layout.ratings):
            for ratings in reader.read(layout.ratings[block.part], block):
                liked = ratings.table["rating"].to_numpy() > 3
                label = pa.array(liked.astype(int))
                table = ratings.table.append_column("label", label)
                pa_csv.write_csv(table, file, options)


def write_generated(
    folder: Path, num_ratings: int, num_users: int, num_items: int = 10_000
) -> None:
    """Writes ratings in the layout of MovieLens 20M, of Zipf popularity."""
    random = np.random.default_rng(2017)
    popularity = np.cumsum(1 / np.arange(1, num_items + 1))
    keys = np.empty(0, np.int64)
    while len(keys) < num_ratings:  # a user rates an item once
        n = num_ratings - len(keys)
        user = random.integers(num_users, size=n)
        item = np.searchsorted(popularity, random.random(n) * popularity[-1])
        keys = np.unique(np.concatenate([keys, user * num_items + item]))
    columns = {
        "userId": keys // num_items + 1,
        "movieId": keys % num_items + 1,
        "rating": random.integers(1, 11, num_ratings) / 2,
        "timestamp": random.integers(1_000_000_000, 1_500_000_000, num_ratings),
    }
    folder.mkdir(parents=True)
    pa_csv.write_csv(pa.table(columns), folder / "ratings.csv")
    with open(folder / "movies.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["movieId", "title", "genres"])
        for item in range(1, num_items + 1):
            genres = f"Genre {item % 20}|Genre {20 + item % 21}"
            writer.writerow([item, f"Movie {item} (2000)", genres])


# ---- What is printed.


def beside(
    speeds: Mapping[str, Sequence[float]],
    names: Iterable[str],
    other: str,
    at_least: float,
) -> list[Figure]:
    """Rows/s of ``NAME, ours`` and ``NAME, OTHER``, and the ratio of their medians."""
    figures = []
    for name in names:
        mine = statistics.median(speeds[f"{name}, ours"])
        others = statistics.median(speeds[f"{name}, {other}"])
        figures += [
            Figure(f"{name}, ours", mine / 1e3, "thousand rows/s"),
            Figure(f"{name}, {other}", others / 1e3, "thousand rows/s"),
            Figure(
                f"{name}, ratio of the medians", mine / others, "×", at_least=at_least
            ),
        ]
    return figures


def print_figures(figures: list[Figure], to: Console = console) -> None:
    """Prints each figure beside its target."""
    table = Table("what", "measured", "target", "reached", box=box.MARKDOWN)
    for figure in figures:
        reached = ("yes" if figure.reached else "no") if figure.target else ""
        number = f"{figure.value:.4f}" if not figure.unit else f"{figure.value:.2f}"
        table.add_row(figure.what, f"{number} {figure.unit}", figure.target, reached)
    to.print(table)


def write_docs(
    part: str, figures: list[Figure], before: dict[str, Any], command: str
) -> None:
    """Puts a part's table in the place of its last one, with what it was measured on.

    Raises:
        click.ClickException: If the page has no place for it.
    """
    text = io.StringIO()
    print_figures(figures, Console(file=text, width=100))
    today = datetime.datetime.now(datetime.UTC).date()
    section = (
        f"`{command}`, {before['cores']} cores, {before['memory_gb']:.0f} GB, "
        f"{today}, load {before['load_average']:.1f} at the start:\n\n"
        f"{text.getvalue().strip()}\n"
    )
    page = DOCS.read_text()
    start, end = f"<!-- {part} -->\n", f"<!-- end of {part} -->\n"
    place = re.compile(f"{re.escape(start)}.*?{re.escape(end)}", re.DOTALL)
    if not place.search(page):
        raise click.ClickException(f"{DOCS} has no {start!r} to write {part} behind")
    DOCS.write_text(place.sub(lambda _: start + section + end, page))


def machine() -> dict[str, Any]:
    """What the figures were measured on; the load says who else was at work."""
    num_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "cores": os.cpu_count(),
        "memory_gb": num_bytes / GIGABYTE,
        "platform": platform.platform(),
        "load_average": os.getloadavg()[0],
    }


@click.command()
@click.argument("parts", nargs=-1, type=click.Choice(list(PARTS)))
@click.option("--data", default="ml-1m", show_default=True, help="As marquee run's.")
@click.option(
    "--json",
    "json_file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Writes all figures there too.",
)
@click.option("--write", is_flag=True, help="Writes the tables to docs/benchmarks.md.")
def main(
    parts: tuple[str, ...], data: str, json_file: Path | None, write: bool
) -> None:
    """Measures PARTS, all of them if none is named, each in processes of its own."""
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
