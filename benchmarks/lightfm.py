"""``make bench-lightfm``: matrix factorisation by WARP, ours beside LightFM's.

Ours is the row ``warp_mf`` of ``make bench-ncf``. LightFM reads the same transformed
ratings, train and eval together, and is evaluated on the same test targets. Both have
the ids alone, as many factors, and the learning rate of LightFM's defaults.
"""

import dataclasses
import os
import tempfile
import time
from pathlib import Path

import click
import numpy as np
import scipy.sparse
import tensorflow as tf
from lightfm import LightFM

from benchmarks.figures import Figure, machine, print_figures, write_docs
from benchmarks.processes import marquee
from benchmarks.quality import measure, set_options
from benchmarks.results import DATA, read_table
from benchmarks.training_data import trainer_data
from components.artifact_place import split_folder
from components.ranking_metrics.metrics import NUM_SAMPLED, ranking_metrics
from pipeline.runs.step_outputs import newest_output
from trainer_modules import features as f
from trainer_modules.inputs import Data, eval_users
from trainer_modules.ranking import Candidates, rank_targets

EPOCHS = 20  # LightFM's metrics rise from 15 to 20 on MovieLens 1M
SEED = 0


class Scorer:
    """Scores candidates that all users share by the vectors of a fitted LightFM."""

    def __init__(self, fitted: LightFM):
        user_bias, user = fitted.get_user_representations()
        item_bias, item = fitted.get_item_representations()
        self.user, self.user_bias = tf.constant(user), tf.constant(user_bias)
        self.item, self.item_bias = tf.constant(item), tf.constant(item_bias)

    def __call__(self, features: dict[str, tf.Tensor]) -> tf.Tensor:
        """Returns scores [B, C] of items [1, C]."""
        user, [item] = features[f.USER_INDEX], features[f.ITEM_INDEX]
        product = tf.matmul(
            tf.gather(self.user, user), tf.gather(self.item, item), transpose_b=True
        )
        user_bias = tf.gather(self.user_bias, user)[:, tf.newaxis]
        return product + user_bias + tf.gather(self.item_bias, item)


def fit(data: Data, num_factors: int) -> LightFM:
    """Fits LightFM to the distinct pairs of train and eval."""
    ratings = data.ratings_of_both_splits()
    pairs = data.interactions(ratings.where(ratings.liked()))
    matrix = scipy.sparse.coo_matrix(
        (
            np.ones(len(pairs), np.float32),
            (pairs.user_index, pairs.item_index),
        ),
        shape=(data.sizes.num_users, data.sizes.num_items),
    )
    model = LightFM(no_components=num_factors, loss="warp", random_state=SEED)
    return model.fit(matrix, epochs=EPOCHS, num_threads=os.cpu_count())


def sampled_metrics(scorer: Scorer, data: Data) -> dict[str, float]:
    """Returns the sampled hit rate and nDCG at 10 of the eval files' targets."""
    values = []
    for batch in eval_users(data, data.sizes.num_users):
        targets = batch.pop(f.ITEM_INDEX)
        liked = batch.pop(f.LABEL).numpy() == f.LIKED
        ranked = rank_targets(
            scorer, batch, targets, Candidates(data.sizes.num_items), 1
        )
        ranks, candidates = ranked["rank"].numpy(), ranked["num_candidates"].numpy()
        for rank, is_liked, count in zip(ranks, liked, candidates, strict=True):
            of_liked = np.sort(rank[is_liked])
            values.append(ranking_metrics(of_liked, int(count), NUM_SAMPLED)[-2:])
    hit_rate, ndcg = np.mean(values, 0)
    return {"sampled_hit_rate@10": hit_rate, "sampled_ndcg@10": ndcg}


@click.command()
@click.option("--data", default="ml-1m", show_default=True, type=click.Choice(DATA))
@click.option("--write", is_flag=True, help="Write the table to docs/benchmarks.md.")
def main(data: str, write: bool) -> None:
    """Train both, one after the other."""
    before = machine()
    table = read_table("ncf")
    [row] = [row for row in table.rows if row.name == "warp_mf"]
    with tempfile.TemporaryDirectory(prefix="marquee-bench-") as folder:
        out = Path(folder) / f"{data}-split-0"  # which ``measure`` reuses
        marquee(out, data, "popularity", *set_options(table.set))
        read, _, transform = trainer_data(
            out, leave_out=table.set["vocabulary.leave_out"]
        )
        examples = newest_output(out, "Transform", "transformed_examples")
        test_files = [f"{split_folder(examples, f.TEST_SPLIT)}/*"]
        started = time.monotonic()
        fitted = fit(read, row.settings["embedding_dim"])
        seconds = time.monotonic() - started
        test = dataclasses.replace(read, eval_files=test_files)
        theirs = sampled_metrics(Scorer(fitted), test)
        ours = measure(table, row, data, (SEED,), Path(folder))
    figures = []
    for name, value in theirs.items():
        figures += [
            Figure(f"{name}, LightFM", value),
            Figure(f"{name}, ours", ours.metrics[name], at_least=round(value, 4)),
        ]
    figures += [
        Figure("training, LightFM", seconds, "s"),
        Figure(
            "training, ours, to choose the epoch and again", ours.train_seconds, "s"
        ),
    ]
    print_figures(figures)
    if write:
        write_docs("lightfm", figures, before, f"make bench-lightfm DATA={data}")


if __name__ == "__main__":
    main()
