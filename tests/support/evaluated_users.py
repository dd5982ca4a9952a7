"""Users as the ``evaluate`` signature scores them, for the ranking metrics."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from components.ranking_metrics.metrics import Statistics, measure_user


def evaluate_outputs(
    targets: Sequence[tuple[int, int, float]],
    num_candidates: int,
    top_item: Sequence[int] = (2, 3),
    catalogue_size: int = 50,
) -> dict[str, Any]:
    """Returns the outputs of ``evaluate`` for targets (rank, label, score)."""
    rank, label, score = (np.array(column) for column in zip(*targets, strict=True))
    score = score.astype(np.float32)
    return {
        "target": np.arange(len(rank), dtype=np.uint32) + 5,
        "event_type": np.zeros(len(rank), np.uint32),
        "is_new": np.zeros(len(rank), np.int64),
        "popularity": np.arange(len(rank), dtype=np.int8) % 3,
        "age": np.arange(len(rank), dtype=np.int8) % 3,
        "rank": rank.astype(np.int64),
        "label": label.astype(np.int64),
        "score": score,
        "probability": np.clip(score, 0, 1),
        "error": np.clip(score, 0, 1) - label,
        "num_candidates": np.int64(num_candidates),
        "top_item": np.array(top_item, np.int32),
        "novelty": np.float32(3.5),
        "diversity": np.float32(np.nan),
        "list_popularity": np.float32(0.2),
        "history_popularity": np.float32(0.1),
        "index_recall": np.float32(np.nan),
        "catalogue_size": np.int32(catalogue_size),
    }


def add_user(
    total: Statistics,
    outputs: Mapping[str, Any],
    user: int | None = None,
    num_sampled: int = 99,
) -> None:
    """Adds a user to the statistics, as TFMA's metric does.

    Args:
        total: The statistics.
        outputs: The user's outputs of ``evaluate``.
        user: Hash of the user; by default the number of users so far.
        num_sampled: Negatives of the sampled metrics.
    """
    user = len(total.parts["user"]) if user is None else user
    columns = measure_user(outputs, user, num_sampled)
    if columns:
        total.add(columns, int(outputs["catalogue_size"]))
