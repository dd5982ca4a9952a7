"""``make bench-two-stages``: a list of two stages, and one of the ranking model alone.

Models of default settings with drawn weights make the list of one user at a time, on
one thread; times are CPU times, so that other work on the machine has little effect.
"""

import time
from collections.abc import Callable

import click
import numpy as np
import tensorflow as tf

from benchmarks.figures import Figure, machine, print_figures, write_docs
from pipeline.config.lists_section import ListsConfig
from trainer_modules import features as f
from trainer_modules.found_items import found_by
from trainer_modules.item_index import NO_ROW, item_index
from trainer_modules.ranking import Candidates, best
from trainer_modules.registry import MODELS
from trainer_modules.sizes import Sizes

USERS, RATED, GENRES, FOUND = 1000, 50, 20, 10
SPEED = 10.0  # to reach with 100,000 items

List = Callable[[dict[str, tf.Tensor]], tf.Tensor]  # rows of the best items [1, FOUND]


def draw(num_items: int) -> Sizes:
    """Returns the sizes of a catalogue whose items have two genres."""
    genres = np.random.default_rng(0).integers(2, GENRES, [num_items, 2], np.int32)
    genres[: f.NUM_RESERVED] = f.PADDING_INDEX
    return Sizes(
        USERS, num_items, item_fields={"item_genres": genres}, num_item_values=GENRES
    )


def by_all_scores(model: tf.keras.Model, num_items: int) -> List:
    """Scores every item, as a model without an index does."""
    candidates = Candidates.of(model, num_items, 0, 0)
    now = tf.constant([0], tf.int64)

    @tf.function(autograph=False)
    def made(features: dict[str, tf.Tensor]) -> tf.Tensor:
        return best(model, features, now, candidates, tf.constant(FOUND))[0]

    return made


def by_index(model: tf.keras.Model, num_items: int) -> List:
    """Finds candidates by the index that the model is exported with."""
    index = item_index(model, num_items, ListsConfig().index_probes)
    assert index

    @tf.function(autograph=False)
    def made(features: dict[str, tf.Tensor]) -> tf.Tensor:
        left_out = tf.cast(features[f.HISTORY_ITEM_INDEX], tf.int32) - f.NUM_RESERVED
        left_out = tf.where(left_out < 0, NO_ROW, left_out)
        return found_by(index, model, features, left_out, tf.constant(FOUND))[0]

    return made


@click.command()
@click.option("--items", "num_items", default=100_000, show_default=True)
@click.option("--lists", "num_lists", default=100, show_default=True)
@click.option("--write", is_flag=True, help="Write docs/benchmarks.md.")
def main(num_items: int, num_lists: int, write: bool) -> None:
    """Compare the time of a list of two_stage with that of its ranking model."""
    before = machine()
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    tf.keras.utils.set_random_seed(0)
    spec, sizes = MODELS["two_stage"], draw(num_items)
    model = spec.load_class()(spec.config_class(), sizes)
    random = np.random.default_rng(1)
    requests = [
        {
            f.USER_INDEX: tf.constant([user]),
            f.HISTORY_ITEM_INDEX: tf.constant(
                random.integers(2, num_items, [1, RATED])
            ),
            f.HISTORY_LABEL: tf.ones([1, RATED], tf.int64),
        }
        for user in random.integers(2, USERS, num_lists)
    ]
    model(requests[0] | {f.ITEM_INDEX: tf.constant([[2]])})  # makes the weights
    lists = {
        "ranking alone": by_all_scores(model.ranking, num_items),
        "retrieval alone": by_all_scores(model.retrieval, num_items),
        "two stages": by_all_scores(model, num_items),
        "two stages, index": by_index(model, num_items),
    }
    times: dict[str, list[float]] = {name: [] for name in lists}
    for made in lists.values():
        made(requests[0])  # traced, and in memory
    for request in requests:
        for name, made in lists.items():
            begin = time.process_time()
            made(request)
            times[name].append(1000 * (time.process_time() - begin))
    medians = {name: float(np.median(each)) for name, each in times.items()}
    figures = [Figure(f"{name}: median", each, "ms") for name, each in medians.items()]
    ratio = medians["ranking alone"] / medians["two stages, index"]
    figures.append(Figure("ranking alone / two stages, index", ratio, at_least=SPEED))
    print_figures(figures)
    if write:
        write_docs("two_stages", figures, before, "make bench-two-stages")


if __name__ == "__main__":
    main()
