"""``make bench-deepctr``: trains DeepFM and AutoInt, ours and DeepCTR's in turn.

Both use the same MovieLens 1M ratings, fields and sizes: embeddings of 16 numbers,
three layers of 256 units, batches of 4,096 rows. Of two passes over the training rows
the faster one counts, because the first one traces.
"""

import sys
import tempfile
from pathlib import Path
from typing import Any

import click
import numpy as np
import tensorflow as tf
from deepctr.feature_column import SparseFeat, VarLenSparseFeat, get_feature_names
from deepctr.models import AutoInt as DeepCTRAutoInt
from deepctr.models import DeepFM as DeepCTRDeepFM

from benchmarks.arithmetic import shares_of_the_rate
from benchmarks.figures import beside, machine, print_figures, write_docs
from benchmarks.quality import ctr_data
from benchmarks.training import Clock
from trainer_modules import features as f
from trainer_modules import training
from trainer_modules.configs.fields import AutoIntConfig, DeepFMConfig
from trainer_modules.inputs import Data
from trainer_modules.models.autoint import AutoInt
from trainer_modules.models.deepfm import DeepFM

ROUNDS = 3
EPOCHS = 2
BATCH = 4096
UNITS = (256, 256, 256)
SIZES: dict[str, Any] = {
    "embedding_dim": 16,
    "hidden_units": UNITS,
    "batch_size": BATCH,
    "epochs": EPOCHS,
    "dropout_rate": 0.0,
    "l2": 0.0,
}
OURS = {
    "DeepFM": (DeepFM, DeepFMConfig(**SIZES)),
    "AutoInt": (AutoInt, AutoIntConfig(**SIZES, num_layers=3)),
}
DEEPCTR = {
    "DeepFM": lambda columns: DeepCTRDeepFM(
        columns, columns, dnn_hidden_units=UNITS, l2_reg_embedding=0, l2_reg_linear=0
    ),
    "AutoInt": lambda columns: DeepCTRAutoInt(
        columns,
        columns,
        att_layer_num=3,
        att_embedding_size=8,
        att_head_num=2,
        dnn_hidden_units=UNITS,
        l2_reg_embedding=0,
        l2_reg_linear=0,
    ),
}


def ours(name: str, data: Data) -> float:
    """Returns the rows/s of ``training.fit``."""
    model_class, config = OURS[name]
    with tempfile.TemporaryDirectory() as logs:
        trained = training.fit(
            model_class(config, data.sizes),
            config,
            data,
            seed=0,
            log_dir=logs,
            name=name,
        )
    assert trained.samples_per_second
    return trained.samples_per_second


def deepctr(name: str, data: Data) -> float:
    """Returns the rows/s of DeepCTR's model in Keras' ``fit`` on arrays in memory."""
    ratings = data.train_ratings
    ratings = ratings.where(ratings.label != f.NEITHER)
    user, item = ratings.user_index, ratings.item_index
    tables = {
        f.USER_INDEX: (user[:, np.newaxis], data.sizes.num_users),
        f.ITEM_INDEX: (item[:, np.newaxis], data.sizes.num_items),
    }
    for field, table in data.user_fields.items():
        tables[field] = table[user], data.sizes.num_user_values
    for field, table in data.sizes.item_fields.items():
        tables[field] = table[item], data.sizes.num_item_values
    columns = []
    for field, (values, rows) in tables.items():
        column = SparseFeat(field, rows, embedding_dim=16)
        if values.shape[1] > 1:
            column = VarLenSparseFeat(column, maxlen=values.shape[1], combiner="mean")
        columns.append(column)
    arrays = {field: np.squeeze(values) for field, (values, _) in tables.items()}
    inputs = {name: arrays[name] for name in get_feature_names(columns)}
    model = DEEPCTR[name](columns)
    model.compile("adam", "binary_crossentropy")
    clock = Clock()
    model.fit(
        inputs,
        ratings.label.astype(np.float32),
        batch_size=BATCH,
        epochs=EPOCHS,
        verbose=0,
        callbacks=[clock],
    )
    return len(ratings) / clock.fastest


@click.command()
@click.option("--write", is_flag=True, help="Write the table to docs/benchmarks.md.")
def main(write: bool) -> None:
    """Train both in turn, so that other work on the machine slows both."""
    before = machine()
    with tempfile.TemporaryDirectory(prefix="marquee-bench-") as folder:
        data = ctr_data(Path(folder))
        speeds: dict[str, list[float]] = {}
        for _ in range(ROUNDS):
            for who, train in (("ours", ours), ("DeepCTR", deepctr)):
                for name in OURS:
                    tf.keras.backend.clear_session()
                    tf.keras.utils.set_random_seed(0)
                    speed = train(name, data)
                    speeds.setdefault(f"{name}, {who}", []).append(speed)
                    print(f"{name}, {who}: {speed / 1e3:.1f}", file=sys.stderr)
    print(f"load {before['load_average']:.1f} at the start", file=sys.stderr)
    figures = beside(speeds, OURS, "DeepCTR", at_least=1.3)
    trained = {name: (make(c, data.sizes), c) for name, (make, c) in OURS.items()}
    figures += shares_of_the_rate(speeds, trained, data)
    print_figures(figures)
    if write:
        write_docs("deepctr", figures, before, "make bench-deepctr")


if __name__ == "__main__":
    main()
