"""``make bench-index``: lists of a million items by the index, and by all the scores.

Items and users are drawn around common topics, and the lengths of the items' vectors
differ, as popularity makes them. Each library answers the same queries one by one on
one thread, in turn; times are CPU times, so that other work on the machine has little
effect. Every item is scored to know the right answer.
"""

import importlib
import time
from collections.abc import Callable
from importlib import metadata
from typing import Any

import click
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from benchmarks.figures import Figure, machine, print_figures, write_docs
from pipeline.config.lists_section import ListsConfig
from trainer_modules.item_index import NO_ROW, ItemIndex, num_lists

TOPICS = 2000
SPREAD = 0.7  # of vectors around their topic
LENGTHS = 0.2  # standard deviation of the logarithm of an item's length
FOUND = 100
RECALL, MILLISECONDS, SPEED = 0.95, 5.0, 8.0  # to reach with a million items

Floats = npt.NDArray[np.float32]
Search = Callable[[Floats], Any]  # rows of the best items [FOUND] for a query [D]


def draw(num_items: int, dim: int, num_queries: int) -> tuple[Floats, Floats]:
    """Returns vectors of items [V, D] and of users [Q, D]."""
    random = np.random.default_rng(0)
    topics = random.normal(size=[TOPICS, dim])

    def near_topics(rows: int) -> npt.NDArray[np.float64]:
        noise = random.normal(0, SPREAD, [rows, dim])
        return topics[random.integers(TOPICS, size=rows)] + noise

    lengths = np.exp(random.normal(0, LENGTHS, [num_items, 1]))
    items = near_topics(num_items) * lengths
    return items.astype(np.float32), near_topics(num_queries).astype(np.float32)


def by_all_scores(items: Floats) -> Search:
    """Scores every item, as a model without an index does."""
    vectors = tf.constant(items)

    @tf.function
    def best(query: tf.Tensor) -> tf.Tensor:
        return tf.math.top_k(tf.matmul(query, vectors, transpose_b=True), FOUND).indices

    return lambda query: best(query[np.newaxis]).numpy()[0]


def by_index(items: Floats) -> Search:
    """Searches the index that models are exported with."""
    index = ItemIndex(items, num_lists(len(items)), ListsConfig().index_probes)
    nothing = tf.constant([[NO_ROW]])

    @tf.function
    def best(query: tf.Tensor) -> tf.Tensor:
        return index.search(query, nothing, tf.constant(FOUND))[0]

    return lambda query: best(query[np.newaxis]).numpy()[0]


def by_hnswlib(items: Floats) -> Search:
    """Walks hnswlib's graph with the settings of its own examples."""
    graph = importlib.import_module("hnswlib").Index("ip", items.shape[1])
    graph.init_index(len(items), M=16, ef_construction=200, random_seed=0)
    graph.add_items(items)
    graph.set_num_threads(1)
    graph.set_ef(2 * FOUND)
    return lambda query: graph.knn_query(query, FOUND)[0][0]


def by_scann(items: Floats) -> Search:
    """Searches with ScaNN, by the settings of its guide for this size."""
    builder = importlib.import_module("scann").scann_ops_pybind.builder
    searcher = (
        builder(items, FOUND, "dot_product")
        .tree(2000, 100, training_sample_size=250_000)
        .score_ah(2, anisotropic_quantization_threshold=0.2)
        .reorder(FOUND)
        .build()
    )
    return lambda query: searcher.search(query)[0]


LIBRARIES = {"hnswlib": by_hnswlib, "scann": by_scann}


@click.command()
@click.option("--items", "num_items", default=1_000_000, show_default=True)
@click.option("--dim", default=64, show_default=True)
@click.option("--queries", default=500, show_default=True)
@click.option("--write", is_flag=True, help="Write docs/benchmarks.md.")
def main(num_items: int, dim: int, queries: int, write: bool) -> None:
    """Compare the index of models with all scores, hnswlib and ScaNN."""
    before = machine()
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    items, users = draw(num_items, dim, queries)
    searches, figures = {"all scores": by_all_scores(items)}, []
    for name, make in {"index": by_index, **LIBRARIES}.items():
        begin = time.process_time()
        searches[name] = make(items)
        figures.append(Figure(f"{name}: built", time.process_time() - begin, "CPU s"))
    for search in searches.values():
        search(users[0])  # traced, and in memory
    times: dict[str, list[float]] = {name: [] for name in searches}
    recalls: dict[str, list[float]] = {name: [] for name in searches}
    for user in users:
        exact: set[int] = set()
        for name, search in searches.items():
            begin = time.process_time()
            found = search(user)
            times[name].append(1000 * (time.process_time() - begin))
            exact = exact or set(found)
            recalls[name].append(len(exact & set(found)) / FOUND)
    for name in searches:
        is_ours = name == "index"
        if name != "all scores":
            recall = float(np.mean(recalls[name]))
            least = RECALL if is_ours else None
            figures.append(Figure(f"{name}: recall@{FOUND}", recall, at_least=least))
        median, slow = (float(np.quantile(times[name], q)) for q in (0.5, 0.99))
        most = MILLISECONDS if is_ours else None
        figures.append(Figure(f"{name}: median", median, "ms"))
        figures.append(Figure(f"{name}: p99", slow, "ms", at_most=most))
    ratio = float(np.median(times["all scores"]) / np.median(times["index"]))
    figures.append(Figure("all scores / index", ratio, at_least=SPEED))
    print_figures(figures)
    if write:
        versions = [f"{name}=={metadata.version(name)}" for name in LIBRARIES]
        write_docs("index", figures, before, "make bench-index", versions)


if __name__ == "__main__":
    main()
