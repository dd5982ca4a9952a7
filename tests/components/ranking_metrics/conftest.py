"""The slow metrics that the fast ones are compared with."""

import runpy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from components.ranking_metrics.statistics import measure_user

REFERENCE = Path(__file__).parents[2] / "reference" / "ranking.py"


@pytest.fixture(scope="session")
def reference():
    return SimpleNamespace(**runpy.run_path(str(REFERENCE)))


@pytest.fixture(scope="session")
def outputs():
    """Returns the output of ``evaluate`` for (rank, label, score) targets of a user."""

    def of_user(targets, num_candidates, top_item=(2, 3), catalogue_size=50):
        rank, label, score = (np.array(column) for column in zip(*targets, strict=True))
        score = score.astype(np.float32)
        return {
            "target": np.arange(len(rank), dtype=np.uint32) + 5,
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
            "catalogue_size": np.int32(catalogue_size),
        }

    return of_user


@pytest.fixture(scope="session")
def add():
    """Adds a user to Statistics, as TFMA's metric does."""

    def added(total, told, user=None, num_sampled=99):
        user = len(total.parts["user"]) if user is None else user
        columns = measure_user(told, user, num_sampled)
        if columns:
            total.add(columns, int(told["catalogue_size"]))

    return added
