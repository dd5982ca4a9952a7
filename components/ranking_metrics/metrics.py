"""Computes all metrics from a few columns per user; plain numpy.

A user's targets come with their rank among all items that the user has not seen, and
with a label, 1 for liked ones. Ranking metrics are averages over the users who liked at
least one target; label metrics are over all targets.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from components import metric_names as names
from components.metric_names import K
from components.ranking_metrics.closed_forms import (
    Floats,
    area_under_curve,
    expected_gains,
    gini,
)
from components.ranking_metrics.users import Users
from trainer_modules import features as f

NUM_SAMPLED = 99  # negatives in the sampled metrics, as most papers print them

_DISCOUNT = 1 / np.log2(np.arange(2, K + 2))  # of the places 1 to K
_IDEAL = np.cumsum(_DISCOUNT)
_CLIP = 1e-7  # keeps the logarithm finite for wrong probabilities of 0 or 1, as Keras


def ranking_metrics(
    rank: npt.NDArray[np.int64], num_candidates: int, num_sampled: int = NUM_SAMPLED
) -> Floats:
    """Returns the ``PER_USER_METRICS`` of one user.

    Args:
        rank: Ranks of the liked targets among the unseen items, [P], P >= 1, starting
            at 1. Tied targets share the worst of their ranks.
        num_candidates: How many items the user has not seen.
        num_sampled: Number of negatives in the sampled metrics.

    Returns:
        One number for each metric; ``mean_rank_auc`` and the sampled ones are NaN if
        only liked targets were left to rank.
    """
    num_others = num_candidates - len(rank)
    sampled = np.full(len(names.SAMPLED_METRICS), math.nan)
    if num_others > 0:
        gains = expected_gains(
            _ahead(np.sort(rank), num_others), num_others, num_sampled
        )
        sampled[:] = gains.sum(1).mean(), (gains @ _DISCOUNT).mean()
    return np.concatenate([full_ranking_metrics(rank, num_candidates), sampled])


def full_ranking_metrics(rank: npt.NDArray[np.int64], num_candidates: int) -> Floats:
    """Returns the ``RANKING_METRICS``: those of ``ranking_metrics`` without a sample.

    They take half as long.
    """
    rank = np.sort(rank)
    num_liked = len(rank)
    found = rank[rank <= K]
    num_others = num_candidates - num_liked
    return np.array(
        [
            float(len(found) > 0),
            _DISCOUNT[found - 1].sum() / _IDEAL[min(num_liked, K) - 1],
            1 / rank[0],
            len(found) / num_liked,
            len(found) / K,
            1 - _ahead(rank, num_others).mean() / num_others
            if num_others > 0
            else math.nan,
        ]
    )


def _ahead(rank: npt.NDArray[np.int64], num_others: int) -> npt.NDArray[np.int64]:
    """Returns how many items that were not liked are ahead of each target, or tied.

    Liked ones with the same score have the same rank, and do not count as ahead of each
    other.

    Args:
        rank: Ranks of the liked targets in ascending order, [P]. Those that rules block
            are behind all candidates.
        num_others: How many such items there are.
    """
    return np.minimum(rank - np.searchsorted(rank, rank, side="right"), num_others)


Outputs = Mapping[str, npt.NDArray[Any]]
Columns = dict[str, npt.NDArray[Any]]

# What is kept of each user, and of each target: its type, and the shape of one value.
USER_COLUMNS: dict[str, tuple[type, tuple[int, ...]]] = {
    "user": (np.uint64, ()),
    "num_targets": (np.int32, ()),
    "is_ranked": (np.bool_, ()),
    "num_candidates": (np.int32, ()),
    "ranking": (np.float64, (len(names.PER_USER_METRICS),)),
    "top_item": (np.int32, (K,)),
    "novelty": (np.float32, ()),
    "diversity": (np.float32, ()),
    "list_popularity": (np.float32, ()),
    "history_popularity": (np.float32, ()),
    "index_recall": (np.float32, ()),
}
TARGET_COLUMNS: dict[str, tuple[type, tuple[int, ...]]] = {
    "target": (np.uint32, ()),
    "event_type": (np.uint32, ()),
    "is_new": (np.bool_, ()),
    "popularity": (np.int8, ()),
    "age": (np.int8, ()),
    "rank": (np.int32, ()),
    "label": (np.int8, ()),
    "score": (np.float32, ()),
    "probability": (np.float32, ()),
    "error": (np.float32, ()),
}
COLUMNS = USER_COLUMNS | TARGET_COLUMNS


def measure_user(outputs: Outputs, user: int, num_sampled: int) -> Columns | None:
    """Returns one row of ``USER_COLUMNS``, and T rows of ``TARGET_COLUMNS``.

    Args:
        outputs: Outputs of the ``evaluate`` signature for the user, with a hash of
            each ``target`` and of its ``event_type``, and the places of its item's
            ``popularity`` and ``age`` (``target_slices.py``).
        user: Hash of the user's id.
        num_sampled: Number of negatives in the sampled metrics.

    Returns:
        The columns; None for a user without a target that has a label.
    """
    is_target = outputs["label"] >= 0
    if not is_target.any():
        return None
    rank, label = outputs["rank"][is_target], outputs["label"][is_target]
    is_ranked = bool(rank[0] > 0)  # whether the user is in the sample
    liked = rank[label == 1].astype(np.int64)
    ranking = np.full(len(names.PER_USER_METRICS), np.nan)
    if is_ranked and len(liked):
        ranking = ranking_metrics(liked, int(outputs["num_candidates"]), num_sampled)
    top_item = np.zeros(K, np.int32)  # a small catalogue fills less
    top_item[: len(outputs["top_item"])] = outputs["top_item"]
    user_values = {
        **outputs,
        "user": user,
        "num_targets": len(label),
        "is_ranked": is_ranked,
        "ranking": ranking,
        "top_item": top_item,
    }
    columns: Columns = {
        name: np.asarray(user_values[name], kind).reshape(1, *shape)
        for name, (kind, shape) in USER_COLUMNS.items()
    }
    return columns | {
        name: outputs[name][is_target].astype(kind)
        for name, (kind, _) in TARGET_COLUMNS.items()
    }


@dataclass
class Statistics:
    """The users that were measured, in any order; several statistics can be merged.

    Attributes:
        catalogue_size: Number of items that could be recommended.
        parts: Arrays that are yet to be joined, for each of ``COLUMNS``.
    """

    catalogue_size: int = 0
    parts: dict[str, list[npt.NDArray[Any]]] = field(
        default_factory=lambda: {name: [] for name in COLUMNS}
    )

    def add(self, columns: Columns, catalogue_size: int) -> None:
        """Adds the columns that ``measure_user`` returned."""
        self.catalogue_size = max(self.catalogue_size, catalogue_size)
        for name, parts in self.parts.items():
            parts.append(columns[name])

    def merge(self, other: "Statistics") -> None:
        """Adds another's users."""
        self.catalogue_size = max(self.catalogue_size, other.catalogue_size)
        for name, parts in self.parts.items():
            parts += other.parts[name]

    def compact(self) -> None:
        """Joins the arrays, so that many users take few objects."""
        for parts in self.parts.values():
            if len(parts) > 1:
                parts[:] = [np.concatenate(parts)]

    def columns(self) -> Columns:
        """Returns all users and all targets in the order they were added."""
        self.compact()
        return {
            name: parts[0] if parts else np.zeros((0, *shape), kind)
            for (name, parts), (kind, shape) in zip(
                self.parts.items(), COLUMNS.values(), strict=True
            )
        }

    def users(self) -> Users:
        """Returns the users, ordered by hash, for comparison with other models."""
        columns = self.columns()
        order = np.argsort(columns["user"], kind="stable")
        place = np.empty(len(order), np.int32)
        place[order] = np.arange(len(order))
        target_user = np.repeat(place, columns["num_targets"])
        target_order = np.argsort(target_user, kind="stable")
        top_item = columns["top_item"] * columns["is_ranked"][:, np.newaxis]
        return Users(
            user=columns["user"][order],
            metrics=names.PER_USER_METRICS,
            values=columns["ranking"][order].astype(np.float32),
            num_candidates=columns["num_candidates"][order],
            target_user=target_user[target_order],
            target=columns["target"][target_order],
            rank=columns["rank"][target_order],
            score=columns["score"][target_order],
            label=columns["label"][target_order],
            event_type=columns["event_type"][target_order],
            is_new=columns["is_new"][target_order],
            popularity=columns["popularity"][target_order],
            age=columns["age"][target_order],
            top_item=top_item[order],
        )

    def results(self) -> dict[str, float]:
        """Returns all ``METRICS``; NaN for those that are not defined."""
        columns = self.columns()
        return (
            _ranking_results(columns)
            | _label_results(columns)
            | _list_results(columns, self.catalogue_size)
        )


