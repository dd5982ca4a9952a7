"""Writes ratings for the benchmarks: real ones by row, and generated ones."""

import csv
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv

from components.anomaly_gate.schema import CURATED_SCHEMA, rating_range, read_schema
from components.ratings_example_gen import files
from components.ratings_example_gen.read.blocks import plan_blocks
from components.ratings_example_gen.read.ratings import RatingsReader
from components.ratings_example_gen.recognise.recognition import recognise
from pipeline import datasets


def write_ratings_by_row(data: str, folder: Path) -> None:
    """Writes the ratings for CsvExampleGen, with the label that its Evaluator needs."""
    source = datasets.resolve(data, lambda *_: None).folder
    base, pattern = (source, "*") if source.is_dir() else (source.parent, source.name)
    layout = recognise(files.list_files(str(base), pattern), place=str(source))
    reader = RatingsReader(*rating_range(read_schema(CURATED_SCHEMA)))
    folder.mkdir(parents=True)
    # CsvExampleGen would read quotes in the header as parts of the names.
    options = pa_csv.WriteOptions(include_header=False)
    with open(folder / "ratings.csv", "wb") as file:
        file.write(b"user_id,item_id,rating,timestamp,label\n")
        for block in plan_blocks(layout.ratings):
            for ratings in reader.read(layout.ratings[block.part], block):
                liked = ratings.table["rating"].to_numpy() > 3
                label = pa.array(liked.astype(int))
                table = ratings.table.append_column("label", label)
                pa_csv.write_csv(table, file, options)


def write_ordered_pairs(pairs: Path, path: Path) -> None:
    """Writes lines of "USER ITEM", each user's in the order of time, as ratings.

    The number of a line becomes its time.
    """
    options = pa_csv.ReadOptions(column_names=["user_id", "item_id"])
    text = dict.fromkeys(options.column_names, pa.string())
    table = pa_csv.read_csv(
        pairs,
        read_options=options,
        parse_options=pa_csv.ParseOptions(delimiter=" "),
        convert_options=pa_csv.ConvertOptions(column_types=text),
    )
    times = pa.array(range(1, len(table) + 1))
    pa_csv.write_csv(table.append_column("timestamp", times), path)


def write_generated(
    folder: Path,
    num_ratings: int,
    num_users: int,
    num_items: int = 10_000,
    num_tastes: int = 1,
) -> None:
    """Writes ratings in MovieLens 20M's layout, with items of Zipf popularity.

    With several tastes, users only rate items of their own one, and ``users.csv`` has
    it as the ``occupation``: a model that reads it is better than popularity.
    """
    random = np.random.default_rng(2017)
    popularity = np.cumsum(1 / np.arange(1, num_items + 1))
    keys = np.empty(0, np.int64)
    while len(keys) < num_ratings:  # a user rates an item once
        n = num_ratings - len(keys)
        user = random.integers(num_users, size=n)
        item = np.searchsorted(popularity, random.random(n) * popularity[-1])
        if num_tastes > 1:
            item += user % num_tastes - item % num_tastes
            item = np.minimum(item, num_items - 1)
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
    if num_tastes > 1:
        user_id = np.arange(1, num_users + 1)
        users = {"userId": user_id, "occupation": (user_id - 1) % num_tastes}
        pa_csv.write_csv(pa.table(users), folder / "users.csv")
