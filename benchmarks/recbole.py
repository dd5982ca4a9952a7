"""``make bench-recbole``: trains xDeepFM, ours and RecBole's in turn.

Both use MovieLens 1M with the same fields and batches, with the sizes of our table and
with those of RecBole's table. For ours, the faster of two passes over all ratings
counts, because the first one traces. For RecBole, in a process of its own, one pass
over 200,000 ratings counts, after some batches to warm up.
"""

import json
import sys
import tempfile
from pathlib import Path

import click
import numpy as np
import pandas as pd
import tensorflow as tf

from benchmarks.arithmetic import shares_of_the_rate
from benchmarks.figures import beside, machine, print_figures, write_docs
from benchmarks.peers import run_peer
from benchmarks.quality import ctr_data
from trainer_modules import features as f
from trainer_modules import training
from trainer_modules.configs.fields import XDeepFMConfig
from trainer_modules.inputs import Data
from trainer_modules.models.xdeepfm import XDeepFM

ROUNDS = 3
ROWS = 200_000  # of RecBole's pass; its speed does not depend on their number
SCRIPT = Path(__file__).with_name("recbole_training.py")
BATCH = 4096
SIZES = {  # of the compressed interactions (CIN) and of the dense layers
    "our table's sizes": ((16, 16), (256, 256, 256)),
    "RecBole's sizes": ((100, 100, 100), (512, 512, 512)),
}


def write_rows(data: Data, folder: Path) -> None:
    """Writes a sample of the rows with a label as RecBole's data set ``rows``."""
    ratings = data.train_ratings
    labelled = np.flatnonzero(ratings.label != f.NEITHER)
    ratings = ratings.where(np.random.default_rng(0).permutation(labelled)[:ROWS])
    (folder / "rows").mkdir()

    def write(ending: str, columns: dict[str, np.ndarray]) -> None:
        path = folder / "rows" / f"rows.{ending}"
        pd.DataFrame(columns).to_csv(path, sep="\t", index=False)

    def typed(table: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        found = {}
        for name, values in table.items():
            if values.shape[1] == 1:
                found[f"{name}:token"] = values[:, 0]
            else:
                texts = [" ".join(map(str, row[row > 0])) for row in values]
                found[f"{name}:token_seq"] = np.array(texts)
        return found

    write(
        "inter",
        {
            "user_id:token": ratings.user_index,
            "item_id:token": ratings.item_index,
            "label:float": ratings.label,
        },
    )
    users = np.arange(data.sizes.num_users)
    write("user", {"user_id:token": users, **typed(data.user_fields)})
    items = np.arange(data.sizes.num_items)
    write("item", {"item_id:token": items, **typed(data.sizes.item_fields)})


def sized(cin: tuple[int, ...], hidden: tuple[int, ...]) -> XDeepFMConfig:
    """Returns the settings of our model with these layers."""
    return XDeepFMConfig(
        embedding_dim=16,
        cin_units=cin,
        hidden_units=hidden,
        batch_size=BATCH,
        epochs=2,
        dropout_rate=0.0,
        l2=0.0,
    )


def ours(data: Data, cin: tuple[int, ...], hidden: tuple[int, ...]) -> float:
    """Returns the rows/s of ``training.fit``."""
    config = sized(cin, hidden)
    tf.keras.backend.clear_session()
    with tempfile.TemporaryDirectory() as logs:
        trained = training.fit(
            XDeepFM(config, data.sizes),
            config,
            data,
            seed=0,
            log_dir=logs,
            name="xdeepfm",
        )
    assert trained.samples_per_second
    return trained.samples_per_second


def recbole(folder: Path, cin: tuple[int, ...], hidden: tuple[int, ...]) -> float:
    """Returns the rows/s of RecBole's own training loop."""
    layers = [json.dumps(cin), json.dumps(hidden)]
    return float(run_peer(SCRIPT, folder, *layers, BATCH, folder=folder))


@click.command()
@click.option("--write", is_flag=True, help="Write the table to docs/benchmarks.md.")
def main(write: bool) -> None:
    """Train both in turn, so that other work on the machine slows both."""
    before = machine()
    speeds: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory(prefix="marquee-bench-") as name:
        folder = Path(name)
        data = ctr_data(folder / "out")
        write_rows(data, folder)
        for _ in range(ROUNDS):
            for sizes, layers in SIZES.items():
                for who, speed in (
                    ("ours", ours(data, *layers)),
                    ("RecBole", recbole(folder, *layers)),
                ):
                    speeds.setdefault(f"{sizes}, {who}", []).append(speed)
                    print(f"{sizes}, {who}: {speed / 1e3:.1f}", file=sys.stderr)
    figures = beside(speeds, SIZES, "RecBole", at_least=4)
    configs = {sizes: sized(*layers) for sizes, layers in SIZES.items()}
    trained = {sizes: (XDeepFM(c, data.sizes), c) for sizes, c in configs.items()}
    figures += shares_of_the_rate(speeds, trained, data)
    print_figures(figures)
    if write:
        write_docs("recbole", figures, before, "make bench-recbole")


if __name__ == "__main__":
    main()
