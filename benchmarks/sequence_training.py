"""Trains the sequence models of RecBole and RecTools, without imports of ours.

``python benchmarks/sequence_training.py PEER MODEL FOLDER SETTINGS`` runs in the
environment of the peers. It reads the histories that ``benchmarks.sequence`` wrote to
FOLDER, trains on them in the peer's own loop, and prints what was measured as JSON on
its last line. SETTINGS are JSON, too.
"""

import dataclasses
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any


@dataclasses.dataclass
class Clock:
    """Measures steps of a training, once it is warm.

    Attributes:
        at_least: Seconds to measure.
        warm_steps: Number of steps before them.
        steps: Number of steps that were measured.
        rows: Number of histories in them.
        positions: Number of positions in them, padding included.
        targets: Number of positions in them that have a loss: the tokens.
        seconds: Time that they took.
        cpu_seconds: CPU time of this process meanwhile.
    """

    at_least: float
    warm_steps: int
    steps: int = 0
    rows: int = 0
    positions: int = 0
    targets: int = 0
    seconds: float = 0.0
    cpu_seconds: float = 0.0

    def count(self, rows: int, positions: int, targets: int, steps: int = 1) -> None:
        """Counts steps that have just ended."""
        now, cpu_now = time.monotonic(), time.process_time()
        if self.warm_steps > 0:
            self.warm_steps -= steps
            self.started, self.cpu_started = now, cpu_now
            return
        self.steps += steps
        self.rows += rows
        self.positions += positions
        self.targets += targets
        self.seconds = now - self.started
        self.cpu_seconds = cpu_now - self.cpu_started

    @property
    def is_over(self) -> bool:
        """Whether enough has been measured."""
        return self.seconds >= self.at_least


def recbole(name: str, folder: str, settings: dict[str, Any], clock: Clock) -> int:
    """Trains a model of RecBole, and returns the number of items that it scores.

    RecBole makes a row for each target, with the history before it.
    """
    from recbole.config import Config
    from recbole.data import create_dataset
    from recbole.data.dataloader import TrainDataLoader
    from recbole.model.sequential_recommender import GRU4Rec, SASRec
    from recbole.trainer import Trainer
    from recbole.utils import init_seed

    sys.argv = sys.argv[:1]  # RecBole reads the command line as well
    dim, rate = settings["embedding_dim"], settings["dropout_rate"]
    config = Config(
        model=name,
        dataset="sample",
        config_dict={
            "data_path": folder,
            "load_col": None,
            "MAX_ITEM_LIST_LENGTH": settings["max_history_length"],
            "train_batch_size": settings["batch_size"],
            "train_neg_sample_args": None,
            "learning_rate": settings["learning_rate"],
            "loss_type": "CE",
            "hidden_size": dim,
            "embedding_size": dim,
            "inner_size": settings["inner_dim"],
            "n_layers": settings["blocks"],
            "n_heads": settings["heads"],
            "hidden_dropout_prob": rate,
            "attn_dropout_prob": rate,
            "dropout_prob": rate,
            "use_gpu": False,
            "show_progress": False,
            "state": "ERROR",
        },
    )
    init_seed(0, reproducibility=False)
    dataset = create_dataset(config)
    dataset._change_feat_format()  # makes the rows; ``build`` would also split them
    loader = TrainDataLoader(config, dataset, None, shuffle=True)
    model = {"SASRec": SASRec, "GRU4Rec": GRU4Rec}[name](config, dataset)

    def timed() -> Iterator[Any]:
        while not clock.is_over:
            for batch in loader:
                yield batch
                rows, length = batch["item_id_list"].shape
                clock.count(rows, rows * length, rows)
                if clock.is_over:
                    return

    Trainer(config, model)._train_epoch(timed(), 0)
    return int(model.n_items)


def rectools(name: str, folder: str, settings: dict[str, Any], clock: Clock) -> int:
    """Trains a model of RecTools, and returns the number of items that it scores."""
    import pandas as pd
    from pytorch_lightning import Callback, Trainer, seed_everything
    from rectools import Columns
    from rectools.dataset import Dataset
    from rectools.models import HSTUModel, SASRecModel

    seed_everything(0)
    rows = pd.read_csv(Path(folder) / "histories" / "histories.inter", sep="\t")
    rows.columns = [Columns.User, Columns.Item, Columns.Datetime]
    rows[Columns.Datetime] = pd.to_datetime(rows[Columns.Datetime], unit="s")
    rows[Columns.Weight] = 1.0
    more = {"relative_time_attention": False} if name == "HSTU" else {}
    model = {"SASRec": SASRecModel, "HSTU": HSTUModel}[name](
        n_blocks=settings["blocks"],
        n_heads=settings["heads"],
        n_factors=settings["embedding_dim"],
        dropout_rate=settings["dropout_rate"],
        session_max_len=settings["max_history_length"],
        batch_size=settings["batch_size"],
        lr=settings["learning_rate"],
        loss="softmax",
        **more,
    )

    class Counter(Callback):
        def on_train_batch_end(
            self, trainer: Any, module: Any, outputs: Any, batch: Any, number: int
        ) -> None:
            target = batch["y"]
            clock.count(len(target), target.numel(), int((target != 0).sum()))
            trainer.should_stop = clock.is_over

    model._build_model_from_dataset(Dataset.construct(rows))
    # As RecTools makes it, besides the end and the count.
    trainer = Trainer(
        max_epochs=-1,
        callbacks=[Counter()],
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
        devices=1,
    )
    trainer.fit(model.lightning_model, model.data_preparator.get_dataloader_train())
    return len(model.data_preparator.item_id_map.external_ids)


def main(peer: str, name: str, folder: str, settings_json: str) -> None:
    """Trains, and prints what was measured."""
    settings = json.loads(settings_json)
    clock = Clock(settings["seconds"], settings["warm_steps"])
    train = {"RecBole": recbole, "RecTools": rectools}[peer]
    candidates = train(name, folder, settings, clock)
    print(json.dumps({**dataclasses.asdict(clock), "candidates": candidates}))


if __name__ == "__main__":
    main(*sys.argv[1:])