def _ranking_results(columns: Columns) -> dict[str, float]:
    values = columns["ranking"].astype(np.float64)
    # Sampled users who liked a target; an order is not defined for the others.
    results = {names.NUM_USERS: float((~np.isnan(values[:, 0])).sum())}
    for name, value in zip(names.PER_USER_METRICS, values.T, strict=True):
        value = value[~np.isnan(value)]
        results[name] = _mean(value)
        if name in (names.HIT_RATE, names.NDCG):
            # The standard error of a mean over users, as if drawn at random from many.
            n = len(value)
            error = float(value.std() / math.sqrt(n)) if n else math.nan
            results[names.standard_error(name)] = error
    return results


def _label_results(columns: Columns) -> dict[str, float]:
    label = columns["label"].astype(np.int64)
    score, probability, error = (
        columns[name].astype(np.float64) for name in ("score", "probability", "error")
    )
    n = len(label)
    return {
        names.AUC: area_under_curve(score, label),
        **_probability_results(probability, label),
        names.RMSE: math.sqrt(_mean(error**2)) if n else math.nan,
        names.FINITE_SCORES: _mean(np.isfinite(score).astype(np.float64)),
        names.SCORE_STD: float(score.std()) if n else math.nan,
        names.NUM_TARGETS: float(n),
    }


