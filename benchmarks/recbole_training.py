"""Trains RecBole's xDeepFM in RecBole's own environment, without imports of ours.

``python benchmarks/recbole_training.py FOLDER CIN HIDDEN BATCH`` reads the rows that
``benchmarks.recbole`` wrote to FOLDER, and prints the rows/s of one pass on its last
line.
"""

import json
import sys
import time

from recbole.config import Config
from recbole.data import create_dataset, data_preparation
from recbole.model.context_aware_recommender import xDeepFM
from recbole.trainer import Trainer
from recbole.utils import init_seed

DIM = 16
WARM_BATCHES = 3


def main(folder: str, cin: str, hidden: str, batch: str) -> None:
    """Trains on all rows once, and prints the rows/s."""
    sys.argv = sys.argv[:1]  # RecBole reads the command line as well
    config = Config(
        model="xDeepFM",
        dataset="rows",
        config_dict={
            "data_path": folder,
            "load_col": None,
            "embedding_size": DIM,
            "cin_layer_size": json.loads(cin),
            "mlp_hidden_size": json.loads(hidden),
            "direct": True,  # as in the paper: all maps are pooled and passed on
            "dropout_prob": 0.0,
            "reg_weight": 0.0,
            "train_batch_size": int(batch),
            "train_neg_sample_args": None,
            "eval_args": {
                "split": {"RS": [0.98, 0.01, 0.01]},
                "group_by": None,
                "order": "RO",
                "mode": "labeled",
            },
            "metrics": ["AUC"],
            "valid_metric": "AUC",
            "use_gpu": False,
            "show_progress": False,
            "state": "ERROR",
        },
    )
    init_seed(0, reproducibility=False)
    dataset = create_dataset(config)
    rows, _, _ = data_preparation(config, dataset)
    model = xDeepFM(config, rows._dataset)
    trainer = Trainer(config, model)
    for batch_rows, _ in zip(rows, range(WARM_BATCHES), strict=False):
        trainer.optimizer.zero_grad()
        model.calculate_loss(batch_rows).backward()
    started = time.monotonic()
    trainer._train_epoch(rows, 0)
    print(len(rows._dataset) / (time.monotonic() - started))


if __name__ == "__main__":
    main(*sys.argv[1:])
