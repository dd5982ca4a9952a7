"""What is kept of each user to get every metric at once; plain numpy.

A user's targets come with their rank among all items that the user has not seen, and
with a label, 1 for those that the user liked. Ranking metrics average over the users
who liked at least one target; label metrics are over all targets.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import gammaln

from components import metric_names as names
from components.metric_names import K
from components.ranking_metrics.users import Users
from trainer_modules import features as f

NUM_SAMPLED = 99  # negatives in the sampled metrics, as most papers print them

_DISCOUNT = 1 / np.log2(np.arange(2, K + 2))  # of the places 1 to K
_IDEAL = np.cumsum(_DISCOUNT)
_CLIP = 1e-7  # keeps the logarithm of a certain mistake finite, as Keras does

Floats = npt.NDArray[np.float64]


def ranking_metrics(
    rank: npt.NDArray[np.int64], num_candidates: int, num_sampled: int = NUM_SAMPLED
) -> Floats:
    """Returns the ``PER_USER_METRICS`` of one user.

    Args:
        rank: [P] ranks from 1 of the liked targets among the items not seen; P >= 1.
            Tied ones share the worst of their places.
        num_candidates: How many items the user has not seen.
        num_sampled: Negatives in the sampled metrics.

    Returns:
        One number for each, NaN for ``mean_rank_auc`` and the sampled ones where
        nothing but liked targets was left to rank.
    """
    rank = np.sort(rank)
    num_liked = len(rank)
    found = rank[rank <= K]
    # Items that are ahead or tied and were not liked: liked ones of the same score have
    # the same rank, and none of them is ahead of the others.
    ahead = rank - np.searchsorted(rank, rank, side="right")
    num_others = num_candidates - num_liked
    sampled = expected_gains(ahead, num_others, num_sampled)
    return np.array(
        [
            float(len(found) > 0),
            _DISCOUNT[found - 1].sum() / _IDEAL[min(num_liked, K) - 1],
            1 / rank[0],
            len(found) / num_liked,
            len(found) / K,
            1 - ahead.mean() / num_others if num_others > 0 else math.nan,
            sampled.sum(1).mean() if num_others > 0 else math.nan,
            (sampled @ _DISCOUNT).mean() if num_others > 0 else math.nan,
        ]
    )


def expected_gains(
    ahead: npt.NDArray[np.int64], num_others: int, num_sampled: int
) -> Floats:
    """The chance of each of the first K places among sampled negatives, exactly.

    Of ``num_others`` items ``ahead`` are ranked before the target. A sample of
    ``num_sampled`` of them, without replacement, holds j of those ahead with the
    hypergeometric probability, and then the target is at place j + 1.

    Args:
        ahead: [P].
        num_others: How many items there are to sample from.
        num_sampled: How many are.

    Returns:
        [P, K] probabilities of the places 1 to K.
    """
    n = min(num_sampled, num_others)
    a = np.clip(ahead, 0, num_others)[:, np.newaxis].astype(np.float64)
    j = np.arange(K, dtype=np.float64)[np.newaxis, :]
    behind = num_others - a
    possible = (j <= a) & (n - j <= behind) & (j <= n)
    with np.errstate(invalid="ignore", divide="ignore"):
        log_chance = (
            _log_choose(a, j)
            + _log_choose(behind, n - j)
            - _log_choose(np.float64(num_others), np.float64(n))
        )
    return np.where(possible, np.exp(np.where(possible, log_chance, 0.0)), 0.0)


def _log_choose(n: Floats | np.float64, k: Floats | np.float64) -> Floats:
    chosen: Floats = gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1)
    return chosen


def area_under_curve(score: Floats, label: npt.NDArray[np.int64]) -> float:
    """The chance that a liked target scores above one that was not; ties are a half.

    Mann and Whitney 1947, exactly: no thresholds, any range of scores. NaN without both
    kinds or with a score that is not a number.
    """
    num_liked = int(label.sum())
    num_others = len(label) - num_liked
    if not num_liked or not num_others or np.isnan(score).any():
        return math.nan
    _, place, count = np.unique(score, return_inverse=True, return_counts=True)
    mean_rank = np.cumsum(count) - (count - 1) / 2
    ranks = mean_rank[place][label == 1].sum()
    return float((ranks - num_liked * (num_liked + 1) / 2) / (num_liked * num_others))


Outputs = Mapping[str, npt.NDArray[Any]]
Columns = dict[str, npt.NDArray[Any]]

# What is kept of each user, and of each target: name -> type, and shape of one.
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
}
TARGET_COLUMNS: dict[str, tuple[type, tuple[int, ...]]] = {
    "target": (np.uint32, ()),
    "rank": (np.int32, ()),
    "label": (np.int8, ()),
    "score": (np.float32, ()),
    "probability": (np.float32, ()),
    "error": (np.float32, ()),
}
COLUMNS = USER_COLUMNS | TARGET_COLUMNS


def measure_user(outputs: Outputs, user: int, num_sampled: int) -> Columns | None:
    """What is kept of one user: a row of each of ``USER_COLUMNS``, T of the others.

    Args:
        outputs: Of the ``evaluate`` signature for that user, and ``target``, a hash of
            each target.
        user: A hash of the id.
        num_sampled: Negatives in the sampled metrics.

    Returns:
        None for a user without a target that tells anything.
    """
    is_target = outputs["label"] >= 0
    if not is_target.any():
        return None
    rank, label = outputs["rank"][is_target], outputs["label"][is_target]
    is_ranked = bool(rank[0] > 0)  # in the sample of users
    liked = rank[label == 1].astype(np.int64)
    ranking = np.full(len(names.PER_USER_METRICS), np.nan)
    if is_ranked and len(liked):
        ranking = ranking_metrics(liked, int(outputs["num_candidates"]), num_sampled)
    top_item = np.zeros(K, np.int32)  # a small catalogue fills less
    top_item[: len(outputs["top_item"])] = outputs["top_item"]
    of_user = {
        **outputs,
        "user": user,
        "num_targets": len(label),
        "is_ranked": is_ranked,
        "ranking": ranking,
        "top_item": top_item,
    }
    columns: Columns = {
        name: np.asarray(of_user[name], kind).reshape(1, *shape)
        for name, (kind, shape) in USER_COLUMNS.items()
    }
    return columns | {
        name: outputs[name][is_target].astype(kind)
        for name, (kind, _) in TARGET_COLUMNS.items()
    }


@dataclass
class Statistics:
    """The users that were measured, in any order; fields of several add up.

    Attributes:
        catalogue_size: Items that could be recommended.
        parts: For each of ``COLUMNS`` arrays that are yet to be joined.
    """

    catalogue_size: int = 0
    parts: dict[str, list[npt.NDArray[Any]]] = field(
        default_factory=lambda: {name: [] for name in COLUMNS}
    )

    def add(self, columns: Columns, catalogue_size: int) -> None:
        """Adds what ``measure_user`` told."""
        self.catalogue_size = max(self.catalogue_size, catalogue_size)
        for name, parts in self.parts.items():
            parts.append(columns[name])

    def merge(self, other: "Statistics") -> None:
        """Adds another's users."""
        self.catalogue_size = max(self.catalogue_size, other.catalogue_size)
        for name, parts in self.parts.items():
            parts += other.parts[name]

    def compact(self) -> None:
        """Joins the arrays, so that many users are few objects."""
        for parts in self.parts.values():
            if len(parts) > 1:
                parts[:] = [np.concatenate(parts)]

    def columns(self) -> Columns:
        """All users and all targets, in the order in which they came."""
        self.compact()
        return {
            name: parts[0] if parts else np.zeros((0, *shape), kind)
            for (name, parts), (kind, shape) in zip(
                self.parts.items(), COLUMNS.values(), strict=True
            )
        }

    def users(self) -> Users:
        """What a comparison with another model needs: users ordered by their hash."""
        columns = self.columns()
        order = np.argsort(columns["user"], kind="stable")
        place = np.empty(len(order), np.int32)
        place[order] = np.arange(len(order))
        target_user = np.repeat(place, columns["num_targets"])
        target_order = np.argsort(target_user, kind="stable")
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
        )

    def results(self) -> dict[str, float]:
        """All ``METRICS``; NaN where there was nothing to measure on."""
        columns = self.columns()
        return (
            _ranking_results(columns)
            | _label_results(columns)
            | _list_results(columns, self.catalogue_size)
        )


