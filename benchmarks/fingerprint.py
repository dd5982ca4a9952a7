"""``make bench-fingerprint``: the cost of hashing the input, beside reading it.

The old fingerprint covered names, sizes and times; the new one covers the bytes. A run
computes it twice: in the driver, and after reading the files. All are measured in turn
in one process, in CPU seconds, so that other work on the machine has little effect.
"""

import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import click
import pyarrow.parquet as pq
from rich import box
from rich.console import Console
from rich.table import Table

from components.ratings_example_gen import files
from components.ratings_example_gen.fingerprints import fingerprint
from components.ratings_example_gen.read.blocks import plan_blocks
from components.ratings_example_gen.read.ratings import RatingsReader
from components.ratings_example_gen.recognise.layout import Layout
from components.ratings_example_gen.recognise.recognition import recognise
from pipeline import datasets

COPIES = 10
ROUNDS = 5


def read(layout: Layout) -> int:
    """Parses and checks all ratings; returns their number."""
    reader = RatingsReader()
    return sum(
        ratings.table.num_rows
        for block in plan_blocks(layout.ratings)
        for ratings in reader.read(layout.ratings[block.part], block)
    )


def stat_all(paths: Sequence[str]) -> list[os.stat_result]:
    """Reads sizes and times, as the old fingerprint did."""
    return [os.stat(path) for path in sorted(paths)]


def cpu_seconds(work: Callable[[], object]) -> float:
    """Returns the CPU seconds of a function."""
    begin = time.process_time()
    work()
    return time.process_time() - begin


def write_copies(source: Layout, folder: Path) -> None:
    """Writes ten copies of the ratings, in their own format and as Parquet."""
    [part] = source.ratings
    with open(folder / Path(part.path).name, "wb") as copies:
        for _ in range(COPIES):
            with open(part.path, "rb") as once:
                shutil.copyfileobj(once, copies)
    tables = [
        ratings.table
        for block in plan_blocks(source.ratings)
        for ratings in RatingsReader().read(part, block)
    ]
    (folder / "parquet").mkdir()
    path = folder / "parquet" / "ratings.parquet"
    with pq.ParquetWriter(path, tables[0].schema) as writer:
        for table in tables * COPIES:
            writer.write_table(table)


@click.command()
@click.option("--data", default="ml-1m", show_default=True)
def main(data: str) -> None:
    """Print a table of the seconds."""
    source = datasets.resolve(data, lambda *_: None).folder
    table = Table(
        *("ratings", "MB", "read", "names, sizes, times", "bytes", "two of them"),
        box=box.MARKDOWN,
    )
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        first = recognise(files.list_files(str(source)))
        write_copies(first, folder)
        for name, path in (
            (data, first.ratings[0].path),
            (f"{data}, {COPIES} times", str(folder / Path(first.ratings[0].path).name)),
            (f"{data}, {COPIES} times, Parquet", str(folder / "parquet")),
        ):
            paths = files.list_files(path)
            layout = recognise(paths)
            rounds = [
                (
                    cpu_seconds(lambda layout=layout: read(layout)),
                    cpu_seconds(lambda paths=paths: stat_all(paths)),
                    cpu_seconds(lambda paths=paths: fingerprint(paths)),
                )
                for _ in range(ROUNDS)
            ]
            reading, old, new = map(statistics.median, zip(*rounds, strict=True))
            table.add_row(
                name,
                f"{sum(map(os.path.getsize, paths)) / 1e6:.1f}",
                f"{reading:.3f} s",
                f"{old:.4f} s",
                f"{new:.3f} s",
                f"{2 * new / reading:.1%} of reading",
            )
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
