"""A model that answers by rules, and the data with which it was accepted."""

from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import tensorflow as tf

from tests.support.examples import write_ratings
from tests.support.metadata_store import accept
from tests.support.recommender import save_recommender
from trainer_modules import features as f
from trainer_modules.model_card import ModelCard, write_card

ORIGIN = "Trainer_ruled/model/{}"
TITLES = {str(i): f"Film {i} (19{i:02d})" for i in range(1, 31)}
RATED = {  # split → user → item → stars; more than 3 is a like
    "train": {"ann": {"30": 5, "29": 1}, "bob/é": {"28": 4}},
    "test": {"ann": {"27": 4}},
}
RATED_ALIKE = {  # by users who like some of the same items
    "train": {
        "ann": {"30": 5, "29": 1, "27": 4},
        "bob": {"30": 4, "28": 5, "29": 5},
        "cat": {"27": 4, "28": 4, "26": 2},
    },
    "test": {"cat": {"30": 4}},
}


class Ruled(tf.Module):
    """Lists items 30, 29, … without those of the history.

    The score of an item is its ID plus 1000 times the mark.
    """

    def __init__(self, mark):
        super().__init__()
        self.mark = tf.Variable(float(mark), name="mark")
        self.items = tf.constant([str(i) for i in range(30, 0, -1)])

    def recommend(self, user_id, history_item_id, k):
        seen = tf.reduce_any(
            self.items[None, :, None] == history_item_id[:, None, :], 2
        )
        score = tf.strings.to_number(self.items)[None] + 1000 * self.mark
        score += 0 * tf.cast(tf.strings.length(user_id), tf.float32)[:, None]
        score = tf.where(seen, -float("inf"), score)
        top = tf.math.top_k(score, tf.minimum(k, 30))
        item = tf.gather(self.items, top.indices)
        left = top.values > -float("inf")
        return {"item_id": tf.where(left, item, b""), "score": top.values}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def score(self, examples):
        spec = {"candidate_item_id": tf.io.RaggedFeature(tf.string)}
        ids = tf.io.parse_example(examples, spec)["candidate_item_id"]
        ids = tf.strings.regex_replace(ids.to_tensor("-1"), "[?]", "0")
        score = tf.strings.to_number(ids)
        return {"score": tf.where(score < 0, -float("inf"), score)}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def evaluate(self, examples):
        """Takes long for long examples, and has bytes in its answer."""
        work = tf.random.stateless_uniform([1500, 1500], [1, 2])
        for _ in tf.range(tf.strings.length(examples[0])):
            work = tf.linalg.matmul(work, work) / 1e3
        zero = tf.cast(tf.reduce_sum(work) * 0, tf.int32) * 0
        return {
            "raw_bytes": examples,
            "length": tf.strings.length(examples) + zero,
        }


def save_ruled(folder: Path, mark: int) -> None:
    """Exports a ``Ruled`` model; marks 1 and 2 differ in their scores."""
    model = Ruled(mark)
    save_recommender(
        model, folder, serving_default=model.score, evaluate=model.evaluate
    )
    write_card(
        str(folder), ModelCard(f"ruled-{mark}", 1, {}, origin=ORIGIN.format(mark))
    )


def write_data(
    out: Path,
    rated: Mapping[str, Mapping[str, Mapping[str, float]]],
    execution: int,
    times: Mapping[str, int] | None = None,
) -> None:
    """Writes data with which the models of marks 1 and 2 were accepted.

    Args:
        out: The output folder of the runs.
        rated: Split → user → item → stars.
        execution: Number of the artifact folders.
        times: Item → when it was rated, in seconds; None for data without times.
    """
    examples = out / f"artifacts/RatingsExampleGen/examples/{execution}"
    for split, users in rated.items():
        write_ratings(examples / f"Split-{split}" / "data.gz", users, times)
    catalogue = out / f"artifacts/CatalogueGen/catalogue/{execution + 1}"
    catalogue.mkdir(parents=True)
    titles = {f.ITEM_ID: list(TITLES), "title": list(TITLES.values())}
    pq.write_table(pa.table(titles), catalogue / f.CATALOGUE_FILE)
    for mark in (1, 2):
        accept(out, execution, model=ORIGIN.format(mark))
