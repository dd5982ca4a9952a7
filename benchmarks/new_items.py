"""``make bench-new-items``: items that training never saw, by their features.

A tenth of the items is held out (``split.held_out_items``). On the likes of these items
in the test, ``two_tower`` is compared with popularity within the item's genres: an item
that is held out is as popular as the mean item of its genres, others as they are. Both
rank among all items that a user has not rated, and among those that are held out alone.
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import click
import numpy as np
import numpy.typing as npt
import tensorflow as tf
from scipy import stats

from benchmarks.figures import Figure, machine, print_figures, write_docs
from benchmarks.processes import marquee
from benchmarks.results import DATA
from benchmarks.training_data import trainer_data
from components.artifact_place import split_folder
from components.catalogue_gen import read_catalogue
from components.metric_names import NDCG, PER_USER_METRICS
from components.ranking_metrics.metrics import ranking_metrics
from pipeline.runs.step_outputs import newest_output
from trainer_modules import features as f
from trainer_modules.inputs import records_of

HELD_OUT = 0.1
USERS = 256  # whose lists are made at once
RESAMPLES = 2000  # of the users, paired
GENRES = "item_genres"

Floats = npt.NDArray[np.float64]


class Catalogue:
    """The items of a run, and how popular they are within their genres.

    Attributes:
        place: Item id → position.
        is_new: Whether each item is held out, or was never liked for another reason.
        popularity: Number of likes; for a new item, the mean of its genres.
    """

    def __init__(self, out: Path):
        """Reads the newest run in a folder."""
        table = read_catalogue(newest_output(out, "CatalogueGen", "catalogue"))
        ids = [item.encode() for item in table[f.ITEM_ID].to_pylist()]
        self.place = {item_id: place for place, item_id in enumerate(ids)}
        data, _, transform = trainer_data(out)
        rows = [b"", b"", *transform.vocabulary_by_name(f.ITEM_VOCABULARY)]
        ratings = data.ratings_of_both_splits()
        likes = np.bincount(
            ratings.item_index[ratings.label == f.LIKED], minlength=len(rows)
        )
        count = np.zeros(len(ids))
        self.is_new = np.ones(len(ids), np.bool_)
        for row, item_id in enumerate(rows[f.NUM_RESERVED :], f.NUM_RESERVED):
            count[self.place[item_id]] = likes[row]
            self.is_new[self.place[item_id]] = False
        by_genre: dict[str, list[float]] = {}
        genres = table[GENRES].to_pylist()
        for place in np.flatnonzero(~self.is_new):
            for genre in genres[place]:
                by_genre.setdefault(genre, []).append(count[place])
        for place in np.flatnonzero(self.is_new):
            means = [np.mean(by_genre[genre]) for genre in genres[place]]
            count[place] = np.mean(means) if means else 0
        self.popularity = count


def scored_users(
    model: tf.Module, out: Path, catalogue: Catalogue
) -> Iterator[tuple[Floats, npt.NDArray[np.int64]]]:
    """Yields the scores of all items, and the new items that a test user likes.

    Scores of items that the user has rated are -inf; users without such likes are left
    out.
    """
    examples = newest_output(out, "RatingsExampleGen", "examples")
    files = tf.io.gfile.glob(f"{split_folder(examples, f.TEST_SPLIT)}/*")
    lists = {
        name: tf.io.RaggedFeature(kind)
        for name, kind in (
            (f.USER_ID, tf.string),
            (f.ITEM_ID, tf.string),
            (f.HISTORY_ITEM_ID, tf.string),
            (f.HISTORY_RATING, tf.float32),
        )
    }
    for records in records_of(sorted(files)).batch(USERS):
        parsed = tf.io.parse_example(records, lists)
        listed = model.signatures["recommend"](
            user_id=parsed[f.USER_ID].flat_values,
            history_item_id=parsed[f.HISTORY_ITEM_ID].to_tensor(""),
            history_rating=parsed[f.HISTORY_RATING].to_tensor(np.nan),
            user_features=tf.fill([len(records), 0], ""),
            k=tf.constant(len(catalogue.place)),
            exclude_item_id=tf.fill([len(records), 0], ""),
        )
        label = model.signatures["evaluate"](examples=records)["label"].numpy()
        for row, items in enumerate(parsed[f.ITEM_ID].to_list()):
            places = [catalogue.place[item] for item in items]
            liked = np.array(places)[label[row, : len(items)] == f.LIKED]
            liked = liked[catalogue.is_new[liked]]
            if not len(liked):
                continue
            scores = np.full(len(catalogue.place), -np.inf)
            ids = [item for item in listed["item_id"][row].numpy() if item]
            found = [catalogue.place[item] for item in ids]
            scores[found] = listed["score"][row].numpy()[: len(found)]
            yield scores, liked


def ndcg(scores: Floats, liked: npt.NDArray[np.int64]) -> float:
    """Returns the nDCG at 10; equal scores count against the liked items."""
    ranks = np.array([np.count_nonzero(scores >= scores[item]) for item in liked])
    num_candidates = np.count_nonzero(scores > -np.inf)
    return float(ranking_metrics(ranks, num_candidates)[PER_USER_METRICS.index(NDCG)])


def compare(model: tf.Module, out: Path, catalogue: Catalogue) -> list[Figure]:
    """Returns the mean nDCG of both, and an interval of the difference."""
    measured: dict[str, list[tuple[float, float]]] = {"all items": [], "new items": []}
    for scores, liked in scored_users(model, out, catalogue):
        popularity = np.where(scores > -np.inf, catalogue.popularity, -np.inf)
        for among, values in measured.items():
            chosen = catalogue.is_new if among == "new items" else np.True_
            both = (np.where(chosen, x, -np.inf) for x in (scores, popularity))
            ours, theirs = (ndcg(x, liked) for x in both)
            values.append((ours, theirs))
    figures = [Figure("users who like a new item", len(measured["all items"]))]
    for among, values in measured.items():
        ours, theirs = np.array(values).T
        low, high = stats.bootstrap(
            (ours - theirs,),
            np.mean,
            n_resamples=RESAMPLES,
            batch=100,
            method="percentile",
            random_state=0,
        ).confidence_interval
        figures += [
            Figure(f"nDCG@10 among {among}, two_tower", ours.mean()),
            Figure(f"nDCG@10 among {among}, popularity within genres", theirs.mean()),
            Figure(f"difference among {among}, lower bound", low, at_least=0),
            Figure(f"difference among {among}, upper bound", high),
        ]
    return figures


@click.command()
@click.option("--data", default="ml-1m", show_default=True, type=click.Choice(DATA))
@click.option("--out", type=click.Path(path_type=Path), help="A run to measure again.")
@click.option("--write", is_flag=True, help="Write the table to docs/benchmarks.md.")
def main(data: str, out: Path | None, write: bool) -> None:
    """Train two_tower without a tenth of the items, and measure it on these."""
    before = machine()
    with tempfile.TemporaryDirectory(prefix="marquee-bench-") as folder:
        if out is None:
            out = Path(folder)
            marquee(out, data, "two_tower", f"split.held_out_items={HELD_OUT}")
        trained = newest_output(out, "Trainer_two_tower", "model")
        model = tf.saved_model.load(f"{trained}/Format-Serving")
        figures = compare(model, out, Catalogue(out))
    print_figures(figures)
    if write:
        write_docs("new-items", figures, before, f"make bench-new-items DATA={data}")


if __name__ == "__main__":
    main()
