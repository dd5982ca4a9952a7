"""Trains NeuMF with our Trainer and with plain Keras on arrays, in turn.

A process of its own: ``python -m benchmarks.training OUT``, with the output folder of a
``marquee run``. Prints the samples/s of each round, and the share of the machine's
product rate that ours use, as JSON on the last line.
"""

import dataclasses
import json
import math
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import tensorflow as tf

from benchmarks.arithmetic import shares_of_the_rate
from benchmarks.training_data import trainer_data
from trainer_modules import training
from trainer_modules.configs.factorization import NeuMFConfig
from trainer_modules.inputs import Data
from trainer_modules.models.neumf import NeuMF
from trainer_modules.tasks.negatives import negative_sampler

ROUNDS = 3
CONFIG = NeuMFConfig(epochs=3)  # the first one traces; the fastest one counts


class Clock(tf.keras.callbacks.Callback):
    """Measures epochs from first to last step, as ``training.Progress`` does."""

    fastest = math.inf

    def on_epoch_begin(self, epoch: int, logs: object = None) -> None:
        """Starts the clock."""
        self.started = time.monotonic()

    def on_train_batch_end(self, batch: int, logs: object = None) -> None:
        """Records the time so far."""
        self.trained = time.monotonic() - self.started

    def on_epoch_end(self, epoch: int, logs: object = None) -> None:
        """Keeps the fastest epoch."""
        self.fastest = min(self.fastest, self.trained)


def ours(data: Data) -> float:
    """Returns the samples/s of ``training.fit``, which draws negatives as it goes."""
    model = NeuMF(CONFIG, data.sizes)
    with tempfile.TemporaryDirectory() as logs:
        trained = training.fit(model, CONFIG, data, seed=0, log_dir=logs, name="neumf")
    assert trained.samples_per_second
    return trained.samples_per_second


def plain_keras(data: Data) -> float:
    """Returns the samples/s of Keras' ``fit``, with negatives drawn beforehand."""
    ratings = data.train_ratings
    positives = data.interactions(ratings.where(ratings.liked()))
    rows = 1 + CONFIG.num_negatives
    uniform = np.random.default_rng(0).random(
        [len(positives), CONFIG.num_negatives], np.float32
    )
    negatives = negative_sampler(positives)(
        tf.constant(positives.user_index), tf.constant(uniform)
    )
    user = np.repeat(positives.user_index, rows)
    item = np.concatenate([positives.item_index[:, np.newaxis], negatives], 1).ravel()
    label = np.tile(np.eye(1, rows, dtype=np.float32)[0], len(positives))
    model = functional_neumf(data.sizes.num_users, data.sizes.num_items)
    model.compile(
        tf.keras.optimizers.Adam(CONFIG.learning_rate),
        tf.keras.losses.BinaryCrossentropy(from_logits=True),
    )
    clock = Clock()
    model.fit(
        [user, item],
        label,
        batch_size=CONFIG.batch_size * rows,
        epochs=CONFIG.epochs,
        verbose=0,
        callbacks=[clock],
    )
    return len(label) / clock.fastest


def functional_neumf(num_users: int, num_items: int) -> tf.keras.Model:
    """Builds the model of He et al. 2017, figure 3, from a pair to a logit."""
    user, item = (tf.keras.Input([], dtype=tf.int32) for _ in range(2))

    def embed(index: tf.Tensor, rows: int, dim: int) -> tf.Tensor:
        return tf.keras.layers.Embedding(rows, dim)(index)

    dim, width = CONFIG.embedding_dim, CONFIG.hidden_units[0] // 2
    product = embed(user, num_users, dim) * embed(item, num_items, dim)
    tower = tf.keras.layers.Concatenate()(
        [embed(user, num_users, width), embed(item, num_items, width)]
    )
    for units in CONFIG.hidden_units[1:]:
        tower = tf.keras.layers.Dense(units, "relu")(tower)
    joined = tf.keras.layers.Concatenate()([product, tower])
    return tf.keras.Model([user, item], tf.keras.layers.Dense(1)(joined)[:, 0])


def main(out: Path) -> None:
    """Trains both in turn, so that other work on the machine slows both."""
    data, *_ = trainer_data(out)
    speeds: dict[str, list[float]] = {"ours": [], "keras": []}
    for _ in range(ROUNDS):
        for name, train in (("ours", ours), ("keras", plain_keras)):
            tf.keras.backend.clear_session()
            tf.keras.utils.set_random_seed(0)
            speeds[name].append(train(data))
    [share] = shares_of_the_rate(
        {"NeuMF, ours": speeds["ours"]},
        {"NeuMF": (NeuMF(CONFIG, data.sizes), CONFIG)},
        data,
    )
    print(json.dumps({"speeds": speeds, "share": dataclasses.asdict(share)}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