def _probability_results(
    probability: Floats, label: npt.NDArray[np.int64]
) -> dict[str, float]:
    """Returns ``PROBABILITY_METRICS``; NaN for scores that are not probabilities."""
    if np.isnan(probability).any():
        return dict.fromkeys(names.PROBABILITY_METRICS, math.nan)
    liked, predicted = int(label.sum()), probability > 0.5
    hits = int((predicted & (label == 1)).sum())
    clipped = np.clip(probability, _CLIP, 1 - _CLIP)
    return {
        names.ACCURACY: _mean((predicted == label).astype(np.float64)),
        names.PRECISION: _ratio(hits, int(predicted.sum())),
        names.RECALL: _ratio(hits, liked),
        names.LOG_LOSS: _mean(-np.log(np.where(label == 1, clipped, 1 - clipped))),
        names.CALIBRATION: _ratio(float(probability.sum()), liked),
    }


def _list_results(columns: Columns, catalogue_size: int) -> dict[str, float]:
    ranked = columns["is_ranked"]
    times = np.bincount(columns["top_item"][ranked].ravel(), minlength=1)
    times = np.sort(times[f.NUM_RESERVED :][times[f.NUM_RESERVED :] > 0])
    lists, histories = (
        float(columns[name][ranked].astype(np.float64).sum())
        for name in ("list_popularity", "history_popularity")
    )
    return {
        names.COVERAGE: _ratio(len(times), catalogue_size),
        names.GINI: gini(times, catalogue_size),
        names.NOVELTY: _nan_mean(columns["novelty"][ranked]),
        names.DIVERSITY: _nan_mean(columns["diversity"][ranked]),
        names.POPULARITY_LIFT: _ratio(lists - histories, histories),
        names.INDEX_RECALL: _nan_mean(columns["index_recall"][ranked]),
    }


def _mean(values: Floats) -> float:
    return float(values.mean()) if len(values) else math.nan


def _nan_mean(values: npt.NDArray[np.float32]) -> float:
    return _mean(values[~np.isnan(values)].astype(np.float64))


def _ratio(part: float, whole: float) -> float:
    return float(part / whole) if whole else math.nan