def _ranking_results(columns: Columns) -> dict[str, float]:
    values = columns["ranking"].astype(np.float64)
    # Those of the sample who liked a target: nobody else tells anything of an order.
    results = {names.NUM_USERS: float((~np.isnan(values[:, 0])).sum())}
    for name, value in zip(names.PER_USER_METRICS, values.T, strict=True):
        value = value[~np.isnan(value)]
        results[name] = _mean(value)
        if name in (names.HIT_RATE, names.NDCG):
            # Of a mean over users, as if they were drawn at random from many.
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
    """NaN, all of them, for scores that are not probabilities."""
    if np.isnan(probability).any():
        return dict.fromkeys(names.PROBABILITY_METRICS, math.nan)
    liked, said = int(label.sum()), probability > 0.5
    hits = int((said & (label == 1)).sum())
    clipped = np.clip(probability, _CLIP, 1 - _CLIP)
    return {
        names.ACCURACY: _mean((said == label).astype(np.float64)),
        names.PRECISION: _ratio(hits, int(said.sum())),
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
    }


def gini(times: npt.NDArray[np.int64], catalogue_size: int) -> float:
    """How unequally items are recommended: 0 all alike, towards 1 a few alone.

    Castells, Hurley, Vargas 2015 ("Novelty and Diversity in Recommender Systems",
    section 26.3.3), of the items' shares of all places.

    Args:
        times: [I] how often each of the recommended items is, ascending.
        catalogue_size: V; the others are recommended never.
    """
    total = times.sum()
    if not total or catalogue_size < 2:
        return math.nan
    place = np.arange(catalogue_size - len(times) + 1, catalogue_size + 1)
    weighted = ((2 * place - catalogue_size - 1) * times).sum()
    return float(weighted / (total * (catalogue_size - 1)))


def _mean(values: Floats) -> float:
    return float(values.mean()) if len(values) else math.nan


def _nan_mean(values: npt.NDArray[np.float32]) -> float:
    return _mean(values[~np.isnan(values)].astype(np.float64))


def _ratio(part: float, whole: float) -> float:
    return float(part / whole) if whole else math.nan
